//! Questions after mod-sequences, in the middle of a session (RFC 7162 §3.1.4, §3.1.5,
//! §3.1.7, §3.2.6): the answer has at least what the client knows to be newer, and nothing
//! that is older.
//!
//! A client can't know everything that the answer must have, for others change the same
//! messages; but what it was told of it must find again.

use super::client::{Client, Step, Stop};
use super::command::{Command, InFlight};
use super::response::ESearch;
use super::search::Key;
use std::collections::BTreeMap;

/// How far back a client asks, in mod-sequences.
const BACK: u64 = 40;

impl Client {
    /// FETCH of everything that has changed since a point that the client knows.
    pub(super) fn ask_for_changes(&mut self) -> Command {
        match self.some_modseq() {
            Some(since) => Command::Changed {
                since,
                vanished: self.random.chance(2),
            },
            None => Command::Noop,
        }
    }

    /// SEARCH MODSEQ, from such a point on.
    pub(super) fn modseq_key(&mut self) -> Key {
        let from = self.some_modseq();
        from.map_or(Key::All, Key::Modseq)
    }

    fn some_modseq(&mut self) -> Option<u64> {
        let known = self.picture.as_ref()?.sequence.known;
        let since = known.saturating_sub(self.random.below(BACK));
        // There is no mod-sequence 0 (§7).
        (self.qresync && since > 0).then_some(since)
    }

    /// A FETCH while changes are asked for: what is older was not asked for by anybody.
    pub(super) fn is_new(&self, number: u32, modseq: u64) -> Step {
        match self.front() {
            Some(Command::Changed { since, .. }) if modseq <= *since => fault(format!(
                "changed: message {number} has {modseq} and was asked for above {since}"
            )),
            _ => Ok(()),
        }
    }

    /// VANISHED (EARLIER) while changes are asked for; whether they are.
    pub(super) fn hear_earlier(&mut self, uids: &[u32]) -> bool {
        let flight = self.queue.front_mut();
        let asks = |flight: &&mut InFlight| {
            matches!(flight.command, Command::Changed { vanished: true, .. })
        };
        let Some(flight) = flight.filter(asks) else {
            return false;
        };
        flight.expunged.extend(uids);
        true
    }

    /// All that the client knew to have changed was told, and all that it knew to have gone.
    pub(super) fn end_of_changed(&mut self, flight: &InFlight, since: u64, vanished: bool) -> Step {
        let Some(picture) = &self.picture else {
            return Ok(());
        };
        let place = picture.place.clone();
        let changed = picture.messages.iter().filter(|known| known.modseq > since);
        let changed: Vec<u32> = changed.filter_map(|known| known.uid).collect();
        let gone = picture.gone.iter().filter(|(_, known)| *known >= since);
        let gone: Vec<u32> = gone.map(|(uid, _)| *uid).collect();
        let mut ledger = self.account.ledger();
        let untold =
            |uid: &&u32| !flight.answered.contains_key(uid) && !ledger.may_be_gone(&place, **uid);
        if let Some(uid) = changed.iter().find(untold) {
            return fault(format!(
                "changed: UID {uid} has changed after {since}, and isn't told"
            ));
        }
        let unheard = |uid: &&u32| vanished && !flight.expunged.contains(uid);
        match gone.iter().find(unheard) {
            Some(uid) => fault(format!(
                "vanished: UID {uid} has gone after {since}, and isn't told"
            )),
            None => Ok(()),
        }
    }

    /// MODSEQ of ESEARCH: there if it was searched for and anything was found, and not below
    /// what is known of that.
    pub(super) fn judge_found_modseq(&self, found: &ESearch, key: &Key, by_uid: bool) -> Step {
        let (Some(all), Some(picture)) = (&found.all, &self.picture) else {
            return Ok(());
        };
        let numbered = picture.messages.iter().zip(1..);
        let found_ones = numbered.filter(|(known, number)| match by_uid {
            true => known.uid.is_some_and(|uid| all.contains(&uid)),
            false => all.contains(number),
        });
        let highest = found_ones.map(|(known, _)| known.modseq).max();
        match (key.names_modseq() && !all.is_empty(), found.modseq) {
            (true, None) => fault("esearch: MODSEQ is missing".to_owned()),
            (false, Some(_)) => fault("esearch: MODSEQ that nobody has asked for".to_owned()),
            (_, Some(modseq)) if Some(modseq) < highest => fault(format!(
                "esearch: MODSEQ is {modseq}, but {highest:?} was told"
            )),
            _ => Ok(()),
        }
    }

    /// STATUS HIGHESTMODSEQ is not below what anybody was told before the question.
    pub(super) fn judge_status_modseq(
        &self,
        flight: &InFlight,
        counts: &BTreeMap<String, u64>,
    ) -> Step {
        let validity = counts
            .get("UIDVALIDITY")
            .and_then(|it| u32::try_from(*it).ok());
        let known = validity.and_then(|validity| flight.modseq_min.get(&validity));
        match (counts.get("HIGHESTMODSEQ"), known) {
            (Some(said), Some(known)) if said < known => fault(format!(
                "status: HIGHESTMODSEQ is {said}, but {known} was told before"
            )),
            _ => Ok(()),
        }
    }
}

fn fault<T>(why: String) -> Step<T> {
    Err(Stop::Fault(why))
}
