//! What a client keeps of a mailbox while it is offline, and how it brings that up to date
//! as RFC 7162 §6 has it. It knows what it was told and nothing else.

use std::collections::{BTreeMap, BTreeSet};

/// Flags without `\Recent`.
pub type Flags = BTreeSet<String>;

/// What is kept.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cache {
    /// UIDVALIDITY.
    pub validity: u32,
    /// The mod-sequence up to which everything is known.
    pub modseq: u64,
    /// Above every UID that was ever known.
    pub uid_next: u32,
    /// Flags by UID.
    pub messages: BTreeMap<u32, Flags>,
}

impl Cache {
    /// All in one question.
    pub fn one_question(&self, how: &str, form: u64) -> String {
        format!("{how} INBOX (QRESYNC ({}))", self.parameter(form))
    }

    /// The same in two, as by clients that look first and then ask what is new.
    pub fn questions(&self, how: &str) -> Vec<String> {
        let modifiers = format!("(CHANGEDSINCE {} VANISHED)", self.modseq);
        vec![
            format!("{how} INBOX"),
            format!("UID FETCH 1:* (FLAGS) {modifiers}"),
        ]
    }

    /// What SELECT's QRESYNC is given: how much of it, is the client's choice.
    fn parameter(&self, form: u64) -> String {
        let Self {
            validity, modseq, ..
        } = self;
        let uids: Vec<u32> = self.messages.keys().copied().collect();
        let known = set(&uids);
        let whole = format!("1:{}", self.uid_next.max(2) - 1);
        let sample: Vec<usize> = (0..uids.len()).filter(|at| at % 3 == 0).collect();
        let numbers: Vec<u32> = sample.iter().map(|at| *at as u32 + 1).collect();
        let matched: Vec<u32> = sample.iter().map(|at| uids[*at]).collect();
        let pairs = format!("({} {})", set(&numbers), set(&matched));
        match form {
            0 => format!("{validity} {modseq} {whole}"),
            1 if !uids.is_empty() => format!("{validity} {modseq} {whole} {pairs}"),
            2 if !uids.is_empty() => format!("{validity} {modseq} {known}"),
            3 if !uids.is_empty() => format!("{validity} {modseq} {pairs}"),
            _ => format!("{validity} {modseq}"),
        }
    }

    /// Whether it is what there is, as far as its owner can know. (What has come since, it
    /// has to look for.)
    pub fn agrees_with(&self, full: &BTreeMap<u32, Flags>, before: u32) {
        let known = |uid: &u32| *uid < before || self.messages.contains_key(uid);
        let full: BTreeMap<_, _> = full.iter().filter(|(uid, _)| known(uid)).collect();
        let kept: BTreeMap<_, _> = self.messages.iter().collect();
        assert_eq!(kept, full, "kept, and there in truth");
    }
}

/// Numbers as a set.
fn set(numbers: &[u32]) -> String {
    let numbers: Vec<String> = numbers.iter().map(u32::to_string).collect();
    numbers.join(",")
}

/// A cache while a mailbox is selected and QRESYNC enabled.
#[derive(Debug, Default)]
pub struct Connected {
    pub cache: Cache,
    /// UIDs by number, as far as they were told.
    order: Vec<Option<u32>>,
    /// The highest mod-sequence that was told in a FETCH since the last tagged answer.
    fetched: u64,
    /// HIGHESTMODSEQ, if it was said since.
    said: Option<u64>,
    /// What a silent STORE of this client's does.
    silent: Option<(char, String)>,
}

impl Connected {
    /// With what was kept.
    pub fn with(cache: Cache) -> Self {
        Self {
            cache,
            ..Self::default()
        }
    }

    /// What would be kept if the connection were lost now; nothing if messages are
    /// announced that it hasn't looked at yet.
    pub fn kept(&self) -> Option<Cache> {
        let whole =
            |uid: &Option<u32>| uid.is_some_and(|uid| self.cache.messages.contains_key(&uid));
        self.order.iter().all(whole).then(|| self.cache.clone())
    }

    /// After SELECT: the messages that are known are the first that there are, for what has
    /// come since has higher UIDs.
    pub fn go_on(&mut self) {
        let known = self.cache.messages.keys().copied();
        assert!(
            self.order.len() >= known.len(),
            "not all that is gone was told"
        );
        for (known, told) in known.zip(&mut self.order) {
            assert!(told.is_none_or(|told| told == known), "{known} is {told:?}");
            *told = Some(known);
        }
    }

    /// How many messages it was told of.
    pub fn exists(&self) -> u64 {
        self.order.len() as u64
    }

    /// The next command is a STORE in silence: the client knows what it does.
    pub fn will_change(&mut self, sign: char, flag: &str) {
        self.silent = Some((sign, flag.to_owned()));
    }

    /// Takes one line in, and fails if it can't be true. During a command that names
    /// numbers nothing may vanish.
    pub fn hear(&mut self, line: &str, may_vanish: bool) {
        assert!(!line.contains(" BAD "), "{line}");
        if let Some(said) = behind(line, "[HIGHESTMODSEQ ") {
            self.hear_highest(number(said));
        }
        if let Some(validity) = behind(line, "[UIDVALIDITY ") {
            self.cache.validity = number(validity) as u32;
        }
        let Some(rest) = line.strip_prefix("* ") else {
            return self.end_of_command();
        };
        if let Some(uids) = rest.strip_prefix("VANISHED (EARLIER) ") {
            return numbers(uids).for_each(|uid| drop(self.cache.messages.remove(&uid)));
        }
        if let Some(uids) = rest.strip_prefix("VANISHED ") {
            assert!(may_vanish, "where the numbers must stay: {line}");
            return numbers(uids).for_each(|uid| self.vanish(uid));
        }
        let mut words = rest.splitn(3, ' ');
        let count = words.next().unwrap_or_default().parse().ok();
        match (count, words.next()) {
            (Some(count), Some("EXISTS")) => {
                assert!(count >= self.order.len(), "{line}");
                self.order.resize(count, None);
            }
            (Some(at), Some("FETCH")) => self.fetch(at, words.next().unwrap_or_default()),
            (_, Some("EXPUNGE")) => panic!("QRESYNC is enabled: {line}"),
            _ => {}
        }
    }

    fn hear_highest(&mut self, said: u64) {
        let known = self.cache.modseq;
        assert!(said >= known, "HIGHESTMODSEQ {said}, but {known} is known");
        self.said = Some(said);
    }

    /// RFC 7162 §6: what was said counts, even if mod-sequences above it were seen.
    fn end_of_command(&mut self) {
        let seen = self.cache.modseq.max(self.fetched);
        self.cache.modseq = self.said.take().unwrap_or(seen);
        self.fetched = 0;
        self.silent = None;
    }

    fn vanish(&mut self, uid: u32) {
        let told = self.order.iter().position(|known| *known == Some(uid));
        let at = told.or_else(|| {
            // One that was announced, but not looked at.
            let below = |known: &Option<u32>| known.is_some_and(|known| known < uid);
            let from = self.order.iter().rposition(below).map_or(0, |at| at + 1);
            self.order
                .get(from)
                .is_some_and(Option::is_none)
                .then_some(from)
        });
        let at = at.unwrap_or_else(|| panic!("{uid} has vanished, but wasn't there: {self:?}"));
        self.order.remove(at);
        self.cache.messages.remove(&uid);
    }

    fn fetch(&mut self, at: usize, items: &str) {
        let uid = behind(items, "UID ").unwrap_or_else(|| panic!("no UID: {items}"));
        let uid = number(uid) as u32;
        let known = self.order.get_mut(at - 1).expect("a number that there is");
        assert!(
            known.is_none_or(|known| known == uid),
            "{at} is {known:?}: {items}"
        );
        *known = Some(uid);
        let modseq = behind(items, "MODSEQ (").unwrap_or_else(|| panic!("no MODSEQ: {items}"));
        self.fetched = self.fetched.max(number(modseq));
        self.cache.uid_next = self.cache.uid_next.max(uid + 1);
        match behind(items, "FLAGS (") {
            Some(flags) => drop(self.cache.messages.insert(uid, read_flags(flags))),
            None => self.change(uid),
        }
    }

    fn change(&mut self, uid: u32) {
        let flags = self.cache.messages.get_mut(&uid);
        let (Some(flags), Some((sign, flag))) = (flags, &self.silent) else {
            return;
        };
        match sign {
            '+' => drop(flags.insert(flag.clone())),
            '-' => drop(flags.remove(flag)),
            _ => *flags = Flags::from([flag.clone()]),
        }
    }
}

/// What each line of a full fetch says.
pub fn full(lines: &[String]) -> BTreeMap<u32, Flags> {
    let fetched = lines.iter().filter(|line| line.contains(" FETCH ("));
    let said = fetched.map(|line| {
        let uid = behind(line, "UID ").expect("a UID was asked for");
        let flags = behind(line, "FLAGS (").expect("flags were asked for");
        (number(uid) as u32, read_flags(flags))
    });
    said.collect()
}

fn read_flags(text: &str) -> Flags {
    let flags = text.split(')').next().unwrap_or_default().split(' ');
    let flags = flags.filter(|flag| !flag.is_empty() && *flag != "\\Recent");
    flags.map(str::to_owned).collect()
}

fn behind<'a>(text: &'a str, mark: &str) -> Option<&'a str> {
    text.split_once(mark).map(|(_, behind)| behind)
}

fn number(text: &str) -> u64 {
    let digits = text.split(|c: char| !c.is_ascii_digit()).next();
    digits
        .and_then(|digits| digits.parse().ok())
        .expect("a number")
}

/// The numbers of a set.
fn numbers(set: &str) -> impl Iterator<Item = u32> {
    set.split(',').flat_map(|part| {
        let (from, to) = part.split_once(':').unwrap_or((part, part));
        number(from) as u32..=number(to) as u32
    })
}
