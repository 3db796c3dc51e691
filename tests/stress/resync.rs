//! Connections that have enabled QRESYNC: what each keeps of a mailbox in case it is cut
//! off, and how it comes back (RFC 7162 §6). Whoever comes back goes on with what it
//! has kept and was told since; so whatever it wasn't told shows at the next quiet moment.

use super::client::{Client, Step, Stop};
use super::command::{Command, InFlight};
use super::picture::{Known, Picture};
use super::response::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Earlier states of a mailbox that are kept besides the last.
const EARLIER_MAX: usize = 3;

/// Mod-sequences of a selected mailbox.
#[derive(Debug, Clone, Default)]
pub struct Sequence {
    /// Up to which everything is known.
    pub known: u64,
    /// The highest in a FETCH since the last tagged answer.
    fetched: u64,
    /// HIGHESTMODSEQ, if it was said since.
    said: Option<u64>,
}

impl Sequence {
    /// HIGHESTMODSEQ: it may lie below what FETCH has had, never below what is known.
    ///
    /// # Errors
    /// If it goes back.
    pub fn say(&mut self, said: u64) -> Result<(), String> {
        let known = self.known;
        self.said = Some(said);
        match said >= known {
            true => Ok(()),
            false => Err(format!(
                "modseq: HIGHESTMODSEQ is {said}, but everything up to {known} was told"
            )),
        }
    }

    /// A tagged answer: what was said counts, even if FETCH has had more.
    pub fn end_of_command(&mut self) {
        let seen = self.known.max(self.fetched);
        self.known = self.said.take().unwrap_or(seen);
        self.fetched = 0;
    }
}

/// What a connection keeps of each mailbox: earlier states, and the last.
#[derive(Debug, Default)]
pub struct Keeper(BTreeMap<String, Vec<Picture>>);

impl Keeper {
    /// Keeps a state, if every message in it is known by its UID.
    pub fn keep(&mut self, picture: &Picture, besides: bool) {
        let whole = picture.messages.iter().all(|known| known.uid.is_some());
        if !whole || picture.sequence.known == 0 {
            return;
        }
        let kept = self.0.entry(picture.place.0.clone()).or_default();
        kept.retain(|before| before.place == picture.place);
        if !besides {
            kept.pop();
        }
        kept.push(picture.clone());
        if kept.len() > EARLIER_MAX {
            kept.remove(0);
        }
    }

    /// Its last state, or one of the earlier ones.
    #[must_use]
    pub fn of(&self, mailbox: &str, which: u64) -> Option<&Picture> {
        let kept = self.0.get(mailbox)?;
        kept.iter().rev().nth(which as usize).or(kept.last())
    }
}

impl Picture {
    /// What SELECT is given.
    fn as_parameter(&self, form: u64) -> String {
        let (validity, modseq) = (self.place.1, self.sequence.known);
        let uids: Vec<u32> = self.messages.iter().filter_map(|known| known.uid).collect();
        let last = uids.last().copied().unwrap_or(1);
        let set: Vec<String> = uids.iter().map(u32::to_string).collect();
        let thirds = (0..uids.len()).step_by(3);
        let numbers: Vec<String> = thirds.clone().map(|at| (at + 1).to_string()).collect();
        let matched: Vec<String> = thirds.map(|at| uids[at].to_string()).collect();
        match form {
            0 if !uids.is_empty() => format!("{validity} {modseq} {}", set.join(",")),
            1 if !uids.is_empty() => {
                let pairs = format!("{} {}", numbers.join(","), matched.join(","));
                format!("{validity} {modseq} 1:{last} ({pairs})")
            }
            _ => format!("{validity} {modseq} 1:{last}"),
        }
    }

    /// VANISHED (EARLIER): these are gone from what was kept.
    fn forget(&mut self, uids: &[u32]) {
        let gone: BTreeSet<u32> = uids.iter().copied().collect();
        let kept = |known: &Known| known.uid.is_none_or(|uid| !gone.contains(&uid));
        self.messages.retain(kept);
    }

    /// Goes on with what was kept: the messages that were known are the first that there
    /// are, for what has come since has higher UIDs.
    fn go_on_with(&mut self, kept: Picture) -> Result<(), String> {
        if kept.messages.len() > self.messages.len() {
            return Err(format!(
                "vanished: {} messages should be left of those known, but there are {}",
                kept.messages.len(),
                self.messages.len()
            ));
        }
        for (known, number) in kept.messages.into_iter().zip(1..) {
            let uid = known.uid.unwrap_or_default();
            self.learn_uid(number, uid)
                .map_err(|why| format!("vanished: not all that are gone were told: {why}"))?;
            let now = self.number(number)?;
            now.letter = now.letter.or(known.letter);
            if now.flags.is_none() {
                now.flags = known.flags;
            }
            now.modseq = now.modseq.max(known.modseq);
        }
        Ok(())
    }

    /// VANISHED: a message is gone, whether its UID was told or not.
    ///
    /// # Errors
    /// If there is none that it can be.
    pub fn vanish(&mut self, uid: u32) -> Result<(), String> {
        if let Some(number) = self.number_of(uid) {
            return self.expunge(number).map(drop);
        }
        let below = |known: &Known| known.uid.is_some_and(|known| known < uid);
        let from = self.messages.iter().rposition(below).map_or(0, |at| at + 1);
        let unknown = self.messages[from..]
            .iter()
            .take_while(|known| known.uid.is_none());
        let to = from + unknown.count();
        if from == to {
            return Err(format!("vanished: UID {uid} is gone, but wasn't there"));
        }
        self.gone.push((uid, self.sequence.known));
        // Which of these it was, nobody knows: so of the others nothing is known, either.
        let uid_min = self.messages.remove(from).uid_min;
        for known in &mut self.messages[from..to - 1] {
            *known = Known {
                uid_min,
                ..Known::default()
            };
        }
        Ok(())
    }

    /// MODSEQ of a message, and whether its flags were told along with it.
    ///
    /// # Errors
    /// If it goes back, or stays while the flags don't.
    pub fn learn_modseq(
        &mut self,
        number: u32,
        modseq: u64,
        has_flags: bool,
    ) -> Result<(), String> {
        self.sequence.fetched = self.sequence.fetched.max(modseq);
        let known = self.number(number)?;
        if modseq < known.modseq {
            let before = known.modseq;
            return Err(format!(
                "modseq: of message {number} it was {before}, and is {modseq}"
            ));
        }
        known.modseq = modseq;
        known.flags_at = has_flags.then_some(modseq);
        Ok(())
    }
}

impl Client {
    /// VANISHED. The same is allowed as of EXPUNGE.
    pub(super) fn judge_vanished(&mut self, earlier: bool, uids: &[u32]) -> Step {
        if !self.qresync {
            return Err(Stop::Fault("vanished: QRESYNC is not enabled".into()));
        }
        if !earlier {
            return uids
                .iter()
                .try_for_each(|uid| self.judge_one_vanished(*uid));
        }
        let asked = self.hear_earlier(uids);
        let place = match (&mut self.resuming, &self.picture) {
            (Some(kept), _) => {
                kept.forget(uids);
                kept.place.clone()
            }
            (None, Some(picture)) if asked => picture.place.clone(),
            _ => return Err(Stop::Fault("vanished: EARLIER without a reason".into())),
        };
        let ledger = self.account.ledger();
        let known = ledger.messages(&place);
        let is_there = |uid: &&u32| {
            let message = known.get(uid).filter(|message| message.there.is_some());
            message.is_some_and(|it| it.gone.is_none() && !ledger.is_doomed(&place, it))
        };
        match uids.iter().find(is_there) {
            None => Ok(()),
            Some(uid) => Err(Stop::Fault(format!(
                "vanished: UID {uid}, but nobody can have removed it"
            ))),
        }
    }

    /// What FETCH has of mod-sequences. What nobody has asked for has UID and MODSEQ.
    pub(super) fn judge_modseq(&mut self, number: u32, items: &[(String, Value)]) -> Step {
        let item = |name: &str| items.iter().find(|(known, _)| known == name);
        let uid = self.selected()?.number(number)?.uid;
        let asked = meant_has(self.front(), number, uid);
        if self.qresync && !asked && (item("UID").is_none() || item("MODSEQ").is_none()) {
            return Err(Stop::Fault(
                "modseq: a FETCH that nobody has asked for has UID and MODSEQ".into(),
            ));
        }
        let Some((_, value)) = item("MODSEQ") else {
            return Ok(());
        };
        let words = value.words().unwrap_or_default();
        let modseq = words.first().and_then(|word| word.parse().ok());
        let modseq = modseq.ok_or_else(|| "modseq: not a number in parentheses".to_owned())?;
        self.is_new(number, modseq)?;
        if let Some(place) = self.place() {
            self.account.ledger().has_modseq(place, modseq);
        }
        let flags = item("FLAGS").and_then(|(_, flags)| super::client::flags_of(flags));
        let before = self.selected()?.number(number)?.clone();
        let told = before.flags_at == Some(modseq);
        let changed = flags.as_ref().is_some_and(|flags| {
            let now: BTreeSet<&String> = flags.iter().filter(|flag| *flag != "\\Recent").collect();
            before
                .flags
                .as_ref()
                .is_some_and(|before| before.iter().collect::<BTreeSet<_>>() != now)
        });
        if told && changed {
            return Err(Stop::Fault(format!(
                "modseq: message {number} has other flags than before, and the same {modseq}"
            )));
        }
        Ok(self
            .selected()?
            .learn_modseq(number, modseq, flags.is_some())?)
    }

    /// HIGHESTMODSEQ.
    pub(super) fn judge_highest(&mut self, said: &str) -> Step {
        let said = said
            .parse()
            .map_err(|_| "modseq: HIGHESTMODSEQ is no number".to_owned())?;
        Ok(self.selected()?.sequence.say(said)?)
    }

    /// After each tagged answer.
    pub(super) fn keep(&mut self) {
        let besides = self.random.chance(30);
        let thin = self.is_on_thin_ice();
        let Some(picture) = &mut self.picture else {
            return;
        };
        picture.sequence.end_of_command();
        if self.qresync && !thin {
            self.keeper.keep(picture, besides);
        }
    }

    /// What SELECT is to resume from, if anything was kept of a mailbox.
    pub(super) fn resume(&mut self, mailbox: &str) -> Option<String> {
        let which = self.random.below(4) / 2;
        let kept = self
            .keeper
            .of(mailbox, which)
            .filter(|_| self.qresync)?
            .clone();
        let parameter = kept.as_parameter(self.random.below(4));
        self.resuming = Some(kept);
        Some(parameter)
    }

    /// SELECT is over: what was kept, and what was told since, is the picture.
    pub(super) fn resumed(&mut self, opened: &mut Picture) -> Step {
        let Some(kept) = self.resuming.take() else {
            return Ok(());
        };
        if kept.place != opened.place {
            return Ok(());
        }
        opened.sequence.known = opened.sequence.known.max(kept.sequence.known);
        Ok(opened.go_on_with(kept)?)
    }

    /// The connection is lost, whatever is in progress; and the client comes back.
    pub(super) fn lose(&mut self) -> Step {
        let mailbox = self.place().map(|place| place.0.clone());
        self.reconnect()?;
        match mailbox {
            Some(mailbox) => self.open(mailbox, false),
            None => Ok(()),
        }
    }

    /// Whether nothing is in progress of which the client would have to know how it ended.
    pub(super) fn may_lose(&self) -> bool {
        let harmless = |flight: &InFlight| {
            matches!(
                flight.command,
                Command::Noop
                    | Command::Check
                    | Command::Fetch { .. }
                    | Command::Changed { .. }
                    | Command::Store { .. }
                    | Command::Search { .. }
                    | Command::Expunge(_)
                    | Command::Status { .. }
                    | Command::List(_)
            )
        };
        self.qresync && !self.is_on_thin_ice() && self.queue.iter().all(harmless)
    }
}

fn meant_has(command: Option<&Command>, number: u32, uid: Option<u32>) -> bool {
    matches!(command, Some(Command::Fetch { meant, .. }) if meant.has(number, uid))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(uids: &[u32]) -> Picture {
        let mut picture = Picture::default();
        picture.exists(uids.len() as u32).unwrap();
        for (uid, number) in uids.iter().zip(1..) {
            picture.learn_uid(number, *uid).unwrap();
        }
        picture
    }

    #[test]
    fn what_was_not_told_to_have_vanished_is_seen() {
        let mut kept = of(&[3, 5, 9]);
        kept.forget(&[5]);
        let mut now = Picture::default();
        now.exists(3).unwrap();
        now.learn_uid(2, 8).unwrap();
        assert!(
            now.clone().go_on_with(kept.clone()).is_err(),
            "8 has come before 9"
        );
        let mut now = Picture::default();
        now.exists(3).unwrap();
        now.go_on_with(kept).unwrap();
        assert_eq!((now.number_of(9), now.messages[2].uid), (Some(2), None));
        let mut short = Picture::default();
        short.exists(2).unwrap();
        assert!(short.go_on_with(of(&[3, 5, 9])).is_err());
    }

    #[test]
    fn only_what_was_there_can_vanish() {
        let mut picture = of(&[3, 5, 9]);
        assert!(picture.vanish(4).is_err());
        picture.exists(4).unwrap();
        picture.vanish(12).unwrap();
        picture.vanish(5).unwrap();
        assert_eq!(picture.count(), 2);
        assert!(picture.vanish(13).is_err());
    }

    #[test]
    fn a_mod_sequence_never_goes_back() {
        let mut picture = of(&[3]);
        picture.learn_modseq(1, 7, true).unwrap();
        assert!(picture.learn_modseq(1, 6, true).is_err());
        picture.sequence.end_of_command();
        assert_eq!(picture.sequence.known, 7);
        assert!(picture.sequence.say(6).is_err());
        picture.sequence.say(9).unwrap();
        picture.learn_modseq(1, 12, false).unwrap();
        picture.sequence.end_of_command();
        assert_eq!(picture.sequence.known, 9, "what was said counts");
    }
}
