//! What `control` asks: which workers live, and how they find their accounts.

use super::{Desk, good};
use ipc::edge::control_director;
use ipc::edge::supervisor::Edge;
use ipc::registry::close;
use ipc::{AccountId, List};

impl Desk {
    /// Answers what `control` has asked by now.
    pub(super) fn attend_control(&mut self) {
        let Some(control) = &mut self.control else {
            return;
        };
        let (messages, open) = self.registry.turn(control);
        for message in messages {
            let answer = match message {
                control_director::ToDirector::Workers { query, after } => {
                    self.page_of_workers(query, after)
                }
                control_director::ToDirector::Health { query } => self.health(query),
            };
            self.answer_control(answer);
        }
        if !good(open) {
            close(&mut self.registry, &mut self.control);
            self.torn(Edge::ControlDirector);
        }
    }

    fn page_of_workers(&self, query: u64, after: Option<AccountId>) -> control_director::ToControl {
        let (page, more) = self.workers.page(self.now(), after);
        control_director::ToControl::Workers {
            query,
            workers: List::new(page).unwrap_or_default(),
            more,
        }
    }

    fn health(&self, query: u64) -> control_director::ToControl {
        control_director::ToControl::Health {
            query,
            ailing: self.workers.ailments.list(),
            scrubbed_bytes: self.workers.scrubbed(),
            verifiers: u32::try_from(self.workers.checks.len()).unwrap_or(u32::MAX),
        }
    }

    fn answer_control(&mut self, answer: control_director::ToControl) {
        let Some(control) = &mut self.control else {
            return;
        };
        if self.registry.send(control, answer).is_err() {
            close(&mut self.registry, &mut self.control);
            self.torn(Edge::ControlDirector);
        }
    }
}
