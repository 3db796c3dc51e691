//! `auth` and `director` as `login` sees them: questions with a nonce, and one
//! answer to each.
//!
//! Invariants: an answer goes to nobody but who asked under its nonce; an answer
//! that nobody asked for ends the channel; one that its asker has left without is
//! declined, if its giver waits for more; at most [`QUESTIONS_MAX`] questions
//! are open, those that wait for a client's answer among them; when a channel
//! ends, whoever waits on it is told at once.

use ipc::channel::Fault;
use ipc::edge::supervisor::Edge;
use ipc::edge::{handover, login_auth};
use ipc::{Instance, Message, Nonce};
use ipc_async::{AsyncChannel, Losses};
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::fmt::Debug;
use std::future::Future;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use tokio::sync::oneshot;
use tracing::{info, warn};

/// Open questions on one channel, which is as many as `auth` puts up with. Whoever is
/// dismissed while he waits leaves his behind until it is answered, so this is more
/// than the sessions of most sites.
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
    waiting: RefCell<HashMap<Nonce, Asked<Rx>>>,
    open: Rc<Cell<usize>>,
}

/// A question that isn't answered yet.
#[derive(Debug)]
struct Asked<Rx> {
    asker: oneshot::Sender<(Rx, Open)>,
    open: Open,
}

/// A question that is open at the peer for as long as this lives, so who keeps a
/// challenge keeps this.
#[derive(Debug)]
pub struct Open(Rc<Cell<usize>>);

impl Open {
    fn one_more(of: &Rc<Cell<usize>>) -> Self {
        of.set(of.get().saturating_add(1));
        Self(Rc::clone(of))
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.set(self.0.get().saturating_sub(1));
    }
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
            open: Rc::default(),
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
    ) -> Result<impl Future<Output = Option<Rx>> + use<'_, Tx, Rx>, NotAsked> {
        let link = self.link().ok_or(NotAsked)?;
        let answer = self.ask_on(&link, nonce, question)?;
        Ok(async move { answer.await.map(|(reply, _)| reply) })
    }

    /// The life that would be asked now.
    #[must_use]
    pub fn link(&self) -> Option<Rc<Link<Tx, Rx>>> {
        self.link.borrow().clone()
    }

    /// As [`Self::ask`], of one life of the peer, which has been asked before. If the
    /// answer leaves the question open, keep what comes with it.
    ///
    /// # Errors
    /// [`NotAsked`] if too many questions are open.
    pub fn ask_on(
        &self,
        link: &Rc<Link<Tx, Rx>>,
        nonce: Nonce,
        question: Tx,
    ) -> Result<impl Future<Output = Option<(Rx, Open)>> + use<'_, Tx, Rx>, NotAsked> {
        if link.open.get() >= QUESTIONS_MAX {
            return Err(NotAsked);
        }
        let (asker, answer) = oneshot::channel();
        let open = Open::one_more(&link.open);
        link.waiting
            .borrow_mut()
            .insert(nonce, Asked { asker, open });
        self.tell_on(link, question);
        let mut awaited = Awaited {
            answer,
            peer: self,
            link: Rc::clone(link),
        };
        Ok(async move { (&mut awaited.answer).await.ok() })
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

/// An answer that its asker waits for. If he leaves and it has just come, it is
/// declined as one that comes later.
struct Awaited<'p, Tx: Message + 'static, Rx: Reply<Question = Tx> + Debug + 'static> {
    answer: oneshot::Receiver<(Rx, Open)>,
    peer: &'p Peer<Tx, Rx>,
    link: Rc<Link<Tx, Rx>>,
}

impl<Tx: Message + 'static, Rx: Reply<Question = Tx> + Debug + 'static> Drop
    for Awaited<'_, Tx, Rx>
{
    fn drop(&mut self) {
        self.answer.close();
        let unheard = self.answer.try_recv().ok();
        if let Some(declined) = unheard.and_then(|(reply, _)| reply.declined()) {
            self.peer.tell_on(&self.link, declined);
        }
    }
}

/// There was no such question.
struct NobodyAsked;

impl<Tx, Rx: Reply<Question = Tx>> Link<Tx, Rx> {
    /// To whom had asked for it; he may have left since, and what is then to be
    /// said comes back.
    fn deliver(&self, reply: Rx) -> Result<Option<Tx>, NobodyAsked> {
        let asked = self.waiting.borrow_mut().remove(&reply.answers());
        let Asked { asker, open } = asked.ok_or(NobodyAsked)?;
        let undelivered = asker.send((reply, open)).err();
        Ok(undelivered.and_then(|(reply, _)| reply.declined()))
    }
}
