//! The first dialogue of every process: from `Entered` to `Begin`, over fd 3.
//!
//! All processes hear the same messages in the same order, so it is written
//! once. It waits (nothing else is going on yet), but not for ever.

use crate::channel::{Channel, Fault, Received};
use crate::edge::supervisor::{Edge, FileUse, ToProcess, ToSupervisor};
use crate::identity::Instance;
use crate::secret::Secret;
use crate::slice::{Listener, Slice};
use crate::ticket::KEY_BYTES;
use rustix::event::{PollFd, PollFlags, Timespec};
use std::os::fd::OwnedFd;

/// How long the supervisor may take between two messages of the start.
const SILENCE_SECONDS_MAX: i64 = 30;

/// A process's end of the supervisor's channel.
pub type SupervisorChannel = Channel<ToSupervisor, ToProcess>;

/// Why a process could not start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotStarted {
    /// The channel failed.
    Channel(Fault),
    /// The supervisor has closed its end, or was silent for too long.
    NoSupervisor,
    /// Something came that belongs to a later phase.
    OutOfPhase,
    /// `Begin` came before `Configure`.
    NoSlice,
}

/// What the supervisor gave.
#[derive(Debug)]
pub struct Given {
    /// The process's slice of the configuration.
    pub slice: Slice,
    /// Its ends of edges.
    pub edges: Vec<(Edge, Instance, OwnedFd)>,
    /// Its listening sockets.
    pub listeners: Vec<(Listener, OwnedFd)>,
    /// Its files.
    pub files: Vec<(FileUse, OwnedFd)>,
    /// For `auth` and `broker`.
    pub master_key: Option<Secret<KEY_BYTES>>,
    /// For `broker`: standard error of every worker.
    pub worker_log: Option<OwnedFd>,
    /// For `broker` and `director`: what workers are told.
    pub worker_slice: Option<Slice>,
}

/// Says `Entered` and collects what is given until `Begin`. The process answers
/// `Running` or `Refused` itself, when it knows.
///
/// # Errors
/// [`NotStarted`]: there is nothing to do but to exit.
pub fn collect(supervisor: &mut SupervisorChannel) -> Result<Given, NotStarted> {
    supervisor
        .send(ToSupervisor::Entered)
        .map_err(NotStarted::Channel)?;
    let mut slice = None;
    let mut given = Gathered::default();
    loop {
        match next(supervisor)? {
            ToProcess::Configure { slice: first } if slice.is_none() => slice = Some(first),
            ToProcess::Begin => {
                return slice
                    .map(|slice| given.complete(slice))
                    .ok_or(NotStarted::NoSlice);
            }
            message => given.gather(message)?,
        }
    }
}

#[derive(Default)]
struct Gathered {
    edges: Vec<(Edge, Instance, OwnedFd)>,
    listeners: Vec<(Listener, OwnedFd)>,
    files: Vec<(FileUse, OwnedFd)>,
    master_key: Option<Secret<KEY_BYTES>>,
    worker_log: Option<OwnedFd>,
    worker_slice: Option<Slice>,
}

impl Gathered {
    fn gather(&mut self, message: ToProcess) -> Result<(), NotStarted> {
        match message {
            ToProcess::Connect {
                edge,
                instance,
                socket,
            } => self.edges.push((edge, instance, socket)),
            ToProcess::Listen { listener, socket } => self.listeners.push((listener, socket)),
            ToProcess::Provide { purpose, file } => self.files.push((purpose, file)),
            ToProcess::MasterKey { key } => self.master_key = Some(key),
            ToProcess::WorkerLog { log } => self.worker_log = Some(log),
            ToProcess::WorkerSlice { slice } => self.worker_slice = Some(slice),
            _ => return Err(NotStarted::OutOfPhase),
        }
        Ok(())
    }

    fn complete(self, slice: Slice) -> Given {
        let Self {
            edges,
            listeners,
            files,
            master_key,
            worker_log,
            worker_slice,
        } = self;
        Given {
            slice,
            edges,
            listeners,
            files,
            master_key,
            worker_log,
            worker_slice,
        }
    }
}

fn next(supervisor: &mut SupervisorChannel) -> Result<ToProcess, NotStarted> {
    loop {
        match supervisor.receive().map_err(NotStarted::Channel)? {
            Received::Message(message) => return Ok(message),
            Received::Closed => return Err(NotStarted::NoSupervisor),
            Received::Nothing => wait(supervisor)?,
        }
    }
}

fn wait(supervisor: &SupervisorChannel) -> Result<(), NotStarted> {
    let timeout = Timespec {
        tv_sec: SILENCE_SECONDS_MAX,
        tv_nsec: 0,
    };
    let mut descriptors = [PollFd::new(supervisor, PollFlags::IN)];
    match rustix::event::poll(&mut descriptors, Some(&timeout)) {
        Ok(0) => Err(NotStarted::NoSupervisor),
        Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
        Err(errno) => Err(NotStarted::Channel(Fault::Socket(errno))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::slice::Keyholder;

    fn ends() -> (Channel<ToProcess, ToSupervisor>, SupervisorChannel) {
        let (supervisor, process) = crate::channel::pair().unwrap();
        (
            Channel::adopt(supervisor).unwrap(),
            Channel::adopt(process).unwrap(),
        )
    }

    fn slice() -> Slice {
        Slice::Keyholder {
            slice: Keyholder { tls12: false },
        }
    }

    #[test]
    fn a_process_collects_what_it_is_given_until_begin() {
        let (mut supervisor, mut process) = ends();
        let (edge, _other) = crate::channel::pair().unwrap();
        supervisor
            .send(ToProcess::Configure { slice: slice() })
            .unwrap();
        let connect = ToProcess::Connect {
            edge: Edge::FrontKeyholder,
            instance: Instance(4),
            socket: edge,
        };
        supervisor.send(connect).unwrap();
        supervisor.send(ToProcess::Begin).unwrap();
        let given = collect(&mut process).unwrap();
        assert_eq!(given.slice, slice());
        assert_eq!(given.edges.len(), 1);
        assert!(matches!(
            supervisor.receive(),
            Ok(Received::Message(ToSupervisor::Entered))
        ));
    }

    #[test]
    fn what_belongs_to_a_later_phase_stops_the_start() {
        let (mut supervisor, mut process) = ends();
        supervisor.send(ToProcess::Commit).unwrap();
        assert_eq!(collect(&mut process).unwrap_err(), NotStarted::OutOfPhase);
    }

    #[test]
    fn a_process_does_not_start_without_a_slice_or_a_supervisor() {
        let (mut supervisor, mut process) = ends();
        supervisor.send(ToProcess::Begin).unwrap();
        assert_eq!(collect(&mut process).unwrap_err(), NotStarted::NoSlice);
        let (supervisor, mut process) = ends();
        drop(supervisor);
        assert!(collect(&mut process).is_err());
    }
}
