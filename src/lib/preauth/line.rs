//! One line in bounds, however it arrives.
//!
//! A line ends in CRLF and holds neither NUL nor a lone CR. One that breaks this
//! is refused at its LF, so we stay in step with the client; one that doesn't end
//! in time is not waited for.

use std::fmt;

use crate::Secret;

/// What is wrong with a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It ended in LF without CR.
    LineFeedWithoutCarriageReturn,
    /// It has a CR that no LF follows.
    CarriageReturnWithoutLineFeed,
    /// It has a NUL.
    Nul,
}

/// What a [`Line`] has come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// The line is whole: read [`Line::bytes`], then [`Line::reset`].
    Whole,
    /// The line is refused; behind it begins another.
    Refused(Fault),
    /// It has no end within its bound: the connection must be closed.
    TooLong,
}

/// The bytes of one line.
pub struct Line {
    bytes: Secret,
    bytes_max: usize,
}

impl Line {
    /// An empty line of at most `bytes_max` bytes, its CRLF among them; nothing is
    /// allocated yet.
    #[must_use]
    pub fn new(bytes_max: usize) -> Self {
        Self {
            bytes: Secret::new(),
            bytes_max,
        }
    }

    /// What was collected; a whole line comes without its CRLF.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        self.bytes.expose()
    }

    /// Wipes what was collected and begins a new line.
    pub fn reset(&mut self) {
        self.bytes.wipe();
    }

    /// Moves bytes from `input` up to the end of the line; `None` asks for more.
    /// What stands behind the end stays in `input`.
    pub fn advance(&mut self, input: &mut &[u8]) -> Option<Step> {
        let piece = cut(input);
        let bytes = self.bytes().len().saturating_add(piece.len());
        if bytes > self.bytes_max {
            return Some(Step::TooLong);
        }
        self.bytes.append(piece);
        (piece.last() == Some(&b'\n')).then(|| match fault(self.bytes()) {
            Some(why) => Step::Refused(why),
            None => {
                self.bytes.truncate(bytes.saturating_sub(2));
                Step::Whole
            }
        })
    }
}

/// Cuts off up to the first LF, or all there is.
pub(crate) fn cut<'a>(input: &mut &'a [u8]) -> &'a [u8] {
    let end = memchr::memchr(b'\n', input).map_or(input.len(), |at| at.saturating_add(1));
    let (line, rest) = input.split_at(end);
    *input = rest;
    line
}

/// What is wrong with a line that ends in LF.
pub(crate) fn fault(line: &[u8]) -> Option<Fault> {
    let Some(line) = line.strip_suffix(b"\r\n") else {
        return Some(Fault::LineFeedWithoutCarriageReturn);
    };
    match memchr::memchr2(0, b'\r', line).and_then(|at| line.get(at)) {
        None => None,
        Some(0) => Some(Fault::Nul),
        Some(_) => Some(Fault::CarriageReturnWithoutLineFeed),
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::LineFeedWithoutCarriageReturn => "Lines must end in CRLF",
            Self::CarriageReturnWithoutLineFeed => "CR without LF",
            Self::Nul => "NUL in a command",
        })
    }
}

impl std::error::Error for Fault {}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const BYTES_MAX: usize = 8;

    /// Each line that comes of `pieces`, with what it has come to.
    fn lines<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> Vec<(Step, Vec<u8>)> {
        let mut line = Line::new(BYTES_MAX);
        let mut lines = Vec::new();
        for mut input in pieces {
            while let Some(step) = line.advance(&mut input) {
                lines.push((step, line.bytes().to_vec()));
                if step == Step::TooLong {
                    lines.last_mut().unwrap().1.clear();
                    return lines;
                }
                line.reset();
            }
            assert!(input.is_empty());
        }
        lines
    }

    #[test]
    fn a_line_of_just_its_bound_is_whole_and_one_more_is_too_long() {
        let whole = lines([b"123456\r\n".as_slice()].into_iter());
        assert_eq!(whole, [(Step::Whole, b"123456".to_vec())]);
        let long = lines([b"1234567\r\n".as_slice()].into_iter());
        assert_eq!(long, [(Step::TooLong, Vec::new())]);
        let endless = lines([b"123456789".as_slice()].into_iter());
        assert_eq!(endless, [(Step::TooLong, Vec::new())]);
    }

    #[test]
    fn a_refused_line_is_followed_by_the_next() {
        let sent = b"a\nb\rc\r\n\0\r\nd\r\n";
        let steps: Vec<Step> = lines([sent.as_slice()].into_iter())
            .into_iter()
            .map(|(step, _)| step)
            .collect();
        assert_eq!(
            steps,
            [
                Step::Refused(Fault::LineFeedWithoutCarriageReturn),
                Step::Refused(Fault::CarriageReturnWithoutLineFeed),
                Step::Refused(Fault::Nul),
                Step::Whole,
            ]
        );
    }

    proptest! {
        #[test]
        fn any_bytes_are_the_same_lines_however_they_are_cut(
            sent in proptest::collection::vec(proptest::sample::select(b"ab\r\n\0".to_vec()), 0..60),
            size in 1..9_usize,
        ) {
            prop_assert_eq!(lines(sent.chunks(size)), lines(sent.chunks(60)));
        }
    }
}
