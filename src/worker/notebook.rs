//! Small files of `cache/` that the disk thread writes for the mail thread: never
//! synced, disposable, each with one owner who knows what stands in it.

use journal::disk::File;

/// The files. What can't be written is done without: a full disk locks nobody out.
#[derive(Default)]
pub struct Notebook {
    suspects: Option<Box<dyn File>>,
    scrub: Option<Box<dyn File>>,
    damaged: Option<Box<dyn File>>,
    lengths: Option<Box<dyn File>>,
}

/// Something to write; by default nothing.
#[derive(Debug, Default)]
pub struct Note {
    page: Page,
    offset: u64,
    bytes: Vec<u8>,
}

#[derive(Debug, Default)]
enum Page {
    #[default]
    Suspects,
    Scrub,
    Damaged,
    Lengths,
}

impl Notebook {
    /// With the file of letters that may kill their reader.
    pub fn of_suspects(file: Box<dyn File>) -> Self {
        Self {
            suspects: Some(file),
            ..Self::default()
        }
    }

    /// And with that of the scrub's place.
    pub fn scrub(&mut self, file: Box<dyn File>) {
        self.scrub = Some(file);
    }

    /// And with that of damaged letters.
    pub fn damaged(&mut self, file: Box<dyn File>) {
        self.damaged = Some(file);
    }

    /// And with that of POP3's lengths.
    pub fn lengths(&mut self, file: Box<dyn File>) {
        self.lengths = Some(file);
    }

    /// Writes, without a sync.
    pub fn write(&self, note: &Note) {
        let file = match note.page {
            Page::Suspects => &self.suspects,
            Page::Scrub => &self.scrub,
            Page::Damaged => &self.damaged,
            Page::Lengths => &self.lengths,
        };
        if let Some(file) = file {
            let _ = file.write_at(note.offset, &note.bytes);
        }
    }
}

impl Note {
    /// Of letters that may kill their reader.
    pub fn suspects(offset: u64, bytes: Vec<u8>) -> Self {
        Self {
            page: Page::Suspects,
            offset,
            bytes,
        }
    }

    /// Of the scrub's place.
    pub fn scrub(bytes: Vec<u8>) -> Self {
        Self {
            page: Page::Scrub,
            offset: 0,
            bytes,
        }
    }

    /// Of damaged letters.
    pub fn damaged(offset: u64, bytes: Vec<u8>) -> Self {
        Self {
            page: Page::Damaged,
            offset,
            bytes,
        }
    }

    /// Of POP3's lengths.
    pub fn lengths(offset: u64, bytes: Vec<u8>) -> Self {
        Self {
            page: Page::Lengths,
            offset,
            bytes,
        }
    }
}
