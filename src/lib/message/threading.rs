//! Putting letters together to threads (RFC 5256 §3): by what they name
//! (REFERENCES, and REFS of draft-ietf-morg-inthread), or by their subject
//! (ORDEREDSUBJECT).
//!
//! Letters are added in the order of the mailbox ([`links`]). Then passes go over all of
//! them in the order in which they were sent, with as much effort at a time as the caller
//! wants ([`Threading::pass`]); what is left can be written down ([`Threads::written`]).
//!
//! Everything is one array of nodes with a parent each, so that the order of siblings
//! needs no sorting: whoever is placed first stands first.
//!
//! Invariants: no node is its own ancestor; no call takes longer than its letter or its
//! effort, however deep threads are; time grows with the letters times
//! [`links::ANCESTRY_MAX`] at worst, memory with the ids that they name, up to
//! [`links::NODES_MAX`].

mod links;
mod merge;
mod table;
mod written;

pub use links::{Letter, TooMany};
pub use written::{Token, Written};

use links::Links;
use merge::Subjects;

/// A letter, by when it was added: the first is 0.
pub type Row = u32;

/// How letters are put together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// All with one base subject are one thread: the earliest, and under it the others.
    OrderedSubject,
    /// By what they name, and then by subjects.
    References,
    /// By what they name; the thread with the newest letter comes last.
    Refs,
}

/// What goes over letters, one after the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pass {
    /// Over all, in any order: what stands for letters that aren't there is dissolved
    /// (step 3).
    Prune,
    /// Over all as they were sent: what begins a thread (step 4).
    Begin,
    /// Over the threads: which of them a subject means (step 5 B).
    Name,
    /// Over the threads: those of one subject become one (step 5 C).
    Merge,
    /// Over all as they were sent: each stands behind its elder siblings (step 6).
    Place,
    /// Over all as they came, the last first: threads are ordered by that.
    Newest,
}

/// In which order a pass wants to be given letters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// As they were sent.
    Sent,
    /// The newest arrival first.
    Newest,
    /// The threads of [`Threading::threads`], as they are.
    Threads,
}

impl Pass {
    /// In which order it wants to be given letters.
    #[must_use]
    pub fn order(self) -> Order {
        match self {
            Self::Prune | Self::Begin | Self::Place => Order::Sent,
            Self::Name | Self::Merge => Order::Threads,
            Self::Newest => Order::Newest,
        }
    }
}

/// See the module.
#[derive(Debug)]
pub struct Threading {
    algorithm: Algorithm,
    links: Links,
    subjects: Subjects,
    tops: Vec<u32>,
}

impl Threading {
    /// Without a letter; so many are to come, for which there is room from now on.
    #[must_use]
    pub fn new(algorithm: Algorithm, letters: usize) -> Self {
        Self {
            algorithm,
            links: Links::for_letters(letters),
            subjects: Subjects::default(),
            tops: Vec::new(),
        }
    }

    /// One more letter.
    ///
    /// # Errors
    /// [`TooMany`]: letters name more than may be kept.
    pub fn add(&mut self, letter: &Letter<'_>) -> Result<(), TooMany> {
        match self.algorithm {
            Algorithm::OrderedSubject => self.links.add_alone(letter),
            Algorithm::References | Algorithm::Refs => self.links.add(letter),
        }
    }

    /// The passes that follow when all have been added, in this order.
    #[must_use]
    pub fn passes(&self) -> &'static [Pass] {
        match self.algorithm {
            Algorithm::OrderedSubject => &[Pass::Begin, Pass::Merge, Pass::Place],
            Algorithm::References => &[
                Pass::Prune,
                Pass::Begin,
                Pass::Name,
                Pass::Merge,
                Pass::Place,
            ],
            Algorithm::Refs => &[Pass::Prune, Pass::Place, Pass::Newest],
        }
    }

    /// How many threads [`Pass::Name`] and [`Pass::Merge`] go over.
    #[must_use]
    pub fn threads(&self) -> u32 {
        self.subjects.len()
    }

    /// Goes over some: letters, or threads from the first on by their number. How many of
    /// them are done when the effort is used up: each takes one, and so does each
    /// generation that has to be climbed. The others are to be given again.
    pub fn pass(&mut self, pass: Pass, some: &[u32], mut effort: usize) -> usize {
        for (done, one) in some.iter().enumerate() {
            if effort == 0 || !self.pass_one(pass, *one, &mut effort) {
                return done;
            }
            effort = effort.saturating_sub(1);
        }
        some.len()
    }

    /// False if the effort was used up before.
    fn pass_one(&mut self, pass: Pass, one: u32, effort: &mut usize) -> bool {
        match pass {
            Pass::Prune => return self.links.prune(one, effort),
            Pass::Newest => return self.newest(one, effort),
            Pass::Begin => self.subjects.begin(&mut self.links, one),
            Pass::Name => self.subjects.name(&self.links, one),
            Pass::Merge if self.algorithm == Algorithm::OrderedSubject => {
                self.subjects.join(&mut self.links, one);
            }
            Pass::Merge => self.subjects.merge(&mut self.links, one),
            Pass::Place => self.place(one),
        }
        true
    }

    fn newest(&mut self, row: Row, effort: &mut usize) -> bool {
        let Some(top) = self.links.top(row, effort) else {
            return false;
        };
        if self.links.mark(top) {
            self.tops.push(top);
        }
        true
    }

    fn place(&mut self, row: Row) {
        let top = self.links.place(row);
        if self.algorithm != Algorithm::Refs {
            self.tops.extend(top);
        }
    }

    /// What has come of it, after all passes.
    #[must_use]
    pub fn finish(self) -> Threads {
        let mut tops = self.tops;
        if self.algorithm == Algorithm::Refs {
            tops.reverse();
        }
        Threads {
            links: self.links,
            tops,
        }
    }
}

/// Letters in threads.
#[derive(Debug)]
pub struct Threads {
    links: Links,
    tops: Vec<u32>,
}

impl Threads {
    /// Writes them as `*thread-list`.
    #[must_use]
    pub fn written(&self) -> Written<'_> {
        Written::new(&self.links, &self.tops)
    }
}

#[cfg(test)]
mod tests;
