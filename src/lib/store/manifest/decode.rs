//! Bytes as a manifest. They are hostile: right CRCs prove nothing about who
//! wrote them. What is accepted here can be: counters agree with references,
//! numbers with the counters above them, names with each other.
//!
//! Allocates in proportion to the row.

use super::{Header, MANY_PACKS, Manifest, ManifestFault, NO_LSN, code, metadata, packs_in_use};
use crate::account::{
    ACL_ENTRIES_MAX, Account, ENTRIES_MAX, LOST_RANGES_MAX, MAILBOXES_MAX, PackSpace,
    SUBSCRIPTIONS_MAX, Waste,
};
use crate::chunk::{CHUNK_ENTRIES_MAX, PACKS_LISTED_MAX, PackSet, Slot, Summary};
use crate::decode;
use crate::entries::Entries;
use crate::file::FORMAT_VERSION;
use crate::flag::{KEYWORDS_MAX, Keyword};
use crate::history::{Expunged, History};
use crate::id::{AccountId, ChunkId, MailboxId, Modseq, PackId, Uid, UidRange, UidValidity};
use crate::mailbox::{Counters, Mailbox};
use crate::name::{MailboxName, SpecialUse};
use crate::rights::{AclEntry, Rights};
use journal::Lsn;
use journal::le::Fields;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Reads a row of any version that we know, into today's state.
pub(super) fn row(header: &Header, row: &[u8]) -> Result<Manifest, ManifestFault> {
    match header.version {
        FORMAT_VERSION => today(header, row),
        #[cfg(test)]
        super::tests::older::VERSION => super::tests::older::row(header, row),
        _ => Err(ManifestFault::Damaged),
    }
}

/// Reads a row of the version that we write.
pub(super) fn today(header: &Header, row: &[u8]) -> Result<Manifest, ManifestFault> {
    let mut reading = Reading {
        manifest: Manifest {
            number: header.number,
            start: header.start,
            oldest: Lsn::ZERO,
            account: Account::new(),
        },
        seen: BTreeSet::new(),
    };
    let mut rest = Fields::new(row);
    while !rest.is_empty() {
        let (code, fields) = section(&mut rest).ok_or(ABSURD_SECTION)?;
        if code & code::OPTIONAL == 0 {
            reading.section(code, Fields::new(fields))?;
        }
    }
    reading.finish()
}

pub(super) const ABSURD_SECTION: ManifestFault =
    ManifestFault::Absurd("a section is cut short, or too long");

fn section<'a>(rest: &mut Fields<'a>) -> Option<(u16, &'a [u8])> {
    let code = rest.u16()?;
    let zero = rest.u16()?;
    let len = usize::try_from(rest.u32()?).ok()?;
    let fields = rest.bytes(len)?;
    (zero == 0).then_some((code, fields))
}

fn absurd<T>(reason: &'static str) -> Result<T, ManifestFault> {
    Err(ManifestFault::Absurd(reason))
}

pub(super) fn require(holds: bool, reason: &'static str) -> Result<(), ManifestFault> {
    match holds {
        true => Ok(()),
        false => absurd(reason),
    }
}

/// A manifest as far as it has been read.
struct Reading {
    manifest: Manifest,
    /// Sections that come once.
    seen: BTreeSet<u16>,
}

impl Reading {
    fn section(&mut self, code: u16, mut fields: Fields<'_>) -> Result<(), ManifestFault> {
        let first = self.seen.is_empty();
        require(
            first == (code == code::ACCOUNT),
            "the account's section isn't the first, or not the only one",
        )?;
        let fresh = self.seen.insert(code) || code == code::MAILBOX;
        require(fresh, "a section comes twice")?;
        let account = &mut self.manifest.account;
        match code {
            code::ACCOUNT => self.account(&mut fields)?,
            code::SUBSCRIPTIONS => account.subscriptions = Arc::new(subscriptions(&mut fields)?),
            code::PACKS => account.packs = Arc::new(packs(&mut fields, account.next_pack)?),
            code::LOST => account.lost = lost(&mut fields, account.modseq)?,
            code::METADATA => {
                account.metadata = Arc::new(metadata::read(&mut fields, account.modseq)?);
            }
            code::MAILBOX => self.mailbox(&mut fields)?,
            other => return Err(ManifestFault::UnknownSection(other)),
        }
        match fields.is_empty() {
            true => Ok(()),
            false => Err(ABSURD_SECTION),
        }
    }

    fn account(&mut self, fields: &mut Fields<'_>) -> Result<(), ManifestFault> {
        self.account_fields(fields).ok_or(ABSURD_SECTION)?;
        let Manifest {
            account,
            oldest,
            start,
            ..
        } = &self.manifest;
        let sane = account.modseq <= Modseq::MAX
            && account.ceiling <= Modseq::MAX
            && account.next_pack < 1 << 63
            && account.next_chunk < 1 << 63;
        require(sane, "a number is out of its range")?;
        require(*oldest <= start.lsn, "it needs what lies above it")
    }

    fn account_fields(&mut self, fields: &mut Fields<'_>) -> Option<()> {
        let account = &mut self.manifest.account;
        account.id = Some(AccountId(fields.u32()?));
        account.modseq = Modseq(fields.u64()?);
        account.ceiling = Modseq(fields.u64()?);
        account.validity = UidValidity::new(fields.u32()?);
        account.next_mailbox = fields.u64()?;
        account.next_message = fields.u64()?;
        account.next_pack = fields.u64()?;
        account.next_chunk = fields.u64()?;
        account.epoch = fields.u64()?;
        account.quota = decode::quota(fields)?;
        self.manifest.oldest = Lsn(fields.u64()?);
        account.journal_waste = waste(fields)?;
        Some(())
    }

    fn mailbox(&mut self, fields: &mut Fields<'_>) -> Result<(), ManifestFault> {
        let account = &mut self.manifest.account;
        let bounds = Bounds {
            modseq: account.modseq,
            next_chunk: account.next_chunk,
            oldest: self.manifest.oldest,
            lsn: self.manifest.start.lsn,
        };
        let mailbox = mailbox(fields, &bounds)?;
        let last = account.mailboxes.last_key_value();
        let follows = last.is_none_or(|(last, _)| *last < mailbox.id);
        let known = mailbox.id.0 < account.next_mailbox
            && account
                .validity
                .is_some_and(|last| mailbox.validity <= last);
        require(follows && known, "a mailbox is out of order, or too new")?;
        let taken = account.names.contains_key(&mailbox.name);
        require(!taken, "two mailboxes have one name")?;
        account.insert(mailbox);
        let few = account.mailboxes.len() <= MAILBOXES_MAX;
        require(few, "there are too many mailboxes")?;
        let small = account.usage.messages <= ENTRIES_MAX;
        require(small, "there are too many messages")
    }

    /// What can be said only of the whole.
    fn finish(self) -> Result<Manifest, ManifestFault> {
        let account = &self.manifest.account;
        require(account.id.is_some(), "it says nothing of the account")?;
        let inbox = account.mailboxes.get(&MailboxId::INBOX);
        let named = inbox.is_some_and(|inbox| inbox.name == MailboxName::inbox());
        require(named, "an account has no INBOX")?;
        let (packs, _) = packs_in_use(account);
        let listed = packs.iter().all(|pack| account.packs.contains_key(pack));
        require(listed, "letters lie in a pack that isn't listed")?;
        let belongs = metadata::belongs(account);
        require(belongs, "an annotation is of no mailbox that is there")?;
        Ok(self.manifest)
    }
}

fn waste(fields: &mut Fields<'_>) -> Option<Waste> {
    let bytes = fields.u64()?;
    let since = Some(fields.i64()?).filter(|since| *since != 0);
    Some(Waste { bytes, since })
}

fn subscriptions(fields: &mut Fields<'_>) -> Result<BTreeSet<MailboxName>, ManifestFault> {
    let count = fields.u32().ok_or(ABSURD_SECTION)?;
    let few = count as usize <= SUBSCRIPTIONS_MAX;
    require(few, "there are too many subscriptions")?;
    let mut names = BTreeSet::new();
    for _ in 0..count {
        names.insert(decode::name(fields).ok_or(ABSURD_SECTION)?);
    }
    Ok(names)
}

fn packs(
    fields: &mut Fields<'_>,
    next_pack: u64,
) -> Result<BTreeMap<PackId, PackSpace>, ManifestFault> {
    let count = fields.u32().ok_or(ABSURD_SECTION)?;
    let mut packs = BTreeMap::new();
    for _ in 0..count {
        let (pack, space) = pack(fields).ok_or(ABSURD_SECTION)?;
        let last = packs.last_key_value().map(|(last, _)| *last);
        let follows = last.is_none_or(|last| last < pack) && (1..next_pack).contains(&pack.0);
        require(follows, "a pack is out of order, or too new")?;
        packs.insert(pack, space);
    }
    Ok(packs)
}

fn pack(fields: &mut Fields<'_>) -> Option<(PackId, PackSpace)> {
    let pack = PackId(fields.u64()?);
    let space = PackSpace {
        letters: fields.u32()?,
        bytes: fields.u64()?,
        waste: waste(fields)?,
    };
    Some((pack, space))
}

fn lost(fields: &mut Fields<'_>, modseq: Modseq) -> Result<Vec<(Modseq, Modseq)>, ManifestFault> {
    let count = fields.u32().ok_or(ABSURD_SECTION)? as usize;
    require(count <= LOST_RANGES_MAX, "too much was lost")?;
    let mut lost: Vec<(Modseq, Modseq)> = Vec::new();
    for _ in 0..count {
        let range = (|| Some((Modseq(fields.u64()?), Modseq(fields.u64()?))))();
        let (from, to) = range.ok_or(ABSURD_SECTION)?;
        let follows = lost.last().is_none_or(|(_, last)| *last <= from);
        let sane = follows && from < to && to < modseq;
        require(sane, "what was lost is out of order")?;
        lost.push((from, to));
    }
    Ok(lost)
}

/// What no mailbox can be beyond.
struct Bounds {
    modseq: Modseq,
    next_chunk: u64,
    oldest: Lsn,
    lsn: Lsn,
}

fn mailbox(fields: &mut Fields<'_>, bounds: &Bounds) -> Result<Mailbox, ManifestFault> {
    let mut mailbox = identity(fields).ok_or(ABSURD_SECTION)?;
    require(
        mailbox.modseq <= bounds.modseq,
        "a mailbox is of the future",
    )?;
    mailbox.keywords = keywords(fields)?;
    mailbox.acl = acl(fields)?;
    mailbox.counters = counters(fields).ok_or(ABSURD_SECTION)?;
    mailbox.history = history(fields, &mailbox)?;
    mailbox.entries = references(fields, &mailbox, bounds)?;
    let counters = mailbox.counters;
    let summaries = mailbox.entries.slots().iter().map(Slot::summary);
    let bytes = summaries.fold(0_u64, |sum, summary| sum.saturating_add(summary.bytes));
    let exact = counters.messages as usize == mailbox.entries.len() && counters.bytes == bytes;
    require(exact, "a mailbox's counters aren't those of its chunks")?;
    let parts = [counters.unseen, counters.recent, counters.deleted];
    let fit = parts.iter().all(|part| *part <= counters.messages);
    require(fit, "a mailbox counts more than it has")?;
    Ok(mailbox)
}

fn identity(fields: &mut Fields<'_>) -> Option<Mailbox> {
    let id = decode::mailbox(fields)?;
    let validity = UidValidity::new(fields.u32()?)?;
    let uid_next = decode::uid(fields)?;
    let recent_from = decode::uid(fields)?;
    let modseq = Modseq(fields.u64()?);
    let special_use = SpecialUse::of_code(fields.u8()?)?;
    let name = decode::name(fields)?;
    let mut mailbox = Mailbox::new(id, name, validity, special_use, modseq);
    (mailbox.uid_next, mailbox.recent_from) = (uid_next, recent_from);
    Some(mailbox)
}

fn keywords(fields: &mut Fields<'_>) -> Result<Vec<Keyword>, ManifestFault> {
    let keywords = decode::keywords(fields).ok_or(ABSURD_SECTION)?;
    let distinct: BTreeSet<&Keyword> = keywords.iter().collect();
    let sane = keywords.len() <= KEYWORDS_MAX && distinct.len() == keywords.len();
    require(sane, "a mailbox's keywords are too many, or twice the same")?;
    Ok(keywords)
}

fn acl(fields: &mut Fields<'_>) -> Result<Vec<AclEntry>, ManifestFault> {
    let count = usize::from(fields.u16().ok_or(ABSURD_SECTION)?);
    require(count <= ACL_ENTRIES_MAX, "an access list is too long")?;
    let mut lines = Vec::new();
    for _ in 0..count {
        lines.push(acl_line(fields).ok_or(ABSURD_SECTION)?);
    }
    let grantees: BTreeSet<_> = lines.iter().map(|line| line.grantee).collect();
    require(grantees.len() == count, "an access list names one twice")?;
    Ok(lines)
}

fn acl_line(fields: &mut Fields<'_>) -> Option<AclEntry> {
    Some(AclEntry {
        grantee: decode::grantee(fields)?,
        rights: Rights::of_bits(fields.u16()?).filter(|rights| !rights.is_empty())?,
    })
}

fn counters(fields: &mut Fields<'_>) -> Option<Counters> {
    Some(Counters {
        messages: fields.u32()?,
        unseen: fields.u32()?,
        recent: fields.u32()?,
        deleted: fields.u32()?,
        bytes: fields.u64()?,
    })
}

fn history(fields: &mut Fields<'_>, mailbox: &Mailbox) -> Result<History, ManifestFault> {
    let horizon = Modseq(fields.u64().ok_or(ABSURD_SECTION)?);
    let count = fields.u32().ok_or(ABSURD_SECTION)?;
    let mut history = History::from(horizon);
    let mut last = horizon;
    for _ in 0..count {
        let run = run(fields).ok_or(ABSURD_SECTION)?;
        let follows = run.modseq >= last && run.modseq > horizon && run.modseq <= mailbox.modseq;
        let sane = run.uids.first <= run.uids.last && run.uids.last < mailbox.uid_next;
        require(follows && sane, "a mailbox's history is out of order")?;
        last = run.modseq;
        history.push(run);
    }
    Ok(history)
}

fn run(fields: &mut Fields<'_>) -> Option<Expunged> {
    let modseq = Modseq(fields.u64()?);
    let (first, last) = (decode::uid(fields)?, decode::uid(fields)?);
    Some(Expunged {
        modseq,
        uids: UidRange { first, last },
    })
}

fn references(
    fields: &mut Fields<'_>,
    mailbox: &Mailbox,
    bounds: &Bounds,
) -> Result<Entries, ManifestFault> {
    let count = fields.u32().ok_or(ABSURD_SECTION)?;
    let mut slots = Vec::new();
    for _ in 0..count {
        let (file, summary) = reference(fields).ok_or(ABSURD_SECTION)?;
        require(
            is_possible(file, &summary, mailbox, bounds),
            "a chunk can't be what is said of it",
        )?;
        slots.push(Slot::Away {
            summary: Arc::new(summary),
            file,
        });
    }
    Entries::of(slots).ok_or(ManifestFault::Absurd("chunks are out of order"))
}

fn reference(fields: &mut Fields<'_>) -> Option<(ChunkId, Summary)> {
    let file = ChunkId(fields.u64()?);
    let len = fields.u32()?;
    Some((
        file,
        Summary {
            first: decode::uid(fields)?,
            last: decode::uid(fields)?,
            len,
            newest: Modseq(fields.u64()?),
            keywords: fields.u64()?,
            bytes: fields.u64()?,
            oldest_record: Some(fields.u64()?).filter(|lsn| *lsn != NO_LSN).map(Lsn),
            packs: pack_set(fields)?,
        },
    ))
}

fn pack_set(fields: &mut Fields<'_>) -> Option<PackSet> {
    let count = fields.u8()?;
    if count == MANY_PACKS {
        return Some(PackSet::Many);
    }
    let packs: Option<Vec<PackId>> = (0..count).map(|_| fields.u64().map(PackId)).collect();
    let packs = packs?;
    let sane = packs.len() <= PACKS_LISTED_MAX && packs.is_sorted_by(|one, next| one < next);
    sane.then_some(PackSet::Listed(packs))
}

fn is_possible(file: ChunkId, summary: &Summary, mailbox: &Mailbox, bounds: &Bounds) -> bool {
    let span = summary.last.get().saturating_sub(summary.first.get());
    let records = bounds.oldest..bounds.lsn;
    let table = u32::try_from(mailbox.keywords.len()).unwrap_or(u32::MAX);
    (1..bounds.next_chunk).contains(&file.0)
        && (1..=CHUNK_ENTRIES_MAX).contains(&(summary.len as usize))
        && summary.first <= summary.last
        && summary.len <= span.saturating_add(1)
        && summary.last < mailbox.uid_next
        && summary.last < Uid::MAX
        && summary.newest <= bounds.modseq
        && summary.keywords.checked_shr(table).unwrap_or(0) == 0
        && summary
            .oldest_record
            .is_none_or(|lsn| records.contains(&lsn))
}
