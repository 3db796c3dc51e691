//! Keeping the cache small: files go that have had their time, or that nobody can
//! want. One file a step.
//!
//! A file that is half superseded records goes too, and is not written anew: that
//! happens once in a new version's life, its letters can be read again, and a step
//! that only removes is short.

use super::file::{HEADER_BYTES, Header, Slot, TABLE_END};
use super::{EXTENSION, LetterCache, SLOTS, directory};
use crate::id::MessageId;
use journal::disk::{Disk, DiskError, File, Name};

/// What is still to be looked at.
#[derive(Debug)]
pub struct Tidy {
    left: Vec<u64>,
}

/// What a step did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Swept {
    /// A file stays.
    Kept,
    /// A file was removed: readers must forget.
    Removed,
    /// Nothing is left.
    Over,
}

impl<D: Disk> LetterCache<D> {
    /// Begins to tidy up. A cache that isn't there is tidy.
    pub fn tidy(&self) -> Tidy {
        let names = directory(&self.root).and_then(|dir| dir.list());
        let names = names.unwrap_or_default();
        let left = names.iter().filter_map(|name| name.number(EXTENSION));
        Tidy {
            left: left.collect(),
        }
    }

    /// Looks at the next file. It goes if it is older than
    /// [`super::CACHE_DAYS_MAX`], isn't one of ours, is half superseded, or if all its
    /// messages are below `lowest`: no message with a lower id lives (0: not known).
    /// What fails is tried again next time.
    pub fn sweep(&mut self, tidy: &mut Tidy, lowest: MessageId, now_secs: i64) -> Swept {
        let Some(number) = tidy.left.pop() else {
            return Swept::Over;
        };
        match self.sweep_file(number, lowest, now_secs) {
            Ok(true) => {
                self.open = None;
                Swept::Removed
            }
            Ok(false) | Err(_) => Swept::Kept,
        }
    }

    /// Whether the file went.
    fn sweep_file(&self, number: u64, lowest: MessageId, now: i64) -> Result<bool, DiskError> {
        let dir = directory(&self.root)?;
        let name = Name::numbered(number, EXTENSION);
        let wanted = match dir.open(&name) {
            Ok(file) => lowest.0.wrapping_div(SLOTS) <= number && is_good(&file, number, now)?,
            Err(DiskError::NotOurs) => false,
            Err(error) => return Err(error),
        };
        if !wanted {
            dir.remove(&name)?;
        }
        Ok(!wanted)
    }
}

fn is_good<F: File>(file: &F, number: u64, now_secs: i64) -> Result<bool, DiskError> {
    let mut head = vec![0; TABLE_END as usize];
    let read = file.read_at(0, &mut head)?;
    head.truncate(read);
    let header = head.get(..HEADER_BYTES).and_then(Header::decode);
    let good = header.is_some_and(|header| header.is_good(number, now_secs));
    Ok(good && !is_wasteful(&head, file.len()?))
}

/// Whether more of a file is superseded than not.
fn is_wasteful(head: &[u8], len: u64) -> bool {
    let slots = (0..SLOTS).filter_map(|id| Slot::find(MessageId(id), head));
    let used = slots.fold(0_u64, |used, slot| used.saturating_add(slot.len as u64));
    len.saturating_sub(TABLE_END) > used.saturating_mul(2)
}
