//! The tree of mailboxes as RFC 9051 §6.3.4 to §6.3.6 and RFC 5530 §3 have it, kept in
//! the plainest way there is.

use std::collections::BTreeMap;

/// A mailbox; its identity is its number, whatever it is called.
pub type Id = usize;

/// What a command is to be answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Ok,
    AlreadyExists,
    NonExistent,
    HasChildren,
    Cannot,
}

impl Verdict {
    /// How the tagged answer begins, behind the tag.
    pub fn words(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::AlreadyExists => "NO [ALREADYEXISTS]",
            Self::NonExistent => "NO [NONEXISTENT]",
            Self::HasChildren => "NO [HASCHILDREN]",
            Self::Cannot => "NO [CANNOT]",
        }
    }
}

/// All mailboxes of an account.
#[derive(Debug)]
pub struct World {
    names: BTreeMap<String, Id>,
    /// How many letters are in each mailbox that ever was.
    pub letters: Vec<usize>,
}

pub const INBOX: Id = 0;

impl World {
    /// A new account, as the house founds it.
    pub fn founded() -> Self {
        let names = ["INBOX", "Archive", "Sent"].map(str::to_owned);
        Self {
            names: names.into_iter().zip(0..).collect(),
            letters: vec![0; 3],
        }
    }

    pub fn named(&self, name: &str) -> Option<Id> {
        self.names.get(name).copied()
    }

    pub fn names(&self) -> impl Iterator<Item = (&String, &Id)> {
        self.names.iter()
    }

    pub fn is_there(&self, id: Id) -> bool {
        self.names.values().any(|it| *it == id)
    }

    fn lies_below(name: &str, above: &str) -> bool {
        name.strip_prefix(above)
            .is_some_and(|rest| rest.starts_with('/'))
    }

    fn has_children(&self, name: &str) -> bool {
        self.names.keys().any(|it| Self::lies_below(it, name))
    }

    pub fn create(&mut self, name: &str) -> Verdict {
        if self.names.contains_key(name) {
            return Verdict::AlreadyExists;
        }
        self.names.insert(name.to_owned(), self.letters.len());
        self.letters.push(0);
        Verdict::Ok
    }

    pub fn delete(&mut self, name: &str) -> Verdict {
        match self.named(name) {
            Some(INBOX) => Verdict::Cannot,
            Some(_) => {
                self.names.remove(name);
                Verdict::Ok
            }
            None if self.has_children(name) => Verdict::HasChildren,
            None => Verdict::NonExistent,
        }
    }

    pub fn rename(&mut self, from: &str, to: &str) -> Verdict {
        if self.named(from).is_none() && !self.has_children(from) {
            return Verdict::NonExistent;
        }
        if self.names.contains_key(to) || from == to {
            return Verdict::AlreadyExists;
        }
        if self.named(from) == Some(INBOX) {
            return self.rename_inbox(to);
        }
        if Self::lies_below(to, from) {
            return Verdict::Cannot;
        }
        let moves = |name: &str| name == from || Self::lies_below(name, from);
        let moved: Vec<(String, Id)> = self
            .names
            .iter()
            .filter(|(name, _)| moves(name))
            .map(|(name, id)| (format!("{to}{}", &name[from.len()..]), *id))
            .collect();
        let taken = |(name, _): &(String, Id)| self.names.contains_key(name) && !moves(name);
        if moved.iter().any(taken) {
            return Verdict::AlreadyExists;
        }
        self.names.retain(|name, _| !moves(name));
        self.names.extend(moved);
        Verdict::Ok
    }

    /// INBOX stays, and what lies below it; what was in it goes.
    fn rename_inbox(&mut self, to: &str) -> Verdict {
        let verdict = self.create(to);
        let moved = std::mem::take(&mut self.letters[INBOX]);
        *self.letters.last_mut().unwrap() += moved;
        verdict
    }
}
