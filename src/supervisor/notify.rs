//! Telling systemd that the set is up, and that it is going (sd_notify(3)).

use std::os::fd::AsFd;
use std::os::unix::net::UnixDatagram;

/// Where systemd listens, if it does.
#[derive(Debug)]
pub struct Notify(Option<UnixDatagram>);

impl Notify {
    /// Connects to what the environment names. Before confinement: afterwards
    /// there is no connecting any more.
    pub fn connect() -> Self {
        let connected = std::env::var_os("NOTIFY_SOCKET").and_then(|name| {
            let socket = UnixDatagram::unbound().ok()?;
            socket.connect(name).ok()?;
            Some(socket)
        });
        Self(connected)
    }

    /// The set is up.
    pub fn ready(&self) {
        self.say(b"READY=1");
    }

    /// The set is going.
    pub fn stopping(&self) {
        self.say(b"STOPPING=1");
    }

    fn say(&self, state: &[u8]) {
        if let Some(socket) = &self.0 {
            let flags = rustix::net::SendFlags::DONTWAIT | rustix::net::SendFlags::NOSIGNAL;
            let mut none = rustix::net::SendAncillaryBuffer::default();
            let words = [std::io::IoSlice::new(state)];
            // systemd's own business if it doesn't listen.
            let _unheard = rustix::net::sendmsg(socket.as_fd(), &words, &mut none, flags);
        }
    }
}
