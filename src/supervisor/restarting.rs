//! The death of processes, and their next life.

use crate::failure::{Failure, describe};
use crate::life::Slot;
use crate::set::Set;
use crate::table::name;
use ipc::Instance;
use ipc::edge::supervisor::Process;
use rustix::process::Pid;
use sandbox::Ended;
use std::time::{Duration, Instant};
use tracing::error;

/// Turns of messages that are still taken from a dead process: more than its
/// queue and the kernel's hold.
const LAST_TURNS_MAX: usize = 64;

/// The end of a life.
struct Death {
    process: Process,
    instance: Instance,
    lived: Duration,
    ended: Option<Ended>,
}

impl Set {
    /// A process has ended: its last words, its reaping, and what follows.
    pub fn bury(&mut self, slot: usize) -> Result<(), Failure> {
        for _ in 0..LAST_TURNS_MAX {
            self.hear(slot)?;
        }
        let Some(death) = self.reap(slot) else {
            return Ok(());
        };
        if death.process == Process::Broker {
            self.adopt();
        }
        match (self.stopping.is_some(), self.up) {
            (true, _) => {}
            (false, true) => self.mourn(slot, &death),
            (false, false) => return Err(Failure::EndedAtStart(death.process, death.ended)),
        }
        Ok(())
    }

    /// What a broker leaves behind is ours.
    pub fn adopt(&mut self) {
        let lives = self.slots.iter().filter_map(|slot| slot.life.as_ref());
        let house: Vec<Pid> = lives
            .filter_map(|life| Pid::from_raw(life.child.number()))
            .collect();
        self.adopted.take(Instant::now(), &house);
    }

    /// Lets go of a process, if it has ended.
    fn reap(&mut self, slot: usize) -> Option<Death> {
        let found = self.slots.get_mut(slot)?;
        let ended = match found.life.as_ref()?.child.ended() {
            Ok(None) => return None,
            Ok(Some(ended)) => Some(ended),
            Err(_) => None,
        };
        let life = found.life.take()?;
        let death = Death {
            process: found.room.process,
            instance: life.instance,
            lived: life.since.elapsed(),
            ended,
        };
        life.end(&mut self.registry);
        Some(death)
    }

    /// It will be started again, and a reload that waits for it waits in vain.
    fn mourn(&mut self, slot: usize, death: &Death) {
        let Some(found) = self.slots.get_mut(slot) else {
            return;
        };
        let pause = found.restart.died(death.lived, Instant::now());
        let how = death.ended.map(|ended| describe(ended).to_string());
        error!(
            process = name(death.process),
            instance = death.instance.0,
            how = how.as_deref().unwrap_or("unknown"),
            pause_ms = pause.as_millis(),
            "a process has died"
        );
        self.judge(|reload| reload.died(death.process, death.instance));
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
