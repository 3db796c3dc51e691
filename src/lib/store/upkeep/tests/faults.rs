//! Upkeep that is cut short at any call, by the power or by the disk, loses
//! nothing.

use super::*;

impl Desk {
    /// As [`Self::keep_up`], until the disk fails.
    pub(super) fn try_to_keep_up(&mut self) {
        for _ in 0..50 {
            if self.commit().is_err() {
                return;
            }
            let now = self.now;
            let Some(job) = self.store().upkeep(now, Urgency::Usual) else {
                return;
            };
            if self.run(job).is_err() {
                return;
            }
        }
    }
}

/// An account to which everything is due, as it is on the disk and as it is
/// seen.
fn busy_account() -> (SimDisk, Seen) {
    let mut desk = Desk::new();
    let inbox = desk.inbox();
    let other = desk.create("other");
    desk.fill(&inbox, 12, 3);
    desk.checkpoint_only();
    desk.keep_up();
    desk.fill(&other, 12, 4);
    desk.remove(&inbox, &uids(2, 6));
    desk.load(&inbox);
    let asked = desk.store().copy(&inbox, &uids(7, 9), &other);
    desk.done(asked);
    desk.quiet();
    let seen = desk.seen();
    (desk.root, seen)
}

/// Lets every call of upkeep fail once; what each leaves is the same account.
fn every_call_fails(fault: Fault) {
    let (disk, expected) = busy_account();
    for call in 0.. {
        let root = disk.fork(call);
        let mut desk = Desk::open(root.clone()).unwrap();
        root.plan(root.calls() + call, fault);
        desk.try_to_keep_up();
        if root.planned() > 0 {
            assert!(call > 40, "all kinds of jobs took only {call} calls");
            return;
        }
        let root = match fault {
            Fault::PowerCut => root.restore_power(),
            _ => root.restart_process(),
        };
        root.forgive();
        let mut desk = Desk::open(root).unwrap();
        assert_eq!(desk.seen(), expected, "{fault:?} at call {call}");
        desk.keep_up();
        assert_eq!(desk.seen(), expected, "{fault:?} at call {call}");
    }
}

#[test]
fn upkeep_may_be_cut_short_by_the_power_at_every_call() {
    every_call_fails(Fault::PowerCut);
}

#[test]
fn upkeep_may_be_cut_short_by_the_disk_at_every_call() {
    every_call_fails(Fault::Eio);
}

#[test]
fn upkeep_may_find_the_disk_full_at_every_call() {
    every_call_fails(Fault::Enospc);
}
