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

/// Entries with something wrong with their letter that are remembered until it
/// is known whether they still live.
const AILING_MAX: usize = 65_536;

/// Entries that no index has yet and whose letters ail, by mailbox and UID.
pub type Ailing = BTreeMap<(u64, u32), Finding>;

/// A manifest, as the journal must agree with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Landmark {
    /// The manifest.
    pub number: u64,
    /// Its state is that of all records below.
    pub lsn: u64,
    /// The term there.
    pub term: u64,
    /// The CRC of the header of the record before.
    pub predecessor: u32,
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
            ailing: BTreeMap::new(),
            packs: BTreeSet::new(),
        }
    }

    /// Looks at one record.
    pub fn visit(&mut self, visited: &Visited<'_, D::File>, report: &mut Report<'_>) {
        let header = &visited.header;
        self.pass_landmarks(header.lsn, Some(header.predecessor), header.term, report);
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
        self.pass_landmarks(end.lsn, end.crc, end.term, report);
        if !end.unbroken {
            self.letters.doubt_journal();
        }
        for astray in &self.landmarks {
            let place = Folder::Manifest.place(astray.number);
            report.find(Finding::new(What::Astray, place, 24));
        }
        (self.ailing, self.packs)
    }

    /// Each manifest lies between two records, of which it knows the first.
    fn pass_landmarks(&mut self, lsn: u64, crc: Option<u32>, term: u64, report: &mut Report<'_>) {
        let before = self.term;
        self.landmarks.retain(|mark| {
            if mark.lsn > lsn {
                return true;
            }
            let right = mark.lsn == lsn
                && crc.is_none_or(|crc| crc == mark.predecessor)
                && (before..=term.max(before)).contains(&mark.term);
            if !right {
                let place = Folder::Manifest.place(mark.number);
                report.find(Finding {
                    lsn: Some(lsn),
                    ..Finding::new(What::Astray, place, 24)
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
                    tiled &= u64::from(letter.offset) == body.position();
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
        if seal.finalize() != visited.header.seal {
            report.find(visited.finding(What::Seal));
        }
    }

    fn ail(&mut self, finding: Finding, report: &mut Report<'_>) {
        match (finding.mailbox, finding.uid) {
            (Some(mailbox), Some(uid)) if self.ailing.len() < AILING_MAX => {
                self.ailing.insert((mailbox, uid), finding);
            }
            _ => report.find(finding),
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
