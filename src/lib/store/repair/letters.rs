//! Which letters of a repaired account can't be read.

use super::manifests::manifests;
use super::rebuild::follow;
use super::records;
use super::{Mend, Orders, RepairError, Report};
use crate::entry::{BodyFile, Entry};
use crate::file::PACK;
use crate::id::PackId;
use crate::letter::{Hashes, Letters, Segments};
use crate::pack;
use journal::disk::{Disk, DiskError};
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;

/// Packs whose directories are in memory at once: a letter's neighbours lie in
/// the same ones.
const DIRECTORIES_MAX: usize = 4;

/// Reads every letter, counts them, and notes those that aren't what came in.
///
/// # Errors
/// As [`RepairError`] says.
pub(super) fn check<D: Disk>(
    root: &D,
    orders: &Orders,
    report: &mut Report,
) -> Result<(), RepairError> {
    let journal = records::read(root)?;
    let base = manifests(root)?.usable;
    let mut unnoted = Report::default();
    let Some(account) = follow(root, orders, &journal, base, &mut unnoted)? else {
        return Ok(());
    };
    let mut reading = Reading {
        root,
        segments: &journal.segments,
        hashes: Hashes::new(),
        known: BTreeSet::new(),
    };
    report.mailboxes = account.account.mailboxes.len() as u64;
    for mailbox in account.account.mailboxes.values() {
        for entry in mailbox.entries.iter() {
            report.messages = report.messages.saturating_add(1);
            if !reading.is_whole(entry)? {
                report.note(Mend::Lost {
                    mailbox: mailbox.name.clone(),
                    uid: entry.uid,
                });
            }
        }
    }
    Ok(())
}

struct Reading<'a, D> {
    root: &'a D,
    segments: &'a Segments,
    hashes: Hashes,
    known: BTreeSet<PackId>,
}

impl<D: Disk> Reading<'_, D> {
    fn is_whole(&mut self, entry: &Entry) -> Result<bool, DiskError> {
        if let BodyFile::Pack(pack) = entry.body.file() {
            self.learn(pack)?;
        }
        let mut letters = Letters::new(self.root, self.segments, &self.hashes);
        let whole = match letters.read(entry.body) {
            Err(DiskError::Io(_)) => return Ok(false),
            whole => whole?,
        };
        let mut hash = Sha256::new();
        for part in &whole.parts {
            hash.update(&part.bytes);
        }
        let found: [u8; 32] = hash.finalize().into();
        let sound = whole.parts.iter().all(|part| part.sound);
        Ok(sound && whole.sha256.is_none_or(|known| known == found))
    }

    /// Learns what the letters of a pack should hash to.
    fn learn(&mut self, pack: PackId) -> Result<(), DiskError> {
        if !self.known.insert(pack) {
            return Ok(());
        }
        if self.known.len() > DIRECTORIES_MAX {
            self.known = [pack].into();
            self.hashes.clear();
        }
        let file = match PACK.open(self.root, pack.0) {
            Err(DiskError::NotFound) => return Ok(()),
            file => file?,
        };
        if let Ok(header) = pack::read_header(&file, pack)? {
            let letters = pack::read_directory(&file, &header)?.unwrap_or_default();
            let hashes = letters
                .iter()
                .map(|letter| ((pack, letter.offset, letter.size), letter.sha256));
            self.hashes.extend(hashes);
        }
        Ok(())
    }
}
