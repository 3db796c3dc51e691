//! `auth` and `director` as `login` sees them: questions with a nonce, and one
//! answer to each.
//!
//! Invariants: an answer goes to nobody but who asked under its nonce; an answer
//! that nobody asked for ends the channel; one that its asker has left without is
//! declined, if its giver waits for more; at most [`QUESTIONS_MAX`] questions
//! are open; when a channel ends, whoever waits on it is told at once.

use ipc::channel::Fault;
use ipc::edge::supervisor::Edge;
use ipc::edge::{handover, login_auth};
use ipc::{Instance, Message, Nonce};
use ipc_async::{AsyncChannel, Losses};
use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt::Debug;
use std::future::Future;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use tokio::sync::oneshot;
use tracing::{info, warn};

/// Open questions on one channel. Whoever is dismissed while he waits leaves his
/// behind until it is answered, so this is more than the sessions of most sites.
pub const QUESTIONS_MAX: usize = 4096;

/// A message that answers a question.
pub trait Reply: Message {
    /// What is said to the peer.
    type Question: Message;

    /// The nonce of the question that this answers.
    fn answers(&self) -> Nonce;

    /// What the peer, which waits for more, is told if the asker has left.
    fn declined(&self) -> Option<Self::Question>;
}

impl Reply for login_auth::ToLogin {
    type Question = login_auth::ToAuth;

    fn answers(&self) -> Nonce {
        let (Self::Challenge { nonce, .. }
        | Self::Verified { nonce }
        | Self::Rejected { nonce, .. }) = self;
        *nonce
    }

    fn declined(&self) -> Option<login_auth::ToAuth> {
        match *self {
            Self::Challenge { nonce, .. } => Some(login_auth::ToAuth::Abort { nonce }),
            Self::Verified { .. } | Self::Rejected { .. } => None,
        }
    }
}

impl Reply for handover::ToAsker {
    type Question = handover::ToDirector;

    fn answers(&self) -> Nonce {
        let (Self::Taken { nonce } | Self::Refused { nonce, .. } | Self::Lost { nonce }) = self;
        *nonce
    }

    fn declined(&self) -> Option<handover::ToDirector> {
        None
    }
}

/// The question was not asked: nothing was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotAsked;

/// A process that is asked, whether it is there or not.
#[derive(Debug)]
pub struct Peer<Tx, Rx> {
    name: &'static str,
    edge: Edge,
    losses: Rc<Losses>,
    link: RefCell<Option<Rc<Link<Tx, Rx>>>>,
}

/// One life of a channel, and who waits on it.
#[derive(Debug)]
pub struct Link<Tx, Rx> {
    who: Instance,
    channel: AsyncChannel<Tx, Rx>,
    waiting: RefCell<HashMap<Nonce, oneshot::Sender<Rx>>>,
}

impl<Tx: Message + 'static, Rx: Reply<Question = Tx> + Debug + 'static> Peer<Tx, Rx> {
    /// A peer that isn't there yet.
    #[must_use]
    pub fn new(name: &'static str, edge: Edge, losses: &Rc<Losses>) -> Rc<Self> {
        Rc::new(Self {
            name,
            edge,
            losses: Rc::clone(losses),
            link: RefCell::new(None),
        })
    }

    /// From now on questions go here. What was asked on an earlier channel is
    /// still answered there, until it ends. Needs a `LocalSet`.
    ///
    /// # Errors
    /// If the socket can't be a channel.
    pub fn connect(self: &Rc<Self>, who: Instance, socket: OwnedFd) -> Result<(), Fault> {
        let link = Rc::new(Link {
            who,
            channel: AsyncChannel::adopt(socket)?,
            waiting: RefCell::default(),
        });
        self.link.replace(Some(Rc::clone(&link)));
        tokio::task::spawn_local(Rc::clone(self).serve(link));
        Ok(())
    }

    /// Asks, and gives a future of the answer: `None` if the channel ended
    /// first, and then nobody knows whether the question arrived.
    ///
    /// # Errors
    /// [`NotAsked`] if the peer is not there, or too many questions are open.
    pub fn ask(
        &self,
        nonce: Nonce,
        question: Tx,
    ) -> Result<impl Future<Output = Option<Rx>> + use<Tx, Rx>, NotAsked> {
        let link = self.link().ok_or(NotAsked)?;
        self.ask_on(&link, nonce, question)
    }

    /// The life that would be asked now.
    #[must_use]
    pub fn link(&self) -> Option<Rc<Link<Tx, Rx>>> {
        self.link.borrow().clone()
    }

    /// As [`Self::ask`], of one life of the peer, which has been asked before.
    ///
    /// # Errors
    /// [`NotAsked`] if too many questions are open.
    pub fn ask_on(
        &self,
        link: &Rc<Link<Tx, Rx>>,
        nonce: Nonce,
        question: Tx,
    ) -> Result<impl Future<Output = Option<Rx>> + use<Tx, Rx>, NotAsked> {
        if link.waiting.borrow().len() >= QUESTIONS_MAX {
            return Err(NotAsked);
        }
        let (sender, receiver) = oneshot::channel();
        link.waiting.borrow_mut().insert(nonce, sender);
        self.tell_on(link, question);
        Ok(async move { receiver.await.ok() })
    }

    /// Says what has no answer.
    pub fn tell_on(&self, link: &Rc<Link<Tx, Rx>>, message: Tx) {
        if let Err(fault) = link.channel.send(message) {
            self.end(link, &fault);
        }
    }

    async fn serve(self: Rc<Self>, link: Rc<Link<Tx, Rx>>) {
        loop {
            match link.channel.receive().await {
                Ok(Some(reply)) => match link.deliver(reply) {
                    Ok(None) => (),
                    Ok(Some(declined)) => self.tell_on(&link, declined),
                    Err(NobodyAsked) => {
                        warn!(peer = self.name, "answered what nobody asked");
                        return self.end(&link, &Fault::PeerGone);
                    }
                },
                Ok(None) => return self.end(&link, &Fault::PeerGone),
                Err(fault) => return self.end(&link, &fault),
            }
        }
    }

    fn end(&self, link: &Rc<Link<Tx, Rx>>, fault: &Fault) {
        info!(peer = self.name, %fault, "channel ended");
        let mut current = self.link.borrow_mut();
        if current
            .take_if(|current| Rc::ptr_eq(current, link))
            .is_some()
        {
            self.losses.torn(self.edge, link.who);
        }
        link.waiting.borrow_mut().clear();
    }
}

/// There was no such question.
struct NobodyAsked;

impl<Tx, Rx: Reply<Question = Tx>> Link<Tx, Rx> {
    /// To whom had asked for it; he may have left since, and what is then to be
    /// said comes back.
    fn deliver(&self, reply: Rx) -> Result<Option<Tx>, NobodyAsked> {
        let asker = self.waiting.borrow_mut().remove(&reply.answers());
        let undelivered = asker.ok_or(NobodyAsked)?.send(reply).err();
        Ok(undelivered.and_then(|reply| reply.declined()))
    }
}
