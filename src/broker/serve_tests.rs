//! The loop's turns, with the supervisor and `director` played.

use super::*;
use crate::house::{Root, as_broker, deletion, grant, null, received, sealed};
use ipc::Channel;
use ipc::channel::Received;
use ipc::edge::director_broker::VERIFIERS_MAX;
use ipc::slice::Broker as OwnSlice;
use ipc::ticket::{Grant, Kind};
use rustix::net::SendFlags;
use sandbox::account::make_directory;
use std::os::fd::AsFd;

/// A broker, and the far ends of its channels.
struct Trial {
    broker: Broker,
    supervisor: Channel<ToProcess, ToSupervisor>,
    director: Channel<ToBroker, ToDirector>,
    root: Root,
}

const SLICE: Slice = Slice::Broker {
    slice: OwnSlice {
        first_uid: 1000,
        uids: 0,
    },
};

impl Trial {
    fn new() -> Self {
        let root = Root::new();
        let (near, supervisor) = ipc::channel::pair().unwrap();
        let mut broker = Broker::new(near, SLICE, root.nursery()).unwrap();
        let director = connect(&mut broker);
        Self {
            broker,
            supervisor: Channel::adopt(supervisor).unwrap(),
            director,
            root,
        }
    }

    /// `director` asks; what it is told.
    fn ask(&mut self, question: ToBroker) -> ToDirector {
        self.director.send(question).unwrap();
        self.broker.attend_director();
        self.told().unwrap()
    }

    fn bear(&mut self, ticket: SealedTicket) -> ToDirector {
        let channel = null();
        self.ask(ToBroker::Birth { ticket, channel })
    }

    fn told(&mut self) -> Option<ToDirector> {
        match self.director.receive() {
            Ok(Received::Message(message)) => Some(message),
            _ => None,
        }
    }

    /// What the supervisor was told.
    fn heard(&mut self) -> Option<ToSupervisor> {
        match self.supervisor.receive() {
            Ok(Received::Message(message)) => Some(message),
            _ => None,
        }
    }

    fn reported(&mut self) -> Option<Event> {
        match self.heard()? {
            ToSupervisor::Report { event } => Some(event),
            other => panic!("{other:?}"),
        }
    }

    /// The supervisor speaks; whether it is still there.
    fn hear(&mut self, message: ToProcess) -> bool {
        self.supervisor.send(message).unwrap();
        self.broker.attend_supervisor()
    }

    fn bear_verifier(&mut self, account: u32) -> ToDirector {
        let (_near, pair) = ipc::channel::pair().unwrap();
        let claim = Grant {
            kind: Kind::Verify,
            cookie: ipc::socket::cookie(&pair).unwrap(),
            ..grant(account, false)
        };
        self.ask(ToBroker::BearVerifier {
            ticket: sealed(claim),
            hold: None,
            pair,
        })
    }

    /// Waits for the end of every verifier.
    fn reap_verifiers(&mut self) {
        while !self.broker.verifiers.is_empty() {
            for peer in self.broker.registry.wait(WAIT).unwrap() {
                if let Peer::Verifier(account) = peer {
                    self.broker.reap_verifier(account);
                }
            }
        }
    }

    /// Waits for the end of the account's worker.
    fn reap(&mut self, account: AccountId) {
        while self.broker.workers.contains_key(&account) {
            for peer in self.broker.registry.wait(WAIT).unwrap() {
                if let Peer::Worker(account) = peer {
                    self.broker.reap(account);
                }
            }
        }
    }
}

fn connect(broker: &mut Broker) -> Channel<ToBroker, ToDirector> {
    let (near, far) = ipc::channel::pair().unwrap();
    broker.connect(Edge::DirectorBroker, near);
    Channel::adopt(far).unwrap()
}

#[test]
fn an_account_has_one_worker_and_another_only_when_it_was_reaped() {
    as_broker(|| {
        let mut trial = Trial::new();
        let account = AccountId(5);
        let born = trial.bear(sealed(grant(5, true)));
        assert!(matches!(
            born,
            ToDirector::Born {
                account: AccountId(5),
                created: true
            }
        ));
        assert!(matches!(
            trial.reported(),
            Some(Event::WorkerBorn { account: 5, .. })
        ));
        let second = trial.bear(sealed(grant(5, true)));
        assert!(matches!(
            second,
            ToDirector::NotBorn {
                account: AccountId(5),
                failure: BirthFailure::Alive
            }
        ));
        trial.reap(account);
        assert!(matches!(trial.told(), Some(ToDirector::Ended { .. })));
        let again = trial.bear(sealed(grant(5, false)));
        assert!(matches!(again, ToDirector::Born { created: false, .. }));
        let other = trial.bear(sealed(grant(6, true)));
        assert!(matches!(
            other,
            ToDirector::Born {
                account: AccountId(6),
                ..
            }
        ));
    });
}

#[test]
fn a_living_workers_directory_is_not_removed_whatever_the_seal() {
    as_broker(|| {
        let mut trial = Trial::new();
        trial.bear(sealed(grant(5, true)));
        let asked = || ToBroker::Remove {
            sealed: deletion(5),
        };
        assert!(matches!(
            trial.ask(asked()),
            ToDirector::Removed { gone: false, .. }
        ));
        assert_eq!(trial.root.names(), ["5"]);
        trial.reap(AccountId(5));
        assert!(matches!(trial.told(), Some(ToDirector::Ended { .. })));
        assert!(matches!(
            trial.ask(asked()),
            ToDirector::Removed { gone: true, .. }
        ));
        assert!(trial.root.names().is_empty());
    });
}

#[test]
fn a_forged_ticket_is_told_to_both_and_makes_nothing() {
    let mut trial = Trial::new();
    let mut forged = sealed(grant(5, true));
    forged.claim.may_create = false;
    let answer = trial.bear(forged);
    assert!(matches!(
        answer,
        ToDirector::NotBorn {
            account: AccountId(5),
            failure: BirthFailure::BadTicket
        }
    ));
    assert_eq!(trial.reported(), Some(Event::ForgedTicket { account: 5 }));
    assert!(trial.root.names().is_empty());
}

#[test]
fn a_worker_is_ended_when_director_says_so_and_one_that_is_not_there_is_no_fault() {
    as_broker(|| {
        let mut trial = Trial::new();
        trial.bear(sealed(grant(5, true)));
        for account in [AccountId(5), AccountId(9)] {
            trial.director.send(ToBroker::End { account }).unwrap();
        }
        trial.broker.attend_director();
        trial.reap(AccountId(5));
        assert!(matches!(
            trial.told(),
            Some(ToDirector::Ended {
                account: AccountId(5)
            })
        ));
        assert!(trial.broker.director.is_some());
    });
}

#[test]
fn an_account_has_one_verifier_beside_its_worker_and_all_together_have_a_limit() {
    as_broker(|| {
        let mut trial = Trial::new();
        trial.bear(sealed(grant(1, true)));
        let last = u32::try_from(VERIFIERS_MAX).unwrap();
        for account in 2..=last + 1 {
            make_directory(trial.broker.nursery.store.as_fd(), account, None).unwrap();
        }
        for account in 1..=last {
            let born = trial.bear_verifier(account);
            assert!(matches!(born, ToDirector::VerifierBorn { .. }), "{born:?}");
        }
        for (account, wanted) in [(1, BirthFailure::Alive), (last + 1, BirthFailure::Crowded)] {
            let answer = trial.bear_verifier(account);
            let refused =
                matches!(answer, ToDirector::VerifierNotBorn { failure, .. } if failure == wanted);
            assert!(refused, "{answer:?}");
        }
        trial.reap_verifiers();
        let ended: Vec<ToDirector> = std::iter::from_fn(|| trial.told()).collect();
        let of_verifier = |told: &ToDirector| matches!(told, ToDirector::VerifierEnded { .. });
        assert_eq!(
            ended.iter().filter(|told| of_verifier(told)).count(),
            VERIFIERS_MAX
        );
        assert!(matches!(
            trial.bear_verifier(last + 1),
            ToDirector::VerifierBorn { .. }
        ));
    });
}

#[test]
fn an_end_of_a_verifier_that_is_not_there_is_no_fault() {
    let mut trial = Trial::new();
    let account = AccountId(9);
    let asked = ToBroker::EndVerifier { account };
    trial.director.send(asked).unwrap();
    trial.broker.attend_director();
    assert!(trial.broker.director.is_some());
    assert!(trial.told().is_none());
}

#[test]
fn a_director_that_breaks_the_rules_is_cut_off_and_the_next_one_is_served() {
    as_broker(|| {
        let mut trial = Trial::new();
        let garbage = rustix::net::send(trial.director.as_fd(), &[99], SendFlags::empty());
        assert_eq!(garbage, Ok(1));
        trial.broker.attend_director();
        let fault = Event::PeerFault {
            peer: Process::Director,
            instance: 0,
        };
        assert_eq!(trial.reported(), Some(fault));
        assert!(matches!(
            received(&mut trial.director),
            Ok(Received::Closed)
        ));
        trial.director = connect(&mut trial.broker);
        assert!(matches!(
            trial.bear(sealed(grant(5, true))),
            ToDirector::Born { .. }
        ));
    });
}

#[test]
fn no_edge_but_directors_is_taken() {
    as_broker(|| {
        let mut trial = Trial::new();
        let (near, far) = ipc::channel::pair().unwrap();
        trial.broker.connect(Edge::AuthDirector, near);
        let mut far = Channel::<ToBroker, ToDirector>::adopt(far).unwrap();
        assert!(matches!(received(&mut far), Ok(Received::Closed)));
        let ticket = sealed(grant(5, true));
        assert!(matches!(trial.bear(ticket), ToDirector::Born { .. }));
    });
}

#[test]
fn the_uids_of_accounts_are_those_of_the_start() {
    let mut trial = Trial::new();
    assert!(trial.hear(ToProcess::Prepare { slice: SLICE }));
    assert!(matches!(trial.heard(), Some(ToSupervisor::Prepared)));
    let slice = Slice::Broker {
        slice: OwnSlice {
            first_uid: 2000,
            uids: 9,
        },
    };
    assert!(trial.hear(ToProcess::Prepare { slice }));
    assert!(matches!(trial.heard(), Some(ToSupervisor::Refused { .. })));
    assert!(trial.hear(ToProcess::Commit));
    assert_eq!(trial.broker.slice, SLICE);
}

#[test]
fn workers_born_after_a_reload_are_told_the_new_slice() {
    let mut trial = Trial::new();
    let mut slice = trial.broker.nursery.slice.clone();
    slice.idle_seconds = 77;
    let told = slice.clone();
    assert!(trial.hear(ToProcess::WorkerSlice {
        slice: Slice::Worker { slice }
    }));
    assert_eq!(trial.broker.nursery.slice, told);
}

#[test]
fn the_supervisors_end_is_seen() {
    let mut trial = Trial::new();
    assert!(trial.hear(ToProcess::Stop));
    assert!(trial.broker.stopping);
    drop(trial.supervisor);
    while !trial.broker.registry.wait(WAIT).unwrap().is_empty() {
        if !trial.broker.attend_supervisor() {
            return;
        }
    }
    panic!("nobody saw it");
}
