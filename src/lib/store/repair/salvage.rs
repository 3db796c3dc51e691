//! Every letter that can be found without an index: by the appends in the
//! journal, and by the directories of packs.

use super::records::{Headless, Journal};
use crate::account::{PackSpace, Waste};
use crate::entry::{Body, BodyFile};
use crate::file::PACK;
use crate::flag::{Keyword, SystemFlags};
use crate::id::{MailboxId, MessageId, PackId, ThreadId, Uid};
use crate::letter::{Hashes, Letters};
use crate::message::{InternalDate, SaveDate};
use crate::operation::{Append, Operation, StoredBody};
use crate::pack::{self, Letter};
use journal::Lsn;
use journal::disk::{Disk, DiskError};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, HashSet};

/// Packs with higher numbers are not ours.
const NUMBER_MAX: u64 = 1 << 62;

/// A letter without an entry.
#[derive(Clone, Debug)]
pub(super) struct Stray {
    pub(super) message: Option<MessageId>,
    pub(super) thread: Option<ThreadId>,
    pub(super) date: InternalDate,
    /// When it came into its mailbox, if that is still known.
    pub(super) saved: Option<SaveDate>,
    pub(super) system: SystemFlags,
    pub(super) keywords: Vec<Keyword>,
    pub(super) body: Body,
}

/// All that was found.
#[derive(Debug, Default)]
pub(super) struct Strays {
    /// By where they lay; from a pack rather than from the journal.
    pub(super) at_home: BTreeMap<(MailboxId, Uid), Stray>,
    /// Those of which nobody knows where they lay.
    pub(super) homeless: Vec<Stray>,
    /// Every pack that can be read.
    pub(super) packs: BTreeMap<PackId, PackSpace>,
    /// What the letters in packs hash to, and their sizes.
    prints: HashSet<(u32, [u8; 32])>,
}

impl Strays {
    /// What came nobody knows when counts as having come now.
    pub(super) fn date_unknown(&mut self, now: SaveDate) {
        for stray in self.at_home.values_mut().chain(&mut self.homeless) {
            stray.saved.get_or_insert(now);
        }
    }
}

/// Looks through the journal and all packs.
///
/// # Errors
/// What the disk said.
pub(super) fn strays<D: Disk>(root: &D, journal: &Journal) -> Result<Strays, DiskError> {
    let mut strays = Strays::default();
    let mut known = HashSet::new();
    for found in &journal.records {
        for operation in &found.transaction.operations {
            if let Operation::Append(append) = operation {
                let stray = of_append(found.lsn, append);
                known.insert(stray.body);
                strays.at_home.insert((append.mailbox, append.uid), stray);
            }
        }
    }
    for number in PACK.list(root)?.0 {
        let pack = PackId(number);
        if let Some(letters) = directory(root, pack)? {
            strays.pack(pack, letters, &known);
        }
    }
    strays.headless(root, journal)?;
    Ok(strays)
}

impl Strays {
    fn pack(&mut self, pack: PackId, letters: Vec<Letter>, known: &HashSet<Body>) {
        let bytes = letters.iter().map(|letter| u64::from(letter.size)).sum();
        let space = PackSpace {
            letters: u32::try_from(letters.len()).unwrap_or(u32::MAX),
            bytes,
            waste: Waste::default(),
        };
        self.packs.insert(pack, space);
        for letter in letters {
            self.prints.insert((letter.size, letter.sha256));
            let stray = of_letter(pack, &letter);
            match letter.home {
                Some(home) => {
                    self.at_home.insert((home.mailbox, home.uid), stray);
                }
                None if known.contains(&stray.body) => {}
                None => self.homeless.push(stray),
            }
        }
    }
}

impl Strays {
    /// What the bodies of records without heads hold: where one letter ends and
    /// the next begins stood in the head, so a body counts as one letter. What
    /// has been copied to a pack since is left there.
    fn headless<D: Disk>(&mut self, root: &D, journal: &Journal) -> Result<(), DiskError> {
        let hashes = Hashes::new();
        let mut letters = Letters::new(root, &journal.segments, &hashes);
        for record in &journal.headless {
            let stray = of_headless(*record);
            let mut hash = Sha256::new();
            for part in letters.read(stray.body)?.parts {
                hash.update(&part.bytes);
            }
            let print = (record.body_len, hash.finalize().into());
            if !self.prints.contains(&print) {
                self.homeless.push(stray);
            }
        }
        Ok(())
    }
}

fn of_headless(record: Headless) -> Stray {
    Stray {
        message: None,
        thread: None,
        date: InternalDate {
            secs: 0,
            offset_minutes: 0,
        },
        saved: None,
        system: SystemFlags::NONE,
        keywords: Vec::new(),
        body: Body::new(BodyFile::Record(record.lsn), 0, record.body_len),
    }
}

fn of_append(lsn: Lsn, append: &Append) -> Stray {
    let (file, offset) = match append.body {
        StoredBody::Inline { offset } => (BodyFile::Record(lsn), offset),
        StoredBody::Pack { pack, offset } => (BodyFile::Pack(pack), offset),
    };
    Stray {
        message: Some(append.message),
        thread: Some(append.thread),
        date: append.date,
        saved: Some(append.saved),
        system: append.system,
        keywords: append.keywords.clone(),
        body: Body::new(file, offset, append.size),
    }
}

fn of_letter(pack: PackId, letter: &Letter) -> Stray {
    Stray {
        message: letter.message,
        thread: letter.thread,
        date: letter.date,
        saved: letter.saved,
        system: letter.system,
        keywords: Vec::new(),
        body: Body::new(BodyFile::Pack(pack), letter.offset, letter.size),
    }
}

fn directory<D: Disk>(root: &D, pack: PackId) -> Result<Option<Vec<Letter>>, DiskError> {
    if !(1..NUMBER_MAX).contains(&pack.0) {
        return Ok(None);
    }
    let file = PACK.open(root, pack.0)?;
    match pack::read_header(&file, pack)? {
        Ok(header) => pack::read_directory(&file, &header),
        Err(_) => Ok(None),
    }
}
