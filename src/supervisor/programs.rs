//! The programs of the set, found beside the supervisor's own and sealed in
//! memory, so that a process needs no file system to be born, and an update of
//! the files under a running set changes nothing.

use crate::failure::Failure;
use ipc::edge::supervisor::Process;
use rustix::fs::{CWD, Mode, OFlags};
use rustix::io::Errno;
use sandbox::{Profile, Program, profile};
use std::ffi::CString;
use std::fs::File;
use std::path::Path;

/// Every program, by the kind of process.
#[derive(Debug)]
pub struct Programs(Vec<(Process, Program)>);

impl Programs {
    /// Opens and seals all programs.
    ///
    /// # Errors
    /// A [`Failure`] that names the program.
    pub fn seal() -> Result<Self, Failure> {
        let own = std::env::current_exe()
            .map_err(|error| Failure::Kernel("/proc/self/exe", raw(&error)))?;
        let beside = own.parent().unwrap_or(Path::new("/"));
        let rooms = crate::HOUSE.iter().map(|room| (room.process, room.profile));
        let others = [
            (Process::Config, &profile::CONFIG),
            (Process::Worker, &profile::WORKER),
            (Process::Verify, &profile::VERIFY),
        ];
        let sealed = rooms
            .chain(others)
            .map(|(process, profile)| Ok((process, seal(beside, profile)?)));
        sealed.collect::<Result<_, _>>().map(Self)
    }

    /// A kind's program.
    ///
    /// # Errors
    /// Never: every kind in the process table has been sealed.
    pub fn of(&self, process: Process) -> Result<&Program, Failure> {
        let found = self.0.iter().find(|(other, _)| *other == process);
        found
            .map(|(_, program)| program)
            .ok_or(Failure::Program(crate::table::name(process), Errno::NOENT))
    }
}

fn seal(beside: &Path, profile: &'static Profile) -> Result<Program, Failure> {
    let name = profile.process.program();
    let sealed = || {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        let file = rustix::fs::openat(CWD, beside.join(name), flags, Mode::empty())?;
        let called = CString::new(name).map_err(|_| Errno::INVAL)?;
        Program::seal(&called, &File::from(file))
    };
    sealed().map_err(|errno| Failure::Program(name, errno))
}

/// The kernel's own number of an error.
pub fn raw(error: &std::io::Error) -> Errno {
    Errno::from_io_error(error).unwrap_or(Errno::IO)
}
