//! The death of processes, and their next life.

use crate::failure::{Failure, describe};
use crate::life::Slot;
use crate::set::Set;
use crate::table::name;
use ipc::edge::supervisor::Process;
use std::time::{Duration, Instant};
use tracing::error;

/// Turns of messages that are still taken from a dead process: more than its
/// queue and the kernel's hold.
const LAST_TURNS_MAX: usize = 64;

impl Set {
    /// A process has ended: its last words, its reaping, and what follows.
    pub fn bury(&mut self, slot: usize) -> Result<(), Failure> {
        for _ in 0..LAST_TURNS_MAX {
            self.hear(slot)?;
        }
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

    /// Kills what does not come up; before the set is up, that ends the set.
    pub fn end_the_slow(&mut self, now: Instant) -> Result<(), Failure> {
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
    pub fn restart_the_dead(&mut self, now: Instant) {
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
}
