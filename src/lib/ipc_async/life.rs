//! A process on tokio from its birth to its exit code: the first dialogue, the
//! runtime, and the supervisor's word until the end. What a process does with
//! that word is its own.

use crate::AsyncChannel;
use ipc::channel::{Channel, Fault};
use ipc::codec::Bytes;
use ipc::edge::supervisor::{ToProcess, ToSupervisor};
use ipc::start::{self, Given, NotStarted, SupervisorChannel};
use std::fmt::Display;
use std::os::fd::OwnedFd;
use std::process::ExitCode;
use tokio::runtime::{Builder, Runtime};
use tokio::task::LocalSet;

/// The channel to the supervisor.
pub type Supervisor = AsyncChannel<ToSupervisor, ToProcess>;

/// The number of the supervisor's channel in every process that it starts.
pub const SUPERVISOR_DESCRIPTOR: i32 = 3;

/// Why a process ends.
#[derive(Debug, PartialEq, Eq)]
pub enum End {
    /// The supervisor said so, or has gone.
    Stopped,
    /// What the supervisor gave us cannot be used; it has been told why.
    Refused,
    /// The start came to nothing.
    NotStarted(NotStarted),
    /// The kernel gives no runtime.
    NoRuntime,
    /// The supervisor said what its phase does not permit.
    Unpermitted,
    /// The supervisor's channel failed.
    Channel(Fault),
}

impl From<Fault> for End {
    fn from(fault: Fault) -> Self {
        Self::Channel(fault)
    }
}

impl End {
    /// sysexits.h has the names.
    #[must_use]
    pub fn exit_code(&self) -> ExitCode {
        const EX_UNAVAILABLE: u8 = 69;
        const EX_SOFTWARE: u8 = 70;
        const EX_CONFIG: u8 = 78;
        match self {
            Self::Stopped => ExitCode::SUCCESS,
            Self::Refused => ExitCode::from(EX_CONFIG),
            Self::Unpermitted => ExitCode::from(EX_SOFTWARE),
            Self::NotStarted(_) | Self::NoRuntime | Self::Channel(_) => {
                ExitCode::from(EX_UNAVAILABLE)
            }
        }
    }
}

/// What a process does with its stack before it waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stack {
    /// Wipes what the last turn left: secrets came through it.
    Wiped,
    /// Leaves it, which saves 2 us each time: it handles no secrets, and its allocator
    /// doesn't wipe either.
    Left,
}

/// Leads a process over the channel that it was born with: collects what it is
/// given, and serves on one thread.
pub fn lead(
    born_with: Option<OwnedFd>,
    stack: Stack,
    serve: impl AsyncFnOnce(Supervisor, Given) -> End,
) -> End {
    match begin(born_with, stack) {
        Ok((supervisor, given, runtime)) => LocalSet::new().block_on(&runtime, async {
            match AsyncChannel::adopt(supervisor.into_socket()) {
                Ok(supervisor) => serve(supervisor, given).await,
                Err(fault) => End::Channel(fault),
            }
        }),
        Err(end) => end,
    }
}

/// The first dialogue, before there is a runtime.
fn begin(
    born_with: Option<OwnedFd>,
    stack: Stack,
) -> Result<(SupervisorChannel, Given, Runtime), End> {
    let mut supervisor = Channel::adopt(born_with.ok_or(End::Unpermitted)?)?;
    let given = start::collect(&mut supervisor).map_err(End::NotStarted)?;
    let runtime = runtime(stack).map_err(|_| End::NoRuntime)?;
    Ok((supervisor, given, runtime))
}

fn runtime(stack: Stack) -> std::io::Result<Runtime> {
    let mut builder = Builder::new_current_thread();
    builder.enable_all();
    if stack == Stack::Wiped {
        builder.on_thread_park(ipc::secret::wipe_stack);
    }
    builder.build()
}

/// Brings the process whatever the supervisor says, until it ends by that; the
/// supervisor's own end is as good as its word.
pub async fn obey(
    supervisor: &Supervisor,
    mut hear: impl FnMut(ToProcess) -> Result<(), End>,
) -> End {
    loop {
        let heard = match supervisor.receive().await {
            Ok(Some(message)) => hear(message),
            Ok(None) => Err(End::Stopped),
            Err(fault) => Err(End::Channel(fault)),
        };
        if let Err(end) = heard {
            return end;
        }
    }
}

/// Ends a start that came to nothing, when the supervisor has been told why.
pub async fn refuse(supervisor: &Supervisor, why: &impl Display) -> End {
    let told = supervisor.send(refused(why));
    match told.and(supervisor.drain().await) {
        Ok(()) => End::Refused,
        Err(fault) => End::Channel(fault),
    }
}

/// A slice can't be used, and why. All our reasons are shorter than the maximum.
pub fn refused(why: &impl Display) -> ToSupervisor {
    let reason = Bytes::new(why.to_string()).unwrap_or_default();
    ToSupervisor::Refused { reason }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ipc::slice::{Keyholder, Slice};

    const SLICE: Slice = Slice::Keyholder {
        slice: Keyholder { tls12: false },
    };

    /// What a process that obeys everything ends by, if the supervisor says this
    /// and goes; and what it said.
    fn led(said: Vec<ToProcess>) -> (End, Vec<ToSupervisor>) {
        let (near, far) = ipc::channel::pair().unwrap();
        let mut supervisor = Channel::<ToProcess, ToSupervisor>::adopt(far).unwrap();
        for message in said {
            supervisor.send(message).unwrap();
        }
        rustix::net::shutdown(&supervisor, rustix::net::Shutdown::Write).unwrap();
        let end = lead(Some(near), Stack::Wiped, async |supervisor, given| {
            assert_eq!(given.slice, SLICE);
            obey(&supervisor, |message| match message {
                ToProcess::Commit => Ok(()),
                ToProcess::Stop => Err(End::Stopped),
                ToProcess::Prepare { .. } => Err(End::Refused),
                _ => Err(End::Unpermitted),
            })
            .await
        });
        let mut heard = Vec::new();
        while let Ok(ipc::Received::Message(message)) = supervisor.receive() {
            heard.push(message);
        }
        (end, heard)
    }

    fn begun() -> Vec<ToProcess> {
        vec![ToProcess::Configure { slice: SLICE }, ToProcess::Begin]
    }

    fn with(more: Vec<ToProcess>) -> End {
        let mut said = begun();
        said.extend(more);
        led(said).0
    }

    #[test]
    fn a_process_ends_by_the_first_word_that_ends_it() {
        assert_eq!(
            with(vec![ToProcess::Commit, ToProcess::Stop, ToProcess::Begin]),
            End::Stopped
        );
        assert_eq!(with(vec![ToProcess::Discard]), End::Unpermitted);
        let prepare = ToProcess::Prepare { slice: SLICE };
        assert_eq!(with(vec![ToProcess::Commit, prepare]), End::Refused);
    }

    #[test]
    fn the_supervisors_end_is_a_stop_and_one_before_begin_no_start() {
        let (end, heard) = led(begun());
        assert_eq!(end, End::Stopped);
        assert!(matches!(heard[..], [ToSupervisor::Entered]));
        let (end, _) = led(Vec::new());
        assert_eq!(end, End::NotStarted(NotStarted::NoSupervisor));
        assert_eq!(
            led(vec![ToProcess::Begin]).0,
            End::NotStarted(NotStarted::NoSlice)
        );
    }

    #[test]
    fn who_is_born_without_a_supervisor_does_nothing() {
        assert_eq!(
            lead(None, Stack::Left, async |_, _| End::Stopped),
            End::Unpermitted
        );
    }

    #[test]
    fn a_reason_reaches_the_supervisor_before_the_end() {
        let (near, far) = ipc::channel::pair().unwrap();
        let mut supervisor = Channel::<ToProcess, ToSupervisor>::adopt(far).unwrap();
        for message in begun() {
            supervisor.send(message).unwrap();
        }
        let end = lead(Some(near), Stack::Wiped, async |supervisor, _| {
            refuse(&supervisor, &"no").await
        });
        assert_eq!(end, End::Refused);
        assert!(matches!(
            supervisor.receive(),
            Ok(ipc::Received::Message(ToSupervisor::Entered))
        ));
        let told = supervisor.receive();
        assert!(
            matches!(told, Ok(ipc::Received::Message(ToSupervisor::Refused { reason })) if reason.as_slice() == b"no")
        );
    }
}
