//! One connection: it sends random commands, hears everything that comes, and holds
//! each word against what it knows.
//!
//! Answers are taken to come in the order of the commands. Whatever breaks a rule ends
//! the run, with the last dialogue of all connections to the account.

use super::command::{Command, InFlight, Item};
use super::ledger::{Flags, Ledger, Place};
use super::letter::Letter;
use super::picture::{Known, Picture};
use super::plan::{Account, INSPECTOR, Plan};
use super::response::{self, Code, Said, Status, Value};
use super::resync::Keeper;
use super::wire::Wire;
use journal::sim::Random;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long an answer may take: a letter of 300 KB in a debug build on a busy machine.
pub const ANSWER: Duration = Duration::from_secs(45);

/// How soon IDLE tells of what was done elsewhere.
const NEWS: Duration = Duration::from_secs(10);

/// Bytes of each that it shows.
const SHOWN_BYTES: usize = 400;

/// Why a connection doesn't go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stop {
    /// The server has said what it may not.
    Fault(String),
    /// The connection is over.
    Lost(String),
}

impl From<String> for Stop {
    fn from(fault: String) -> Self {
        Self::Fault(fault)
    }
}

/// What a step gives.
pub type Step<T = ()> = Result<T, Stop>;

/// One connection.
#[derive(Debug)]
pub struct Client {
    /// Which of the account's.
    pub(super) number: u16,
    /// Of all sessions, which; a connection may have had others before.
    pub(super) session: u64,
    pub(super) plan: Arc<Plan>,
    pub(super) account: Arc<Account>,
    pub(super) random: Random,
    pub(super) rev2: bool,
    pub(super) capabilities: Vec<String>,
    /// What is selected.
    pub(super) picture: Option<Picture>,
    /// What is being selected.
    pub(super) opening: Option<Picture>,
    pub(super) queue: VecDeque<InFlight>,
    /// Whether it asks for QRESYNC, and whether it has it.
    resyncs: bool,
    pub(super) qresync: bool,
    /// What it keeps of mailboxes, and what it is coming back from.
    pub(super) keeper: Keeper,
    pub(super) resuming: Option<Picture>,
    /// Mailboxes of its own, with the letters put in each.
    pub(super) own: BTreeMap<String, u32>,
    pub(super) letters: u32,
    /// What STATUS has told last.
    pub(super) last_counts: Option<BTreeMap<String, u64>>,
    serial: u64,
    wire: Wire,
}

impl Client {
    /// Connects and logs in.
    ///
    /// # Errors
    /// [`Stop`].
    pub fn new(plan: &Arc<Plan>, account: &Arc<Account>, number: u16) -> Step<Self> {
        let wire = Wire::connect(plan.server, plan.certificate.as_ref()).map_err(Stop::Lost)?;
        let seed = plan.seed ^ u64::from(number) << 32 ^ account.session() << 48;
        let mut client = Self {
            number,
            session: account.session(),
            plan: plan.clone(),
            account: account.clone(),
            random: Random::new(seed),
            rev2: false,
            capabilities: Vec::new(),
            picture: None,
            opening: None,
            queue: VecDeque::new(),
            resyncs: number != INSPECTOR && number % 2 == 1,
            qresync: false,
            keeper: Keeper::default(),
            resuming: None,
            own: BTreeMap::new(),
            letters: 0,
            last_counts: None,
            serial: 0,
            wire,
        };
        let begun = client.begin();
        match begun {
            Ok(()) => Ok(client),
            Err(stop) => Err(client.tell(stop)),
        }
    }

    /// The same connection anew, with what it knows but no mailbox selected.
    ///
    /// # Errors
    /// [`Stop`].
    pub fn reconnect(&mut self) -> Step {
        for flight in std::mem::take(&mut self.queue) {
            self.give_up(&flight);
        }
        let wire = Wire::connect(self.plan.server, self.plan.certificate.as_ref());
        self.wire = wire.map_err(Stop::Lost)?;
        self.session = self.account.session();
        (self.picture, self.opening, self.rev2) = (None, None, false);
        (self.qresync, self.resuming) = (false, None);
        self.note("--- a new connection".into());
        self.begin()
    }

    fn begin(&mut self) -> Step {
        self.wait_for(|said| matches!(said, Said::Remark(Status::Ok, _)))?;
        let login = format!("LOGIN {} \"{}\"", self.account.user, self.account.password);
        self.ask(&login)?;
        self.ask("CAPABILITY")?;
        if self.random.chance(2) && self.can("IMAP4REV2") {
            self.ask("ENABLE IMAP4rev2")?;
            if !self.rev2 {
                return Err(Stop::Fault("enable: IMAP4rev2 was not enabled".into()));
            }
        }
        if self.resyncs && self.can("QRESYNC") {
            self.ask("ENABLE QRESYNC")?;
            if !self.qresync {
                return Err(Stop::Fault("enable: QRESYNC was not enabled".into()));
            }
        }
        if self.random.chance(3) && self.can("COMPRESS=DEFLATE") {
            self.ask("COMPRESS DEFLATE")?;
            self.wire.deflate();
        }
        Ok(())
    }

    /// Whether the server has announced this.
    pub(super) fn can(&self, capability: &str) -> bool {
        self.capabilities.iter().any(|known| known == capability)
    }

    /// Sends something plain and hears its OK.
    ///
    /// # Errors
    /// [`Stop`], if it is not OK.
    pub fn ask(&mut self, text: &str) -> Step {
        let tag = self.tag();
        self.send(format!("{tag} {text}\r\n").as_bytes())?;
        let said = self.wait_for(|said| matches!(said, Said::Done(..)))?;
        match said {
            Said::Done(of, Status::Ok, _) if of == tag => Ok(()),
            said => Err(Stop::Fault(format!("answer: to {text:?} it is {said:?}"))),
        }
    }

    /// What separates names.
    ///
    /// # Errors
    /// [`Stop`].
    pub fn ask_delimiter(&mut self) -> Step<String> {
        let tag = self.tag();
        self.send(format!("{tag} LIST \"\" \"\"\r\n").as_bytes())?;
        let said = self.wait_for(|said| matches!(said, Said::List(..)))?;
        self.wait_for(|said| matches!(said, Said::Done(..)))?;
        match said {
            Said::List(_, delimiter, _) => Ok(delimiter),
            _ => Ok("/".into()),
        }
    }

    /// How many commands it has sent.
    #[must_use]
    pub fn sent(&self) -> u64 {
        self.serial
    }

    fn wait_for(&mut self, wanted: impl Fn(&Said) -> bool) -> Step<Said> {
        let until = Instant::now() + ANSWER;
        loop {
            let said = self.hear(until)?;
            let said = said.ok_or_else(|| Stop::Fault("answer: none has come".into()))?;
            match &said {
                Said::Capability(words) => self.capabilities.clone_from(words),
                Said::Enabled(words) => {
                    self.rev2 |= words.iter().any(|word| word == "IMAP4REV2");
                    self.qresync |= words.iter().any(|word| word == "QRESYNC");
                }
                _ => {}
            }
            if wanted(&said) {
                return Ok(said);
            }
        }
    }

    /// Sends one command and hears all that belongs to it and to those before it.
    ///
    /// # Errors
    /// [`Stop`].
    pub fn perform(&mut self, command: Command) -> Step {
        self.post(command)?;
        self.settle(0)
    }

    /// Sends a command without waiting.
    pub(super) fn post(&mut self, command: Command) -> Step {
        let tag = self.tag();
        let mut bytes = format!("{tag} ").into_bytes();
        bytes.extend_from_slice(&command.text());
        bytes.extend_from_slice(b"\r\n");
        let flight = self.begin_command(tag, command);
        self.queue.push_back(flight);
        self.send(&bytes)
    }

    fn tag(&mut self) -> String {
        self.serial += 1;
        format!("c{}x{}", self.number, self.serial)
    }

    /// What the ledger must know before the server can: what may be gone from now on,
    /// and which flags are on their way.
    fn begin_command(&mut self, tag: String, command: Command) -> InFlight {
        let target = match &command {
            Command::Append { mailbox, .. } | Command::Status { mailbox, .. } => Some(mailbox),
            Command::Copy { to, .. } => Some(to),
            _ => None,
        };
        let arriving = self.arriving(&command);
        let mut ledger = self.account.ledger();
        ledger.arrive(&arriving);
        let uid_min = target.map(|name| ledger.uid_next_of(name));
        let modseq_min = target.map(|name| ledger.modseqs_of(name));
        if let Some(place) = self.picture.as_ref().map(|picture| &picture.place) {
            match &command {
                Command::Copy {
                    meant, moves: true, ..
                } => {
                    ledger.doom(place, meant.uids.iter().copied());
                }
                Command::Store { meant, flags, .. } => {
                    if flags.contains("\\Deleted") {
                        ledger.doom(place, meant.uids.iter().copied());
                    }
                    change(&mut ledger, place, self.number, &meant.uids, 1);
                }
                Command::Fetch { meant, items } if items.contains(&Item::TextAndSeen) => {
                    change(&mut ledger, place, self.number, &meant.uids, 1);
                }
                _ => {}
            }
        }
        let since = ledger.now();
        drop(ledger);
        let stale = self.stale(&command);
        InFlight {
            tag,
            serial: self.serial,
            command,
            since,
            uid_min: uid_min.unwrap_or_default(),
            modseq_min: modseq_min.unwrap_or_default(),
            answered: BTreeMap::new(),
            stale,
            arriving,
            copied: None,
            expunged: BTreeSet::new(),
            found: false,
            counts: None,
            names: BTreeSet::new(),
        }
    }

    /// The letters that a command puts somewhere.
    fn arriving(&self, command: &Command) -> Vec<Letter> {
        match (command, &self.picture) {
            (Command::Append { letters, .. }, _) => {
                letters.iter().map(|(letter, _)| *letter).collect()
            }
            (Command::Copy { meant, .. }, Some(picture)) => {
                let is_meant =
                    |known: &&Known| known.uid.is_some_and(|uid| meant.uids.contains(&uid));
                let sources = picture.messages.iter().filter(is_meant);
                sources.filter_map(|known| known.letter).collect()
            }
            _ => Vec::new(),
        }
    }

    /// A command whose answer will never come: what it has changed is unknown.
    fn give_up(&mut self, flight: &InFlight) {
        let Some(place) = self.picture.as_ref().map(|picture| picture.place.clone()) else {
            return;
        };
        let meant = match &flight.command {
            Command::Store { meant, .. } | Command::Fetch { meant, .. } => meant,
            _ => return,
        };
        let mut ledger = self.account.ledger();
        for uid in &meant.uids {
            ledger.set_mark(&place, *uid, self.number, None);
        }
    }

    /// Hears until no more than so many commands are in progress.
    pub(super) fn settle(&mut self, rest: usize) -> Step {
        while self.queue.len() > rest {
            let said = self.hear(Instant::now() + ANSWER)?;
            let said = said.ok_or_else(|| Stop::Fault("answer: none has come".into()))?;
            self.judge(said)?;
        }
        Ok(())
    }

    /// IDLE: until everything that was certain when it began has been told, and some
    /// time more.
    pub(super) fn idle(&mut self) -> Step {
        self.post(Command::Idle)?;
        let until = Instant::now() + ANSWER;
        loop {
            match self.hear(until)? {
                Some(Said::GoOn) => break,
                Some(said) => self.judge(said)?,
                None => return Err(Stop::Fault("idle: no + has come".into())),
            }
        }
        let since = self.account.ledger().now();
        let more = Duration::from_millis(self.random.below(800));
        let (begun, late) = (Instant::now(), Instant::now() + NEWS);
        loop {
            if let Some(said) = self.hear(Instant::now())? {
                self.judge(said)?;
                continue;
            }
            match self.is_told(since) {
                Ok(gone) if gone.is_empty() && begun.elapsed() >= more => break,
                untold if Instant::now() >= late => {
                    return Err(Stop::Fault(format!("idle: {untold:?}")));
                }
                _ => {}
            }
        }
        self.send(b"DONE\r\n")?;
        self.settle(0)
    }

    /// Whether the client has been told all that was certain at a time; and the messages
    /// of which it hasn't, for they may be gone.
    fn is_told(&self, since: u64) -> Result<BTreeSet<u32>, String> {
        let Some(picture) = &self.picture else {
            return Ok(BTreeSet::new());
        };
        let certain = self.account.ledger().certain(&picture.place, since);
        picture.has(&certain)
    }

    /// NOOP: all that was certain when it was sent has been told.
    pub(super) fn end_of_noop(&mut self, since: u64) -> Step {
        let surely_gone = self.is_told(since)?;
        if let Some(picture) = &mut self.picture {
            picture.surely_gone = surely_gone;
        }
        Ok(())
    }

    pub(super) fn send(&mut self, bytes: &[u8]) -> Step {
        self.note(format!("{} C: {}", self.number, shown(bytes)));
        self.wire.send(bytes).map_err(Stop::Lost)
    }

    /// The next response, if one comes by then.
    pub(super) fn hear(&mut self, until: Instant) -> Step<Option<Said>> {
        let Some(bytes) = self.wire.hear(until).map_err(Stop::Lost)? else {
            return Ok(None);
        };
        self.note(format!("{} S: {}", self.number, shown(&bytes)));
        Ok(Some(response::parse(&bytes)?))
    }

    fn note(&mut self, line: String) {
        self.account.note(line);
    }

    /// Why it stopped, with what was said last.
    #[must_use]
    pub fn tell(&self, stop: Stop) -> Stop {
        let told = |why: String| {
            let dialogue = self.account.dialogue();
            format!("connection {}: {why}\n{dialogue}", self.number)
        };
        match stop {
            Stop::Fault(why) => Stop::Fault(told(why)),
            Stop::Lost(why) => Stop::Lost(told(why)),
        }
    }

    /// Where the client is.
    pub(super) fn place(&self) -> Option<&Place> {
        self.picture.as_ref().map(|picture| &picture.place)
    }

    /// Whether the mailbox may vanish under it.
    pub(super) fn is_on_thin_ice(&self) -> bool {
        let place = self.picture.as_ref().or(self.opening.as_ref());
        place.is_some_and(|picture| self.account.is_volatile(&picture.place.0))
    }

    /// A new letter.
    pub(super) fn letter(&mut self) -> Letter {
        self.letters += 1;
        Letter {
            run: self.plan.run,
            owner: self.number,
            number: self.letters,
            private: self.random.chance(3),
        }
    }

    /// What a remark of the server's means for the mailbox.
    pub(super) fn judge_remark(&mut self, status: Status, code: &Code) -> Step {
        match (status, code.name.as_str()) {
            (Status::Bye, _) => return Ok(()),
            (_, "CLOSED") => {
                if !matches!(self.front(), Some(Command::Select { .. })) {
                    return Err(Stop::Fault("closed: CLOSED without a SELECT".into()));
                }
                self.picture = None;
            }
            (_, "UIDVALIDITY") => {
                if let (Some(opening), Ok(validity)) = (&mut self.opening, code.rest.parse()) {
                    opening.place.1 = validity;
                }
            }
            (_, "UIDNEXT") => {
                if let (Some(opening), Ok(next)) = (&mut self.opening, code.rest.parse()) {
                    opening.uid_next = next;
                }
            }
            (_, "HIGHESTMODSEQ") => return self.judge_highest(&code.rest),
            (_, "COPYUID") => {
                let copied = super::answers::copied(code)?;
                if let Some(flight) = self.queue.front_mut() {
                    flight.copied = Some(copied);
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// The command that is in progress.
    pub(super) fn front(&self) -> Option<&Command> {
        self.queue.front().map(|flight| &flight.command)
    }
}

/// Flags of these messages are on their way, or have arrived.
pub(super) fn change(
    ledger: &mut MutexGuard<'_, Ledger>,
    place: &Place,
    owner: u16,
    uids: &[u32],
    by: i32,
) {
    for uid in uids {
        if let Some(mark) = ledger.mark(place, *uid, owner) {
            mark.changing = mark.changing.saturating_add_signed(by);
        }
    }
}

/// A lock of which the holder may have failed: then the run ends anyway.
pub(super) fn locked<T>(mutex: &std::sync::Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Flags of a FETCH.
pub(super) fn flags_of(value: &Value) -> Option<Flags> {
    Some(value.words()?.into_iter().collect())
}

fn shown(bytes: &[u8]) -> String {
    let end = bytes.len().min(SHOWN_BYTES);
    let text = String::from_utf8_lossy(&bytes[..end]);
    let text = text.trim_end().replace("\r\n", "⏎ ");
    match end < bytes.len() {
        true => format!("{text}… ({} bytes)", bytes.len()),
        false => text,
    }
}
