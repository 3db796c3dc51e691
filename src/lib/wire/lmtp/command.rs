//! Commands of LMTP.

use preauth::imap::cursor::{Cursor, decimal};

use super::Refusal;
use crate::address::{Address, AddressFault, domain, mailbox};
use crate::limits::{DOMAIN_BYTES_MAX, ESMTP_PARAMETERS_MAX, PATH_BYTES_MAX};

/// One command line. Whether it is allowed at this point of the dialogue is the
/// session's matter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Who the peer says it is: letters, digits and `.-_:[]` only.
    Lhlo(String),
    /// Begins a letter.
    Mail {
        /// Its sender.
        from: ReversePath,
        /// What the peer says about it.
        parameters: MailParameters,
    },
    /// Adds a recipient. In UTF-8 it is allowed only if MAIL said SMTPUTF8,
    /// which the session knows.
    Rcpt {
        /// The recipient.
        to: ForwardPath,
    },
    /// The letter follows: see [`super::Reader::begin_data`].
    Data,
    /// Forgets the letter.
    Rset,
    /// Nothing.
    Noop,
    /// Is there such a user?
    Vrfy,
    /// The end.
    Quit,
    /// Whatever is left in the input when this is read was said in the clear
    /// and must be thrown away.
    StartTls,
}

/// `Reverse-path = Path / "<>"`
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReversePath {
    /// `<>`: nobody wants to hear of failures.
    Null,
    /// The sender.
    Address(Address),
}

/// `Forward-path = Path`; `Postmaster` needs no domain, and neither does anybody
/// else here. A source route was taken off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForwardPath(pub Address);

/// `Mail-parameters` that we have offered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MailParameters {
    /// What the peer thinks the letter's size is, in bytes (RFC 1870).
    pub size: Option<u64>,
    /// RFC 6152.
    pub body: Body,
    /// RFC 6531.
    pub smtputf8: bool,
}

/// `body-value = "7BIT" / "8BITMIME"` (RFC 6152). We keep eight bits either way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Body {
    /// ASCII.
    #[default]
    SevenBit,
    /// Anything in lines.
    EightBitMime,
}

/// Reads a line without its CRLF, in which there is no control character.
pub(super) fn command(line: &str) -> Result<Command, Refusal> {
    let mut cursor = Cursor::new(line.as_bytes());
    let name = cursor.word().map_err(|_| Refusal::CommandUnknown)?;
    let command = match name.as_str() {
        "LHLO" => lhlo(&mut cursor)?,
        "MAIL" => mail(&mut cursor)?,
        "RCPT" => rcpt(&mut cursor)?,
        "DATA" => Command::Data,
        "RSET" => Command::Rset,
        "QUIT" => Command::Quit,
        "STARTTLS" => Command::StartTls,
        "NOOP" => with_ignored_string(&mut cursor, Command::Noop),
        "VRFY" => with_ignored_string(&mut cursor, Command::Vrfy),
        _ => return Err(Refusal::CommandUnknown),
    };
    match cursor.rest() {
        [] => Ok(command),
        _ => Err(Refusal::Expected("the end of the command")),
    }
}

/// `noop = "NOOP" [ SP String ] CRLF`, `vrfy = "VRFY" SP String CRLF`
fn with_ignored_string(cursor: &mut Cursor<'_>, command: Command) -> Command {
    if cursor.accept(b' ') {
        cursor.take_while(|_| true);
    }
    command
}

/// `lhlo = "LHLO" SP ( Domain / address-literal ) CRLF` (RFC 2033, section 4.1);
/// what hosts call themselves is taken loosely, it proves nothing.
fn lhlo(cursor: &mut Cursor<'_>) -> Result<Command, Refusal> {
    space(cursor)?;
    let is_host_char = |byte: u8| byte.is_ascii_alphanumeric() || b".-_:[]".contains(&byte);
    let host = cursor.take_while(is_host_char);
    match (1..=DOMAIN_BYTES_MAX).contains(&host.len()) {
        true => Ok(Command::Lhlo(String::from_utf8_lossy(host).into_owned())),
        false => Err(Refusal::Expected("a host name")),
    }
}

/// `mail = "MAIL FROM:" Reverse-path [SP Mail-parameters] CRLF`
fn mail(cursor: &mut Cursor<'_>) -> Result<Command, Refusal> {
    keyword_and_colon(cursor, "FROM")?;
    let from = reverse_path(cursor)?;
    let parameters = mail_parameters(cursor)?;
    let is_ascii = match &from {
        ReversePath::Null => true,
        ReversePath::Address(address) => address.is_ascii(),
    };
    match is_ascii || parameters.smtputf8 {
        true => Ok(Command::Mail { from, parameters }),
        false => Err(Refusal::SmtpUtf8Missing),
    }
}

/// `rcpt = "RCPT TO:" Forward-path [SP Rcpt-parameters] CRLF`; we offer no
/// parameter.
fn rcpt(cursor: &mut Cursor<'_>) -> Result<Command, Refusal> {
    keyword_and_colon(cursor, "TO")?;
    let to = path(cursor).map_err(Refusal::BadRecipient)?;
    match cursor.peek() {
        Some(b' ') => Err(Refusal::ParameterUnknown),
        _ => Ok(Command::Rcpt {
            to: ForwardPath(to),
        }),
    }
}

/// `SP keyword ":"`
fn keyword_and_colon(cursor: &mut Cursor<'_>, wanted: &'static str) -> Result<(), Refusal> {
    space(cursor)?;
    let is_it = cursor.word().is_ok_and(|word| word.as_str() == wanted);
    match is_it && cursor.accept(b':') {
        true => Ok(()),
        false => Err(Refusal::Expected(if wanted == "TO" {
            "TO:"
        } else {
            "FROM:"
        })),
    }
}

/// `Reverse-path = Path / "<>"`
fn reverse_path(cursor: &mut Cursor<'_>) -> Result<ReversePath, Refusal> {
    let mut ahead = *cursor;
    if ahead.accept(b'<') && ahead.accept(b'>') {
        *cursor = ahead;
        return Ok(ReversePath::Null);
    }
    path(cursor)
        .map(ReversePath::Address)
        .map_err(Refusal::BadSender)
}

/// `Path = "<" [ A-d-l ":" ] Mailbox ">"`
fn path(cursor: &mut Cursor<'_>) -> Result<Address, AddressFault> {
    let begin = cursor.rest().len();
    if !cursor.accept(b'<') {
        return Err(AddressFault::BadLocalPart);
    }
    source_route(cursor)?;
    let address = mailbox(cursor)?;
    if !cursor.accept(b'>') {
        return Err(AddressFault::Surplus);
    }
    match begin.saturating_sub(cursor.rest().len()) <= PATH_BYTES_MAX {
        true => Ok(address),
        false => Err(AddressFault::TooLong),
    }
}

/// `A-d-l = At-domain *( "," At-domain )`, `At-domain = "@" Domain`, which is
/// read and dropped (RFC 5321, appendix C)
fn source_route(cursor: &mut Cursor<'_>) -> Result<(), AddressFault> {
    if cursor.peek() != Some(b'@') {
        return Ok(());
    }
    loop {
        if !cursor.accept(b'@') {
            return Err(AddressFault::BadDomain);
        }
        domain(cursor)?;
        if cursor.accept(b':') {
            return Ok(());
        }
        if !cursor.accept(b',') {
            return Err(AddressFault::EmptyLocalPart);
        }
    }
}

/// `Mail-parameters = esmtp-param *(SP esmtp-param)`, with the space before;
/// none may come twice
fn mail_parameters(cursor: &mut Cursor<'_>) -> Result<MailParameters, Refusal> {
    let mut parameters = MailParameters::default();
    let mut seen: Vec<String> = Vec::new();
    while cursor.accept(b' ') {
        let (keyword, value) = esmtp_param(cursor)?;
        if seen.contains(&keyword) || seen.len() >= ESMTP_PARAMETERS_MAX {
            return Err(Refusal::Expected("each parameter once"));
        }
        parameters.set(&keyword, value)?;
        seen.push(keyword);
    }
    Ok(parameters)
}

/// `esmtp-param = esmtp-keyword ["=" esmtp-value]`
fn esmtp_param<'a>(cursor: &mut Cursor<'a>) -> Result<(String, Option<&'a [u8]>), Refusal> {
    let keyword = cursor.word().map_err(|_| Refusal::ParameterUnknown)?;
    let is_value_char = |byte: u8| byte != b'=' && byte > b' ' && byte != 0x7f;
    let value = match cursor.accept(b'=') {
        true => Some(cursor.take_while(is_value_char)),
        false => None,
    };
    Ok((keyword.as_str().to_owned(), value))
}

impl MailParameters {
    fn set(&mut self, keyword: &str, value: Option<&[u8]>) -> Result<(), Refusal> {
        match (keyword, value) {
            ("SIZE", Some(digits)) => self.size = Some(size(digits)?),
            ("BODY", Some(value)) if value.eq_ignore_ascii_case(b"8BITMIME") => {
                self.body = Body::EightBitMime;
            }
            ("BODY", Some(value)) if value.eq_ignore_ascii_case(b"7BIT") => {
                self.body = Body::SevenBit;
            }
            ("SMTPUTF8", None) => self.smtputf8 = true,
            ("SIZE" | "BODY" | "SMTPUTF8", _) => {
                return Err(Refusal::Expected("another value of the parameter"));
            }
            _ => return Err(Refusal::ParameterUnknown),
        }
        Ok(())
    }
}

/// `size-value ::= 1*20DIGIT` (RFC 1870, section 4)
fn size(digits: &[u8]) -> Result<u64, Refusal> {
    let is_number = (1..=20).contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit);
    match is_number {
        true => Ok(decimal(digits).unwrap_or(u64::MAX)),
        false => Err(Refusal::Expected("a size")),
    }
}

/// `SP`
fn space(cursor: &mut Cursor<'_>) -> Result<(), Refusal> {
    match cursor.accept(b' ') {
        true => Ok(()),
        false => Err(Refusal::Expected("an argument")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sender(line: &str) -> (String, MailParameters) {
        match command(line).unwrap() {
            Command::Mail {
                from: ReversePath::Address(address),
                parameters,
            } => (address.to_string(), parameters),
            other => panic!("{other:?}"),
        }
    }

    fn recipient(line: &str) -> String {
        match command(line).unwrap() {
            Command::Rcpt {
                to: ForwardPath(address),
            } => address.to_string(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn commands_are_read_in_any_case() {
        assert_eq!(
            command("lhlo [IPv6:::1]"),
            Ok(Command::Lhlo("[IPv6:::1]".to_owned()))
        );
        assert_eq!(command("data"), Ok(Command::Data));
        assert_eq!(command("NOOP what ever"), Ok(Command::Noop));
        assert_eq!(command("VRFY alice"), Ok(Command::Vrfy));
        assert_eq!(command("StartTLS"), Ok(Command::StartTls));
        let null = Command::Mail {
            from: ReversePath::Null,
            parameters: MailParameters::default(),
        };
        assert_eq!(command("mail from:<>"), Ok(null));
    }

    #[test]
    fn parameters_that_we_offer_are_read_and_others_refused() {
        let (address, parameters) = sender("MAIL FROM:<a@b> SIZE=1234 body=8bitmime SMTPUTF8");
        assert_eq!(address, "a@b");
        assert_eq!(
            parameters,
            MailParameters {
                size: Some(1234),
                body: Body::EightBitMime,
                smtputf8: true
            }
        );
        let refused = [
            ("MAIL FROM:<a@b> AUTH=<>", Refusal::ParameterUnknown),
            ("MAIL FROM:<a@b> RET=HDRS", Refusal::ParameterUnknown),
            ("MAIL FROM:<a@b>  SIZE=1", Refusal::ParameterUnknown),
            ("RCPT TO:<a@b> NOTIFY=NEVER", Refusal::ParameterUnknown),
            (
                "MAIL FROM:<a@b> SIZE",
                Refusal::Expected("another value of the parameter"),
            ),
            ("MAIL FROM:<a@b> SIZE=x", Refusal::Expected("a size")),
            (
                "MAIL FROM:<a@b> SIZE=1 SIZE=2",
                Refusal::Expected("each parameter once"),
            ),
            (
                "MAIL FROM:<a@b> BODY=BINARYMIME",
                Refusal::Expected("another value of the parameter"),
            ),
            (
                "MAIL FROM:<a@b>SIZE=1",
                Refusal::Expected("the end of the command"),
            ),
        ];
        for (line, why) in refused {
            assert_eq!(command(line), Err(why), "{line}");
        }
    }

    #[test]
    fn source_routes_are_dropped_and_quotes_understood() {
        assert_eq!(
            recipient("RCPT TO:<@a.example,@b.example:c@d.example>"),
            "c@d.example"
        );
        assert_eq!(recipient("RCPT TO:<\"a > b\"@x>"), "\"a > b\"@x");
        assert_eq!(recipient("RCPT TO:<Postmaster>"), "Postmaster");
        assert_eq!(recipient("RCPT TO:<用户@例え.jp>"), "用户@例え.jp");
    }

    #[test]
    fn hostile_paths_are_refused_with_their_reason() {
        let refused = [
            ("RCPT TO:<\"\"@x>", AddressFault::EmptyLocalPart),
            ("RCPT TO:<@x>", AddressFault::EmptyLocalPart),
            ("RCPT TO:<>", AddressFault::EmptyLocalPart),
            ("RCPT TO:<a@b", AddressFault::Surplus),
            ("RCPT TO:<a b@c>", AddressFault::Surplus),
            ("RCPT TO:a@b", AddressFault::BadLocalPart),
            ("RCPT TO: <a@b>", AddressFault::BadLocalPart),
            ("RCPT TO:<@a,b:c@d>", AddressFault::BadDomain),
        ];
        for (line, why) in refused {
            assert_eq!(command(line), Err(Refusal::BadRecipient(why)), "{line}");
        }
        let route = format!("RCPT TO:<{}:a@b>", ["@a.b"; 200].join(","));
        assert_eq!(
            command(&route),
            Err(Refusal::BadRecipient(AddressFault::TooLong))
        );
    }

    #[test]
    fn a_sender_in_utf8_must_say_so() {
        assert_eq!(command("MAIL FROM:<用户@x>"), Err(Refusal::SmtpUtf8Missing));
        assert_eq!(sender("MAIL FROM:<用户@x> SMTPUTF8").0, "用户@x");
    }

    #[test]
    fn other_protocols_greetings_are_unknown_commands() {
        for line in [
            "HELO x",
            "EHLO x",
            "",
            " DATA",
            "GET / HTTP/1.1",
            "MAILFROM:<a@b>",
            "XCLIENT ADDR=1",
        ] {
            assert_eq!(command(line), Err(Refusal::CommandUnknown), "{line}");
        }
        for line in [
            "LHLO",
            "LHLO ",
            "LHLO a b",
            "LHLO a\u{1b}",
            "DATA now",
            "QUIT ",
            "MAIL <a@b>",
            "MAIL TO:<a@b>",
        ] {
            assert!(matches!(command(line), Err(Refusal::Expected(_))), "{line}");
        }
    }
}
