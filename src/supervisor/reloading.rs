//! A reload under way, and the questions of `control`.

use crate::configuring::Reader;
use crate::failure::Failure;
use crate::journal;
use crate::life::{Slot, State};
use crate::plan::Plan;
use crate::reload::{Reason, Reload, Verdict};
use crate::set::Set;
use crate::table::{Gift, Where, name};
use ipc::edge::control_supervisor::{
    ProcessStatus, SiteIds, ToControl, ToSupervisor as FromControl,
};
use ipc::edge::supervisor::{FileUse, Process, REASON_BYTES_MAX, ToProcess};
use ipc::{Bytes, Instance, List};
use sandbox::IdRanges;
use std::os::fd::AsFd;
use std::time::Instant;
use tracing::{error, info};

/// See the module.
#[derive(Debug)]
pub struct Reloading {
    /// Who has answered.
    pub reload: Reload,
    /// The plan that is not yet in force.
    plan: Plan,
    /// Whether `control` waits for the outcome.
    asked: bool,
}

/// Why a reload did not begin or was not carried out.
struct NotReloaded {
    process: Option<Process>,
    reason: String,
}

impl Set {
    /// Reads the configuration again, and asks every process to prepare for it.
    pub fn begin_reload(&mut self, asked: bool) {
        match self.try_reload(asked) {
            Ok(()) => info!("a new configuration is being prepared"),
            Err(not) => self.not_reloaded(asked, not),
        }
    }

    fn try_reload(&mut self, asked: bool) -> Result<(), NotReloaded> {
        let refuse = |reason: &str| NotReloaded {
            process: None,
            reason: reason.to_owned(),
        };
        let running = |slot: &Slot| {
            slot.life
                .as_ref()
                .is_some_and(|life| life.state == State::Running)
        };
        if self.reloading.is_some() || !self.slots.iter().all(running) {
            return Err(refuse(
                "a process is just starting, or another reload is under way",
            ));
        }
        let plan = self
            .read_again()
            .map_err(|failure| refuse(&failure.to_string()))?;
        if !plan.is_reachable(&self.plan) {
            return Err(refuse(
                "listeners, directories, ids, layers and processes can't change without a restart",
            ));
        }
        let instances = self
            .slots
            .iter()
            .filter_map(|slot| Some(slot.life.as_ref()?.instance));
        let reload = Reload::begin(instances, Instant::now());
        // `provide` opens what the plan in force names.
        let old = std::mem::replace(&mut self.plan, plan);
        let asked_all = self.ask_all();
        let plan = std::mem::replace(&mut self.plan, old);
        self.reloading = Some(Reloading {
            reload,
            plan,
            asked,
        });
        if let Err(failure) = asked_all {
            let reloading = self.reloading.take();
            self.tell_all(|| ToProcess::Discard);
            drop(reloading);
            return Err(refuse(&failure.to_string()));
        }
        Ok(())
    }

    fn read_again(&self) -> Result<Plan, Failure> {
        Reader {
            program: self.programs.of(Process::Config)?,
            root: self.directories.at(Where::Empty),
            site: self.site,
            null: self.null.as_fd(),
        }
        .read(&self.path)
    }

    fn ask_all(&mut self) -> Result<(), Failure> {
        for slot in 0..self.slots.len() {
            let Some(room) = self.slots.get(slot).map(|slot| slot.room) else {
                continue;
            };
            let files = [
                (Gift::Certificates, FileUse::Certificates),
                (Gift::PrivateKey, FileUse::PrivateKey),
                (Gift::ClientAuthorities, FileUse::ClientAuthorities),
            ];
            for (_, purpose) in files.iter().filter(|(gift, _)| room.gifts.contains(gift)) {
                if let Some(file) = self.provide(*purpose)? {
                    self.tell(slot, file);
                }
            }
            if let Some(slice) = self.plan.slice(room.process) {
                self.tell(slot, ToProcess::Prepare { slice });
            }
        }
        Ok(())
    }

    fn tell_all(&mut self, message: impl Fn() -> ToProcess) {
        for slot in 0..self.slots.len() {
            self.tell(slot, message());
        }
    }

    /// Carries out what the bookkeeping says.
    pub fn conclude(&mut self, verdict: Verdict) {
        match verdict {
            Verdict::Wait => {}
            Verdict::Commit => self.commit(),
            Verdict::Discard(reason) => self.discard(&reason),
        }
    }

    fn commit(&mut self) {
        let Some(reloading) = self.reloading.take() else {
            return;
        };
        self.plan = reloading.plan;
        self.tell_all(|| ToProcess::Commit);
        for slot in 0..self.slots.len() {
            let gifts = self
                .slots
                .get(slot)
                .map(|slot| slot.room.gifts)
                .unwrap_or_default();
            if let (true, Some(slice)) = (
                gifts.contains(&Gift::WorkerSlice),
                self.plan.slice(Process::Worker),
            ) {
                self.tell(slot, ToProcess::WorkerSlice { slice });
            }
        }
        if let Some(logging) = self.plan.logging() {
            journal::change(&logging);
        }
        info!("the new configuration is in force");
        if reloading.asked {
            self.answer(ToControl::Reloaded);
        }
    }

    fn discard(&mut self, reason: &Reason) {
        let Some(reloading) = self.reloading.take() else {
            return;
        };
        self.tell_all(|| ToProcess::Discard);
        let (process, reason) = (reason.process(), reason.to_string());
        self.not_reloaded(reloading.asked, NotReloaded { process, reason });
    }

    fn not_reloaded(&mut self, asked: bool, not: NotReloaded) {
        let process = not.process.map_or("config", name);
        error!(process, reason = %not.reason, "nothing of the configuration was changed");
        if asked {
            let mut reason = not.reason.into_bytes();
            reason.truncate(REASON_BYTES_MAX);
            let reason = Bytes::new(reason).unwrap_or_default();
            self.answer(ToControl::NotReloaded {
                process: not.process,
                reason,
            });
        }
    }

    /// Hears what `control` asks.
    pub fn hear_control(&mut self) {
        let Some(control) = &mut self.control else {
            return;
        };
        let (questions, outcome) = self.registry.turn(control);
        if outcome.is_err() {
            // Its end brings a new one.
            ipc::registry::close(&mut self.registry, &mut self.control);
        }
        for question in questions {
            match question {
                FromControl::Status => {
                    let status = self.status();
                    self.answer(status);
                }
                FromControl::Reload => self.begin_reload(true),
            }
        }
    }

    fn answer(&mut self, answer: ToControl) {
        let Some(control) = &mut self.control else {
            return;
        };
        if self.registry.send(control, answer).is_err() {
            ipc::registry::close(&mut self.registry, &mut self.control);
        }
    }

    fn status(&self) -> ToControl {
        let living = self
            .slots
            .iter()
            .filter_map(|slot| self.process_status(slot));
        let all = std::iter::once(self.own_status()).chain(living);
        ToControl::Status {
            processes: List::new(all.collect()).unwrap_or_default(),
            waivers: self.site.waivers().bits(),
            ids: self.site.ranges().map(site_ids),
        }
    }

    /// The supervisor has one life, and serves as long as it has.
    fn own_status(&self) -> ProcessStatus {
        ProcessStatus {
            process: Process::Supervisor,
            instance: 0,
            pid: std::process::id(),
            uid: rustix::process::geteuid().as_raw(),
            restarts: 0,
            age_seconds: self.since.elapsed().as_secs(),
            running: true,
        }
    }

    fn process_status(&self, slot: &Slot) -> Option<ProcessStatus> {
        let life = slot.life.as_ref()?;
        let own = rustix::process::geteuid().as_raw();
        let ranges = self.site.ranges();
        let Instance(instance) = life.instance;
        Some(ProcessStatus {
            process: slot.room.process,
            instance,
            pid: life.child.number().unsigned_abs(),
            uid: ranges.map_or(own, |ranges| {
                ranges.process(slot.room.profile.process).number()
            }),
            restarts: slot.restart.count(),
            age_seconds: life.since.elapsed().as_secs(),
            running: life.state == State::Running,
        })
    }
}

fn site_ids(ranges: IdRanges) -> SiteIds {
    SiteIds {
        processes: ranges.processes().0,
        accounts: ranges.accounts().0,
        accounts_count: ranges.accounts_count(),
    }
}
