//! [`ipc::Channel`] for the processes that run on tokio: `front`, `login`,
//! `lmtp`, `control`, the worker. A crate of its own because the processes that
//! are read in an afternoon link no runtime.
//!
//! `send` never waits: it sends or queues, as the channel does, and whoever
//! awaits `receive` also drives the queue out. So a process must always have one
//! task that awaits `receive` on each of its channels, which it has anyway.

#![deny(clippy::expect_used, clippy::indexing_slicing)]
#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]

pub mod life;
pub mod stream;
mod watch;

pub use stream::Stream;

use ipc::Instance;
use ipc::channel::{Channel, Fault, Received, STALL_MILLIS};
use ipc::codec::Message;
use ipc::edge::supervisor::{Edge, ToProcess, ToSupervisor};
use rustix::io::Errno;
use std::cell::{OnceCell, RefCell};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::rc::{Rc, Weak};
use std::time::Duration;
use tokio::io::unix::AsyncFd;
use tokio::sync::Notify;

/// One end of a channel, shared by the tasks of one thread.
#[derive(Debug)]
pub struct AsyncChannel<Tx, Rx> {
    channel: AsyncFd<Shared<Tx, Rx>>,
    queued: Notify,
}

/// `AsyncFd` gives out shared references only; one thread needs no lock.
#[derive(Debug)]
struct Shared<Tx, Rx>(RefCell<Channel<Tx, Rx>>);

impl<Tx, Rx> AsRawFd for Shared<Tx, Rx> {
    fn as_raw_fd(&self) -> RawFd {
        self.0.borrow().as_raw_fd()
    }
}

impl<Tx: Message, Rx: Message> AsyncChannel<Tx, Rx> {
    /// Makes a descriptor an end of this channel. Must be called within a
    /// runtime.
    ///
    /// # Errors
    /// As [`Channel::adopt`], and if the runtime cannot watch the descriptor.
    pub fn adopt(socket: OwnedFd) -> Result<Self, Fault> {
        let shared = Shared(RefCell::new(Channel::adopt(socket)?));
        let channel = watch::for_reading(shared).map_err(|_| Fault::Socket(Errno::NOMEM))?;
        Ok(Self {
            channel,
            queued: Notify::new(),
        })
    }

    /// Sends or queues. Never waits.
    ///
    /// # Errors
    /// A [`Fault`]: end the channel.
    pub fn send(&self, message: Tx) -> Result<(), Fault> {
        let mut channel = self.channel.get_ref().0.borrow_mut();
        channel.send(message)?;
        if channel.wants_to_send() {
            self.queued.notify_one();
        }
        Ok(())
    }

    /// The next message; `None` when the peer has closed its end. Sends what is
    /// queued meanwhile. Dropping the future loses nothing.
    ///
    /// # Errors
    /// A [`Fault`]: end the channel.
    pub async fn receive(&self) -> Result<Option<Rx>, Fault> {
        loop {
            // A peer that sends without a pause has no more turns than others.
            tokio::task::coop::consume_budget().await;
            tokio::select! {
                ready = self.channel.readable() => {
                    let mut guard = ready.map_err(|_| Fault::PeerGone)?;
                    if let Some(end) = self.take()? {
                        // There may be more.
                        guard.retain_ready();
                        return Ok(end);
                    }
                    guard.clear_ready();
                }
                () = self.queued.notified() => {}
                () = self.room() => self.channel.get_ref().0.borrow_mut().flush()?,
            }
        }
    }

    /// Waits until everything queued has been sent, for a last message before
    /// the channel is closed.
    ///
    /// # Errors
    /// A [`Fault`]: end the channel.
    pub async fn drain(&self) -> Result<(), Fault> {
        while self.channel.get_ref().0.borrow().wants_to_send() {
            self.room().await;
            self.channel.get_ref().0.borrow_mut().flush()?;
        }
        Ok(())
    }

    /// Ends when what is queued may go out; never if there is nothing.
    async fn room(&self) {
        if !self.channel.get_ref().0.borrow().wants_to_send() {
            return std::future::pending().await;
        }
        match self.watched_for_room() {
            Some(room) => drop(room.writable().await),
            None => tokio::time::sleep(Duration::from_millis(STALL_MILLIS)).await,
        }
    }

    /// `None` if no event says when it is time to try again.
    fn watched_for_room(&self) -> Option<AsyncFd<OwnedFd>> {
        let channel = self.channel.get_ref().0.borrow();
        match channel.is_stalled() {
            true => None,
            false => watch::for_room(&*channel).ok(),
        }
    }

    /// What can be received at once: nothing (`None`), the end (`Some(None)`) or
    /// a message.
    fn take(&self) -> Result<Option<Option<Rx>>, Fault> {
        match self.channel.get_ref().0.borrow_mut().receive()? {
            Received::Message(message) => Ok(Some(Some(message))),
            Received::Closed => Ok(Some(None)),
            Received::Nothing => Ok(None),
        }
    }
}

/// Where a process says which edges it has lost. Whether their other ends live the
/// supervisor knows, and joins those again that do.
#[derive(Debug, Default)]
pub struct Losses(OnceCell<Weak<AsyncChannel<ToSupervisor, ToProcess>>>);

impl Losses {
    /// From now on they are told there.
    pub fn tell(&self, supervisor: &Rc<AsyncChannel<ToSupervisor, ToProcess>>) {
        // A process has one supervisor in its life.
        let _told_there_already = self.0.set(Rc::downgrade(supervisor));
    }

    /// This edge to that life of a peer has ended.
    pub fn torn(&self, edge: Edge, instance: Instance) {
        if let Some(supervisor) = self.0.get().and_then(Weak::upgrade) {
            // If it can't be told, its own channel shows it.
            let _untold = supervisor.send(ToSupervisor::Torn { edge, instance });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ipc::messages;
    use std::cell::Cell;

    messages! {
        /// A test's direction.
        pub enum Note, at most 16, {
            1 => Number { value: u32, },
        }
    }

    fn run(test: impl Future<Output = ()>) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .build()
            .unwrap();
        runtime.block_on(test);
    }

    fn ends() -> (AsyncChannel<Note, Note>, AsyncChannel<Note, Note>) {
        let (a, b) = ipc::channel::pair().unwrap();
        (
            AsyncChannel::adopt(a).unwrap(),
            AsyncChannel::adopt(b).unwrap(),
        )
    }

    #[test]
    fn what_was_queued_goes_out_while_its_sender_awaits() {
        run(async {
            let (a, b) = ends();
            let mut sent = 0;
            while !a.channel.get_ref().0.borrow().wants_to_send() {
                a.send(Note::Number { value: sent }).unwrap();
                sent += 1;
            }
            let reader = async {
                for expected in 0..sent {
                    let Some(Note::Number { value }) = b.receive().await.unwrap() else {
                        panic!("closed early")
                    };
                    assert_eq!(value, expected);
                }
            };
            tokio::select! {
                end = a.receive() => panic!("nothing was sent this way: {end:?}"),
                () = reader => {}
            }
        });
    }

    #[test]
    fn a_peer_that_sends_without_a_pause_holds_nobody_up() {
        run(async {
            let (a, b) = ends();
            let mut sent = 0;
            while !a.channel.get_ref().0.borrow().wants_to_send() {
                a.send(Note::Number { value: sent }).unwrap();
                sent += 1;
            }
            let heard = Rc::new(Cell::new(0));
            let counted = Rc::clone(&heard);
            let hearer = async move {
                while let Ok(Some(_)) = b.receive().await {
                    counted.set(counted.get() + 1);
                }
            };
            let tasks = tokio::task::LocalSet::new();
            tasks.spawn_local(hearer);
            tasks.run_until(tokio::task::yield_now()).await;
            let at_once = heard.get();
            assert!(at_once < sent - 1, "{at_once} of {sent} in one turn");
        });
    }

    #[test]
    fn the_end_of_the_peer_is_told_once_all_has_been_received() {
        run(async {
            let (a, b) = ends();
            a.send(Note::Number { value: 7 }).unwrap();
            drop(a);
            assert!(matches!(
                b.receive().await,
                Ok(Some(Note::Number { value: 7 }))
            ));
            assert!(matches!(b.receive().await, Ok(None)));
        });
    }
}
