//! What a client knows of a mailbox from what it was told, and nothing else.

use std::collections::BTreeSet;

/// One message, as far as the client knows it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Known {
    uid: Option<u32>,
    flags: Option<BTreeSet<String>>,
}

/// See the module.
#[derive(Debug, Clone, Default)]
pub struct Picture(Vec<Known>);

/// Sequence numbers.
#[derive(Debug, Clone, Copy)]
pub struct Range {
    pub from: u32,
    pub to: u32,
}

impl Picture {
    pub fn exists(&self) -> u32 {
        self.0.len() as u32
    }

    /// Takes one line in, and fails if it can't be true.
    pub fn hear(&mut self, line: &str, may_expunge: bool) {
        assert!(!line.contains(" BAD "), "{line}");
        let Some(rest) = line.strip_prefix("* ") else {
            return;
        };
        if let Some(uids) = rest.strip_prefix("VANISHED ") {
            assert!(may_expunge, "an expunge where none may be told: {line}");
            return self.vanish(uids);
        }
        let mut words = rest.splitn(3, ' ');
        let (number, what) = (
            words.next().unwrap().parse(),
            words.next().unwrap_or_default(),
        );
        let Ok(number): Result<usize, _> = number else {
            return;
        };
        match what {
            "EXISTS" => self.grow(number),
            "EXPUNGE" => {
                assert!(may_expunge, "an expunge where none may be told: {line}");
                self.expunge(number);
            }
            "FETCH" => self.fetch(number, words.next().unwrap()),
            "UIDFETCH" => self.uid_fetch(number as u32, words.next().unwrap()),
            _ => {}
        }
    }

    fn grow(&mut self, exists: usize) {
        assert!(
            exists >= self.0.len(),
            "EXISTS {exists} after {}",
            self.0.len()
        );
        self.0.resize(exists, Known::default());
    }

    fn expunge(&mut self, number: usize) {
        assert!(
            (1..=self.0.len()).contains(&number),
            "EXPUNGE {number} of {}",
            self.0.len()
        );
        self.0.remove(number - 1);
    }

    /// Each takes one message away that was there.
    fn vanish(&mut self, uids: &str) {
        for range in uids.split(',') {
            let (first, last) = range.split_once(':').unwrap_or((range, range));
            for uid in first.parse::<u32>().unwrap()..=last.parse().unwrap() {
                let place = self.place_of(uid);
                self.0
                    .remove(place.unwrap_or_else(|| panic!("UID {uid} was never there")));
            }
        }
    }

    /// What is told of one by its UID is told of one that was there; of those whose UID the
    /// client hasn't been told, of any.
    fn uid_fetch(&mut self, uid: u32, items: &str) {
        let known = self.0.iter().position(|it| it.uid == Some(uid));
        let place = known.or_else(|| self.0.iter().position(|it| it.uid.is_none()));
        let place = place.unwrap_or_else(|| panic!("UID {uid} was never there"));
        self.0[place].uid = Some(uid);
        self.0.sort_by_key(|it| it.uid.unwrap_or(u32::MAX));
        let number = self.0.iter().position(|it| it.uid == Some(uid)).unwrap() + 1;
        self.fetch(number, items);
    }

    /// Those whose UIDs the client hasn't been told are alike, as far as they lie between
    /// the same others; to a client that goes by UIDs alone all of them are.
    fn place_of(&self, uid: u32) -> Option<usize> {
        let is_lower = |known: &Known| known.uid.is_some_and(|known| known < uid);
        let start = self.0.iter().rposition(is_lower).map_or(0, |at| at + 1);
        let known = self.0.iter().position(|it| it.uid == Some(uid));
        let unnamed = || self.0[start..].iter().position(|it| it.uid.is_none());
        known.or_else(|| unnamed().map(|at| start + at))
    }

    /// The first message whose UID the client hasn't been told.
    pub fn unnamed(&self) -> Option<usize> {
        let at = self.0.iter().position(|known| known.uid.is_none())?;
        Some(at + 1)
    }

    fn fetch(&mut self, number: usize, items: &str) {
        assert!(
            (1..=self.0.len()).contains(&number),
            "FETCH {number} of {}",
            self.0.len()
        );
        let known = &mut self.0[number - 1];
        if let Some(uid) = behind(items, "UID ") {
            let uid = uid.split([' ', ')']).next().unwrap().parse().unwrap();
            assert!(
                known.uid.is_none_or(|known| known == uid),
                "{number} is {uid}: {known:?}"
            );
            known.uid = Some(uid);
        }
        if let Some(flags) = behind(items, "FLAGS (") {
            let flags = flags.split(')').next().unwrap().split(' ');
            let flags = flags.filter(|flag| !flag.is_empty() && *flag != "\\Recent");
            known.flags = Some(flags.map(str::to_owned).collect());
        }
        let uids: Vec<u32> = self.0.iter().filter_map(|known| known.uid).collect();
        assert!(
            uids.is_sorted_by(|a, b| a < b),
            "UIDs out of order: {uids:?}"
        );
    }

    /// The UIDs of the ends of a range, if both are known.
    pub fn uids(&self, range: &Range) -> Option<(u32, u32)> {
        let uid = |number: u32| self.0[number as usize - 1].uid;
        Some((uid(range.from)?, uid(range.to)?))
    }

    /// What a change in silence does.
    pub fn change(&mut self, range: &Range, sign: &str, flag: &str) {
        for known in &mut self.0[range.from as usize - 1..range.to as usize] {
            let Some(flags) = &mut known.flags else {
                continue;
            };
            match sign {
                "+" => drop(flags.insert(flag.to_owned())),
                "-" => drop(flags.remove(flag)),
                _ => *flags = BTreeSet::from([flag.to_owned()]),
            }
        }
    }

    /// Whether a later look, with nothing in between, shows nothing else.
    pub fn agrees_with(&self, later: &Self) {
        assert_eq!(self.0.len(), later.0.len());
        for (before, after) in self.0.iter().zip(&later.0) {
            assert!(
                before.uid.is_none() || before.uid == after.uid,
                "{before:?} {after:?}"
            );
            assert!(
                before.flags.is_none() || before.flags == after.flags,
                "flags changed and nobody told: {before:?} {after:?}"
            );
        }
    }

    pub fn lines(&self) -> Vec<String> {
        self.0.iter().map(|known| format!("{known:?}")).collect()
    }
}

fn behind<'a>(text: &'a str, mark: &str) -> Option<&'a str> {
    text.split_once(mark).map(|(_, behind)| behind)
}
