//! HEADER.FIELDS and HEADER.FIELDS.NOT (RFC 9051 §6.4.5), streaming.

use std::collections::BTreeSet;

use memchr::memchr;

use crate::limits::FIELD_NAME_BYTES_MAX;

/// Which fields pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// HEADER.FIELDS.
    Listed,
    /// HEADER.FIELDS.NOT.
    Unlisted,
}

/// Passes the chosen fields of a header section on, byte for byte, and the
/// empty line behind them if the section has one. Holds at most one field name.
pub struct FieldFilter {
    names: BTreeSet<Vec<u8>>,
    keep: Keep,
    state: State,
    /// Whether the field that is being read passes.
    passes: bool,
}

/// Where the next byte stands.
enum State {
    /// At the beginning of a line, with what came of it so far.
    Name(Vec<u8>),
    /// In the rest of a line.
    Line,
    /// Behind the empty line.
    Over,
}

impl FieldFilter {
    /// A filter for these names, whatever their case.
    pub fn new(names: Vec<Vec<u8>>, keep: Keep) -> Self {
        let names = names.iter().map(|name| name.to_ascii_lowercase()).collect();
        Self {
            names,
            keep,
            state: State::Name(Vec::new()),
            passes: keep == Keep::Unlisted,
        }
    }

    /// Takes the next bytes of the section and appends what passes to `out`.
    pub fn push(&mut self, piece: &[u8], out: &mut Vec<u8>) {
        let mut rest = piece;
        while !rest.is_empty() {
            rest = match std::mem::replace(&mut self.state, State::Over) {
                State::Name(begun) => self.name(begun, rest, out),
                State::Line => self.line(rest, out),
                State::Over => return,
            };
        }
    }

    /// The section has ended: what was undecided is decided.
    pub fn finish(mut self, out: &mut Vec<u8>) {
        if let State::Name(begun) = std::mem::replace(&mut self.state, State::Over) {
            if !begun.is_empty() {
                self.decide(b"");
            }
            self.pass(&begun, out);
        }
    }

    /// Reads on to the byte that decides about the line; it belongs to `begun`
    /// then.
    fn name<'a>(&mut self, mut begun: Vec<u8>, piece: &'a [u8], out: &mut Vec<u8>) -> &'a [u8] {
        let (text, rest) = piece.split_at(undecided_bytes(&begun, piece));
        begun.extend_from_slice(text);
        let Some((decider, behind)) = rest.split_first() else {
            self.state = State::Name(begun);
            return rest;
        };
        match decider {
            b'\n' if matches!(&*begun, b"" | b"\r") => {
                out.extend_from_slice(&begun);
                out.push(b'\n');
                self.state = State::Over;
                return behind;
            }
            b' ' | b'\t' if begun.is_empty() => {}
            // A line without a colon is a field without a name.
            b'\n' => self.decide(b""),
            _ => self.decide(&begun),
        }
        self.pass(&begun, out);
        self.state = State::Line;
        rest
    }

    /// Passes the rest of a line on, or drops it.
    fn line<'a>(&mut self, piece: &'a [u8], out: &mut Vec<u8>) -> &'a [u8] {
        let (feed, next) = match memchr(b'\n', piece) {
            Some(feed) => (feed.saturating_add(1), State::Name(Vec::new())),
            None => (piece.len(), State::Line),
        };
        let (text, rest) = piece.split_at(feed);
        self.pass(text, out);
        self.state = next;
        rest
    }

    fn decide(&mut self, name: &[u8]) {
        let name = name.trim_ascii_end().to_ascii_lowercase();
        self.passes = self.names.contains(&name) == (self.keep == Keep::Listed);
    }

    fn pass(&self, text: &[u8], out: &mut Vec<u8>) {
        if self.passes {
            out.extend_from_slice(text);
        }
    }
}

/// How many of the next bytes leave open what becomes of the line.
fn undecided_bytes(begun: &[u8], piece: &[u8]) -> usize {
    let folded = |byte: &u8| begun.is_empty() && matches!(byte, b' ' | b'\t');
    if piece.first().is_some_and(folded) {
        return 0;
    }
    let room = FIELD_NAME_BYTES_MAX.saturating_sub(begun.len());
    let name = piece.iter().take(room);
    name.take_while(|byte| !matches!(byte, b':' | b'\n'))
        .count()
}

/// Appends what a [`FieldFilter`] for these names would pass of a whole section. Nothing
/// is allocated but what that takes. The names must be in lower case, none empty.
pub fn choose(section: &[u8], names: &[Vec<u8>], out: &mut Vec<u8>) {
    let mut rest = section;
    let mut passes = false;
    while !rest.is_empty() {
        let end = memchr(b'\n', rest).map_or(rest.len(), |feed| feed.saturating_add(1));
        let (line, behind) = rest.split_at(end);
        match line {
            b"\n" | b"\r\n" => return out.extend_from_slice(line),
            [b' ' | b'\t', ..] => {}
            _ => passes = is_one_of(names, name_of(line)),
        }
        if passes {
            out.extend_from_slice(line);
        }
        rest = behind;
    }
}

/// The name of the field that a line begins; empty without a colon. No more than
/// [`FIELD_NAME_BYTES_MAX`] bytes are looked at.
fn name_of(line: &[u8]) -> &[u8] {
    let looked_at = line.get(..FIELD_NAME_BYTES_MAX).unwrap_or(line);
    let is_decided = line.get(FIELD_NAME_BYTES_MAX);
    let name = match memchr(b':', looked_at) {
        Some(colon) => looked_at.get(..colon),
        None => is_decided.filter(|byte| **byte != b'\n').map(|_| looked_at),
    };
    name.unwrap_or_default().trim_ascii_end()
}

fn is_one_of(names: &[Vec<u8>], name: &[u8]) -> bool {
    let is = |known: &Vec<u8>| known.eq_ignore_ascii_case(name);
    names.iter().any(is)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn filter(section: &[u8], names: &[&str], keep: Keep) -> Vec<u8> {
        pieces(&[section], names, keep)
    }

    fn pieces(pieces: &[&[u8]], names: &[&str], keep: Keep) -> Vec<u8> {
        let names = names.iter().map(|name| name.as_bytes().to_vec()).collect();
        let mut filter = FieldFilter::new(names, keep);
        let mut out = Vec::new();
        for piece in pieces {
            filter.push(piece, &mut out);
        }
        filter.finish(&mut out);
        out
    }

    const SECTION: &[u8] =
        b"Subject: x\r\n y\r\nFrom: a@b\r\nBad line\r\nX-Y : z\r\n\r\nSubject: no";

    #[test]
    fn listed_fields_pass_as_they_came_with_the_empty_line() {
        let got = filter(SECTION, &["SUBJECT", "x-y"], Keep::Listed);
        assert_eq!(got, b"Subject: x\r\n y\r\nX-Y : z\r\n\r\n");
    }

    #[test]
    fn unlisted_fields_pass_and_so_does_a_line_without_a_colon() {
        let got = filter(SECTION, &["subject", "x-y"], Keep::Unlisted);
        assert_eq!(got, b"From: a@b\r\nBad line\r\n\r\n");
    }

    #[test]
    fn a_line_without_a_colon_is_in_no_list() {
        let section = b"Subject\r\n : split\r\nFrom: a\r\n\r\n";
        assert_eq!(filter(section, &["subject"], Keep::Listed), b"\r\n");
        assert_eq!(filter(section, &["subject"], Keep::Unlisted), section);
        assert_eq!(filter(b"Subject", &["subject"], Keep::Listed), b"");
    }

    #[test]
    fn the_empty_line_passes_when_no_field_does() {
        assert_eq!(filter(SECTION, &["none"], Keep::Listed), b"\r\n");
        assert_eq!(filter(b"A: b\n\nx", &["none"], Keep::Listed), b"\n");
    }

    #[test]
    fn a_section_without_an_empty_line_gets_none() {
        // RFC 9051 §6.4.5: "except in the case of a message that has no body and
        // no blank line".
        assert_eq!(filter(b"A: b\r\nC: d", &["c"], Keep::Listed), b"C: d");
        assert_eq!(filter(b"A: b\r\nC", &["c"], Keep::Unlisted), b"A: b\r\nC");
    }

    #[test]
    fn a_name_of_a_megabyte_is_not_held() {
        let mut filter = FieldFilter::new(vec![b"a".to_vec()], Keep::Listed);
        let mut out = Vec::new();
        for _ in 0..1000 {
            filter.push(&[b'a'; 1000], &mut out);
        }
        assert!(matches!(filter.state, State::Line));
        assert_eq!(out, b"");
    }

    /// Names and lines around the most that a name may have.
    fn lines() -> impl Strategy<Value = String> {
        let names = prop::sample::select(vec!["a", "A", "b", "ab", "", " a", "\ra", "\r"]);
        let room = prop::sample::select(vec![0, 0, 0, 1, 995, 996, 997, 998]);
        let ends = prop::sample::select(vec![": x\r\n", ":\n", "\n", "\r\n", "x:\n", ":", ""]);
        (names, room, ends).prop_map(|(name, room, end)| format!("{name}{}{end}", " ".repeat(room)))
    }

    proptest! {
        #[test]
        fn what_is_chosen_at_once_is_what_the_filter_passes(
            lines in prop::collection::vec(lines(), 0..6),
        ) {
            let section = lines.concat().into_bytes();
            let mut chosen = Vec::new();
            choose(&section, &[b"a".to_vec(), b"ab".to_vec()], &mut chosen);
            prop_assert_eq!(chosen, filter(&section, &["a", "AB"], Keep::Listed));
        }

        #[test]
        fn listed_and_unlisted_share_the_fields_out(
            section in prop::collection::vec(prop::sample::select(&b"ab: \t\r\n"[..]), 0..40),
            cut in 0_usize..40,
        ) {
            let (left, right) = section.split_at(cut.min(section.len()));
            let both = [Keep::Listed, Keep::Unlisted].map(|keep| {
                let whole = filter(&section, &["a"], keep);
                prop_assert_eq!(&whole, &pieces(&[left, right], &["a"], keep));
                Ok(whole)
            });
            let fields: Vec<_> = crate::header::fields(&section).collect();
            let listed = |wanted: bool| -> Vec<u8> {
                let chosen = fields.iter().filter(|field| (field.name == b"a") == wanted);
                chosen.flat_map(|field| field.raw.to_vec()).collect()
            };
            for (got, wanted) in both.into_iter().zip([true, false]) {
                prop_assert!(got?.starts_with(&listed(wanted)));
            }
        }
    }
}
