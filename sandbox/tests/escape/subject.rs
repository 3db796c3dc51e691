//! A probe that makes attempts when it is asked to, and what is around it for them to
//! reach: sockets on the machine's loopback, an abstract one, one by its path.

use super::PROBE;
use super::house::House;
use super::nursery::pair;
use super::order::{receive, send};
use rustix::fs::Mode;
use sandbox::Profile;
use sandbox::profile::{BROKER, Identity, Root};
use std::fs::File;
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};

/// A probe that was executed, and the file that is its standard error.
struct Executed {
    child: Child,
    errors: PathBuf,
}

/// A probe and its surroundings.
pub struct Subject {
    channel: OwnedFd,
    /// What it finds as standard output: a listening socket of the machine's network.
    listener: TcpListener,
    /// What it finds if it gets onto the network.
    _target: TcpListener,
    _named: UnixDatagram,
    /// Where it was executed, not born.
    executed: Option<Executed>,
}

impl Subject {
    /// A probe in this profile.
    pub fn born(house: &House, profile: &'static Profile) -> Self {
        let order = match profile.identity {
            Identity::Account => format!("bear {} attempts", profile.process.program()),
            _ => "attempts".to_owned(),
        };
        let parent = match profile.identity {
            Identity::Account => &BROKER,
            _ => profile,
        };
        Self::ordered(house, parent, &order)
    }

    /// A probe in this profile, which gets this order and the port.
    pub fn ordered(house: &House, profile: &'static Profile, order: &str) -> Self {
        let (listener, target) = (listen(), listen());
        let born = house.bear_with(profile, &listener);
        let (_, channel) = born.expect("the probe is born");
        let (port, outsider) = (port(&target), std::process::id());
        send(&channel, &format!("{order} {port} {outsider}"));
        Self::around(channel, listener, target, None)
    }

    /// A probe that is executed, not born, in this directory.
    /// Its standard error is always a file of the house, readable for its owner alone:
    /// Landlock lets a pipe be opened again, and the test's own may be one.
    pub fn executed(house: &House, directory: &Path, order: &str) -> Self {
        let errors = house.directory.join("errors");
        let error = File::create(&errors).expect("the house is ours");
        set_mode(&errors, 0o600);
        let (listener, target) = (listen(), listen());
        let (ours, theirs) = pair();
        let output = rustix::io::dup(&listener).expect("a copy");
        let child = Command::new(PROBE)
            .arg(order)
            .current_dir(directory)
            .stdin(theirs)
            .stdout(output)
            .stderr(error)
            .spawn()
            .expect("the probe can be executed");
        send(&ours, &format!("{} {}", port(&target), std::process::id()));
        Self::around(ours, listener, target, Some(Executed { child, errors }))
    }

    fn around(
        channel: OwnedFd,
        listener: TcpListener,
        target: TcpListener,
        executed: Option<Executed>,
    ) -> Self {
        let name = format!("mailkeep-probe-{:04x}", port(&target));
        let address = SocketAddr::from_abstract_name(name).expect("a short name");
        Self {
            channel,
            listener,
            _target: target,
            _named: UnixDatagram::bind_addr(&address).expect("nobody else has this port"),
            executed,
        }
    }

    /// Lets it make one attempt; how that went.
    pub fn attempt(&self, name: &str) -> String {
        // The attempt before may have shut it down.
        let _listens = rustix::net::listen(&self.listener, 8);
        send(&self.channel, name);
        match receive(&self.channel) {
            nothing if nothing.is_empty() => "its zygote died".to_owned(),
            outcome => outcome,
        }
    }
}

impl Drop for Subject {
    fn drop(&mut self) {
        let Some(Executed { child, errors }) = &mut self.executed else {
            return;
        };
        // It ends when its channel closes, which happens behind this.
        let _gone = child.kill();
        let _reaped = child.wait();
        // What it complained of is said with the test's own words.
        eprint!("{}", std::fs::read_to_string(errors).unwrap_or_default());
    }
}

fn listen() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").expect("the machine has a loopback")
}

fn port(listener: &TcpListener) -> u16 {
    listener.local_addr().expect("it is bound").port()
}

/// Puts into a house what attempts are about: a neighbour's mail, what leaks, a program
/// in the account's directory, which is set-user-id to root if a root starts the test.
pub fn furnish(house: &House) -> UnixDatagram {
    let store = house.path(Root::Store);
    let (own, neighbour) = (store.join("7"), store.join("8"));
    std::fs::create_dir(&neighbour).expect("the store is ours");
    std::fs::create_dir(own.join("mount")).expect("the account's directory is ours");
    for (file, mode) in [
        (neighbour.join("journal"), 0o600),
        (store.join("../outside"), 0o644),
        (store.join("../log"), 0o600),
    ] {
        std::fs::write(&file, "secret").expect("the house is ours");
        set_mode(&file, mode);
    }
    set_mode(&neighbour, 0o700);
    // What a layer stops is to be the layer's doing, not the owner's mode.
    set_mode(&own, 0o777);
    if let Some(other) = house.site.ranges().and_then(|ranges| ranges.account(8)) {
        for path in [&neighbour, &neighbour.join("journal")] {
            rustix::fs::chown(path, Some(other.uid()), Some(other.gid())).expect("root may");
        }
    }
    plant_program(&own);
    let socket = UnixDatagram::bind(store.join("socket")).expect("the store is ours");
    set_mode(&store.join("socket"), 0o777);
    socket
}

fn plant_program(own: &Path) {
    let program = own.join("program");
    std::fs::copy(PROBE, &program).expect("there is room for a program");
    set_mode(&program, 0o4755);
    std::fs::hard_link(&program, own.join("set-user-id")).expect("in one directory");
}

fn set_mode(path: &Path, mode: u32) {
    rustix::fs::chmod(path, Mode::from_raw_mode(mode)).expect("its owner may");
}
