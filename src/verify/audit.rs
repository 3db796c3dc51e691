//! The first pass over the journal: the form of every transaction, and every
//! letter's SHA-256. What it means is left to the replay.

use crate::directory::{Directory, Folder};
use crate::journal::{End, Visited};
use crate::letters::{IN_PACK, Letter, Letters, print};
use crate::pack;
use crate::record::{QUIET, TRANSACTION, is_optional};
use crate::report::Report;
use crate::sealed::Sealed;
use crate::transaction::{Append, Operation, Transaction};
use ipc::edge::verify::{Finding, What};
use std::collections::{BTreeMap, BTreeSet};

/// Entries that no index has yet, and whose letters ail: at most 65,536 are
/// remembered until it is known whether they still live.
#[derive(Debug, Default)]
pub struct Ailing {
    findings: Vec<Finding>,
    /// By mailbox and UID, as they were appended.
    places: BTreeMap<(u64, u32), u16>,
}

impl Ailing {
    /// Remembers one; gives it back if there are too many, or it is of no entry.
    fn insert(&mut self, finding: Finding) -> Result<(), Finding> {
        let place = finding.mailbox.zip(finding.uid).ok_or(finding)?;
        let number = u16::try_from(self.findings.len()).map_err(|_| finding)?;
        self.findings.push(finding);
        self.places.insert(place, number);
        Ok(())
    }

    /// The number of what was found of an entry.
    pub fn of(&self, mailbox: u64, uid: u32) -> Option<u16> {
        self.places.get(&(mailbox, uid)).copied()
    }

    /// What was found, in the order of its numbers.
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }
}

/// Where a manifest says that a record begins, or the journal ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Landmark {
    /// The manifest.
    pub number: u64,
    /// Where.
    pub lsn: u64,
    /// The term there, and the CRC of the header of the record before; `None`:
    /// not said.
    pub chain: Option<(u64, u32)>,
    /// What is found if that isn't so.
    pub otherwise: What,
}

/// What is known as the pass goes on.
pub struct Audit<'a, D> {
    directory: &'a D,
    letters: &'a mut Letters,
    /// Below this, entries are in the index.
    settled: u64,
    landmarks: Vec<Landmark>,
    /// The term of the last record.
    term: u64,
    modseq: u64,
    /// The highest message id.
    message: u64,
    /// Entries of the tail whose letters ail, by mailbox and UID.
    ailing: Ailing,
    /// Packs that entries of the tail refer to.
    packs: BTreeSet<u64>,
}

/// A letter that an append names within its record.
struct Inline {
    offset: u32,
    size: u32,
    sha256: [u8; 32],
    message: u64,
    mailbox: u64,
    uid: u32,
}

impl<'a, D: Directory> Audit<'a, D> {
    /// Begins. Entries of records from `settled` on are in no index.
    pub fn new(
        directory: &'a D,
        letters: &'a mut Letters,
        settled: u64,
        landmarks: Vec<Landmark>,
    ) -> Self {
        Self {
            directory,
            letters,
            settled,
            landmarks,
            term: 0,
            modseq: 0,
            message: 0,
            ailing: Ailing::default(),
            packs: BTreeSet::new(),
        }
    }

    /// Looks at one record.
    pub fn visit(&mut self, visited: &Visited<'_, D::File>, report: &mut Report<'_>) {
        let header = &visited.header;
        let before = End {
            lsn: header.lsn,
            crc: Some(header.predecessor),
            term: header.term,
            unbroken: visited.unbroken,
        };
        self.pass_landmarks(before, report);
        self.term = header.term;
        let mut inline = Vec::new();
        let known = match (header.kind, visited.head) {
            (_, None) => {
                self.letters.doubt(header.lsn, Ok(0));
                false
            }
            (QUIET, Some(_)) => self.quiet(visited, report),
            (TRANSACTION, Some(head)) => self.transaction(visited, head, &mut inline, report),
            (kind, Some(_)) if is_optional(kind) => false,
            _ => {
                report.find(visited.finding(What::UnknownCritical));
                false
            }
        };
        self.body(visited, inline, known, report);
    }

    /// The end: landmarks that weren't passed lie here or nowhere. What ails, and
    /// the packs of the tail.
    pub fn finish(mut self, end: End, report: &mut Report<'_>) -> (Ailing, BTreeSet<u64>) {
        self.pass_landmarks(end, report);
        if !end.unbroken {
            self.letters.doubt_journal();
        }
        for astray in self.landmarks.iter().filter(|_| end.unbroken) {
            let place = Folder::Manifest.place(astray.number);
            report.find(Finding::new(astray.otherwise, place, 0));
        }
        (self.ailing, self.packs)
    }

    /// Each manifest lies between two records, of which it knows the first.
    fn pass_landmarks(&mut self, here: End, report: &mut Report<'_>) {
        let terms = self.term..=here.term.max(self.term);
        self.landmarks.retain(|mark| {
            if mark.lsn > here.lsn {
                return true;
            }
            let right = mark.lsn == here.lsn
                && mark.chain.is_none_or(|(term, predecessor)| {
                    terms.contains(&term) && here.crc.is_none_or(|crc| crc == predecessor)
                });
            // Behind damage nobody knows where records began and ended.
            if !right && here.unbroken {
                let place = Folder::Manifest.place(mark.number);
                let finding = Finding::new(mark.otherwise, place, 0);
                report.find(Finding {
                    lsn: Some(here.lsn),
                    ..finding
                });
            }
            false
        });
    }

    fn quiet(&self, visited: &Visited<'_, D::File>, report: &mut Report<'_>) -> bool {
        let empty = visited.header.head_len == 0 && visited.header.body_len == 0;
        if !empty {
            report.find(visited.finding(What::Malformed));
        }
        empty
    }

    /// Whether all of it could be read and is known.
    fn transaction(
        &mut self,
        visited: &Visited<'_, D::File>,
        head: &[u8],
        inline: &mut Vec<Inline>,
        report: &mut Report<'_>,
    ) -> bool {
        let mut transaction = match Transaction::begin(head) {
            Ok(transaction) => transaction,
            Err(what) => {
                report.find(visited.finding(what));
                return false;
            }
        };
        if transaction.modseq <= self.modseq {
            report.find(visited.finding(What::ModseqFalls));
        }
        self.modseq = self.modseq.max(transaction.modseq);
        let given = self.message;
        loop {
            match transaction.next_operation() {
                Ok(None) => return true,
                Ok(Some(Operation::Append(append))) => {
                    self.append(visited, &append, given, inline, report);
                }
                Ok(Some(_)) => {}
                Err(what) => {
                    report.find(visited.finding(what));
                    return false;
                }
            }
        }
    }

    fn append(
        &mut self,
        visited: &Visited<'_, D::File>,
        append: &Append,
        given: u64,
        inline: &mut Vec<Inline>,
        report: &mut Report<'_>,
    ) {
        let finding = |what| {
            of_entry(
                visited.finding(what),
                append.mailbox,
                append.uid,
                append.message,
            )
        };
        if append.message <= given {
            report.find(finding(What::MessageTwice));
        }
        self.message = self.message.max(append.message);
        match append.pack {
            None => inline.push(Inline {
                offset: append.offset,
                size: append.size,
                sha256: append.sha256,
                message: append.message,
                mailbox: append.mailbox,
                uid: append.uid,
            }),
            // A pack of an older record may have been written anew since.
            Some(pack) if visited.header.lsn >= self.settled => {
                if let Err(what) = self.packed(append, pack, report) {
                    self.ail(finding(what), report);
                }
            }
            Some(_) => {}
        }
    }

    /// A letter that was too large for the journal. The entry may be gone by now,
    /// and the pack with it, so it is not yet told.
    fn packed(&mut self, append: &Append, pack: u64, report: &mut Report<'_>) -> Result<(), What> {
        let place = IN_PACK | pack;
        self.packs.insert(pack);
        if !self.letters.has(place)
            && self.directory.open(Folder::Pack, pack).err() != Some(What::Missing)
        {
            pack::check(self.directory, pack, self.letters, report);
        }
        let found = self
            .letters
            .refer(place, append.offset, append.size, append.message)?;
        match found == print(&append.sha256) {
            true => Ok(()),
            false => Err(What::OtherLetter),
        }
    }

    fn body(
        &mut self,
        visited: &Visited<'_, D::File>,
        mut inline: Vec<Inline>,
        known: bool,
        report: &mut Report<'_>,
    ) {
        inline.sort_unstable_by_key(|letter| (letter.offset, letter.size));
        let mut body = Sealed::new(visited.file, visited.body);
        let (mut letters, mut tiled) = (Vec::<Letter>::new(), true);
        for letter in &inline {
            let again = letters
                .last()
                .filter(|last| (last.offset, last.size) == (letter.offset, letter.size));
            let ailment = match again.copied() {
                Some(last) => {
                    let same =
                        last.print == print(&letter.sha256) && last.message == letter.message;
                    tiled &= same || last.size == 0;
                    last.ailment
                }
                None => {
                    tiled &= u64::from(letter.offset) == body.position()
                        && u64::from(letter.size) <= body.left();
                    if !tiled {
                        break;
                    }
                    report.count(|totals| &mut totals.letters, 1);
                    let ailment = pack::hash(&mut body, letter.size, &letter.sha256).err();
                    letters.push(letter.found(ailment));
                    ailment
                }
            };
            if let Some(what) = ailment.filter(|_| visited.header.lsn >= self.settled) {
                let finding = of_entry(
                    visited.finding(what),
                    letter.mailbox,
                    letter.uid,
                    letter.message,
                );
                self.ail(finding, report);
            }
        }
        if known && (!tiled || body.left() > 0) {
            report.find(visited.finding(What::LettersLie));
        }
        self.seal(visited, &mut body, report);
        if visited.header.lsn < self.settled
            && !letters.is_empty()
            && !self.letters.insert(visited.header.lsn, letters)
        {
            report.find(visited.finding(What::TooMuch));
        }
    }

    fn seal(
        &self,
        visited: &Visited<'_, D::File>,
        body: &mut Sealed<'_, D::File>,
        report: &mut Report<'_>,
    ) {
        let left = body.left();
        body.pass(left, |_| {});
        let mut seal = visited.head_seal.clone();
        seal.combine(&body.seal());
        let whole = visited.head.is_some() && body.is_whole();
        if whole && seal.finalize() != visited.header.seal {
            report.find(visited.finding(What::Seal));
        }
    }

    fn ail(&mut self, finding: Finding, report: &mut Report<'_>) {
        if let Err(finding) = self.ailing.insert(finding) {
            report.find(finding);
        }
    }
}

impl Inline {
    fn found(&self, ailment: Option<What>) -> Letter {
        Letter {
            offset: self.offset,
            size: self.size,
            message: self.message,
            print: print(&self.sha256),
            ailment,
            referred: false,
        }
    }
}

/// A finding that hurts an entry.
pub fn of_entry(finding: Finding, mailbox: u64, uid: u32, message: u64) -> Finding {
    Finding {
        mailbox: Some(mailbox),
        uid: Some(uid),
        message: Some(message),
        ..finding
    }
}
