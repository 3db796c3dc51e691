//! The set: its processes, and the one loop that attends to them.
//!
//! Invariants: a process is known by its slot and its instance, never by its
//! number; whoever breaks the rules of its channel is killed and started again;
//! nothing here waits but in the loop (and for `config`, which only reads).

use crate::adopted::{self, Adopted};
use crate::directories::Directories;
use crate::failure::Failure;
use crate::journal;
use crate::life::{Life, Slot};
use crate::listeners::Bound;
use crate::mending::Mending;
use crate::notify::Notify;
use crate::plan::Plan;
use crate::programs::Programs;
use crate::relay::Relay;
use crate::reload::{Reload, Verdict};
use crate::reloading::Reloading;
use crate::signals::{Signals, Wish};
use crate::starting;
use crate::stopping::Stopping;
use ipc::edge::control_supervisor::{ToControl, ToSupervisor as FromControl};
use ipc::edge::supervisor::ToProcess;
use ipc::registry::{Registered, Registry};
use ipc::ticket::KEY_BYTES;
use ipc::{Fault, Secret};
use sandbox::Site;
use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};
use tracing::error;

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
    /// Our end.
    pub reading: OwnedFd,
    /// Given to every broker.
    pub writing: OwnedFd,
    /// What has come through it.
    pub relay: Relay,
}

/// See the module. Its parts are used by the files that each do one thing with
/// it: `starting`, `wiring`, `hearing`, `restarting`, `reloading`, `ending`.
pub struct Set {
    /// When the supervisor was started.
    pub since: Instant,
    /// What the site has decided about confinement.
    pub site: Site,
    /// Where the configuration is.
    pub path: PathBuf,
    /// The configuration in force.
    pub plan: Plan,
    /// Every program, sealed.
    pub programs: Programs,
    /// Every directory of the state.
    pub directories: Directories,
    /// Every listening socket but the admin's.
    pub listeners: Vec<Bound>,
    /// The admin socket.
    pub admin: Bound,
    /// The key that accounts' keys derive from.
    pub master_key: Secret<KEY_BYTES>,
    /// Where workers log.
    pub worker_log: WorkerLog,
    /// `/dev/null`.
    pub null: OwnedFd,
    /// Whatever is waited for.
    pub registry: Registry<Source>,
    /// Every process, dead or alive.
    pub slots: Vec<Slot>,
    /// How many lives there have been.
    pub instances: u32,
    /// Our end of the edge to `control`.
    pub control: Option<Registered<ToControl, FromControl>>,
    /// The reload under way.
    pub reloading: Option<Reloading>,
    /// Workers without a broker.
    pub adopted: Adopted,
    /// Edges that are to be joined again.
    pub mending: Mending,
    /// Signals as they come.
    pub signals: Signals,
    /// Whom systemd wants told.
    pub notify: Notify,
    /// Whether all have been running once.
    pub up: bool,
    /// The stop under way.
    pub stopping: Option<Stopping>,
}

/// Runs a set until it is told to stop. The arguments are the configuration's
/// path, and the names of the sockets that systemd has passed as descriptors 3
/// and on.
pub fn run(mut arguments: impl Iterator<Item = OsString>) -> ExitCode {
    journal::begin();
    let path = arguments.next().map(PathBuf::from);
    let passed = starting::claim(arguments);
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
            error!("{failure}");
            ExitCode::from(failure.exit_code())
        }
    }
}

impl Set {
    /// The set's whole life.
    fn live(&mut self) -> Result<(), Failure> {
        let all: Vec<usize> = (0..self.slots.len()).collect();
        let ended = self.launch(&all).and_then(|()| self.serve());
        self.kill_all(ended.is_ok());
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
    pub fn condemn(&mut self, slot: usize, fault: Fault) {
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

    fn relay(&mut self, slot: usize) {
        if let Some(life) = self.slots.get_mut(slot).and_then(|slot| slot.life.as_mut()) {
            life.relay(&mut self.registry);
        }
    }

    pub fn relay_workers(&mut self) {
        let log = &mut self.worker_log;
        if let Some(bytes) = journal::read(&log.reading) {
            journal::write("worker", &log.relay.feed(&bytes, Instant::now()));
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
        self.mend(now);
        self.restart_the_dead(now);
        Ok(false)
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
        let mending = self.mending.next().filter(|_| self.stopping.is_none());
        let restarts = restarts.filter(|_| self.reloading.is_none() && self.stopping.is_none());
        let soonest = starts
            .chain(restarts)
            .chain(stop)
            .chain(reload)
            .chain(adopted)
            .chain(mending)
            .min();
        soonest.map_or(IDLE, |soonest| {
            soonest.saturating_duration_since(now).min(IDLE)
        })
    }

    /// Brings an answer or an event to the reload under way.
    pub fn judge(&mut self, verdict: impl FnOnce(&mut Reload) -> Verdict) {
        if let Some(reloading) = &mut self.reloading {
            let verdict = verdict(&mut reloading.reload);
            self.conclude(verdict);
        }
    }
}

/// The life in a slot, if it can be reached.
pub fn living(slots: &mut [Slot], slot: usize) -> Option<&mut Life> {
    slots
        .get_mut(slot)?
        .life
        .as_mut()
        .filter(|life| life.is_reachable())
}
