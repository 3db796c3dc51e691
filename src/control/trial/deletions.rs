//! Deleting an account: each step only after the one before it, and what is left
//! when one fails.

use super::*;
use ipc::edge::control_auth::{ToAuth, ToControl};
use ipc::edge::handover::{ToAsker, ToDirector, Work};
use ipc::edge::task;
use ipc::{Cookie, Nonce};
use std::os::fd::OwnedFd;

type Worker = AsyncChannel<task::ToControl, task::ToWorker>;

/// How far a deletion comes.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Ends {
    AuthRefuses,
    AuthDies,
    DirectorRefuses,
    DirectorLosesIt,
    DirectorDies,
    WorkerFails,
    WorkerDies,
    NameIsKept,
    AuthDiesAtLast,
    Well,
}

impl Trial {
    /// Plays everybody's part of one deletion; what the admin is told.
    async fn delete(&mut self, ends: Ends) -> Answer {
        let client = self.client();
        client
            .send(Request::UserDelete { name: text("a") })
            .unwrap();
        self.play(ends).await;
        next(&client).await
    }

    async fn play(&mut self, ends: Ends) {
        let Some((nonce, cookie)) = self.disable(ends).await else {
            return;
        };
        let Some(worker) = self.hand_over(ends, nonce, cookie).await else {
            return;
        };
        assert!(matches!(next(&worker).await, task::ToWorker::Empty));
        match ends {
            Ends::WorkerDies => return,
            Ends::WorkerFails => return worker.send(task::ToControl::Failed).unwrap(),
            _ => worker.send(task::ToControl::Emptied).unwrap(),
        }
        self.forget(ends).await;
    }

    /// `auth` disables the account and mints the task's ticket.
    async fn disable(&mut self, ends: Ends) -> Option<(Nonce, Cookie)> {
        let ToAuth::Delete {
            query,
            nonce,
            cookie,
            name,
        } = next(&self.auth).await
        else {
            panic!("something before Delete");
        };
        assert_eq!(name.as_slice(), b"a");
        let early = timeout(Duration::ZERO, self.handover.receive()).await;
        assert!(early.is_err(), "handed over before auth's answer");
        match ends {
            Ends::AuthDies => self.auth = connect(&self.house, Edge::ControlAuth),
            Ends::AuthRefuses => {
                let refusal = Refusal::NoSuchAccount;
                self.auth
                    .send(ToControl::Refused { query, refusal })
                    .unwrap();
            }
            _ => {
                self.auth.send(done(query, 5)).unwrap();
                return Some((nonce, cookie));
            }
        }
        None
    }

    /// `director` brings the pair to the worker: the very socket that the ticket
    /// is for.
    async fn hand_over(&mut self, ends: Ends, wanted: Nonce, cookie: Cookie) -> Option<Worker> {
        let ToDirector::HandOver {
            nonce,
            work,
            socket,
        } = next(&self.handover).await;
        assert_eq!((nonce, work), (wanted, Work::Task));
        assert_eq!(ipc::socket::cookie(&socket), Ok(cookie));
        let answer = match ends {
            Ends::DirectorRefuses => ToAsker::Refused {
                nonce,
                refusal: handover::Refusal::NoWorker,
            },
            Ends::DirectorLosesIt => ToAsker::Lost { nonce },
            Ends::DirectorDies => {
                self.handover = connect(&self.house, Edge::ControlHandover);
                return None;
            }
            _ => return Some(self.taken(nonce, socket)),
        };
        self.handover.send(answer).unwrap();
        None
    }

    fn taken(&self, nonce: Nonce, socket: OwnedFd) -> Worker {
        self.handover.send(ToAsker::Taken { nonce }).unwrap();
        Worker::adopt(socket).unwrap()
    }

    /// `auth` forgets the name.
    async fn forget(&mut self, ends: Ends) {
        let ToAuth::Emptied { query, account } = next(&self.auth).await else {
            panic!("something before Emptied");
        };
        assert_eq!(account, AccountId(5));
        match ends {
            Ends::AuthDiesAtLast => self.auth = connect(&self.house, Edge::ControlAuth),
            Ends::NameIsKept => {
                let refusal = Refusal::Storage;
                self.auth
                    .send(ToControl::Refused { query, refusal })
                    .unwrap();
            }
            _ => self.auth.send(done(query, 5)).unwrap(),
        }
    }
}

#[test]
fn an_account_is_disabled_then_emptied_then_forgotten() {
    run(async {
        let mut trial = Trial::new();
        assert!(matches!(trial.delete(Ends::Well).await, Answer::Done));
        trial.nothing_was_asked().await;
    });
}

#[test]
fn a_step_that_fails_is_the_last_and_the_next_try_begins_anew() {
    let endings = [
        (Ends::AuthRefuses, Refusal::NoSuchAccount),
        (Ends::AuthDies, Refusal::Unavailable),
        (Ends::DirectorRefuses, Refusal::Storage),
        (Ends::DirectorLosesIt, Refusal::Storage),
        (Ends::DirectorDies, Refusal::Unavailable),
        (Ends::WorkerFails, Refusal::Storage),
        (Ends::WorkerDies, Refusal::Storage),
        (Ends::NameIsKept, Refusal::Storage),
        (Ends::AuthDiesAtLast, Refusal::Unavailable),
    ];
    run(async {
        let mut trial = Trial::new();
        for (ends, reason) in endings {
            let told = trial.delete(ends).await;
            assert!(refused(&told, reason), "{ends:?}: {told:?}");
            trial.nothing_was_asked().await;
        }
        assert!(matches!(trial.delete(Ends::Well).await, Answer::Done));
    });
}
