//! The set: its processes, and the one loop that attends to them.
//!
//! Invariants: a process is known by its slot and its instance, never by its
//! number; whoever breaks the rules of its channel is killed and started again;
//! nothing here waits but in the loop (and for `config`, which only reads).

use crate::HOUSE;
use crate::adopted::{self, Adopted};
use crate::configuring::Reader;
use crate::directories::{Directories, Vestibule};
use crate::failure::{Failure, describe};
use crate::journal;
use crate::life::{Life, Slot, State};
use crate::listeners::{self, Bound, Passed};
use crate::notify::Notify;
use crate::plan::{Plan, as_path};
use crate::programs::Programs;
use crate::relay::Relay;
use crate::reload::Verdict;
use crate::reloading::Reloading;
use crate::report;
use crate::restart::Restart;
use crate::signals::{Signals, Wish};
use crate::stopping::{Step, Stopping};
use crate::table::name;
use ipc::edge::control_supervisor::{ToControl, ToSupervisor as FromControl};
use ipc::edge::supervisor::{Event, Process, ToProcess, ToSupervisor};
use ipc::registry::{Registered, Registry};
use ipc::ticket::KEY_BYTES;
use ipc::{Fault, Secret};
use rustix::fs::{CWD, Mode, OFlags};
use sandbox::{Entered, IdRanges, Refusal, Site, Waivers};
use std::ffi::OsString;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};
use tracing::{error, info, warn};

/// How long the loop waits if nothing is due.
const IDLE: Duration = Duration::from_secs(60);

/// Whose descriptor is ready.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// A signal has come.
    Signal,
    /// The process in this slot says something.
    Channel(usize),
    /// It has ended.
    Ended(usize),
    /// It logs something.
    Log(usize),
    /// A worker logs something.
    WorkerLog,
    /// `control` asks something.
    Control,
}

/// The pipe that is every worker's standard error.
#[derive(Debug)]
pub struct WorkerLog {
    reading: OwnedFd,
    /// Given to every broker.
    pub writing: OwnedFd,
    relay: Relay,
}

/// See the module.
pub struct Set {
    pub(crate) site: Site,
    pub(crate) path: PathBuf,
    pub(crate) plan: Plan,
    pub(crate) programs: Programs,
    pub(crate) directories: Directories,
    pub(crate) listeners: Vec<Bound>,
    pub(crate) admin: Bound,
    pub(crate) master_key: Secret<KEY_BYTES>,
    pub(crate) worker_log: WorkerLog,
    pub(crate) null: OwnedFd,
    pub(crate) registry: Registry<Source>,
    pub(crate) slots: Vec<Slot>,
    pub(crate) instances: u32,
    pub(crate) control: Option<Registered<ToControl, FromControl>>,
    pub(crate) reloading: Option<Reloading>,
    adopted: Adopted,
    signals: Signals,
    notify: Notify,
    up: bool,
    stopping: Option<Stopping>,
}

/// Runs a set until it is told to stop. The arguments are the configuration's
/// path, and the names of the sockets that systemd has passed as descriptors 3
/// and on.
pub fn run(mut arguments: impl Iterator<Item = OsString>) -> ExitCode {
    let path = arguments.next().map(PathBuf::from);
    let passed = claim(arguments);
    let notify = Notify::connect();
    let ended = match sandbox::enter_supervisor() {
        Ok(entered) => path
            .ok_or(Failure::NoConfigurationNamed)
            .and_then(|path| Set::prepare(&entered, path, &passed?, notify))
            .and_then(|mut set| set.live()),
        Err(refusal) => Err(Failure::NotConfined(refusal)),
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            journal::write(format!("mailkeep: {failure}\n").as_bytes());
            ExitCode::FAILURE
        }
    }
}

/// Makes the sockets that systemd passed our own. Their numbers are known
/// (sd_listen_fds(3)), but a number is not a descriptor: so we ask for copies
/// through our own pidfd.
fn claim(names: impl Iterator<Item = OsString>) -> Result<Vec<Passed>, Failure> {
    let failed = |errno| Failure::Kernel("a socket of systemd's", errno);
    let own = rustix::process::pidfd_open(
        rustix::process::getpid(),
        rustix::process::PidfdFlags::empty(),
    );
    let own = own.map_err(failed)?;
    let numbered = (3..).zip(names);
    let claimed = numbered.map(|(number, name)| {
        let flags = rustix::process::PidfdGetfdFlags::empty();
        let socket = rustix::process::pidfd_getfd(&own, number, flags).map_err(failed)?;
        Ok((name.into_encoded_bytes(), socket))
    });
    claimed.collect()
}

impl Set {
    /// Everything that comes before the first process: see main.rs.
    fn prepare(
        entered: &Entered,
        path: PathBuf,
        passed: &[Passed],
        notify: Notify,
    ) -> Result<Self, Failure> {
        let kernel = |errno| Failure::Kernel("the supervisor", errno);
        rustix::process::umask(Mode::WGRP | Mode::WOTH);
        rustix::process::set_child_subreaper(Some(rustix::process::getpid())).map_err(kernel)?;
        let signals = Signals::take()?;
        let null = rustix::fs::openat(
            CWD,
            c"/dev/null",
            OFlags::RDWR | OFlags::CLOEXEC,
            Mode::empty(),
        )
        .map_err(|errno| Failure::File("/dev/null".into(), errno))?;
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
            journal::begin(&logging);
        }
        let site = decided(entered, &plan, lacks)?;
        let directories = Directories::prepare(as_path(&plan.supervision.state), site)?;
        let listeners = listeners::bind_all(&plan.listeners, passed)?;
        let admin = listeners::bind_admin(as_path(&plan.supervision.control_socket))?;
        let (reading, writing) = journal::pipe()?;
        let mut registry = Registry::new().map_err(kernel)?;
        registry.watch(Source::Signal, &signals).map_err(kernel)?;
        registry
            .watch(Source::WorkerLog, &reading)
            .map_err(kernel)?;
        Ok(Self {
            slots: slots(&plan),
            master_key: Secret::from_array(ipc::identity::random::<KEY_BYTES>().map_err(kernel)?),
            worker_log: WorkerLog {
                reading,
                writing,
                relay: Relay::new(Instant::now()),
            },
            site,
            path,
            plan,
            programs,
            directories,
            listeners,
            admin,
            null,
            registry,
            instances: 0,
            control: None,
            reloading: None,
            adopted: Adopted::default(),
            signals,
            notify,
            up: false,
            stopping: None,
        })
    }

    /// The set's whole life.
    fn live(&mut self) -> Result<(), Failure> {
        let all: Vec<usize> = (0..self.slots.len()).collect();
        let ended = self.launch(&all).and_then(|()| self.serve());
        self.kill_all();
        ended
    }

    fn serve(&mut self) -> Result<(), Failure> {
        loop {
            let ready = self.registry.wait(self.patience(Instant::now()));
            for source in ready.map_err(|errno| Failure::Kernel("epoll", errno))? {
                self.attend(source)?;
            }
            if self.pass_time(Instant::now())? {
                return Ok(());
            }
        }
    }

    fn attend(&mut self, source: Source) -> Result<(), Failure> {
        match source {
            Source::Signal => self.heed_signals(),
            Source::Channel(slot) => self.hear(slot)?,
            Source::Ended(slot) => self.bury(slot)?,
            Source::Log(slot) => self.relay(slot),
            Source::WorkerLog => self.relay_workers(),
            Source::Control => self.hear_control(),
        }
        Ok(())
    }

    /// Sends a message to the process in a slot, if it can be reached.
    pub fn tell(&mut self, slot: usize, message: ToProcess) {
        let Some(life) = living(&mut self.slots, slot) else {
            return;
        };
        if let Err(fault) = self.registry.send(&mut life.channel, message) {
            self.condemn(slot, fault);
        }
    }

    /// A process that doesn't keep to its channel's rules, or doesn't read, is
    /// ended; what follows follows from its end.
    fn condemn(&mut self, slot: usize, fault: Fault) {
        let stopping = self.stopping.is_some();
        let Some(life) = living(&mut self.slots, slot) else {
            return;
        };
        if fault != Fault::PeerGone {
            error!(instance = life.instance.0, %fault, "a process is ended for its channel");
        }
        life.cut(&mut self.registry);
        if !stopping {
            // It may have ended already, and is then only to be reaped.
            let _gone = life.child.kill();
        }
    }

    fn hear(&mut self, slot: usize) -> Result<(), Failure> {
        let Some(life) = living(&mut self.slots, slot) else {
            return Ok(());
        };
        let (messages, outcome) = self.registry.turn(&mut life.channel);
        for message in messages {
            self.take(slot, message)?;
        }
        if let Err(fault) = outcome {
            self.condemn(slot, fault);
        }
        Ok(())
    }

    fn take(&mut self, slot: usize, message: ToSupervisor) -> Result<(), Failure> {
        let up = self.up;
        let Some(found) = self.slots.get_mut(slot) else {
            return Ok(());
        };
        let process = found.room.process;
        let Some(life) = &mut found.life else {
            return Ok(());
        };
        let instance = life.instance;
        match message {
            ToSupervisor::Entered if life.state == State::Born => life.state = State::Entered,
            ToSupervisor::Running if life.state == State::Entered => {
                life.state = State::Running;
                self.look_whether_up();
            }
            ToSupervisor::Prepared => self.judge(|reload| reload.prepared(instance)),
            ToSupervisor::Refused { reason } if life.state == State::Running => {
                self.judge(|reload| reload.refused(process, reason.into_vec()));
            }
            ToSupervisor::Refused { reason } => {
                let words = String::from_utf8_lossy(reason.as_slice()).into_owned();
                if !up {
                    return Err(Failure::Refused(process, words));
                }
                error!(process = name(process), reason = %words, "a process refuses its configuration");
            }
            ToSupervisor::Report { event } => self.note(process, event),
            ToSupervisor::Entered | ToSupervisor::Running => {
                self.condemn(slot, Fault::PeerSent(ipc::Malformed::UnknownValue));
            }
        }
        Ok(())
    }

    fn note(&mut self, process: Process, event: Event) {
        report::log(process, event);
        match event {
            Event::WorkerBorn { account, pid, .. } if process == Process::Broker => {
                self.adopted.born(account, pid);
            }
            Event::WorkerEnded { account, .. } if process == Process::Broker => {
                self.adopted.ended(account);
            }
            _ => {}
        }
    }

    fn look_whether_up(&mut self) {
        let running = |slot: &Slot| {
            slot.life
                .as_ref()
                .is_some_and(|life| life.state == State::Running)
        };
        if !self.up && self.slots.iter().all(running) {
            self.up = true;
            self.notify.ready();
            info!(processes = self.slots.len(), "the set is up");
        }
    }

    /// A process has ended: its last words, its reaping, and what follows.
    fn bury(&mut self, slot: usize) -> Result<(), Failure> {
        self.hear(slot)?;
        let Some(found) = self.slots.get_mut(slot) else {
            return Ok(());
        };
        let Some(life) = &found.life else {
            return Ok(());
        };
        let ended = match life.child.ended() {
            Ok(None) => return Ok(()),
            Ok(Some(ended)) => Some(ended),
            Err(_) => None,
        };
        let process = found.room.process;
        let Some(life) = found.life.take() else {
            return Ok(());
        };
        let (instance, lived) = (life.instance, life.since.elapsed());
        life.end(&mut self.registry);
        if process == Process::Broker {
            self.adopted.take(Instant::now());
        }
        if self.stopping.is_some() {
            return Ok(());
        }
        if !self.up {
            return Err(Failure::EndedAtStart(process, ended));
        }
        let how = ended
            .map(|ended| describe(ended).to_string())
            .unwrap_or_default();
        let pause = self
            .slots
            .get_mut(slot)
            .map(|slot| slot.restart.died(lived, Instant::now()));
        let pause = pause.unwrap_or_default().as_millis();
        error!(process = name(process), instance = instance.0, %how, pause_ms = pause, "a process has died");
        self.judge(|reload| reload.died(process, instance));
        Ok(())
    }

    fn relay(&mut self, slot: usize) {
        if let Some(life) = self.slots.get_mut(slot).and_then(|slot| slot.life.as_mut()) {
            life.relay(&mut self.registry);
        }
    }

    fn relay_workers(&mut self) {
        let log = &mut self.worker_log;
        if let Some(bytes) = journal::read(&log.reading) {
            journal::write(&log.relay.feed("worker", &bytes, Instant::now()));
        }
    }

    fn heed_signals(&mut self) {
        while let Some(wish) = self.signals.next() {
            match wish {
                Wish::Stop => self.begin_stopping(),
                Wish::Reload => self.begin_reload(false),
            }
        }
    }

    fn begin_stopping(&mut self) {
        if self.stopping.is_none() {
            info!("the set is stopping");
            self.notify.stopping();
            self.stopping = Some(Stopping::begin(HOUSE.len(), Instant::now()));
            self.stop_kind(0);
        }
    }

    fn stop_kind(&mut self, kind: usize) {
        for slot in self.of_kind(kind) {
            self.tell(slot, ToProcess::Stop);
        }
    }

    /// The slots of one row of the process table.
    fn of_kind(&self, kind: usize) -> Vec<usize> {
        let process = HOUSE.get(kind).map(|room| room.process);
        let all = self.slots.iter().enumerate();
        all.filter(|(_, slot)| Some(slot.room.process) == process)
            .map(|(index, _)| index)
            .collect()
    }

    /// What is due; whether the set is over.
    fn pass_time(&mut self, now: Instant) -> Result<bool, Failure> {
        if !self.adopted.is_empty() {
            self.adopted.look(now);
        }
        if self.stopping.is_some() {
            return Ok(self.go_on_stopping(now));
        }
        self.judge(|reload| reload.tick(now));
        self.end_the_slow(now)?;
        self.restart_the_dead(now);
        Ok(false)
    }

    fn go_on_stopping(&mut self, now: Instant) -> bool {
        loop {
            let kind = self.stopping.as_ref().map_or(0, Stopping::kind);
            let mut kinds = self.of_kind(kind).into_iter();
            let gone =
                kinds.all(|slot| self.slots.get(slot).is_some_and(|slot| slot.life.is_none()));
            match self
                .stopping
                .as_mut()
                .map(|stopping| stopping.step(gone, now))
            {
                Some(Step::Tell(kind)) => self.stop_kind(kind),
                Some(Step::Wait) => return false,
                Some(Step::End) | None => return true,
            }
        }
    }

    fn end_the_slow(&mut self, now: Instant) -> Result<(), Failure> {
        for slot in &mut self.slots {
            let Some(life) = &slot.life else { continue };
            if life.deadline().is_some_and(|deadline| now >= deadline) {
                if !self.up {
                    return Err(Failure::SlowAtStart(slot.room.process));
                }
                error!(
                    process = name(slot.room.process),
                    "a process did not come up in time"
                );
                let _gone = life.child.kill();
            }
        }
        Ok(())
    }

    /// A new process gets the configuration in force, so none is started while
    /// that is being changed.
    fn restart_the_dead(&mut self, now: Instant) {
        if self.reloading.is_some() {
            return;
        }
        let is_due = |slot: &Slot| slot.restart.due().is_some_and(|due| now >= due);
        let all = self.slots.iter().enumerate();
        let due: Vec<usize> = all
            .filter(|(_, slot)| is_due(slot))
            .map(|(index, _)| index)
            .collect();
        for slot in due {
            if let Err(failure) = self.launch(&[slot]) {
                self.launch_failed(slot, &failure, now);
            }
        }
    }

    /// What can't be started now is tried again, as if it had died at once.
    fn launch_failed(&mut self, slot: usize, failure: &Failure, now: Instant) {
        error!(%failure, "a process could not be started again");
        let Some(slot) = self.slots.get_mut(slot) else {
            return;
        };
        match &slot.life {
            // Half given: it ends, and that brings the next try.
            Some(life) => drop(life.child.kill()),
            None => drop(slot.restart.died(Duration::ZERO, now)),
        }
    }

    /// How long the loop may wait.
    fn patience(&self, now: Instant) -> Duration {
        let starts = self
            .slots
            .iter()
            .filter_map(|slot| slot.life.as_ref()?.deadline());
        let restarts = self.slots.iter().filter_map(|slot| slot.restart.due());
        let stop = self.stopping.as_ref().map(Stopping::deadline);
        let reload = self
            .reloading
            .as_ref()
            .map(|reloading| reloading.reload.deadline());
        let adopted = (!self.adopted.is_empty())
            .then(|| now.checked_add(adopted::LOOKING))
            .flatten();
        let restarts = restarts.filter(|_| self.reloading.is_none() && self.stopping.is_none());
        let soonest = starts
            .chain(restarts)
            .chain(stop)
            .chain(reload)
            .chain(adopted)
            .min();
        soonest.map_or(IDLE, |soonest| {
            soonest.saturating_duration_since(now).min(IDLE)
        })
    }

    /// What is left of the set when it is over.
    fn kill_all(&mut self) {
        self.adopted.take(Instant::now());
        self.adopted.end();
        for slot in &mut self.slots {
            if let Some(life) = slot.life.take() {
                warn_killed(slot.room.process, &life);
                let _gone = life.child.kill();
                life.end(&mut self.registry);
            }
        }
        self.relay_workers();
    }

    /// Brings an answer or an event to the reload under way.
    fn judge(&mut self, verdict: impl FnOnce(&mut crate::reload::Reload) -> Verdict) {
        if let Some(reloading) = &mut self.reloading {
            let verdict = verdict(&mut reloading.reload);
            self.conclude(verdict);
        }
    }
}

fn warn_killed(process: Process, life: &Life) {
    warn!(
        process = name(process),
        instance = life.instance.0,
        "a process did not stop in time"
    );
}

/// The life in a slot, if it can be reached.
fn living(slots: &mut [Slot], slot: usize) -> Option<&mut Life> {
    slots
        .get_mut(slot)?
        .life
        .as_mut()
        .filter(|life| life.is_reachable())
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
        return Err(Failure::NotConfined(Refusal::KernelLacks(all)));
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
