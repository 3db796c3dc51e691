//! The end of the set, kind by kind; when is decided by `stopping`.

use crate::HOUSE;
use crate::set::Set;
use crate::stopping::{Step, Stopping};
use crate::table::name;
use ipc::edge::supervisor::ToProcess;
use std::time::Instant;
use tracing::{info, warn};

impl Set {
    /// Tells the first kind to stop, once.
    pub fn begin_stopping(&mut self) {
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

    /// Tells the next kind if it is time; whether all is over.
    pub fn go_on_stopping(&mut self, now: Instant) -> bool {
        loop {
            let gone = self.have_gone();
            let step = self
                .stopping
                .as_mut()
                .map(|stopping| stopping.step(gone, now));
            match step {
                Some(Step::Tell(kind)) => self.stop_kind(kind),
                Some(Step::Wait) => return false,
                Some(Step::End) | None => return true,
            }
        }
    }

    /// Whether those have gone who are waited for: the kind told last, and after
    /// the last kind everybody.
    fn have_gone(&self) -> bool {
        let kind = self
            .stopping
            .as_ref()
            .filter(|stopping| !stopping.is_last());
        let waited_for = match kind.map(Stopping::kind) {
            Some(kind) => self.of_kind(kind),
            None => (0..self.slots.len()).collect(),
        };
        let gone = |slot: usize| self.slots.get(slot).is_some_and(|slot| slot.life.is_none());
        waited_for.into_iter().all(gone)
    }

    /// Ends what is left of the set. After a stop that went its way these are the
    /// processes that took too long; a set that fails gives nobody time, and says
    /// only why it fails.
    pub fn kill_all(&mut self, had_time: bool) {
        self.adopt();
        self.adopted.end();
        for slot in &mut self.slots {
            if let Some(life) = slot.life.take() {
                if had_time {
                    let (process, instance) = (name(slot.room.process), life.instance.0);
                    warn!(process, instance, "a process did not stop in time");
                }
                // It may have ended this very moment.
                let _gone = life.child.kill();
                life.end(&mut self.registry);
            }
        }
        self.relay_workers();
    }
}
