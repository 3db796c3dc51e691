//! A letter behind DATA: dots taken off, line ends judged, its end found.
//!
//! Pieces point into the caller's input; nothing is held but the place in the
//! line. Only `CRLF.CRLF` ends a letter (RFC 5321, section 4.1.1.4).

/// A line end that isn't CRLF. The letter is refused, and none of it that comes
/// later is handed out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LineFault {
    /// A CR that no LF follows.
    BareCarriageReturn,
    /// An LF that follows no CR.
    BareLineFeed,
}

/// What became of some input.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece<'i> {
    /// Bytes of the letter; never empty.
    Bytes(&'i [u8]),
    /// The letter ended.
    End(Result<(), LineFault>),
}

/// Where in a letter we are.
#[derive(Debug)]
pub(super) struct Letter {
    place: Place,
    fault: Option<LineFault>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Behind CRLF, or at the beginning.
    LineStart,
    /// Behind a dot at the start of a line.
    Dot,
    /// Behind that and a CR.
    DotCr,
    /// Within a line.
    Text,
    /// Behind a CR within a line, which is held back.
    Cr,
}

impl Letter {
    pub(super) fn new() -> Self {
        Self {
            place: Place::LineStart,
            fault: None,
        }
    }

    /// Consumes `input` up to the next piece; `None` when it needs more.
    pub(super) fn advance<'i>(&mut self, input: &mut &'i [u8]) -> Option<Piece<'i>> {
        loop {
            let next = *input.first()?;
            match (self.place, next) {
                (Place::LineStart, b'.') => self.step_over(input, Place::Dot),
                (Place::Dot, b'\r') => self.step_over(input, Place::DotCr),
                (Place::DotCr, b'\n') => {
                    self.step_over(input, Place::LineStart);
                    return Some(Piece::End(self.fault.map_or(Ok(()), Err)));
                }
                (Place::Cr, b'\n') => {
                    self.step_over(input, Place::LineStart);
                    if self.fault.is_none() {
                        return Some(Piece::Bytes(b"\r\n"));
                    }
                }
                (Place::DotCr | Place::Cr, _) => self.refuse(LineFault::BareCarriageReturn),
                (Place::LineStart | Place::Dot | Place::Text, _) => {
                    let bytes = self.take_text(input);
                    if self.fault.is_none() && !bytes.is_empty() {
                        return Some(Piece::Bytes(bytes));
                    }
                }
            }
        }
    }

    fn step_over(&mut self, input: &mut &[u8], place: Place) {
        *input = input.get(1..).unwrap_or_default();
        self.place = place;
    }

    fn refuse(&mut self, fault: LineFault) {
        self.fault = self.fault.or(Some(fault));
        self.place = Place::Text;
    }

    /// Takes whole lines and the beginning of the next, up to where a dot may
    /// have to come off, a CR may be half a line end, or a fault stands.
    fn take_text<'i>(&mut self, input: &mut &'i [u8]) -> &'i [u8] {
        let mut end = 0;
        self.place = Place::Text;
        let stop = loop {
            let rest = input.get(end..).unwrap_or_default();
            let Some(at) = memchr::memchr2(b'\r', b'\n', rest) else {
                break input.len();
            };
            match rest.get(at..).unwrap_or_default() {
                [b'\r', b'\n', b'.', ..] | [b'\r', b'\n'] => {
                    self.place = Place::LineStart;
                    break end.saturating_add(at).saturating_add(2);
                }
                [b'\r', b'\n', ..] => end = end.saturating_add(at).saturating_add(2),
                [b'\r'] => {
                    self.place = Place::Cr;
                    break end.saturating_add(at);
                }
                fault => {
                    self.refuse(fault_at(fault));
                    break end.saturating_add(at).saturating_add(1);
                }
            }
        };
        let (taken, rest) = input.split_at_checked(stop).unwrap_or((input, &[]));
        *input = match self.place {
            Place::Cr => &[],
            _ => rest,
        };
        taken
    }
}

fn fault_at(bytes: &[u8]) -> LineFault {
    match bytes.first() {
        Some(b'\r') => LineFault::BareCarriageReturn,
        _ => LineFault::BareLineFeed,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::arithmetic_side_effects)]
    use super::*;
    use proptest::prelude::*;

    /// Feeds `sent` in pieces, and gives what came out: the letter, how it
    /// ended, and what is left behind its end.
    fn read(pieces: &[&[u8]]) -> (Vec<u8>, Option<Result<(), LineFault>>, Vec<u8>) {
        let mut letter = Letter::new();
        let mut said = Vec::new();
        let mut end = None;
        let mut left = Vec::new();
        for piece in pieces {
            let mut input = *piece;
            while end.is_none() {
                match letter.advance(&mut input) {
                    Some(Piece::Bytes(bytes)) => said.extend_from_slice(bytes),
                    Some(Piece::End(how)) => end = Some(how),
                    None => break,
                }
            }
            left.extend_from_slice(input);
        }
        (said, end, left)
    }

    fn whole(sent: &[u8]) -> (Vec<u8>, Option<Result<(), LineFault>>, Vec<u8>) {
        read(&[sent])
    }

    #[test]
    fn dots_come_off_and_the_end_is_found() {
        let known: [(&[u8], &[u8]); 6] = [
            (b"a\r\n..b\r\n.\r\n", b"a\r\n.b\r\n"),
            (b".\r\n", b""),
            (b"..\r\n.\r\n", b".\r\n"),
            (b".x\r\n.\r\n", b"x\r\n"),
            (b"\r\n.\r\n", b"\r\n"),
            (b"a.\r\nb\r\n.\r\n", b"a.\r\nb\r\n"),
        ];
        for (sent, letter) in known {
            assert_eq!(
                whole(sent),
                (letter.to_vec(), Some(Ok(())), vec![]),
                "{sent:?}"
            );
        }
    }

    #[test]
    fn what_stands_behind_the_end_stays_in_the_input() {
        assert_eq!(whole(b"a\r\n.\r\nRSET\r\n").2, b"RSET\r\n");
    }

    #[test]
    fn no_smuggled_end_ends_a_letter() {
        let endings: [&[u8]; 12] = [
            b"\n.\n",
            b"\n.\r\n",
            b"\r\n.\n",
            b"\r.\r\n",
            b"\r\n.\r",
            b"\r.\r",
            b"\n.\r",
            b"\r\n.\0\r\n",
            b"\r\n.\r\r\n",
            b"\r\r\n.\n",
            b"\r\n. \r\n",
            b"\r\n\0.\r\n",
        ];
        for ending in endings {
            let sent = [b"hello".as_slice(), ending, b"MAIL FROM:<evil@x>\r\n"].concat();
            let (_, end, _) = whole(&sent);
            assert_eq!(end, None, "{ending:?}");
        }
    }

    #[test]
    fn a_bare_cr_or_lf_anywhere_refuses_the_letter_at_its_strict_end() {
        let faulty: [(&[u8], LineFault); 8] = [
            (b"a\nb\r\n.\r\n", LineFault::BareLineFeed),
            (b"\n\r\n.\r\n", LineFault::BareLineFeed),
            (b"a\rb\r\n.\r\n", LineFault::BareCarriageReturn),
            (b".\rb\r\n.\r\n", LineFault::BareCarriageReturn),
            (b".\n\r\n.\r\n", LineFault::BareLineFeed),
            (b"a\r\r\n.\r\n", LineFault::BareCarriageReturn),
            (b"a\n\rb\r\n.\r\n", LineFault::BareLineFeed),
            (b"a\n.\n\r\n.\r\n", LineFault::BareLineFeed),
        ];
        for (sent, fault) in faulty {
            let (_, end, left) = whole(sent);
            assert_eq!((end, left), (Some(Err(fault)), vec![]), "{sent:?}");
        }
    }

    #[test]
    fn a_letter_without_its_end_never_ends() {
        for cut in 0.."hello\r\n.\r\n".len() {
            assert_eq!(whole(&b"hello\r\n.\r\n"[..cut]).1, None);
        }
    }

    /// The rules, one byte at a time.
    fn by_the_rules(sent: &[u8]) -> Option<(Vec<u8>, Result<(), LineFault>)> {
        let framed = [b"\r\n", sent].concat();
        let end = framed.windows(5).position(|five| five == b"\r\n.\r\n")?;
        let body = &framed[2.min(end + 2)..end + 2];
        let mut fault = None;
        let mut letter = Vec::new();
        for (at, byte) in body.iter().enumerate() {
            let before = if at > 0 { body[at - 1] } else { 0 };
            let behind = body.get(at + 1).copied().unwrap_or(0);
            match byte {
                b'\r' if behind != b'\n' => fault = fault.or(Some(LineFault::BareCarriageReturn)),
                b'\n' if before != b'\r' => fault = fault.or(Some(LineFault::BareLineFeed)),
                _ => (),
            }
            let starts_line = at == 0 || (before == b'\n' && at > 1 && body[at - 2] == b'\r');
            if !(*byte == b'.' && starts_line) {
                letter.push(*byte);
            }
        }
        Some((letter, fault.map_or(Ok(()), Err)))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4096))]

        #[test]
        fn reading_agrees_with_the_rules_however_it_is_cut(
            sent in proptest::collection::vec(proptest::sample::select(&b"a.\r\n"[..]), 0..14),
            crlfs in any::<bool>(),
            cut in 0..30_usize,
        ) {
            // Half of the letters are made of whole lines, or few would be good.
            let mut sent: Vec<u8> = sent;
            if crlfs {
                sent.retain(|byte| *byte != b'\r');
                sent = sent.iter().flat_map(|byte| if *byte == b'\n' { b"\r\n".to_vec() } else { vec![*byte] }).collect();
            }
            sent.extend_from_slice(b"\r\n.\r\n");
            let (first, second) = sent.split_at(cut.min(sent.len()));
            let (letter, end, left) = read(&[first, second]);
            let (wanted, how) = by_the_rules(&sent).unwrap();
            prop_assert_eq!(end, Some(how));
            if how.is_ok() {
                prop_assert_eq!(letter, wanted);
            }
            prop_assert!(sent.ends_with(&left));
            let bytes: Vec<&[u8]> = sent.chunks(1).collect();
            prop_assert_eq!(read(&bytes).1, end);
        }

        #[test]
        fn a_letter_that_is_stuffed_is_read_as_it_was(lines in proptest::collection::vec("[a.]{0,5}", 0..8)) {
            let letter: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
            let stuffed: String = lines.iter().map(|line| match line.starts_with('.') {
                true => format!(".{line}\r\n"),
                false => format!("{line}\r\n"),
            }).collect();
            let sent = format!("{stuffed}.\r\n");
            prop_assert_eq!(whole(sent.as_bytes()), (letter.into_bytes(), Some(Ok(())), vec![]));
        }
    }
}
