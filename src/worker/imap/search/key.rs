//! What is looked for, and whether a message is it, as far as can be told.
//!
//! A key is judged by evidence that grows: what the store knows, the header, the
//! text. `Unknown` means: more evidence is needed. Keys are a tree whose depth
//! `wire` bounds, so that walking it by recursion is safe.

use super::header::{Header, Sought};
use super::text::{Found, Needle, Wanted, Within};
use crate::imap::messages::Meant;
use crate::imap::object;
use ipc::AccountId;
use message::decode::exact_text;
use message::gist;
use store::{
    InternalDate, Keyword, MessageId, Modseq, SaveDate, SystemFlags, ThreadId, Uid, UidRange,
    UidSet,
};
use wire::imap::{DateTime, Flag, SearchKey, SequenceSet, When};

/// What can be said of a message and a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It fits.
    Yes,
    /// It doesn't.
    No,
    /// More of the message must be read.
    Unknown,
}

/// What the store knows of a message.
#[derive(Debug, Clone)]
pub struct Facts {
    /// Its UID.
    pub uid: Uid,
    /// What it shows.
    pub message: MessageId,
    /// Its conversation.
    pub thread: ThreadId,
    /// Its system flags.
    pub system: SystemFlags,
    /// Its keywords.
    pub keywords: Vec<Keyword>,
    /// Whether it is recent to this session.
    pub recent: bool,
    /// Its modseq.
    pub modseq: Modseq,
    /// When it came.
    pub date: InternalDate,
    /// When it came into the mailbox.
    pub saved: SaveDate,
    /// Bytes of the letter.
    pub octets: u64,
    /// Seconds since 1970, for OLDER and YOUNGER.
    pub now: i64,
}

/// Looks that a set of UIDs counts as: it is halved a dozen times, if a client names
/// thousands of ranges, and none of it may be at hand.
const SET_LOOKS: usize = 8;

/// Looks that a question for a keyword costs. For it the message's keywords are copied,
/// and compared, of which there may be [`store::KEYWORDS_MAX`]: some 4 µs.
const KEYWORD_LOOKS: usize = 512;

/// What a key asks, so that nothing is gathered in vain.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Asks {
    /// Questions in it: judging a message takes so many looks.
    pub looks: usize,
    /// For keywords.
    pub keywords: bool,
    /// For what is recent.
    pub recent: bool,
    /// For the day that it was written.
    pub sent: bool,
    /// For more of the letter than a gist has: its bytes are read.
    pub bytes: bool,
}

/// What is known so far.
#[derive(Clone, Copy)]
pub struct Evidence<'a> {
    facts: &'a Facts,
    header: Option<&'a Header<'a>>,
    body: Option<&'a Found>,
}

impl<'a> Evidence<'a> {
    /// Nothing was read yet.
    pub fn facts(facts: &'a Facts) -> Self {
        Self {
            facts,
            header: None,
            body: None,
        }
    }

    /// The header was read.
    pub fn with_header(self, header: &'a Header<'a>) -> Self {
        Self {
            header: Some(header),
            ..self
        }
    }

    /// The text was searched.
    pub fn with_body(self, body: &'a Found) -> Self {
        Self {
            body: Some(body),
            ..self
        }
    }
}

/// A key with its sets resolved and its strings folded.
#[derive(Debug)]
pub enum Key {
    /// Every message.
    All,
    /// All of these.
    And(Vec<Key>),
    /// One of these.
    Or(Vec<Key>),
    /// Not this.
    Not(Box<Key>),
    /// Has these system flags.
    System(SystemFlags),
    /// Has this keyword; none: a keyword that no message can have.
    Keyword(Option<Keyword>),
    /// Is recent.
    Recent,
    /// Is among these.
    Among(UidSet),
    /// By the day that it came.
    Arrived(When, i64),
    /// By the day that it was written.
    Sent(When, i64),
    /// By the day that it came into the mailbox.
    Saved(When, i64),
    /// Shows this; none: what no message of the account is called.
    Email(Option<MessageId>),
    /// Is of this conversation, likewise.
    Thread(Option<ThreadId>),
    /// Has more bytes.
    Larger(u64),
    /// Has fewer bytes.
    Smaller(u64),
    /// Came in at least so many seconds ago.
    Older(u32),
    /// Has changed after this.
    ChangedSince(Modseq),
    /// Has a field of this name, in lower case, with this in it.
    Header(String, Needle),
    /// Has this in its body.
    Body(Needle),
    /// Has this in its header or body.
    Text(Needle),
}

/// A string's bytes are no text of the charset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotOfTheCharset;

/// Takes what the client asks.
pub struct Compiler<'a, M, K> {
    /// Whose objects it names.
    pub account: AccountId,
    /// The charset of its strings, a known one.
    pub charset: &'a str,
    /// The view's way to resolve its sets.
    pub meant: M,
    /// Up to where a client that asks for what has this modseq or a higher one knows
    /// flags.
    pub known: K,
}

impl<M: Fn(&SequenceSet, bool) -> Meant, K: Fn(u64) -> Modseq> Compiler<'_, M, K> {
    /// One key with all that it is made of.
    ///
    /// # Errors
    /// [`NotOfTheCharset`].
    pub fn key(&self, key: &SearchKey) -> Result<Key, NotOfTheCharset> {
        let unseen = Key::Not(Box::new(Key::System(SystemFlags::SEEN)));
        Ok(match key {
            SearchKey::All => Key::All,
            SearchKey::And(keys) => Key::And(self.keys(keys)?),
            SearchKey::Or(keys) => Key::Or(self.keys(keys)?),
            SearchKey::Not(key) => Key::Not(Box::new(self.key(key)?)),
            SearchKey::Flag(flag) => Key::flag(flag),
            SearchKey::New => Key::And(vec![Key::Recent, unseen]),
            SearchKey::Old => Key::Not(Box::new(Key::Recent)),
            SearchKey::Recent => Key::Recent,
            SearchKey::Header { name, value } => {
                Key::Header(name.to_ascii_lowercase(), self.needle(value)?)
            }
            SearchKey::Body(text) => Key::Body(self.needle(text)?),
            SearchKey::Text(text) => Key::Text(self.needle(text)?),
            SearchKey::Arrived(when, date) => Key::Arrived(*when, date.days_since_epoch()),
            SearchKey::Sent(when, date) => Key::Sent(*when, date.days_since_epoch()),
            SearchKey::Saved(when, date) => Key::Saved(*when, date.days_since_epoch()),
            SearchKey::EmailId(id) => Key::Email(object::email_named(self.account, id)),
            SearchKey::ThreadId(id) => Key::Thread(object::thread_named(self.account, id)),
            SearchKey::Larger(octets) => Key::Larger(*octets),
            SearchKey::Smaller(octets) => Key::Smaller(*octets),
            SearchKey::Uid(set) => self.among(set, true),
            SearchKey::Sequence(set) => self.among(set, false),
            SearchKey::Older(seconds) => Key::Older(*seconds),
            SearchKey::Younger(seconds) => Key::Not(Box::new(Key::Older(*seconds))),
            SearchKey::Modseq(modseq) => Key::ChangedSince((self.known)(*modseq)),
        })
    }

    fn keys(&self, keys: &[SearchKey]) -> Result<Vec<Key>, NotOfTheCharset> {
        keys.iter().map(|key| self.key(key)).collect()
    }

    fn needle(&self, bytes: &[u8]) -> Result<Needle, NotOfTheCharset> {
        let text = exact_text(self.charset.as_bytes(), bytes);
        Ok(Needle::new(&text.ok_or(NotOfTheCharset)?))
    }

    fn among(&self, set: &SequenceSet, by_uid: bool) -> Key {
        let meant = (self.meant)(set, by_uid);
        Key::Among(UidSet::new(&meant.ranges))
    }
}

impl Key {
    fn flag(flag: &Flag) -> Self {
        match flag {
            Flag::Keyword(keyword) => Self::Keyword(Keyword::new(keyword.as_str())),
            system => {
                Self::System(crate::imap::flags::to_store(std::slice::from_ref(system)).system)
            }
        }
    }

    /// UIDs outside of which nothing fits, if the key names some.
    pub fn bounds(&self) -> Option<&[UidRange]> {
        match self {
            Self::Among(set) => Some(set.ranges()),
            Self::And(keys) => keys.iter().find_map(Self::bounds),
            _ => None,
        }
    }

    /// What it asks.
    pub fn asks(&self) -> Asks {
        let mut asks = Asks::default();
        self.each(&mut |key| asks.add(key));
        asks
    }

    /// All strings that are looked for in headers.
    pub fn in_header(&self) -> Vec<Sought<'_>> {
        let mut sought = Vec::new();
        self.each(&mut |key| sought.extend(key.sought()));
        sought
    }

    /// All strings that are looked for behind the header.
    pub fn wanted(&self) -> Vec<Wanted<'_>> {
        let mut wanted = Vec::new();
        self.each(&mut |key| wanted.extend(key.wanted_here()));
        wanted
    }

    /// Every key that isn't made of others.
    fn each<'a>(&'a self, tell: &mut impl FnMut(&'a Self)) {
        match self {
            Self::And(keys) | Self::Or(keys) => keys.iter().for_each(|key| key.each(tell)),
            Self::Not(key) => key.each(tell),
            _ => tell(self),
        }
    }

    /// What this one key looks for in a header.
    fn sought(&self) -> Option<Sought<'_>> {
        let (name, needle) = match self {
            Self::Header(name, needle) => (Some(name.as_str()), needle),
            Self::Text(needle) => (None, needle),
            _ => return None,
        };
        Some(Sought { name, needle })
    }

    /// What this one key looks for behind the header.
    fn wanted_here(&self) -> Option<Wanted<'_>> {
        let (within, needle) = match self {
            Self::Body(needle) => (Within::Body, needle),
            Self::Text(needle) => (Within::Text, needle),
            _ => return None,
        };
        Some(Wanted { within, needle })
    }

    /// Whether a message fits, by what is known of it.
    pub fn judge(&self, evidence: &Evidence<'_>) -> Verdict {
        let facts = evidence.facts;
        match self {
            Self::All => Verdict::Yes,
            Self::And(keys) => all(keys.iter().map(|key| key.judge(evidence))),
            Self::Or(keys) => all(keys.iter().map(|key| key.judge(evidence).not())).not(),
            Self::Not(key) => key.judge(evidence).not(),
            Self::System(flags) => Verdict::of(facts.system.contains(*flags)),
            Self::Keyword(keyword) => {
                let has = |keyword: &Keyword| facts.keywords.contains(keyword);
                Verdict::of(keyword.as_ref().is_some_and(has))
            }
            Self::Recent => Verdict::of(facts.recent),
            Self::Among(set) => Verdict::of(set.contains(facts.uid)),
            Self::Arrived(when, day) => Verdict::of(on_side(*when, arrived_day(facts), *day)),
            Self::Saved(when, day) => Verdict::of(on_side(*when, saved_day(facts), *day)),
            Self::Email(id) => Verdict::of(*id == Some(facts.message)),
            Self::Thread(id) => Verdict::of(*id == Some(facts.thread)),
            Self::Larger(octets) => Verdict::of(facts.octets > *octets),
            Self::Smaller(octets) => Verdict::of(facts.octets < *octets),
            Self::ChangedSince(modseq) => Verdict::of(facts.modseq > *modseq),
            Self::Older(seconds) => {
                let age = facts.now.saturating_sub(facts.date.secs);
                Verdict::of(age >= i64::from(*seconds))
            }
            Self::Sent(..) | Self::Header(..) | Self::Body(_) | Self::Text(_) => {
                self.judge_content(evidence)
            }
        }
    }

    fn judge_content(&self, evidence: &Evidence<'_>) -> Verdict {
        let Some(header) = evidence.header else {
            return Verdict::Unknown;
        };
        let in_header = || self.sought().is_some_and(|sought| header.has(sought));
        let behind = |wanted| match evidence.body {
            Some(found) => Verdict::of(found.has(wanted)),
            None => Verdict::Unknown,
        };
        match self {
            Self::Sent(when, day) => {
                let sent = header.sent_day();
                Verdict::of(sent.is_some_and(|sent| on_side(*when, sent, *day)))
            }
            Self::Text(_) if in_header() => Verdict::Yes,
            _ => match self.wanted_here() {
                Some(wanted) => behind(wanted),
                None => Verdict::of(in_header()),
            },
        }
    }
}

impl Asks {
    fn add(&mut self, key: &Key) {
        let looks = match key {
            Key::Keyword(_) => KEYWORD_LOOKS,
            Key::Among(_) => SET_LOOKS,
            _ => 1,
        };
        self.looks = self.looks.saturating_add(looks);
        match key {
            Key::Keyword(_) => self.keywords = true,
            Key::Recent => self.recent = true,
            Key::Sent(..) => self.sent = true,
            Key::Header(name, _) => self.bytes |= !gist::LISTED.contains(&name.as_str()),
            Key::Body(_) | Key::Text(_) => self.bytes = true,
            _ => {}
        }
    }
}

impl Verdict {
    fn of(fits: bool) -> Self {
        if fits { Self::Yes } else { Self::No }
    }

    fn not(self) -> Self {
        match self {
            Self::Yes => Self::No,
            Self::No => Self::Yes,
            Self::Unknown => Self::Unknown,
        }
    }
}

/// Yes if all are; No as soon as one is.
fn all(verdicts: impl Iterator<Item = Verdict>) -> Verdict {
    let mut together = Verdict::Yes;
    for verdict in verdicts {
        match verdict {
            Verdict::No => return Verdict::No,
            Verdict::Unknown => together = Verdict::Unknown,
            Verdict::Yes => {}
        }
    }
    together
}

/// RFC 9051 §6.4.4: "disregarding time and timezone".
fn arrived_day(facts: &Facts) -> i64 {
    let date = DateTime {
        unix_seconds: facts.date.secs,
        offset_minutes: facts.date.offset_minutes,
    };
    date.local_day()
}

/// RFC 8514 §4.3: the same; a worker knows no zone but UTC.
fn saved_day(facts: &Facts) -> i64 {
    let date = DateTime {
        unix_seconds: facts.saved.secs(),
        offset_minutes: 0,
    };
    date.local_day()
}

fn on_side(when: When, found: i64, asked: i64) -> bool {
    match when {
        When::Before => found < asked,
        When::On => found == asked,
        When::Since => found >= asked,
    }
}

#[cfg(test)]
mod tests {
    use super::super::header::tests::header;
    use super::super::walk::STEP_LOOKS_MAX;
    use super::*;
    use proptest::prelude::*;

    fn facts() -> Facts {
        Facts {
            uid: Uid::MIN,
            message: MessageId(3),
            thread: ThreadId(2),
            saved: SaveDate::default(),
            system: SystemFlags::SEEN,
            keywords: Vec::new(),
            recent: false,
            modseq: Modseq(5),
            date: InternalDate {
                secs: 0,
                offset_minutes: -1,
            },
            octets: 10,
            now: 100,
        }
    }

    fn judge(key: &Key) -> Verdict {
        key.judge(&Evidence::facts(&facts()))
    }

    fn keys() -> impl Strategy<Value = Key> {
        let leaf = prop_oneof![
            Just(0u8).prop_map(|_| Key::All),
            Just(0u8).prop_map(|_| Key::Recent),
            Just(0u8).prop_map(|_| Key::Text(Needle::new("x"))),
        ];
        leaf.prop_recursive(4, 32, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 1..4).prop_map(Key::And),
                prop::collection::vec(inner.clone(), 1..4).prop_map(Key::Or),
                inner.prop_map(|key| Key::Not(Box::new(key))),
            ]
        })
    }

    proptest! {
        #[test]
        fn more_evidence_never_turns_a_verdict(key in keys(), subject in "[xy]{0,2}") {
            let facts = facts();
            let header = header(format!("Subject: {subject}\r\n\r\n").as_bytes(), &key);
            let found = Found::nothing();
            let first = key.judge(&Evidence::facts(&facts));
            let second = key.judge(&Evidence::facts(&facts).with_header(&header));
            let third = key.judge(&Evidence::facts(&facts).with_header(&header).with_body(&found));
            prop_assert!(first == Verdict::Unknown || first == second);
            prop_assert!(second == Verdict::Unknown || second == third);
            prop_assert_ne!(third, Verdict::Unknown);
        }
    }

    #[test]
    fn a_day_is_that_of_the_senders_clock() {
        // One minute west of Greenwich it was still the last of December.
        assert_eq!(judge(&Key::Arrived(When::On, -1)), Verdict::Yes);
        assert_eq!(judge(&Key::Arrived(When::Since, 0)), Verdict::No);
    }

    #[test]
    fn objects_are_found_by_their_ids_and_by_the_day_of_their_coming() {
        let verdicts = [
            (Key::Email(Some(MessageId(3))), Verdict::Yes),
            (Key::Email(Some(MessageId(2))), Verdict::No),
            (Key::Email(None), Verdict::No),
            (Key::Thread(Some(ThreadId(2))), Verdict::Yes),
            (Key::Thread(None), Verdict::No),
            // INTERNALDATE is still of the day before.
            (Key::Saved(When::On, 0), Verdict::Yes),
            (Key::Saved(When::Before, 0), Verdict::No),
            (Key::Saved(When::Since, 0), Verdict::Yes),
        ];
        for (key, verdict) in verdicts {
            assert_eq!(judge(&key), verdict, "{key:?}");
        }
    }

    #[test]
    fn no_step_copies_more_than_some_thousand_keywords() {
        let key = || Key::Keyword(Keyword::new("x"));
        for keys in [vec![key()], vec![Key::All, key()], vec![key(), key()]] {
            let messages = STEP_LOOKS_MAX / Key::And(keys).asks().looks;
            assert!((1..=128).contains(&messages), "{messages}");
        }
        assert_eq!(Key::And(vec![Key::All, Key::Recent]).asks().looks, 2);
    }

    #[test]
    fn nothing_is_read_where_a_flag_decides() {
        let text = || Key::Text(Needle::new("x"));
        let unseen = || Key::Not(Box::new(Key::System(SystemFlags::SEEN)));
        assert_eq!(judge(&Key::And(vec![text(), unseen()])), Verdict::No);
        assert_eq!(judge(&Key::Or(vec![text(), Key::All])), Verdict::Yes);
        assert_eq!(judge(&Key::Or(vec![text(), unseen()])), Verdict::Unknown);
    }
}
