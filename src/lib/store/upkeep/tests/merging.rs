//! Small chunks become one, and nobody sees anything of it.

use super::*;
use crate::upkeep::merging::SMALL_CHUNKS_MAX;

/// As many small chunks as are merged.
const CHUNKS: u32 = SMALL_CHUNKS_MAX as u32 + 1;

/// An account whose INBOX has a chunk for each of so many lives, none of which
/// is in memory.
fn scattered(lives: u32) -> Desk {
    let mut desk = Desk::new();
    for n in 1..=lives {
        let inbox = desk.inbox();
        desk.append(&inbox, format!("letter {n}").as_bytes());
        desk.checkpoint();
        desk.reopen();
    }
    desk
}

fn slots(desk: &Desk) -> usize {
    let account = desk.opened.store.account();
    let inbox = account.mailbox(MailboxId::INBOX).unwrap();
    inbox.entries.slots().len()
}

#[test]
fn a_mailbox_that_is_never_opened_keeps_few_chunks() {
    let mut desk = scattered(60);
    assert!(slots(&desk) <= SMALL_CHUNKS_MAX + 1, "{}", slots(&desk));
    assert_eq!(
        desk.opened
            .store
            .account()
            .mailbox(MailboxId::INBOX)
            .unwrap()
            .entries
            .len(),
        60
    );
    desk.keep_up();
    desk.checkpoint();
    desk.checkpoint();
    assert!(desk.files(CHUNK).len() <= 2 * (SMALL_CHUNKS_MAX + 1));
    let seen = desk.seen();
    assert_eq!(seen.len(), 60);
    let last = seen.values().last().unwrap();
    assert_eq!(last.2.as_deref(), Some(&b"letter 60"[..]));
}

/// What may happen to a mailbox while its chunks are merged.
#[derive(Clone, Copy, Debug)]
enum Meanwhile {
    Opened,
    PutAway,
    Flagged,
    Expunged,
    Appended,
    Copied,
    Deleted,
}

impl Meanwhile {
    const ALL: [Self; 7] = [
        Self::Opened,
        Self::PutAway,
        Self::Flagged,
        Self::Expunged,
        Self::Appended,
        Self::Copied,
        Self::Deleted,
    ];

    fn happens(self, desk: &mut Desk, target: &MailboxHandle) {
        let inbox = desk.inbox();
        match self {
            Self::Opened => desk.load(&inbox),
            Self::PutAway => desk.store().put_away(|_| false),
            Self::Flagged => {
                desk.load(&inbox);
                let change = FlagChange {
                    action: FlagAction::Add,
                    flags: Flags {
                        system: SystemFlags::SEEN,
                        keywords: Vec::new(),
                    },
                    unchanged_since: None,
                };
                let asked = desk.store().set_flags(&inbox, &uids(5, 5), &change);
                desk.done(asked);
            }
            Self::Expunged => desk.remove(&inbox, &uids(4, 6)),
            Self::Appended => desk.append(&inbox, b"meanwhile"),
            Self::Copied => {
                desk.load(&inbox);
                let asked = desk.store().copy(&inbox, &uids(1, 9), target);
                desk.done(asked);
            }
            Self::Deleted => {
                let name = MailboxName::new(["target"]).unwrap();
                let asked = desk.store().delete(&Principal::Owner, &name);
                desk.done(asked);
            }
        }
    }
}

/// Merges while something happens at one point of it. Whether it came to that
/// point.
fn merge_meets(disk: &SimDisk, meanwhile: Meanwhile, point: u32) -> bool {
    let mut desk = Desk::open(disk.fork(u64::from(point))).unwrap();
    let target = desk.mailbox(MailboxId(2));
    if point % 2 == 1 {
        let inbox = desk.inbox();
        desk.load(&inbox);
    }
    desk.store().upkeep_state().checkpoints_wanted = 1;
    desk.commit().unwrap();
    let mut job = loop {
        let job = desk.store().upkeep(NOW, Urgency::Leaving).unwrap();
        match job.0 {
            Work::Checkpoint(_) => break job,
            _ => desk.run(job).unwrap(),
        }
    };
    let (mut steps, mut expected) = (0, None);
    let mut turn = |desk: &mut Desk| {
        if steps == point {
            meanwhile.happens(desk, &target);
            expected = Some(desk.seen_in_files());
        }
        steps += 1;
    };
    loop {
        turn(&mut desk);
        if let Progress::Done(report) = job.step(&desk.opened.files).unwrap() {
            desk.store().finish(report);
            break;
        }
    }
    loop {
        turn(&mut desk);
        if !desk.store().finish_step(NOW) {
            break;
        }
    }
    let Some(expected) = expected else {
        return false;
    };
    let context = format!("{meanwhile:?} at {point}");
    assert_eq!(desk.seen(), expected, "{context}");
    desk.checkpoint();
    assert_eq!(desk.seen(), expected, "{context}");
    desk.reopen();
    assert_eq!(desk.seen(), expected, "{context}");
    desk.checkpoint();
    desk.checkpoint();
    assert_eq!(desk.seen(), expected, "{context}");
    true
}

impl Desk {
    /// What another opening of the same disk sees: looking changes nothing here.
    fn seen_in_files(&self) -> Seen {
        let mut other = Self::open(self.root.fork(9).restart_process()).unwrap();
        other.seen()
    }
}

#[test]
fn a_merge_is_right_whatever_happens_meanwhile() {
    let mut desk = scattered(CHUNKS - 1);
    desk.create("target");
    let inbox = desk.inbox();
    desk.append(&inbox, b"the last of them");
    desk.checkpoint();
    desk.quiet();
    for meanwhile in Meanwhile::ALL {
        let mut point = 0;
        while merge_meets(&desk.root, meanwhile, point) {
            point += 1;
        }
        assert!(point > 4, "{meanwhile:?}: a merge takes several steps");
    }
}

#[test]
fn a_merge_may_be_cut_short_at_every_call() {
    let mut desk = scattered(CHUNKS);
    let expected = desk.seen();
    let disk = desk.root;
    for fault in [Fault::PowerCut, Fault::Enospc, Fault::Eio] {
        for call in 0.. {
            let root = disk.fork(call).restart_process();
            let mut desk = Desk::open(root.clone()).unwrap();
            root.plan(root.calls() + call, fault);
            desk.store().upkeep_state().checkpoints_wanted = 1;
            desk.try_to_keep_up();
            if root.planned() > 0 {
                assert!(call > 10, "{call}");
                break;
            }
            let root = match fault {
                Fault::PowerCut => root.restore_power(),
                _ => root.restart_process(),
            };
            root.forgive();
            let mut desk = Desk::open(root).unwrap();
            assert_eq!(desk.seen(), expected, "{fault:?} at call {call}");
            desk.checkpoint();
            assert_eq!(desk.seen(), expected, "{fault:?} at call {call}");
        }
    }
}

#[test]
fn a_damaged_chunk_is_left_alone_and_the_checkpoint_is_made() {
    let mut desk = scattered(CHUNKS);
    let before = slots(&desk);
    let dir = desk.root.open_dir(&Name::new("chunk").unwrap()).unwrap();
    let name = dir.list().unwrap().pop().unwrap();
    let mut bytes = dir.content(&name).unwrap();
    bytes[70] ^= 1;
    dir.plant(&name, &bytes).unwrap();
    let manifests = desk.files(MANIFEST);
    desk.checkpoint();
    assert_ne!(desk.files(MANIFEST), manifests);
    assert_eq!(slots(&desk), before, "nothing was merged");
    bytes[70] ^= 1;
    dir.plant(&name, &bytes).unwrap();
    desk.checkpoint();
    assert_eq!(slots(&desk), 1);
}
