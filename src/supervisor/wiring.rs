//! Starting processes: birth, what each is given, and its edges to the others.

use crate::failure::Failure;
use crate::life::{Cradle, Life};
use crate::set::{Set, Source};
use crate::table::{self, Gift, Room};
use ipc::edge::supervisor::{Edge, FileUse, Process, ToProcess};
use ipc::{Instance, Secret};
use rustix::fs::{CWD, Mode, OFlags};
use rustix::io::Errno;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// How the supervisor is called at the far end of an edge.
const SUPERVISOR: Instance = Instance(0);

impl Set {
    /// Brings processes to life: all are born, then all are given what is
    /// theirs, then wired with each other and with those that live already, and
    /// only then told to begin.
    pub fn launch(&mut self, slots: &[usize]) -> Result<(), Failure> {
        for slot in slots {
            self.bear(*slot)?;
        }
        for slot in slots {
            self.give(*slot)?;
        }
        self.wire(slots)?;
        for slot in slots {
            self.tell(*slot, ToProcess::Begin);
        }
        Ok(())
    }

    fn bear(&mut self, slot: usize) -> Result<(), Failure> {
        let Some(room) = self.slots.get(slot).map(|slot| slot.room) else {
            return Ok(());
        };
        self.instances = self.instances.wrapping_add(1);
        let instance = Instance(self.instances);
        let of_broker = [
            self.programs.of(Process::Worker)?.as_fd(),
            self.directories.store_to_sync(),
            self.programs.of(Process::Verify)?.as_fd(),
        ];
        let more: &[BorrowedFd<'_>] = if room.process == Process::Broker {
            &of_broker
        } else {
            &[]
        };
        let cradle = Cradle {
            site: self.site,
            root: self.directories.at(room.root),
            program: self.programs.of(room.process)?,
            null: self.null.as_fd(),
            more,
        };
        let life = Life::begin(room, slot, instance, &cradle, &mut self.registry)?;
        if let Some(slot) = self.slots.get_mut(slot) {
            slot.restart.settled();
            slot.life = Some(life);
        }
        Ok(())
    }

    fn give(&mut self, slot: usize) -> Result<(), Failure> {
        let Some(room) = self.slots.get(slot).map(|slot| slot.room) else {
            return Ok(());
        };
        if let Some(slice) = self.plan.slice(room.process) {
            self.tell(slot, ToProcess::Configure { slice });
        }
        for gift in room.gifts {
            for message in self.gift(*gift)? {
                self.tell(slot, message);
            }
        }
        Ok(())
    }

    fn gift(&self, gift: Gift) -> Result<Vec<ToProcess>, Failure> {
        match gift {
            Gift::Listeners => self.listen(|local| !local),
            Gift::LocalListeners => self.listen(|local| local),
            Gift::AdminListener => Ok(vec![ToProcess::Listen {
                listener: self.admin.listener.clone(),
                socket: copy(&self.admin.socket)?,
            }]),
            Gift::Certificates => self.file(FileUse::Certificates),
            Gift::PrivateKey => self.file(FileUse::PrivateKey),
            Gift::ClientAuthorities => self.file(FileUse::ClientAuthorities),
            Gift::MasterKey => {
                let key = Secret::new(self.master_key.dangerous_reveal().to_vec());
                let key = key.map_err(|_| Failure::Kernel("the master key", Errno::INVAL))?;
                Ok(vec![ToProcess::MasterKey { key }])
            }
            Gift::WorkerSlice => {
                let slice = self.plan.slice(Process::Worker);
                Ok(slice
                    .map(|slice| ToProcess::WorkerSlice { slice })
                    .into_iter()
                    .collect())
            }
            Gift::WorkerLog => Ok(vec![ToProcess::WorkerLog {
                log: copy(&self.worker_log.writing)?,
            }]),
        }
    }

    fn file(&self, purpose: FileUse) -> Result<Vec<ToProcess>, Failure> {
        Ok(self.provide(purpose)?.into_iter().collect())
    }

    fn listen(&self, wanted: impl Fn(bool) -> bool) -> Result<Vec<ToProcess>, Failure> {
        let listeners = self.listeners.iter().filter(|bound| wanted(bound.local));
        let messages = listeners.map(|bound| {
            Ok(ToProcess::Listen {
                listener: bound.listener.clone(),
                socket: copy(&bound.socket)?,
            })
        });
        messages.collect()
    }

    /// Opens a file that the configuration names, anew for each reader: the
    /// copies of one descriptor share their place in it.
    pub fn provide(&self, purpose: FileUse) -> Result<Option<ToProcess>, Failure> {
        let Some(path) = self.plan.file(purpose) else {
            return Ok(None);
        };
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        match rustix::fs::openat(CWD, path, flags, Mode::empty()) {
            Ok(file) => Ok(Some(ToProcess::Provide { purpose, file })),
            Err(errno) => Err(Failure::File(path.to_owned(), errno)),
        }
    }

    /// Makes the edges between these and all that live.
    fn wire(&mut self, slots: &[usize]) -> Result<(), Failure> {
        for slot in slots {
            let Some(room) = self.slots.get(*slot).map(|slot| slot.room) else {
                continue;
            };
            for other in 0..self.slots.len() {
                // Two new ones meet once.
                if !slots.contains(&other) || other > *slot {
                    self.join(*slot, other)?;
                }
            }
            self.join_supervisor(*slot, room)?;
        }
        Ok(())
    }

    /// Every edge between two living processes.
    fn join(&mut self, one: usize, other: usize) -> Result<(), Failure> {
        let (Some((one_kind, _)), Some((other_kind, _))) = (self.who(one), self.who(other)) else {
            return Ok(());
        };
        table::edges(one_kind, other_kind).try_for_each(|edge| self.join_by(edge, one, other))
    }

    /// One edge between two living processes.
    pub fn join_by(&mut self, edge: Edge, one: usize, other: usize) -> Result<(), Failure> {
        let (Some((_, one_life)), Some((_, other_life))) = (self.who(one), self.who(other)) else {
            return Ok(());
        };
        let (near, far) = pair()?;
        let end = |instance, socket| ToProcess::Connect {
            edge,
            instance,
            socket,
        };
        self.tell(one, end(other_life, near));
        self.tell(other, end(one_life, far));
        Ok(())
    }

    /// The edges that have their other end here.
    fn join_supervisor(&mut self, slot: usize, room: &Room) -> Result<(), Failure> {
        for edge in table::edges(room.process, Process::Supervisor) {
            let (near, far) = pair()?;
            if edge == Edge::ControlSupervisor {
                let channel = self.registry.register(Source::Control, near);
                let channel = channel.map_err(|_| Failure::Kernel("a channel", Errno::IO))?;
                ipc::registry::replace(&mut self.registry, &mut self.control, channel);
            }
            self.tell(
                slot,
                ToProcess::Connect {
                    edge,
                    instance: SUPERVISOR,
                    socket: far,
                },
            );
        }
        Ok(())
    }

    /// Which life of which kind is in a slot, if it can be reached.
    pub fn who(&self, slot: usize) -> Option<(Process, Instance)> {
        let slot = self.slots.get(slot)?;
        let life = slot.life.as_ref().filter(|life| life.is_reachable())?;
        Some((slot.room.process, life.instance))
    }
}

fn pair() -> Result<(OwnedFd, OwnedFd), Failure> {
    ipc::channel::pair().map_err(|errno| Failure::Kernel("a channel", errno))
}

fn copy(descriptor: &OwnedFd) -> Result<OwnedFd, Failure> {
    rustix::io::fcntl_dupfd_cloexec(descriptor, 3)
        .map_err(|errno| Failure::Kernel("the copy of a descriptor", errno))
}
