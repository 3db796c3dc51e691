//! What has rotted on the disk is found, told, carried over as what it is, and
//! rescued where a hash proves it.

use super::*;

impl Desk {
    /// Flips a bit of the only file in `directory` that holds `bytes`, in the
    /// midst of them.
    pub(super) fn rot(&self, directory: &str, bytes: &[u8]) {
        let dir = self.root.open_dir(&Name::new(directory).unwrap()).unwrap();
        for name in dir.list().unwrap() {
            let mut content = dir.content(&name).unwrap();
            let at = content
                .windows(bytes.len())
                .position(|window| window == bytes);
            if let Some(at) = at {
                content[at + bytes.len() / 2] ^= 4;
                dir.plant(&name, &content).unwrap();
                return;
            }
        }
        panic!("no file holds it");
    }

    /// Whether any file of ours holds these bytes.
    pub(super) fn is_on_disk(&self, bytes: &[u8]) -> bool {
        ["journal", "pack"].iter().any(|directory| {
            let Ok(dir) = self.root.open_dir(&Name::new(directory).unwrap()) else {
                return false;
            };
            let mut files = dir
                .list()
                .unwrap()
                .into_iter()
                .map(|name| dir.content(&name).unwrap());
            files.any(|file| file.windows(bytes.len()).any(|window| window == bytes))
        })
    }

    /// One round of scrub, in as many jobs as it takes.
    pub(super) fn scrub(&mut self) -> Vec<Finding> {
        let mut cursor = ScrubCursor::default();
        let mut findings = Vec::new();
        for _ in 0..100 {
            let mut job = self.store().scrub(&cursor).unwrap();
            let report = loop {
                if let Progress::Done(report) = job.step(&self.opened.files).unwrap() {
                    break report;
                }
            };
            findings.extend(report.findings().to_vec());
            let next = report.cursor().unwrap();
            cursor = ScrubCursor::of_bytes(&next.to_bytes());
            assert_eq!(cursor, next);
            self.store().finish(report);
            if self.store().findings().last_round_secs.is_some() {
                assert_eq!(cursor, ScrubCursor::default());
                return findings;
            }
        }
        panic!("a round never ends");
    }
}

pub(crate) const ROTTEN: &[u8] = b"a letter that is going to rot, and is found nowhere else";

/// The messages whose letters can't be read.
pub(crate) fn damaged(seen: &Seen) -> Vec<MessageId> {
    let damaged = seen.values().filter(|(_, _, bytes)| bytes.is_none());
    damaged.map(|(message, _, _)| *message).collect()
}

#[test]
fn what_has_rotted_is_carried_over_as_rotten_and_nothing_else_is() {
    let mut desk = Desk::new();
    let inbox = desk.inbox();
    desk.fill(&inbox, 5, 1);
    desk.append(&inbox, ROTTEN);
    desk.fill(&inbox, 5, 2);
    let whole = desk.seen();
    desk.rot("journal", ROTTEN);
    for (directory, gone) in [("journal", 1), ("pack", 3)] {
        let before = desk.seen();
        let rotten = damaged(&before);
        assert_eq!(rotten.len(), 1, "{directory}");
        desk.checkpoint();
        desk.keep_up();
        assert_eq!(desk.seen(), before, "{directory}");
        assert!(desk.store().findings().rotten_letters > 0);
        let sound = |(key, value): (&(u64, u32), &_)| {
            before
                .get(key)
                .is_none_or(|now| now == value || now.2.is_none())
        };
        assert!(whole.iter().all(sound));
        desk.remove(&inbox, &uids(gone, gone + 1));
        desk.now += 2 * EXPUNGED_DAYS_MAX * DAY_SECS;
    }
    assert!(desk.journal_bytes() < 40_000);
}

#[test]
fn scrub_finds_what_has_rotted_wherever_it_lies() {
    let mut desk = Desk::new();
    let inbox = desk.inbox();
    desk.append(&inbox, ROTTEN);
    desk.fill(&inbox, 20, 1);
    desk.checkpoint();
    desk.keep_up();
    assert_eq!(desk.scrub(), []);
    assert!(desk.store().findings().scrubbed_bytes > 20_000);
    let mut in_journal = ROTTEN.to_vec();
    in_journal.push(b'!');
    desk.append(&inbox, &in_journal);
    desk.fill(&inbox, 1, 1);
    desk.reopen();
    desk.rot("journal", &in_journal);
    desk.rot("pack", ROTTEN);
    desk.rot("chunk", b"MKINDX");
    let findings = desk.scrub();
    let rots: Vec<Rot> = findings.iter().map(|finding| finding.rot).collect();
    let pack = [Rot::File, Rot::Letter];
    assert!(rots.starts_with(&pack) || rots.starts_with(&[Rot::Letter, Rot::File]));
    assert_eq!(rots[2..], [Rot::File, Rot::Letter]);
    let rotten = |rot: Rot| findings.iter().filter(move |finding| finding.rot == rot);
    let messages = rotten(Rot::Letter).map(|finding| finding.message);
    assert!(messages.eq([Some(MessageId(1)), Some(MessageId(22))]));
    let names: Vec<String> = findings
        .iter()
        .map(|finding| finding.file.to_string())
        .collect();
    assert!(names[1].starts_with("pack/") && names[2].starts_with("chunk/"));
}

#[test]
fn letters_beside_a_rotten_one_are_rescued_by_their_hashes() {
    let mut desk = Desk::new();
    let inbox = desk.inbox();
    desk.fill(&inbox, 10, 1);
    desk.append(&inbox, ROTTEN);
    desk.fill(&inbox, 10, 2);
    desk.checkpoint();
    desk.keep_up();
    desk.rot("pack", ROTTEN);
    assert!(damaged(&desk.seen()).len() > 10, "a block has one CRC");
    desk.scrub();
    desk.keep_up();
    assert_eq!(damaged(&desk.seen()), [MessageId(11)]);
    desk.store().upkeep_state().findings.last_round_secs = None;
    desk.scrub();
    assert!(
        desk.store().upkeep(NOW, Urgency::Usual).is_none(),
        "once is enough"
    );
}

#[test]
fn a_missing_pack_is_found() {
    let mut desk = Desk::new();
    let inbox = desk.inbox();
    desk.fill(&inbox, 20, 1);
    desk.checkpoint();
    desk.keep_up();
    let pack = desk.files(PACK)[0];
    PACK.remove(&desk.root, pack).unwrap();
    let found = Finding::of_file(AccountFile::Pack(PackId(pack)), Rot::Missing);
    assert_eq!(desk.scrub()[0], found);
}
