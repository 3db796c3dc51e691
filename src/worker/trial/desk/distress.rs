//! A worker whose store doesn't open.

use super::*;
use crate::distress::{Distress, Mender};
use crate::lock::Root;
use ipc::edge::task::{ToControl, ToWorker as Task};

type Control = AsyncChannel<Task, ToControl>;

/// An account with one letter, and files in which nothing is right any more.
pub async fn ruin() -> Scratch {
    let mut office = Office::open().await;
    let letter = ipc::letter::sealed(b"x").unwrap();
    office.deliver("", letter, 1).await;
    let kept = Scratch::new("ruin");
    copy(office.scratch.path(), kept.path());
    office.leave().await;
    for segment in std::fs::read_dir(kept.path().join("journal")).unwrap() {
        let path = segment.unwrap().path();
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[70..90].fill(0xff);
        std::fs::write(path, bytes).unwrap();
    }
    let disk = OsDisk::new(std::fs::File::open(kept.path()).unwrap().into());
    assert!(crate::opening::open(&disk, &fixture::born(false)).is_err());
    kept
}

/// A desk in distress, as `director` sees it, that has just said how it is.
pub async fn distressed(scratch: Scratch) -> Office {
    let root = Root::lock(scratch.path(), std::time::Duration::ZERO).unwrap();
    let mender = Mender::start(&root, ACCOUNT).unwrap();
    let (ours, theirs) = ipc::channel::pair().unwrap();
    let channel = AsyncChannel::adopt(theirs).unwrap();
    let desk = Distress::new(channel, fixture::born(false), mender);
    let worker = tokio::task::spawn_local(async move {
        let _root = root;
        desk.serve().await
    });
    let office = Office {
        director: AsyncChannel::adopt(ours).unwrap(),
        worker,
        scratch,
        account: None,
        nonces: 0,
    };
    assert!(matches!(
        office.next().await,
        ToDirector::Ready { storage: None }
    ));
    let health = office.next().await;
    assert!(matches!(health, ToDirector::Health { health } if health.distress));
    may_leave(&office).await;
    office
}

async fn may_leave(office: &Office) {
    let last = office.next().await;
    assert!(
        matches!(last, ToDirector::MayLeave { at_once: true }),
        "{last:?}"
    );
}

fn ask(office: &mut Office, task: Task) -> Control {
    let (far, near) = ipc::channel::pair().unwrap();
    office.serve(Kind::Admin, Epoch(0), Work::Task, far);
    let near = Control::adopt(near).unwrap();
    near.send(task).unwrap();
    near
}

#[test]
fn sessions_and_deliveries_are_put_off_and_it_stays_for_none() {
    run(async {
        let mut office = distressed(ruin().await).await;
        let (far, _near) = StdStream::pair().unwrap();
        office.serve(Kind::Session, Epoch(0), session(), far.into());
        let (far, _near) = ipc::channel::pair().unwrap();
        office.serve(Kind::Delivery, Epoch(0), Work::Delivery, far);
        for _ in 0..2 {
            let refused = office.next().await;
            let storage = Refusal::Storage;
            assert!(
                matches!(refused, ToDirector::Refused { refusal, .. } if refusal == storage),
                "{refused:?}"
            );
            may_leave(&office).await;
        }
        assert_eq!(office.leave().await, Ending::Told);
    });
}

#[test]
fn no_task_but_repair_and_the_emptying_is_done() {
    run(async {
        let mut office = distressed(ruin().await).await;
        for task in [Task::Count, Task::Quota, Task::Rewound] {
            let answer = ask(&mut office, task).receive().await;
            assert!(
                matches!(answer, Ok(Some(ToControl::Distress))),
                "{answer:?}"
            );
        }
        let answer = ask(&mut office, Task::Empty).receive().await;
        assert!(matches!(answer, Ok(Some(ToControl::Emptied))), "{answer:?}");
        assert_eq!(std::fs::read_dir(office.scratch.path()).unwrap().count(), 0);
        assert_eq!(office.leave().await, Ending::Told);
    });
}

#[test]
fn while_a_verifier_reads_nothing_is_repaired() {
    run(async {
        let mut office = distressed(ruin().await).await;
        office.say(ToWorker::Hold);
        let held = office.next().await;
        assert!(matches!(held, ToDirector::Held { hold: None }), "{held:?}");
        let answer = ask(&mut office, Task::Repair).receive().await;
        assert!(matches!(answer, Ok(Some(ToControl::Busy))), "{answer:?}");
        office.pass_over_until_idle().await;
        office.say(ToWorker::Release);
        may_leave(&office).await;
        assert_eq!(office.leave().await, Ending::Told);
    });
}

#[test]
fn after_the_repair_the_account_opens() {
    run(async {
        let mut office = distressed(ruin().await).await;
        let control = ask(&mut office, Task::Repair);
        let repairs = loop {
            match control.receive().await.unwrap().expect("an answer") {
                ToControl::Mends { .. } => {}
                ToControl::Repaired { repairs } => break repairs,
                other => panic!("{other:?}"),
            }
        };
        assert!(repairs.mended);
        let told = loop {
            if let ToDirector::Health { health } = office.next().await {
                break health;
            }
        };
        assert!(!told.is_ailing());
        let disk = OsDisk::new(std::fs::File::open(office.scratch.path()).unwrap().into());
        let opened = crate::opening::open(&disk, &fixture::born(false));
        assert_eq!(opened.err(), None);
        assert_eq!(office.leave().await, Ending::Told);
    });
}

#[test]
fn a_forged_ticket_starts_no_repair() {
    run(async {
        let mut office = distressed(ruin().await).await;
        let (far, near) = ipc::channel::pair().unwrap();
        let foreign = ipc::socket::cookie(&near).unwrap();
        office.serve_with(foreign, Kind::Admin, Epoch(0), Work::Task, far);
        let refused = office.next().await;
        assert!(
            matches!(
                refused,
                ToDirector::Refused {
                    refusal: Refusal::BadTicket,
                    ..
                }
            ),
            "{refused:?}"
        );
        assert_eq!(office.leave().await, Ending::Told);
    });
}
