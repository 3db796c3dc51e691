//! A manifest's sections.

use crate::annotations::Annotations;
use crate::chunk::Reference;
use crate::directory::{File, Folder};
use crate::entry::{Entries, push_frugally};
use crate::fields::{Fields, KEYWORDS_MAX, Limited, in_range};
use crate::record::is_optional;
use crate::report::Report;
use crate::sealed::Sealed;
use crate::state::{
    ACL_LINES_MAX, Counters, LOST_MAX, MAILBOXES_MAX, Mailbox, SUBSCRIPTIONS_MAX, State,
};
use ipc::edge::verify::{Finding, What};
use std::collections::{BTreeMap, BTreeSet};

/// Packs of one account that are remembered: 16 bytes each; its directory isn't
/// listed further either.
const PACKS_MAX: usize = 1 << 20;

/// What a manifest says.
#[derive(Debug)]
pub struct Content {
    /// The journal below isn't needed.
    pub oldest: u64,
    /// No pack has this number yet.
    pub next_pack: u64,
    /// No chunk has this number yet.
    pub next_chunk: u64,
    /// The packs, ascending.
    pub packs: Vec<PackLine>,
    /// Mailboxes and subscriptions.
    pub state: State,
    /// Where more of each mailbox stands.
    pub stretches: BTreeMap<u64, Stretch>,
    /// Whether all of it is as it must be.
    pub is_sound: bool,
}

/// What a manifest says of a pack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the fields are the format's")]
pub struct PackLine {
    pub number: u64,
    pub letters: u32,
    pub bytes: u32,
}

impl Content {
    /// Whether a pack is one of those that the manifest names.
    pub fn lists(&self, pack: u64) -> bool {
        self.packs
            .binary_search_by_key(&pack, |line| line.number)
            .is_ok()
    }
}

/// What of a mailbox isn't kept in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stretch {
    /// Where its runs stand, and how many.
    pub runs_at: u64,
    #[allow(missing_docs, reason = "see above")]
    pub runs: u32,
    /// Expunges up to this modseq are forgotten.
    pub horizon: u64,
}

/// UIDs that were expunged at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs, reason = "the fields are the format's")]
pub struct Run {
    pub first: u32,
    pub last: u32,
    pub modseq: u64,
}

impl Run {
    /// # Errors
    /// What is wrong with it.
    pub fn read(fields: &mut impl Fields) -> Result<Self, What> {
        let (modseq, first, last) = (fields.id()?, fields.nonzero()?, fields.nonzero()?);
        in_range(
            Self {
                first,
                last,
                modseq,
            },
            |run| run.first <= run.last,
        )
    }
}

/// Reads sections one after the other.
pub struct Reader {
    number: u64,
    lsn: u64,
    content: Content,
    last_mailbox: u64,
    validities: BTreeSet<u32>,
    /// Codes that stood there.
    seen: BTreeSet<u16>,
    is_first: bool,
}

impl Reader {
    /// Nothing was read yet.
    pub fn new(number: u64, lsn: u64) -> Self {
        Self {
            number,
            lsn,
            content: Content {
                oldest: 0,
                next_pack: 1,
                next_chunk: 1,
                packs: Vec::new(),
                state: State::beginning(),
                stretches: BTreeMap::new(),
                is_sound: true,
            },
            last_mailbox: 0,
            validities: BTreeSet::new(),
            seen: BTreeSet::new(),
            is_first: true,
        }
    }

    /// Reads one section. What is wrong with its fields is reported.
    ///
    /// # Errors
    /// What makes it impossible to read on.
    pub fn section<F: File>(
        &mut self,
        row: &mut Sealed<'_, F>,
        report: &mut Report<'_>,
    ) -> Result<(), What> {
        let offset = row.file_offset();
        let code = row.u16()?;
        row.zeros::<2>()?;
        let (len, begins) = (u64::from(row.u32()?), row.position());
        if len > row.left() {
            return Err(What::Malformed);
        }
        let mut fields = Limited::new(row, len);
        let read = self
            .known(code, &mut fields, begins)
            .and_then(|()| fields.end());
        if let Err(what) = read {
            self.content.is_sound = false;
            let place = Folder::Manifest.place(self.number);
            let mailbox = (code == 3).then_some(self.last_mailbox);
            report.find(Finding {
                mailbox,
                ..Finding::new(what, place, offset)
            });
            fields.skip()?;
        }
        self.is_first = false;
        Ok(())
    }

    fn known<F: File>(
        &mut self,
        code: u16,
        fields: &mut Limited<'_, Sealed<'_, F>>,
        begins: u64,
    ) -> Result<(), What> {
        let again = code != 3 && !is_optional(code) && !self.seen.insert(code);
        if again || (code == 1) != self.is_first {
            return Err(What::Disorder);
        }
        match code {
            1 => self.account(fields),
            2 => self.subscriptions(fields),
            3 => self.mailbox(fields, begins),
            4 => self.packs(fields),
            5 => self.lost(fields),
            6 => self.annotations(fields),
            optional if is_optional(optional) => fields.skip(),
            _ => Err(What::UnknownCritical),
        }
    }

    fn account(&mut self, fields: &mut impl Fields) -> Result<(), What> {
        let numbers = &mut self.content.state.numbers;
        numbers.account = Some(fields.u32()?);
        numbers.modseq = fields.modseq()?;
        numbers.ceiling = fields.modseq()?;
        numbers.last_validity = fields.u32()?;
        numbers.next_mailbox = fields.id()?;
        numbers.next_message = fields.id()?;
        self.content.next_pack = fields.id()?;
        self.content.next_chunk = fields.id()?;
        numbers.epoch = fields.u64()?;
        numbers.quota = fields.quota()?;
        self.content.oldest = fields.modseq()?;
        let (_expunged, _since) = (fields.u64()?, fields.i64()?);
        match self.content.oldest <= self.lsn {
            true => Ok(()),
            false => Err(What::BadOldest),
        }
    }

    fn subscriptions(&mut self, fields: &mut impl Fields) -> Result<(), What> {
        for _ in 0..at_most(fields.u32()?, SUBSCRIPTIONS_MAX)? {
            if !self
                .content
                .state
                .subscriptions
                .insert(fields.name()?.print())
            {
                return Err(What::NameTwice);
            }
        }
        Ok(())
    }

    fn packs(&mut self, fields: &mut impl Fields) -> Result<(), What> {
        for _ in 0..at_most(fields.u32()?, PACKS_MAX)? {
            let (number, letters, bytes) = (fields.id()?, fields.u32()?, fields.u64()?);
            // An estimate: copies of one letter may have been counted apart.
            let (_expunged, _since) = (fields.u64()?, fields.i64()?);
            let bytes = u32::try_from(bytes).map_err(|_| What::OutOfRange)?;
            if self
                .content
                .packs
                .last()
                .is_some_and(|last| last.number >= number)
            {
                return Err(What::Disorder);
            }
            if number >= self.content.next_pack {
                return Err(What::NextTooLow);
            }
            let line = PackLine {
                number,
                letters,
                bytes,
            };
            push_frugally(&mut self.content.packs, line);
        }
        Ok(())
    }

    fn lost(&mut self, fields: &mut impl Fields) -> Result<(), What> {
        let numbers = &mut self.content.state.numbers;
        for _ in 0..at_most(fields.u32()?, LOST_MAX)? {
            let (from, to) = (fields.modseq()?, fields.modseq()?);
            if from >= to || numbers.lost.last().is_some_and(|(_, last)| *last > from) {
                return Err(What::Disorder);
            }
            if to >= numbers.modseq {
                return Err(What::ModseqTooHigh);
            }
            numbers.lost.push((from, to));
        }
        Ok(())
    }

    fn annotations(&mut self, fields: &mut impl Fields) -> Result<(), What> {
        self.content.state.annotations = Annotations::read(fields)?;
        match self.content.state.annotations.changed() <= self.content.state.numbers.modseq {
            true => Ok(()),
            false => Err(What::ModseqTooHigh),
        }
    }

    fn mailbox<F: File>(
        &mut self,
        fields: &mut Limited<'_, Sealed<'_, F>>,
        begins: u64,
    ) -> Result<(), What> {
        let all = fields.left();
        let at = |fields: &Limited<'_, Sealed<'_, F>>| {
            begins.saturating_add(all.saturating_sub(fields.left()))
        };
        let id = fields.id()?;
        let ascends = self.last_mailbox < id;
        self.last_mailbox = id;
        if !ascends || self.content.state.mailboxes.len() >= MAILBOXES_MAX {
            return Err(if ascends {
                What::TooManyThings
            } else {
                What::Disorder
            });
        }
        let validity = fields.nonzero()?;
        let (uid_next, recent_from) = (fields.nonzero()?, fields.nonzero()?);
        let (modseq, special_use, name) = (fields.id()?, fields.special_use()?, fields.name()?);
        let keywords = fields.keywords()?;
        if keywords.len() > KEYWORDS_MAX {
            return Err(What::TooManyThings);
        }
        let acl = access_list(fields)?;
        let (messages, unseen, recent) = (fields.u32()?, fields.u32()?, fields.u32()?);
        let counters = Counters {
            messages: messages.into(),
            unseen: unseen.into(),
            deleted: fields.u32()?.into(),
            bytes: fields.u64()?,
        };
        let (horizon, runs) = (fields.modseq()?, fields.u32()?);
        let stretch = Stretch {
            runs_at: at(fields),
            runs,
            horizon,
        };
        history(fields, stretch, uid_next, modseq)?;
        let references = fields.u32()?;
        let entries = Entries::away(at(fields), references);
        for _ in 0..references {
            Reference::read(fields)?;
        }
        let mailbox = Mailbox {
            name,
            validity,
            uid_next,
            recent_from,
            modseq,
            special_use,
            keywords,
            acl,
            counters,
            recent: recent.into(),
            entries,
        };
        self.take_in(id, mailbox, stretch)
    }

    /// What a mailbox must be among the others.
    fn take_in(&mut self, id: u64, mailbox: Mailbox, stretch: Stretch) -> Result<(), What> {
        let state = &mut self.content.state;
        let name_is_new = state.names.insert(mailbox.name.clone(), id).is_none();
        let validity_is_new = self.validities.insert(mailbox.validity);
        let faults = [
            (What::NextTooLow, id >= state.numbers.next_mailbox),
            (
                What::NextTooLow,
                mailbox.validity > state.numbers.last_validity,
            ),
            (What::NextTooLow, mailbox.recent_from > mailbox.uid_next),
            (What::ModseqTooHigh, mailbox.modseq > state.numbers.modseq),
            (What::ModseqTooHigh, stretch.horizon > mailbox.modseq),
            (What::NameTwice, !name_is_new),
            (What::ValidityTwice, !validity_is_new),
        ];
        state.mailboxes.insert(id, mailbox);
        self.content.stretches.insert(id, stretch);
        match faults.into_iter().find(|(_, wrong)| *wrong) {
            Some((what, _)) => Err(what),
            None => Ok(()),
        }
    }

    /// All sections were read.
    pub fn finish(mut self, report: &mut Report<'_>) -> Content {
        let place = Folder::Manifest.place(self.number);
        let missing = !self.seen.contains(&1);
        let faults = [
            (What::Malformed, missing),
            (What::NoInbox, !self.content.state.has_inbox()),
            (What::NoMailbox, !self.annotations_belong()),
        ];
        for (what, _) in faults.into_iter().filter(|(_, wrong)| *wrong) {
            self.content.is_sound = false;
            report.find(Finding::new(what, place, 0));
        }
        self.content
    }

    /// Whether every annotation is of a mailbox that is there.
    fn annotations_belong(&self) -> bool {
        let state = &self.content.state;
        let mut mailboxes = state.annotations.mailboxes();
        mailboxes.all(|id| state.mailboxes.contains_key(&id))
    }
}

fn access_list(fields: &mut impl Fields) -> Result<BTreeMap<(u8, u32), u16>, What> {
    let mut acl = BTreeMap::new();
    for _ in 0..at_most(fields.u16()?.into(), ACL_LINES_MAX)? {
        let line = fields.acl_line()?;
        in_range(line.rights, |rights| *rights != 0)?;
        if acl.insert(line.grantee, line.rights).is_some() {
            return Err(What::Disorder);
        }
    }
    Ok(acl)
}

/// Runs stand in the order of modseqs, above the horizon.
fn history(
    fields: &mut impl Fields,
    stretch: Stretch,
    uid_next: u32,
    modseq: u64,
) -> Result<(), What> {
    let mut last = stretch.horizon;
    for _ in 0..stretch.runs {
        let run = Run::read(fields)?;
        if run.modseq < last || run.modseq == stretch.horizon {
            return Err(What::Disorder);
        }
        if run.modseq > modseq {
            return Err(What::ModseqTooHigh);
        }
        if run.last >= uid_next {
            return Err(What::NextTooLow);
        }
        last = run.modseq;
    }
    Ok(())
}

fn at_most(number: u32, max: usize) -> Result<u32, What> {
    match number as usize <= max {
        true => Ok(number),
        false => Err(What::TooManyThings),
    }
}
