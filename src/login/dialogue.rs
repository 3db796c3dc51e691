//! One session's dialogue with `auth`, over as many rounds as its mechanism has.
//!
//! Invariants: an answer goes to the same life of `auth` as the challenge came
//! from; if the client gives none, whatever the reason, `auth` is told and waits
//! no longer.

use crate::peer::{Link, Peer};
use crate::sasl::Question;
use ipc::edge::login_auth::{Rejection, ToAuth, ToLogin};
use ipc::slice::Protocol;
use ipc::{Cookie, Instance, Nonce};
use std::rc::Rc;

/// `auth`, as sessions see it.
pub type Auth = Peer<ToAuth, ToLogin>;

/// What `auth` says to a question.
#[derive(Debug)]
pub enum Verdict {
    /// It is who it says; `director` has the ticket under this nonce.
    Verified(Nonce),
    /// It isn't, or it can't be told now.
    Rejected(Rejection),
    /// The client shall answer this.
    Challenge(Vec<u8>),
}

/// Whose session the dialogue is about.
#[derive(Debug, Clone, Copy)]
pub struct Whose {
    /// Which `front` brought it.
    pub front: Instance,
    /// Of its socket.
    pub cookie: Cookie,
    /// What is spoken on it.
    pub protocol: Protocol,
}

/// See the module.
pub struct Dialogue {
    auth: Rc<Auth>,
    whose: Whose,
    /// Where `auth` waits for an answer, and under what.
    waiting: Option<(Rc<Link<ToAuth, ToLogin>>, Nonce)>,
}

impl Dialogue {
    /// Nothing has been asked yet.
    #[must_use]
    pub fn new(auth: Rc<Auth>, whose: Whose) -> Self {
        Self {
            auth,
            whose,
            waiting: None,
        }
    }

    /// Asks, and waits for the answer. If the future is dropped, a challenge that
    /// still comes is declined.
    pub async fn ask(&mut self, question: Question) -> Verdict {
        self.try_ask(question)
            .await
            .unwrap_or(Verdict::Rejected(Rejection::Unavailable))
    }

    async fn try_ask(&mut self, question: Question) -> Option<Verdict> {
        let (link, nonce, message) = match question {
            Question::Begin(mechanism, response) => {
                self.give_up();
                let nonce = Nonce::draw().ok()?;
                let Whose {
                    front,
                    cookie,
                    protocol,
                } = self.whose;
                let begin = ToAuth::Begin {
                    nonce,
                    front,
                    cookie,
                    protocol,
                    mechanism,
                    response,
                };
                (self.auth.link()?, nonce, begin)
            }
            Question::Continue(response) => {
                let (link, nonce) = self.waiting.take()?;
                (link, nonce, ToAuth::Continue { nonce, response })
            }
        };
        let answer = self.auth.ask_on(&link, nonce, message).ok()?;
        Some(match answer.await? {
            ToLogin::Verified { nonce } => Verdict::Verified(nonce),
            ToLogin::Rejected { rejection, .. } => Verdict::Rejected(rejection),
            ToLogin::Challenge { nonce, challenge } => {
                self.waiting = Some((link, nonce));
                Verdict::Challenge(challenge.into_vec())
            }
        })
    }

    /// The client won't answer.
    pub fn give_up(&mut self) {
        if let Some((link, nonce)) = self.waiting.take() {
            self.auth.tell_on(&link, ToAuth::Abort { nonce });
        }
    }
}

impl Drop for Dialogue {
    fn drop(&mut self) {
        self.give_up();
    }
}
