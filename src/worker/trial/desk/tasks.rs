//! Tasks on an account that is open, and what a verifier may rely on.

use super::*;
use ipc::edge::task::{Limit, QuotaChange, ToControl, ToWorker as Task};

type Control = AsyncChannel<Task, ToControl>;

const AS_IT_IS: QuotaChange = QuotaChange {
    bytes: Limit::AsItIs,
    messages: Limit::AsItIs,
    mailboxes: Limit::AsItIs,
};

impl Office {
    /// `control`'s end of a pair on which a task was asked for.
    fn ask(&mut self, task: Task) -> Control {
        let (far, near) = ipc::channel::pair().unwrap();
        self.serve(Kind::Admin, Epoch(0), Work::Task, far);
        let near = Control::adopt(near).unwrap();
        near.send(task).unwrap();
        near
    }

    /// The answer to a task.
    async fn task(&mut self, task: Task) -> ToControl {
        let control = self.ask(task);
        control.receive().await.unwrap().expect("an answer")
    }

    async fn arrives(&mut self) -> delivery::Outcome {
        let letter = ipc::letter::sealed(b"x").unwrap();
        self.deliver("", letter, 1).await
    }

    /// Reads on to the answer to `Hold`.
    async fn held(&mut self) -> ToDirector {
        self.say(ToWorker::Hold);
        loop {
            match self.next().await {
                ToDirector::MayLeave { .. }
                | ToDirector::Taken { .. }
                | ToDirector::Ended { .. } => {}
                answer => return answer,
            }
        }
    }
}

fn quota(answer: ToControl) -> ipc::edge::task::Quota {
    match answer {
        ToControl::Quota { quota } => quota,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_quota_is_told_as_it_is_and_changed_in_what_was_named_alone() {
    run(async {
        let mut office = Office::open().await;
        assert_eq!(office.arrives().await, delivery::Outcome::Delivered);
        let told = quota(office.task(Task::Quota).await);
        assert_eq!(
            (told.messages.used, told.messages.most, told.messages.own),
            (1, None, false)
        );
        let change = QuotaChange {
            messages: Limit::Most { most: 1 },
            ..AS_IT_IS
        };
        let told = quota(office.task(Task::SetQuota { change }).await);
        assert_eq!((told.messages.most, told.messages.own), (Some(1), true));
        let change = QuotaChange {
            bytes: Limit::Unlimited,
            ..AS_IT_IS
        };
        let told = quota(office.task(Task::SetQuota { change }).await);
        assert_eq!((told.messages.most, told.bytes.own), (Some(1), true));
        office.pass_over_until_idle().await;
        assert_eq!(office.arrives().await, delivery::Outcome::OverQuota);
        let change = QuotaChange {
            messages: Limit::Default,
            ..AS_IT_IS
        };
        // The same twice is no failure.
        for _ in 0..2 {
            let told = quota(office.task(Task::SetQuota { change }).await);
            assert!(!told.messages.own);
        }
        assert_eq!(office.leave().await, Ending::Told);
    });
}

#[test]
fn a_rewound_account_ends_its_sessions_and_wants_to_leave_at_once() {
    run(async {
        let mut office = Office::open().await;
        let mut client = office.client(Epoch(0)).await;
        let done = office.task(Task::Rewound).await;
        assert!(matches!(done, ToControl::Done), "{done:?}");
        assert!(client.last_words().await.contains("* BYE"));
        loop {
            if let ToDirector::MayLeave { at_once } = office.next().await {
                assert!(at_once);
                break;
            }
        }
        assert_eq!(office.leave().await, Ending::Told);
    });
}

#[test]
fn what_is_held_is_not_repaired_and_released_the_worker_may_leave() {
    run(async {
        let mut office = Office::open().await;
        office.arrives().await;
        let held = office.held().await;
        assert!(
            matches!(held, ToDirector::Held { hold: Some(hold) } if hold.lsn > 0),
            "{held:?}"
        );
        let answer = office.task(Task::Repair).await;
        assert!(matches!(answer, ToControl::Busy), "{answer:?}");
        office.pass_over_until_idle().await;
        office.say(ToWorker::Release);
        let last = office.next().await;
        assert!(
            matches!(last, ToDirector::MayLeave { at_once: false }),
            "{last:?}"
        );
        assert_eq!(office.leave().await, Ending::Told);
    });
}

#[test]
fn what_was_held_is_what_is_durable() {
    run(async {
        let mut office = Office::open().await;
        let mut last = 0;
        for _ in 0..3 {
            office.arrives().await;
            let ToDirector::Held { hold: Some(hold) } = office.held().await else {
                panic!("not held")
            };
            assert!(hold.lsn > last, "what was acknowledged is not in the check");
            last = hold.lsn;
        }
        assert_eq!(office.leave().await, Ending::Told);
    });
}
