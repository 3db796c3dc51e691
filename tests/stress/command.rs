//! The commands, as they are sent, and which of them may be sent behind which (RFC
//! 9051 §5.5).

use super::ledger::Flags;
use super::letter::{HEADER, Letter};
use super::response::Value;
use super::search::Key;
use std::collections::{BTreeMap, BTreeSet};

/// The messages that a command means.
#[derive(Debug, Clone, Default)]
pub struct Meant {
    /// The set, as it is sent.
    pub set: String,
    /// Named by UID.
    pub by_uid: bool,
    /// Their numbers, if they are named by these.
    pub numbers: Vec<u32>,
    /// Their UIDs, as far as they are known.
    pub uids: Vec<u32>,
    /// Everything from this UID on.
    pub from: Option<u32>,
}

impl Meant {
    /// Whether a message is one of them.
    #[must_use]
    pub fn has(&self, number: u32, uid: Option<u32>) -> bool {
        match self.by_uid {
            true => uid.is_some_and(|uid| self.uids.contains(&uid) || self.from.is_some()),
            false => self.numbers.contains(&number),
        }
    }
}

/// What STORE does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// +FLAGS.
    Add,
    /// -FLAGS.
    Remove,
    /// FLAGS.
    Replace,
}

impl Action {
    /// What becomes of flags.
    #[must_use]
    pub fn on(self, before: &Flags, flags: &Flags) -> Flags {
        match self {
            Self::Add => before.union(flags).cloned().collect(),
            Self::Remove => before.difference(flags).cloned().collect(),
            Self::Replace => flags.clone(),
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Add => "+FLAGS",
            Self::Remove => "-FLAGS",
            Self::Replace => "FLAGS",
        }
    }
}

/// What FETCH asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Item {
    /// FLAGS.
    Flags,
    /// UID.
    Uid,
    /// RFC822.SIZE.
    Size,
    /// ENVELOPE.
    Envelope,
    /// The header that names the letter.
    Name,
    /// The whole letter.
    Whole,
    /// The text; marks it `\Seen`.
    TextAndSeen,
    /// So many bytes from one on.
    Part(usize, usize),
}

impl Item {
    /// As it is asked for.
    #[must_use]
    pub fn asked(self) -> String {
        match self {
            Self::Flags => "FLAGS".into(),
            Self::Uid => "UID".into(),
            Self::Size => "RFC822.SIZE".into(),
            Self::Envelope => "ENVELOPE".into(),
            Self::Name => format!("BODY.PEEK[HEADER.FIELDS ({HEADER})]"),
            Self::Whole => "BODY.PEEK[]".into(),
            Self::TextAndSeen => "BODY[TEXT]".into(),
            Self::Part(from, count) => format!("BODY.PEEK[]<{from}.{count}>"),
        }
    }

    /// As it is answered.
    #[must_use]
    pub fn answered(self) -> String {
        match self {
            Self::Part(from, _) => format!("BODY[]<{from}>"),
            item => item.asked().replace(".PEEK", "").to_uppercase(),
        }
    }

    /// Whether it is what the letter has. A delivered letter has lines of the
    /// server's before it.
    ///
    /// # Errors
    /// What is wrong.
    pub fn check(self, value: &Value, letter: Letter, delivered: bool) -> Result<(), String> {
        let bytes = letter.bytes();
        let said: &[u8] = match value {
            Value::Text(said) => said,
            _ => b"",
        };
        let right = match self {
            Self::Flags | Self::Uid | Self::Name => true,
            Self::Envelope => matches!(value, Value::List(parts) if parts.len() == 10),
            Self::Size if delivered => value
                .number()
                .is_some_and(|size| size as usize >= bytes.len()),
            Self::Size => value
                .number()
                .is_some_and(|size| size as usize == bytes.len()),
            Self::Whole if delivered => said.ends_with(&bytes),
            Self::Whole => said == bytes,
            Self::TextAndSeen => said == &bytes[Letter::text_at(&bytes)..],
            Self::Part(..) if delivered => true,
            Self::Part(from, count) => {
                let from = from.min(bytes.len());
                let to = (from + count).min(bytes.len());
                said == &bytes[from..to]
            }
        };
        match right {
            true => Ok(()),
            false => Err(format!(
                "contents: {} of letter {letter} is not what it was ({} bytes)",
                self.answered(),
                said.len()
            )),
        }
    }
}

/// A command.
#[derive(Debug, Clone)]
pub enum Command {
    /// NOOP.
    Noop,
    /// CHECK.
    Check,
    /// SELECT or EXAMINE.
    Select {
        /// Which.
        mailbox: String,
        /// EXAMINE.
        read_only: bool,
        /// QRESYNC's parameter.
        resume: Option<String>,
    },
    /// CLOSE.
    Close,
    /// UNSELECT.
    Unselect,
    /// LOGOUT.
    Logout,
    /// IDLE, until DONE.
    Idle,
    /// APPEND.
    Append {
        /// Where to.
        mailbox: String,
        /// What, with which flags.
        letters: Vec<(Letter, Flags)>,
    },
    /// FETCH and UID FETCH.
    Fetch {
        /// Of which.
        meant: Meant,
        /// What.
        items: Vec<Item>,
    },
    /// UID FETCH of the flags of all that has changed.
    Changed {
        /// CHANGEDSINCE.
        since: u64,
        /// VANISHED.
        vanished: bool,
    },
    /// STORE and UID STORE.
    Store {
        /// Of which.
        meant: Meant,
        /// How.
        action: Action,
        /// UNCHANGEDSINCE.
        unless: Option<u64>,
        /// .SILENT.
        silent: bool,
        /// Which.
        flags: Flags,
    },
    /// COPY, MOVE, and by UID.
    Copy {
        /// Which.
        meant: Meant,
        /// Where to.
        to: String,
        /// MOVE.
        moves: bool,
    },
    /// EXPUNGE, or UID EXPUNGE of some.
    Expunge(Option<Meant>),
    /// SEARCH and UID SEARCH.
    Search {
        /// UID SEARCH.
        by_uid: bool,
        /// RETURN.
        returns: Option<Vec<&'static str>>,
        /// What for.
        key: Key,
    },
    /// STATUS.
    Status {
        /// Of which.
        mailbox: String,
        /// What.
        items: Vec<&'static str>,
    },
    /// LIST of all names that begin so.
    List(String),
    /// CREATE.
    Create(String),
    /// DELETE.
    Delete(String),
    /// RENAME.
    Rename(String, String),
}

impl Command {
    /// As it is sent, behind the tag. Letters go as literals that wait for nobody.
    #[must_use]
    pub fn text(&self) -> Vec<u8> {
        let by_uid = |meant: &Meant| if meant.by_uid { "UID " } else { "" };
        let text = match self {
            Self::Noop => "NOOP".to_owned(),
            Self::Check => "CHECK".to_owned(),
            Self::Select {
                mailbox,
                read_only,
                resume,
            } => {
                let word = if *read_only { "EXAMINE" } else { "SELECT" };
                let resume = resume
                    .as_ref()
                    .map(|resume| format!(" (QRESYNC ({resume}))"));
                format!("{word} {mailbox}{}", resume.unwrap_or_default())
            }
            Self::Close => "CLOSE".to_owned(),
            Self::Unselect => "UNSELECT".to_owned(),
            Self::Logout => "LOGOUT".to_owned(),
            Self::Idle => "IDLE".to_owned(),
            Self::Append { mailbox, letters } => return append(mailbox, letters),
            Self::Fetch { meant, items } => {
                let items: Vec<String> = items.iter().map(|item| item.asked()).collect();
                format!("{}FETCH {} ({})", by_uid(meant), meant.set, items.join(" "))
            }
            Self::Changed { since, vanished } => {
                // `*` would be the last message that is there now.
                let vanished = if *vanished { " VANISHED" } else { "" };
                let all = format!("1:{}", u32::MAX);
                format!("UID FETCH {all} (FLAGS) (CHANGEDSINCE {since}{vanished})")
            }
            Self::Store {
                meant,
                action,
                unless,
                silent,
                flags,
            } => format!(
                "{}STORE {}{} {}{} ({})",
                by_uid(meant),
                meant.set,
                unless.map_or_else(String::new, |since| format!(" (UNCHANGEDSINCE {since})")),
                action.word(),
                if *silent { ".SILENT" } else { "" },
                words(flags)
            ),
            Self::Copy { meant, to, moves } => {
                let word = if *moves { "MOVE" } else { "COPY" };
                format!("{}{word} {} {to}", by_uid(meant), meant.set)
            }
            Self::Expunge(None) => "EXPUNGE".to_owned(),
            Self::Expunge(Some(meant)) => format!("UID EXPUNGE {}", meant.set),
            Self::Search {
                by_uid,
                returns,
                key,
            } => {
                let by_uid = if *by_uid { "UID " } else { "" };
                let returns = returns
                    .as_ref()
                    .map(|returns| format!("RETURN ({}) ", returns.join(" ")));
                format!("{by_uid}SEARCH {}{key}", returns.unwrap_or_default())
            }
            Self::Status { mailbox, items } => format!("STATUS {mailbox} ({})", items.join(" ")),
            Self::List(prefix) => format!("LIST \"\" \"{prefix}*\""),
            Self::Create(name) => format!("CREATE {name}"),
            Self::Delete(name) => format!("DELETE {name}"),
            Self::Rename(from, to) => format!("RENAME {from} {to}"),
        };
        text.into_bytes()
    }

    /// Whether an EXPUNGE during it would change what its numbers, or those of
    /// commands behind it, mean (RFC 9051 §7.5.1).
    #[must_use]
    pub fn holds_numbers(&self) -> bool {
        match self {
            Self::Fetch { meant, .. } | Self::Store { meant, .. } => !meant.by_uid,
            Self::Search { by_uid, .. } => !by_uid,
            _ => false,
        }
    }

    /// Whether it names messages by number.
    fn names_numbers(&self) -> bool {
        match self {
            Self::Fetch { meant, .. } | Self::Store { meant, .. } | Self::Copy { meant, .. } => {
                !meant.by_uid
            }
            Self::Search { key, .. } => key.names_numbers(),
            _ => false,
        }
    }

    /// Whether nothing is sent before or behind it until it is over.
    fn stands_alone(&self) -> bool {
        matches!(
            self,
            Self::Select { .. }
                | Self::Close
                | Self::Unselect
                | Self::Logout
                | Self::Idle
                | Self::Create(_)
                | Self::Delete(_)
                | Self::Rename(..)
        )
    }

    /// Whether it may be sent while others are in progress: message numbers may be
    /// used only behind commands during which nothing is expunged.
    #[must_use]
    pub fn may_follow<'a>(&self, mut queue: impl Iterator<Item = &'a Self>) -> bool {
        queue.all(|before| {
            let apart = self.stands_alone() || before.stands_alone();
            !apart && (!self.names_numbers() || before.holds_numbers())
        })
    }
}

fn append(mailbox: &str, letters: &[(Letter, Flags)]) -> Vec<u8> {
    let mut text = format!("APPEND {mailbox}").into_bytes();
    for (letter, flags) in letters {
        let bytes = letter.bytes();
        let head = format!(" ({}) {{{}+}}\r\n", words(flags), bytes.len());
        text.extend_from_slice(head.as_bytes());
        text.extend_from_slice(&bytes);
    }
    text
}

fn words(flags: &Flags) -> String {
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    flags.join(" ")
}

/// A command on its way, and what was said in answer so far.
#[derive(Debug)]
pub struct InFlight {
    /// Its tag.
    pub tag: String,
    /// Which of the connection's commands.
    pub serial: u64,
    /// What was sent.
    pub command: Command,
    /// When, by the ledger's clock.
    pub since: u64,
    /// What UIDs of new messages are not below, by UIDVALIDITY.
    pub uid_min: BTreeMap<u32, u32>,
    /// What HIGHESTMODSEQ is not below, by UIDVALIDITY.
    pub modseq_min: BTreeMap<u32, u64>,
    /// Items answered, by what the set names: number or UID.
    pub answered: BTreeMap<u32, BTreeSet<String>>,
    /// UIDs of which the client knew that a condition doesn't hold.
    pub stale: BTreeSet<u32>,
    /// The letters that it puts somewhere.
    pub arriving: Vec<Letter>,
    /// COPYUID: UIDVALIDITY, old, new.
    pub copied: Option<(u32, Vec<u32>, Vec<u32>)>,
    /// UIDs told to be gone.
    pub expunged: BTreeSet<u32>,
    /// Whether SEARCH or ESEARCH has come.
    pub found: bool,
    /// STATUS.
    pub counts: Option<BTreeMap<String, u64>>,
    /// LIST.
    pub names: BTreeSet<String>,
}

impl InFlight {
    /// Whether it may change what `$` means.
    #[must_use]
    pub fn may_save(&self) -> bool {
        matches!(self.command, Command::Search { .. })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fetch(by_uid: bool) -> Command {
        let meant = Meant {
            by_uid,
            ..Meant::default()
        };
        Command::Fetch {
            meant,
            items: Vec::new(),
        }
    }

    #[test]
    fn numbers_wait_for_whatever_may_expunge() {
        let (number, uid) = (fetch(false), fetch(true));
        assert!(number.may_follow([&fetch(false)].into_iter()));
        assert!(uid.may_follow([&number, &uid, &Command::Noop].into_iter()));
        assert!(!number.may_follow([&uid].into_iter()));
        assert!(!number.may_follow([&Command::Noop, &number].into_iter()));
        assert!(!Command::Close.may_follow([&number].into_iter()));
    }
}
