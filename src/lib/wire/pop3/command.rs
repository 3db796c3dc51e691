//! Commands of POP3's TRANSACTION state.

use super::{LanguageRange, Refusal};

/// A message's number in the maildrop, as the client says it. Whether there is such
/// a message is the session's matter; 0 and what no `u32` holds never are one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Number(pub u32);

/// One command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// How many messages, and how many octets.
    Stat,
    /// The size of one message, or of each.
    List(Option<Number>),
    /// The unique id of one message, or of each.
    Uidl(Option<Number>),
    /// A whole message.
    Retr(Number),
    /// A message's header, and so many lines of its body.
    Top {
        /// Which.
        message: Number,
        /// How many lines; what no `u64` holds is all.
        lines: u64,
    },
    /// Marks a message for removal.
    Dele(Number),
    /// Takes all marks away.
    Rset,
    /// Nothing.
    Noop,
    /// Removes what is marked, and ends the session.
    Quit,
    /// What can be done here (RFC 2449).
    Capa,
    /// The language of texts; without an argument, which there are (RFC 6856).
    Lang(Option<LanguageRange>),
}

/// What may be said before authentication only.
const EARLY: [&str; 6] = ["USER", "PASS", "APOP", "AUTH", "STLS", "UTF8"];

/// Reads a line without its CRLF, in which there is no control character.
/// Leniency `pop3-spaces` (docs/clients.md).
pub(super) fn command(line: &str) -> Result<Command, Refusal> {
    let mut words = line.split(' ').filter(|word| !word.is_empty());
    let name = words.next().unwrap_or_default().to_ascii_uppercase();
    let command = match name.as_str() {
        "STAT" => Command::Stat,
        "LIST" => Command::List(words.next().map(number).transpose()?),
        "UIDL" => Command::Uidl(words.next().map(number).transpose()?),
        "RETR" => Command::Retr(number(words.next().unwrap_or_default())?),
        "TOP" => Command::Top {
            message: number(words.next().unwrap_or_default())?,
            lines: lines(words.next().unwrap_or_default())?,
        },
        "DELE" => Command::Dele(number(words.next().unwrap_or_default())?),
        "RSET" => Command::Rset,
        "NOOP" => Command::Noop,
        "QUIT" => Command::Quit,
        "CAPA" => Command::Capa,
        "LANG" => Command::Lang(words.next().map(range).transpose()?),
        early if EARLY.contains(&early) => return Err(Refusal::TooLate),
        _ => return Err(Refusal::Unknown),
    };
    match words.next() {
        None => Ok(command),
        Some(_) => Err(Refusal::Expected("no more arguments")),
    }
}

fn number(word: &str) -> Result<Number, Refusal> {
    let number = decimal(word).ok_or(Refusal::Expected("a message's number"))?;
    Ok(Number(u32::try_from(number).unwrap_or(u32::MAX)))
}

fn lines(word: &str) -> Result<u64, Refusal> {
    decimal(word).ok_or(Refusal::Expected(
        "a message's number and a number of lines",
    ))
}

fn range(word: &str) -> Result<LanguageRange, Refusal> {
    LanguageRange::new(word).ok_or(Refusal::Expected("a language range"))
}

/// A number of digits; the highest there is if it is higher.
fn decimal(word: &str) -> Option<u64> {
    let is_number = !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| word.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_is_read_in_any_case() {
        let read = |line: &str| command(line).unwrap();
        assert_eq!(read("stat"), Command::Stat);
        assert_eq!(read("LIST"), Command::List(None));
        assert_eq!(read("List 2"), Command::List(Some(Number(2))));
        assert_eq!(read("UIDL"), Command::Uidl(None));
        assert_eq!(read("UIDL 007"), Command::Uidl(Some(Number(7))));
        assert_eq!(read("RETR 1"), Command::Retr(Number(1)));
        let (message, lines) = (Number(1), 10);
        assert_eq!(read("TOP 1 10"), Command::Top { message, lines });
        assert_eq!(read("dele 1"), Command::Dele(Number(1)));
        assert_eq!(read("RSET"), Command::Rset);
        assert_eq!(read("NOOP"), Command::Noop);
        assert_eq!(read("QUIT"), Command::Quit);
        assert_eq!(read("CAPA"), Command::Capa);
        assert_eq!(read("LANG"), Command::Lang(None));
        assert_eq!(read("LANG *"), Command::Lang(LanguageRange::new("*")));
    }

    #[test]
    fn numbers_beyond_all_maildrops_are_numbers() {
        let far = "99999999999999999999999";
        assert_eq!(
            command(&format!("TOP {far} {far}")),
            Ok(Command::Top {
                message: Number(u32::MAX),
                lines: u64::MAX
            })
        );
    }

    #[test]
    fn what_is_said_too_late_is_told_apart_from_what_is_unknown() {
        for early in [
            "USER x",
            "pass x y",
            "APOP x y",
            "AUTH PLAIN",
            "STLS",
            "UTF8",
        ] {
            assert_eq!(command(early), Err(Refusal::TooLate), "{early}");
        }
        for unknown in ["", " ", "LAST", "XTND XMIT", "RETRY 1"] {
            assert_eq!(command(unknown), Err(Refusal::Unknown), "{unknown}");
        }
    }

    #[test]
    fn arguments_that_are_missing_wrong_or_too_many_are_refused() {
        let lines = [
            "RETR",
            "RETR x",
            "RETR -1",
            "RETR +1",
            "RETR 1 2",
            "LIST x",
            "LIST 1 2",
            "UIDL 1-2",
            "TOP",
            "TOP 1",
            "TOP 1 x",
            "TOP 1 -1",
            "TOP 1 1 1",
            "DELE",
            "STAT 1",
            "QUIT now",
            "LANG a_b",
            "LANG en de",
            "NOOP x",
        ];
        for line in lines {
            let read = command(line);
            assert!(
                matches!(read, Err(Refusal::Expected(_))),
                "{line}: {read:?}"
            );
        }
    }

    #[test]
    fn spaces_part_words_and_may_stand_at_the_end() {
        assert_eq!(command("LIST "), Ok(Command::List(None)));
        assert_eq!(command("RETR  1 "), Ok(Command::Retr(Number(1))));
    }
}
