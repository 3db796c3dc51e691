//! What comes between a command and its answer, held against what the client knows.

use super::client::{Client, Step, Stop, flags_of};
use super::command::{Command, InFlight};
use super::ledger::Flags;
use super::letter::Letter;
use super::response::{ESearch, Said, Value};
use super::search::{self, Facts, Key};
use std::collections::BTreeSet;

/// All that FETCH may carry that nobody has asked for: clients take more for an
/// answer.
const UNASKED: [&str; 3] = ["FLAGS", "UID", "MODSEQ"];

impl Client {
    /// One response.
    pub(super) fn judge(&mut self, said: Said) -> Step {
        match said {
            Said::Done(tag, status, code) => {
                self.judge_remark(status, &code)?;
                self.judge_answer(&tag, status, &code)?;
                self.keep();
                Ok(())
            }
            Said::Remark(status, code) => self.judge_remark(status, &code),
            Said::Exists(count) => Ok(self.selected()?.exists(count)?),
            Said::Recent(_) if self.rev2 => fault("recent: RECENT in an IMAP4rev2 session"),
            Said::Recent(_) => Ok(()),
            Said::Expunge(_) if self.qresync => fault("vanished: EXPUNGE after ENABLE QRESYNC"),
            Said::Expunge(number) => self.judge_expunge(number),
            Said::Vanished(earlier, uids) => self.judge_vanished(earlier, &uids),
            Said::Fetch(number, items) => self.judge_fetch(number, &items),
            Said::Search(numbers) => self.judge_search(&numbers),
            Said::ESearch(found) => self.judge_esearch(&found),
            Said::Counted(_, counts) => {
                let counted = self.during("STATUS", |command| {
                    matches!(command, Command::Status { .. })
                })?;
                counted.counts = Some(counts.into_iter().collect());
                Ok(())
            }
            Said::List(_, _, name) => {
                let listing = |command: &Command| {
                    matches!(command, Command::List(_) | Command::Select { .. })
                };
                self.during("LIST", listing)?.names.insert(name);
                Ok(())
            }
            Said::GoOn => fault("go on: + without anything to go on with"),
            Said::Flags(_) | Said::Capability(_) | Said::Enabled(_) | Said::Other(_) => Ok(()),
        }
    }

    /// The mailbox that numbers are of now.
    pub(super) fn selected(&mut self) -> Step<&mut super::picture::Picture> {
        let selected = self.picture.as_mut().or(self.opening.as_mut());
        selected.ok_or_else(|| Stop::Fault("state: no mailbox is selected".into()))
    }

    fn during(&mut self, what: &str, fits: impl Fn(&Command) -> bool) -> Step<&mut InFlight> {
        let flight = self.queue.front_mut();
        let flight = flight.filter(|flight| fits(&flight.command));
        flight.ok_or_else(|| Stop::Fault(format!("unasked: {what} that nobody has asked for")))
    }

    /// RFC 9051 §7.5.1: never without a command in progress, never during FETCH,
    /// STORE or SEARCH; §6.4.1: nor during CLOSE.
    fn judge_expunge(&mut self, number: u32) -> Step {
        self.may_expunge()?;
        let gone = self.selected()?.expunge(number)?;
        match gone.uid {
            Some(uid) => self.is_gone(uid),
            None => Ok(()),
        }
    }

    /// The same, told by UID.
    pub(super) fn judge_one_vanished(&mut self, uid: u32) -> Step {
        self.may_expunge()?;
        self.selected()?.vanish(uid)?;
        self.is_gone(uid)
    }

    fn may_expunge(&self) -> Step {
        match self.front() {
            None => fault("expunge: EXPUNGE with no command in progress"),
            Some(command) if command.holds_numbers() => {
                fault("expunge: EXPUNGE during FETCH, STORE or SEARCH")
            }
            Some(Command::Close | Command::Unselect) => {
                fault("expunge: EXPUNGE during CLOSE or UNSELECT")
            }
            _ => Ok(()),
        }
    }

    fn is_gone(&mut self, uid: u32) -> Step {
        if let Some(saved) = self
            .picture
            .as_mut()
            .and_then(|picture| picture.saved.as_mut())
        {
            saved.retain(|saved| *saved != uid);
        }
        if let Some(place) = self.place() {
            self.account.ledger().is_gone(place, uid);
        }
        if let Some(flight) = self.queue.front_mut() {
            flight.expunged.insert(uid);
        }
        Ok(())
    }

    fn judge_fetch(&mut self, number: u32, items: &[(String, Value)]) -> Step {
        self.selected()?.number(number)?;
        let item = |name: &str| items.iter().find(|(known, _)| known == name);
        if let Some((_, value)) = item("UID") {
            let uid = value.number().filter(|uid| *uid > 0);
            let uid = uid.ok_or_else(|| "uid: it is not a number".to_owned())?;
            self.selected()?.learn_uid(number, uid)?;
        }
        self.judge_modseq(number, items)?;
        self.judge_items(number, items)?;
        self.learn_letter(number, items)?;
        if let Some((_, flags)) = item("FLAGS") {
            let flags = flags_of(flags).ok_or_else(|| "flags: not a list of flags".to_owned())?;
            self.judge_flags(number, flags)?;
        }
        self.judge_contents(number, items)
    }

    /// Only what was asked for, of the messages that were meant; anything else is
    /// unasked and may be but little.
    fn judge_items(&mut self, number: u32, items: &[(String, Value)]) -> Step {
        let uid = self.selected()?.number(number)?.uid;
        let asked: BTreeSet<String> = match self.front() {
            Some(Command::Fetch { meant, items }) if meant.has(number, uid) => {
                items.iter().map(|item| item.answered()).collect()
            }
            _ => BTreeSet::new(),
        };
        for (name, _) in items {
            if !asked.contains(name) && !UNASKED.contains(&name.as_str()) {
                return fault(&format!(
                    "unasked: {name} in a FETCH that nobody has asked for"
                ));
            }
        }
        let may_lack_uid = self.plan.tolerates("no-uid-unasked");
        let Some(flight) = self.queue.front_mut() else {
            return Ok(());
        };
        let by_uid = match &flight.command {
            Command::Fetch { meant, .. } | Command::Store { meant, .. } => meant.by_uid,
            Command::Changed { .. } => true,
            _ => return Ok(()),
        };
        let is_answer = items
            .iter()
            .any(|(name, _)| !UNASKED.contains(&name.as_str()));
        let has_uid = items.iter().any(|(name, _)| name == "UID");
        if by_uid && !has_uid && (is_answer || !may_lack_uid) {
            return fault("uid: a FETCH without UID during a UID command");
        }
        let key = if by_uid { uid } else { Some(number) };
        if let Some(key) = key {
            let answered = flight.answered.entry(key).or_default();
            answered.extend(items.iter().map(|(name, _)| name.clone()));
        }
        Ok(())
    }

    fn learn_letter(&mut self, number: u32, items: &[(String, Value)]) -> Step {
        let name = super::command::Item::Name.answered();
        let header = items.iter().find(|(known, _)| *known == name);
        let header = header.map(|(_, value)| value);
        let run = self.plan.run;
        let named = header.and_then(|value| match value {
            Value::Text(bytes) => Letter::named_in(bytes, run),
            _ => None,
        });
        let known = self.selected()?.number(number)?;
        if let (Some(before), Some(named)) = (known.letter, named)
            && before != named
        {
            return fault(&format!(
                "contents: message {number} was {before}, and is {named}"
            ));
        }
        known.letter = known.letter.or(named);
        let uid = known.uid;
        if let (Some(uid), Some(place)) = (uid, self.place()) {
            self.account.ledger().is_there(place, uid, named)?;
        }
        Ok(())
    }

    fn judge_flags(&mut self, number: u32, mut flags: Flags) -> Step {
        let recent = flags.remove("\\Recent");
        if recent && self.rev2 {
            return fault("recent: \\Recent in an IMAP4rev2 session");
        }
        let serial = self.queue.front().map_or(0, |flight| flight.serial);
        if !self.rev2 {
            self.judge_recent(number, recent)?;
        }
        let known_uid = {
            let known = self.selected()?.number(number)?;
            known.flags = Some(flags.clone());
            known.flags_told_in = serial;
            known.uid
        };
        match known_uid {
            Some(uid) => self.judge_own_part(number, uid, &flags),
            None => Ok(()),
        }
    }

    /// A message is recent to a session from the first to the last, or never; and to
    /// one session that can write at most (RFC 3501 §2.3.2).
    fn judge_recent(&mut self, number: u32, recent: bool) -> Step {
        let (session, may_change) = (self.session, self.plan.tolerates("recent-changes"));
        let picture = self.selected()?;
        let read_only = picture.read_only;
        let known = picture.number(number)?;
        if known.recent.is_some_and(|before| before != recent) && !may_change {
            return fault(&format!(
                "recent: of message {number} it was {}, and is {recent}",
                !recent
            ));
        }
        known.recent = Some(recent);
        let uid = known.uid;
        match (uid, self.place()) {
            (Some(uid), Some(place)) if recent && !read_only => {
                Ok(self.account.ledger().is_recent(place, uid, session)?)
            }
            _ => Ok(()),
        }
    }

    /// What nobody but this client changes must be as it has left it.
    fn judge_own_part(&mut self, number: u32, uid: u32, flags: &Flags) -> Step {
        let changes = match self.front() {
            Some(Command::Store { meant, .. } | Command::Fetch { meant, .. }) => {
                meant.has(number, Some(uid))
            }
            _ => false,
        };
        let Some(place) = self.place() else {
            return Ok(());
        };
        let mut ledger = self.account.ledger();
        let Some(owned) = ledger.owned(place, uid, self.number) else {
            return Ok(());
        };
        let part = owned.part(flags);
        let mark = ledger
            .mark(place, uid, self.number)
            .map(|mark| mark.clone());
        let mark = mark.unwrap_or_default();
        match mark.value {
            Some(value) if value != part && !(changes && mark.changing > 0) => fault(&format!(
                "flags: of UID {uid}, {part:?} was told, but this client alone changes these, to {value:?}"
            )),
            None if mark.changing == 0 => {
                ledger.set_mark(place, uid, self.number, Some(part));
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Bytes and sizes are those of the letter.
    fn judge_contents(&mut self, number: u32, items: &[(String, Value)]) -> Step {
        let (uid, letter) = {
            let known = self.selected()?.number(number)?;
            (known.uid, known.letter)
        };
        let Some(letter) = letter else {
            return Ok(());
        };
        let place = self.place();
        let may_be_gone = place.is_none_or(|place| self.may_be_gone(place, uid));
        let delivered = self.plan.is_delivery(letter);
        let Some(Command::Fetch { items: asked, .. }) = self.front() else {
            return Ok(());
        };
        for item in asked {
            let found = items.iter().find(|(name, _)| *name == item.answered());
            if let Some((_, value)) = found
                && !(may_be_gone && *value == Value::Atom("NIL".into()))
            {
                item.check(value, letter, delivered)?;
            }
        }
        Ok(())
    }

    fn judge_search(&mut self, numbers: &[u32]) -> Step {
        let flight = self.during("SEARCH", |command| {
            matches!(command, Command::Search { .. })
        })?;
        flight.found = true;
        let Command::Search {
            by_uid,
            returns,
            key,
        } = flight.command.clone()
        else {
            return Ok(());
        };
        if self.rev2 || returns.is_some() {
            return fault("search: SEARCH where ESEARCH belongs");
        }
        self.judge_found(&key, by_uid, &numbers.iter().copied().collect())
    }

    fn judge_esearch(&mut self, found: &ESearch) -> Step {
        let flight = self.during("ESEARCH", |command| {
            matches!(command, Command::Search { .. })
        })?;
        flight.found = true;
        let tag = flight.tag.clone();
        let Command::Search {
            by_uid,
            returns,
            key,
        } = flight.command.clone()
        else {
            return Ok(());
        };
        if found.tag.as_ref() != Some(&tag) || found.uid != by_uid {
            return fault("esearch: its tag or its UID is not the command's");
        }
        let returns = returns.unwrap_or_default();
        search::is_consistent(found, &returns)?;
        self.judge_found_modseq(found, &key, by_uid)?;
        if let Some(all) = &found.all {
            self.judge_found(&key, by_uid, &all.iter().copied().collect())?;
        }
        if returns.contains(&"SAVE") && returns.contains(&"ALL") {
            let saved = found.all.clone().unwrap_or_default();
            if let Some(picture) = &mut self.picture {
                picture.saved = Some(saved);
            }
        }
        Ok(())
    }

    /// Everything that fits and is surely there, and nothing that doesn't fit.
    fn judge_found(&mut self, key: &Key, by_uid: bool, found: &BTreeSet<u32>) -> Step {
        let facts = self.facts();
        let Some(place) = self.place().cloned() else {
            return fault("state: no mailbox is selected");
        };
        let unknown = facts.iter().any(|facts| facts.uid.is_none());
        for number in found {
            let known = facts.iter().any(|facts| match by_uid {
                true => facts.uid == Some(*number),
                false => facts.number == *number,
            });
            let may_be = by_uid && unknown;
            if !(known || may_be) {
                return fault(&format!(
                    "search: {number} is found, but there is no such message"
                ));
            }
        }
        for facts in facts {
            let name = if by_uid {
                facts.uid
            } else {
                Some(facts.number)
            };
            let Some(name) = name else {
                continue;
            };
            let is_found = found.contains(&name);
            match key.fits(&facts) {
                Some(false) if is_found => {
                    return fault(&format!(
                        "search: {name} is found, but doesn't fit: {facts:?}"
                    ));
                }
                Some(true) if !is_found && !self.may_be_gone(&place, facts.uid) => {
                    return fault(&format!("search: {name} fits, but isn't found: {facts:?}"));
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn may_be_gone(&self, place: &super::ledger::Place, uid: Option<u32>) -> bool {
        uid.is_none_or(|uid| self.account.ledger().may_be_gone(place, uid))
    }

    fn facts(&mut self) -> Vec<Facts> {
        let Some(picture) = &self.picture else {
            return Vec::new();
        };
        let own = super::ledger::keyword(self.number);
        let mut ledger = self.account.ledger();
        let facts = picture.messages.iter().zip(1..).map(|(known, number)| {
            let has = known.uid.and_then(|uid| {
                ledger.owned(&picture.place, uid, self.number)?;
                let mark = ledger.mark(&picture.place, uid, self.number)?;
                mark.value.as_ref().map(|value| value.contains(&own))
            });
            Facts {
                number,
                uid: known.uid,
                name: known.letter.map(|letter| letter.to_string()),
                keyword: has,
                modseq: known.modseq,
            }
        });
        facts.collect()
    }
}

fn fault<T>(why: &str) -> Step<T> {
    Err(Stop::Fault(why.to_owned()))
}
