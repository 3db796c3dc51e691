//! Who may ask, and that answers come whole and in order.

use super::*;

use ipc::edge::control_auth::{Account, ToAuth, ToControl};
use ipc::edge::control_director::{Ailing, WorkerStatus};
use ipc::edge::control_supervisor::ToSupervisor;
use ipc::edge::director_worker::Health;
use ipc::edge::supervisor::Process;
use rustix::net::SendFlags;

/// The number of a question about this name.
async fn kicked(auth: &Auth, wanted: &str) -> u64 {
    match next(auth).await {
        ToAuth::Kick { query, name } => {
            assert_eq!(name.as_slice(), wanted.as_bytes());
            query
        }
        other => panic!("{other:?}"),
    }
}

fn account(id: u32) -> Account {
    Account {
        id: AccountId(id),
        name: text("somebody"),
        aliases: List::default(),
        disabled: false,
        deleting: false,
        scheme: 1,
    }
}

fn page(query: u64, ids: &[u32], more: bool) -> ToControl {
    let accounts = ids.iter().copied().map(account).collect();
    ToControl::Page {
        query,
        accounts: List::new(accounts).unwrap(),
        more,
    }
}

/// The number of a question for the accounts above this one.
async fn listed(auth: &Auth, above: Option<u32>) -> u64 {
    match next(auth).await {
        ToAuth::List { query, after } => {
            assert_eq!(after, above.map(AccountId));
            query
        }
        other => panic!("{other:?}"),
    }
}

fn ids(answer: Answer) -> Vec<u32> {
    match answer {
        Answer::Accounts { accounts } => accounts.as_slice().iter().map(|it| it.id.0).collect(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn pipelined_requests_are_all_asked_at_once_and_answered_in_their_order() {
    run(async {
        let trial = Trial::new();
        let client = trial.client();
        for name in ["a", "b", "c"] {
            client.send(kick(name)).unwrap();
        }
        let a = kicked(&trial.auth, "a").await;
        let b = kicked(&trial.auth, "b").await;
        let c = kicked(&trial.auth, "c").await;
        trial.auth.send(done(c, 3)).unwrap();
        let refusal = Refusal::NoSuchAccount;
        trial
            .auth
            .send(ToControl::Refused { query: b, refusal })
            .unwrap();
        trial.auth.send(done(a, 1)).unwrap();
        assert!(matches!(next(&client).await, Answer::Done));
        assert!(refused(&next(&client).await, refusal));
        assert!(matches!(next(&client).await, Answer::Done));
    });
}

#[test]
fn a_later_requests_answer_waits_for_the_whole_of_an_earlier_ones() {
    run(async {
        let trial = Trial::new();
        let client = trial.client();
        client.send(Request::UserList).unwrap();
        client.send(kick("a")).unwrap();
        let query = listed(&trial.auth, None).await;
        let later = kicked(&trial.auth, "a").await;
        trial.auth.send(done(later, 1)).unwrap();
        trial.auth.send(page(query, &[1, 4], true)).unwrap();
        let query = listed(&trial.auth, Some(4)).await;
        trial.auth.send(page(query, &[9], false)).unwrap();
        assert_eq!(ids(next(&client).await), [1, 4]);
        assert_eq!(ids(next(&client).await), [9]);
        assert!(matches!(next(&client).await, Answer::Done));
        assert!(matches!(next(&client).await, Answer::Done));
    });
}

#[test]
fn a_list_that_breaks_off_says_so() {
    run(async {
        let mut trial = Trial::new();
        let client = trial.client();
        client.send(Request::UserList).unwrap();
        let query = listed(&trial.auth, None).await;
        trial.auth.send(page(query, &[1], true)).unwrap();
        listed(&trial.auth, Some(1)).await;
        trial.auth = connect(&trial.house, Edge::ControlAuth);
        assert_eq!(ids(next(&client).await), [1]);
        assert!(refused(&next(&client).await, Refusal::Unavailable));
        trial.nothing_was_asked().await;
    });
}

#[test]
fn when_auth_dies_all_who_wait_are_told_and_its_next_life_is_asked() {
    run(async {
        let mut trial = Trial::new();
        let client = trial.client();
        for name in ["a", "b"] {
            client.send(kick(name)).unwrap();
            kicked(&trial.auth, name).await;
        }
        trial.auth = connect(&trial.house, Edge::ControlAuth);
        for _ in 0..2 {
            assert!(refused(&next(&client).await, Refusal::Unavailable));
        }
        client.send(kick("c")).unwrap();
        let query = kicked(&trial.auth, "c").await;
        trial.auth.send(done(query, 1)).unwrap();
        assert!(matches!(next(&client).await, Answer::Done));
    });
}

#[test]
fn who_is_no_admin_is_told_so_and_nobody_is_asked() {
    run(async {
        let trial = Trial::new();
        let own = trial.house.slice.replace(slice(u32::MAX - 5));
        let stranger = trial.client();
        stranger.send(kick("a")).unwrap();
        stranger.send(Request::UserList).unwrap();
        for _ in 0..2 {
            assert!(matches!(next(&stranger).await, Answer::NotPermitted));
        }
        assert!(matches!(stranger.receive().await, Ok(None)));
        trial.house.slice.replace(own);
        trial.nothing_was_asked().await;
    });
}

#[test]
fn an_admin_that_breaks_the_rules_is_cut_off_alone() {
    run(async {
        let trial = Trial::new();
        let (good, bad) = (trial.client(), seqpacket());
        rustix::net::connect(&bad, &address(&trial.socket)).unwrap();
        rustix::net::send(&bad, &[99], SendFlags::empty()).unwrap();
        let bad = Client::adopt(bad).unwrap();
        assert!(matches!(bad.receive().await, Ok(None)));
        good.send(kick("a")).unwrap();
        let query = kicked(&trial.auth, "a").await;
        trial.auth.send(done(query, 1)).unwrap();
        assert!(matches!(next(&good).await, Answer::Done));
    });
}

async fn tell_processes(supervisor: &Supervisor) {
    assert!(matches!(next(supervisor).await, ToSupervisor::Status));
    let status = control_supervisor::ToControl::Status {
        processes: List::default(),
        waivers: 6,
        ids: None,
    };
    supervisor.send(status).unwrap();
}

async fn tell_of_one_ailing(director: &Director) {
    let control_director::ToDirector::Health { query } = next(director).await else {
        panic!("not the health");
    };
    let ailing = Ailing {
        account: AccountId(4),
        health: Health {
            distress: true,
            ..Health::default()
        },
    };
    let health = control_director::ToControl::Health {
        query,
        ailing: List::new(vec![ailing]).unwrap(),
        scrubbed_bytes: 7,
        verifiers: 1,
    };
    director.send(health).unwrap();
}

#[test]
fn a_status_has_every_page_of_workers_and_who_is_ailing() {
    run(async {
        let trial = Trial::new();
        let client = trial.client();
        client.send(Request::Status).unwrap();
        tell_processes(&trial.supervisor).await;
        for (above, account) in [(None, 3), (Some(AccountId(3)), 8)] {
            let control_director::ToDirector::Workers { query, after } =
                next(&trial.director).await
            else {
                panic!("not the workers");
            };
            assert_eq!(after, above);
            let worker = WorkerStatus {
                account: AccountId(account),
                sessions: 1,
                age_seconds: 2,
                ready: true,
            };
            let workers = List::new(vec![worker]).unwrap();
            let more = account == 3;
            let page = control_director::ToControl::Workers {
                query,
                workers,
                more,
            };
            trial.director.send(page).unwrap();
        }
        tell_of_one_ailing(&trial.director).await;
        let first = next(&client).await;
        assert!(matches!(
            first,
            Answer::Processes {
                waivers: 6,
                ids: None,
                ..
            }
        ));
        for account in [3, 8] {
            let Answer::Workers { workers } = next(&client).await else {
                panic!("no workers");
            };
            assert_eq!(workers.as_slice()[0].account, AccountId(account));
        }
        let Answer::Health {
            ailing,
            scrubbed_bytes: 7,
            verifiers: 1,
        } = next(&client).await
        else {
            panic!("no health");
        };
        assert_eq!(ailing.as_slice()[0].account, AccountId(4));
        assert!(matches!(next(&client).await, Answer::Done));
    });
}

#[test]
fn a_status_without_director_shows_processes_and_one_without_the_supervisor_is_refused() {
    run(async {
        let trial = Trial::new();
        let client = trial.client();
        let gone: Director = connect(&trial.house, Edge::ControlDirector);
        drop(gone);
        client.send(Request::Status).unwrap();
        tell_processes(&trial.supervisor).await;
        assert!(matches!(next(&client).await, Answer::Processes { .. }));
        assert!(matches!(next(&client).await, Answer::Done));
        let gone: Supervisor = connect(&trial.house, Edge::ControlSupervisor);
        drop(gone);
        client.send(Request::Status).unwrap();
        assert!(refused(&next(&client).await, Refusal::Unavailable));
    });
}

#[test]
fn the_supervisor_is_asked_one_question_at_a_time() {
    run(async {
        let trial = Trial::new();
        let client = trial.client();
        client.send(Request::Reload).unwrap();
        client.send(Request::Reload).unwrap();
        assert!(matches!(
            next(&trial.supervisor).await,
            ToSupervisor::Reload
        ));
        let early = timeout(Duration::ZERO, trial.supervisor.receive()).await;
        assert!(early.is_err(), "a second question before the first answer");
        let not_reloaded = control_supervisor::ToControl::NotReloaded {
            process: Some(Process::Auth),
            reason: text("no"),
        };
        trial.supervisor.send(not_reloaded).unwrap();
        let answer = next(&client).await;
        assert!(
            matches!(answer, Answer::NotReloaded { process: Some(Process::Auth), reason } if reason.as_slice() == b"no")
        );
        assert!(matches!(
            next(&trial.supervisor).await,
            ToSupervisor::Reload
        ));
        let reloaded = control_supervisor::ToControl::Reloaded;
        trial.supervisor.send(reloaded).unwrap();
        assert!(matches!(next(&client).await, Answer::Done));
    });
}
