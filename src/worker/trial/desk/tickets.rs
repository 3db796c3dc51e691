//! What each kind of ticket opens, and nothing else: every kind, with every kind of
//! work, over every kind of socket; and every task, asked by way of each. The enums
//! are matched without a wildcard: who adds to one says here who may.

use super::distress::{distressed, ruin};
use super::*;
use ipc::AccountId;
use ipc::edge::task::{Limit, QuotaChange, ToControl, ToWorker as Task};
use std::os::fd::AsFd;

/// The variants of an enum, with an example of each.
macro_rules! variants {
    ($every:ident of $of:ty { $($pattern:pat => $example:expr;)+ }) => {
        fn $every() -> Vec<$of> {
            let place = |value: &$of| {
                let places: &[fn(&$of) -> bool] = &[$(|value| matches!(value, $pattern)),+];
                places.iter().position(|is| is(value))
            };
            // A variant that is nowhere below doesn't compile.
            let _complete = |value: &$of| match value { $($pattern => (),)+ };
            let every = vec![$($example),+];
            assert!(every.iter().map(place).eq((0..every.len()).map(Some)));
            every
        }
    };
}

variants! { kinds of Kind {
    Kind::Session => Kind::Session;
    Kind::Delivery => Kind::Delivery;
    Kind::Admin => Kind::Admin;
    Kind::Wake => Kind::Wake;
    Kind::Verify => Kind::Verify;
}}

variants! { works of Work {
    Work::Session { protocol: Protocol::Imap, transport: _, tag: _, utf8: _, mechanisms: _, leftover: _ } => session();
    Work::Session { protocol: Protocol::Pop3, transport: _, tag: _, utf8: _, mechanisms: _, leftover: _ } => session_of(Protocol::Pop3);
    Work::Session { protocol: Protocol::ManageSieve, transport: _, tag: _, utf8: _, mechanisms: _, leftover: _ } => session_of(Protocol::ManageSieve);
    Work::Session { protocol: Protocol::Lmtp, transport: _, tag: _, utf8: _, mechanisms: _, leftover: _ } => session_of(Protocol::Lmtp);
    Work::Session { protocol: Protocol::Admin, transport: _, tag: _, utf8: _, mechanisms: _, leftover: _ } => session_of(Protocol::Admin);
    Work::Delivery => Work::Delivery;
    Work::Task => Work::Task;
    Work::Verify => Work::Verify;
}}

variants! { tasks of Task {
    Task::Count => Task::Count;
    Task::Empty => Task::Empty;
    Task::Quota => Task::Quota;
    Task::SetQuota { change: _ } => Task::SetQuota { change: no_letters() };
    Task::Rewound => Task::Rewound;
    Task::Repair => Task::Repair;
}}

fn session_of(protocol: Protocol) -> Work {
    let Work::Session {
        transport,
        tag,
        utf8,
        mechanisms,
        leftover,
        ..
    } = session()
    else {
        unreachable!("it is a session")
    };
    Work::Session {
        protocol,
        transport,
        tag,
        utf8,
        mechanisms,
        leftover,
    }
}

fn no_letters() -> QuotaChange {
    QuotaChange {
        bytes: Limit::AsItIs,
        messages: Limit::Most { most: 0 },
        mailboxes: Limit::AsItIs,
    }
}

/// What is served at all, by what ticket, over what socket.
fn is_served(kind: Kind, work: &Work, stream: bool) -> bool {
    match work {
        Work::Session {
            protocol: Protocol::Imap | Protocol::Pop3,
            ..
        } => kind == Kind::Session && stream,
        Work::Session { .. } => false,
        Work::Delivery => kind == Kind::Delivery && !stream,
        Work::Task => kind == Kind::Admin && !stream,
        Work::Verify => false,
    }
}

/// A socket for the worker, and its other end: such as a client's, or such as
/// `lmtp` and `control` make.
fn socket(stream: bool) -> (OwnedFd, OwnedFd) {
    match stream {
        true => {
            let (far, near) = StdStream::pair().unwrap();
            (far.into(), near.into())
        }
        false => ipc::channel::pair().unwrap(),
    }
}

impl Office {
    /// Whether a socket was taken; then its other end goes, and the work ends.
    async fn is_taken(&mut self, ticket: Grant, work: Work, far: OwnedFd, near: OwnedFd) -> bool {
        self.nonces += 1;
        let nonce = Nonce([self.nonces; 16]);
        let sealed = fixture::key().seal(Grant { nonce, ..ticket }).unwrap();
        self.say(ToWorker::Serve {
            ticket: sealed,
            work,
            socket: far,
        });
        loop {
            match self.next().await {
                ToDirector::Taken { nonce: taken } => {
                    assert_eq!(taken, nonce);
                    break;
                }
                ToDirector::Refused { nonce: refused, .. } => {
                    assert_eq!(refused, nonce);
                    return false;
                }
                _ => {}
            }
        }
        drop(near);
        while !matches!(self.next().await, ToDirector::Ended { .. }) {}
        true
    }

    /// Every kind, work and socket; `change` makes something of the ticket.
    async fn try_all(
        &mut self,
        change: impl Fn(Grant) -> Grant,
        served: impl Fn(Kind, &Work, bool) -> bool,
    ) {
        for kind in kinds() {
            for work in works() {
                for stream in [true, false] {
                    let (far, near) = socket(stream);
                    let cookie = ipc::socket::cookie(far.as_fd()).unwrap();
                    let ticket = change(Grant {
                        kind,
                        ..grant(cookie)
                    });
                    let expected = served(kind, &work, stream);
                    let told = format!("{kind:?} {work:?} stream: {stream}");
                    let taken = self.is_taken(ticket, work.clone(), far, near).await;
                    assert_eq!(taken, expected, "{told}");
                }
            }
        }
    }
}

#[test]
fn each_kind_of_ticket_opens_its_own_kind_of_work_on_its_own_kind_of_socket() {
    run(async {
        let mut office = Office::open().await;
        office.try_all(|good| good, is_served).await;
        assert_eq!(office.leave().await, Ending::Told);
    });
}

/// Nothing is shared yet: a ticket for somebody else, or for less than everything,
/// opens nothing, of whatever kind it is.
#[test]
fn no_ticket_is_good_for_anybody_but_the_owner_or_for_part_of_the_rights() {
    run(async {
        let mut office = Office::open().await;
        let nothing = |_, _: &Work, _| false;
        let other = |good| Grant {
            principal: AccountId(9),
            ..good
        };
        office.try_all(other, nothing).await;
        let less = |good| Grant { rights: 3, ..good };
        office.try_all(less, nothing).await;
        assert_eq!(office.leave().await, Ending::Told);
    });
}

#[test]
fn a_worker_in_distress_takes_an_administrators_ticket_for_a_task_and_no_other() {
    run(async {
        let mut office = distressed(ruin().await).await;
        let task = |kind, work: &Work, stream| *work == Work::Task && is_served(kind, work, stream);
        office.try_all(|good| good, task).await;
        assert_eq!(office.leave().await, Ending::Told);
    });
}

/// What is known of an account without asking its worker for a task.
fn state(office: &Office) -> (store::Usage, store::QuotaLimits, u64, bool) {
    let account = office.account.as_ref().unwrap();
    let store = account.store();
    (
        store.usage(),
        store.quota(),
        store.modseq().0,
        account.is_retired(),
    )
}

/// A worker that would do them believed the pair and not the ticket.
#[test]
fn a_task_that_is_asked_for_on_a_deliverys_pair_is_not_done() {
    run(async {
        let mut office = Office::open().await;
        for task in tasks() {
            let before = state(&office);
            let told = format!("{task:?}");
            let (far, near) = ipc::channel::pair().unwrap();
            office.serve(Kind::Delivery, Epoch(0), Work::Delivery, far);
            let near = AsyncChannel::<Task, ToControl>::adopt(near).unwrap();
            near.send(task).unwrap();
            let answer = near.receive().await;
            assert!(!matches!(answer, Ok(Some(_))), "{told}: {answer:?}");
            office.pass_over_until_idle().await;
            assert_eq!(state(&office), before, "{told}");
        }
        assert_eq!(office.leave().await, Ending::Told);
    });
}

/// The same for whoever has a session: there is no word in IMAP for a task.
#[test]
fn a_letter_that_comes_on_a_tasks_pair_is_not_delivered() {
    run(async {
        let mut office = Office::open().await;
        let before = state(&office);
        let (far, near) = ipc::channel::pair().unwrap();
        office.serve(Kind::Admin, Epoch(0), Work::Task, far);
        let near = AsyncChannel::<delivery::ToWorker, delivery::ToLmtp>::adopt(near).unwrap();
        let sent = near.send(delivery::ToWorker::Letter {
            trace: Bytes::default(),
            detail: Bytes::default(),
            length: 1,
            letter: ipc::letter::sealed(b"x").unwrap(),
        });
        sent.unwrap();
        let answer = near.receive().await;
        assert!(!matches!(answer, Ok(Some(_))), "{answer:?}");
        office.pass_over_until_idle().await;
        assert_eq!(state(&office), before);
        assert_eq!(office.leave().await, Ending::Told);
    });
}

/// Tasks are the administrator's: with his ticket each of them is answered.
#[test]
fn every_task_is_answered_for_an_administrators_ticket() {
    run(async {
        for task in tasks() {
            let told = format!("{task:?}");
            let mut office = Office::open().await;
            let (far, near) = ipc::channel::pair().unwrap();
            office.serve(Kind::Admin, Epoch(0), Work::Task, far);
            let near = AsyncChannel::<Task, ToControl>::adopt(near).unwrap();
            near.send(task).unwrap();
            let answer = near.receive().await;
            let done =
                matches!(answer, Ok(Some(ref answer)) if !matches!(answer, ToControl::Failed));
            assert!(done, "{told}: {answer:?}");
            office.leave().await;
        }
    });
}

/// Whoever writes to an address with a detail has no right to any mailbox, not even
/// to learn whether there is one of that name.
#[test]
fn a_letter_to_a_detail_lands_in_inbox_whatever_mailboxes_there_are() {
    run(async {
        let mut office = Office::open().await;
        for detail in [
            "",
            "Sent",
            "Nothing",
            "INBOX",
            "sent",
            "Archive/new",
            "../Sent",
            "*",
        ] {
            let letter = ipc::letter::sealed(b"x").unwrap();
            let outcome = office.deliver_to(detail, "", letter, 1).await;
            assert_eq!(outcome, delivery::Outcome::Delivered, "{detail}");
        }
        let mut client = office.client(Epoch(0)).await;
        let listed = client
            .command("l", "LIST \"\" * RETURN (STATUS (MESSAGES))")
            .await;
        let counts = listed.iter().filter(|line| line.starts_with("* STATUS"));
        assert_eq!(
            counts.collect::<Vec<_>>(),
            [
                "* STATUS Archive (MESSAGES 0)",
                "* STATUS INBOX (MESSAGES 8)",
                "* STATUS Sent (MESSAGES 0)",
            ]
        );
        assert_eq!(office.leave().await, Ending::Told);
    });
}
