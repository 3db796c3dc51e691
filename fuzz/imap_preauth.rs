//! Any bytes from a stranger: the same events however they are cut, and answers
//! of one line.

use preauth::imap::{Answer, Command, Event, Reader, ResponseReader, response};
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
        Event::Request(request) => format!("{} {}", request.tag, kind(&request.command)),
        Event::Continue => "+".to_owned(),
        Event::Bad(tag, why) => {
            let mut out = Vec::new();
            response::refused(&mut out, tag.as_ref(), *why);
            assert_one_line(&out);
            String::from_utf8_lossy(&out).into_owned()
        }
        Event::Bye(why) => format!("BYE {why}"),
    }
}

fn kind(command: &Command) -> String {
    match command {
        Command::Login { user, password } => {
            assert!(!user.chars().any(char::is_control));
            format!("LOGIN {user} {:?}", password.expose())
        }
        Command::Authenticate { mechanism, initial } => {
            let initial = initial.as_ref().map(|it| it.expose().to_vec());
            format!("AUTHENTICATE {mechanism:?} {initial:?}")
        }
        Command::Capability => "CAPABILITY".to_owned(),
        Command::Noop => "NOOP".to_owned(),
        Command::Logout => "LOGOUT".to_owned(),
        Command::Id => "ID".to_owned(),
        Command::StartTls => "STARTTLS".to_owned(),
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
