//! What `director` and `lmtp` may rely on, and what they can't bring about.

mod distress;
mod tasks;
mod tickets;

use super::{Wire, open, run};
use crate::account::Account;
use crate::director::{Desk, Ending};
use crate::fixture::{self, ACCOUNT};
use crate::scratch::Scratch;
use crate::tickets::Gate;
use ipc::channel::{Channel, Received};
use ipc::codec::Bytes;
use ipc::edge::delivery;
use ipc::edge::director_worker::{ToDirector, ToWorker};
use ipc::edge::front_service::Transport;
use ipc::edge::handover::{Refusal, Work};
use ipc::edge::task;
use ipc::slice::Protocol;
use ipc::ticket::{Grant, Kind, MasterKey};
use ipc::{Cookie, Epoch, Nonce, Secret};
use ipc_async::AsyncChannel;
use journal::disk::OsDisk;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream as StdStream;
use std::rc::Rc;
use tokio::task::JoinHandle;

/// A worker's desk, as `director` sees it.
struct Office {
    director: AsyncChannel<ToWorker, ToDirector>,
    worker: JoinHandle<Ending>,
    scratch: Scratch,
    /// None: its store doesn't open.
    account: Option<Rc<Account>>,
    nonces: u8,
}

impl Office {
    /// A worker that has just said `Ready`, on a real directory.
    async fn open() -> Self {
        Self::on(Scratch::new("desk")).await
    }

    async fn on(scratch: Scratch) -> Self {
        let (ours, theirs) = ipc::channel::pair().unwrap();
        let root = std::fs::File::open(scratch.path()).unwrap();
        let account = open(&OsDisk::new(root.into()), scratch.path());
        let channel = AsyncChannel::adopt(theirs).unwrap();
        let gate = Gate::new(ACCOUNT, fixture::key());
        let desk = Desk::new(channel, gate, Rc::clone(&account));
        let office = Self {
            director: AsyncChannel::adopt(ours).unwrap(),
            worker: tokio::task::spawn_local(desk.serve()),
            scratch,
            account: Some(account),
            nonces: 0,
        };
        assert!(matches!(
            office.next().await,
            ToDirector::Ready { storage: Some(_) }
        ));
        office
    }

    async fn next(&self) -> ToDirector {
        self.director.receive().await.unwrap().expect("a word")
    }

    fn say(&self, message: ToWorker) {
        self.director.send(message).unwrap();
    }

    /// Brings a socket with a ticket of its own; the ticket's number.
    fn serve(&mut self, kind: Kind, epoch: Epoch, work: Work, socket: OwnedFd) -> Nonce {
        let cookie = ipc::socket::cookie(&socket).unwrap();
        self.serve_with(cookie, kind, epoch, work, socket)
    }

    fn serve_with(
        &mut self,
        cookie: Cookie,
        kind: Kind,
        epoch: Epoch,
        work: Work,
        socket: OwnedFd,
    ) -> Nonce {
        self.nonces += 1;
        let nonce = Nonce([self.nonces; 16]);
        let ticket = fixture::key().seal(Grant {
            kind,
            epoch,
            nonce,
            ..grant(cookie)
        });
        self.say(ToWorker::Serve {
            ticket: ticket.unwrap(),
            work,
            socket,
        });
        nonce
    }

    /// A session whose client heard its welcome.
    async fn client(&mut self, epoch: Epoch) -> Wire {
        let (theirs, ours) = StdStream::pair().unwrap();
        let nonce = self.serve(Kind::Session, epoch, session(), theirs.into());
        assert!(matches!(self.next().await, ToDirector::Taken { nonce: taken } if taken == nonce));
        let mut wire = Wire::new(ours);
        assert!(wire.line().await.starts_with("a1 OK [CAPABILITY "));
        wire
    }

    /// Delivers a letter; what came of it.
    async fn deliver(&mut self, trace: &str, letter: OwnedFd, length: u64) -> delivery::Outcome {
        self.deliver_to("", trace, letter, length).await
    }

    /// The same for an address with a detail.
    async fn deliver_to(
        &mut self,
        detail: &str,
        trace: &str,
        letter: OwnedFd,
        length: u64,
    ) -> delivery::Outcome {
        let (far, near) = ipc::channel::pair().unwrap();
        self.serve(Kind::Delivery, Epoch(0), Work::Delivery, far);
        let near = AsyncChannel::<delivery::ToWorker, delivery::ToLmtp>::adopt(near).unwrap();
        let sent = near.send(delivery::ToWorker::Letter {
            trace: Bytes::new(trace).unwrap(),
            detail: Bytes::new(detail).unwrap(),
            length,
            letter,
        });
        sent.unwrap();
        let Ok(Some(delivery::ToLmtp::Done { outcome })) = near.receive().await else {
            panic!("no answer to a letter")
        };
        self.pass_over_until_idle().await;
        outcome
    }

    /// Reads on to `MayLeave`.
    async fn pass_over_until_idle(&self) {
        while !matches!(self.next().await, ToDirector::MayLeave { .. }) {}
    }

    async fn leave(self) -> Ending {
        self.say(ToWorker::Leave);
        self.worker.await.unwrap()
    }
}

/// A grant of a session, good now.
fn grant(cookie: Cookie) -> Grant {
    Grant {
        kind: Kind::Session,
        account: ACCOUNT,
        epoch: Epoch(0),
        principal: ACCOUNT,
        rights: u32::MAX,
        nonce: Nonce([255; 16]),
        cookie,
        expires: ipc::ticket::now() + 20,
        may_create: false,
    }
}

fn session() -> Work {
    Work::Session {
        protocol: Protocol::Imap,
        transport: Transport::Cleartext { loopback: true },
        tag: Bytes::new("a1").unwrap(),
        utf8: false,
        mechanisms: Bytes::default(),
        leftover: Bytes::default(),
    }
}

#[test]
fn taken_is_said_before_the_first_byte() {
    run(async {
        let (ours, theirs) = ipc::channel::pair().unwrap();
        let scratch = Scratch::new("desk");
        let root = std::fs::File::open(scratch.path()).unwrap();
        let account = open(&OsDisk::new(root.into()), scratch.path());
        let gate = Gate::new(ACCOUNT, fixture::key());
        let desk = Desk::new(AsyncChannel::adopt(theirs).unwrap(), gate, account);
        let worker = tokio::task::spawn_local(desk.serve());
        // A director's end that can be looked into without waiting.
        let mut director = Channel::<ToWorker, ToDirector>::adopt(ours).unwrap();
        let (far, near) = StdStream::pair().unwrap();
        let cookie = ipc::socket::cookie(&far).unwrap();
        director
            .send(ToWorker::Serve {
                ticket: fixture::key().seal(grant(cookie)).unwrap(),
                work: session(),
                socket: far.into(),
            })
            .unwrap();
        Wire::new(near).line().await;
        let mut next = || match director.receive().unwrap() {
            Received::Message(message) => message,
            other => panic!("not said yet: {other:?}"),
        };
        assert!(matches!(next(), ToDirector::Ready { storage: Some(_) }));
        assert!(matches!(next(), ToDirector::Taken { .. }));
        director.send(ToWorker::Leave).unwrap();
        assert_eq!(worker.await.unwrap(), Ending::Told);
    });
}

#[test]
fn a_ticket_for_another_socket_is_refused_and_the_socket_closed_unread() {
    run(async {
        let mut office = Office::open().await;
        let (far, near) = StdStream::pair().unwrap();
        let foreign = ipc::socket::cookie(&near).unwrap();
        let nonce = office.serve_with(foreign, Kind::Session, Epoch(0), session(), far.into());
        let refused = office.next().await;
        assert!(
            matches!(refused, ToDirector::Refused { nonce: refused, refusal: Refusal::BadTicket }
            if refused == nonce)
        );
        assert_eq!(Wire::new(near).last_words().await, "");
        assert_eq!(office.leave().await, Ending::Told);
    });
}

#[test]
fn a_worker_with_nothing_to_do_says_that_it_may_leave() {
    run(async {
        let mut office = Office::open().await;
        let mut client = office.client(Epoch(0)).await;
        client.command("b", "LOGOUT").await;
        assert!(matches!(office.next().await, ToDirector::Ended { .. }));
        assert!(matches!(office.next().await, ToDirector::MayLeave { .. }));
        assert_eq!(office.leave().await, Ending::Told);
    });
}

#[test]
fn a_letter_that_is_said_to_be_delivered_is_in_inbox_byte_for_byte() {
    run(async {
        let mut office = Office::open().await;
        let large: Vec<u8> = (0u32..300_000).map(|n| b'a' + (n % 23) as u8).collect();
        for body in [b"Subject: x\r\n\r\nhello".to_vec(), large.clone()] {
            let letter = ipc::letter::sealed(&body).unwrap();
            let outcome = office
                .deliver("Return-Path: <>\r\n", letter, body.len() as u64)
                .await;
            assert_eq!(outcome, delivery::Outcome::Delivered);
        }
        let mut client = office.client(Epoch(0)).await;
        client.command("b", "SELECT INBOX").await;
        let small = client.command("c", "FETCH 1 BODY[]").await;
        assert_eq!(small[1], "Return-Path: <>");
        assert_eq!(small[4], "hello)");
        let read = client.command("d", "FETCH 2 BODY[]").await;
        assert_eq!(read[2].as_bytes(), [&large[..], b")"].concat());
        assert_eq!(office.leave().await, Ending::Told);
    });
}

#[test]
fn a_delivery_is_said_to_be_taken_only_if_it_takes_long() {
    run(async {
        let mut office = Office::open().await;
        let (far, near) = ipc::channel::pair().unwrap();
        let nonce = office.serve(Kind::Delivery, Epoch(0), Work::Delivery, far);
        // The letter doesn't come.
        assert!(
            matches!(office.next().await, ToDirector::Taken { nonce: taken } if taken == nonce)
        );
        drop(near);
        assert!(matches!(office.next().await, ToDirector::Ended { .. }));
        office.pass_over_until_idle().await;
        let (far, near) = ipc::channel::pair().unwrap();
        drop(near);
        let nonce = office.serve(Kind::Delivery, Epoch(0), Work::Delivery, far);
        assert!(
            matches!(office.next().await, ToDirector::Ended { nonce: ended } if ended == nonce)
        );
        assert_eq!(office.leave().await, Ending::Told);
    });
}

/// The limit is told to MTAs as SIZE: what is within it must not be refused for
/// the fields that we add, least of all with an answer that makes them try again.
#[test]
fn a_letter_of_the_largest_size_is_delivered_whatever_its_trace_adds() {
    run(async {
        let mut office = Office::open().await;
        let max = fixture::slice().message_bytes_max;
        for (length, expected) in [
            (max, delivery::Outcome::Delivered),
            (max + 1, delivery::Outcome::Temporary),
        ] {
            let body = vec![b'x'; usize::try_from(length).unwrap()];
            let letter = ipc::letter::sealed(&body).unwrap();
            let outcome = office.deliver("Return-Path: <>\r\n", letter, length).await;
            assert_eq!(outcome, expected);
        }
        assert_eq!(office.leave().await, Ending::Told);
    });
}

/// The MTA tries again: who has made room gets the letter after all.
#[test]
fn a_letter_that_would_be_too_much_is_over_quota() {
    run(async {
        let mut office = Office::open().await;
        let mut slice = fixture::slice();
        slice.quota.bytes = Some(30);
        office.say(ToWorker::Configure { slice });
        let letter = || ipc::letter::sealed(b"0123456789").unwrap();
        for expected in [delivery::Outcome::Delivered, delivery::Outcome::OverQuota] {
            let outcome = office.deliver("Return-Path: <>\r\n", letter(), 10).await;
            assert_eq!(outcome, expected);
        }
        let slice = fixture::slice();
        office.say(ToWorker::Configure { slice });
        let outcome = office.deliver("", letter(), 10).await;
        assert_eq!(outcome, delivery::Outcome::Delivered);
        assert_eq!(office.leave().await, Ending::Told);
    });
}

#[test]
fn director_hears_of_a_damaged_letter() {
    run(async {
        let mut office = Office::open().await;
        let large = vec![b'x'; 300_000];
        let letter = ipc::letter::sealed(&large).unwrap();
        office.deliver("", letter, large.len() as u64).await;
        let packs = std::fs::read_dir(office.scratch.path().join("pack")).unwrap();
        for pack in packs {
            std::fs::remove_file(pack.unwrap().path()).unwrap();
        }
        let mut client = office.client(Epoch(0)).await;
        client.command("s", "SELECT INBOX").await;
        client.command("f", "FETCH 1 BODY.PEEK[HEADER]").await;
        let told = office.next().await;
        let ToDirector::Health { health } = told else {
            panic!("unasked: {told:?}")
        };
        assert!(health.is_ailing() && health.damaged_letters == 1);
        assert_eq!(office.leave().await, Ending::Told);
    });
}

#[test]
fn what_is_no_letter_is_not_delivered() {
    run(async {
        let mut office = Office::open().await;
        let letter = || ipc::letter::sealed(b"abc").unwrap();
        let shorter = office.deliver("", letter(), 4).await;
        assert_eq!(shorter, delivery::Outcome::BadLetter);
        let path = office.scratch.path().join("writable");
        let writable = std::fs::File::create(path).unwrap();
        let writable = office.deliver("", writable.into(), 0).await;
        assert_eq!(writable, delivery::Outcome::BadLetter);
        let mut client = office.client(Epoch(0)).await;
        let status = client.command("b", "STATUS INBOX (MESSAGES)").await;
        assert_eq!(status[0], "* STATUS INBOX (MESSAGES 0)");
        assert_eq!(office.leave().await, Ending::Told);
    });
}

#[test]
fn a_raised_epoch_ends_sessions_and_outlives_the_worker() {
    run(async {
        let mut office = Office::open().await;
        let mut client = office.client(Epoch(0)).await;
        let sealed = fixture::key().seal_epoch(Epoch(5));
        office.say(ToWorker::RaiseEpoch { sealed });
        assert!(client.last_words().await.starts_with("* BYE [EXPIRED] "));
        loop {
            match office.next().await {
                ToDirector::EpochRaised { epoch, .. } => break assert_eq!(epoch, Epoch(5)),
                ToDirector::Ended { .. } | ToDirector::MayLeave { .. } => {}
                other => panic!("unasked: {other:?}"),
            }
        }
        let scratch = Scratch::new("successor");
        copy(office.scratch.path(), scratch.path());
        let mut office = Office::on(scratch).await;
        let (far, _near) = StdStream::pair().unwrap();
        office.serve(Kind::Session, Epoch(4), session(), far.into());
        let refused = office.next().await;
        assert!(matches!(
            refused,
            ToDirector::Refused {
                refusal: Refusal::BadTicket,
                ..
            }
        ));
        office.client(Epoch(5)).await;
        assert_eq!(office.leave().await, Ending::Told);
    });
}

#[test]
fn an_epoch_that_auth_has_not_sealed_ends_the_channel() {
    run(async {
        let office = Office::open().await;
        let master = MasterKey::new(Secret::from_array([66; 32])).unwrap();
        let sealed = master.account_key(ACCOUNT).seal_epoch(Epoch(5));
        office.say(ToWorker::RaiseEpoch { sealed });
        assert_eq!(office.worker.await.unwrap(), Ending::ForgedEpoch);
    });
}

#[test]
fn leaving_says_bye_and_a_dead_director_is_a_reason_to_leave() {
    run(async {
        let mut office = Office::open().await;
        let mut client = office.client(Epoch(0)).await;
        office.say(ToWorker::Leave);
        assert!(
            client
                .last_words()
                .await
                .starts_with("* BYE [UNAVAILABLE] ")
        );
        assert_eq!(office.worker.await.unwrap(), Ending::Told);

        let mut office = Office::open().await;
        let mut client = office.client(Epoch(0)).await;
        drop(office.director);
        assert!(
            client
                .last_words()
                .await
                .starts_with("* BYE [UNAVAILABLE] ")
        );
        assert_eq!(office.worker.await.unwrap(), Ending::DirectorGone);
    });
}

#[test]
fn sessions_beyond_the_limit_are_refused_until_one_ends() {
    run(async {
        let mut office = Office::open().await;
        let max = fixture::slice().sessions_max;
        let mut clients = Vec::new();
        for _ in 0..max {
            clients.push(office.client(Epoch(0)).await);
        }
        let (far, _near) = StdStream::pair().unwrap();
        office.serve(Kind::Session, Epoch(0), session(), far.into());
        let refused = office.next().await;
        assert!(matches!(
            refused,
            ToDirector::Refused {
                refusal: Refusal::TooManySessions,
                ..
            }
        ));
        clients.pop().unwrap().command("b", "LOGOUT").await;
        assert!(matches!(office.next().await, ToDirector::Ended { .. }));
        office.client(Epoch(0)).await;
        assert_eq!(office.leave().await, Ending::Told);
    });
}

#[test]
fn an_emptied_account_has_no_file_left_and_takes_nothing_more() {
    run(async {
        let mut office = Office::open().await;
        let letter = ipc::letter::sealed(b"x").unwrap();
        office.deliver("", letter, 1).await;
        let (far, near) = ipc::channel::pair().unwrap();
        office.serve(Kind::Admin, Epoch(0), Work::Task, far);
        let near = AsyncChannel::<task::ToWorker, task::ToControl>::adopt(near).unwrap();
        near.send(task::ToWorker::Empty).unwrap();
        assert!(matches!(
            near.receive().await,
            Ok(Some(task::ToControl::Emptied))
        ));
        assert_eq!(std::fs::read_dir(office.scratch.path()).unwrap().count(), 0);
        office.pass_over_until_idle().await;
        let (far, _near) = StdStream::pair().unwrap();
        office.serve(Kind::Session, Epoch(0), session(), far.into());
        let refused = office.next().await;
        assert!(matches!(
            refused,
            ToDirector::Refused {
                refusal: Refusal::NoWorker,
                ..
            }
        ));
        assert_eq!(office.leave().await, Ending::Told);
    });
}

/// Copies a store as a dead worker has left it.
fn copy(from: &std::path::Path, to: &std::path::Path) {
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            std::fs::create_dir(&target).unwrap();
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}
