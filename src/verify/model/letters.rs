//! What is done to entries: append, flags, expunge, copy, move.

use super::{Fault, Model};
use crate::directory::Directory;
use crate::entry::{self, Entries, Entry};
use crate::fields::{DELETED, KEYWORDS_MAX};
use crate::name::{KeywordPrint, Name};
use crate::state::{Counters, Mailbox};
use crate::transaction::{Action, Append, SetFlags, Transfer, Uids};
use ipc::edge::verify::What;
use std::collections::BTreeMap;

impl<D: Directory> Model<'_, D> {
    pub(super) fn append(&mut self, modseq: u64, append: &Append) -> Result<(), Fault> {
        let fault = |what| Fault {
            what,
            mailbox: Some(append.mailbox),
            uid: Some(append.uid),
        };
        let ailment = self.ailing.of(append.mailbox, append.uid);
        self.make_room(1)?;
        if append.uid < self.mailbox(append.mailbox)?.uid_next {
            return Err(fault(What::UidTwice));
        }
        if append.thread > append.message {
            return Err(fault(What::OutOfRange));
        }
        let next = &mut self.state.numbers.next_message;
        *next = (*next).max(append.message.saturating_add(1));
        let mailbox = self.with_room_for(append.mailbox, &append.keywords)?;
        let keywords = mailbox.bits(&append.keywords, &mut 0);
        mailbox.add(Entry {
            modseq,
            keywords,
            print: entry::print(append.message, append.thread, append.date, append.minutes),
            saved: append.saved,
            uid: append.uid,
            size: append.size,
            flags: append.flags,
            ailment,
            gone: false,
        });
        Ok(())
    }

    pub(super) fn set_flags(&mut self, modseq: u64, set: &SetFlags) -> Result<(), Fault> {
        let mailbox = self.loaded(set.mailbox)?;
        let given = match (set.action, set.keywords_change) {
            (Action::Add | Action::Replace, true) => mailbox.bits(&set.keywords, &mut 0),
            _ => mailbox.known_bits(&set.keywords),
        };
        let mask = if set.keywords_change { u64::MAX } else { 0 };
        let (mut changed, mut counters) = (false, mailbox.counters);
        for entry in of(&mut mailbox.entries, &set.uids) {
            let absent = set.action != Action::Replace
                && set.flags == 0
                && !set.keywords.is_empty()
                && entry.keywords & given == 0;
            let met = |since| entry.modseq <= since || (since == 0 && absent);
            if set.unchanged_since.is_some_and(|since| !met(since)) {
                continue;
            }
            let flags = apply(
                set.action,
                entry.flags.into(),
                set.flags.into(),
                set.mask.into(),
            );
            let flags = u8::try_from(flags).unwrap_or(entry.flags);
            let keywords = apply(set.action, entry.keywords, given, mask);
            if (flags, keywords) != (entry.flags, entry.keywords) {
                counters.discount(entry.size, entry.flags);
                counters.count(entry.size, flags);
                (entry.flags, entry.keywords, entry.modseq) = (flags, keywords, modseq);
                changed = true;
            }
        }
        mailbox.counters = counters;
        if changed {
            mailbox.modseq = modseq;
        }
        Ok(())
    }

    pub(super) fn expunge(
        &mut self,
        modseq: u64,
        mailbox: u64,
        only_deleted: bool,
        uids: &Uids,
    ) -> Result<(), Fault> {
        let doomed = |entry: &Entry| !only_deleted || entry.flags & DELETED != 0;
        let gone = self.loaded(mailbox)?.remove(modseq, uids, doomed);
        self.entries = self.entries.saturating_sub(gone as u64);
        Ok(())
    }

    pub(super) fn transfer(&mut self, modseq: u64, transfer: &Transfer) -> Result<(), Fault> {
        let source = self.loaded(transfer.source)?;
        let present = of(&mut source.entries, &transfer.uids).map(|entry| *entry);
        let copies: Vec<Entry> = present.take(transfer.reserved as usize).collect();
        let table = source.keywords.clone();
        self.make_room(copies.len() as u64)?;
        let used = copies.iter().fold(0, |all, entry| all | entry.keywords);
        let names: Vec<KeywordPrint> = set_bits(used)
            .filter_map(|bit| table.get(bit).copied())
            .collect();
        let target = self.with_room_for(transfer.target, &names)?;
        let fault = Fault {
            what: What::UidTwice,
            mailbox: Some(transfer.target),
            uid: Some(transfer.first),
        };
        let next = transfer.first.checked_add(transfer.reserved).ok_or(fault)?;
        if transfer.first < target.uid_next {
            return Err(fault);
        }
        let mut translation = Translation {
            table,
            known: BTreeMap::new(),
            taken: 0,
        };
        for (copy, uid) in copies.iter().zip(transfer.first..) {
            let keywords = translation.of(target, copy.keywords);
            target.add(Entry {
                uid,
                modseq,
                keywords,
                saved: transfer.saved,
                ..*copy
            });
        }
        target.uid_next = target.uid_next.max(next);
        if let Some(last) = copies.last().filter(|_| transfer.moving) {
            let uids = transfer.uids.up_to(last.uid);
            // Within one mailbox the copies lie above what they were copied from.
            let gone = self
                .loaded(transfer.source)?
                .remove(modseq, &uids, |_| true);
            self.entries = self.entries.saturating_sub(gone as u64);
        }
        Ok(())
    }

    /// A mailbox that can tell which places of its table are free, if that may
    /// matter.
    fn with_room_for(&mut self, id: u64, keywords: &[KeywordPrint]) -> Result<&mut Mailbox, Fault> {
        let mailbox = self.mailbox(id)?;
        let new = keywords
            .iter()
            .filter(|keyword| !mailbox.keywords.contains(keyword));
        match mailbox.keywords.len().saturating_add(new.count()) > KEYWORDS_MAX {
            true => self.loaded(id),
            false => self.mailbox(id),
        }
    }
}

impl Mailbox {
    /// One that is made now.
    pub fn new(name: Name, validity: u32, special_use: u8, modseq: u64) -> Self {
        Self {
            name,
            validity,
            uid_next: 1,
            recent_from: 1,
            modseq,
            special_use,
            keywords: Vec::new(),
            acl: BTreeMap::new(),
            counters: Counters::default(),
            recent: 0,
            entries: Entries::default(),
        }
    }

    fn add(&mut self, entry: Entry) {
        self.counters.count(entry.size, entry.flags);
        self.modseq = entry.modseq;
        self.uid_next = entry.uid.saturating_add(1);
        self.entries.push(entry);
    }

    fn remove(
        &mut self,
        modseq: u64,
        uids: &Uids,
        mut doomed: impl FnMut(&Entry) -> bool,
    ) -> usize {
        let (mut gone, mut counters) = (0_usize, self.counters);
        for entry in of(&mut self.entries, uids) {
            if doomed(entry) {
                counters.discount(entry.size, entry.flags);
                entry.gone = true;
                gone = gone.saturating_add(1);
            }
        }
        self.counters = counters;
        self.entries.have_gone(gone);
        if gone > 0 {
            self.modseq = modseq;
        }
        gone
    }

    /// The bits of keywords; those that are new are put into the table. `taken`:
    /// places that this operation has given.
    fn bits(&mut self, keywords: &[KeywordPrint], taken: &mut u64) -> u64 {
        let mut bits = 0;
        for keyword in keywords {
            let place = self
                .place(keyword)
                .or_else(|| self.take_place(*keyword, *taken));
            bits |= place.map_or(0, bit);
            *taken |= place.map_or(0, bit);
        }
        bits
    }

    fn known_bits(&self, keywords: &[KeywordPrint]) -> u64 {
        let places = keywords.iter().filter_map(|keyword| self.place(keyword));
        places.fold(0, |bits, place| bits | bit(place))
    }

    fn place(&self, keyword: &KeywordPrint) -> Option<usize> {
        self.keywords.iter().position(|known| known == keyword)
    }

    /// The end of the table, or, if it is full, the lowest place that no message
    /// uses.
    fn take_place(&mut self, keyword: KeywordPrint, taken: u64) -> Option<usize> {
        if self.keywords.len() < KEYWORDS_MAX {
            self.keywords.push(keyword);
            return self.keywords.len().checked_sub(1);
        }
        let used = self.entries.keywords() | taken;
        let place = (0..KEYWORDS_MAX).find(|place| used & bit(*place) == 0)?;
        *self.keywords.get_mut(place)? = keyword;
        Some(place)
    }
}

/// From places in the source's table to bits of the target's.
struct Translation {
    table: Vec<KeywordPrint>,
    known: BTreeMap<usize, u64>,
    taken: u64,
}

impl Translation {
    fn of(&mut self, target: &mut Mailbox, keywords: u64) -> u64 {
        set_bits(keywords).fold(0, |bits, place| bits | self.one(target, place))
    }

    fn one(&mut self, target: &mut Mailbox, place: usize) -> u64 {
        if let Some(known) = self.known.get(&place) {
            return *known;
        }
        let keyword = self.table.get(place).copied();
        let bits = keyword.map_or(0, |keyword| target.bits(&[keyword], &mut self.taken));
        self.known.insert(place, bits);
        bits
    }
}

impl Uids {
    /// Those up to `last`.
    fn up_to(&self, last: u32) -> Self {
        let below = self.0.iter().filter(|(first, _)| *first <= last);
        Self(
            below
                .map(|(first, end)| (*first, (*end).min(last)))
                .collect(),
        )
    }
}

fn of<'e>(entries: &'e mut Entries, uids: &'e Uids) -> impl Iterator<Item = &'e mut Entry> {
    entries.of(&uids.0)
}

fn bit(place: usize) -> u64 {
    u32::try_from(place)
        .ok()
        .and_then(|place| 1_u64.checked_shl(place))
        .unwrap_or(0)
}

fn set_bits(bits: u64) -> impl Iterator<Item = usize> {
    (0..KEYWORDS_MAX).filter(move |place| bits & bit(*place) != 0)
}

/// What becomes of `old` where only `mask` may change.
fn apply(action: Action, old: u64, given: u64, mask: u64) -> u64 {
    let given = given & mask;
    match action {
        Action::Add => old | given,
        Action::Remove => old & !given,
        Action::Replace => (old & !mask) | given,
    }
}
