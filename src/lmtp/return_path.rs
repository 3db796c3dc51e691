//! Takes the client's own Return-Path fields out of a letter.
//!
//! Whoever makes final delivery writes the one Return-Path that a letter may
//! have, and may take out what came before (RFC 5321, section 4.4). A field that
//! a stranger put there would be read as the envelope's by whoever trusts it. The
//! letter passes through in pieces; nothing else of it is looked at or changed.

use memchr::memchr;

/// What a letter passes through.
#[derive(Debug)]
pub struct Filter {
    place: Place,
    /// The beginning of a line, as long as it can be the name.
    held: Vec<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// At the beginning of a line that may be a field.
    LineStart,
    /// Within a line that stays.
    Kept,
    /// Within a line that goes.
    Dropped,
    /// At the beginning of a line behind one that goes.
    AfterDropped,
    /// Behind the header: all stays.
    Body,
}

const NAME: &[u8] = b"return-path";

/// `optional-field = field-name *WSP ":"`: blanks that the old grammar allows
/// (RFC 5322, section 4.5). More than this many are no field of anybody.
const BLANKS_MAX: usize = 64;

impl Default for Filter {
    fn default() -> Self {
        Self {
            place: Place::LineStart,
            held: Vec::new(),
        }
    }
}

impl Filter {
    /// Passes a piece of the letter on, through `keep`.
    ///
    /// # Errors
    /// As `keep`.
    pub fn pass<E>(
        &mut self,
        mut piece: &[u8],
        mut keep: impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        while let Some(first) = piece.first().copied() {
            piece = match self.place {
                Place::Body => return keep(piece),
                Place::Kept => {
                    let (line, rest) = to_line_end(piece);
                    self.leave_line(line, Place::LineStart);
                    keep(line)?;
                    rest
                }
                Place::Dropped => {
                    let (line, rest) = to_line_end(piece);
                    self.leave_line(line, Place::AfterDropped);
                    rest
                }
                Place::AfterDropped => {
                    let folded = first == b' ' || first == b'\t';
                    self.place = if folded {
                        Place::Dropped
                    } else {
                        Place::LineStart
                    };
                    piece
                }
                Place::LineStart => {
                    self.hold(first, &mut keep)?;
                    piece.get(1..).unwrap_or_default()
                }
            };
        }
        Ok(())
    }

    /// The letter is over: what is held was no name.
    ///
    /// # Errors
    /// As `keep`.
    pub fn finish<E>(self, mut keep: impl FnMut(&[u8]) -> Result<(), E>) -> Result<(), E> {
        keep(&self.held)
    }

    fn leave_line(&mut self, line: &[u8], next: Place) {
        if line.ends_with(b"\n") {
            self.place = next;
        }
    }

    /// One more byte of a line of which nothing is known yet.
    fn hold<E>(
        &mut self,
        byte: u8,
        keep: &mut impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        self.held.push(byte);
        self.place = match judge(&self.held) {
            None => return Ok(()),
            Some(place) => place,
        };
        let held = std::mem::take(&mut self.held);
        if self.place == Place::Dropped {
            Ok(())
        } else {
            keep(&held)
        }
    }
}

/// Where the beginning of a line leads; `None` as long as it may be the name.
fn judge(line: &[u8]) -> Option<Place> {
    let (name, blanks) = line.split_at(line.len().min(NAME.len()));
    if name.eq_ignore_ascii_case(NAME) {
        return judge_blanks(blanks);
    }
    match line {
        b"\r\n" => Some(Place::Body),
        b"\r" => None,
        _ if NAME
            .get(..name.len())
            .is_some_and(|part| part.eq_ignore_ascii_case(name)) =>
        {
            None
        }
        _ if line.ends_with(b"\n") => Some(Place::LineStart),
        _ => Some(Place::Kept),
    }
}

fn judge_blanks(blanks: &[u8]) -> Option<Place> {
    match blanks.last() {
        None => None,
        Some(b' ' | b'\t') if blanks.len() <= BLANKS_MAX => None,
        Some(b':') => Some(Place::Dropped),
        Some(b'\n') => Some(Place::LineStart),
        Some(_) => Some(Place::Kept),
    }
}

/// Up to and with the line feed, and the rest.
fn to_line_end(piece: &[u8]) -> (&[u8], &[u8]) {
    let end = memchr(b'\n', piece).map_or(piece.len(), |at| at.saturating_add(1));
    piece.split_at(end)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::convert::Infallible;

    fn filtered(pieces: &[&[u8]]) -> Vec<u8> {
        let mut filter = Filter::default();
        let mut kept = Vec::new();
        let mut keep = |bytes: &[u8]| -> Result<(), Infallible> {
            kept.extend_from_slice(bytes);
            Ok(())
        };
        for piece in pieces {
            filter.pass(piece, &mut keep).unwrap();
        }
        filter.finish(&mut keep).unwrap();
        kept
    }

    #[test]
    fn return_path_goes_wherever_it_stands_in_the_header_and_however_it_is_written() {
        let letters: [&[u8]; 6] = [
            b"Return-Path: <evil@x>\r\nSubject: a\r\n\r\nbody\r\n",
            b"Subject: a\r\nRETURN-PATH: <evil@x>\r\n\r\nbody\r\n",
            b"return-path  \t: <evil@x>\r\nSubject: a\r\n\r\nbody\r\n",
            b"Return-Path:\r\n <evil@x>\r\n\t(really)\r\nSubject: a\r\n\r\nbody\r\n",
            b"Return-Path: <a>\r\nReturn-Path: <b>\r\nSubject: a\r\n\r\nbody\r\n",
            b"Subject: a\r\nReturn-path: <b>\r\n\r\nbody\r\n",
        ];
        for letter in letters {
            let kept = filtered(&[letter]);
            assert_eq!(String::from_utf8_lossy(&kept), "Subject: a\r\n\r\nbody\r\n");
        }
    }

    #[test]
    fn everything_else_stays_as_it_is() {
        let letters: [&[u8]; 9] = [
            b"",
            b"\r\nReturn-Path: <in the body>\r\n",
            b"Subject: x\r\n Return-Path: <folded into another>\r\n\r\n",
            b"X-Return-Path: <x>\r\nReturn-Paths: <x>\r\nReturn-Pat: <x>\r\n\r\n",
            b"Return-Path\r\nReturn-Path x\r\n\r\n",
            b"Retur",
            b"Return-Path",
            b"no header at all",
            b"\r",
        ];
        for letter in letters {
            assert_eq!(filtered(&[letter]), letter);
        }
    }

    #[test]
    fn blanks_without_end_are_no_name_and_cost_no_memory() {
        let letter = [
            b"Return-Path".to_vec(),
            vec![b' '; 100_000],
            b": x\r\n\r\n".to_vec(),
        ]
        .concat();
        assert_eq!(filtered(&[&letter]), letter);
    }

    proptest! {
        #[test]
        fn a_letter_is_filtered_the_same_however_it_is_cut(
            words in prop::collection::vec(prop::sample::select(vec![
                "Return-Path", "return-path", ":", " ", "\r\n", "x", "Return", "-Path", "\t",
            ]), 0..25),
            size in 1..5_usize,
        ) {
            let letter = words.concat().into_bytes();
            let pieces: Vec<&[u8]> = letter.chunks(size).collect();
            prop_assert_eq!(filtered(&pieces), filtered(&[&letter]));
        }

        #[test]
        fn filtering_twice_changes_nothing_more(
            words in prop::collection::vec(prop::sample::select(vec![
                "Return-Path", ":", " ", "\r\n", "x",
            ]), 0..25),
        ) {
            let once = filtered(&[words.concat().as_bytes()]);
            prop_assert_eq!(filtered(&[&once]), once);
        }
    }
}
