//! Any bytes as what a client says that has agreed to compress: the same however they
//! are cut, never more than what came pays for; and what we compress is read again.

#[path = "../src/worker/deflate.rs"]
mod deflate;

use crate::pieces;
use deflate::{
    Deflater, INFLATION_ALLOWANCE_BYTES, INFLATION_MAX, Inflater, PIECE_BYTES, Undeflatable,
};

/// One input.
pub fn run(data: &[u8]) {
    let (size, sent) = pieces(data);
    let mut inflater = Inflater::default();
    let whole = inflated(&mut inflater, sent, sent.len().max(1), false);
    let paid = (sent.len() as u64).saturating_mul(INFLATION_MAX);
    assert!(whole.0.len() as u64 <= INFLATION_ALLOWANCE_BYTES + paid);
    let cut = inflated(&mut Inflater::default(), sent, size, false);
    let both = whole.0.len().min(cut.0.len());
    assert_eq!(whole.0[..both], cut.0[..both]);
    assert_round_trip(sent, size);
}

/// All that comes of bytes in pieces, and why no more does. As a letter's, or as
/// those of commands.
fn inflated(
    inflater: &mut Inflater,
    sent: &[u8],
    size: usize,
    excused: bool,
) -> (Vec<u8>, Option<Undeflatable>) {
    let mut out = Vec::new();
    for mut rest in sent.chunks(size) {
        loop {
            match inflater.advance(&mut rest) {
                Ok(Some(piece)) => {
                    assert!(piece.len() <= PIECE_BYTES);
                    if excused {
                        inflater.excuse(piece.len());
                    }
                    out.extend(piece);
                }
                Ok(None) => break,
                Err(why) => return (out, Some(why)),
            }
        }
    }
    (out, None)
}

fn assert_round_trip(said: &[u8], size: usize) {
    let mut deflater = Deflater::default();
    let (mut wire, mut rest) = (Vec::new(), said);
    loop {
        let step = deflater.step(rest);
        rest = &rest[step.used..];
        wire.extend(step.bytes);
        if step.is_last {
            break;
        }
    }
    let read = inflated(&mut Inflater::default(), &wire, size, true);
    assert_eq!(read, (said.to_vec(), None));
}
