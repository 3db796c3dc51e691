//! Programs as sealed memory: what a process executes when its root is empty, and
//! what Landlock's refusal to execute files doesn't touch.
//!
//! Invariant: nobody, whoever holds the descriptor, can change a [`Program`].

use crate::kernel::{self, Arguments};
use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, fcntl_get_seals, memfd_create, sendfile};
use rustix::io::Errno;
use std::ffi::CStr;
use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// Against writing, growing, shrinking, and against lifting the seals.
const SEALS: SealFlags = SealFlags::WRITE
    .union(SealFlags::GROW)
    .union(SealFlags::SHRINK)
    .union(SealFlags::SEAL);

/// Bytes that one call copies; a program is some megabytes.
const COPIED_BYTES: usize = 1 << 24;

/// Times that sealing is tried. A page that somebody in the kernel holds for a moment
/// (reclaim, migration) makes it EBUSY after 150 ms, and nobody of ours holds one.
const SEALINGS_MAX: usize = 20;

/// A program that can't change any more.
#[derive(Debug)]
pub struct Program(OwnedFd);

/// Somebody gave a descriptor for a program that can still be changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotSealed;

impl std::fmt::Display for NotSealed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the descriptor is not of sealed memory")
    }
}

impl std::error::Error for NotSealed {}

impl Program {
    /// Copies a static executable into memory and seals it. The name shows in
    /// /proc and nowhere else.
    ///
    /// # Errors
    /// As sendfile(2), memfd_create(2) and fcntl(2).
    pub fn seal(name: &CStr, executable: &File) -> Result<Self, Errno> {
        let memory = create(name)?;
        while sendfile(&memory, executable, None, COPIED_BYTES)? > 0 {}
        seal(&memory)?;
        Ok(Self(memory))
    }

    /// A program that somebody else has sealed.
    ///
    /// # Errors
    /// [`NotSealed`] if it can still be changed.
    pub fn adopt(descriptor: OwnedFd) -> Result<Self, NotSealed> {
        if is_sealed(&descriptor) {
            Ok(Self(descriptor))
        } else {
            Err(NotSealed)
        }
    }
}

impl AsFd for Program {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Whether nobody can change, grow or shrink what this descriptor holds. No
/// file on a disk is.
#[must_use]
pub fn is_sealed(descriptor: impl AsFd) -> bool {
    fcntl_get_seals(descriptor).is_ok_and(|seals| seals.contains(SEALS))
}

/// Whether this machine executes what is in memory: an empty program is refused for
/// being none, and not before.
pub fn can_execute() -> bool {
    let arguments = Arguments::new(std::iter::once(c"trial"));
    let refused = |memory: OwnedFd| {
        kernel::can(|| match kernel::execute(memory.as_fd(), &arguments) {
            Errno::NOEXEC => Ok(()),
            errno => Err(errno),
        })
    };
    create(c"trial").is_ok_and(refused)
}

fn seal(memory: &OwnedFd) -> Result<(), Errno> {
    for _ in 1..SEALINGS_MAX {
        match fcntl_add_seals(memory, SEALS) {
            Err(Errno::BUSY) => {}
            sealed => return sealed,
        }
    }
    fcntl_add_seals(memory, SEALS)
}

/// Executable where the kernel asks to be told (Linux 6.3 and
/// vm.memfd_noexec); older ones don't know the flag, and need none.
fn create(name: &CStr) -> Result<OwnedFd, Errno> {
    let flags = MemfdFlags::ALLOW_SEALING | MemfdFlags::CLOEXEC;
    match memfd_create(name, flags | MemfdFlags::EXEC) {
        Err(Errno::INVAL) => memfd_create(name, flags),
        made => made,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::fs::ftruncate;

    fn sealed() -> Program {
        Program::seal(c"test", &File::open("/proc/self/exe").unwrap()).unwrap()
    }

    #[test]
    fn a_sealed_program_is_whole_and_can_not_be_changed() {
        let program = sealed();
        let size = rustix::fs::fstat(&program).unwrap().st_size;
        assert_eq!(
            size,
            std::fs::metadata("/proc/self/exe").unwrap().len() as i64
        );
        assert_eq!(rustix::io::pwrite(&program, b"x", 0), Err(Errno::PERM));
        assert_eq!(ftruncate(&program, 0), Err(Errno::PERM));
        assert_eq!(ftruncate(&program, 1 << 40), Err(Errno::PERM));
        assert_eq!(
            fcntl_add_seals(&program, SealFlags::FUTURE_WRITE),
            Err(Errno::PERM)
        );
    }

    #[test]
    fn what_can_still_be_changed_is_no_program() {
        let half = create(c"half").unwrap();
        fcntl_add_seals(&half, SealFlags::WRITE | SealFlags::SEAL).unwrap();
        assert_eq!(Program::adopt(half).err(), Some(NotSealed));
        assert_eq!(
            Program::adopt(File::open("/proc/self/exe").unwrap().into()).err(),
            Some(NotSealed)
        );
        assert!(Program::adopt(sealed().0).is_ok());
    }
}
