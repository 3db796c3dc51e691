//! A manifest's chunks: every entry, and whether references and counters are
//! what the entries make them.

use crate::audit::of_entry;
use crate::chunk::{self, Reference, Row};
use crate::directory::{Directory, Folder};
use crate::letters::Letters;
use crate::manifest::{Manifest, Run};
use crate::report::Report;
use crate::state::{Counters, Mailbox};
use ipc::edge::verify::{Finding, Severity, What};

/// Runs of one mailbox that are compared with its entries; one that has more
/// has only the runs themselves checked.
const RUNS_MAX: u32 = 1 << 18;

/// Checks all mailboxes of a manifest.
pub struct Index<'a, D: Directory> {
    directory: &'a D,
    manifest: &'a Manifest<D::File>,
    letters: &'a mut Letters,
    /// Whether damaged letters are told: of the newest manifest only.
    tells_letters: bool,
}

/// One mailbox under check.
struct Shelf<'m> {
    id: u64,
    mailbox: &'m Mailbox,
    counters: Counters,
    recent: u64,
    /// The highest UID so far.
    last: u32,
    /// Runs that lie above it.
    runs: std::iter::Peekable<std::vec::IntoIter<Run>>,
    /// Whether every chunk could be read.
    whole: bool,
}

impl<'a, D: Directory> Index<'a, D> {
    /// Of this manifest.
    pub fn new(
        directory: &'a D,
        manifest: &'a Manifest<D::File>,
        letters: &'a mut Letters,
        tells_letters: bool,
    ) -> Self {
        Self {
            directory,
            manifest,
            letters,
            tells_letters,
        }
    }

    /// Checks everything; shows the number of each chunk.
    pub fn check(&mut self, report: &mut Report<'_>, mut each: impl FnMut(u64)) {
        for (id, mailbox) in &self.manifest.content.state.mailboxes {
            self.mailbox(*id, mailbox, report, &mut each);
        }
    }

    fn mailbox(
        &mut self,
        id: u64,
        mailbox: &Mailbox,
        report: &mut Report<'_>,
        each: &mut impl FnMut(u64),
    ) {
        let runs = self.runs(id, report);
        let mut shelf = Shelf {
            id,
            mailbox,
            counters: Counters::default(),
            recent: 0,
            last: 0,
            runs: runs.into_iter().peekable(),
            whole: true,
        };
        let manifest = self.manifest;
        for reference in manifest.references(mailbox.entries.away) {
            match reference {
                Ok(reference) => {
                    each(reference.chunk);
                    self.reference(&mut shelf, &reference, report);
                }
                Err(what) => return report.find(manifest.finding(what, id)),
            }
        }
        if shelf.whole {
            self.counters(&shelf, report);
        }
        if shelf.last >= mailbox.uid_next {
            report.find(manifest.finding(What::NextTooLow, id));
        }
    }

    /// Runs don't overlap.
    fn runs(&self, id: u64, report: &mut Report<'_>) -> Vec<Run> {
        let runs = match self.manifest.runs(id, RUNS_MAX) {
            Ok(runs) => runs.unwrap_or_default(),
            Err(what) => {
                report.find(self.manifest.finding(what, id));
                Vec::new()
            }
        };
        let overlaps = runs
            .iter()
            .zip(runs.iter().skip(1))
            .any(|(a, b)| a.last >= b.first);
        if overlaps {
            report.find(self.manifest.finding(What::Overlap, id));
        }
        runs
    }

    fn reference(&mut self, shelf: &mut Shelf<'_>, reference: &Reference, report: &mut Report<'_>) {
        for what in self.misplaced(shelf, reference) {
            report.find(self.manifest.finding(what, shelf.id));
        }
        shelf.last = shelf.last.max(reference.last);
        let place = Folder::Chunk.place(reference.chunk);
        report.count(|totals| &mut totals.files, 1);
        match chunk::read(self.directory, reference.chunk, shelf.id) {
            Ok(rows) => {
                report.read((rows.len() as u64).saturating_mul(chunk::ENTRY_BYTES));
                for what in chunk::disagreements(reference, &rows) {
                    let finding = Finding::new(what, place, 0);
                    report.find(Finding {
                        mailbox: Some(shelf.id),
                        ..finding
                    });
                }
                for (row, n) in rows.iter().zip(0..) {
                    self.row(
                        shelf,
                        row,
                        chunk::offset(n),
                        place_of(place, shelf.id, row),
                        report,
                    );
                }
            }
            Err((what, offset)) => {
                shelf.whole = false;
                report.find(Finding {
                    mailbox: Some(shelf.id),
                    ..Finding::new(what, place, offset)
                });
            }
        }
    }

    /// What is wrong with a reference among the others.
    fn misplaced(
        &self,
        shelf: &Shelf<'_>,
        reference: &Reference,
    ) -> impl Iterator<Item = What> + use<D> {
        let content = &self.manifest.content;
        let known = |bits: u64| {
            bits.checked_shr(shelf.mailbox.keywords.len() as u32)
                .unwrap_or(0)
                == 0
        };
        let is_listed = |pack: &u64| content.lists(*pack);
        let packs = reference.packs.as_deref().unwrap_or_default();
        let record = reference.oldest_record;
        [
            (What::Overlap, reference.first <= shelf.last),
            (What::NextTooLow, reference.chunk >= content.next_chunk),
            (What::ModseqTooHigh, reference.newest > shelf.mailbox.modseq),
            (What::KeywordBeyondTable, !known(reference.keywords)),
            (What::PackUnlisted, !packs.iter().all(is_listed)),
            (What::BadOldest, record < content.oldest),
        ]
        .into_iter()
        .filter_map(|(what, wrong)| wrong.then_some(what))
    }

    fn row(
        &mut self,
        shelf: &mut Shelf<'_>,
        row: &Row,
        offset: u64,
        finding: Finding,
        report: &mut Report<'_>,
    ) {
        let told = |what| Finding {
            what,
            offset,
            ..finding
        };
        shelf.counters.count(row.size, row.flags);
        let is_recent = row.uid >= shelf.mailbox.recent_from;
        shelf.recent = shelf.recent.saturating_add(is_recent.into());
        while shelf.runs.next_if(|run| run.last < row.uid).is_some() {}
        let content = &self.manifest.content;
        let lsn = self.manifest.lsn();
        let unlisted = |pack| !content.lists(pack);
        let faults = [
            (
                What::ExpungedLives,
                shelf.runs.peek().is_some_and(|run| run.first <= row.uid),
            ),
            (
                What::NextTooLow,
                row.message >= content.state.numbers.next_message,
            ),
            (What::OutOfRange, row.thread > row.message),
            (What::PackUnlisted, row.pack().is_ok_and(unlisted)),
            (
                What::NoSuchLetter,
                row.pack().is_err_and(|record| record >= lsn),
            ),
        ];
        for (what, _) in faults.into_iter().filter(|(_, wrong)| *wrong) {
            report.find(told(what));
        }
        let (place, offset, size) = (row.place, row.offset, row.size);
        let found = match self.tells_letters {
            true => self.letters.refer(place, offset, size, row.message),
            false => self.letters.remember(place, offset, size, row.message),
        };
        if let Err(what) = found
            && (self.tells_letters || what.severity() != Severity::Letter)
        {
            report.find(told(what));
        }
    }

    fn counters(&self, shelf: &Shelf<'_>, report: &mut Report<'_>) {
        let (said, real) = (shelf.mailbox.counters, shelf.counters);
        let differences = [
            (What::CounterMessages, said.messages != real.messages),
            (What::CounterUnseen, said.unseen != real.unseen),
            (What::CounterDeleted, said.deleted != real.deleted),
            (What::CounterRecent, shelf.mailbox.recent != shelf.recent),
            (What::CounterBytes, said.bytes != real.bytes),
        ];
        for (what, _) in differences.into_iter().filter(|(_, wrong)| *wrong) {
            report.find(self.manifest.finding(what, shelf.id));
        }
    }
}

/// An entry of a chunk.
fn place_of(place: ipc::edge::verify::Place, mailbox: u64, row: &Row) -> Finding {
    of_entry(
        Finding::new(What::NoSuchLetter, place, 0),
        mailbox,
        row.uid,
        row.message,
    )
}
