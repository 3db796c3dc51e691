//! The directories of the state, each with the owner and the mode that keep
//! everybody else out.
//!
//! | directory | owner, group | mode |
//! |---|---|---|
//! | the state itself | whoever started the set | 0755 |
//! | `empty/` | the same | 0755, nothing in it |
//! | `store/` | the same, `broker`'s group | 0731 (single ids: 0700) |
//! | `auth/`, `spool/` | `auth`, `lmtp` | 0700 |
//!
//! What is missing is made; what is there and is not as it should be is refused
//! and not mended: somebody has done that on purpose. Only a directory that is as
//! mkdir(2) has just left it is finished, for an earlier start may have died.

use crate::failure::Failure;
use crate::table::Where;
use rustix::fs::{CWD, FileType, FlockOperation, Gid, Mode, OFlags, Uid};
use rustix::io::Errno;
use sandbox::{Process, Site};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

/// The directories, held for births.
#[derive(Debug)]
pub struct Directories {
    empty: OwnedFd,
    store: OwnedFd,
    store_to_sync: OwnedFd,
    auth: OwnedFd,
    spool: OwnedFd,
    /// The state itself, locked against another set for as long as this one
    /// lives.
    _lock: OwnedFd,
}

impl Directories {
    /// Makes what is missing, checks what is there, locks the state.
    ///
    /// # Errors
    /// A [`Failure`] that names the directory.
    pub fn prepare(path: &Path, site: Site) -> Result<Self, Failure> {
        let own = (rustix::process::geteuid(), rustix::process::getegid());
        let process = |process| {
            let ranges = site.ranges().map(|ranges| ranges.process(process));
            ranges.map_or(own, |id| (id.uid(), id.gid()))
        };
        let (broker, store_mode) = match site.ranges() {
            Some(_) => (process(Process::Broker).1, 0o731),
            None => (own.1, 0o700),
        };
        let state = ensure(CWD, path, path, own, 0o755)?;
        let lock = readable(CWD, path).map_err(|errno| Failure::File(path.to_owned(), errno))?;
        rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive).map_err(|errno| {
            match errno {
                Errno::WOULDBLOCK => Failure::AnotherSet(path.to_owned()),
                errno => Failure::File(path.to_owned(), errno),
            }
        })?;
        let below = |name: &str, owner, mode| {
            ensure(
                state.as_fd(),
                Path::new(name),
                &path.join(name),
                owner,
                mode,
            )
        };
        let store = below("store", (own.0, broker), store_mode)?;
        let store_to_sync = readable(state.as_fd(), Path::new("store"))
            .map_err(|errno| Failure::File(path.join("store"), errno))?;
        Ok(Self {
            empty: below("empty", own, 0o755)?,
            store,
            store_to_sync,
            auth: below("auth", process(Process::Auth), 0o700)?,
            spool: below("spool", process(Process::Lmtp), 0o700)?,
            _lock: lock,
        })
    }

    /// The store's root, open for reading: `broker` syncs it.
    pub fn store_to_sync(&self) -> BorrowedFd<'_> {
        self.store_to_sync.as_fd()
    }

    /// One of them.
    pub fn at(&self, place: Where) -> BorrowedFd<'_> {
        match place {
            Where::Empty => self.empty.as_fd(),
            Where::Store => self.store.as_fd(),
            Where::Auth => self.auth.as_fd(),
            Where::Spool => self.spool.as_fd(),
        }
    }
}

/// Makes the directory that a socket is to lie in, if only it is missing.
///
/// # Errors
/// A [`Failure`] that names it.
pub fn make_above(path: &Path) -> Result<(), Failure> {
    let Some(above) = path.parent() else {
        return Ok(());
    };
    match rustix::fs::mkdirat(CWD, above, Mode::from_raw_mode(0o755)) {
        Ok(()) | Err(Errno::EXIST) => Ok(()),
        Err(errno) => Err(Failure::File(above.to_owned(), errno)),
    }
}

/// An empty directory for the time before the configuration has named the state:
/// the root of the first `config`.
#[derive(Debug)]
pub struct Vestibule {
    directory: OwnedFd,
    name: String,
}

impl Vestibule {
    /// Makes one, in the first place that allows it.
    ///
    /// # Errors
    /// A [`Failure`] if none does.
    pub fn make() -> Result<Self, Failure> {
        let number = rustix::process::getpid().as_raw_nonzero();
        let mut last = Errno::NOENT;
        for place in ["/run", "/tmp"] {
            let name = format!("{place}/mailkeep-empty-{number}");
            match rustix::fs::mkdirat(CWD, &*name, Mode::from_raw_mode(0o755)) {
                Ok(()) | Err(Errno::EXIST) => {
                    return open(CWD, Path::new(&name))
                        .map(|directory| Self {
                            directory,
                            name: name.clone(),
                        })
                        .map_err(|errno| Failure::File(name.into(), errno));
                }
                Err(errno) => last = errno,
            }
        }
        Err(Failure::Kernel(
            "no place for an empty directory in /run or /tmp",
            last,
        ))
    }
}

impl AsFd for Vestibule {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.directory.as_fd()
    }
}

impl Drop for Vestibule {
    fn drop(&mut self) {
        // Should it not be empty, whoever put something there may keep it.
        let _left = rustix::fs::unlinkat(CWD, &*self.name, rustix::fs::AtFlags::REMOVEDIR);
    }
}

/// Makes a directory if there is none, and answers with it if it is as it should
/// be. `shown` is its path for people.
fn ensure(
    above: BorrowedFd<'_>,
    name: &Path,
    shown: &Path,
    (uid, gid): (Uid, Gid),
    mode: u32,
) -> Result<OwnedFd, Failure> {
    let failed = |errno| Failure::File(shown.to_owned(), errno);
    let made = match rustix::fs::mkdirat(above, name, Mode::RWXU) {
        Ok(()) => true,
        Err(Errno::EXIST) => false,
        Err(errno) => return Err(failed(errno)),
    };
    // Its new owner's alone, it could not be opened for reading any more.
    let directory = open(above, name).map_err(failed)?;
    let found = rustix::fs::fstat(&directory).map_err(failed)?;
    let own = found.st_uid == rustix::process::geteuid().as_raw();
    let unfinished = own && found.st_mode & 0o7777 == 0o700;
    if made || unfinished {
        finish(&directory, uid, gid, mode, above, name).map_err(failed)?;
    }
    let found = rustix::fs::fstat(&directory).map_err(failed)?;
    let right = FileType::from_raw_mode(found.st_mode) == FileType::Directory
        && found.st_uid == uid.as_raw()
        && found.st_gid == gid.as_raw()
        && found.st_mode & 0o7777 == mode;
    if right {
        Ok(directory)
    } else {
        Err(Failure::ForeignDirectory(shown.to_owned()))
    }
}

/// Gives a directory that is ours its mode and its owner, in this order: the
/// mode of another's directory is not ours to change.
fn finish(
    directory: &OwnedFd,
    uid: Uid,
    gid: Gid,
    mode: u32,
    above: BorrowedFd<'_>,
    name: &Path,
) -> Result<(), Errno> {
    let ours = readable(above, name)?;
    let (one, other) = (rustix::fs::fstat(&ours)?, rustix::fs::fstat(directory)?);
    if (one.st_dev, one.st_ino) != (other.st_dev, other.st_ino) {
        return Err(Errno::STALE);
    }
    rustix::fs::fchown(&ours, None, Some(gid))?;
    rustix::fs::fchmod(&ours, Mode::from_raw_mode(mode))?;
    rustix::fs::fchown(&ours, Some(uid), None)
}

fn readable(above: BorrowedFd<'_>, name: &Path) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::openat(above, name, flags, Mode::empty())
}

/// A descriptor that gives no right by itself, but to be chrooted into.
fn open(above: BorrowedFd<'_>, name: &Path) -> Result<OwnedFd, Errno> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::openat(above, name, flags, Mode::empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use sandbox::{IdRanges, Waivers};
    use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
    use std::path::PathBuf;
    use std::time::{Duration, Instant};

    fn place(name: &str) -> PathBuf {
        std::env::temp_dir().join(format!("mailkeep-{name}-{}", std::process::id()))
    }

    /// The site that whoever runs the tests can have.
    fn site() -> Site {
        if rustix::process::geteuid().is_root() {
            Site::separate(IdRanges::default(), Waivers::NONE)
        } else {
            Site::single(Waivers::NONE)
        }
    }

    /// What a set says that begins when another has ended.
    ///
    /// Another test of this program may be between its fork(2) and its execve(2): for
    /// that long its child holds the lock, too.
    fn prepare_after_another(state: &Path) -> Result<Directories, Failure> {
        let begun = Instant::now();
        loop {
            match Directories::prepare(state, site()) {
                Err(Failure::AnotherSet(_)) if begun.elapsed() < Duration::from_secs(5) => {
                    std::thread::yield_now();
                }
                prepared => return prepared,
            }
        }
    }

    fn mode(path: &Path) -> u32 {
        path.metadata().unwrap().mode() & 0o7777
    }

    #[test]
    fn each_directory_is_made_with_its_owner_and_mode() {
        let state = place("made");
        let _held = Directories::prepare(&state, site()).unwrap();
        let store = if site().ranges().is_some() {
            0o731
        } else {
            0o700
        };
        assert_eq!(mode(&state), 0o755);
        assert_eq!(mode(&state.join("empty")), 0o755);
        assert_eq!(mode(&state.join("store")), store);
        assert_eq!(mode(&state.join("spool")), 0o700);
        if let Some(ranges) = site().ranges() {
            let auth = state.join("auth").metadata().unwrap();
            let id = ranges.process(Process::Auth).number();
            assert_eq!(
                (auth.uid(), auth.gid(), auth.mode() & 0o7777),
                (id, id, 0o700)
            );
        }
        std::fs::remove_dir_all(&state).unwrap();
    }

    #[test]
    fn a_second_set_on_the_same_state_is_refused_while_the_first_lives() {
        let state = place("locked");
        let first = Directories::prepare(&state, site()).unwrap();
        let second = Directories::prepare(&state, site()).unwrap_err();
        assert_eq!(second, Failure::AnotherSet(state.clone()));
        drop(first);
        assert!(prepare_after_another(&state).is_ok());
        std::fs::remove_dir_all(&state).unwrap();
    }

    #[test]
    fn what_somebody_put_there_is_refused_and_not_followed() {
        let (state, elsewhere) = (place("odd"), place("elsewhere"));
        std::fs::create_dir(&state).unwrap();
        std::fs::create_dir(&elsewhere).unwrap();
        std::fs::set_permissions(&elsewhere, std::fs::Permissions::from_mode(0o777)).unwrap();
        symlink(&elsewhere, state.join("store")).unwrap();
        assert!(Directories::prepare(&state, site()).is_err());
        assert_eq!(mode(&elsewhere), 0o777);
        std::fs::remove_file(state.join("store")).unwrap();
        std::fs::write(state.join("store"), "").unwrap();
        assert!(Directories::prepare(&state, site()).is_err());
        std::fs::remove_dir_all(&state).unwrap();
        std::fs::remove_dir(&elsewhere).unwrap();
    }

    #[test]
    fn a_directory_of_ours_that_is_for_something_else_is_left_as_it_is() {
        let state = place("other");
        std::fs::create_dir(&state).unwrap();
        std::fs::set_permissions(&state, std::fs::Permissions::from_mode(0o1777)).unwrap();
        let refused = Directories::prepare(&state, site()).unwrap_err();
        assert_eq!(refused, Failure::ForeignDirectory(state.clone()));
        assert_eq!(mode(&state), 0o1777);
        std::fs::remove_dir(&state).unwrap();
    }

    #[test]
    fn a_directory_of_another_uid_is_not_taken() {
        // Only root can make one.
        if let Some(ranges) = site().ranges() {
            let state = place("foreign");
            drop(Directories::prepare(&state, site()).unwrap());
            let login = ranges.process(Process::Login).number();
            std::os::unix::fs::chown(state.join("auth"), Some(login), None).unwrap();
            let refused = prepare_after_another(&state).unwrap_err();
            assert_eq!(refused, Failure::ForeignDirectory(state.join("auth")));
            std::fs::remove_dir_all(&state).unwrap();
        }
    }

    #[test]
    fn a_vestibule_goes_with_its_holder() {
        let vestibule = Vestibule::make().unwrap();
        let path = PathBuf::from(&vestibule.name);
        assert_eq!(std::fs::read_dir(&path).unwrap().count(), 0);
        drop(vestibule);
        assert!(!path.exists());
    }
}
