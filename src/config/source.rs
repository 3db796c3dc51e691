//! The file's bytes, as text, within bounds.

use crate::mistake::{Mistakes, Objection};
use rustix::io::Errno;
use std::os::fd::AsFd;

/// Bytes of a configuration file. One with every key and two hundred domains
/// has 20 KiB.
pub const FILE_BYTES_MAX: usize = 1 << 20;

/// Why there is no text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unreadable {
    /// The kernel would not.
    Errno(Errno),
    /// It is longer than [`FILE_BYTES_MAX`].
    TooLong,
}

impl std::fmt::Display for Unreadable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Errno(errno) => write!(f, "the configuration can't be read: {errno}"),
            Self::TooLong => write!(f, "the configuration is longer than {FILE_BYTES_MAX} bytes"),
        }
    }
}

/// All bytes of a file, from its beginning.
///
/// # Errors
/// [`Unreadable`].
pub fn bytes(file: impl AsFd) -> Result<Vec<u8>, Unreadable> {
    let mut bytes = vec![0; FILE_BYTES_MAX + 1];
    let mut length = 0;
    while length < bytes.len() {
        match rustix::io::read(file.as_fd(), &mut bytes[length..]) {
            Ok(0) => break,
            Ok(count) => length += count,
            Err(Errno::INTR) => {}
            Err(errno) => return Err(Unreadable::Errno(errno)),
        }
    }
    bytes.truncate(length);
    if length > FILE_BYTES_MAX {
        Err(Unreadable::TooLong)
    } else {
        Ok(bytes)
    }
}

/// The bytes as text; if they are not UTF-8, the mistake is noted, and the text
/// is what stands before.
pub fn text(bytes: &[u8], mistakes: &mut Mistakes) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(error) => {
            let end = error.valid_up_to();
            let objection = Objection::new(
                "the file is not UTF-8 from here on (RFC 3629)",
                "save it as UTF-8",
            );
            mistakes.note(end..end, objection);
            String::from_utf8_lossy(&bytes[..end]).into_owned()
        }
    }
}
