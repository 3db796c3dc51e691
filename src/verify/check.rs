//! A whole check: what is read in which order, and why in that.
//!
//! 1. The last two manifests say which files there are to be.
//! 2. The packs that they name, then the journal, give all letters.
//! 3. Their chunks are held against the letters, which are then forgotten.
//! 4. The journal is replayed, past the older manifest and the newer, to its end.
//! 5. What is left in the directory, nothing refers to.
//!
//! Memory: up to step 3, 32 bytes for each letter in a pack and about 100 for
//! each in the journal; in step 4, 40 bytes for each entry of a mailbox that the
//! journal changes; besides, some hundred bytes for each mailbox, and one record
//! (at most 16 MiB). An account of a million messages takes less than 64 MiB.
//! Time: each byte is read once, and those of the journal's heads and of chunks
//! up to three times.

use crate::audit::{Ailing, Audit};
use crate::directory::{Directory, File, Folder, Listing};
use crate::index::Index;
use crate::journal::{End, Journal, Span};
use crate::letters::{IN_PACK, Letters};
use crate::manifest::Manifest;
use crate::pack;
use crate::replay::{Living, Replay, tell_of_ailing};
use crate::report::{Listener, Report};
use ipc::edge::verify::{Finding, Place, ToControl, Totals, What};
use std::collections::{BTreeSet, VecDeque};

/// What somebody holds in place for the check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Held {
    /// The manifest; 0: there is none yet.
    pub manifest: u64,
    /// The journal is durable below this LSN, and is read no further.
    pub lsn: u64,
}

/// What an account's folders hold.
struct Listings {
    journal: Listing,
    manifest: Listing,
    chunk: Listing,
    pack: Listing,
}

/// Checks an account.
pub fn check(
    directory: &impl Directory,
    held: Option<Held>,
    listener: &mut dyn Listener,
) -> Totals {
    let mut report = Report::new(listener);
    match Listings::read(directory) {
        Ok(listings) => Check::new(directory, held, &listings).run(&mut report),
        Err(finding) => report.find(finding),
    }
    report.totals()
}

impl Listings {
    fn read(directory: &impl Directory) -> Result<Self, Finding> {
        Ok(Self {
            journal: Listing::read(directory, Folder::Journal)?,
            manifest: Listing::read(directory, Folder::Manifest)?,
            chunk: Listing::read(directory, Folder::Chunk)?,
            pack: Listing::read(directory, Folder::Pack)?,
        })
    }

    fn each(&self) -> [(Folder, &Listing); 4] {
        [
            (Folder::Journal, &self.journal),
            (Folder::Manifest, &self.manifest),
            (Folder::Chunk, &self.chunk),
            (Folder::Pack, &self.pack),
        ]
    }
}

/// A check under way.
struct Check<'a, D: Directory> {
    directory: &'a D,
    held: Option<Held>,
    listings: &'a Listings,
    /// Files that something refers to.
    needed: BTreeSet<(Folder, u64)>,
}

/// The last two manifests that can be read, the newer first.
struct Manifests<F> {
    newer: Option<Manifest<F>>,
    older: Option<Manifest<F>>,
}

impl<'a, D: Directory> Check<'a, D> {
    fn new(directory: &'a D, held: Option<Held>, listings: &'a Listings) -> Self {
        Self {
            directory,
            held,
            listings,
            needed: BTreeSet::new(),
        }
    }

    fn run(mut self, report: &mut Report<'_>) {
        let manifests = self.manifests(report);
        let mut letters = Letters::default();
        self.packs(&manifests, &mut letters, report);
        let journal = Journal::new(self.directory, &self.listings.journal);
        let span = self.span(&manifests, &journal, report);
        let (ailing, end) = self.audit(&manifests, &journal, span, &mut letters, report);
        self.indexes(&manifests, &mut letters, report);
        dead_letters(letters, &journal, report);
        let living = self.replay(&manifests, &journal, (span, end), &ailing, report);
        if let (None, Some(newer)) = (&living, &manifests.newer) {
            newer.content.state.count(report);
        }
        tell_of_ailing(&ailing, living.as_ref(), report);
        self.orphans(&manifests, end, report);
    }

    /// Numbers of the manifests that are to be read, the newest first.
    fn manifests(&mut self, report: &mut Report<'_>) -> Manifests<D::File> {
        let numbers = &self.listings.manifest.numbers;
        let highest = self.held.map_or(u64::MAX, |held| held.manifest);
        let known = numbers
            .iter()
            .rev()
            .copied()
            .filter(|number| *number <= highest);
        let mut last_two: Vec<u64> = known.take(2).collect();
        if let Some(held) = self.held.filter(|held| held.manifest != 0) {
            last_two.retain(|number| *number != held.manifest);
            last_two.insert(0, held.manifest);
            last_two.truncate(2);
        }
        self.needed
            .extend(last_two.iter().map(|number| (Folder::Manifest, *number)));
        let mut loaded = last_two
            .iter()
            .filter_map(|number| Manifest::load(self.directory, *number, report));
        Manifests {
            newer: loaded.next(),
            older: loaded.next(),
        }
    }

    fn packs(
        &mut self,
        manifests: &Manifests<D::File>,
        letters: &mut Letters,
        report: &mut Report<'_>,
    ) {
        for manifest in manifests.each() {
            for line in &manifest.content.packs {
                if self.needed.insert((Folder::Pack, line.number)) {
                    pack::check(self.directory, line.number, letters, report);
                }
                let said = (u64::from(line.letters), line.bytes.into());
                if letters
                    .extent(IN_PACK | line.number)
                    .is_some_and(|real| real != said)
                {
                    let place = Folder::Pack.place(line.number);
                    report.find(Finding::new(What::PackBytes, place, 0));
                }
            }
        }
    }

    /// Which part of the journal is read.
    fn span(
        &self,
        manifests: &Manifests<D::File>,
        journal: &Journal<'_, D>,
        report: &mut Report<'_>,
    ) -> Span {
        let from = manifests
            .each()
            .map(|manifest| manifest.content.oldest)
            .min()
            .unwrap_or(0);
        let older = manifests.each().map(Manifest::lsn).min().unwrap_or(0);
        if !journal.reaches_back_to(from) {
            let what = match from < older && journal.reaches_back_to(older) {
                true => What::DeadRecord,
                false => What::Missing,
            };
            report.find(Finding::new(what, Folder::Journal.place(from), 0));
        }
        let known = manifests
            .each()
            .map(|manifest| manifest.lsn())
            .max()
            .unwrap_or(0);
        match self.held {
            Some(held) => Span {
                from,
                to: held.lsn,
                durable: held.lsn,
                replayed_from: older,
            },
            None => Span {
                from,
                to: u64::MAX,
                durable: journal.proven(from, known),
                replayed_from: older,
            },
        }
    }

    fn audit(
        &mut self,
        manifests: &Manifests<D::File>,
        journal: &Journal<'_, D>,
        span: Span,
        letters: &mut Letters,
        report: &mut Report<'_>,
    ) -> (Ailing, End) {
        let settled = manifests.newer.as_ref().map_or(0, |newer| newer.lsn());
        let landmarks = manifests.each().flat_map(Manifest::landmarks).collect();
        let mut audit = Audit::new(self.directory, letters, settled, landmarks);
        let end = journal.walk(span, report, &mut |visited, report| {
            audit.visit(visited, report)
        });
        let (ailing, packs) = audit.finish(end, report);
        self.needed
            .extend(packs.into_iter().map(|pack| (Folder::Pack, pack)));
        (ailing, end)
    }

    fn indexes(
        &mut self,
        manifests: &Manifests<D::File>,
        letters: &mut Letters,
        report: &mut Report<'_>,
    ) {
        let newest = manifests.newer.as_ref().map(|newer| newer.number());
        for manifest in manifests.each() {
            let tells_letters = newest == Some(manifest.number());
            let needed = &mut self.needed;
            Index::new(self.directory, manifest, letters, tells_letters).check(report, |chunk| {
                needed.insert((Folder::Chunk, chunk));
            });
        }
    }

    /// Replays what can be; the entries of the tail that ail.
    fn replay(
        &self,
        manifests: &Manifests<D::File>,
        journal: &Journal<'_, D>,
        (span, end): (Span, End),
        ailing: &Ailing,
        report: &mut Report<'_>,
    ) -> Option<Living> {
        let mut coming: VecDeque<_> = manifests.older.iter().chain(&manifests.newer).collect();
        if coming.iter().any(|manifest| !manifest.content.is_sound) {
            report.find(Finding::new(What::NotReplayed, Place::Account, 0));
            return None;
        }
        let base = match self.leads_from_the_beginning(coming.front(), journal, span, end) {
            true => None,
            false => coming.pop_front(),
        };
        Replay::new(self.directory, base, coming, ailing).run(journal, span, report)
    }

    /// Whether replaying all of the journal must give what the older manifest says.
    /// A repair begins a new term, with a state that no record has led to.
    fn leads_from_the_beginning(
        &self,
        older: Option<&&Manifest<D::File>>,
        journal: &Journal<'_, D>,
        span: Span,
        end: End,
    ) -> bool {
        let same_term = older.is_none_or(|older| journal.first_term() == Some(older.term()));
        span.from == 0
            && journal.reaches_back_to(0)
            && same_term
            && (end.unbroken || older.is_none())
    }

    /// Files that nothing refers to. While the account is in use, files of its
    /// future are among them, and such that are about to go.
    fn orphans(&self, manifests: &Manifests<D::File>, end: End, report: &mut Report<'_>) {
        if self.held.is_some() {
            return;
        }
        let oldest = manifests
            .each()
            .map(|manifest| manifest.content.oldest)
            .min()
            .unwrap_or(0);
        let journal = Journal::new(self.directory, &self.listings.journal);
        let unneeded = journal.unneeded(oldest.min(end.lsn));
        for (folder, listing) in self.listings.each() {
            let named = |number: &&u64| match folder {
                Folder::Journal => !unneeded.contains(number),
                _ => self.needed.contains(&(folder, **number)),
            };
            for orphan in listing.numbers.iter().filter(|number| !named(number)) {
                report.find(Finding::new(What::Orphan, folder.place(*orphan), 0));
            }
            for unfinished in &listing.unfinished {
                report.find(Finding::new(What::Unfinished, folder.place(*unfinished), 0));
            }
        }
    }
}

impl<F> Manifests<F> {
    fn each(&self) -> impl Iterator<Item = &Manifest<F>> {
        self.newer.iter().chain(&self.older)
    }
}

/// Letters that are damaged and that no entry of a manifest refers to.
fn dead_letters(letters: Letters, journal: &Journal<'_, impl Directory>, report: &mut Report<'_>) {
    for (place, offset) in letters.dead() {
        let (place, lsn) = match place & IN_PACK {
            0 => (
                Folder::Journal.place(journal.segment_of(place)),
                Some(place),
            ),
            _ => (Folder::Pack.place(place ^ IN_PACK), None),
        };
        let finding = Finding::new(What::DeadLetter, place, offset.into());
        report.find(Finding { lsn, ..finding });
    }
}

/// What a check says before it begins.
pub fn begun(directory: &impl Directory, held: Option<Held>) -> ToControl {
    let newest = || {
        let listing = Listing::read(directory, Folder::Manifest);
        listing
            .ok()
            .and_then(|listing| listing.numbers.last().copied())
    };
    ToControl::Begun {
        manifest: held.map_or_else(|| newest().unwrap_or(0), |held| held.manifest),
        lsn: held.map_or(u64::MAX, |held| held.lsn),
        bytes: Folder::ALL
            .into_iter()
            .map(|folder| bytes(directory, folder))
            .fold(0, u64::saturating_add),
    }
}

fn bytes(directory: &impl Directory, folder: Folder) -> u64 {
    let listing = Listing::read(directory, folder).unwrap_or_default();
    let files = listing
        .numbers
        .into_iter()
        .filter_map(|number| directory.open(folder, number).ok());
    files.map(|file| file.len()).fold(0, u64::saturating_add)
}
