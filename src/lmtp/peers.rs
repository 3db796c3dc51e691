//! Questions to `auth` and hand-overs to `director`, and whose the answers are.
//!
//! Invariants: an answer goes to the one who asked, once; when a peer goes, all
//! who wait for it learn so at once; nobody waits longer than a stated time. A
//! peer that breaks the rules of its channel loses the channel, and nothing else.

use ipc::channel::Fault;
use ipc::edge::handover::{Refusal, ToAsker, ToDirector, Work};
use ipc::edge::lmtp_auth::{ADDRESS_BYTES_MAX, Standing, ToAuth, ToLmtp};
use ipc::{Bytes, Cookie, Message, Nonce};
use ipc_async::AsyncChannel;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::task::spawn_local;
use tokio::time::timeout;

/// How long `auth` may take: it looks into a table.
pub const AUTH_SECONDS_MAX: u64 = 10;

/// How long `director` may take: a worker's birth, and the opening of an account
/// after a crash.
pub const DIRECTOR_SECONDS_MAX: u64 = 30;

/// Both peers.
pub struct Peers {
    auth: Rc<Asking<ToAuth, ToLmtp, AuthQuestion>>,
    director: Rc<Asking<ToDirector, ToAsker, Nonce>>,
    last_query: Cell<u64>,
}

/// What an answer of `auth` is to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum AuthQuestion {
    Look(u64),
    Deliver(Nonce),
}

/// What became of a hand-over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HandedOver {
    /// A worker has the socket.
    Taken,
    /// No worker has it or will have.
    Refused(Refusal),
    /// Nobody knows.
    Lost,
}

impl Default for Peers {
    fn default() -> Self {
        Self {
            auth: Rc::new(Asking::new("auth", auth_question)),
            director: Rc::new(Asking::new("director", nonce_of)),
            last_query: Cell::new(0),
        }
    }
}

impl Peers {
    /// Takes a new channel to `auth`. Must be called within the runtime.
    ///
    /// # Errors
    /// [`Fault`] if it is none.
    pub fn connect_auth(&self, socket: OwnedFd) -> Result<(), Fault> {
        self.auth.connect(socket)
    }

    /// Takes a new channel to `director`. Must be called within the runtime.
    ///
    /// # Errors
    /// [`Fault`] if it is none.
    pub fn connect_director(&self, socket: OwnedFd) -> Result<(), Fault> {
        self.director.connect(socket)
    }

    /// Who an address is.
    pub async fn look(&self, address: Bytes<ADDRESS_BYTES_MAX>) -> Standing {
        self.last_query.set(self.last_query.get().wrapping_add(1));
        let query = self.last_query.get();
        let question = ToAuth::Look { query, address };
        let answer = self
            .auth
            .ask(AuthQuestion::Look(query), question, AUTH_SECONDS_MAX)
            .await;
        match answer {
            Some(ToLmtp::Found { standing, .. }) => standing,
            _ => Standing::Unavailable,
        }
    }

    /// Has a ticket minted for a socket; what stood behind the separator comes
    /// back.
    ///
    /// # Errors
    /// The [`Standing`] of an address that gets no ticket now.
    pub async fn mint(
        &self,
        nonce: Nonce,
        cookie: Cookie,
        address: Bytes<ADDRESS_BYTES_MAX>,
    ) -> Result<Bytes<ADDRESS_BYTES_MAX>, Standing> {
        let question = ToAuth::Deliver {
            nonce,
            cookie,
            address,
        };
        let answer = self
            .auth
            .ask(AuthQuestion::Deliver(nonce), question, AUTH_SECONDS_MAX)
            .await;
        match answer {
            Some(ToLmtp::Minted { detail, .. }) => Ok(detail),
            Some(ToLmtp::NotMinted { standing, .. }) => Err(standing),
            Some(ToLmtp::Found { .. }) | None => Err(Standing::Unavailable),
        }
    }

    /// Hands a socket over to the worker that the ticket of this nonce names. A worker
    /// that is done soon says nothing but its word on the socket.
    pub async fn hand_over(&self, nonce: Nonce, socket: OwnedFd) -> HandedOver {
        let question = ToDirector::HandOver {
            nonce,
            work: Work::Delivery,
            socket,
        };
        match self
            .director
            .ask(nonce, question, DIRECTOR_SECONDS_MAX)
            .await
        {
            Some(ToAsker::Taken { .. }) => HandedOver::Taken,
            Some(ToAsker::Refused { refusal, .. }) => HandedOver::Refused(refusal),
            Some(ToAsker::Lost { .. }) | None => HandedOver::Lost,
        }
    }
}

fn auth_question(answer: &ToLmtp) -> AuthQuestion {
    match answer {
        ToLmtp::Found { query, .. } => AuthQuestion::Look(*query),
        ToLmtp::Minted { nonce, .. } | ToLmtp::NotMinted { nonce, .. } => {
            AuthQuestion::Deliver(*nonce)
        }
    }
}

fn nonce_of(answer: &ToAsker) -> Nonce {
    match answer {
        ToAsker::Taken { nonce } | ToAsker::Refused { nonce, .. } | ToAsker::Lost { nonce } => {
            *nonce
        }
    }
}

/// One peer, and who waits for which of its answers: never more than there are
/// sessions and deliveries, which are bounded.
struct Asking<Tx, Rx, Key> {
    name: &'static str,
    key_of: fn(&Rx) -> Key,
    channel: RefCell<Option<Rc<AsyncChannel<Tx, Rx>>>>,
    waiting: RefCell<BTreeMap<Key, oneshot::Sender<Rx>>>,
}

impl<Tx, Rx, Key> Asking<Tx, Rx, Key>
where
    Tx: Message + 'static,
    Rx: Message + 'static,
    Key: Ord + Copy + 'static,
{
    fn new(name: &'static str, key_of: fn(&Rx) -> Key) -> Self {
        let (channel, waiting) = (RefCell::new(None), RefCell::default());
        Self {
            name,
            key_of,
            channel,
            waiting,
        }
    }

    /// Replaces the channel. Those who wait for the old one learn that it is gone.
    fn connect(self: &Rc<Self>, socket: OwnedFd) -> Result<(), Fault> {
        let channel = Rc::new(AsyncChannel::adopt(socket)?);
        *self.channel.borrow_mut() = Some(Rc::clone(&channel));
        self.waiting.borrow_mut().clear();
        let asking = Rc::clone(self);
        spawn_local(async move {
            let fault = asking.hear(&channel).await;
            asking.lose(&channel, fault);
        });
        Ok(())
    }

    async fn hear(&self, channel: &AsyncChannel<Tx, Rx>) -> Fault {
        loop {
            match channel.receive().await {
                Ok(Some(answer)) => self.answer(answer),
                Ok(None) => return Fault::PeerGone,
                Err(fault) => return fault,
            }
        }
    }

    /// A late answer is nobody's, and no fault.
    fn answer(&self, answer: Rx) {
        if let Some(waiting) = self.waiting.borrow_mut().remove(&(self.key_of)(&answer)) {
            // Whoever asked may have given up meanwhile.
            let _ = waiting.send(answer);
        }
    }

    fn lose(&self, channel: &Rc<AsyncChannel<Tx, Rx>>, fault: Fault) {
        let mut current = self.channel.borrow_mut();
        if current
            .as_ref()
            .is_some_and(|current| Rc::ptr_eq(current, channel))
        {
            tracing::warn!(peer = self.name, %fault, "a peer is gone; what waits is put off");
            *current = None;
            self.waiting.borrow_mut().clear();
        }
    }

    async fn ask(&self, key: Key, question: Tx, seconds_max: u64) -> Option<Rx> {
        let channel = self.channel.borrow().clone()?;
        let (sender, receiver) = oneshot::channel();
        self.waiting.borrow_mut().insert(key, sender);
        let _waits = Waits { asking: self, key };
        if let Err(fault) = channel.send(question) {
            self.lose(&channel, fault);
        }
        // Held while waiting, it would keep a lost channel open.
        drop(channel);
        let answer = timeout(Duration::from_secs(seconds_max), receiver).await;
        answer.ok()?.ok()
    }
}

/// That somebody waits for an answer; over when he has it, or no longer wants it.
struct Waits<'a, Tx, Rx, Key: Ord> {
    asking: &'a Asking<Tx, Rx, Key>,
    key: Key,
}

impl<Tx, Rx, Key: Ord> Drop for Waits<'_, Tx, Rx, Key> {
    fn drop(&mut self) {
        self.asking.waiting.borrow_mut().remove(&self.key);
    }
}
