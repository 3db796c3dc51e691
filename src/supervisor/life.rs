//! One life of one process, from birth to the reaping.

use crate::failure::Failure;
use crate::journal;
use crate::relay::Relay;
use crate::restart::Restart;
use crate::set::Source;
use crate::table::{self, Room};
use ipc::Instance;
use ipc::edge::supervisor::{ToProcess, ToSupervisor};
use ipc::registry::{Registered, Registry, Watched};
use sandbox::{Child, Newborn, Program, Site};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

/// How long a process may take from birth to `Running`.
pub const STARTING_MAX: Duration = Duration::from_secs(30);

/// A place in the set: one process of one kind, dead or alive.
#[derive(Debug)]
pub struct Slot {
    /// Its row in the process table.
    pub room: &'static Room,
    /// Its present life.
    pub life: Option<Life>,
    /// Its past ones.
    pub restart: Restart,
}

/// How far a life has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Its program runs.
    Born,
    /// It is confined.
    Entered,
    /// It serves.
    Running,
    /// Its channel has been cut; it is about to end.
    Cut,
}

/// See the module.
#[derive(Debug)]
pub struct Life {
    /// Which one.
    pub instance: Instance,
    /// The process.
    pub child: Child,
    /// The channel to it.
    pub channel: Registered<ToProcess, ToSupervisor>,
    /// How far it has come.
    pub state: State,
    /// When it was born.
    pub since: Instant,
    name: String,
    relay: Relay,
    log: OwnedFd,
    log_watched: Option<Watched>,
    end_watched: Watched,
}

/// What a birth takes beside the row of the table.
#[derive(Debug)]
pub struct Cradle<'a> {
    /// What the site has decided.
    pub site: Site,
    /// The process's root.
    pub root: BorrowedFd<'a>,
    /// Its program.
    pub program: &'a Program,
    /// `/dev/null`.
    pub null: BorrowedFd<'a>,
    /// What it has at descriptor 4 and above.
    pub more: &'a [BorrowedFd<'a>],
}

impl Life {
    /// Gives birth, and watches the child, its log and its channel.
    ///
    /// # Errors
    /// A [`Failure`]; nothing is left of the child.
    pub fn begin(
        room: &'static Room,
        slot: usize,
        instance: Instance,
        cradle: &Cradle<'_>,
        registry: &mut Registry<Source>,
    ) -> Result<Self, Failure> {
        let (near, far) =
            ipc::channel::pair().map_err(|errno| Failure::Kernel("a channel", errno))?;
        let (log, its_log) = journal::pipe()?;
        let mut descriptors = vec![cradle.null, cradle.null, its_log.as_fd(), far.as_fd()];
        descriptors.extend(cradle.more);
        let child = Newborn::process(
            room.profile,
            cradle.site,
            cradle.root,
            cradle.program,
            &descriptors,
        )
        .spawn()
        .map_err(|stillborn| Failure::Stillborn(room.process, stillborn))?;
        let watch = |errno| Failure::Kernel("epoll", errno);
        let channel = registry
            .register(Source::Channel(slot), near)
            .map_err(|_| Failure::Kernel("a channel", rustix::io::Errno::IO))?;
        let now = Instant::now();
        Ok(Self {
            name: format!("{}[{}]", table::name(room.process), instance.0),
            instance,
            channel,
            state: State::Born,
            since: now,
            relay: Relay::new(now),
            log_watched: Some(registry.watch(Source::Log(slot), &log).map_err(watch)?),
            end_watched: registry.watch(Source::Ended(slot), &child).map_err(watch)?,
            log,
            child,
        })
    }

    /// Whether messages still reach it.
    pub fn is_reachable(&self) -> bool {
        self.state != State::Cut
    }

    /// When it must be running, if it isn't.
    pub fn deadline(&self) -> Option<Instant> {
        match self.state {
            State::Born | State::Entered => self.since.checked_add(STARTING_MAX),
            State::Running | State::Cut => None,
        }
    }

    /// Passes on what it has logged. At the log's end it is watched no more:
    /// an end is readable for ever.
    pub fn relay(&mut self, registry: &mut Registry<Source>) {
        match journal::read(&self.log) {
            Some(bytes) => journal::write(&self.name, &self.relay.feed(&bytes, Instant::now())),
            None => {
                if let Some(watched) = self.log_watched.take() {
                    registry.unwatch(&watched, &self.log);
                }
            }
        }
    }

    /// Whether it may have one more line of the log.
    pub fn may_log(&mut self) -> bool {
        self.relay.admits(Instant::now())
    }

    /// Cuts its channel. Whoever has no channel any more ends, or is killed.
    pub fn cut(&mut self, registry: &mut Registry<Source>) {
        if self.is_reachable() {
            registry.forget(&self.channel);
            self.state = State::Cut;
        }
    }

    /// Passes on its last words and lets go of everything.
    pub fn end(mut self, registry: &mut Registry<Source>) {
        self.relay(registry);
        journal::write(&self.name, &self.relay.finish(Instant::now()));
        if let Some(watched) = self.log_watched.take() {
            registry.unwatch(&watched, &self.log);
        }
        registry.unwatch(&self.end_watched, &self.child);
        self.cut(registry);
    }
}
