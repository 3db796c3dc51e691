//! Any bytes from a user: the same commands however they are cut, each readable again
//! as it is written, answers of one line; and as a letter: an answer that ends once, at
//! its end, with the octets that it was said to have.

use message::downgrade::Downgrader;
use wire::pop3::{Command, Letter, Reader, Refusal, Top, encode_command, response};

use crate::{assert_one_line, pieces};

/// One input. The second byte says of how many lines TOP is, and its highest bit whether
/// the rest is a letter.
pub fn run(data: &[u8]) {
    let (size, data) = pieces(data);
    match data.split_first() {
        Some((first, letter)) if *first >= 128 => {
            let lines = u64::from(first % 8);
            let whole = rendered(letter, letter.len().max(1), lines);
            assert_eq!(whole, rendered(letter, size, lines));
        }
        Some((_, sent)) => {
            let whole = transcript(sent, sent.len().max(1));
            assert_eq!(whole, transcript(sent, size));
        }
        None => {}
    }
}

fn transcript(sent: &[u8], size: usize) -> Vec<Result<Command, Refusal>> {
    let mut reader = Reader::new();
    let mut said = Vec::new();
    for mut input in sent.chunks(size) {
        while let Some(read) = reader.advance(&mut input) {
            match &read {
                Ok(command) => assert_round_trip(command),
                Err(why) => {
                    let mut out = Vec::new();
                    response::refused(&mut out, *why);
                    assert_one_line(&out);
                }
            }
            said.push(read);
        }
        assert!(input.is_empty());
    }
    said
}

fn assert_round_trip(command: &Command) {
    let mut out = Vec::new();
    encode_command(&mut out, command);
    let mut input = out.as_slice();
    let read = Reader::new().advance(&mut input);
    assert_eq!(read.as_ref(), Some(&Ok(command.clone())));
    assert!(input.is_empty());
}

/// The letter as RETR sends it to a client that takes ASCII only, and to one that takes
/// UTF-8, and as TOP shows it to the latter.
fn rendered(letter: &[u8], size: usize, lines: u64) -> [Vec<u8>; 3] {
    let (mut downgrader, mut ascii) = (Downgrader::new(), Vec::new());
    let (mut top, mut shown) = (Top::new(lines), Vec::new());
    for piece in letter.chunks(size) {
        downgrader.push(piece, &mut ascii);
        shown.extend_from_slice(top.shown(piece));
    }
    downgrader.finish(&mut ascii);
    assert!(letter.starts_with(&shown));
    [answer(&ascii, size), answer(letter, size), answer(&shown, size)]
}

/// One answer, which ends nowhere but at its end.
fn answer(letter: &[u8], size: usize) -> Vec<u8> {
    let (mut lines, mut out) = (Letter::new(), b"+OK\r\n".to_vec());
    letter
        .chunks(size)
        .for_each(|piece| lines.push(piece, &mut out));
    lines.finish(&mut out);
    let first_end = out.windows(5).position(|it| it == b"\r\n.\r\n");
    assert_eq!(first_end, Some(out.len() - 5));
    let bare = out.iter().zip(&out[1..]);
    assert!(!bare.clone().any(|(before, byte)| *byte == b'\n' && *before != b'\r'));
    let dots = out.windows(4).filter(|it| *it == b"\r\n..").count();
    assert_eq!(lines.octets() as usize, out.len() - 5 - 3 - dots);
    out
}
