//! Debian's Dovecot with a configuration of its own, in a directory of its own.

use harness::Session;
use harness::directory::Directory;
use harness::set::{PASSWORD, wait_for};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

const PROGRAM: &str = "/usr/sbin/dovecot";
const PORT: u16 = 10143;
const START: Duration = Duration::from_secs(20);

/// A running Dovecot; it is ended when this goes.
#[derive(Debug)]
pub struct Dovecot {
    child: Child,
    address: Ipv4Addr,
    directory: Directory,
}

impl Dovecot {
    /// Starts one; none if it is not installed here.
    pub fn start() -> Option<Self> {
        std::path::Path::new(PROGRAM).exists().then(Self::launch)
    }

    fn launch() -> Self {
        let directory = Directory::new();
        let [_, high, middle, low] = std::process::id().to_be_bytes();
        let address = Ipv4Addr::new(127, high.wrapping_add(100), middle, low.clamp(1, 254));
        let place = directory.path().display().to_string();
        let mail = directory.path().join("mail");
        std::fs::create_dir(&mail).expect("the directory is ours");
        let chown = Command::new("chown").arg("mail:mail").arg(&mail).status();
        assert!(chown.expect("chown runs").success());
        let text = include_str!("dovecot.conf")
            .replace("@PLACE@", &place)
            .replace("@ADDRESS@", &address.to_string())
            .replace("@PORT@", &PORT.to_string());
        let configuration = directory.write("dovecot.conf", text);
        let child = Command::new(PROGRAM)
            .arg("-F")
            .arg("-c")
            .arg(configuration)
            .stdin(Stdio::null())
            .spawn()
            .expect("dovecot starts");
        let dovecot = Self { child, address, directory };
        let up = wait_for(START, || TcpStream::connect(dovecot.at()).is_ok());
        assert!(up, "dovecot did not start");
        dovecot
    }

    fn at(&self) -> SocketAddr {
        (self.address, PORT).into()
    }

    /// An authenticated session.
    pub fn login(&self, name: &str) -> Session {
        let mut session = Session::clear(self.at());
        let _ = session.read_line();
        session.ok(&format!("login LOGIN {name} \"{PASSWORD}\""));
        session
    }
}

impl Drop for Dovecot {
    fn drop(&mut self) {
        harness::set::signal_pid(self.child.id(), rustix::process::Signal::TERM);
        let _ = self.child.wait();
        if std::thread::panicking() {
            let log = std::fs::read_to_string(self.directory.path().join("log"));
            eprintln!("dovecot's log:\n{}", log.unwrap_or_default());
        }
    }
}
