//! Reading the bytes of letters: from memory if they are there, else by the disk
//! thread, while others work.

use crate::account::Account;
use crate::disk::Gone;
use journal::disk::Disk;
use message::limits::PIECE_BYTES;
use std::cell::RefCell;
use store::{Block, BodyReader, BodyRef, Piece, ReadError};

/// Why bytes can't be had.
#[derive(Debug, PartialEq, Eq)]
pub enum Unread {
    /// The body is damaged, or the disk failed.
    Damaged(ReadError),
    /// The body is shorter than the store says.
    Short,
    /// The disk thread has ended: so will the process.
    Gone,
}

impl From<Gone> for Unread {
    fn from(Gone: Gone) -> Self {
        Self::Gone
    }
}

impl From<ReadError> for Unread {
    fn from(error: ReadError) -> Self {
        Self::Damaged(error)
    }
}

/// Bytes of a letter from one offset to another, piece by piece.
pub struct Pieces<'a> {
    account: &'a Account,
    body: BodyRef,
    at: u64,
    end: u64,
}

impl<'a> Pieces<'a> {
    /// The bytes from `start` to below `end`.
    pub fn new(account: &'a Account, body: BodyRef, start: u64, end: u64) -> Self {
        Self {
            account,
            body,
            at: start,
            end,
        }
    }

    /// The next piece, of at most [`PIECE_BYTES`]; none at the end. It shares the
    /// memory of its block, so nobody should keep it for long.
    ///
    /// # Errors
    /// [`Unread`].
    pub async fn next(&mut self) -> Result<Option<Piece>, Unread> {
        if self.at >= self.end {
            return Ok(None);
        }
        let mut piece = self.read().await?;
        if piece.is_empty() {
            return Err(Unread::Short);
        }
        let left = usize::try_from(self.end.saturating_sub(self.at)).unwrap_or(usize::MAX);
        piece.shorten(left.min(PIECE_BYTES));
        self.at = self.at.saturating_add(piece.len() as u64);
        Ok(Some(piece))
    }

    /// What isn't in memory the disk thread reads, a block at a time; whoever goes on
    /// in it doesn't wait again.
    async fn read(&self) -> Result<Piece, Unread> {
        let bodies = self.account.bodies();
        loop {
            if let Some(piece) = bodies.piece_nowait(&self.body, self.at)? {
                return Ok(piece);
            }
            let block = self.account.disk().read(self.body, self.at).await??;
            bodies.keep(block);
        }
    }
}

/// What is in memory, read without waiting. The disk's type ends here.
pub trait Bodies {
    /// As [`BodyReader::piece_nowait`].
    fn piece_nowait(&self, body: &BodyRef, offset: u64) -> Result<Option<Piece>, ReadError>;

    /// As [`BodyReader::keep`].
    fn keep(&self, block: Block);

    /// As [`BodyReader::rest`].
    fn rest(&self);
}

impl<D: Disk> Bodies for RefCell<BodyReader<D>> {
    fn piece_nowait(&self, body: &BodyRef, offset: u64) -> Result<Option<Piece>, ReadError> {
        self.borrow_mut().piece_nowait(body, offset)
    }

    fn keep(&self, block: Block) {
        self.borrow_mut().keep(block);
    }

    fn rest(&self) {
        self.borrow_mut().rest();
    }
}
