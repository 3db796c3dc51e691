//! A manifest's sections as bytes; [`super::decode`] mirrors it field for field.

use super::{MANY_PACKS, Manifest, NO_LSN, code, metadata};
use crate::account::{Account, Waste};
use crate::chunk::{PackSet, Slot, Summary};
use crate::encode::Out;
use crate::id::ChunkId;
use crate::mailbox::Mailbox;
use crate::name::SpecialUse;

/// The row of all sections.
pub(super) fn row(manifest: &Manifest) -> Vec<u8> {
    let account = &manifest.account;
    let mut row = Out::default();
    section(&mut row, code::ACCOUNT, |out| write_account(out, manifest));
    section(&mut row, code::SUBSCRIPTIONS, |out| {
        out.len(account.subscriptions.len());
        for name in account.subscriptions.iter() {
            out.name(name);
        }
    });
    section(&mut row, code::PACKS, |out| packs(out, account));
    section(&mut row, code::LOST, |out| {
        out.len(account.lost.len());
        for (from, to) in &account.lost {
            out.u64(from.0);
            out.u64(to.0);
        }
    });
    for known in account.mailboxes.values() {
        section(&mut row, code::MAILBOX, |out| mailbox(out, known));
    }
    section(&mut row, code::METADATA, |out| {
        metadata::write(out, &account.metadata);
    });
    row.0
}

fn section(row: &mut Out, code: u16, write: impl FnOnce(&mut Out)) {
    let mut fields = Out::default();
    write(&mut fields);
    row.u16(code);
    row.u16(0);
    row.len(fields.0.len());
    row.bytes(&fields.0);
}

fn write_account(out: &mut Out, manifest: &Manifest) {
    let account = &manifest.account;
    out.u32(account.id.map_or(0, |id| id.0));
    out.u64(account.modseq.0);
    out.u64(account.ceiling.0);
    out.u32(account.validity.map_or(0, |validity| validity.get()));
    out.u64(account.next_mailbox);
    out.u64(account.next_message);
    out.u64(account.next_pack);
    out.u64(account.next_chunk);
    out.u64(account.epoch);
    out.quota(&account.quota);
    out.u64(manifest.oldest.0);
    waste(out, account.journal_waste);
}

fn waste(out: &mut Out, waste: Waste) {
    out.u64(waste.bytes);
    out.bytes(&waste.since.unwrap_or(0).to_le_bytes());
}

fn packs(out: &mut Out, account: &Account) {
    out.len(account.packs.len());
    for (pack, space) in account.packs.iter() {
        out.u64(pack.0);
        out.u32(space.letters);
        out.u64(space.bytes);
        waste(out, space.waste);
    }
}

fn mailbox(out: &mut Out, mailbox: &Mailbox) {
    out.u64(mailbox.id.0);
    out.u32(mailbox.validity.get());
    out.u32(mailbox.uid_next.get());
    out.u32(mailbox.recent_from.get());
    out.u64(mailbox.modseq.0);
    out.u8(SpecialUse::code(mailbox.special_use));
    out.name(&mailbox.name);
    out.keywords(&mailbox.keywords);
    out.u16(u16::try_from(mailbox.acl.len()).unwrap_or(u16::MAX));
    for line in &mailbox.acl {
        out.grantee(line.grantee);
        out.u16(line.rights.bits());
    }
    let counters = &mailbox.counters;
    out.u32(counters.messages);
    out.u32(counters.unseen);
    out.u32(counters.recent);
    out.u32(counters.deleted);
    out.u64(counters.bytes);
    history(out, mailbox);
    references(out, mailbox);
}

fn history(out: &mut Out, mailbox: &Mailbox) {
    out.u64(mailbox.history.horizon().0);
    out.len(mailbox.history.len());
    for run in mailbox.history.runs() {
        out.u64(run.modseq.0);
        out.u32(run.uids.first.get());
        out.u32(run.uids.last.get());
    }
}

fn references(out: &mut Out, mailbox: &Mailbox) {
    let written = |slot: &Slot| slot.file().is_some();
    let slots = mailbox.entries.slots();
    out.len(slots.iter().filter(|slot| written(slot)).count());
    for slot in slots {
        if let Some(file) = slot.file() {
            reference(out, file, slot.summary());
        }
    }
}

fn reference(out: &mut Out, file: ChunkId, summary: &Summary) {
    out.u64(file.0);
    out.u32(summary.len);
    out.u32(summary.first.get());
    out.u32(summary.last.get());
    out.u64(summary.newest.0);
    out.u64(summary.keywords);
    out.u64(summary.bytes);
    out.u64(summary.oldest_record.map_or(NO_LSN, |lsn| lsn.0));
    match &summary.packs {
        PackSet::Many => out.u8(MANY_PACKS),
        PackSet::Listed(packs) => {
            out.u8(u8::try_from(packs.len()).unwrap_or(MANY_PACKS));
            for pack in packs {
                out.u64(pack.0);
            }
        }
    }
}
