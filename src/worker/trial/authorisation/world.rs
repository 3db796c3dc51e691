//! An account with mailboxes that somebody else has rights on, and what each client
//! of it says and hears.

use super::rows::{Place, Row};
use crate::trial::{House, Wire, open};
use ipc::AccountId;
use journal::sim::SimDisk;
use std::collections::{BTreeMap, BTreeSet};
use store::{Annotated, Grantee, MailboxHandle, MailboxName, Principal, Refusal, Rights};

/// Somebody else, to whom rights are given.
pub const FRIEND: AccountId = AccountId(9);

/// Somebody else, to whom none are.
pub const STRANGER: AccountId = AccountId(10);

/// An account's files, at rest.
pub struct Image(SimDisk);

impl Image {
    /// With `other`, in which are two letters.
    pub async fn new() -> Self {
        let disk = SimDisk::new(1);
        said_by_owner(
            &disk,
            &[
                "CREATE other",
                "APPEND other (\\Seen \\Deleted \\Flagged worn) {3+}\r\none",
                "APPEND other {3+}\r\ntwo",
                "SELECT other",
            ],
        )
        .await;
        Self(disk)
    }

    /// The same, after the owner has said this besides.
    pub async fn after(&self, commands: &[&str]) -> Self {
        let disk = self.0.fork(2);
        said_by_owner(&disk, commands).await;
        Self(disk)
    }

    /// With `box` as well, in which are three letters.
    pub async fn with_box() -> Self {
        let image = Self::new().await;
        image.after(&A_BOX).await
    }
}

/// The box, and three letters for it. Nobody has claimed the last as recent.
pub const A_BOX: [&str; 6] = [
    "CREATE box",
    "APPEND box {24+}\r\nSubject: hello\r\n\r\nword 1",
    "APPEND box (\\Seen \\Deleted \\Answered worn) {1+}\r\n2",
    "SELECT box",
    "UNSELECT",
    "APPEND box (\\Deleted) {1+}\r\n3",
];

async fn said_by_owner(disk: &SimDisk, commands: &[&str]) {
    let house = House::on(disk);
    let mut owner = house.client().await;
    for command in commands {
        let said = owner.command("o", command).await.pop().unwrap();
        assert!(said.starts_with("o OK"), "{command}: {said}");
    }
    house.leave().await;
}

/// An image that lives.
pub struct World {
    pub house: House,
    disk: SimDisk,
}

impl World {
    pub fn on(image: &Image) -> Self {
        let disk = image.0.fork(3);
        Self {
            house: House::untended(open(&disk, &std::env::temp_dir())),
            disk,
        }
    }

    /// Gives the friend these rights on a mailbox, and takes all others away.
    pub async fn give(&self, mailbox: &str, rights: &str) {
        let grantee = Grantee::Account(store::AccountId(FRIEND.0));
        self.give_to(grantee, mailbox, rights).await;
    }

    pub async fn give_to(&self, grantee: Grantee, mailbox: &str, rights: &str) {
        let rights = Rights::of_letters(rights).unwrap();
        let mailbox = self.owners(mailbox).unwrap();
        let account = &self.house.account;
        let given = account.change_tree(|store| store.set_acl(&mailbox, grantee, rights));
        given.await.unwrap();
    }

    /// The owner's handle.
    pub fn owners(&self, mailbox: &str) -> Result<MailboxHandle, Refusal> {
        let name = MailboxName::new(mailbox.split('/')).unwrap();
        let store = self.house.account.store();
        store.open_mailbox(&Principal::Owner, &name)
    }

    /// A client of a principal that can say a row, where it is to be said.
    pub async fn client_of(&self, principal: AccountId, row: &Row) -> Wire {
        let mut wire = self.house.client_for(principal).await;
        if row.needs_qresync() {
            wire.command("e", "ENABLE QRESYNC").await;
        }
        Self::enter(wire, row.place).await
    }

    /// A client of a principal that has selected what a row wants.
    pub async fn client(&self, principal: AccountId, place: Place) -> Wire {
        let wire = self.house.client_for(principal).await;
        Self::enter(wire, place).await
    }

    async fn enter(mut wire: Wire, place: Place) -> Wire {
        let select = match place {
            Place::Anywhere => return wire,
            Place::InBox => "SELECT box",
            Place::Examined => "EXAMINE box",
            Place::InOther => "SELECT other",
        };
        let said = wire.command("s", select).await.pop().unwrap();
        assert!(said.starts_with("s OK"), "{select}: {said}");
        wire
    }

    /// Everything that the owner would find.
    pub fn picture(&self) -> Picture {
        let store = self.house.account.store();
        let listed = store.list(&Principal::Owner);
        let mailboxes = listed.map(|mailbox| {
            let handle = store.open_by_id(&Principal::Owner, mailbox.id).unwrap();
            let messages = store.messages(&handle).unwrap();
            let letters = messages.iter().map(|entry| {
                let keywords = messages.keywords_of(entry);
                let letter = Letter {
                    system: entry.system_flags(),
                    keywords: keywords.map(|word| word.as_str().to_owned()).collect(),
                };
                (entry.uid().get(), letter)
            });
            let annotations = store.annotations(Annotated::Mailbox(&handle)).unwrap();
            let annotations = annotations.iter();
            let found = Found {
                special_use: mailbox.special_use,
                annotations: annotations
                    .map(|(name, value)| (name.as_str().to_owned(), value.to_vec()))
                    .collect(),
                letters: letters.collect(),
            };
            (mailbox.name.to_string(), found)
        });
        let subscriptions = store.subscriptions(&Principal::Owner);
        Picture {
            mailboxes: mailboxes.collect(),
            subscriptions: subscriptions.map(ToString::to_string).collect(),
        }
    }

    /// What has been done for whoever asks.
    pub fn work(&self) -> Work {
        Work {
            store: self.house.account.calls(),
            disk: self.disk.looks(),
        }
    }
}

/// What an account holds, but for numbers that no client is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    pub mailboxes: BTreeMap<String, Found>,
    pub subscriptions: BTreeSet<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    pub special_use: Option<store::SpecialUse>,
    pub annotations: BTreeMap<String, Vec<u8>>,
    /// By UID.
    pub letters: BTreeMap<u32, Letter>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Letter {
    pub system: store::SystemFlags,
    pub keywords: BTreeSet<String>,
}

/// How often somebody turned to the store, and read something from the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Work {
    pub store: u64,
    pub disk: u64,
}

impl std::ops::Sub for Work {
    type Output = Self;
    fn sub(self, before: Self) -> Self {
        Self {
            store: self.store - before.store,
            disk: self.disk - before.disk,
        }
    }
}

/// Says a row's command, and all that is heard up to the tagged answer of a NOOP
/// behind it, or to the end. The row's tag is `x`.
pub async fn say(wire: &mut Wire, row: &Row) -> Vec<String> {
    let mut heard = Vec::new();
    let mut rest = row.says;
    while let Some(at) = rest.find("}\r\n").filter(|at| !rest[..*at].ends_with('+')) {
        let (line, letter) = rest.split_at(at + 3);
        let tag = if heard.is_empty() { "x " } else { "" };
        wire.send(format!("{tag}{line}").as_bytes()).await;
        let asked = wire.line().await;
        let goes_on = asked.starts_with('+');
        heard.push(asked);
        rest = if goes_on { letter } else { "" };
        if !goes_on {
            break;
        }
    }
    let command = match (heard.is_empty(), rest) {
        (true, rest) => format!("x {rest}\r\ny NOOP\r\n"),
        (false, "") => "y NOOP\r\n".to_owned(),
        (false, rest) => format!("{rest}\r\ny NOOP\r\n"),
    };
    wire.send(command.as_bytes()).await;
    heard.extend(wire.answer_or_end("y").await);
    heard
}

/// The tagged answer to a row's command, if there was one.
pub fn answer(heard: &[String]) -> Option<&str> {
    heard.iter().find_map(|line| line.strip_prefix("x "))
}

/// None, every right alone, alone with what it takes to be where the row is said,
/// all, all but one, what the row needs, and that without each.
pub fn rights_that_matter(row: &Row) -> BTreeSet<String> {
    let all = Rights::ALL.letters();
    let there = match row.place {
        Place::Anywhere | Place::InOther => "l",
        Place::InBox | Place::Examined => "lr",
    };
    let needed = format!("{}{}", row.needs, row.acts);
    let mut sets = vec![String::new(), all.clone(), needed.clone()];
    for one in all.chars() {
        sets.push(one.to_string());
        sets.push(format!("{there}{one}"));
        sets.push(all.replace(one, ""));
    }
    sets.extend(needed.chars().map(|gone| needed.replace(gone, "")));
    let ordered = |set: &String| all.chars().filter(|right| set.contains(*right)).collect();
    sets.iter().map(ordered).collect()
}

/// Whether all of these letters are among the rights.
pub fn has(rights: &str, letters: &str) -> bool {
    letters.chars().all(|letter| rights.contains(letter))
}
