//! How a letter travels: as a descriptor that nobody can write through any more.
//!
//! A small letter comes in a memfd sealed against writing, growing and
//! shrinking; a large one as a read-only description of an unlinked spool file,
//! opened once per recipient. The receiver checks which of the two it got, reads
//! it once with pread(2) and never maps it.

use rustix::fs::{FileType, Mode, OFlags, SealFlags};
use rustix::io::Errno;
use std::os::fd::AsFd;

/// Seals without which a memfd could still change under its reader.
pub const SEALS: SealFlags = SealFlags::WRITE
    .union(SealFlags::GROW)
    .union(SealFlags::SHRINK)
    .union(SealFlags::SEAL);

/// Times that sealing is tried. A page that somebody in the kernel holds for a moment
/// (reclaim, migration) makes it EBUSY after 150 ms; a sender waits no longer than a
/// second for that.
const SEALINGS_MAX: usize = 6;

/// Why a descriptor is not a letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotALetter {
    /// It is no regular file.
    NotAFile,
    /// Whoever holds it could still write to it.
    Writable,
    /// Its length is not what the sender said.
    OtherLength,
    /// The kernel would not tell.
    Unknown(Errno),
}

/// Where a letter's bytes are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// In a sealed memfd: whoever reads it waits for no disk.
    InMemory,
    /// In a file of the spool.
    OnDisk,
}

/// Checks that a descriptor is a letter of `length` bytes; where they are.
///
/// # Errors
/// [`NotALetter`]: the sender is at fault.
pub fn check(fd: impl AsFd, length: u64) -> Result<Kept, NotALetter> {
    let fd = fd.as_fd();
    let stat = rustix::fs::fstat(fd).map_err(NotALetter::Unknown)?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Err(NotALetter::NotAFile);
    }
    let kept = if is_sealed(fd) {
        Kept::InMemory
    } else if is_read_only_file(fd)? {
        Kept::OnDisk
    } else {
        return Err(NotALetter::Writable);
    };
    let is_as_long = u64::try_from(stat.st_size) == Ok(length);
    is_as_long.then_some(kept).ok_or(NotALetter::OtherLength)
}

/// A memfd with these bytes, sealed.
///
/// # Errors
/// As memfd_create(2), write(2) and fcntl(2).
pub fn sealed(bytes: &[u8]) -> Result<std::os::fd::OwnedFd, Errno> {
    use rustix::fs::MemfdFlags;
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING | MemfdFlags::NOEXEC_SEAL;
    let memfd = rustix::fs::memfd_create("letter", flags)?;
    let mut rest = bytes;
    while !rest.is_empty() {
        let written = rustix::io::write(&memfd, rest)?;
        rest = rest.get(written..).ok_or(Errno::IO)?;
    }
    seal(&memfd)?;
    Ok(memfd)
}

fn seal(memfd: &std::os::fd::OwnedFd) -> Result<(), Errno> {
    for _ in 1..SEALINGS_MAX {
        match rustix::fs::fcntl_add_seals(memfd, SEALS) {
            Err(Errno::BUSY) => {}
            sealed => return sealed,
        }
    }
    rustix::fs::fcntl_add_seals(memfd, SEALS)
}

/// The flags with which a spool file is opened a second time, for its reader.
pub const READER_FLAGS: OFlags = OFlags::RDONLY
    .union(OFlags::CLOEXEC)
    .union(OFlags::NOFOLLOW);

/// The mode that a spool file is created with: its owner alone.
pub const SPOOL_MODE: Mode = Mode::RUSR.union(Mode::WUSR);

fn is_read_only_file(fd: impl AsFd) -> Result<bool, NotALetter> {
    let flags = rustix::fs::fcntl_getfl(fd).map_err(NotALetter::Unknown)?;
    Ok(!flags.intersects(OFlags::WRONLY | OFlags::RDWR | OFlags::PATH))
}

fn is_sealed(fd: impl AsFd) -> bool {
    rustix::fs::fcntl_get_seals(fd).is_ok_and(|seals| seals.contains(SEALS))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{File, OpenOptions};

    #[test]
    fn a_sealed_memfd_is_a_letter_and_an_unsealed_one_is_not() {
        let letter = sealed(b"Subject: x\r\n\r\n").unwrap();
        assert_eq!(check(&letter, 14), Ok(Kept::InMemory));
        assert_eq!(check(&letter, 13), Err(NotALetter::OtherLength));
        let open = rustix::fs::memfd_create("x", rustix::fs::MemfdFlags::CLOEXEC).unwrap();
        assert_eq!(check(&open, 0), Err(NotALetter::Writable));
    }

    #[test]
    fn a_read_only_file_is_a_letter_and_a_writable_one_is_not() {
        let path = std::env::temp_dir().join(format!("ipc-letter-{}", std::process::id()));
        let writer = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .open(&path)
            .unwrap();
        let reader = File::open(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        assert_eq!(check(&writer, 0), Err(NotALetter::Writable));
        assert_eq!(check(&reader, 0), Ok(Kept::OnDisk));
        let (pipe, _) = rustix::pipe::pipe().unwrap();
        assert_eq!(check(&pipe, 0), Err(NotALetter::NotAFile));
    }
}
