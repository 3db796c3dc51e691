//! Raw DEFLATE (RFC 1951) in both directions, piece by piece.
//!
//! Invariants: no call makes more than [`PIECE_BYTES`], whatever it is given; what
//! a [`Deflater`] has taken can be read by the other side at once; what an
//! [`Inflater`] gives is paid for by what came, beyond an allowance: see
//! [`INFLATION_MAX`].

use miniz_oxide::deflate::core::CompressorOxide;
use miniz_oxide::deflate::stream::deflate;
use miniz_oxide::inflate::stream::{InflateState, inflate};
use miniz_oxide::{DataFormat, MZError, MZFlush, MZStatus};

/// Bytes that come of one step.
pub const PIECE_BYTES: usize = 16 * 1024;

/// Bytes of commands that one byte may inflate to. Commands of real clients shrink
/// to a tenth; DEFLATE goes to 1032. A letter's bytes don't count: they have limits
/// of their own, and a letter of zeros is a letter.
pub const INFLATION_MAX: u64 = 64;

/// Bytes of commands that may come of nothing: one command as long as any may be.
pub const INFLATION_ALLOWANCE_BYTES: u64 =
    (wire::limits::LINE_BYTES_MAX + wire::limits::LITERALS_BYTES_MAX) as u64;

/// How hard we try, from 1 to 9. What is worth compressing (envelopes, headers,
/// text) shrinks nearly as well as at 9, in a third of the time.
const LEVEL: u8 = 3;

/// Why a client's bytes can't be inflated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Undeflatable {
    /// They are not DEFLATE.
    Garbled,
    /// They end, by their own word, and something follows.
    Ended,
    /// They inflate to more than any client's commands do.
    Bomb,
}

/// What we say, made smaller.
pub struct Deflater(Box<CompressorOxide>);

impl Default for Deflater {
    fn default() -> Self {
        let mut compressor = Box::<CompressorOxide>::default();
        compressor.set_format_and_level(DataFormat::Raw, LEVEL);
        Self(compressor)
    }
}

/// What one step has taken, and what came of it.
#[derive(Debug, PartialEq, Eq)]
pub struct Step {
    /// Bytes of the input that are used up.
    pub used: usize,
    /// At most [`PIECE_BYTES`].
    pub bytes: Vec<u8>,
    /// Nothing more comes of the same input.
    pub is_last: bool,
}

impl Deflater {
    /// The next piece. With the last all of the input can be read by the other
    /// side.
    pub fn step(&mut self, input: &[u8]) -> Step {
        let mut bytes = vec![0; PIECE_BYTES];
        let made = deflate(&mut self.0, input, &mut bytes, MZFlush::Sync);
        bytes.truncate(made.bytes_written);
        Step {
            used: made.bytes_consumed,
            is_last: made.bytes_written < PIECE_BYTES,
            bytes,
        }
    }
}

/// What the client says, made legible.
pub struct Inflater {
    state: Box<InflateState>,
    /// The last step has filled its piece, so more may be ready.
    has_more: bool,
    has_ended: bool,
    /// Bytes that may still come.
    allowance: u64,
}

impl Default for Inflater {
    fn default() -> Self {
        Self {
            state: InflateState::new_boxed(DataFormat::Raw),
            has_more: false,
            has_ended: false,
            allowance: INFLATION_ALLOWANCE_BYTES,
        }
    }
}

impl Inflater {
    /// Bytes turned out to be a letter's, and need not be paid for.
    pub fn excuse(&mut self, bytes: usize) {
        self.allow(bytes as u64);
    }

    /// The next piece of the input, which it takes from its front: perhaps an empty
    /// one. None if more must come first.
    ///
    /// # Errors
    /// [`Undeflatable`]; what follows is lost.
    pub fn advance(&mut self, rest: &mut &[u8]) -> Result<Option<Vec<u8>>, Undeflatable> {
        if rest.is_empty() && !self.has_more {
            return Ok(None);
        }
        let step = self.step(rest)?;
        *rest = rest.get(step.used..).unwrap_or_default();
        Ok(Some(step.bytes))
    }

    fn step(&mut self, input: &[u8]) -> Result<Step, Undeflatable> {
        if self.has_ended {
            return Err(Undeflatable::Ended);
        }
        let mut bytes = vec![0; PIECE_BYTES];
        let made = inflate(&mut self.state, input, &mut bytes, MZFlush::None);
        self.has_ended = match made.status {
            Ok(MZStatus::StreamEnd) => true,
            Ok(MZStatus::Ok) | Err(MZError::Buf) => false,
            _ => return Err(Undeflatable::Garbled),
        };
        if made.bytes_consumed == 0 && made.bytes_written == 0 && !input.is_empty() {
            // Who goes on with what doesn't shrink never ends.
            return Err(Undeflatable::Garbled);
        }
        bytes.truncate(made.bytes_written);
        self.has_more = made.bytes_written == PIECE_BYTES;
        self.allow((made.bytes_consumed as u64).saturating_mul(INFLATION_MAX));
        let left = self.allowance.checked_sub(made.bytes_written as u64);
        self.allowance = left.ok_or(Undeflatable::Bomb)?;
        Ok(Step {
            used: made.bytes_consumed,
            is_last: !self.has_more,
            bytes,
        })
    }

    /// What is not used can be kept for later, up to a bound.
    fn allow(&mut self, bytes: u64) {
        let most = INFLATION_ALLOWANCE_BYTES.saturating_mul(2);
        self.allowance = self.allowance.saturating_add(bytes).min(most);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn deflated(deflater: &mut Deflater, text: &[u8]) -> Vec<u8> {
        let (mut out, mut rest) = (Vec::new(), text);
        loop {
            let step = deflater.step(rest);
            rest = &rest[step.used..];
            assert!(step.bytes.len() <= PIECE_BYTES);
            out.extend(step.bytes);
            if step.is_last {
                assert!(rest.is_empty());
                return out;
            }
        }
    }

    /// All that comes of pieces; every byte is excused, as a letter's would be.
    fn inflated(inflater: &mut Inflater, pieces: &[&[u8]]) -> Result<Vec<u8>, Undeflatable> {
        let mut out = Vec::new();
        for piece in pieces {
            let mut rest = *piece;
            while let Some(piece) = inflater.advance(&mut rest)? {
                inflater.excuse(piece.len());
                out.extend(piece);
            }
        }
        Ok(out)
    }

    proptest! {
        #[test]
        fn what_is_said_is_read_at_once_however_it_is_cut(
            texts in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..3000), 1..6),
            repeated in 1usize..40,
            size in 1usize..5000,
        ) {
            let (mut deflater, mut inflater) = (Deflater::default(), Inflater::default());
            for text in texts {
                let text = text.repeat(repeated);
                let wire = deflated(&mut deflater, &text);
                let pieces: Vec<&[u8]> = wire.chunks(size).collect();
                prop_assert!(inflated(&mut inflater, &pieces) == Ok(text));
            }
        }

        #[test]
        fn any_bytes_are_inflated_or_refused_in_bounded_pieces(hostile: Vec<u8>) {
            let mut inflater = Inflater::default();
            let mut rest = hostile.as_slice();
            while let Ok(Some(piece)) = inflater.advance(&mut rest) {
                prop_assert!(piece.len() <= PIECE_BYTES);
            }
        }
    }

    /// A session that has been idle has forgotten what it said before; the other
    /// side need not know.
    #[test]
    fn another_deflater_can_go_on_where_one_has_stopped() {
        let mut inflater = Inflater::default();
        for text in ["* OK still here\r\n", "* OK still here\r\n"] {
            let wire = deflated(&mut Deflater::default(), text.as_bytes());
            assert_eq!(
                inflated(&mut inflater, &[&wire]),
                Ok(text.as_bytes().to_vec())
            );
        }
    }

    #[test]
    fn a_bomb_costs_a_bounded_lot_before_it_is_refused() {
        let wire = deflated(&mut Deflater::default(), &b"\r\n".repeat(8 << 20));
        assert!(wire.len() < 20_000, "{}", wire.len());
        let (mut inflater, mut rest, mut came) = (Inflater::default(), wire.as_slice(), 0_u64);
        let why = loop {
            match inflater.advance(&mut rest) {
                Ok(piece) => came += piece.expect("not at the end").len() as u64,
                Err(why) => break why,
            }
        };
        assert_eq!(why, Undeflatable::Bomb);
        let paid = (wire.len() - rest.len()) as u64 * INFLATION_MAX;
        assert!(came <= INFLATION_ALLOWANCE_BYTES + paid, "{came} of {paid}");
        assert!(came < 2 << 20, "{came}");
    }

    #[test]
    fn what_is_not_deflate_is_refused() {
        assert_eq!(
            inflated(&mut Inflater::default(), &[b"a NOOP\r\n"]),
            Err(Undeflatable::Garbled)
        );
    }

    #[test]
    fn behind_its_own_end_nothing_is_read() {
        let mut inflater = Inflater::default();
        let end = [0x03, 0x00];
        assert_eq!(inflated(&mut inflater, &[&end]), Ok(vec![]));
        assert_eq!(inflated(&mut inflater, &[b"x"]), Err(Undeflatable::Ended));
    }

    /// docs/protocols.md says 312 KiB and 42 KiB, as counted by an allocator for these
    /// layouts: 64 KiB of the first lie in the value itself. Others want another count.
    #[test]
    fn a_compressed_session_holds_what_is_written_of_it() {
        assert_eq!(size_of::<CompressorOxide>() >> 10, 64);
        assert_eq!(size_of::<InflateState>() >> 10, 42);
    }
}
