//! Accounts' directories and workers, as `broker` handles them: by number only.
//!
//! A directory's name is the account's number in decimal, made here; no name or
//! path comes in, so there is none that could be `..`. What takes the account's
//! rights happens in a child that takes its uid, does one thing, and ends.

use crate::birth::{Ended, Step, Stillborn, at, reap};
use crate::ids::AccountUid;
use crate::kernel::{self, Forked};
use rustix::fs::{AtFlags, FileType, Mode, OFlags, ResolveFlags, fstat, mkdirat, openat2};
use rustix::io::Errno;
use rustix::process::{Signal, pidfd_send_signal};
use std::ffi::CString;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// Why an account's directory was not opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotOpened {
    /// There is none.
    Missing,
    /// There is something of that name that is no directory of this account's
    /// alone.
    NotTheAccounts,
    /// The kernel refused.
    Failed(Errno),
}

/// Makes the directory of a new account, mode 0700. Where ids are separate it
/// belongs to the account's uid: a child takes it, and keeps the caller's gid,
/// which may write the store's root.
///
/// # Errors
/// [`Stillborn`] with EEXIST if there is one.
pub fn make_directory(
    store: BorrowedFd<'_>,
    number: u32,
    uid: Option<AccountUid>,
) -> Result<(), Stillborn> {
    let name = directory_name(number);
    as_account(uid, || mkdirat(store, name.as_c_str(), Mode::RWXU))
}

/// Opens the directory of an account, to be given to [`crate::Newborn::of_account`]
/// (`O_PATH`: it needs no right to the directory itself).
///
/// # Errors
/// [`NotOpened`].
pub fn open_directory(
    store: BorrowedFd<'_>,
    number: u32,
    uid: Option<AccountUid>,
) -> Result<OwnedFd, NotOpened> {
    let name = directory_name(number);
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    let directory = openat2(store, name.as_c_str(), flags, Mode::empty(), resolve).map_err(
        |errno| match errno {
            Errno::NOENT => NotOpened::Missing,
            Errno::NOTDIR | Errno::LOOP => NotOpened::NotTheAccounts,
            errno => NotOpened::Failed(errno),
        },
    )?;
    let owner = uid.map_or_else(rustix::process::geteuid, AccountUid::uid);
    let found = fstat(&directory).map_err(NotOpened::Failed)?;
    let alone = found.st_mode & 0o777 == 0o700
        && FileType::from_raw_mode(found.st_mode) == FileType::Directory;
    if found.st_uid == owner.as_raw() && alone {
        Ok(directory)
    } else {
        Err(NotOpened::NotTheAccounts)
    }
}

/// Removes the directory of a deleted account, which its worker has emptied. The
/// caller's gid may write the store's root, so nobody's uid has to be taken.
///
/// # Errors
/// As rmdir(2): ENOTEMPTY if something is left; ENOENT if it is gone already.
pub fn remove_directory(store: BorrowedFd<'_>, number: u32) -> Result<(), Errno> {
    rustix::fs::unlinkat(store, directory_name(number).as_c_str(), AtFlags::REMOVEDIR)
}

/// Kills a worker. Without `CAP_KILL` not even its parent can where ids are
/// separate: a child that takes the account's uid does.
///
/// # Errors
/// [`Stillborn`] with the reason; ESRCH if the worker has ended already.
pub fn kill(worker: impl AsFd, uid: Option<AccountUid>) -> Result<(), Stillborn> {
    as_account(uid, || pidfd_send_signal(worker.as_fd(), Signal::KILL))
}

fn directory_name(number: u32) -> CString {
    // Digits hold no NUL, so the empty default is never taken.
    CString::new(number.to_string()).unwrap_or_default()
}

/// Does one thing with the uid of an account. `action` must be one system call.
fn as_account(
    uid: Option<AccountUid>,
    action: impl Fn() -> Result<(), Errno>,
) -> Result<(), Stillborn> {
    let Some(uid) = uid else {
        return at(Step::Program, action());
    };
    // SAFETY: the child makes three system calls and exits.
    match at(Step::Fork, unsafe { kernel::fork() })? {
        Forked::Child => kernel::exit(status(take_uid(uid).and_then(|()| action()))),
        Forked::Parent(_, child) => match at(Step::Fork, reap(&child))? {
            Ended::Exited(0) => Ok(()),
            Ended::Exited(errno) => Err(Stillborn {
                step: Step::Ids,
                errno: Errno::from_raw_os_error(errno),
            }),
            Ended::Killed(_) => Err(Stillborn {
                step: Step::Ids,
                errno: Errno::PERM,
            }),
        },
    }
}

fn take_uid(uid: AccountUid) -> Result<(), Errno> {
    rustix::thread::set_thread_groups(&[])?;
    rustix::thread::set_thread_res_uid(uid.uid(), uid.uid(), uid.uid())
}

/// Errno as an exit status: Linux has none above 133.
fn status(result: Result<(), Errno>) -> i32 {
    result.err().map_or(0, Errno::raw_os_error)
}
