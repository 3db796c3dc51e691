//! Everything that comes before the first process.

use crate::HOUSE;
use crate::adopted::Adopted;
use crate::configuring::Reader;
use crate::directories::{Directories, Vestibule};
use crate::failure::Failure;
use crate::journal;
use crate::life::Slot;
use crate::listeners::{self, Passed};
use crate::mending::Mending;
use crate::notify::Notify;
use crate::plan::{Plan, as_path};
use crate::programs::Programs;
use crate::relay::Relay;
use crate::restart::Restart;
use crate::set::{Set, Source, WorkerLog};
use crate::signals::Signals;
use ipc::Secret;
use ipc::edge::supervisor::Process;
use ipc::registry::Registry;
use ipc::ticket::KEY_BYTES;
use rustix::fs::{CWD, Mode, OFlags};
use rustix::io::Errno;
use rustix::process::{PidfdFlags, PidfdGetfdFlags};
use sandbox::{Entered, IdRanges, Site, Waivers};
use std::ffi::OsString;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Makes the sockets that systemd passed our own. Their numbers are known
/// (sd_listen_fds(3)), but a number is not a descriptor: so we ask for copies
/// through our own pidfd.
///
/// # Errors
/// [`Failure::Kernel`] if a number is not open.
pub fn claim(names: impl Iterator<Item = OsString>) -> Result<Vec<Passed>, Failure> {
    let failed = |errno| Failure::Kernel("a socket of systemd's", errno);
    let own = rustix::process::getpid();
    let own = rustix::process::pidfd_open(own, PidfdFlags::empty()).map_err(failed)?;
    let claimed = (3..).zip(names).map(|(number, name)| {
        let socket = rustix::process::pidfd_getfd(&own, number, PidfdGetfdFlags::empty());
        Ok((name.into_encoded_bytes(), socket.map_err(failed)?))
    });
    claimed.collect()
}

impl Set {
    /// Confined already: takes signals, has the configuration read, checks the
    /// kernel, makes directories, binds listeners, draws the master key.
    ///
    /// # Errors
    /// A [`Failure`]; nothing has been started.
    pub fn prepare(
        entered: &Entered,
        path: PathBuf,
        passed: &[Passed],
        notify: Notify,
    ) -> Result<Self, Failure> {
        rustix::process::umask(Mode::WGRP | Mode::WOTH);
        let own = rustix::process::getpid();
        rustix::process::set_child_subreaper(Some(own)).map_err(kernel)?;
        let signals = Signals::take()?;
        let null = null()?;
        let programs = Programs::seal()?;
        let lacks = sandbox::kernel_lacks();
        let plan = Reader {
            program: programs.of(Process::Config)?,
            root: Vestibule::make()?.as_fd(),
            site: before_configuration(entered, lacks),
            null: null.as_fd(),
        }
        .read(&path)?;
        if let Some(logging) = plan.logging() {
            journal::change(&logging);
        }
        let site = decided(entered, &plan, lacks)?;
        let worker_log = worker_log()?;
        let registry = registry(&signals, &worker_log).map_err(kernel)?;
        Ok(Self {
            directories: Directories::prepare(as_path(&plan.supervision.state), site)?,
            listeners: listeners::bind_all(&plan.listeners, passed)?,
            admin: listeners::bind_admin(as_path(&plan.supervision.control_socket))?,
            slots: slots(&plan),
            master_key: Secret::from_array(ipc::identity::random::<KEY_BYTES>().map_err(kernel)?),
            worker_log,
            since: Instant::now(),
            site,
            path,
            plan,
            programs,
            null,
            registry,
            instances: 0,
            control: None,
            reloading: None,
            adopted: Adopted::default(),
            mending: Mending::default(),
            signals,
            notify,
            up: false,
            stopping: None,
        })
    }
}

fn kernel(errno: Errno) -> Failure {
    Failure::Kernel("the supervisor", errno)
}

fn null() -> Result<OwnedFd, Failure> {
    let flags = OFlags::RDWR | OFlags::CLOEXEC;
    rustix::fs::openat(CWD, c"/dev/null", flags, Mode::empty())
        .map_err(|errno| Failure::File("/dev/null".into(), errno))
}

fn worker_log() -> Result<WorkerLog, Failure> {
    let (reading, writing) = journal::pipe()?;
    Ok(WorkerLog {
        reading,
        writing,
        relay: Relay::new(Instant::now()),
    })
}

fn registry(signals: &Signals, worker_log: &WorkerLog) -> Result<Registry<Source>, Errno> {
    let mut registry = Registry::new()?;
    registry.watch(Source::Signal, signals)?;
    registry.watch(Source::WorkerLog, &worker_log.reading)?;
    Ok(registry)
}

/// The site as far as it is known before the configuration has been read.
fn before_configuration(entered: &Entered, lacks: Waivers) -> Site {
    match entered.site().ranges() {
        Some(ranges) => Site::separate(ranges, lacks),
        None => Site::single(lacks),
    }
}

/// The site as the configuration decides it; a layer that the kernel lacks must
/// be named there.
fn decided(entered: &Entered, plan: &Plan, lacks: Waivers) -> Result<Site, Failure> {
    let waivers = Waivers::from_bits(plan.supervision.waivers).ok_or(Failure::NoPlan)?;
    let missing = lacks.minus(waivers);
    if !missing.is_empty() {
        let all = missing.layers().chain(waivers.layers()).collect();
        return Err(Failure::KernelLacks(missing, all));
    }
    if entered.site().ranges().is_none() {
        return Ok(Site::single(waivers));
    }
    let plan = &plan.supervision;
    let ranges = IdRanges::new(plan.process_uid, plan.account_uid, plan.account_uids);
    ranges
        .map(|ranges| Site::separate(ranges, waivers))
        .ok_or(Failure::NoPlan)
}

fn slots(plan: &Plan) -> Vec<Slot> {
    let first = Duration::from_millis(plan.supervision.restart_milliseconds.into());
    let of_room = |room| {
        let slot = move |_| Slot {
            room,
            life: None,
            restart: Restart::new(first),
        };
        (0..room.many.count(&plan.supervision)).map(slot)
    };
    HOUSE.iter().flat_map(of_room).collect()
}
