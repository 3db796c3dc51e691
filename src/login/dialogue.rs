//! One session's dialogue with `auth`, over as many rounds as its mechanism has.
//!
//! Invariants: an answer goes to the same life of `auth` as the challenge came
//! from; if the client gives none, whatever the reason, `auth` is told and waits
//! no longer.

use crate::peer::{Link, Open, Peer};
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
    /// Where `auth` waits for an answer, if it does.
    waiting: Option<Waiting>,
}

/// A challenge that the client hasn't answered.
struct Waiting {
    link: Rc<Link<ToAuth, ToLogin>>,
    nonce: Nonce,
    /// It counts as a question as long as it waits.
    _open: Open,
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
                let Waiting { link, nonce, .. } = self.waiting.take()?;
                (link, nonce, ToAuth::Continue { nonce, response })
            }
        };
        let answer = self.auth.ask_on(&link, nonce, message).ok()?;
        let (answer, open) = answer.await?;
        Some(match answer {
            ToLogin::Verified { nonce } => Verdict::Verified(nonce),
            ToLogin::Rejected { rejection, .. } => Verdict::Rejected(rejection),
            ToLogin::Challenge { nonce, challenge } => {
                self.waiting = Some(Waiting {
                    link,
                    nonce,
                    _open: open,
                });
                Verdict::Challenge(challenge.into_vec())
            }
        })
    }

    /// The client won't answer.
    pub fn give_up(&mut self) {
        if let Some(Waiting { link, nonce, .. }) = self.waiting.take() {
            self.auth.tell_on(&link, ToAuth::Abort { nonce });
        }
    }
}

impl Drop for Dialogue {
    fn drop(&mut self) {
        self.give_up();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peer::QUESTIONS_MAX;
    use crate::sasl::Credentials;
    use ipc::edge::login_auth::Mechanism;
    use ipc::edge::supervisor::Edge;
    use ipc_async::AsyncChannel;
    use tokio::task::LocalSet;

    type Other = AsyncChannel<ToLogin, ToAuth>;

    /// With an `auth` that the test plays.
    fn run(test: impl AsyncFnOnce(&Rc<Auth>, Other)) {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        let runtime = builder.enable_all().start_paused(true).build().unwrap();
        LocalSet::new().block_on(&runtime, async {
            let auth = Peer::new("auth", Edge::LoginAuth, &Rc::default());
            let (ours, theirs) = ipc::channel::pair().unwrap();
            auth.connect(Instance(1), ours).unwrap();
            test(&auth, AsyncChannel::adopt(theirs).unwrap()).await;
        });
    }

    fn dialogue(auth: &Rc<Auth>) -> Dialogue {
        let whose = Whose {
            front: Instance(1),
            cookie: Cookie(1),
            protocol: Protocol::Imap,
        };
        Dialogue::new(Rc::clone(auth), whose)
    }

    fn first() -> Question {
        let said = Credentials::new(b"n,,n=a,r=b".to_vec()).unwrap();
        Question::Begin(Mechanism::ScramSha256, said)
    }

    async fn challenge(other: &Other) -> Nonce {
        let Ok(Some(ToAuth::Begin { nonce, .. })) = other.receive().await else {
            panic!("no Begin")
        };
        let challenge = ipc::Bytes::new(*b"x").unwrap();
        other.send(ToLogin::Challenge { nonce, challenge }).unwrap();
        nonce
    }

    async fn expect_abort(other: &Other, of: Nonce) {
        let patience = std::time::Duration::from_secs(1);
        let said = tokio::time::timeout(patience, other.receive()).await;
        let said = said.expect("nothing was said").unwrap();
        assert!(matches!(said, Some(ToAuth::Abort { nonce }) if nonce == of));
    }

    /// Clients that begin and then say nothing; `auth` would cut us off if we asked
    /// for one more.
    #[test]
    fn challenges_that_wait_for_clients_are_bounded_and_then_auth_is_not_asked() {
        run(async |auth, other| {
            let mut silent = Vec::new();
            for _ in 0..QUESTIONS_MAX {
                let mut dialogue = dialogue(auth);
                let (verdict, nonce) = tokio::join!(dialogue.ask(first()), challenge(&other));
                assert!(matches!(verdict, Verdict::Challenge(_)));
                silent.push((dialogue, nonce));
            }
            let refused = dialogue(auth).ask(first()).await;
            assert!(matches!(refused, Verdict::Rejected(Rejection::Unavailable)));
            // One that goes on is not refused, and one that leaves makes room.
            let (mut goes_on, _) = silent.pop().unwrap();
            let answer = Question::Continue(Credentials::new(Vec::new()).unwrap());
            let go_on = async {
                let Ok(Some(ToAuth::Continue { nonce, .. })) = other.receive().await else {
                    panic!("no Continue")
                };
                other.send(ToLogin::Verified { nonce }).unwrap();
            };
            let (verdict, ()) = tokio::join!(goes_on.ask(answer), go_on);
            assert!(matches!(verdict, Verdict::Verified(_)));
            let (leaves, nonce) = silent.pop().unwrap();
            drop(leaves);
            expect_abort(&other, nonce).await;
            for _ in 0..2 {
                let mut dialogue = dialogue(auth);
                let (verdict, nonce) = tokio::join!(dialogue.ask(first()), challenge(&other));
                assert!(matches!(verdict, Verdict::Challenge(_)));
                silent.push((dialogue, nonce));
            }
        });
    }

    /// The challenge has come, and its asker goes before he has looked.
    #[test]
    fn a_challenge_that_comes_in_the_moment_of_a_dismissal_is_declined() {
        run(async |auth, other| {
            let mut dialogue = dialogue(auth);
            let mut asking = Box::pin(dialogue.ask(first()));
            assert!(begin(&mut asking).await);
            let nonce = challenge(&other).await;
            // Whoever delivers it has his turn; we don't look.
            for _ in 0..10 {
                tokio::task::yield_now().await;
            }
            drop(asking);
            expect_abort(&other, nonce).await;
        });
    }

    /// Begins; whether it has to wait.
    async fn begin<F: Future + Unpin>(future: &mut F) -> bool {
        std::future::poll_fn(|context| {
            std::task::Poll::Ready(std::pin::Pin::new(&mut *future).poll(context).is_pending())
        })
        .await
    }
}
