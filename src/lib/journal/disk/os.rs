//! The disk of the kernel, below one directory descriptor.
//!
//! `openat` with O_NOFOLLOW and a single plain component is as strict as
//! `openat2` with RESOLVE_BENEATH would be, and a seccomp filter can see its
//! flags. O_NONBLOCK keeps a planted fifo from holding us up; fstat then tells
//! it from a file. Hard links are refused: their other name isn't ours.

use super::{Disk, DiskError, File, LISTED_NAMES_MAX, Name};
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{self, AtFlags, FileType, Mode, OFlags};
use rustix::io::{Errno, IoSliceMut, ReadWriteFlags};
use std::sync::Arc;

/// A directory of the kernel's.
#[derive(Clone, Debug)]
pub struct OsDisk {
    dir: Arc<OwnedFd>,
}

impl OsDisk {
    /// Works in `dir`, which must be open for reading (not O_PATH: it is listed
    /// and synced).
    pub fn new(dir: OwnedFd) -> Self {
        Self { dir: Arc::new(dir) }
    }
}

impl Disk for OsDisk {
    type File = OsFile;

    fn open_dir(&self, name: &Name) -> Result<Self, DiskError> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let dir = fs::openat(&self.dir, name.as_str(), flags, Mode::empty()).map_err(failure)?;
        Ok(Self::new(dir))
    }

    fn make_dir(&self, name: &Name) -> Result<(), DiskError> {
        fs::mkdirat(&self.dir, name.as_str(), Mode::RWXU).map_err(failure)
    }

    fn create(&self, name: &Name) -> Result<OsFile, DiskError> {
        self.open_file(name, OFlags::CREATE | OFlags::EXCL)
    }

    fn open(&self, name: &Name) -> Result<OsFile, DiskError> {
        self.open_file(name, OFlags::empty())
    }

    fn rename(&self, from: &Name, to: &Name) -> Result<(), DiskError> {
        fs::renameat(&self.dir, from.as_str(), &self.dir, to.as_str()).map_err(failure)
    }

    fn remove(&self, name: &Name) -> Result<(), DiskError> {
        fs::unlinkat(&self.dir, name.as_str(), AtFlags::empty()).map_err(failure)
    }

    fn list(&self) -> Result<Vec<Name>, DiskError> {
        let mut names = Vec::new();
        for (seen, entry) in fs::Dir::read_from(&*self.dir).map_err(failure)?.enumerate() {
            if seen >= LISTED_NAMES_MAX {
                return Err(DiskError::TooManyNames);
            }
            let entry = entry.map_err(failure)?;
            names.extend(entry.file_name().to_str().ok().and_then(Name::new));
        }
        Ok(names)
    }

    fn sync(&self) -> Result<(), DiskError> {
        retried(|| fs::fsync(&*self.dir))
    }
}

impl OsDisk {
    fn open_file(&self, name: &Name, how: OFlags) -> Result<OsFile, DiskError> {
        let flags =
            OFlags::RDWR | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
        let fd = fs::openat(
            &self.dir,
            name.as_str(),
            flags | how,
            Mode::RUSR | Mode::WUSR,
        )
        .map_err(failure)?;
        let stat = fs::fstat(&fd).map_err(failure)?;
        let ours =
            FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile && stat.st_nlink == 1;
        ours.then_some(OsFile { fd }).ok_or(DiskError::NotOurs)
    }
}

/// A regular file of the kernel's.
#[derive(Debug)]
pub struct OsFile {
    fd: OwnedFd,
}

impl File for OsFile {
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<usize, DiskError> {
        let mut filled = 0_usize;
        while let Some(rest) = buf.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            match rustix::io::pread(self.fd.as_fd(), rest, offset.saturating_add(filled as u64)) {
                Ok(0) => break,
                Ok(n) => filled = filled.saturating_add(n),
                Err(Errno::INTR) => {}
                Err(errno) => return Err(failure(errno)),
            }
        }
        Ok(filled)
    }

    fn read_nowait(&self, offset: u64, buf: &mut [u8]) -> Result<Option<usize>, DiskError> {
        let mut into = [IoSliceMut::new(buf)];
        match rustix::io::preadv2(&self.fd, &mut into, offset, ReadWriteFlags::NOWAIT) {
            Ok(n) => Ok(Some(n)),
            // tmpfs knows no RWF_NOWAIT: there, everything is a miss.
            Err(Errno::AGAIN | Errno::OPNOTSUPP | Errno::INTR) => Ok(None),
            Err(errno) => Err(failure(errno)),
        }
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<(), DiskError> {
        let mut written = 0_usize;
        while let Some(rest) = bytes.get(written..).filter(|rest| !rest.is_empty()) {
            match rustix::io::pwrite(&self.fd, rest, offset.saturating_add(written as u64)) {
                Ok(0) => return Err(failure(Errno::IO)),
                Ok(n) => written = written.saturating_add(n),
                Err(Errno::INTR) => {}
                Err(errno) => return Err(failure(errno)),
            }
        }
        Ok(())
    }

    fn sync_data(&self) -> Result<(), DiskError> {
        retried(|| fs::fdatasync(&self.fd))
    }

    fn len(&self) -> Result<u64, DiskError> {
        let stat = fs::fstat(&self.fd).map_err(failure)?;
        u64::try_from(stat.st_size).map_err(|_| DiskError::NotOurs)
    }

    fn truncate(&self, len: u64) -> Result<(), DiskError> {
        retried(|| fs::ftruncate(&self.fd, len))
    }
}

/// A call that a signal interrupted has done nothing and is made again.
fn retried(call: impl Fn() -> rustix::io::Result<()>) -> Result<(), DiskError> {
    loop {
        match call() {
            Err(Errno::INTR) => {}
            done => return done.map_err(failure),
        }
    }
}

fn failure(errno: Errno) -> DiskError {
    match errno {
        Errno::NOSPC | Errno::DQUOT => DiskError::NoSpace,
        Errno::NOENT => DiskError::NotFound,
        Errno::EXIST => DiskError::AlreadyExists,
        Errno::LOOP | Errno::NOTDIR | Errno::ISDIR | Errno::NXIO => DiskError::NotOurs,
        other => DiskError::Io(other.raw_os_error()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;
    use std::path::PathBuf;

    struct Scratch(PathBuf);

    impl Scratch {
        fn new(test: &str) -> (Self, OsDisk) {
            let path = std::env::temp_dir().join(format!("mailkeep-{test}-{}", std::process::id()));
            std::fs::create_dir(&path).unwrap();
            let dir = std::fs::File::open(&path).unwrap();
            (Self(path), OsDisk::new(dir.into()))
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    fn name(name: &str) -> Name {
        Name::new(name).unwrap()
    }

    #[test]
    fn links_fifos_and_directories_are_not_opened_as_files() {
        let (scratch, disk) = Scratch::new("planted");
        std::fs::write(scratch.0.join("real"), b"x").unwrap();
        symlink(scratch.0.join("real"), scratch.0.join("symlink")).unwrap();
        std::fs::hard_link(scratch.0.join("real"), scratch.0.join("hardlink")).unwrap();
        rustix::fs::mknodat(&*disk.dir, "fifo", FileType::Fifo, Mode::RWXU, 0).unwrap();
        disk.make_dir(&name("dir")).unwrap();
        for planted in ["symlink", "hardlink", "real", "fifo", "dir"] {
            let opened = disk.open(&name(planted)).map(|_| ());
            assert_eq!(opened, Err(DiskError::NotOurs), "{planted}");
        }
        symlink("/", scratch.0.join("away")).unwrap();
        assert_eq!(
            disk.open_dir(&name("away")).map(|_| ()),
            Err(DiskError::NotOurs)
        );
    }

    #[test]
    fn what_is_written_at_an_offset_is_read_from_it() {
        let (_scratch, disk) = Scratch::new("readwrite");
        let file = disk.create(&name("a")).unwrap();
        file.write_at(3, b"abc").unwrap();
        file.sync_data().unwrap();
        let mut buf = [9; 8];
        assert_eq!(file.read_at(1, &mut buf), Ok(5));
        assert_eq!(&buf[..5], b"\0\0abc");
        file.truncate(4).unwrap();
        assert_eq!(file.len(), Ok(4));
        assert_eq!(
            disk.create(&name("a")).map(|_| ()),
            Err(DiskError::AlreadyExists)
        );
        disk.rename(&name("a"), &name("b")).unwrap();
        assert_eq!(disk.list(), Ok(vec![name("b")]));
        disk.remove(&name("b")).unwrap();
        assert_eq!(disk.open(&name("b")).map(|_| ()), Err(DiskError::NotFound));
    }
}
