//! The command's end of the admin socket.
//!
//! Blocking, one thread: the command has nothing else to do. Requests may be sent
//! ahead of their answers, which come in order.

use ipc::Bytes;
use ipc::channel::{Channel, Fault, Received};
use ipc::edge::admin::{Answer, Request};
use ipc::edge::control_auth::Refusal;
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};
use std::path::Path;

/// How long `control` may take for one answer. It gives up on everybody after
/// 120 s itself; a deletion asks three of them.
const ANSWER_SECONDS_MAX: i64 = 400;

/// Where `control` listens, unless the configuration says otherwise.
pub const DEFAULT_PATH: &str = "/run/mailkeep/control.sock";

/// Why a request came to nothing.
#[derive(Debug, PartialEq, Eq)]
pub enum Failure {
    /// Nobody listens there.
    NotRunning(String, rustix::io::Errno),
    /// Who asks may not.
    NotPermitted,
    /// The answer is no.
    Refused(Refusal),
    /// The channel failed.
    Channel(Fault),
    /// `control` has gone, or was silent for too long.
    Silent,
    /// An answer that belongs to another question.
    OutOfOrder,
    /// A word on the command line is longer than an address can be.
    TooLong,
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NotRunning(path, errno) => {
                write!(
                    f,
                    "no Mailkeep answers at {path} ({errno}); is it running, and is --socket right?"
                )
            }
            Self::NotPermitted => {
                f.write_str("your uid is not among those of [admin] uids in the configuration")
            }
            Self::Refused(refusal) => f.write_str(explain(*refusal)),
            Self::Channel(fault) => write!(f, "the admin socket failed: {fault}"),
            Self::Silent => f.write_str("Mailkeep does not answer; its log may say why"),
            Self::OutOfOrder => {
                f.write_str("Mailkeep answered something else; are both of one version?")
            }
            Self::TooLong => f.write_str("that name is longer than an address can be"),
        }
    }
}

/// What a refusal means and what to do about it.
fn explain(refusal: Refusal) -> &'static str {
    match refusal {
        Refusal::NoSuchAccount => "there is no such account (mailkeep user list shows all)",
        Refusal::Taken => "that name or address belongs to an account already",
        Refusal::BadName => {
            "that is no name for an account: use local@domain, without control characters or spaces"
        }
        Refusal::ForeignDomain => "its domain is not in [accounts] domains of the configuration",
        Refusal::NoMoreIds => "all account ids of the configured range have been used; widen it",
        Refusal::Storage => "the change could not be stored; the log says why",
        Refusal::BadVerifier => "the password hash has parameters outside of what is accepted",
        Refusal::TooManyAliases => "the account has as many addresses as it may have",
        Refusal::Unavailable => "a process that is needed is not there now; try again in a moment",
        Refusal::Distress => {
            "the account's store can't be opened; mailkeep verify says why, mailkeep repair mends it"
        }
        Refusal::Busy => "the account is being checked or repaired, or as many are as may be",
        Refusal::CutShort => {
            "it was cut short: it took too long, or whoever did it died (the log says)"
        }
        Refusal::NoStore => {
            "the account has no store: it was never used, or its directory is not its own (the log says)"
        }
    }
}

/// A word of the command line, as it crosses.
///
/// # Errors
/// [`Failure::TooLong`].
pub fn bytes<const MAX: usize>(text: &str) -> Result<Bytes<MAX>, Failure> {
    Bytes::new(text).map_err(|_| Failure::TooLong)
}

/// A connection to `control`.
pub struct AdminSocket(Channel<Request, Answer>);

impl AdminSocket {
    /// Connects.
    ///
    /// # Errors
    /// [`Failure::NotRunning`].
    pub fn connect(path: &Path) -> Result<Self, Failure> {
        let not_running = |errno| Failure::NotRunning(path.display().to_string(), errno);
        let address = SocketAddrUnix::new(path).map_err(not_running)?;
        let flags = SocketFlags::CLOEXEC;
        let socket =
            rustix::net::socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)
                .map_err(not_running)?;
        rustix::net::connect(&socket, &address).map_err(not_running)?;
        Channel::adopt(socket).map(Self).map_err(Failure::Channel)
    }

    /// The process that listened there first, as the kernel has it (`SO_PEERCRED`,
    /// unix(7)): nobody else's word.
    pub fn listener(&self) -> Result<u32, Errno> {
        let credentials = rustix::net::sockopt::socket_peercred(&self.0)?;
        u32::try_from(credentials.pid.as_raw_nonzero().get()).map_err(|_| Errno::SRCH)
    }

    /// The inode of this end.
    pub fn inode(&self) -> Result<u64, Errno> {
        rustix::fs::fstat(&self.0).map(|status| status.st_ino)
    }

    /// Sends a request whose answer is taken later.
    ///
    /// # Errors
    /// [`Failure::Channel`].
    pub fn send(&mut self, request: Request) -> Result<(), Failure> {
        self.0.send(request).map_err(Failure::Channel)
    }

    /// The next answer, whatever it is, unless it is a refusal.
    ///
    /// # Errors
    /// [`Failure`].
    pub fn answer(&mut self) -> Result<Answer, Failure> {
        loop {
            self.0.flush().map_err(Failure::Channel)?;
            match self.0.receive().map_err(Failure::Channel)? {
                Received::Message(Answer::Refused { refusal }) => {
                    return Err(Failure::Refused(refusal));
                }
                Received::Message(Answer::NotPermitted) => return Err(Failure::NotPermitted),
                Received::Message(answer) => return Ok(answer),
                Received::Closed => return Err(Failure::Silent),
                Received::Nothing => self.wait()?,
            }
        }
    }

    /// Asks for something that is answered by `Done` alone.
    ///
    /// # Errors
    /// [`Failure`].
    pub fn ask(&mut self, request: Request) -> Result<(), Failure> {
        self.send(request)?;
        match self.answer()? {
            Answer::Done => Ok(()),
            _ => Err(Failure::OutOfOrder),
        }
    }

    fn wait(&self) -> Result<(), Failure> {
        let timeout = Timespec {
            tv_sec: ANSWER_SECONDS_MAX,
            tv_nsec: 0,
        };
        let queued = if self.0.wants_to_send() {
            PollFlags::OUT
        } else {
            PollFlags::empty()
        };
        let mut descriptors = [PollFd::new(&self.0, PollFlags::IN | queued)];
        match rustix::event::poll(&mut descriptors, Some(&timeout)) {
            Ok(0) => Err(Failure::Silent),
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
            Err(errno) => Err(Failure::Channel(Fault::Socket(errno))),
        }
    }
}
