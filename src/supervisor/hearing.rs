//! What processes say to the supervisor: that they are confined, that they
//! serve, what they think of a new slice, what an administrator should know.

use crate::failure::Failure;
use crate::life::{Slot, State};
use crate::report;
use crate::set::{Set, living};
use crate::table::name;
use ipc::Fault;
use ipc::edge::supervisor::{Event, Process, ToSupervisor};
use std::time::Instant;
use tracing::{error, info};

impl Set {
    /// Takes a turn of what the process in a slot has said.
    pub fn hear(&mut self, slot: usize) -> Result<(), Failure> {
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
            ToSupervisor::Report { event } => {
                let told = life.may_log();
                self.note(process, event, told);
            }
            ToSupervisor::Torn { edge, instance } => {
                self.torn(slot, edge, instance, Instant::now());
            }
            ToSupervisor::Entered | ToSupervisor::Running => {
                self.condemn(slot, Fault::PeerSent(ipc::Malformed::UnknownValue));
            }
        }
        Ok(())
    }

    /// Logs an event, if its process may still log, and keeps account of workers.
    fn note(&mut self, process: Process, event: Event, told: bool) {
        if told {
            report::log(process, event);
        }
        match event {
            Event::WorkerBorn { account, pid, .. } if process == Process::Broker => {
                self.adopted.born(account, pid);
            }
            Event::WorkerEnded { account, .. } if process == Process::Broker => {
                self.adopted.ended(account);
            }
            Event::VerifierBorn { account, pid } if process == Process::Broker => {
                self.adopted.verifier_born(account, pid);
            }
            Event::VerifierEnded { account, .. } if process == Process::Broker => {
                self.adopted.verifier_ended(account);
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
}
