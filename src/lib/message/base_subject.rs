//! What is left of a Subject when every sign of a reply or of forwarding is taken away:
//! the base subject, by which messages are sorted and threaded (RFC 5256 §2.1).
//!
//! Invariant: however a subject is made, the work grows with its length and no more.

/// `subj-fwd-trl`
const FORWARDED_END: char = ']';

/// A base subject.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaseSubject<'s> {
    /// The text; empty if nothing else was there.
    pub text: &'s str,
    /// Whether something was taken away that makes the message a reply or a forwarded
    /// one.
    pub is_reply_or_forward: bool,
}

/// A subject in one line: tabs and line ends are spaces, and several are one (step 1).
/// It is given decoded.
#[must_use]
pub fn unfolded(subject: &str) -> String {
    let mut line = String::with_capacity(subject.len());
    for letter in subject.chars() {
        let letter = match letter {
            '\t' | '\r' | '\n' => ' ',
            other => other,
        };
        if letter != ' ' || !line.ends_with(' ') {
            line.push(letter);
        }
    }
    line
}

impl<'s> BaseSubject<'s> {
    /// Of a subject in one line ([`unfolded`]): steps 2 to 6.
    #[must_use]
    pub fn of(line: &'s str) -> Self {
        let mut base = Self {
            text: line,
            is_reply_or_forward: false,
        };
        loop {
            base.cut_trailers();
            base.cut_leaders();
            match forwarded(base.text) {
                Some(within) => base.marked(within),
                None => return base,
            }
        }
    }

    fn marked(&mut self, rest: &'s str) {
        self.text = rest;
        self.is_reply_or_forward = true;
    }

    /// `subj-trailer = "(fwd)" / WSP`
    fn cut_trailers(&mut self) {
        loop {
            self.text = self.text.trim_end_matches(' ');
            match strip_end(self.text, "(fwd)") {
                Some(rest) => self.marked(rest),
                None => return,
            }
        }
    }

    /// `subj-leader = (*subj-blob subj-refwd) / WSP`, and each `subj-blob` that leaves
    /// something (steps 3 to 5). What stands behind the last blob decides for all of
    /// them, so that they are walked over once.
    fn cut_leaders(&mut self) {
        loop {
            self.text = self.text.trim_start_matches(' ');
            let (last, rest) = behind_blobs(self.text);
            if let Some(rest) = behind_reply(rest) {
                self.marked(rest);
                continue;
            }
            self.text = match rest.is_empty() {
                true => last,
                false => rest,
            };
            return;
        }
    }
}

/// What stands behind all `subj-blob`s at the beginning, and the same with the last of
/// them.
fn behind_blobs(text: &str) -> (&str, &str) {
    let (mut last, mut rest) = (text, text);
    while let Some(behind) = behind_blob(rest) {
        (last, rest) = (rest, behind);
    }
    (last, rest)
}

/// `subj-blob = "[" *BLOBCHAR "]" *WSP`
fn behind_blob(text: &str) -> Option<&str> {
    let within = text.strip_prefix('[')?;
    let end = within.find(['[', ']'])?;
    let behind = within.get(end..)?.strip_prefix(']')?;
    Some(behind.trim_start_matches(' '))
}

/// `subj-refwd = ("re" / ("fw" ["d"])) *WSP [subj-blob] ":"`
fn behind_reply(text: &str) -> Option<&str> {
    let words = ["re", "fwd", "fw"];
    let rest = words.iter().find_map(|word| strip_start(text, word))?;
    let rest = rest.trim_start_matches(' ');
    let rest = behind_blob(rest).unwrap_or(rest);
    rest.strip_prefix(':')
}

/// `subj-fwd = subj-fwd-hdr subject subj-fwd-trl`
fn forwarded(text: &str) -> Option<&str> {
    strip_start(text, "[fwd:")?.strip_suffix(FORWARDED_END)
}

fn strip_start<'s>(text: &'s str, start: &str) -> Option<&'s str> {
    let (head, rest) = text.split_at_checked(start.len())?;
    head.eq_ignore_ascii_case(start).then_some(rest)
}

fn strip_end<'s>(text: &'s str, end: &str) -> Option<&'s str> {
    let (rest, tail) = text.split_at_checked(text.len().checked_sub(end.len())?)?;
    tail.eq_ignore_ascii_case(end).then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn base(subject: &str) -> (String, bool) {
        let line = unfolded(subject);
        let base = BaseSubject::of(&line);
        (base.text.to_owned(), base.is_reply_or_forward)
    }

    #[test]
    fn signs_of_replies_and_forwarding_go_and_nothing_else() {
        for (subject, text, marked) in [
            ("blah", "blah", false),
            ("Re: blah", "blah", true),
            ("re:re : RE [4] :  blah", "blah", true),
            ("Fw: blah (fwd) (FWD) ", "blah", true),
            ("fwd[x]: [list] blah", "blah", true),
            ("[list] Re: [list] [other] blah", "blah", true),
            ("[list] blah", "blah", false),
            ("[list]", "[list]", false),
            ("[a] [b] ", "[b]", false),
            ("[Fwd: Re: [x] blah]", "blah", true),
            ("Re: [Fwd: [Fwd: blah] (fwd)]", "blah", true),
            ("reply: blah", "reply: blah", false),
            ("re blah", "re blah", false),
            ("Re:", "", true),
            ("\t a\r\n  b ", "a b", false),
            ("Re: \u{e4}(fwd)", "\u{e4}", true),
            ("", "", false),
        ] {
            assert_eq!(base(subject), (text.to_owned(), marked), "{subject:?}");
        }
    }

    /// The steps of the RFC, one by one and again from the beginning.
    fn by_the_letter(line: &str) -> String {
        let mut text = line.to_owned();
        loop {
            let before = text.clone();
            text = text.trim_end_matches(' ').to_owned();
            if let Some(rest) = strip_end(&text, "(fwd)") {
                text = rest.to_owned();
                continue;
            }
            text = text.trim_start_matches(' ').to_owned();
            let leader = behind_reply(behind_blobs(&text).1);
            let blob = behind_blob(&text).filter(|rest| !rest.is_empty());
            if let Some(rest) = leader.or(blob).or_else(|| forwarded(&text)) {
                text = rest.to_owned();
            }
            if text == before {
                return text;
            }
        }
    }

    proptest! {
        #[test]
        fn it_is_what_the_steps_of_the_rfc_come_to(
            parts in prop::collection::vec(
                prop::sample::select(vec![
                    "re", "Fw", "fwd", ":", " ", "[", "]", "[x]", "[fwd:", "(fwd)", "a", "\u{e4}",
                ]), 0..14),
        ) {
            let line = unfolded(&parts.concat());
            prop_assert_eq!(BaseSubject::of(&line).text, by_the_letter(&line));
        }

        #[test]
        fn a_base_subject_is_its_own(parts in "(re:|\\[x\\]|fw |a|\\(fwd\\)|\\[fwd:|\\]| ){0,12}") {
            let (text, _) = base(&parts);
            prop_assert_eq!(base(&text), (text.clone(), false));
        }
    }
}
