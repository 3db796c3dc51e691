//! What `ipc::registry` is for those who have no runtime, with the calls of those who
//! have one: their profiles know another way to wait.

use ipc::channel::{Channel, Fault, Received};
use ipc::codec::Message;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use std::collections::HashMap;
use std::os::fd::{AsFd, OwnedFd};

/// Messages taken at once: all that come, for a cheat is fair to nobody.
const TURN: usize = 10_000;

/// One channel and its token.
pub struct Registered<Tx, Rx> {
    /// The channel.
    pub channel: Channel<Tx, Rx>,
    token: u64,
}

/// The peers, by token.
pub struct Watch<P> {
    epoll: Epoll,
    peers: HashMap<u64, P>,
    next: u64,
}

impl<P: Copy> Watch<P> {
    /// Nobody yet.
    pub fn new() -> Self {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC);
        Self {
            epoll: epoll.expect("an epoll"),
            peers: HashMap::new(),
            next: 0,
        }
    }

    /// Makes a descriptor the channel to a peer.
    pub fn register<Tx: Message, Rx: Message>(
        &mut self,
        peer: P,
        socket: OwnedFd,
    ) -> Registered<Tx, Rx> {
        let channel = Channel::adopt(socket).expect("a channel");
        let token = self.watch(peer, channel.as_fd());
        Registered { channel, token }
    }

    /// Watches any descriptor.
    pub fn watch(&mut self, peer: P, descriptor: impl AsFd) -> u64 {
        self.next += 1;
        let event = EpollEvent::new(EpollFlags::EPOLLIN, self.next);
        self.epoll.add(descriptor, event).expect("an epoll");
        self.peers.insert(self.next, peer);
        self.next
    }

    /// Watches it no more.
    pub fn unwatch(&mut self, token: u64, descriptor: impl AsFd) {
        let _closed = self.epoll.delete(descriptor);
        self.peers.remove(&token);
    }

    /// Forgets a channel.
    pub fn forget<Tx, Rx>(&mut self, peer: &Registered<Tx, Rx>) {
        self.unwatch(peer.token, &peer.channel);
    }

    /// Who is ready; nobody, now and then.
    pub fn wait(&self) -> Vec<P> {
        let mut events = [EpollEvent::empty(); 64];
        let timeout = EpollTimeout::from(100_u16);
        let ready = self.epoll.wait(&mut events, timeout).unwrap_or(0);
        let tokens = events[..ready].iter().map(EpollEvent::data);
        tokens
            .filter_map(|token| self.peers.get(&token).copied())
            .collect()
    }
}

/// What there is, and whether there can be more.
pub fn turn<Tx: Message, Rx: Message>(
    peer: &mut Registered<Tx, Rx>,
) -> (Vec<Rx>, Result<(), Fault>) {
    let mut messages = Vec::new();
    let mut outcome = peer.channel.flush();
    while outcome.is_ok() && messages.len() < TURN {
        match peer.channel.receive() {
            Ok(Received::Message(message)) => messages.push(message),
            Ok(Received::Nothing) => break,
            Ok(Received::Closed) => outcome = Err(Fault::PeerGone),
            Err(fault) => outcome = Err(fault),
        }
    }
    (messages, outcome)
}
