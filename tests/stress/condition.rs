//! STORE on the condition that nobody has changed the message since (RFC 7162 §3.1.3): what
//! MODIFIED names is as it was, and what the client knew to be newer must be named.

use super::client::{Client, Step, Stop, change};
use super::command::{Action, Command, InFlight, Meant};
use super::response::{self, Code};
use std::collections::BTreeSet;

/// How far back a condition may lie, in mod-sequences: so that some of it doesn't hold.
const BACK: u64 = 24;

impl Client {
    /// On what condition a STORE is done, if on any.
    pub(super) fn condition(&mut self) -> Option<u64> {
        let known = self.picture.as_ref()?.sequence.known;
        let since = known.saturating_sub(self.random.below(BACK));
        // Of a keyword that a message hasn't, 0 is no condition (§3.1.3).
        (self.qresync && since > 0 && self.random.chance(3)).then_some(since)
    }

    /// The messages that a STORE on condition must leave alone, as the client knows.
    pub(super) fn stale(&self, command: &Command) -> BTreeSet<u32> {
        let (
            Some(picture),
            Command::Store {
                meant,
                action,
                unless: Some(unless),
                flags,
                ..
            },
        ) = (&self.picture, command)
        else {
            return BTreeSet::new();
        };
        if flags.is_empty() && *action != Action::Replace {
            // What changes nothing may be done on any condition.
            return BTreeSet::new();
        }
        let stale = picture
            .messages
            .iter()
            .filter(|known| known.modseq > *unless);
        let uids = stale.filter_map(|known| known.uid);
        uids.filter(|uid| meant.uids.contains(uid)).collect()
    }

    /// The messages whose flags a STORE has changed: all but those that MODIFIED names.
    pub(super) fn unmodified(
        &mut self,
        flight: &InFlight,
        meant: &Meant,
        unless: Option<u64>,
        (well, code): (bool, &Code),
    ) -> Step<Meant> {
        if code.name != "MODIFIED" {
            return match flight.stale.first() {
                Some(uid) if well && !self.may_miss(*uid) => Err(Stop::Fault(format!(
                    "modified: UID {uid} was changed after {unless:?}, which isn't said"
                ))),
                _ => Ok(meant.clone()),
            };
        }
        if unless.is_none() {
            return Err(Stop::Fault("modified: there was no condition".into()));
        }
        let named: BTreeSet<u32> = response::numbers(&code.rest)?.into_iter().collect();
        let refused = self.refused_uids(meant, &named);
        let forgotten = flight.stale.iter().find(|uid| !refused.contains(uid));
        if let Some(uid) = forgotten.filter(|uid| !self.may_miss(**uid)) {
            return Err(Stop::Fault(format!(
                "modified: UID {uid} was changed after {unless:?}, but isn't named"
            )));
        }
        if let Some(place) = self.place().cloned() {
            let refused: Vec<u32> = refused.iter().copied().collect();
            change(
                &mut self.account.ledger(),
                &place,
                self.number,
                &refused,
                -1,
            );
        }
        let mut meant = meant.clone();
        meant.numbers.retain(|number| !named.contains(number));
        meant.uids.retain(|uid| !refused.contains(uid));
        Ok(meant)
    }

    /// The UIDs of the messages that MODIFIED names.
    fn refused_uids(&self, meant: &Meant, named: &BTreeSet<u32>) -> BTreeSet<u32> {
        let messages = self
            .picture
            .as_ref()
            .map(|picture| picture.messages.as_slice());
        let numbered = messages.unwrap_or_default().iter().zip(1..);
        let uids = numbered.filter(|(_, number)| named.contains(number));
        match meant.by_uid {
            true => named.clone(),
            false => uids.filter_map(|(known, _)| known.uid).collect(),
        }
    }

    fn may_miss(&self, uid: u32) -> bool {
        let place = self.place();
        place.is_none_or(|place| self.account.ledger().may_be_gone(place, uid))
    }
}
