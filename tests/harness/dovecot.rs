//! A Dovecot to compare with: started from tests/dovecot.conf on a loopback address and
//! in a directory of its own, and ended by its pid.
//!
//! It runs as root, with the users that Debian's package brings, and as an ordinary
//! user, who is then every one of them. Every name is an account, and its password is
//! [`PASSWORD`]. It never sees the machine's own configuration, mail or users.

use crate::directory::Directory;
use crate::session::{PATIENCE, Session};
use crate::set::{self, IMAP, IMAPS, LMTP, PASSWORD, POP3, POP3S, signal_pid, wait_for, workspace};
use crate::trace::{Host, To, greeting};
use rustix::process::Signal;
use rustls::pki_types::CertificateDer;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::unix::fs::{DirBuilderExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// Debian's place for the program.
const PROGRAM: &str = "/usr/sbin/dovecot";

/// How long it may take to start or to stop.
const START: Duration = Duration::from_secs(30);

/// An unprivileged user that every Debian has: whose mail it is when root starts it.
const NOBODY: u32 = 65534;

/// One running Dovecot; it is ended when this goes.
#[derive(Debug)]
pub struct Dovecot {
    child: Child,
    directory: Directory,
    address: Ipv4Addr,
    certificate: CertificateDer<'static>,
}

impl Dovecot {
    /// Whether there is one on this machine.
    #[must_use]
    pub fn is_installed() -> bool {
        Path::new(PROGRAM).exists()
    }

    /// Starts one.
    ///
    /// # Panics
    /// If it doesn't start; with its log.
    #[must_use]
    pub fn start() -> Self {
        let directory = Directory::new();
        let address = set::own_address();
        let certificate = set::write_certificate(&directory, address);
        make_mail(&directory);
        let _ = directory.write("password", format!("everybody:{{PLAIN}}{PASSWORD}\n"));
        let configuration = directory.write("dovecot.conf", configuration(&directory, address));
        let child = Command::new(PROGRAM)
            .arg("-F")
            .arg("-c")
            .arg(configuration)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::inherit())
            .spawn()
            .expect("dovecot starts");
        let mut dovecot = Self {
            child,
            directory,
            address,
            certificate,
        };
        let up = wait_for(START, || dovecot.listens() || dovecot.has_ended());
        assert!(up && !dovecot.has_ended(), "{}", dovecot.log());
        dovecot
    }

    /// A port of it.
    #[must_use]
    pub fn at(&self, port: u16) -> SocketAddr {
        (self.address, port).into()
    }

    /// An authenticated IMAP session in the clear.
    ///
    /// # Panics
    /// If it doesn't let the user in.
    #[must_use]
    pub fn login(&self, name: &str) -> Session {
        let mut session = Session::clear(self.at(IMAP));
        let greeting = greeting(&mut session);
        assert!(greeting.starts_with("* OK"), "{greeting}");
        session.ok(&format!("login LOGIN {name} \"{PASSWORD}\""));
        session
    }

    /// Everything that it has logged.
    #[must_use]
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.directory.path().join("log")).unwrap_or_default()
    }

    /// Where it keeps everything.
    #[must_use]
    pub fn directory(&self) -> PathBuf {
        self.directory.path().to_owned()
    }

    /// The pid of its first process, of which all others are children.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    fn listens(&self) -> bool {
        [IMAP, IMAPS, POP3, LMTP]
            .iter()
            .all(|port| TcpStream::connect(self.at(*port)).is_ok())
    }

    fn has_ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }
}

impl Host for Dovecot {
    fn name(&self) -> &'static str {
        "dovecot"
    }

    fn connect(&self, to: To) -> Session {
        match to {
            To::Imap => Session::clear(self.at(IMAP)),
            To::Imaps => Session::tls(self.at(IMAPS), &self.certificate),
            To::Pop3 => Session::clear(self.at(POP3)),
            To::Pop3s => Session::tls(self.at(POP3S), &self.certificate),
            To::Lmtp => Session::clear(self.at(LMTP)),
        }
    }

    fn certificate(&self) -> &CertificateDer<'static> {
        &self.certificate
    }
}

impl Drop for Dovecot {
    fn drop(&mut self) {
        let processes = crate::proc::children(self.child.id());
        signal_pid(self.child.id(), Signal::TERM);
        if !wait_for(PATIENCE, || self.has_ended()) {
            let _ = self.child.kill();
            let _ = self.child.wait();
            for pid in processes {
                signal_pid(pid, Signal::KILL);
            }
        }
        if std::thread::panicking() {
            eprintln!("dovecot's log:\n{}", self.log());
        }
    }
}

/// The directory below which the accounts are, which their owner can write.
fn make_mail(directory: &Directory) {
    let mail = directory.path().join("mail");
    let made = std::fs::DirBuilder::new().mode(0o700).create(&mail);
    made.expect("the directory is ours");
    if rustix::process::geteuid().is_root() {
        chown(mail, Some(NOBODY), Some(NOBODY)).expect("root may");
    }
}

fn configuration(directory: &Directory, address: Ipv4Addr) -> String {
    let template = std::fs::read_to_string(workspace().join("tests/dovecot.conf"));
    let mut text = template.expect("tests/dovecot.conf");
    let is_root = rustix::process::geteuid().is_root();
    let own = |flag: &str| {
        let said = Command::new("id").args([flag]).output().expect("id runs");
        String::from_utf8_lossy(&said.stdout).trim().to_owned()
    };
    let or_own = |name: &str, flag: &str| match is_root {
        true => name.to_owned(),
        false => own(flag),
    };
    for (blank, value) in [
        ("DIRECTORY", directory.path().display().to_string()),
        ("ADDRESS", address.to_string()),
        ("SERVER", or_own("dovecot", "-un")),
        ("SERVER_GROUP", or_own("dovecot", "-gn")),
        ("LOGIN", or_own("dovenull", "-un")),
        (
            "LOGIN_CHROOT",
            if is_root { "login" } else { "" }.to_owned(),
        ),
        ("MAIL", or_own(&NOBODY.to_string(), "-u")),
        ("MAIL_GROUP", or_own(&NOBODY.to_string(), "-g")),
    ] {
        text = text.replace(&format!("@{blank}@"), &value);
    }
    text
}
