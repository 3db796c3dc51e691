//! Any bytes from a stranger: the same events however they are cut, and answers of
//! one line, none longer than RFC 2449 allows.

use preauth::limits::POP3_RESPONSE_BYTES_MAX;
use preauth::pop3::{Answer, Command, Event, Reader, ResponseReader, response};
use preauth::sasl;

use crate::{assert_one_line, pieces};

/// One input.
pub fn run(data: &[u8]) {
    let (size, sent) = pieces(data);
    assert_eq!(transcript(sent, sent.len().max(1)), transcript(sent, size));
    answers(sent);
}

fn transcript(sent: &[u8], size: usize) -> Vec<String> {
    let mut reader = Reader::new();
    let mut said = Vec::new();
    for mut input in sent.chunks(size) {
        while let Some(event) = reader.advance(&mut input) {
            said.push(line(&event));
        }
        assert!(input.is_empty());
    }
    said
}

fn line(event: &Event) -> String {
    match event {
        Event::Command(command) => again(command),
        Event::Bad(why) | Event::Bye(why) => {
            let mut out = Vec::new();
            response::refused(&mut out, *why);
            assert_one_line(&out);
            assert!(out.len() <= POP3_RESPONSE_BYTES_MAX);
            String::from_utf8_lossy(&out).into_owned()
        }
    }
}

/// What a command means; said in the plainest words it must mean the same.
fn again(command: &Command) -> String {
    let words = words(command);
    let line = [words.as_slice(), b"\r\n"].concat();
    match Reader::new().advance(&mut line.as_slice()) {
        Some(Event::Command(read)) => assert_eq!(self::words(&read), words),
        _ => panic!("a command that isn't read again"),
    }
    String::from_utf8_lossy(&words).into_owned()
}

fn words(command: &Command) -> Vec<u8> {
    match command {
        Command::Capa => b"CAPA".to_vec(),
        Command::Quit => b"QUIT".to_vec(),
        Command::Stls => b"STLS".to_vec(),
        Command::Utf8 => b"UTF8".to_vec(),
        Command::Languages => b"LANG".to_vec(),
        Command::Language(None) => b"LANG none".to_vec(),
        Command::Language(Some(language)) => format!("LANG {}", language.tag()).into_bytes(),
        Command::User(name) => {
            assert!(!name.chars().any(char::is_control));
            format!("USER {name}").into_bytes()
        }
        Command::Pass(password) => [b"PASS ", password.expose()].concat(),
        Command::Mechanisms => b"AUTH".to_vec(),
        Command::Auth { mechanism, initial } => {
            let name = match mechanism {
                sasl::Mechanism::Unknown => "UNKNOWN",
                known => known.name(),
            };
            let initial = initial.as_ref().map(|it| match it.expose() {
                b"" => " =".to_owned(),
                message => format!(" {}", sasl::encode(message)),
            });
            format!("AUTH {name}{}", initial.unwrap_or_default()).into_bytes()
        }
    }
}

fn answers(sent: &[u8]) {
    let mut reader = ResponseReader::new();
    let mut input = sent;
    while let Some(answer) = reader.advance(&mut input) {
        match answer {
            Answer::Message(message) => {
                let _ = (sasl::plain(&message), sasl::login_user(&message));
            }
            Answer::Bye(_) => return,
            Answer::Cancelled | Answer::Bad(_) => (),
        }
    }
}
