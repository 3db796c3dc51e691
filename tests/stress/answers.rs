//! The end of each command: whether everything that belongs to it has come, and what
//! the client knows from it.

use super::client::{Client, Step, Stop, change};
use super::command::{Action, Command, InFlight, Item, Meant};
use super::ledger::{Flags, Place};
use super::letter::Letter;
use super::response::{self, Code, Status};
use std::collections::{BTreeMap, BTreeSet};

impl Client {
    /// A tagged answer. Answers come in the order of the commands.
    pub(super) fn judge_answer(&mut self, tag: &str, status: Status, code: &Code) -> Step {
        let Some(mut flight) = self.queue.pop_front().filter(|flight| flight.tag == tag) else {
            return fault(&format!("order: {tag} is not the command in progress"));
        };
        if status == Status::Bad {
            return fault(&format!("bad: {:?} is a good command", flight.command));
        }
        let well = status == Status::Ok;
        let command = std::mem::replace(&mut flight.command, Command::Noop);
        self.end_of(&command, &flight, well, code)?;
        self.account.ledger().have_arrived(&flight.arriving);
        Ok(())
    }

    fn end_of(&mut self, command: &Command, flight: &InFlight, well: bool, code: &Code) -> Step {
        match command {
            Command::Noop if well => self.end_of_noop(flight.since),
            Command::Select { .. } => self.end_of_select(well, code),
            Command::Close | Command::Unselect if well => {
                self.picture = None;
                Ok(())
            }
            Command::Append { mailbox, letters } => {
                self.end_of_append(flight, well, mailbox, letters, code)
            }
            Command::Fetch { meant, items } => self.end_of_fetch(flight, well, meant, items),
            Command::Changed { since, vanished } if well => {
                self.end_of_changed(flight, *since, *vanished)
            }
            Command::Store {
                meant,
                action,
                unless,
                silent,
                flags,
            } => {
                let meant = self.unmodified(flight, meant, *unless, (well, code))?;
                self.end_of_store(flight, well, &meant, *action, *silent, flags)
            }
            Command::Copy { meant, to, moves } => self.end_of_copy(flight, well, meant, to, *moves),
            Command::Expunge(meant) => self.end_of_expunge(well, meant.as_ref()),
            Command::Search { .. } if well && !flight.found && !self.only_saves(command) => {
                fault("search: no SEARCH or ESEARCH has come")
            }
            Command::Status { mailbox, items } => self.end_of_status(flight, well, mailbox, items),
            Command::List(prefix) => self.end_of_list(flight, well, prefix),
            Command::Create(_) | Command::Delete(_) | Command::Rename(..) => {
                self.end_of_naming(command, well)
            }
            _ if well || self.is_on_thin_ice() => Ok(()),
            command => fault(&format!("answer: NO to {command:?}")),
        }
    }

    fn only_saves(&self, command: &Command) -> bool {
        matches!(command, Command::Search { returns: Some(returns), .. } if returns == &["SAVE"])
    }

    fn end_of_select(&mut self, well: bool, code: &Code) -> Step {
        let opened = self.opening.take();
        if self.picture.take().is_some() {
            return fault("closed: SELECT without CLOSED, though a mailbox was selected");
        }
        let Some(mut opened) = opened.filter(|_| well) else {
            self.resuming = None;
            return Ok(());
        };
        if opened.place.1 == 0 || opened.uid_next == 0 {
            return fault("select: UIDVALIDITY or UIDNEXT is missing");
        }
        let wanted = if opened.read_only {
            "READ-ONLY"
        } else {
            "READ-WRITE"
        };
        if code.name != wanted {
            return fault(&format!(
                "select: {wanted} belongs here, not {:?}",
                code.name
            ));
        }
        opened.saved = Some(Vec::new());
        self.resumed(&mut opened)?;
        self.picture = Some(opened);
        Ok(())
    }

    fn end_of_append(
        &mut self,
        flight: &InFlight,
        well: bool,
        mailbox: &str,
        letters: &[(Letter, Flags)],
        code: &Code,
    ) -> Step {
        if !well {
            return self.refused(self.account.is_volatile(mailbox), "APPEND");
        }
        if let Some(count) = self.own.get_mut(mailbox) {
            *count += u32::try_from(letters.len()).unwrap_or_default();
            return Ok(());
        }
        let mut words = code.rest.splitn(2, ' ');
        let validity = words.next().and_then(|word| word.parse().ok());
        let uids = response::numbers(words.next().unwrap_or_default())?;
        let Some(validity) = validity.filter(|_| code.name == "APPENDUID") else {
            return fault("append: APPENDUID is missing");
        };
        if uids.len() != letters.len() || !uids.is_sorted_by(|one, next| one < next) {
            return fault(&format!(
                "append: {} letters got UIDs {uids:?}",
                letters.len()
            ));
        }
        let place = (mailbox.to_owned(), validity);
        are_new(flight, &place, &uids)?;
        let mut ledger = self.account.ledger();
        for (uid, (letter, flags)) in uids.into_iter().zip(letters) {
            ledger.is_there(&place, uid, Some(*letter))?;
            if flags.contains("\\Deleted") {
                ledger.doom(&place, [uid]);
            }
            let part = ledger
                .owned(&place, uid, self.number)
                .map(|owned| owned.part(flags));
            let known = ledger
                .mark(&place, uid, self.number)
                .is_some_and(|mark| mark.value.is_some());
            if part.is_some() && !known {
                ledger.set_mark(&place, uid, self.number, part);
            }
        }
        Ok(())
    }

    fn end_of_fetch(
        &mut self,
        flight: &InFlight,
        well: bool,
        meant: &Meant,
        items: &[Item],
    ) -> Step {
        if items.contains(&Item::TextAndSeen) {
            let seen = Flags::from(["\\Seen".to_owned()]);
            let read_only = self
                .picture
                .as_ref()
                .is_some_and(|picture| picture.read_only);
            let flags = if read_only { Flags::new() } else { seen };
            self.changed(well, meant, Action::Add, &flags);
        }
        let mut asked: BTreeSet<String> = items.iter().map(|item| item.answered()).collect();
        if meant.by_uid {
            asked.insert("UID".into());
        }
        for (name, uid) in self.surely_there(meant) {
            let answered = flight.answered.get(&name).cloned().unwrap_or_default();
            if well && !asked.is_subset(&answered) {
                return fault(&format!(
                    "fetch: of message {name} (UID {uid}) came only {answered:?}"
                ));
            }
        }
        match well {
            true => Ok(()),
            false => self.refused(self.misses_some(meant), "FETCH"),
        }
    }

    fn end_of_store(
        &mut self,
        flight: &InFlight,
        well: bool,
        meant: &Meant,
        action: Action,
        silent: bool,
        flags: &Flags,
    ) -> Step {
        let read_only = self
            .picture
            .as_ref()
            .is_some_and(|picture| picture.read_only);
        if read_only && well && !self.plan.tolerates("ok-when-examined") {
            return fault("store: OK in a mailbox that was opened for reading");
        }
        if read_only {
            self.changed(true, meant, Action::Add, &Flags::new());
            return Ok(());
        }
        self.changed(well, meant, action, flags);
        if !well {
            return self.refused(self.misses_some(meant), "STORE");
        }
        let sure: BTreeSet<u32> = self
            .surely_there(meant)
            .into_iter()
            .map(|(_, uid)| uid)
            .collect();
        for uid in &meant.uids {
            self.take_in(flight.serial, *uid, sure.contains(uid), silent, |before| {
                action.on(before, flags)
            })
            .map_err(|why| Stop::Fault(format!("store: UID {uid}: {why}")))?;
        }
        Ok(())
    }

    /// One message's flags after a STORE: told, or else known. What may be gone need not
    /// be told.
    fn take_in(
        &mut self,
        serial: u64,
        uid: u32,
        is_sure: bool,
        silent: bool,
        stored: impl Fn(&Flags) -> Flags,
    ) -> Result<(), String> {
        let Some(picture) = &mut self.picture else {
            return Ok(());
        };
        let mut messages = picture.messages.iter_mut();
        let Some(known) = messages.find(|known| known.uid == Some(uid)) else {
            return Ok(());
        };
        if known.flags_told_in != serial {
            let may_be_the_same = known
                .flags
                .as_ref()
                .is_none_or(|flags| stored(flags) == *flags);
            let must_be_told = !(may_be_the_same && self.plan.tolerates("unchanged-flags-untold"));
            if !silent && is_sure && must_be_told {
                return Err("its new flags were not told".into());
            }
            known.flags = known.flags.as_ref().map(stored);
        }
        let mut ledger = self.account.ledger();
        let owned = ledger.owned(&picture.place, uid, self.number);
        let mark = ledger.mark(&picture.place, uid, self.number);
        let value = mark.and_then(|mark| mark.value.clone());
        match (owned, &known.flags, value) {
            (Some(owned), Some(told), Some(value)) if is_sure && owned.part(told) != value => {
                Err(format!("{told:?} was told, but {value:?} is stored"))
            }
            _ => Ok(()),
        }
    }

    /// A change of flags has arrived: what is this client's part now.
    fn changed(&mut self, well: bool, meant: &Meant, action: Action, flags: &Flags) {
        let Some(place) = self.picture.as_ref().map(|picture| &picture.place) else {
            return;
        };
        let mut ledger = self.account.ledger();
        change(&mut ledger, place, self.number, &meant.uids, -1);
        for uid in &meant.uids {
            let Some(owned) = ledger.owned(place, *uid, self.number) else {
                continue;
            };
            let before = ledger
                .mark(place, *uid, self.number)
                .and_then(|mark| mark.value.clone());
            let after = before.map(|before| owned.part(&action.on(&before, flags)));
            ledger.set_mark(place, *uid, self.number, after.filter(|_| well));
        }
    }

    fn end_of_copy(
        &mut self,
        flight: &InFlight,
        well: bool,
        meant: &Meant,
        to: &str,
        moves: bool,
    ) -> Step {
        let read_only = self
            .picture
            .as_ref()
            .is_some_and(|picture| picture.read_only);
        if moves && read_only && !(well && self.plan.tolerates("move-when-examined")) {
            return match well {
                true => fault("move: OK in a mailbox that was opened for reading"),
                false => Ok(()),
            };
        }
        if !well {
            return self.refused(
                self.misses_some(meant) || self.account.is_volatile(to),
                "COPY",
            );
        }
        let sure: Vec<u32> = match moves {
            true => Vec::new(),
            false => self.sure_of(&meant.uids),
        };
        let Some((validity, from, new)) = &flight.copied else {
            return match sure.is_empty() {
                true => Ok(()),
                false => fault("copy: COPYUID is missing"),
            };
        };
        let pairs = from.len() == new.len()
            && from.iter().all(|uid| meant.uids.contains(uid))
            && sure.iter().all(|uid| from.contains(uid))
            && new.is_sorted_by(|one, next| one < next);
        if !pairs {
            return fault(&format!(
                "copy: COPYUID has {from:?} and {new:?}, but {meant:?} was meant"
            ));
        }
        if moves && !from.iter().all(|uid| flight.expunged.contains(uid)) {
            return fault("move: not everything that was moved has been told to be gone");
        }
        let place = (to.to_owned(), *validity);
        are_new(flight, &place, new)?;
        self.copies_are_there(&place, from, new)
    }

    /// A copy is the letter that was copied, with its flags.
    fn copies_are_there(&mut self, to: &Place, from: &[u32], new: &[u32]) -> Step {
        let Some(place) = self.picture.as_ref().map(|picture| &picture.place) else {
            return Ok(());
        };
        let mut ledger = self.account.ledger();
        for (old, new) in from.iter().zip(new) {
            let Some(source) = ledger.message(place, *old).cloned() else {
                continue;
            };
            let value = ledger
                .mark(place, *old, self.number)
                .and_then(|mark| mark.value.clone());
            let doomed = ledger.is_doomed(place, &source);
            ledger.is_there(to, *new, source.letter)?;
            let Some(copy) = ledger.message(to, *new) else {
                continue;
            };
            copy.copied = true;
            copy.doomed |= doomed;
            let known = ledger
                .mark(to, *new, self.number)
                .is_some_and(|mark| mark.value.is_some());
            if value.is_some() && !known {
                ledger.set_mark(to, *new, self.number, value);
            }
        }
        Ok(())
    }

    /// What this client alone has marked as deleted is gone.
    fn end_of_expunge(&mut self, well: bool, only: Option<&Meant>) -> Step {
        let Some(picture) = &self.picture else {
            return Ok(());
        };
        let may_be_gone = !well && self.is_on_thin_ice();
        if may_be_gone || picture.read_only && self.plan.tolerates("ok-when-examined") {
            return Ok(());
        }
        if picture.read_only == well {
            return fault("expunge: OK for reading only, or NO otherwise");
        }
        let mut ledger = self.account.ledger();
        for known in picture.messages.iter().filter(|_| well) {
            let Some(uid) = known
                .uid
                .filter(|uid| only.is_none_or(|only| only.uids.contains(uid)))
            else {
                continue;
            };
            let owned = ledger.owned(&picture.place, uid, self.number);
            let mark = ledger.mark(&picture.place, uid, self.number);
            let mark = mark.filter(|mark| owned.is_some() && mark.changing == 0);
            let value = mark.and_then(|mark| mark.value.clone());
            if value.is_some_and(|value| value.contains("\\Deleted")) {
                return fault(&format!(
                    "expunge: UID {uid} was \\Deleted and is still there"
                ));
            }
        }
        Ok(())
    }

    fn end_of_status(
        &mut self,
        flight: &InFlight,
        well: bool,
        mailbox: &str,
        items: &[&str],
    ) -> Step {
        let Some(counts) = flight.counts.as_ref().filter(|_| well) else {
            return self.refused(self.account.is_volatile(mailbox), "STATUS");
        };
        self.last_counts = Some(counts.clone());
        if let Some(item) = items.iter().find(|item| !counts.contains_key(**item)) {
            return fault(&format!("status: {item} is missing"));
        }
        if let Some(letters) = self.own.get(mailbox)
            && counts.get("MESSAGES") != Some(&u64::from(*letters))
        {
            return fault(&format!(
                "status: {mailbox} has {letters} letters, but {counts:?}"
            ));
        }
        self.judge_status_modseq(flight, counts)?;
        let number = |item: &str| {
            counts
                .get(item)
                .and_then(|count| u32::try_from(*count).ok())
        };
        if let (Some(validity), Some(next)) = (number("UIDVALIDITY"), number("UIDNEXT")) {
            let place = (mailbox.to_owned(), validity);
            if self.place() == Some(&place) && self.plan.tolerates("stale-status-when-selected") {
                return Ok(());
            }
            let at_least = flight.uid_min.get(&validity).copied().unwrap_or(1);
            self.account.ledger().uid_next(&place, next, at_least)?;
        }
        Ok(())
    }

    fn end_of_list(&mut self, flight: &InFlight, well: bool, prefix: &str) -> Step {
        if !well {
            return fault("answer: NO to LIST");
        }
        let own: BTreeSet<String> = self
            .own
            .keys()
            .filter(|name| name.starts_with(prefix))
            .cloned()
            .collect();
        match flight.names == own || !self.is_own(prefix) {
            true => Ok(()),
            false => fault(&format!(
                "list: there are {own:?}, but {:?} was told",
                flight.names
            )),
        }
    }

    fn end_of_naming(&mut self, command: &Command, well: bool) -> Step {
        let (Command::Create(name) | Command::Delete(name) | Command::Rename(name, _)) = command
        else {
            return Ok(());
        };
        if !well {
            return self.refused(!self.is_own(name), "CREATE, DELETE or RENAME");
        }
        if !self.is_own(name) {
            return Ok(());
        }
        match command {
            Command::Create(name) => {
                self.own.insert(name.clone(), 0);
            }
            Command::Delete(name) => {
                self.own.remove(name);
            }
            Command::Rename(from, to) => {
                let own: BTreeMap<String, u32> = std::mem::take(&mut self.own);
                let renamed = |name: String| match name.strip_prefix(from.as_str()) {
                    Some(rest)
                        if rest.is_empty() || rest.starts_with(&self.account.delimiter()) =>
                    {
                        format!("{to}{rest}")
                    }
                    _ => name,
                };
                self.own = own
                    .into_iter()
                    .map(|(name, count)| (renamed(name), count))
                    .collect();
            }
            _ => {}
        }
        Ok(())
    }

    /// Whether a name is in this connection's own tree.
    pub(super) fn is_own(&self, name: &str) -> bool {
        name.starts_with(&self.plan.own(self.number))
    }

    fn refused(&self, with_reason: bool, what: &str) -> Step {
        match with_reason || self.is_on_thin_ice() {
            true => Ok(()),
            false => fault(&format!("answer: NO to {what} without a reason")),
        }
    }

    /// Whether some of the messages that are meant may be gone.
    fn misses_some(&self, meant: &Meant) -> bool {
        let Some(place) = self.place() else {
            return true;
        };
        let mut ledger = self.account.ledger();
        meant.uids.iter().any(|uid| ledger.may_be_gone(place, *uid))
            || (!meant.by_uid && meant.uids.len() < meant.numbers.len())
            || meant.from.is_some()
    }

    /// Those of these that nobody may have removed.
    fn sure_of(&self, uids: &[u32]) -> Vec<u32> {
        let Some(place) = self.place() else {
            return Vec::new();
        };
        let mut ledger = self.account.ledger();
        let sure = uids.iter().copied();
        sure.filter(|uid| !ledger.may_be_gone(place, *uid))
            .collect()
    }

    /// The messages that are meant and that nobody may have removed: what the set
    /// calls them, and their UIDs.
    fn surely_there(&self, meant: &Meant) -> Vec<(u32, u32)> {
        let Some(picture) = &self.picture else {
            return Vec::new();
        };
        let mut ledger = self.account.ledger();
        let known = picture.messages.iter().zip(1..);
        let by_uid = meant.by_uid;
        let meant = known.filter(|(known, number)| match (meant.from, known.uid) {
            (Some(from), Some(uid)) => uid >= from,
            (_, uid) => meant.has(*number, uid),
        } && !self.account.is_volatile(&picture.place.0));
        let mut there = Vec::new();
        for (known, number) in meant {
            if let Some(uid) = known
                .uid
                .filter(|uid| !ledger.may_be_gone(&picture.place, *uid))
            {
                there.push((if by_uid { uid } else { number }, uid));
            }
        }
        there
    }
}

/// New messages' UIDs are not below UIDNEXT as it was before.
fn are_new(flight: &InFlight, place: &Place, uids: &[u32]) -> Result<(), String> {
    let least = flight.uid_min.get(&place.1).copied().unwrap_or(1);
    match uids.first().is_none_or(|first| *first >= least) {
        true => Ok(()),
        false => Err(format!(
            "uidnext: {uids:?} of {place:?} are not above {least}"
        )),
    }
}

/// COPYUID's UIDVALIDITY and sets.
pub(super) fn copied(code: &Code) -> Result<(u32, Vec<u32>, Vec<u32>), String> {
    let words: Vec<&str> = code.rest.split(' ').collect();
    let [validity, from, to] = words[..] else {
        return Err(format!("copy: COPYUID {:?} has another form", code.rest));
    };
    let validity = validity
        .parse()
        .map_err(|_| "copy: COPYUID's UIDVALIDITY".to_owned())?;
    let (from, to) = (response::numbers(from)?, response::numbers(to)?);
    match from.is_empty() || from.len() != to.len() {
        true => Err(format!("copy: COPYUID's sets don't pair: {:?}", code.rest)),
        false => Ok((validity, from, to)),
    }
}

fn fault<T>(why: &str) -> Step<T> {
    Err(Stop::Fault(why.to_owned()))
}
