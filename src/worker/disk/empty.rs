//! Removing everything that an account has, for good.

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags};
use rustix::io::Errno;
use std::ffi::CString;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// Directories within directories. The store has one level; a second may have
/// been planted, and what is deeper was never ours.
const DEPTH_MAX: usize = 8;

/// Removes all that a directory has, and syncs it.
///
/// # Errors
/// What the kernel said; LOOP if it is deeper than [`DEPTH_MAX`]. Some of it may
/// be gone: the task is given again.
pub fn empty(directory: BorrowedFd<'_>) -> Result<(), Errno> {
    empty_to(directory, DEPTH_MAX)?;
    rustix::fs::fsync(directory)
}

fn empty_to(directory: BorrowedFd<'_>, depth: usize) -> Result<(), Errno> {
    for (name, is_directory) in names(directory)? {
        if is_directory {
            let deeper = depth.checked_sub(1).ok_or(Errno::LOOP)?;
            empty_to(open(directory, &name)?.as_fd(), deeper)?;
            rustix::fs::unlinkat(directory, &name, AtFlags::REMOVEDIR)?;
        } else {
            rustix::fs::unlinkat(directory, &name, AtFlags::empty())?;
        }
    }
    Ok(())
}

fn open(directory: BorrowedFd<'_>, name: &CString) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::openat(directory, name, flags, Mode::empty())
}

/// What is in a directory, and which of it are directories.
fn names(directory: BorrowedFd<'_>) -> Result<Vec<(CString, bool)>, Errno> {
    let mut names = Vec::new();
    for entry in Dir::read_from(directory)? {
        let entry = entry?;
        let name = entry.file_name().to_owned();
        if name.as_bytes() != b"." && name.as_bytes() != b".." {
            names.push((name, entry.file_type() == FileType::Directory));
        }
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;
    use std::fs;

    #[test]
    fn everything_goes_and_nothing_that_a_link_points_to() {
        let outside = Scratch::new("outside");
        let inside = Scratch::new("inside");
        fs::write(outside.path().join("kept"), b"x").unwrap();
        fs::create_dir_all(inside.path().join("journal/deeper")).unwrap();
        fs::write(inside.path().join("journal/0.seg"), b"x").unwrap();
        std::os::unix::fs::symlink(outside.path(), inside.path().join("link")).unwrap();
        let root = fs::File::open(inside.path()).unwrap();
        empty(root.as_fd()).unwrap();
        assert_eq!(fs::read_dir(inside.path()).unwrap().count(), 0);
        assert!(outside.path().join("kept").exists());
    }

    #[test]
    fn a_tree_deeper_than_any_of_ours_is_not_walked_down() {
        let inside = Scratch::new("deep");
        let deep: std::path::PathBuf = std::iter::repeat_n("d", DEPTH_MAX + 1).collect();
        fs::create_dir_all(inside.path().join(deep)).unwrap();
        let root = fs::File::open(inside.path()).unwrap();
        assert_eq!(empty(root.as_fd()), Err(Errno::LOOP));
    }
}
