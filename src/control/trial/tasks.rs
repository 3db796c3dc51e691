//! Tasks on an account and checks of one: the ticket is asked for the very socket
//! that is handed over, and what is said on the pair reaches the admin.

use super::*;
use ipc::edge::control_auth::{TaskKind, ToAuth, ToControl};
use ipc::edge::handover::{ToAsker, ToDirector, Work};
use ipc::edge::task::{self, Limit, Measure, Quota, QuotaChange};
use ipc::edge::verify::{self, Finding, Place, Totals, What};

type Worker = AsyncChannel<task::ToControl, task::ToWorker>;
type Verifier = AsyncChannel<verify::ToControl, verify::ToVerifier>;

impl Trial {
    /// `auth` mints, `director` has brought the pair: its far end.
    async fn brought(&self, kind: TaskKind, work: Work) -> std::os::fd::OwnedFd {
        let (nonce, socket) = self.offered(kind, work).await;
        self.handover.send(ToAsker::Taken { nonce }).unwrap();
        socket
    }

    async fn offered(&self, wanted: TaskKind, work: Work) -> (ipc::Nonce, std::os::fd::OwnedFd) {
        let ToAuth::Task {
            query,
            name,
            kind,
            nonce,
            cookie,
        } = next(&self.auth).await
        else {
            panic!("not a task");
        };
        assert_eq!((name.as_slice(), kind), (&b"a"[..], wanted));
        self.auth.send(done(query, 5)).unwrap();
        let ToDirector::HandOver {
            nonce: offered,
            work: brought,
            socket,
        } = next(&self.handover).await;
        assert_eq!((offered, brought), (nonce, work));
        assert_eq!(ipc::socket::cookie(&socket), Ok(cookie));
        (nonce, socket)
    }

    async fn verifier(&self) -> Verifier {
        Verifier::adopt(self.brought(TaskKind::Verify, Work::Verify).await).unwrap()
    }

    async fn worker(&self) -> Worker {
        Worker::adopt(self.brought(TaskKind::Work, Work::Task).await).unwrap()
    }
}

fn begun(manifest: u64) -> verify::ToControl {
    verify::ToControl::Begun {
        manifest,
        lsn: 9,
        bytes: 100,
    }
}

fn ask_for_a_check(trial: &Trial) -> Client {
    let client = trial.client();
    client.send(Request::Verify { name: text("a") }).unwrap();
    client
}

#[test]
fn what_a_verifier_says_reaches_the_admin_in_its_order() {
    run(async {
        let trial = Trial::new();
        let client = ask_for_a_check(&trial);
        let verifier = trial.verifier().await;
        let finding = Finding::new(What::RottenLetter, Place::Pack { number: 3 }, 70);
        let totals = Totals {
            damaged_letters: 1,
            ..Totals::default()
        };
        verifier.send(begun(4)).unwrap();
        verifier
            .send(verify::ToControl::Progress { bytes: 60 })
            .unwrap();
        verifier
            .send(verify::ToControl::Finding { finding })
            .unwrap();
        verifier.send(verify::ToControl::Done { totals }).unwrap();
        let began = next(&client).await;
        assert!(matches!(began, Answer::CheckBegun { manifest: 4, .. }));
        let progress = next(&client).await;
        assert!(matches!(progress, Answer::CheckProgress { bytes: 60 }));
        let found = next(&client).await;
        assert!(matches!(found, Answer::CheckFinding { finding: told } if told == finding));
        let checked = next(&client).await;
        assert!(matches!(checked, Answer::Checked { totals: told } if told == totals));
        assert!(matches!(next(&client).await, Answer::Done));
    });
}

#[test]
fn a_check_that_is_cut_short_begins_again_and_not_for_ever() {
    run(async {
        let trial = Trial::new();
        let client = ask_for_a_check(&trial);
        for manifest in 1..=3 {
            let verifier = trial.verifier().await;
            verifier.send(begun(manifest)).unwrap();
            let Answer::CheckBegun { manifest: told, .. } = next(&client).await else {
                panic!("not begun");
            };
            assert_eq!(told, manifest);
        }
        assert!(refused(&next(&client).await, Refusal::CutShort));
        trial.nothing_was_asked().await;
    });
}

#[test]
fn a_verifier_hears_of_an_admin_that_has_gone() {
    run(async {
        let trial = Trial::new();
        let client = ask_for_a_check(&trial);
        let verifier = trial.verifier().await;
        drop(client);
        // Told or not, it finds nobody at the other end.
        while verifier.send(begun(1)).is_ok() && verifier.drain().await.is_ok() {
            tokio::task::yield_now().await;
        }
    });
}

#[test]
fn why_nobody_took_the_task_is_told() {
    use handover::Refusal as Why;
    let reasons = [
        (Why::Busy, Refusal::Busy),
        (Why::Storage, Refusal::NoStore),
        (Why::NoWorker, Refusal::Unavailable),
        (Why::BadTicket, Refusal::Unavailable),
    ];
    run(async {
        let trial = Trial::new();
        for (refusal, wanted) in reasons {
            let client = ask_for_a_check(&trial);
            let (nonce, _socket) = trial.offered(TaskKind::Verify, Work::Verify).await;
            trial
                .handover
                .send(ToAsker::Refused { nonce, refusal })
                .unwrap();
            assert!(refused(&next(&client).await, wanted), "{refusal:?}");
        }
        let client = ask_for_a_check(&trial);
        let ToAuth::Task { query, .. } = next(&trial.auth).await else {
            panic!("not a task");
        };
        let refusal = Refusal::NoSuchAccount;
        let answer = ToControl::Refused { query, refusal };
        trial.auth.send(answer).unwrap();
        assert!(refused(&next(&client).await, refusal));
    });
}

#[test]
fn a_quota_is_changed_by_the_worker_and_told_as_it_is_then() {
    run(async {
        let trial = Trial::new();
        let client = trial.client();
        let change = QuotaChange {
            bytes: Limit::Most { most: 5 },
            messages: Limit::Default,
            mailboxes: Limit::AsItIs,
        };
        let name = text("a");
        client.send(Request::SetQuota { name, change }).unwrap();
        let worker = trial.worker().await;
        let asked = next(&worker).await;
        assert!(matches!(asked, task::ToWorker::SetQuota { change: told } if told == change));
        let measure = Measure {
            used: 1,
            most: Some(5),
            own: true,
        };
        let quota = Quota {
            bytes: measure,
            messages: measure,
            mailboxes: measure,
        };
        worker.send(task::ToControl::Quota { quota }).unwrap();
        let answer = next(&client).await;
        assert!(matches!(answer, Answer::Quota { quota: told } if told == quota));
        assert!(matches!(next(&client).await, Answer::Done));
    });
}

#[test]
fn how_a_worker_fails_at_a_task_is_told_apart() {
    run(async {
        let trial = Trial::new();
        for (said, wanted) in [
            (Some(task::ToControl::Failed), Refusal::Storage),
            (Some(task::ToControl::Distress), Refusal::Distress),
            (None, Refusal::CutShort),
        ] {
            let client = trial.client();
            client.send(Request::Rewound { name: text("a") }).unwrap();
            let worker = trial.worker().await;
            assert!(matches!(next(&worker).await, task::ToWorker::Rewound));
            said.into_iter().for_each(|said| worker.send(said).unwrap());
            drop(worker);
            assert!(refused(&next(&client).await, wanted));
        }
    });
}

#[test]
fn what_a_repair_mends_is_passed_on_page_by_page() {
    use task::{Mend, Repairs};
    run(async {
        let trial = Trial::new();
        let client = trial.client();
        client.send(Request::Repair { name: text("a") }).unwrap();
        let worker = trial.worker().await;
        assert!(matches!(next(&worker).await, task::ToWorker::Repair));
        let page = |uid| task::ToControl::Mends {
            mends: List::new(vec![Mend::Lost {
                mailbox: text("INBOX"),
                uid,
            }])
            .unwrap(),
        };
        worker.send(page(1)).unwrap();
        worker.send(page(2)).unwrap();
        let repairs = Repairs {
            mended: true,
            lost: 2,
            ..Repairs::default()
        };
        worker.send(task::ToControl::Repaired { repairs }).unwrap();
        for wanted in [1, 2] {
            let Answer::Mends { mends } = next(&client).await else {
                panic!("no page");
            };
            assert!(matches!(mends.as_slice()[0], Mend::Lost { uid, .. } if uid == wanted));
        }
        let last = next(&client).await;
        assert!(matches!(last, Answer::Repaired { repairs: told } if told == repairs));
        assert!(matches!(next(&client).await, Answer::Done));
    });
}

#[test]
fn a_repair_that_is_refused_or_breaks_off_says_so() {
    run(async {
        let trial = Trial::new();
        for (said, wanted) in [
            (Some(task::ToControl::Busy), Refusal::Busy),
            (Some(task::ToControl::Failed), Refusal::Storage),
            (None, Refusal::CutShort),
        ] {
            let client = trial.client();
            client.send(Request::Repair { name: text("a") }).unwrap();
            let worker = trial.worker().await;
            assert!(matches!(next(&worker).await, task::ToWorker::Repair));
            said.into_iter().for_each(|said| worker.send(said).unwrap());
            drop(worker);
            assert!(refused(&next(&client).await, wanted));
        }
    });
}
