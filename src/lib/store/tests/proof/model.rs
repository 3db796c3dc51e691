//! The account as a user sees it, written as plainly as it can be: no journal, no
//! chunks, no history. Numbers that only the store can know (ids, modseqs) are
//! `None` until they have been seen, and must be the same from then on.

use std::collections::{BTreeMap, BTreeSet};
use store::{FlagAction, Limit, QuotaOverride, SaveDate, SystemFlags};

/// A mailbox's name.
pub type Path = Vec<String>;

/// Values by their names.
pub type Annotations = BTreeMap<String, Vec<u8>>;

/// A message: which letter it shows, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// The letter, which its bytes and its date follow from.
    pub letter: u64,
    pub system: u8,
    pub keywords: BTreeSet<String>,
    /// The thread, if it isn't one of its own.
    pub thread: Option<u64>,
    pub id: Option<u64>,
    pub modseq: Option<u64>,
    /// When it was put where it is.
    pub saved: Option<SaveDate>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mailbox {
    /// Id and UIDVALIDITY.
    pub id: Option<(u64, u32)>,
    pub uid_next: u32,
    pub recent_from: u32,
    pub acl: BTreeMap<u32, u16>,
    pub annotations: Annotations,
    pub messages: BTreeMap<u32, Message>,
}

/// The whole account.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Account {
    pub mailboxes: BTreeMap<Path, Mailbox>,
    pub subscriptions: BTreeSet<Path>,
    pub annotations: Annotations,
    pub epoch: u64,
    /// Bytes, messages, mailboxes: what there may be at most.
    pub limits: [Option<u64>; 3],
}

/// Flags as they are asked for.
#[derive(Clone, Debug, Default)]
pub struct Marks {
    pub system: u8,
    pub keywords: Vec<String>,
}

/// A change, as it was asked for on the state that was visible then.
#[derive(Clone, Debug)]
pub enum Change {
    Append {
        letters: Vec<(u64, Option<u64>)>,
        places: Vec<(Path, Marks)>,
    },
    /// A letter comes in the place of a message, here or in another mailbox.
    Replace {
        letter: u64,
        to: Path,
        marks: Marks,
        mailbox: Path,
        old: u32,
    },
    SetFlags {
        mailbox: Path,
        uids: BTreeSet<u32>,
        action: FlagAction,
        marks: Marks,
        unchanged_since: Option<u64>,
    },
    Expunge {
        mailbox: Path,
        uids: BTreeSet<u32>,
        only_deleted: bool,
    },
    Transfer {
        from: Path,
        to: Path,
        uids: BTreeSet<u32>,
        moving: bool,
    },
    ClaimRecent {
        mailbox: Path,
        uid_next: u32,
    },
    Create(Path),
    Delete(Path),
    Rename(Path, Path),
    Subscribe(Path),
    Unsubscribe(Path),
    SetAcl(Path, u32, u16),
    /// Of a mailbox, or of the account itself.
    Annotate(Option<Path>, BTreeMap<String, Option<Vec<u8>>>),
    RaiseEpoch(u64),
    SetQuota(QuotaOverride),
    Rewound,
}

impl Change {
    /// Whether it may reach the disk a little later than its answer.
    pub fn is_lazy(&self) -> bool {
        matches!(self, Self::SetFlags { .. } | Self::ClaimRecent { .. })
    }

    /// The letters that it brings.
    pub fn letters(&self) -> Vec<u64> {
        match self {
            Self::Append { letters, .. } => letters.iter().map(|(letter, _)| *letter).collect(),
            Self::Replace { letter, .. } => vec![*letter],
            _ => Vec::new(),
        }
    }
}

/// Bytes, messages, mailboxes.
pub type Sums = [u64; 3];

impl Account {
    /// What the account holds.
    pub fn usage(&self) -> Sums {
        let messages = || self.mailboxes.values().flat_map(|m| m.messages.values());
        let bytes = messages().map(|message| letter_len(message.letter) as u64);
        [
            bytes.sum(),
            messages().count() as u64,
            self.mailboxes.len() as u64,
        ]
    }

    /// Takes over the numbers that were not known yet.
    pub fn learn(&mut self, found: &Self) {
        for (path, mailbox) in &mut self.mailboxes {
            let Some(seen) = found.mailboxes.get(path) else {
                continue;
            };
            mailbox.id = mailbox.id.or(seen.id);
            for (uid, message) in &mut mailbox.messages {
                if let Some(seen) = seen.messages.get(uid) {
                    message.id = message.id.or(seen.id);
                    message.modseq = message.modseq.or(seen.modseq);
                    message.saved = message.saved.or(seen.saved);
                }
            }
        }
    }

    /// Whether `found` is this account, with whatever numbers are not known yet.
    pub fn is(&self, found: &Self) -> bool {
        let mut learned = self.clone();
        learned.learn(found);
        learned == *found
    }

    /// Where `found` isn't this account, for people.
    pub fn differences(&self, found: &Self) -> String {
        let mut learned = self.clone();
        learned.learn(found);
        learned.learned_differences(found)
    }

    fn learned_differences(&self, found: &Self) -> String {
        let mut lines = String::new();
        let paths: BTreeSet<_> = self
            .mailboxes
            .keys()
            .chain(found.mailboxes.keys())
            .collect();
        for path in paths {
            match (self.mailboxes.get(path), found.mailboxes.get(path)) {
                (Some(expected), Some(found)) => lines += &different(path, expected, found),
                (expected, _) if expected.is_some() => lines += &format!("{path:?} is missing\n"),
                _ => lines += &format!("{path:?} is too much\n"),
            }
        }
        for (expected, found) in [
            (
                format!("{:?}", self.subscriptions),
                format!("{:?}", found.subscriptions),
            ),
            (
                format!("{:?}", self.annotations),
                format!("{:?}", found.annotations),
            ),
            (format!("{:?}", self.epoch), format!("{:?}", found.epoch)),
            (format!("{:?}", self.limits), format!("{:?}", found.limits)),
        ] {
            if expected != found {
                lines += &format!("expected {expected}, found {found}\n");
            }
        }
        lines
    }

    /// What the change does.
    pub fn apply(&mut self, change: &Change) {
        match change {
            Change::Append { letters, places } => self.append(letters, places),
            Change::Replace {
                letter,
                to,
                marks,
                mailbox,
                old,
            } => {
                self.append(&[(*letter, None)], &[(to.clone(), marks.clone())]);
                self.at(mailbox).messages.remove(old).unwrap();
            }
            Change::SetFlags {
                mailbox,
                uids,
                action,
                marks,
                unchanged_since,
            } => {
                let messages = &mut self.at(mailbox).messages;
                let asked = messages.iter_mut().filter(|(uid, _)| uids.contains(uid));
                for (_, message) in asked {
                    set_flags(message, *action, marks, *unchanged_since);
                }
            }
            Change::Expunge {
                mailbox,
                uids,
                only_deleted,
            } => self.at(mailbox).messages.retain(|uid, message| {
                let deleted = message.system & SystemFlags::DELETED.bits() != 0;
                !uids.contains(uid) || (*only_deleted && !deleted)
            }),
            Change::Transfer {
                from,
                to,
                uids,
                moving,
            } => self.transfer(from, to, uids, *moving),
            Change::ClaimRecent { mailbox, uid_next } => {
                let mailbox = self.at(mailbox);
                mailbox.recent_from = mailbox.recent_from.max(*uid_next);
            }
            Change::SetAcl(mailbox, grantee, rights) => {
                let acl = &mut self.at(mailbox).acl;
                match rights {
                    0 => acl.remove(grantee),
                    _ => acl.insert(*grantee, *rights),
                };
            }
            _ => self.apply_to_account(change),
        }
    }

    fn apply_to_account(&mut self, change: &Change) {
        match change {
            Change::Create(path) => self.create(path),
            Change::Delete(path) => {
                self.mailboxes.remove(path).unwrap();
            }
            Change::Rename(from, to) => self.rename(from, to),
            Change::Subscribe(path) => {
                self.subscriptions.insert(path.clone());
            }
            Change::Unsubscribe(path) => {
                self.subscriptions.remove(path);
            }
            Change::Annotate(path, news) => self.annotate(path.as_ref(), news),
            Change::RaiseEpoch(epoch) => self.epoch = self.epoch.max(*epoch),
            Change::SetQuota(quota) => self.limits = limits(quota),
            Change::Rewound => {
                for mailbox in self.mailboxes.values_mut() {
                    mailbox.id = None;
                }
            }
            of_messages => panic!("{of_messages:?} is applied elsewhere"),
        }
    }

    fn at(&mut self, path: &Path) -> &mut Mailbox {
        self.mailboxes.get_mut(path).unwrap()
    }

    fn annotate(&mut self, path: Option<&Path>, news: &BTreeMap<String, Option<Vec<u8>>>) {
        let annotations = match path {
            Some(path) => &mut self.at(path).annotations,
            None => &mut self.annotations,
        };
        for (name, value) in news {
            match value {
                Some(value) => annotations.insert(name.clone(), value.clone()),
                None => annotations.remove(name),
            };
        }
    }

    fn append(&mut self, letters: &[(u64, Option<u64>)], places: &[(Path, Marks)]) {
        for (letter, thread) in letters {
            for (path, marks) in places {
                let message = Message {
                    letter: *letter,
                    system: marks.system,
                    keywords: marks.keywords.iter().cloned().collect(),
                    thread: *thread,
                    id: None,
                    modseq: None,
                    saved: None,
                };
                let mailbox = self.at(path);
                mailbox.messages.insert(mailbox.uid_next, message);
                mailbox.uid_next += 1;
            }
        }
    }

    fn transfer(&mut self, from: &Path, to: &Path, uids: &BTreeSet<u32>, moving: bool) {
        let source = self.at(from);
        let asked = uids.iter();
        let there = asked.filter_map(|uid| Some((*uid, source.messages.get(uid)?.clone())));
        let there: Vec<(u32, Message)> = there.collect();
        if moving {
            source.messages.retain(|uid, _| !uids.contains(uid));
        }
        let target = self.at(to);
        for ((_, copy), uid) in there.into_iter().zip(target.uid_next..) {
            let new = Message {
                modseq: None,
                saved: None,
                ..copy
            };
            target.messages.insert(uid, new);
        }
        // As many numbers are used up as messages were asked for.
        target.uid_next += uids.len() as u32;
    }

    /// A mailbox that is new and empty.
    pub fn create(&mut self, path: &Path) {
        let mailbox = Mailbox {
            id: None,
            uid_next: 1,
            recent_from: 1,
            acl: BTreeMap::new(),
            annotations: Annotations::new(),
            messages: BTreeMap::new(),
        };
        self.mailboxes.insert(path.clone(), mailbox);
    }

    fn rename(&mut self, from: &Path, to: &Path) {
        if from == &["INBOX"] {
            self.create(to);
            self.at(to).annotations = self.at(from).annotations.clone();
            let uids = self.mailboxes[from].messages.keys().copied().collect();
            return self.transfer(from, to, &uids, true);
        }
        let paths = self.mailboxes.keys();
        let moved: Vec<Path> = paths
            .filter(|path| path.starts_with(from))
            .cloned()
            .collect();
        for old in moved {
            let mailbox = self.mailboxes.remove(&old).unwrap();
            let new = to.iter().chain(&old[from.len()..]).cloned().collect();
            self.mailboxes.insert(new, mailbox);
        }
    }
}

fn different(path: &Path, expected: &Mailbox, found: &Mailbox) -> String {
    let mut lines = String::new();
    let frame = |mailbox: &Mailbox| {
        let messages = BTreeMap::new();
        format!(
            "{:?}",
            Mailbox {
                messages,
                ..mailbox.clone()
            }
        )
    };
    if frame(expected) != frame(found) {
        lines += &format!(
            "{path:?}: expected {}\n  found {}\n",
            frame(expected),
            frame(found)
        );
    }
    let uids: BTreeSet<_> = expected
        .messages
        .keys()
        .chain(found.messages.keys())
        .collect();
    for uid in uids {
        let (expected, found) = (expected.messages.get(uid), found.messages.get(uid));
        if expected != found {
            lines += &format!("{path:?} {uid}: expected {expected:?}\n  found {found:?}\n");
        }
    }
    lines
}

/// The limits that hold; the tests' site has none of its own.
fn limits(quota: &QuotaOverride) -> [Option<u64>; 3] {
    [quota.bytes, quota.messages, quota.mailboxes].map(|limit| match limit {
        Limit::AtMost(most) => Some(most),
        Limit::Default | Limit::Unlimited => None,
    })
}

fn set_flags(
    message: &mut Message,
    action: FlagAction,
    marks: &Marks,
    unchanged_since: Option<u64>,
) {
    let absent = action != FlagAction::Replace
        && marks.system == 0
        && !marks.keywords.is_empty()
        && !marks
            .keywords
            .iter()
            .any(|one| message.keywords.contains(one));
    let met =
        |since: u64| message.modseq.is_some_and(|modseq| modseq <= since) || (since == 0 && absent);
    if unchanged_since.is_some_and(|since| !met(since)) {
        return;
    }
    let before = (message.system, message.keywords.clone());
    let asked = marks.keywords.iter().cloned();
    match action {
        FlagAction::Add => {
            message.system |= marks.system;
            message.keywords.extend(asked);
        }
        FlagAction::Remove => {
            message.system &= !marks.system;
            message
                .keywords
                .retain(|keyword| !marks.keywords.contains(keyword));
        }
        FlagAction::Replace => {
            message.system = marks.system;
            message.keywords = asked.collect();
        }
    }
    if before != (message.system, message.keywords.clone()) {
        message.modseq = None;
    }
}

/// Bytes of a letter. Some are empty, some have several blocks, some are no
/// letters for a record.
pub fn letter_len(letter: u64) -> usize {
    match letter % 61 {
        7 => 0,
        20 => 66_000 + (letter % 700) as usize,
        41 => (256 << 10) + 1 + (letter % 300) as usize,
        _ => 8 + (letter * 131 % 1800) as usize,
    }
}

/// The bytes of a letter follow from its number, and name it.
pub fn letter_bytes(letter: u64) -> Vec<u8> {
    let mut bytes: Vec<u8> = letter.to_le_bytes().to_vec();
    bytes.extend((8..letter_len(letter)).map(|i| (i as u64 * 31 + letter) as u8));
    bytes.truncate(letter_len(letter));
    bytes
}
