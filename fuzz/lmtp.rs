//! Any bytes from an MTA: the same events however they are cut, no letter with
//! a line end of its own, answers of one line.

use wire::lmtp::{Command, Event, Reader, Reply};

use crate::{assert_one_line, pieces};

/// One input.
pub fn run(data: &[u8]) {
    let (size, sent) = pieces(data);
    assert_eq!(transcript(sent, sent.len().max(1)), transcript(sent, size));
}

fn transcript(sent: &[u8], size: usize) -> Vec<String> {
    let mut reader = Reader::new();
    let mut said = Vec::new();
    let mut letter = Vec::new();
    for mut input in sent.chunks(size) {
        while let Some(event) = reader.advance(&mut input) {
            let begins = event == Event::Command(Command::Data);
            match event {
                Event::Data(bytes) => letter.extend_from_slice(bytes),
                Event::DataEnd(how) => {
                    let letter = std::mem::take(&mut letter);
                    if how.is_ok() {
                        assert_strict_lines(&letter);
                        said.push(format!("{letter:?}"));
                    }
                    said.push(format!("{how:?}"));
                }
                other => said.push(line(&other)),
            }
            if begins {
                reader.begin_data();
            }
        }
        assert!(input.is_empty());
    }
    said
}

fn line(event: &Event<'_>) -> String {
    if let Event::Refused(why) = event {
        let mut out = Vec::new();
        Reply::Refused(*why).render(&mut out);
        assert_one_line(&out);
    }
    format!("{event:?}")
}

fn assert_strict_lines(letter: &[u8]) {
    let text = String::from_utf8_lossy(letter).replace("\r\n", "");
    assert!(!text.contains(['\r', '\n']));
    assert!(letter.is_empty() || letter.ends_with(b"\r\n"));
}
