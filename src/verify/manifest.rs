//! Manifests: the state at an LSN, as it was written down.
//!
//! A manifest may have a gigabyte, so it is read as a stream. What stays in
//! memory is the state without entries, and where each mailbox's runs and
//! references stand.

mod content;

pub use content::{Content, Run};

use crate::audit::Landmark;
use crate::chunk::Reference;
use crate::directory::{Directory, File, Folder};
use crate::entry::push_frugally;
use crate::fields::{Fields, in_range};
use crate::header::{HEADER_BYTES, Header, must_be};
use crate::report::Report;
use crate::sealed::{Sealed, Section};
use ipc::edge::verify::{Finding, What};

/// Bytes of a manifest's row.
const ROW_BYTES_MAX: u64 = 1 << 30;

/// A manifest that could be read to its end.
pub struct Manifest<F> {
    file: F,
    outline: Outline,
    /// What stands in its row.
    pub content: Content,
}

/// What a manifest's header says.
#[derive(Debug, Clone, Copy)]
struct Outline {
    number: u64,
    lsn: u64,
    term: u64,
    predecessor: u32,
    row: Section,
    seal: u32,
}

impl<F: File> Manifest<F> {
    /// Reads a manifest; `None` if it can't be read to its end.
    pub fn load(
        directory: &impl Directory<File = F>,
        number: u64,
        report: &mut Report<'_>,
    ) -> Option<Self> {
        report.count(|totals| &mut totals.files, 1);
        let opened = directory.open(Folder::Manifest, number);
        let outlined = opened.and_then(|file| Ok((outline(&file, number)?, file)));
        let read = outlined
            .map_err(|what| (what, 0))
            .and_then(|(outline, file)| {
                let content = read(&file, &outline, report)?;
                Ok(Self {
                    file,
                    outline,
                    content,
                })
            });
        read.map_err(|(what, offset)| {
            report.find(Finding::new(what, Folder::Manifest.place(number), offset));
        })
        .ok()
    }

    /// Its number.
    pub fn number(&self) -> u64 {
        self.outline.number
    }

    /// The state is that of all records below.
    pub fn lsn(&self) -> u64 {
        self.outline.lsn
    }

    /// The journal's term there.
    pub fn term(&self) -> u64 {
        self.outline.term
    }

    /// What it knows of the journal.
    pub fn landmarks(&self) -> [Landmark; 2] {
        let Outline {
            number,
            lsn,
            term,
            predecessor,
            ..
        } = self.outline;
        let oldest = self.content.oldest;
        [
            Landmark {
                number,
                lsn,
                chain: Some((term, predecessor)),
                otherwise: What::Astray,
            },
            Landmark {
                number,
                lsn: oldest,
                chain: None,
                otherwise: What::BadOldest,
            },
        ]
    }

    /// Something that was found in it.
    pub fn finding(&self, what: What, mailbox: u64) -> Finding {
        let stretch = self.content.stretches.get(&mailbox);
        let at = stretch.map_or(0, |stretch| stretch.runs_at);
        let place = Folder::Manifest.place(self.outline.number);
        let finding = Finding::new(what, place, self.outline.row.file_offset(at));
        Finding {
            mailbox: Some(mailbox),
            ..finding
        }
    }

    /// So many references from a place in the row on, until one can't be read.
    pub fn references(&self, away: Option<(u64, u32)>) -> References<'_, F> {
        let (at, left) = away.unwrap_or_default();
        let row = Sealed::at(&self.file, self.outline.row, at);
        References { row, left }
    }

    /// A mailbox's runs in the order of UIDs; `None` if there are more than `max`.
    ///
    /// # Errors
    /// What is wrong with one.
    pub fn runs(&self, mailbox: u64, max: u32) -> Result<Option<Vec<Run>>, What> {
        let Some(stretch) = self.content.stretches.get(&mailbox) else {
            return Ok(None);
        };
        if stretch.runs > max {
            return Ok(None);
        }
        let mut row = Sealed::at(&self.file, self.outline.row, stretch.runs_at);
        let mut runs = Vec::new();
        for _ in 0..stretch.runs {
            push_frugally(&mut runs, Run::read(&mut row)?);
        }
        runs.sort_unstable();
        Ok(Some(runs))
    }
}

/// References on their way in.
pub struct References<'m, F> {
    row: Sealed<'m, F>,
    left: u32,
}

impl<F: File> Iterator for References<'_, F> {
    type Item = Result<Reference, What>;

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let read = Reference::read(&mut self.row);
        if read.is_err() {
            self.left = 0;
        }
        Some(read)
    }
}

fn outline(file: &impl File, number: u64) -> Result<Outline, What> {
    let header = Header::read(file, Folder::Manifest)?;
    let mut fields = header.fields();
    fields.zeros::<2>()?;
    let seal = fields.u32()?;
    must_be(fields.id()?, number)?;
    let (lsn, term) = (fields.modseq()?, fields.u64()?);
    let len = in_range(fields.u64()?, |len| *len <= ROW_BYTES_MAX)?;
    let predecessor = fields.u32()?;
    fields.zeros::<8>()?;
    let row = Section {
        domain: number,
        first_block: 0,
        at: HEADER_BYTES,
        len,
    };
    match row.end() <= file.len() {
        true => Ok(Outline {
            number,
            lsn,
            term,
            predecessor,
            row,
            seal,
        }),
        false => Err(What::Short),
    }
}

/// Errors are of bytes that can't be read, or sections that can't be told apart.
fn read(
    file: &impl File,
    outline: &Outline,
    report: &mut Report<'_>,
) -> Result<Content, (What, u64)> {
    let mut row = Sealed::new(file, outline.row);
    let mut reader = content::Reader::new(outline.number, outline.lsn);
    while row.left() > 0 {
        let at = row.file_offset();
        reader
            .section(&mut row, report)
            .map_err(|what| (what, at))?;
    }
    report.read(file.len());
    if row.seal().finalize() != outline.seal {
        return Err((What::Seal, 12));
    }
    match file.len() > outline.row.end() {
        true => Err((What::TooLong, outline.row.end())),
        false => Ok(reader.finish(report)),
    }
}
