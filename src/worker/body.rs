//! Reading the bytes of letters: from memory if they are there, else by the disk
//! thread, while others work.

use crate::account::Account;
use crate::disk::Gone;
use journal::disk::Disk;
use message::limits::PIECE_BYTES;
use std::cell::RefCell;
use store::{BodyReader, BodyRef, ReadError};

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

    /// The next piece, of at most [`PIECE_BYTES`]; none at the end.
    ///
    /// # Errors
    /// [`Unread`].
    pub async fn next(&mut self) -> Result<Option<Vec<u8>>, Unread> {
        if self.at >= self.end {
            return Ok(None);
        }
        let left = usize::try_from(self.end.saturating_sub(self.at)).unwrap_or(usize::MAX);
        let piece = self.read(left.min(PIECE_BYTES)).await?;
        if piece.is_empty() {
            return Err(Unread::Short);
        }
        self.at = self.at.saturating_add(piece.len() as u64);
        Ok(Some(piece))
    }

    async fn read(&self, bytes: usize) -> Result<Vec<u8>, Unread> {
        let mut piece = vec![0; bytes];
        let warm = self.account.bodies();
        if let Some(count) = warm.read_nowait(&self.body, self.at, &mut piece)?
            && count > 0
        {
            piece.truncate(count);
            return Ok(piece);
        }
        let cold = self.account.disk().read(self.body, self.at, bytes);
        Ok(cold.await??)
    }
}

/// What is in memory, read without waiting. The disk's type ends here.
pub trait Bodies {
    /// As [`BodyReader::read_nowait`].
    fn read_nowait(
        &self,
        body: &BodyRef,
        offset: u64,
        to: &mut [u8],
    ) -> Result<Option<usize>, ReadError>;
}

impl<D: Disk> Bodies for RefCell<BodyReader<D>> {
    fn read_nowait(
        &self,
        body: &BodyRef,
        offset: u64,
        to: &mut [u8],
    ) -> Result<Option<usize>, ReadError> {
        self.borrow_mut().read_nowait(body, offset, to)
    }
}
