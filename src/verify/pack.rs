//! Packs: every block's CRC, and every letter's SHA-256, in one pass.

use crate::directory::{Directory, File, Folder};
use crate::fields::Fields;
use crate::header::{HEADER_BYTES, Header, must_be};
use crate::letters::{IN_PACK, Letter, Letters, print};
use crate::report::Report;
use crate::sealed::{Sealed, Section};
use ipc::edge::verify::{Finding, What};
use sha2::{Digest, Sha256};

/// Bytes of one letter's line in the directory.
const LINE_BYTES: u64 = 96;

/// What a pack's header says.
struct Outline {
    seal: u32,
    body: Section,
    lines: Section,
}

/// Checks a pack, and remembers its letters.
pub fn check(
    directory: &impl Directory,
    number: u64,
    letters: &mut Letters,
    report: &mut Report<'_>,
) {
    let place = Folder::Pack.place(number);
    let opened = directory.open(Folder::Pack, number);
    let outlined = opened.and_then(|file| outline(&file, number).map(|outline| (file, outline)));
    report.count(|totals| &mut totals.files, 1);
    let (file, outline) = match outlined {
        Ok(outlined) => outlined,
        Err(what) => {
            report.find(Finding::new(what, place, 0));
            letters.doubt(IN_PACK | number, Err(What::RottenLetter));
            return;
        }
    };
    let expected = outline.lines.end();
    if file.len() > expected {
        report.find(Finding::new(What::TooLong, place, expected));
    }
    let mut reading = Reading {
        body: Sealed::new(&file, outline.body),
        lines: Sealed::new(&file, outline.lines),
        found: Vec::new(),
    };
    let read = reading.all(report);
    let offset = reading.lines.file_offset();
    let mut seal = reading.body.seal();
    seal.combine(&reading.lines.seal());
    if let Err(what) = read {
        report.find(Finding::new(what, place, offset));
        letters.doubt(IN_PACK | number, Err(What::RottenLetter));
    } else if reading.body.is_whole() && seal.finalize() != outline.seal {
        report.find(Finding::new(What::Seal, place, 32));
    }
    if !letters.insert(IN_PACK | number, reading.found) {
        report.find(Finding::new(What::TooMuch, place, 0));
    }
}

fn outline(file: &impl File, number: u64) -> Result<Outline, What> {
    let header = Header::read(file, Folder::Pack)?;
    let mut fields = header.fields();
    fields.zeros::<2>()?;
    let letters = u64::from(fields.u32()?);
    must_be(fields.id()?, number)?;
    let len = fields.u64()?;
    let seal = fields.u32()?;
    fields.zeros::<24>()?;
    let body = Section {
        domain: number,
        first_block: 0,
        at: HEADER_BYTES,
        len: u32::try_from(len).map_err(|_| What::OutOfRange)?.into(),
    };
    let lines = body.followed_by(letters.saturating_mul(LINE_BYTES));
    match lines.end() <= file.len() {
        true => Ok(Outline { seal, body, lines }),
        false => Err(What::Short),
    }
}

/// A pack, read twice at once: its lines, and the letters that they name.
struct Reading<'f, F> {
    body: Sealed<'f, F>,
    lines: Sealed<'f, F>,
    found: Vec<Letter>,
}

impl<F: File> Reading<'_, F> {
    fn all(&mut self, report: &mut Report<'_>) -> Result<(), What> {
        // The lines are there, so this is no more than a third of the file.
        let lines = usize::try_from(self.lines.left() / LINE_BYTES).unwrap_or(usize::MAX);
        self.found.reserve_exact(lines);
        while self.lines.left() > 0 {
            self.letter(report)?;
        }
        match self.body.left() {
            0 => Ok(()),
            left => {
                self.body.pass(left, |_| {});
                Err(What::LettersLie)
            }
        }
    }

    fn letter(&mut self, report: &mut Report<'_>) -> Result<(), What> {
        let expected = self.body.position();
        let (offset, size) = (self.lines.u32()?, self.lines.u32()?);
        if u64::from(offset) != expected || self.body.left() < u64::from(size) {
            return Err(What::LettersLie);
        }
        let message = self.lines.modseq()?;
        let (_thread, _mailbox) = (self.lines.modseq()?, self.lines.modseq()?);
        let (_validity, _uid) = (self.lines.u32()?, self.lines.u32()?);
        let (_date, _minutes) = (self.lines.date()?, self.lines.i16()?);
        self.lines.flags()?;
        let _saved = self.lines.u32()?;
        self.lines.zeros::<9>()?;
        let sha256 = self.lines.bytes::<32>()?;
        let ailment = hash(&mut self.body, size, &sha256).err();
        report.count(|totals| &mut totals.letters, 1);
        report.read(u64::from(size).saturating_add(LINE_BYTES));
        self.found.push(Letter {
            offset,
            size,
            message,
            print: print(&sha256),
            ailment,
            referred: false,
        });
        Ok(())
    }
}

/// Reads a letter, and compares it with its SHA-256.
///
/// # Errors
/// [`What::RottenLetter`] or [`What::OtherLetter`].
pub fn hash<F: File>(body: &mut Sealed<'_, F>, size: u32, sha256: &[u8; 32]) -> Result<(), What> {
    let mut hasher = Sha256::new();
    match body.pass(size.into(), |bytes| hasher.update(bytes)) {
        None if *hasher.finalize() == *sha256 => Ok(()),
        None => Err(What::OtherLetter),
        Some(_) => Err(What::RottenLetter),
    }
}
