//! A plain account: what the store must be, written as simply as it can be, and
//! the random changes that both are put through.

use std::collections::{BTreeMap, BTreeSet};
use store::{
    BodyReader, FlagAction, FlagChange, Flags, InternalDate, Keyword, MailboxName, NewBody,
    NewMessage, PackedBody, Place, Principal, Refusal, Store, SystemFlags, Ticket, Uid, UidRange,
};

pub type Path = Vec<String>;

/// A message: which letter it shows, and its flags.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    pub letter: u64,
    pub system: u8,
    pub keywords: BTreeSet<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mailbox {
    pub uid_next: u32,
    pub recent_from: u32,
    pub messages: BTreeMap<u32, Message>,
}

/// The whole account.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Model {
    pub mailboxes: BTreeMap<Path, Mailbox>,
    pub subscriptions: BTreeSet<Path>,
    pub epoch: u64,
}

/// A change, as it was asked for on the state that was visible then.
#[derive(Clone, Debug)]
pub enum Change {
    Append {
        places: Vec<(Path, u8, Vec<String>)>,
        letter: u64,
    },
    SetFlags {
        mailbox: Path,
        uids: BTreeSet<u32>,
        action: FlagAction,
        system: u8,
        keywords: Vec<String>,
    },
    Expunge {
        mailbox: Path,
        uid_next: u32,
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
    RaiseEpoch(u64),
}

impl Model {
    pub fn apply(&mut self, change: &Change) {
        match change {
            Change::Append { places, letter } => {
                for (path, system, keywords) in places {
                    self.add(
                        path,
                        Message {
                            letter: *letter,
                            system: *system,
                            keywords: keywords.iter().cloned().collect(),
                        },
                    );
                }
            }
            Change::SetFlags {
                mailbox,
                uids,
                action,
                system,
                keywords,
            } => self.set_flags(mailbox, uids, *action, *system, keywords),
            Change::Expunge { mailbox, uid_next } => {
                let deleted = |uid: &u32, message: &mut Message| {
                    uid < uid_next && message.system & SystemFlags::DELETED.bits() != 0
                };
                let mailbox = self.mailboxes.get_mut(mailbox).unwrap();
                mailbox
                    .messages
                    .retain(|uid, message| !deleted(uid, message));
            }
            Change::Transfer {
                from,
                to,
                uids,
                moving,
            } => self.transfer(from, to, uids, *moving),
            Change::ClaimRecent { mailbox, uid_next } => {
                let mailbox = self.mailboxes.get_mut(mailbox).unwrap();
                mailbox.recent_from = mailbox.recent_from.max(*uid_next);
            }
            Change::Create(path) => self.create(path),
            Change::Delete(path) => {
                self.mailboxes.remove(path).unwrap();
            }
            Change::Rename(from, to) => self.rename(from, to),
            Change::Subscribe(path) => {
                self.subscriptions.insert(path.clone());
            }
            Change::RaiseEpoch(epoch) => self.epoch = self.epoch.max(*epoch),
        }
    }

    fn add(&mut self, path: &Path, message: Message) {
        let mailbox = self.mailboxes.get_mut(path).unwrap();
        mailbox.messages.insert(mailbox.uid_next, message);
        mailbox.uid_next += 1;
    }

    fn set_flags(
        &mut self,
        mailbox: &Path,
        uids: &BTreeSet<u32>,
        action: FlagAction,
        system: u8,
        keywords: &[String],
    ) {
        let messages = &mut self.mailboxes.get_mut(mailbox).unwrap().messages;
        for (_, message) in messages.iter_mut().filter(|(uid, _)| uids.contains(uid)) {
            match action {
                FlagAction::Add => {
                    message.system |= system;
                    message.keywords.extend(keywords.iter().cloned());
                }
                FlagAction::Remove => {
                    message.system &= !system;
                    message
                        .keywords
                        .retain(|keyword| !keywords.contains(keyword));
                }
                FlagAction::Replace => {
                    message.system = system;
                    message.keywords = keywords.iter().cloned().collect();
                }
            }
        }
    }

    fn transfer(&mut self, from: &Path, to: &Path, uids: &BTreeSet<u32>, moving: bool) {
        let source = self.mailboxes.get_mut(from).unwrap();
        let there: Vec<u32> = uids
            .iter()
            .copied()
            .filter(|uid| source.messages.contains_key(uid))
            .collect();
        let copies: Vec<Message> = there
            .iter()
            .map(|uid| source.messages[uid].clone())
            .collect();
        if moving {
            there.iter().for_each(|uid| {
                source.messages.remove(uid);
            });
        }
        let target = self.mailboxes.get_mut(to).unwrap();
        for (copy, uid) in copies.into_iter().zip(target.uid_next..) {
            target.messages.insert(uid, copy);
        }
        // As many numbers are used up as messages were asked for.
        target.uid_next += uids.len() as u32;
    }

    fn create(&mut self, path: &Path) {
        self.mailboxes.insert(
            path.clone(),
            Mailbox {
                uid_next: 1,
                recent_from: 1,
                messages: BTreeMap::new(),
            },
        );
    }

    fn rename(&mut self, from: &Path, to: &Path) {
        if from == &["INBOX"] {
            self.create(to);
            let uids = self.mailboxes[from].messages.keys().copied().collect();
            return self.transfer(from, to, &uids, true);
        }
        let moved: Vec<Path> = self
            .mailboxes
            .keys()
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

/// The bytes of a letter follow from its number.
pub fn letter_bytes(letter: u64) -> Vec<u8> {
    let len = match letter % 11 {
        0 => 0,
        10 => 66_000 + (letter % 700) as usize,
        _ => (letter * 131 % 1800) as usize,
    };
    (0..len).map(|i| (i as u64 * 31 + letter) as u8).collect()
}

pub fn name(path: &Path) -> MailboxName {
    MailboxName::new(path.iter().map(String::as_str)).unwrap()
}

/// Everything that the store shows, letters read and compared with `letters`.
pub fn dump<D: journal::disk::Disk>(
    store: &Store,
    reader: &mut BodyReader<D>,
    letters: &BTreeMap<Vec<u8>, u64>,
) -> Model {
    let mut model = Model {
        epoch: store.epoch(),
        ..Model::default()
    };
    let names = store.subscriptions(&Principal::Owner);
    model.subscriptions = names.map(|name| name.components().to_vec()).collect();
    for listed in store.list(&Principal::Owner) {
        let handle = store.open_by_id(&Principal::Owner, listed.id).unwrap();
        let messages = store.messages(&handle).unwrap();
        let mut mailbox = Mailbox {
            uid_next: messages.uid_next().get(),
            recent_from: messages.recent_from().get(),
            messages: BTreeMap::new(),
        };
        let (mut unseen, mut deleted, mut bytes) = (0, 0, 0);
        for entry in messages.iter() {
            let mut body = vec![0; entry.size() as usize + 1];
            let read = reader.read(&messages.body(entry), 0, &mut body).unwrap();
            assert_eq!(read, entry.size() as usize);
            body.truncate(read);
            let flags = entry.system_flags();
            unseen += u32::from(!flags.contains(SystemFlags::SEEN));
            deleted += u32::from(flags.contains(SystemFlags::DELETED));
            bytes += read as u64;
            let keywords = messages.keywords_of(entry);
            mailbox.messages.insert(
                entry.uid().get(),
                Message {
                    letter: letters[&body],
                    system: flags.bits(),
                    keywords: keywords
                        .map(|keyword| keyword.as_str().to_owned())
                        .collect(),
                },
            );
        }
        let counters = messages.counters();
        let first_recent = mailbox.recent_from;
        let recent = mailbox.messages.range(first_recent..).count();
        assert_eq!(counters.messages as usize, mailbox.messages.len());
        assert_eq!((counters.unseen, counters.deleted), (unseen, deleted));
        assert_eq!((counters.recent as usize, counters.bytes), (recent, bytes));
        model
            .mailboxes
            .insert(listed.name.components().to_vec(), mailbox);
    }
    model
}

fn ranges(uids: &BTreeSet<u32>) -> Vec<UidRange> {
    let one = |uid: &u32| {
        let uid = Uid::new(*uid).unwrap();
        UidRange {
            first: uid,
            last: uid,
        }
    };
    uids.iter().map(one).collect()
}

fn flags(system: u8, keywords: &[String]) -> Flags {
    Flags {
        system: SystemFlags::of_bits(system).unwrap(),
        keywords: keywords
            .iter()
            .map(|keyword| Keyword::new(keyword).unwrap())
            .collect(),
    }
}

/// Asks the store for a change. A letter in a pack comes as `packed`.
pub fn ask(
    store: &mut Store,
    change: &Change,
    packed: Option<&PackedBody>,
) -> Result<Ticket, Refusal> {
    let owner = &Principal::Owner;
    let open = |store: &Store, path: &Path| store.open_mailbox(owner, &name(path));
    match change {
        Change::Append { places, letter } => {
            let bytes = letter_bytes(*letter);
            let mut opened = Vec::new();
            for (path, system, keywords) in places {
                opened.push((open(store, path)?, flags(*system, keywords)));
            }
            let places: Vec<Place<'_>> = opened
                .iter()
                .map(|(mailbox, flags)| Place { mailbox, flags })
                .collect();
            store.append(&[NewMessage {
                places: &places,
                date: InternalDate {
                    secs: *letter as i64,
                    offset_minutes: -90,
                },
                body: packed.map_or(NewBody::Inline(&bytes), NewBody::Packed),
                thread: None,
            }])
        }
        Change::SetFlags {
            mailbox,
            uids,
            action,
            system,
            keywords,
        } => {
            let change = FlagChange {
                action: *action,
                flags: flags(*system, keywords),
                unchanged_since: None,
            };
            store.set_flags(&open(store, mailbox)?, &ranges(uids), &change)
        }
        Change::Expunge { mailbox, .. } => store.expunge(&open(store, mailbox)?, None),
        Change::Transfer {
            from,
            to,
            uids,
            moving,
        } => {
            let (from, to) = (open(store, from)?, open(store, to)?);
            match moving {
                true => store.move_to(&from, &ranges(uids), &to),
                false => store.copy(&from, &ranges(uids), &to),
            }
        }
        Change::ClaimRecent { mailbox, .. } => store.claim_recent(&open(store, mailbox)?),
        Change::Create(path) => store.create(owner, &name(path), None),
        Change::Delete(path) => store.delete(owner, &name(path)),
        Change::Rename(from, to) => store.rename(owner, &name(from), &name(to)),
        Change::Subscribe(path) => store.subscribe(owner, &name(path)),
        Change::RaiseEpoch(epoch) => store.raise_epoch(*epoch),
    }
}
