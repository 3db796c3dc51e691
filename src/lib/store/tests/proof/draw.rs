//! Random changes of an account, most of them possible.

use super::model::{Account, Change, Marks, Path};
use journal::sim::Random;
use std::collections::{BTreeMap, BTreeSet};
use store::{FlagAction, Limit, QuotaOverride};

/// Letters in one change.
const LETTERS_MAX: u64 = 3;

/// Draws changes, with letters that nobody has drawn before.
#[derive(Debug, Default)]
pub struct Drawer {
    letters: u64,
}

impl Drawer {
    /// Draws letters from this number on.
    pub fn after(letters: u64) -> Self {
        Self { letters }
    }

    /// A change of what is visible.
    pub fn change(&mut self, visible: &Account, random: &mut Random) -> Change {
        let mailbox = some_mailbox(visible, random);
        let uids = some_uids(visible, &mailbox, random);
        match random.below(44) {
            0..=11 => self.append(visible, random),
            40.. => self.replace(visible, mailbox, random),
            12..=18 => Change::SetFlags {
                unchanged_since: random.chance(4).then(|| match random.chance(4) {
                    true => 0,
                    false => some_modseq(visible, random),
                }),
                mailbox,
                uids,
                action: [FlagAction::Add, FlagAction::Remove, FlagAction::Replace]
                    [random.below(3) as usize],
                marks: some_marks(random),
            },
            19..=22 => Change::Expunge {
                mailbox,
                uids,
                only_deleted: random.chance(2),
            },
            23..=28 => Change::Transfer {
                to: some_mailbox(visible, random),
                from: mailbox,
                uids,
                moving: random.chance(2),
            },
            29 | 30 => Change::ClaimRecent {
                uid_next: visible.mailboxes[&mailbox].uid_next,
                mailbox,
            },
            _ => of_structure(visible, mailbox, random),
        }
    }

    fn append(&mut self, visible: &Account, random: &mut Random) -> Change {
        let threads: Vec<u64> = visible
            .mailboxes
            .values()
            .flat_map(|mailbox| mailbox.messages.values())
            .filter_map(|message| message.thread.or(message.id))
            .collect();
        let letters = (0..1 + random.below(LETTERS_MAX)).map(|_| {
            self.letters += 1;
            let known = random.below(threads.len() as u64 * 3) as usize;
            (self.letters, threads.get(known).copied())
        });
        let letters = letters.collect();
        let places = 0..1 + random.below(2);
        Change::Append {
            letters,
            places: places
                .map(|_| (some_mailbox(visible, random), some_marks(random)))
                .collect(),
        }
    }

    /// An append, if there is nothing that can be replaced.
    fn replace(&mut self, visible: &Account, mailbox: Path, random: &mut Random) -> Change {
        let uids: Vec<u32> = visible.mailboxes[&mailbox]
            .messages
            .keys()
            .copied()
            .collect();
        let n = random.below(uids.len() as u64) as usize;
        let Some(old) = uids.get(n).copied() else {
            return self.append(visible, random);
        };
        self.letters += 1;
        let elsewhere = random.chance(2).then(|| some_mailbox(visible, random));
        Change::Replace {
            letter: self.letters,
            to: elsewhere.unwrap_or_else(|| mailbox.clone()),
            marks: some_marks(random),
            mailbox,
            old,
        }
    }
}

fn of_structure(visible: &Account, mailbox: Path, random: &mut Random) -> Change {
    match random.below(12) {
        0 | 1 => Change::Create(some_path(random)),
        2 => Change::Delete(mailbox),
        3 | 4 => Change::Rename(mailbox, some_path(random)),
        5 => Change::Subscribe(some_path(random)),
        6 => Change::Unsubscribe(some_path(random)),
        7 => Change::SetAcl(
            mailbox,
            random.below(3) as u32,
            random.below(1 << 11) as u16,
        ),
        8 | 9 => Change::Annotate(
            (!random.chance(4)).then_some(mailbox),
            some_annotations(random),
        ),
        10 => Change::RaiseEpoch(visible.epoch + random.below(3)),
        _ => Change::SetQuota(some_quota(visible, random)),
    }
}

fn some_annotations(random: &mut Random) -> BTreeMap<String, Option<Vec<u8>>> {
    let names = 0..1 + random.below(3);
    let values = names.map(|_| {
        let scope = ["private", "shared"][random.below(2) as usize];
        let name = format!("/{scope}/{}", random.below(4));
        let value = vec![random.below(256) as u8; random.below(60) as usize];
        (name, (!random.chance(3)).then_some(value))
    });
    values.collect()
}

fn some_mailbox(visible: &Account, random: &mut Random) -> Path {
    let n = random.below(visible.mailboxes.len() as u64) as usize;
    visible.mailboxes.keys().nth(n).unwrap().clone()
}

fn some_uids(visible: &Account, mailbox: &Path, random: &mut Random) -> BTreeSet<u32> {
    let one_in = 1 + random.below(4);
    let uids = visible.mailboxes[mailbox].messages.keys().copied();
    uids.filter(|_| random.chance(one_in)).collect()
}

fn some_modseq(visible: &Account, random: &mut Random) -> u64 {
    let messages = visible.mailboxes.values().flat_map(|m| m.messages.values());
    let modseqs: Vec<u64> = messages.filter_map(|message| message.modseq).collect();
    let n = random.below(modseqs.len() as u64) as usize;
    modseqs.get(n).copied().unwrap_or_default()
}

fn some_path(random: &mut Random) -> Path {
    let letters = ["a", "b", "c"];
    (0..1 + random.below(3))
        .map(|_| letters[random.below(3) as usize].to_owned())
        .collect()
}

fn some_marks(random: &mut Random) -> Marks {
    let keywords = ["$Junk", "$Forwarded", "work"].iter();
    Marks {
        system: random.below(32) as u8,
        keywords: keywords
            .filter(|_| random.chance(3))
            .map(|keyword| (*keyword).to_owned())
            .collect(),
    }
}

/// Rarely one that hurts.
fn some_quota(visible: &Account, random: &mut Random) -> QuotaOverride {
    let mut limits = visible.usage().map(|used| match random.below(8) {
        0 => Limit::Unlimited,
        1 => Limit::AtMost(used + random.below(used + 2)),
        _ => Limit::Default,
    });
    limits.reverse();
    let [mailboxes, messages, bytes] = limits;
    QuotaOverride {
        bytes,
        messages,
        mailboxes,
    }
}
