//! The channels of a process that has no async runtime: each under an epoll
//! token, and who is at the other end of each.
//!
//! Identity is the channel: the supervisor said who is there when it wired it,
//! and nothing that comes over it can change that. A token is never used twice,
//! so that an event of a closed channel can't be taken for its successor's.

use crate::channel::{Channel, Fault, Received, STALL_MILLIS};
use crate::codec::Message;
use crate::epoll::Epoll;
use rustix::io::Errno;
use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap};
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

/// Messages taken from one channel before the others have their turn.
pub const TURN_MESSAGES_MAX: usize = 32;

/// One channel and its token.
#[derive(Debug)]
pub struct Registered<Tx, Rx> {
    /// The channel.
    pub channel: Channel<Tx, Rx>,
    token: u64,
    wants_to_send: bool,
}

/// A descriptor that is no channel (a pidfd, say) under its token.
#[derive(Debug)]
pub struct Watched {
    token: u64,
}

/// The tokens in use, and the epoll set. `P` names the peers.
#[derive(Debug)]
pub struct Registry<P> {
    epoll: Epoll,
    peers: HashMap<u64, P>,
    next: u64,
    /// The channels for which no event will come; they have their turn without one.
    stalled: RefCell<BTreeSet<u64>>,
}

impl<P: Copy> Registry<P> {
    /// Nobody yet.
    ///
    /// # Errors
    /// As epoll_create1(2).
    pub fn new() -> Result<Self, Errno> {
        Epoll::new().map(Self::of)
    }

    /// Nobody yet, for a process that handles no secrets ([`Epoll::without_secrets`]).
    ///
    /// # Errors
    /// As epoll_create1(2).
    pub fn without_secrets() -> Result<Self, Errno> {
        Epoll::without_secrets().map(Self::of)
    }

    fn of(epoll: Epoll) -> Self {
        Self {
            epoll,
            peers: HashMap::new(),
            next: 0,
            stalled: RefCell::default(),
        }
    }

    /// Makes a descriptor the channel to a peer.
    ///
    /// # Errors
    /// If it is no channel, or epoll will not have it.
    pub fn register<Tx: Message, Rx: Message>(
        &mut self,
        peer: P,
        socket: OwnedFd,
    ) -> Result<Registered<Tx, Rx>, Fault> {
        let channel = Channel::adopt(socket)?;
        let token = self.enter(peer, channel.as_fd()).map_err(Fault::Socket)?;
        Ok(Registered {
            channel,
            token,
            wants_to_send: false,
        })
    }

    /// Watches a descriptor that is no channel for readability.
    ///
    /// # Errors
    /// As epoll_ctl(2).
    pub fn watch(&mut self, peer: P, descriptor: impl AsFd) -> Result<Watched, Errno> {
        self.enter(peer, descriptor).map(|token| Watched { token })
    }

    /// Watches a descriptor no more; to be called before it is closed.
    pub fn unwatch(&mut self, watched: &Watched, descriptor: impl AsFd) {
        let _ = self.epoll.remove(descriptor);
        self.peers.remove(&watched.token);
    }

    fn enter(&mut self, peer: P, descriptor: impl AsFd) -> Result<u64, Errno> {
        let token = self.next;
        self.next = self.next.wrapping_add(1);
        self.epoll.add(descriptor, token)?;
        self.peers.insert(token, peer);
        Ok(token)
    }

    /// Forgets a channel that is about to be dropped.
    pub fn forget<Tx, Rx>(&mut self, registered: &Registered<Tx, Rx>) {
        // It may have been closed by now, which removed it.
        let _ = self.epoll.remove(&registered.channel);
        self.peers.remove(&registered.token);
        self.stalled.borrow_mut().remove(&registered.token);
    }

    /// Whose channels are ready, or may have room again, each once.
    ///
    /// # Errors
    /// As epoll_wait(2).
    pub fn wait(&self, at_most: Duration) -> Result<Vec<P>, Errno> {
        let at_most = match self.stalled.borrow().is_empty() {
            true => at_most,
            false => at_most.min(Duration::from_millis(STALL_MILLIS)),
        };
        let ready = self.epoll.wait(Some(at_most))?;
        // Whoever is still stalled at his turn comes back.
        let mut tokens = self.stalled.take();
        tokens.extend(ready.iter().map(|ready| ready.token));
        let peer = |token| self.peers.get(token).copied();
        Ok(tokens.iter().filter_map(peer).collect())
    }

    /// Sends a message, and asks for a wake-up if some of it had to wait.
    ///
    /// # Errors
    /// A [`Fault`]: drop the channel.
    pub fn send<Tx: Message, Rx: Message>(
        &self,
        registered: &mut Registered<Tx, Rx>,
        message: Tx,
    ) -> Result<(), Fault> {
        registered.channel.send(message)?;
        self.follow(registered)
    }

    /// Sends what had to wait.
    ///
    /// # Errors
    /// A [`Fault`]: drop the channel.
    pub fn flush<Tx: Message, Rx: Message>(
        &self,
        registered: &mut Registered<Tx, Rx>,
    ) -> Result<(), Fault> {
        registered.channel.flush()?;
        self.follow(registered)
    }

    fn follow<Tx: Message, Rx: Message>(
        &self,
        registered: &mut Registered<Tx, Rx>,
    ) -> Result<(), Fault> {
        let stalled = registered.channel.is_stalled();
        if stalled {
            self.stalled.borrow_mut().insert(registered.token);
        }
        let wanted = registered.channel.wants_to_send() && !stalled;
        if wanted != registered.wants_to_send {
            self.epoll
                .want_write(&registered.channel, registered.token, wanted)
                .map_err(Fault::Socket)?;
            registered.wants_to_send = wanted;
        }
        Ok(())
    }

    /// Takes up to a turn of messages, after sending what had to wait, and tells
    /// whether the channel is still good.
    pub fn turn<Tx: Message, Rx: Message>(
        &self,
        registered: &mut Registered<Tx, Rx>,
    ) -> (Vec<Rx>, Result<(), Fault>) {
        let mut messages = Vec::new();
        let outcome = self
            .flush(registered)
            .and_then(|()| take(registered, &mut messages));
        (messages, outcome)
    }
}

fn take<Tx: Message, Rx: Message>(
    registered: &mut Registered<Tx, Rx>,
    messages: &mut Vec<Rx>,
) -> Result<(), Fault> {
    while messages.len() < TURN_MESSAGES_MAX {
        match registered.channel.receive()? {
            Received::Message(message) => messages.push(message),
            Received::Nothing => return Ok(()),
            Received::Closed => return Err(Fault::PeerGone),
        }
    }
    Ok(())
}

/// Puts a new channel into a slot; the old one, if any, is closed.
pub fn replace<P: Copy, Tx: Message, Rx: Message>(
    registry: &mut Registry<P>,
    slot: &mut Option<Registered<Tx, Rx>>,
    new: Registered<Tx, Rx>,
) {
    close(registry, slot);
    *slot = Some(new);
}

/// Closes the channel in a slot.
pub fn close<P: Copy, Tx: Message, Rx: Message>(
    registry: &mut Registry<P>,
    slot: &mut Option<Registered<Tx, Rx>>,
) {
    if let Some(old) = slot.take() {
        registry.forget(&old);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::messages;

    messages! {
        /// A test's direction.
        pub enum Note, at most 16, {
            1 => Number { value: u32, },
        }
    }

    #[test]
    fn each_peer_is_known_by_its_channel_and_told_when_it_has_gone() {
        let mut registry = Registry::new().unwrap();
        let (near, far) = crate::channel::pair().unwrap();
        let mut near: Registered<Note, Note> = registry.register('a', near).unwrap();
        let mut far = Channel::<Note, Note>::adopt(far).unwrap();
        far.send(Note::Number { value: 1 }).unwrap();
        drop(far);
        assert_eq!(registry.wait(Duration::from_secs(5)), Ok(vec!['a']));
        let (messages, outcome) = registry.turn(&mut near);
        assert!(matches!(messages[..], [Note::Number { value: 1 }]));
        assert_eq!(outcome, Err(Fault::PeerGone));
    }

    #[test]
    fn what_had_to_wait_is_sent_when_the_peer_reads_again() {
        let mut registry = Registry::new().unwrap();
        let (near, far) = crate::channel::pair().unwrap();
        let mut near: Registered<Note, Note> = registry.register((), near).unwrap();
        let mut far = Channel::<Note, Note>::adopt(far).unwrap();
        let mut sent = 0;
        while !near.channel.wants_to_send() {
            registry
                .send(&mut near, Note::Number { value: sent })
                .unwrap();
            sent += 1;
        }
        for _ in 0..sent - 1 {
            assert!(matches!(far.receive(), Ok(Received::Message(_))));
        }
        assert_eq!(registry.wait(Duration::from_secs(5)), Ok(vec![()]));
        assert_eq!(registry.turn(&mut near).1, Ok(()));
        assert!(matches!(far.receive(), Ok(Received::Message(_))));
    }
}
