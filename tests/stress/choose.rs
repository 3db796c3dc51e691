//! Which command comes next. The choice knows what the client knows, and keeps to the
//! few agreements that make the server's answers checkable: a connection's keyword is
//! changed by it alone, a private letter's flags by its owner alone, nobody removes or
//! copies a message before somebody has seen which letter it is.

use super::client::{Client, Step};
use super::command::{Action, Command, InFlight, Item, Meant};
use super::ledger::{Flags, keyword};
use super::picture::{Known, Picture};
use super::search::Key;
use journal::sim::Random;
use std::time::{Duration, Instant};

/// Messages from which on a mailbox is emptied rather than filled.
const MESSAGES_MANY: usize = 60;

/// The longest that a client listens between two commands.
const LISTENS_MS: u64 = 40;

/// Messages at the beginning of a mailbox whose flags are changed most.
const FOUGHT_OVER: usize = 3;

/// Commands in progress at once.
const DEPTHS: [usize; 8] = [1, 1, 1, 2, 3, 4, 6, 10];

/// Flags that anybody changes on letters that belong to all.
const FREE: [&str; 5] = ["\\Flagged", "\\Answered", "\\Seen", "\\Draft", "free"];

impl Client {
    /// Some commands, sent together, and most of their answers.
    ///
    /// # Errors
    /// [`super::client::Stop`].
    pub fn burst(&mut self) -> Step {
        let depth = DEPTHS[self.random.below(DEPTHS.len() as u64) as usize].min(self.plan.depth);
        if self.random.chance(5) {
            self.listen()?;
        }
        while self.queue.len() < depth {
            let command = self.choose();
            if !command.may_follow(self.queue.iter().map(|flight| &flight.command)) {
                break;
            }
            match command {
                Command::Idle => self.idle()?,
                Command::Logout => self.log_out()?,
                Command::Select {
                    mailbox, read_only, ..
                } => self.open(mailbox, read_only)?,
                command => self.post(command)?,
            }
        }
        if self.may_lose() && self.random.chance(40) {
            return self.lose();
        }
        let rest = self.random.below(1 + self.queue.len() as u64 / 2);
        self.settle(rest as usize)
    }

    /// Gives others time to change what this client is to change next. With nothing in
    /// progress hardly anything may be told.
    fn listen(&mut self) -> Step {
        let until = Instant::now() + Duration::from_millis(self.random.below(LISTENS_MS));
        while let Some(said) = self.hear(until)? {
            self.judge(said)?;
        }
        Ok(())
    }

    /// SELECT or EXAMINE.
    pub(super) fn open(&mut self, mailbox: String, read_only: bool) -> Step {
        self.opening = Some(Picture {
            place: (mailbox.clone(), 0),
            read_only,
            ..Picture::default()
        });
        let resume = self.resume(&mailbox);
        self.post(Command::Select {
            mailbox,
            read_only,
            resume,
        })?;
        self.settle(0)
    }

    fn log_out(&mut self) -> Step {
        self.perform(Command::Logout)?;
        self.reconnect()
    }

    fn choose(&mut self) -> Command {
        if self.picture.is_none() {
            return self.elsewhere();
        }
        if self.wants_to_know() {
            return self.look_at_new();
        }
        let many = self
            .picture
            .as_ref()
            .is_some_and(|picture| picture.messages.len() > MESSAGES_MANY);
        match self.random.below(100) {
            0..=2 if self.qresync => self.ask_for_changes(),
            0..=19 => self.fetch(),
            20..=41 => self.store(),
            42..=51 => self.search(),
            52..=57 => self.copy(),
            58..=59 => Command::Expunge(None),
            60..=63 => self.expunge_some(),
            64..=70 => Command::Noop,
            71..=73 => Command::Check,
            74..=77 => Command::Idle,
            78..=83 if many => self.delete(),
            84..=86 => self.leave(),
            _ => self.elsewhere(),
        }
    }

    /// Whether there are messages of which the client doesn't know the letter.
    fn wants_to_know(&mut self) -> bool {
        let picture = self.picture.as_ref();
        let unknown = picture.is_some_and(|picture| {
            picture
                .messages
                .iter()
                .any(|known| known.letter.is_none() || known.uid.is_none())
        });
        unknown && self.random.chance(3)
    }

    /// Everything from the first message on of which the letter isn't known.
    fn look_at_new(&mut self) -> Command {
        let messages = self
            .picture
            .as_ref()
            .map(|picture| picture.messages.as_slice());
        let messages = messages.unwrap_or_default();
        let first = messages.iter().position(|known| known.letter.is_none());
        let first = first.unwrap_or_default();
        let before = messages[..first].iter().filter_map(|known| known.uid).max();
        let from = before.unwrap_or_default() + 1;
        let uids = messages.iter().filter_map(|known| known.uid);
        let meant = Meant {
            set: format!("{from}:*"),
            by_uid: true,
            uids: uids.filter(|uid| *uid >= from).collect(),
            from: Some(from),
            ..Meant::default()
        };
        let mut items = vec![Item::Name, Item::Uid];
        if self.random.chance(2) {
            items.push(Item::Flags);
        }
        Command::Fetch { meant, items }
    }

    /// What needs no mailbox.
    fn elsewhere(&mut self) -> Command {
        match self.random.below(12) {
            0..=3 => self.append(),
            4 => self.status(),
            5 | 6 => self.in_own_tree(),
            7 if self.queue.is_empty() => self.on_thin_ice(),
            8 if self.queue.is_empty() && self.random.chance(8) => Command::Logout,
            9 => Command::Noop,
            _ if self.queue.is_empty() => self.select(),
            _ => self.append(),
        }
    }

    fn select(&mut self) -> Command {
        let mailbox = match self.random.chance(8) {
            true => self.plan.volatile(self.random.below(2)),
            false => self.shared(),
        };
        let read_only = self.random.chance(8);
        Command::Select {
            mailbox,
            read_only,
            resume: None,
        }
    }

    fn shared(&mut self) -> String {
        // INBOX is where most meet.
        self.plan.shared(self.random.below(5).saturating_sub(2))
    }

    fn leave(&mut self) -> Command {
        match self.random.chance(2) {
            // CLOSE expunges: what is \Deleted has been doomed with that.
            true => Command::Close,
            false => Command::Unselect,
        }
    }

    fn append(&mut self) -> Command {
        let own: Vec<&String> = self.own.keys().collect();
        let mailbox = match self.random.below(12) {
            0 if !own.is_empty() => own[self.random.below(own.len() as u64) as usize].clone(),
            1 => self.plan.volatile(self.random.below(2)),
            _ => self.shared(),
        };
        let count = if self.random.chance(5) {
            1 + self.random.below(4)
        } else {
            1
        };
        let letters = (0..count).map(|_| {
            let letter = self.letter();
            let flags = match letter.private {
                true => self.all_flags(),
                false => self.free_flags(),
            };
            (letter, flags)
        });
        Command::Append {
            mailbox,
            letters: letters.collect(),
        }
    }

    fn status(&mut self) -> Command {
        let mailbox = match self.own.keys().next() {
            Some(own) if self.random.chance(2) => own.clone(),
            _ => self.shared(),
        };
        let mut items = vec!["MESSAGES", "UIDNEXT", "UIDVALIDITY", "UNSEEN"];
        if self.can("IMAP4REV2") {
            items.extend(["SIZE", "DELETED"]);
        }
        if self.qresync {
            items.push("HIGHESTMODSEQ");
        }
        Command::Status { mailbox, items }
    }

    /// CREATE, DELETE, RENAME and LIST of names that nobody else touches.
    fn in_own_tree(&mut self) -> Command {
        let root = self.plan.own(self.number);
        if self.own.is_empty() || !self.queue.is_empty() {
            return match self.queue.is_empty() {
                true => Command::Create(root),
                false => Command::List(root),
            };
        }
        let names: Vec<String> = self.own.keys().cloned().collect();
        let name = names[self.random.below(names.len() as u64) as usize].clone();
        let new = format!(
            "{root}{}n{}",
            self.account.delimiter(),
            self.random.below(1000)
        );
        let under = format!("{name}{}", self.account.delimiter());
        let is_leaf = !names.iter().any(|other| other.starts_with(&under));
        match self.random.below(6) {
            0 if name != root && is_leaf => Command::Delete(name),
            1 if name != root && !names.contains(&new) => Command::Rename(name, new),
            2 | 3 if names.len() < 8 && !names.contains(&new) => Command::Create(new),
            _ => Command::List(root),
        }
    }

    /// CREATE, DELETE and RENAME of mailboxes that others have open. (Who deletes its own
    /// may or may not be told that it is closed.)
    fn on_thin_ice(&mut self) -> Command {
        let (one, other) = (self.plan.volatile(0), self.plan.volatile(1));
        let stands_on_it = self.is_on_thin_ice();
        match self.random.below(8) {
            _ if stands_on_it => Command::Create(one),
            0 => Command::Delete(one),
            1 => Command::Rename(one, other),
            2 => Command::Rename(other, one),
            3 => Command::Delete(other),
            _ => Command::Create(one),
        }
    }

    fn fetch(&mut self) -> Command {
        let mut items = match self.random.below(6) {
            0 => vec![Item::Flags],
            1 => vec![Item::Flags, Item::Uid, Item::Size],
            2 => vec![Item::Name, Item::Flags],
            3 => vec![Item::Part(
                self.random.below(900) as usize,
                1 + self.random.below(400) as usize,
            )],
            4 => vec![Item::Whole, Item::Size],
            _ => vec![Item::Envelope, Item::Uid],
        };
        if self.random.chance(6) {
            items = vec![Item::TextAndSeen];
        }
        let by_uid = self.random.chance(2);
        let own = items.contains(&Item::TextAndSeen);
        let owner = self.number;
        let meant = self.some(by_uid, |known| !own || is_ours(known, owner));
        match meant {
            Some(meant) => Command::Fetch { meant, items },
            None => Command::Noop,
        }
    }

    fn store(&mut self) -> Command {
        let (by_uid, owner) = (self.random.chance(2), self.number);
        let private = self.random.chance(3);
        let last = self.last_of_the_first();
        let meant = self.some(by_uid, |known| match private {
            _ if known.uid > last => false,
            true => known
                .letter
                .is_some_and(|letter| letter.private && letter.owner == owner),
            false => known.letter.is_some_and(|letter| !letter.private),
        });
        let Some(meant) = meant.filter(|meant| !meant.uids.is_empty()) else {
            return Command::Noop;
        };
        let (action, flags) = match private {
            true => {
                let action =
                    [Action::Add, Action::Remove, Action::Replace][self.random.below(3) as usize];
                (action, self.all_flags())
            }
            false => {
                let action = [Action::Add, Action::Remove][self.random.below(2) as usize];
                let mut flags = self.free_flags();
                if self.random.below(4) > 0 {
                    flags.insert(keyword(owner));
                }
                (action, flags)
            }
        };
        Command::Store {
            meant,
            action,
            unless: self.condition(),
            silent: self.random.chance(2),
            flags,
        }
    }

    /// Often the same few messages, so that many change them at once.
    fn last_of_the_first(&mut self) -> Option<u32> {
        let messages = self.picture.as_ref().map(|picture| &picture.messages);
        let last = messages.and_then(|messages| messages.get(FOUGHT_OVER)?.uid);
        last.filter(|_| self.random.chance(2)).or(Some(u32::MAX))
    }

    fn search(&mut self) -> Command {
        let by_uid = self.random.chance(2);
        let key = self.key(2);
        let returns = self.random.chance(2).then(|| {
            let all = ["MIN", "MAX", "COUNT", "ALL"];
            let mut returns: Vec<&str> =
                all.into_iter().filter(|_| self.random.chance(2)).collect();
            if by_uid && returns.contains(&"ALL") && self.random.chance(2) && self.can("SEARCHRES")
            {
                returns.push("SAVE");
            }
            returns
        });
        Command::Search {
            by_uid,
            returns: returns.filter(|_| self.can("ESEARCH")),
            key,
        }
    }

    fn key(&mut self, depth: u64) -> Key {
        let Some(picture) = &self.picture else {
            return Key::All;
        };
        let may_save = self.queue.iter().any(InFlight::may_save);
        let saved = picture.saved.clone().filter(|_| !may_save);
        let random = &mut self.random;
        let number = random.below(u64::from(picture.count()));
        let known = picture.messages.get(number as usize);
        let name = known
            .and_then(|known| known.letter)
            .map(|letter| letter.to_string());
        if let Some(saved) = saved.filter(|_| random.chance(8)) {
            return Key::Saved(saved);
        }
        match (random.below(if depth == 0 { 6 } else { 9 }), name) {
            (0, _) if self.qresync => self.modseq_key(),
            (0 | 1, _) => Key::Keyword(keyword(self.number), random.chance(2)),
            (2, Some(name)) => Key::Name(name),
            (3, Some(name)) if random.chance(3) => Key::Body(name),
            (4, _) => match self.some(false, |_| true) {
                Some(meant) => Key::Numbers(meant.set, meant.numbers),
                None => Key::All,
            },
            (5, _) => match self.some(true, |_| true) {
                Some(meant) => Key::Uids(meant.set, meant.uids),
                None => Key::All,
            },
            (6, _) => Key::Not(Box::new(self.key(depth - 1))),
            (7, _) => Key::Or(Box::new(self.key(depth - 1)), Box::new(self.key(depth - 1))),
            (8, _) => Key::Both(Box::new(self.key(depth - 1)), Box::new(self.key(depth - 1))),
            _ => Key::All,
        }
    }

    fn copy(&mut self) -> Command {
        let (by_uid, thin) = (self.random.chance(2), self.is_on_thin_ice());
        let meant = self.some(by_uid, |known| {
            known.letter.is_some() && known.uid.is_some()
        });
        let Some(meant) = meant.filter(|meant| meant.uids.len() < 12) else {
            return Command::Noop;
        };
        let to = match thin || self.random.chance(10) {
            true => self.plan.volatile(self.random.below(2)),
            false => self.shared(),
        };
        let moves = self.random.chance(2) && self.can("MOVE");
        Command::Copy { meant, to, moves }
    }

    fn delete(&mut self) -> Command {
        let owner = self.number;
        let meant = self.some(true, |known| is_ours(known, owner));
        let deleted = Flags::from(["\\Deleted".to_owned()]);
        match meant {
            Some(meant) => Command::Store {
                meant,
                action: Action::Add,
                unless: None,
                silent: self.random.chance(2),
                flags: deleted,
            },
            None => Command::Expunge(None),
        }
    }

    fn expunge_some(&mut self) -> Command {
        match self.some(true, |_| true) {
            Some(meant) => Command::Expunge(Some(meant)),
            None => Command::Expunge(None),
        }
    }

    /// Some of the messages that are fit, as a set. `$` is a set, too.
    fn some(&mut self, by_uid: bool, fit: impl Fn(&Known) -> bool) -> Option<Meant> {
        let may_save = self.queue.iter().any(InFlight::may_save);
        let picture = self.picture.as_ref()?;
        let random = &mut self.random;
        let all = picture.messages.iter().zip(1..);
        let fit = all.filter(|(known, _)| fit(known) && (!by_uid || known.uid.is_some()));
        let fit: Vec<(&Known, u32)> = fit.collect();
        let saved = picture
            .saved
            .clone()
            .filter(|_| by_uid && !may_save && random.chance(2));
        let is_fit = |uid: &u32| fit.iter().any(|(known, _)| known.uid == Some(*uid));
        if let Some(uids) = saved.filter(|saved| !saved.is_empty() && saved.iter().all(is_fit)) {
            return Some(Meant {
                set: "$".into(),
                by_uid,
                uids,
                ..Meant::default()
            });
        }
        let from = random.below(fit.len() as u64) as usize;
        let count = match random.below(6) {
            0..=2 => 1,
            3 | 4 => 1 + random.below(6) as usize,
            _ => fit.len(),
        };
        let sparse = random.chance(3);
        let chosen = fit
            .iter()
            .skip(from)
            .take(count)
            .filter(|_| !sparse || random.chance(2));
        let chosen: Vec<(&Known, u32)> = chosen.copied().collect();
        let numbers: Vec<u32> = chosen.iter().map(|(_, number)| *number).collect();
        let uids: Vec<u32> = chosen.iter().filter_map(|(known, _)| known.uid).collect();
        let named = if by_uid {
            uids.clone()
        } else {
            numbers.clone()
        };
        (!named.is_empty()).then(|| Meant {
            set: set_of(&named, random),
            by_uid,
            numbers: if by_uid { Vec::new() } else { numbers },
            uids,
            from: None,
        })
    }

    fn free_flags(&mut self) -> Flags {
        let flags = FREE.iter().filter(|_| self.random.chance(4));
        flags.map(|flag| (*flag).to_owned()).collect()
    }

    /// For letters whose flags are all the client's own.
    fn all_flags(&mut self) -> Flags {
        let mut flags = self.free_flags();
        if self.random.chance(2) {
            flags.insert(keyword(self.number));
        }
        if self.random.chance(6) {
            flags.insert("\\Deleted".to_owned());
        }
        flags
    }
}

/// Whether this connection may change the message as it likes.
fn is_ours(known: &Known, owner: u16) -> bool {
    known
        .letter
        .is_some_and(|letter| !letter.private || letter.owner == owner)
}

/// Numbers as a set: neighbours as ranges, either end first, in any order.
fn set_of(numbers: &[u32], random: &mut Random) -> String {
    let mut ranges: Vec<(u32, u32)> = Vec::new();
    for number in numbers {
        match ranges.last_mut() {
            Some((_, last)) if *last + 1 == *number => *last = *number,
            _ => ranges.push((*number, *number)),
        }
    }
    if random.chance(4) {
        ranges.reverse();
    }
    let parts = ranges
        .into_iter()
        .map(|(first, last)| match (first == last, random.chance(4)) {
            (true, _) => first.to_string(),
            (false, true) => format!("{last}:{first}"),
            (false, false) => format!("{first}:{last}"),
        });
    parts.collect::<Vec<_>>().join(",")
}
