//! Any bytes from a user: the same events however they are cut, every command
//! readable again as it is written, answers of one line.

use wire::imap::{Dialect, Event, Reader, Request, encode_command, response};

use crate::{assert_one_line, pieces};

const DIALECTS: [Dialect; 3] = [Dialect::Rev1, Dialect::Rev2, Dialect::Utf8];

/// One input. The second byte chooses the dialect.
pub fn run(data: &[u8]) {
    let (size, data) = pieces(data);
    let (dialect, sent) = match data.split_first() {
        Some((first, sent)) => (DIALECTS[usize::from(*first) % DIALECTS.len()], sent),
        None => return,
    };
    let whole = transcript(sent, sent.len().max(1), dialect);
    assert_eq!(whole, transcript(sent, size, dialect));
}

fn transcript(sent: &[u8], size: usize, dialect: Dialect) -> Vec<String> {
    let mut reader = Reader::new(1 << 20);
    reader.set_dialect(dialect);
    let mut said = Vec::new();
    let mut letter = Vec::new();
    for mut input in sent.chunks(size) {
        while let Some(event) = reader.advance(&mut input) {
            match event {
                Event::AppendBytes(bytes) => letter.extend_from_slice(bytes),
                Event::AppendEnd => said.push(format!("{:?}", std::mem::take(&mut letter))),
                other => said.push(line(&other, dialect)),
            }
        }
        assert!(input.is_empty());
    }
    said
}

fn line(event: &Event<'_>, dialect: Dialect) -> String {
    match event {
        Event::Request(request) => assert_round_trip(request, dialect),
        Event::Bad { tag, why, .. } => {
            let mut out = Vec::new();
            response::refused(&mut out, tag.as_ref(), why);
            assert_one_line(&out);
        }
        _ => (),
    }
    format!("{event:?}")
}

fn assert_round_trip(request: &Request, dialect: Dialect) {
    let mut out = Vec::new();
    encode_command(&mut out, request, dialect);
    let mut reader = Reader::new(0);
    reader.set_dialect(dialect);
    let mut input = out.as_slice();
    let read = std::iter::from_fn(|| reader.advance(&mut input)).find_map(|event| match event {
        Event::Continue => None,
        Event::Request(request) => Some(Ok(request)),
        other => Some(Err(format!("{other:?}"))),
    });
    assert_eq!(
        read,
        Some(Ok(request.clone())),
        "{}",
        String::from_utf8_lossy(&out)
    );
}
