//! Coming back after a worker was killed: whoever resynchronises (RFC 7162 §3.2.5) then has
//! the mailbox as it is, and nothing that anybody was told before is taken back.
//!
//! One session sends many changes at once; another has the same mailbox open with QRESYNC,
//! hears of some of them, and the worker is killed in the midst, at another place each
//! round. The mailbox must then be what the first so many changes make of it, all that were
//! acknowledged among them; and what the other has kept, with what SELECT tells, the same.

#![allow(clippy::panic, reason = "a test that can't go on says why and ends")]

use harness::session::PATIENCE;
use harness::set::{signal_pid, wait_for};
use harness::{Session, Set, proc};
use journal::sim::Random;
use rustix::process::Signal;
use std::collections::{BTreeMap, BTreeSet};

const ALICE: &str = "alice@example.org";

/// Workers killed: each costs some tenth of a second.
const ROUNDS: u64 = 9;

/// Changes sent at once: some tenth of a second's work.
const CHANGES: usize = 500;

/// Lines that are waited for, at most, before the worker is killed: far fewer than there
/// are changes, for many are made while these are read.
const LINES_MAX: u64 = 20;

/// How often the follower asks before, at most, and how often for what goes on coming.
const ASKS_MAX: u64 = 3;

/// Messages that a round begins with, at least.
const MESSAGES: usize = 20;

/// One change.
#[derive(Debug, Clone, Copy)]
enum Change {
    Append,
    Flag(u32, &'static str, bool),
    Expunge(u32),
}

/// A mailbox as its changes make it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Model {
    flags: BTreeMap<u32, BTreeSet<String>>,
    uid_next: u32,
}

impl Model {
    fn make(&mut self, change: Change) {
        match change {
            Change::Append => {
                self.flags.insert(self.uid_next, BTreeSet::new());
                self.uid_next += 1;
            }
            Change::Flag(uid, flag, set) => {
                let flags = self.flags.entry(uid).or_default();
                match set {
                    true => flags.insert(flag.to_owned()),
                    false => flags.remove(flag),
                };
            }
            Change::Expunge(uid) => {
                self.flags.remove(&uid);
            }
        }
    }

    /// Something that changes it. What is to be expunged is marked before.
    fn choose(&self, random: &mut Random) -> Change {
        let uids: Vec<u32> = self.flags.keys().copied().collect();
        let uid = uids[random.below(uids.len() as u64) as usize];
        let has = |flag: &str| self.flags[&uid].contains(flag);
        match random.below(10) {
            _ if uids.len() < MESSAGES => Change::Append,
            0 => Change::Append,
            _ if has("\\Deleted") => Change::Expunge(uid),
            1 | 2 => Change::Flag(uid, "\\Deleted", true),
            3..=6 => Change::Flag(uid, "\\Flagged", !has("\\Flagged")),
            _ => Change::Flag(uid, "kept", !has("kept")),
        }
    }
}

impl Change {
    fn text(self) -> String {
        match self {
            Self::Append => "APPEND INBOX {14+}\r\nSubject: a\r\n\r\n".into(),
            Self::Flag(uid, flag, set) => {
                let sign = if set { '+' } else { '-' };
                format!("UID STORE {uid} {sign}FLAGS.SILENT ({flag})")
            }
            Self::Expunge(uid) => format!("UID EXPUNGE {uid}"),
        }
    }
}

/// What a client knows of a mailbox.
#[derive(Debug, Default)]
struct Kept {
    validity: u32,
    uid_next: u32,
    /// Up to where everything was told.
    known: u64,
    /// What HIGHESTMODSEQ was, and the highest in a FETCH, since the last tagged answer.
    said: Option<u64>,
    fetched: u64,
    /// The highest that was told of anything, ever.
    highest: u64,
    exists: usize,
    /// Mod-sequence and flags by UID.
    messages: BTreeMap<u32, (u64, BTreeSet<String>)>,
    gone: BTreeSet<u32>,
}

impl Kept {
    /// One line of the server's.
    fn hear(&mut self, line: &str) {
        if let Some(count) = line.strip_suffix(" EXISTS") {
            self.exists = count[2..].parse().expect("a count");
        } else if let Some(uids) = line.strip_prefix("* VANISHED ") {
            self.lose(uids);
        } else if line.contains(" FETCH (") {
            self.learn(line);
        }
        for (code, value) in [
            ("UIDVALIDITY", &mut self.validity),
            ("UIDNEXT", &mut self.uid_next),
        ] {
            if let Some(said) = between(line, &format!("[{code} "), ']') {
                *value = said.parse().expect("a number");
            }
        }
        if let Some(said) = between(line, "[HIGHESTMODSEQ ", ']') {
            let said = said.parse().expect("a number");
            assert!(said >= self.known, "{line:?}, but {} was known", self.known);
            self.highest = self.highest.max(said);
            self.said = Some(said);
        }
    }

    fn lose(&mut self, told: &str) {
        let earlier = told.strip_prefix("(EARLIER) ");
        for range in earlier.unwrap_or(told).split(',') {
            let (first, last) = range.split_once(':').unwrap_or((range, range));
            let (first, last) = (first.parse().expect("a UID"), last.parse().expect("a UID"));
            self.gone.extend(first..=last);
            // EARLIER is of what EXISTS has not counted.
            let counted = if earlier.is_some() {
                0
            } else {
                last - first + 1
            };
            self.exists -= counted as usize;
            self.messages.retain(|uid, _| !(first..=last).contains(uid));
        }
    }

    fn learn(&mut self, line: &str) {
        let uid = between(line, "UID ", ' ').and_then(|uid| uid.parse().ok());
        let modseq = between(line, "MODSEQ (", ')').and_then(|modseq| modseq.parse().ok());
        let (Some(uid), Some(modseq), Some(flags)) = (uid, modseq, between(line, "FLAGS (", ')'))
        else {
            panic!("UID, MODSEQ and FLAGS belong into {line:?}");
        };
        assert!(!self.gone.contains(&uid), "{line:?}, but it had vanished");
        let flags: BTreeSet<String> = flags.split_whitespace().map(str::to_owned).collect();
        self.highest = self.highest.max(modseq);
        self.fetched = self.fetched.max(modseq);
        let Some((before, known)) = self.messages.insert(uid, (modseq, flags.clone())) else {
            return;
        };
        assert!(before <= modseq, "{line:?}, but it was {before}");
        assert!(
            before < modseq || known == flags,
            "{line:?}: {known:?} was told with it"
        );
    }

    /// Hears up to a line that begins so, or to the end.
    fn hear_until(&mut self, session: &mut Session, head: &str) {
        while let Some(line) = session.read_line() {
            self.hear(&line);
            if line.starts_with(head) {
                self.settle();
                return;
            }
        }
    }

    /// What was told by the end of a command is all that there is; but of what has come
    /// meanwhile only the number, so that the client must ask.
    fn settle(&mut self) {
        if self.is_whole() {
            let seen = self.known.max(self.fetched);
            self.known = self.said.take().unwrap_or(seen);
            self.fetched = 0;
        }
    }

    fn is_whole(&self) -> bool {
        self.messages.len() == self.exists
    }

    /// Asks for news, and of what has come for all.
    fn ask(&mut self, session: &mut Session) {
        session.line("n NOOP");
        self.hear_until(session, "n OK");
        for _ in 0..ASKS_MAX {
            if self.is_whole() {
                return;
            }
            let last = self.messages.keys().next_back().copied();
            let from = last.unwrap_or_default() + 1;
            session.line(&format!("n UID FETCH {from}:* (UID MODSEQ FLAGS)"));
            self.hear_until(session, "n OK");
        }
    }

    /// Opens the mailbox; again, if it knows it.
    fn select(&mut self, session: &mut Session) {
        session.ok("e ENABLE IMAP4rev2 QRESYNC");
        // What was told before the connection was lost may not have been all.
        (self.said, self.fetched) = (None, 0);
        match self.validity {
            0 => session.line("s SELECT INBOX"),
            validity => session.line(&format!(
                "s SELECT INBOX (QRESYNC ({validity} {}))",
                self.known
            )),
        }
        self.hear_until(session, "s OK");
    }

    fn model(&self) -> Model {
        let flags = self
            .messages
            .iter()
            .map(|(uid, (_, flags))| (*uid, flags.clone()));
        Model {
            flags: flags.collect(),
            uid_next: self.uid_next,
        }
    }
}

fn between<'a>(line: &'a str, head: &str, end: char) -> Option<&'a str> {
    let (_, rest) = line.split_once(head)?;
    Some(rest.split_once(end)?.0)
}

/// A session, as soon as somebody serves it.
fn log_in(set: &Set) -> Session {
    let mut session = None;
    wait_for(PATIENCE, || {
        session = set.try_login(ALICE);
        session.is_some()
    });
    session.unwrap_or_else(|| panic!("nobody can log in any more:\n{}", set.log()))
}

/// Everything, as one finds it who knows nothing.
fn truth(set: &Set) -> Kept {
    let (mut session, mut truth) = (log_in(set), Kept::default());
    truth.select(&mut session);
    session.line("f UID FETCH 1:* (UID MODSEQ FLAGS)");
    truth.hear_until(&mut session, "f OK");
    session.ok("l LOGOUT");
    truth
}

/// Answers up to so many, or to the end of the connection.
fn answers(session: &mut Session, most: usize) -> usize {
    let mut answers = 0;
    while answers < most {
        let Some(line) = session.read_line() else {
            break;
        };
        let good = line.contains(" OK ") || line.starts_with("* ");
        assert!(good, "after {answers} answers: {line}");
        answers += usize::from(line.starts_with("c "));
    }
    answers
}

/// At what moment the worker is killed.
#[derive(Debug, Clone, Copy)]
enum Moment {
    /// The follower, in IDLE, has heard so many lines.
    Told(u64),
    /// The follower has asked so many times.
    Asked(u64),
    /// The first so many changes have been answered.
    Answered(u64),
}

impl Moment {
    fn of(round: u64, random: &mut Random) -> Self {
        match round % 3 {
            0 => Self::Told(1 + random.below(LINES_MAX)),
            1 => Self::Asked(1 + random.below(ASKS_MAX)),
            _ => Self::Answered(1 + random.below(LINES_MAX)),
        }
    }

    /// Waits for it; how many changes have been answered.
    fn wait(self, changer: &mut Session, follower: &mut Session, kept: &mut Kept) -> usize {
        match self {
            Self::Told(lines) => {
                let heard = (0..lines).filter_map(|_| follower.read_line());
                heard.for_each(|line| kept.hear(&line));
                0
            }
            Self::Asked(times) => {
                (0..times).for_each(|_| kept.ask(follower));
                0
            }
            Self::Answered(changes) => answers(changer, changes as usize),
        }
    }
}

/// One death. How many changes were acknowledged, and what the first so many of all make.
fn one_death(
    set: &Set,
    kept: &mut Kept,
    random: &mut Random,
    moment: Moment,
) -> (usize, Vec<Model>) {
    let (mut follower, mut changer) = (log_in(set), log_in(set));
    kept.select(&mut follower);
    changer.ok("s SELECT INBOX");
    let mut models = vec![kept.model()];
    let mut changes = String::new();
    for _ in 0..CHANGES {
        let mut model = models[models.len() - 1].clone();
        let change = model.choose(random);
        model.make(change);
        models.push(model);
        changes += &format!("c {}\r\n", change.text());
    }
    if matches!(moment, Moment::Told(_)) {
        follower.line("i IDLE");
        while follower
            .read_line()
            .is_some_and(|line| !line.starts_with('+'))
        {}
    }
    let workers = set.workers();
    changer.send(changes.as_bytes());
    let mut acknowledged = moment.wait(&mut changer, &mut follower, kept);
    for worker in &workers {
        signal_pid(*worker, Signal::KILL);
    }
    acknowledged += answers(&mut changer, usize::MAX);
    kept.hear_until(&mut follower, "never");
    let ended = |worker: &u32| proc::name(*worker) != "mailkeep-worker";
    assert!(wait_for(PATIENCE, || workers.iter().all(ended)));
    (acknowledged, models)
}

/// Comes back, and has the same as one who fetches everything.
fn comes_back(set: &Set, kept: &mut Kept) -> Session {
    let mut session = log_in(set);
    kept.select(&mut session);
    let truth = truth(set);
    assert_eq!(kept.messages, truth.messages, "what QRESYNC told isn't all");
    assert!(kept.is_whole(), "EXISTS counts something else: {kept:?}");
    session
}

/// No mod-sequence is given twice: the next change has one above all that were told.
fn the_next_change_is_newer(kept: &mut Kept, session: &mut Session) {
    let told = kept.highest;
    let (uid, (_, flags)) = kept.messages.first_key_value().expect("a message");
    let (uid, sign) = (
        *uid,
        if flags.contains("\\Answered") {
            '-'
        } else {
            '+'
        },
    );
    session.line(&format!("n UID STORE {uid} {sign}FLAGS (\\Answered)"));
    kept.hear_until(session, "n OK");
    let (modseq, _) = kept.messages[&uid];
    assert!(modseq > told, "{modseq} is given, and {told} was told");
}

#[test]
fn whoever_comes_back_after_the_worker_was_killed_has_all_that_was_acknowledged_and_told() {
    let set = Set::with("[processes]\nrestart = \"50 ms\"\n");
    set.add_user(ALICE);
    let mut first = set.login(ALICE);
    for _ in 0..MESSAGES {
        first.ok("c APPEND INBOX {14+}\r\nSubject: a\r\n\r\n");
    }
    let mut random = Random::new(7162);
    let mut kept = truth(&set);
    let mut cut_off = 0;
    for round in 0..ROUNDS {
        let moment = Moment::of(round, &mut random);
        let (acknowledged, models) = one_death(&set, &mut kept, &mut random, moment);
        let mut session = comes_back(&set, &mut kept);
        let made = models.iter().rposition(|model| *model == kept.model());
        assert!(
            made >= Some(acknowledged),
            "round {round}: {acknowledged} changes were acknowledged, but the mailbox is as after {made:?}: {kept:?}"
        );
        println!("{moment:?}: {acknowledged} acknowledged, {made:?} made");
        cut_off += usize::from(made < Some(CHANGES));
        the_next_change_is_newer(&mut kept, &mut session);
    }
    println!("{cut_off} of {ROUNDS} deaths were in the midst of the changes");
    assert!(cut_off > 0, "no worker was killed in the midst of anything");
}
