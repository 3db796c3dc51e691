//! Having the configuration read: a confined `config` gets the file and answers
//! with the plan.
//!
//! We wait for it, and do nothing else meanwhile: it reads one file and ends.

use crate::failure::Failure;
use crate::journal;
use crate::plan::{Draft, Plan, Told};
use crate::relay::Relay;
use ipc::edge::config::{FromConfig, ToConfig};
use ipc::edge::supervisor::Process;
use ipc::registry::{Registered, Registry};
use rustix::fs::{CWD, Mode, OFlags};
use rustix::io::Errno;
use sandbox::{Child, Ended, Newborn, Program, Site, profile};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::time::{Duration, Instant};

/// How long `config` may take; it needs some milliseconds.
const READING_MAX: Duration = Duration::from_secs(10);

/// How a process ends that would not be confined (`sandbox::refuse`).
const NOT_CONFINED: i32 = 71;

/// What `config` needs to be born.
#[derive(Debug)]
pub struct Reader<'a> {
    /// Its program.
    pub program: &'a Program,
    /// An empty directory.
    pub root: BorrowedFd<'a>,
    /// What the site has decided; at the first start, all that the kernel lacks
    /// is waived, for what the site waives stands in the file.
    pub site: Site,
    /// `/dev/null`.
    pub null: BorrowedFd<'a>,
}

/// What there is to wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    Channel,
    Log,
    End,
}

/// One reading under way.
struct Reading {
    registry: Registry<Source>,
    channel: Registered<ToConfig, FromConfig>,
    child: Child,
    log: OwnedFd,
    relay: Relay,
    told: Told,
}

impl Reader<'_> {
    /// Reads the file at this path.
    ///
    /// # Errors
    /// A [`Failure`]; mistakes have been written to our standard error.
    pub fn read(&self, path: &Path) -> Result<Plan, Failure> {
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = rustix::fs::openat(CWD, path, flags, Mode::empty())
            .map_err(|errno| Failure::File(path.to_owned(), errno))?;
        let mut reading = self.begin(&file)?;
        let answered = reading.until_the_end();
        // It has ended, or its time is over.
        let _gone = reading.child.kill();
        answered?;
        match reading.told {
            Told::Plan(plan) => Ok(*plan),
            Told::Mistakes(count) => Err(Failure::Mistakes(count)),
            Told::More(_) | Told::Nonsense => Err(Failure::NoPlan),
        }
    }

    fn begin(&self, file: &OwnedFd) -> Result<Reading, Failure> {
        let kernel = |errno| Failure::Kernel("reading the configuration", errno);
        let (near, far) = ipc::channel::pair().map_err(kernel)?;
        let (log, its_log) = journal::pipe()?;
        let descriptors = [
            self.null,
            self.null,
            its_log.as_fd(),
            far.as_fd(),
            file.as_fd(),
        ];
        let child = Newborn::process(
            &profile::CONFIG,
            self.site,
            self.root,
            self.program,
            &descriptors,
        )
        .spawn()
        .map_err(|stillborn| Failure::Stillborn(Process::Config, stillborn))?;
        let mut registry = Registry::new().map_err(kernel)?;
        let channel = registry.register(Source::Channel, near);
        registry.watch(Source::Log, &log).map_err(kernel)?;
        registry.watch(Source::End, &child).map_err(kernel)?;
        Ok(Reading {
            channel: channel.map_err(|_| kernel(Errno::IO))?,
            registry,
            child,
            log,
            relay: Relay::new(Instant::now()),
            told: Told::More(Draft::default()),
        })
    }
}

impl Reading {
    /// Listens until the child has ended, and then to its last words.
    fn until_the_end(&mut self) -> Result<(), Failure> {
        let begun = Instant::now();
        let mut ended = false;
        while !ended {
            let left = READING_MAX.saturating_sub(begun.elapsed());
            if left.is_zero() {
                return Err(Failure::SlowAtStart(Process::Config));
            }
            let ready = self.registry.wait(left);
            let ready = ready.map_err(|errno| Failure::Kernel("epoll", errno))?;
            ended = ready.contains(&Source::End);
            self.hear();
            self.pass_on();
        }
        while self.hear() {}
        // Reaped; how it ended is in its answer, or in there being none.
        let end = self.child.ended().ok().flatten();
        journal::write("config", &self.relay.finish(Instant::now()));
        match end {
            Some(Ended::Exited(NOT_CONFINED)) => Err(Failure::EndedAtStart(Process::Config, end)),
            _ => Ok(()),
        }
    }

    /// Takes what has come; whether there was anything.
    fn hear(&mut self) -> bool {
        let (messages, _) = self.registry.turn(&mut self.channel);
        let any = !messages.is_empty();
        for message in messages {
            self.told = match std::mem::replace(&mut self.told, Told::Nonsense) {
                Told::More(draft) => draft.hear(message),
                // It has said all, and goes on: it is not to be believed.
                _ => Told::Nonsense,
            };
        }
        any
    }

    fn pass_on(&mut self) {
        if let Some(bytes) = journal::read(&self.log) {
            journal::write("config", &self.relay.feed(&bytes, Instant::now()));
        }
    }
}
