//! Reading a letter that `lmtp` has passed as a descriptor: once, by pread(2),
//! never mapped, because a page that its file loses under us would kill us.

use ipc::letter::NotALetter;
use rustix::io::Errno;
use std::os::fd::OwnedFd;

/// Why a letter could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unreadable {
    /// What was passed is no letter: the sender is at fault.
    NotALetter(NotALetter),
    /// It ended before its length.
    Shortened,
    /// The kernel would not.
    Failed(Errno),
}

/// Exactly `bytes` bytes from `offset`.
pub fn read(letter: &OwnedFd, offset: u64, bytes: usize) -> Result<Vec<u8>, Unreadable> {
    let mut piece = vec![0; bytes];
    let mut filled = 0_usize;
    while let Some(rest) = piece.get_mut(filled..).filter(|it| !it.is_empty()) {
        match rustix::io::pread(letter, rest, offset.saturating_add(filled as u64)) {
            Ok(0) => return Err(Unreadable::Shortened),
            Ok(count) => filled = filled.saturating_add(count),
            Err(Errno::INTR) => {}
            Err(errno) => return Err(Unreadable::Failed(errno)),
        }
    }
    Ok(piece)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_letter_is_read_piece_by_piece() {
        let letter = ipc::letter::sealed(b"Subject: x\r\n\r\n").unwrap();
        assert_eq!(read(&letter, 9, 5).unwrap(), b"x\r\n\r\n");
    }

    #[test]
    fn a_letter_that_ends_early_is_told_apart() {
        let letter = ipc::letter::sealed(b"abc").unwrap();
        assert_eq!(read(&letter, 1, 3), Err(Unreadable::Shortened));
    }
}
