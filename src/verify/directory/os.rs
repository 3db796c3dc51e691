//! The directory of the kernel's, below one descriptor.
//!
//! Only `openat` (read-only, following nothing), `fstat`, `pread64` and
//! `getdents64` are called; the system-call filter has no others for files.

use super::{Directory, File, Folder};
use ipc::edge::verify::What;
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{self, FileType, Mode, OFlags, RawDir};
use rustix::io::Errno;
use std::mem::MaybeUninit;

/// Room for names that one call gives.
const NAMES_BYTES: usize = 32 * 1024;

/// Read and write for the owner, nothing for others.
const FILE_MODE: u32 = 0o600;

/// Likewise, for a directory.
const DIRECTORY_MODE: u32 = 0o700;

/// An account's directory.
#[derive(Debug)]
pub struct OsDirectory {
    root: OwnedFd,
}

impl OsDirectory {
    /// Reads below `root`.
    pub fn new(root: OwnedFd) -> Self {
        Self { root }
    }

    /// Reads below `/`, which is an account's directory after confinement.
    ///
    /// # Errors
    /// What the kernel said.
    pub fn of_the_process() -> Result<Self, Errno> {
        fs::openat(fs::CWD, "/", directory_flags(), Mode::empty()).map(Self::new)
    }

    fn folder(&self, folder: Folder) -> Result<OwnedFd, What> {
        let (name, _) = folder.words();
        let opened = fs::openat(&self.root, name, directory_flags(), Mode::empty());
        let opened = opened.map_err(failure)?;
        let stat = fs::fstat(&opened).map_err(failure)?;
        let private = Mode::from_raw_mode(stat.st_mode).bits() == DIRECTORY_MODE;
        private.then_some(opened).ok_or(What::NotOurs)
    }
}

fn directory_flags() -> OFlags {
    OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC
}

impl Directory for OsDirectory {
    type File = OsFile;

    fn list(&self, folder: Folder, each: &mut dyn FnMut(&[u8]) -> bool) -> Result<(), What> {
        let opened = match self.folder(folder) {
            Err(What::Missing) => return Ok(()),
            opened => opened?,
        };
        let mut room = [MaybeUninit::uninit(); NAMES_BYTES];
        let mut names = RawDir::new(opened, &mut room);
        while let Some(name) = names.next() {
            if !each(name.map_err(failure)?.file_name().to_bytes()) {
                return Ok(());
            }
        }
        Ok(())
    }

    fn open(&self, folder: Folder, number: u64) -> Result<OsFile, What> {
        let (_, extension) = folder.words();
        let name = format!("{number:016x}.{extension}");
        // O_NONBLOCK: a planted fifo holds nobody up.
        let flags =
            OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let fd = fs::openat(self.folder(folder)?, name, flags, Mode::empty()).map_err(failure)?;
        let stat = fs::fstat(&fd).map_err(failure)?;
        let ours = FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile
            && stat.st_nlink == 1
            && Mode::from_raw_mode(stat.st_mode).bits() == FILE_MODE;
        let len = u64::try_from(stat.st_size).map_err(|_| What::NotOurs)?;
        ours.then_some(OsFile { fd, len }).ok_or(What::NotOurs)
    }
}

/// A file of an account.
#[derive(Debug)]
pub struct OsFile {
    fd: OwnedFd,
    len: u64,
}

impl File for OsFile {
    fn len(&self) -> u64 {
        self.len
    }

    fn read_at(&self, offset: u64, into: &mut [u8]) -> Result<usize, What> {
        let mut filled = 0_usize;
        while let Some(rest) = into.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            match rustix::io::pread(self.fd.as_fd(), rest, offset.saturating_add(filled as u64)) {
                Ok(0) => break,
                Ok(read) => filled = filled.saturating_add(read),
                Err(Errno::INTR) => {}
                Err(errno) => return Err(failure(errno)),
            }
        }
        Ok(filled)
    }
}

fn failure(errno: Errno) -> What {
    match errno {
        Errno::NOENT => What::Missing,
        Errno::LOOP | Errno::NOTDIR | Errno::ISDIR | Errno::NXIO => What::NotOurs,
        _ => What::Unreadable,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::Scratch;
    use std::os::unix::fs::{PermissionsExt, symlink};

    fn account(test: &str) -> (Scratch, OsDirectory) {
        let scratch = Scratch::new(test);
        let root = std::fs::File::open(scratch.path()).unwrap();
        (scratch, OsDirectory::new(root.into()))
    }

    #[test]
    fn links_fifos_and_files_that_others_can_read_are_not_ours() {
        let (scratch, directory) = account("planted");
        let pack = |name: &str| scratch.path().join("pack").join(name);
        scratch.write("pack/0000000000000001.pack", b"x");
        symlink(pack("0000000000000001.pack"), pack("0000000000000002.pack")).unwrap();
        std::fs::create_dir(pack("0000000000000003.pack")).unwrap();
        rustix::fs::mknodat(
            fs::CWD,
            pack("0000000000000004.pack"),
            FileType::Fifo,
            Mode::RWXU,
            0,
        )
        .unwrap();
        scratch.write("pack/0000000000000005.pack", b"x");
        std::fs::set_permissions(
            pack("0000000000000005.pack"),
            PermissionsExt::from_mode(0o644),
        )
        .unwrap();
        scratch.write("pack/0000000000000006.pack", b"x");
        std::fs::hard_link(pack("0000000000000006.pack"), pack("0000000000000007.pack")).unwrap();
        let open = |number| directory.open(Folder::Pack, number).map(|file| file.len());
        assert_eq!(open(1), Ok(1));
        for planted in 2..8 {
            assert_eq!(open(planted), Err(What::NotOurs), "{planted}");
        }
        assert_eq!(open(8), Err(What::Missing));
    }

    #[test]
    fn a_folder_is_listed_and_one_that_is_not_there_has_nothing() {
        let (scratch, directory) = account("listed");
        scratch.write("chunk/000000000000000a.ix", b"");
        scratch.write("chunk/0000000000000009.ix", b"");
        scratch.write("chunk/000000000000000b.new", b"");
        scratch.write("chunk/notes", b"");
        let listing = super::super::Listing::read(&directory, Folder::Chunk).unwrap();
        assert_eq!(
            (listing.numbers, listing.unfinished),
            (vec![9, 10], vec![11])
        );
        let none = super::super::Listing::read(&directory, Folder::Pack).unwrap();
        assert!(none.numbers.is_empty());
    }
}
