//! The lexical tokens of structured fields (RFC 5322 §3.2, RFC 2045 §5.1).
//!
//! Every byte is taken once and never looked at again, so that reading a field
//! is linear whatever it holds; comments nest by a counter, not by recursion.
//! What a stranger left open (a quote, a comment, a backslash) ends with the
//! field.

/// A field value that is read from left to right.
pub(crate) struct Lexer<'a> {
    rest: &'a [u8],
    comment: Vec<u8>,
    steps: u64,
}

impl<'a> Lexer<'a> {
    pub(crate) fn new(value: &'a [u8]) -> Self {
        Self {
            rest: value,
            comment: Vec::new(),
            steps: 0,
        }
    }

    /// Bytes taken and looked at so far: the measure of work.
    pub(crate) fn steps(&self) -> u64 {
        self.steps
    }

    pub(crate) fn peek(&mut self) -> Option<u8> {
        self.steps = self.steps.saturating_add(1);
        self.rest.first().copied()
    }

    pub(crate) fn bump(&mut self) -> Option<u8> {
        let (first, rest) = self.rest.split_first()?;
        self.steps = self.steps.saturating_add(1);
        self.rest = rest;
        Some(*first)
    }

    /// Takes the next byte if it is this one.
    pub(crate) fn take(&mut self, byte: u8) -> bool {
        self.peek() == Some(byte) && self.bump().is_some()
    }

    pub(crate) fn take_while(&mut self, wanted: impl Fn(u8) -> bool) -> &'a [u8] {
        let length = self.rest.iter().take_while(|byte| wanted(**byte)).count();
        let (taken, rest) = self.rest.split_at(length);
        self.steps = self.steps.saturating_add(length as u64);
        self.rest = rest;
        taken
    }

    /// `CFWS = (1*([FWS] comment) [FWS]) / FWS`: skips it, keeps the text of the
    /// last comment, and says whether there was any.
    pub(crate) fn cfws(&mut self) -> bool {
        let mut any = false;
        loop {
            any |= !self.take_while(is_white).is_empty();
            if !self.take(b'(') {
                return any;
            }
            self.comment();
            any = true;
        }
    }

    /// The text of the last comment since this was last asked; none if empty.
    pub(crate) fn take_comment(&mut self) -> Option<Vec<u8>> {
        let comment = std::mem::take(&mut self.comment);
        (!comment.is_empty()).then_some(comment)
    }

    /// `comment = "(" *([FWS] ccontent) [FWS] ")"`, behind its opening; inner
    /// parentheses stay in the text, quoted pairs lose their backslash.
    fn comment(&mut self) {
        self.comment.clear();
        let mut depth: u32 = 1;
        while let Some(byte) = self.bump() {
            match byte {
                b'(' => depth = depth.saturating_add(1),
                b')' => depth = depth.saturating_sub(1),
                _ => {}
            }
            if depth == 0 {
                return;
            }
            let kept = if byte == b'\\' {
                self.bump()
            } else {
                Some(byte)
            };
            self.comment.extend(kept);
        }
    }

    /// `quoted-string`, at its opening quote: the text without quotes and
    /// backslashes.
    pub(crate) fn quoted_string(&mut self) -> Vec<u8> {
        let mut text = Vec::new();
        self.take(b'"');
        while let Some(byte) = self.bump() {
            match byte {
                b'"' => break,
                b'\\' => text.extend(self.bump()),
                _ => text.push(byte),
            }
        }
        text
    }

    /// `token` (RFC 2045 §5.1); empty if there is none.
    pub(crate) fn token(&mut self) -> &'a [u8] {
        self.take_while(is_token_byte)
    }

    /// The next bytes as they came, up to one that ends them or the end.
    pub(crate) fn skip_to(&mut self, end: u8) {
        while self.peek().is_some_and(|byte| byte != end) {
            match self.peek() {
                Some(b'"') => drop(self.quoted_string()),
                Some(b'(') => drop(self.cfws()),
                _ => drop(self.bump()),
            }
        }
    }
}

/// `FWS`, unfolded or not.
pub(crate) fn is_white(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

/// `token`: any byte but white space, controls and tspecials. 8-bit passes:
/// careful writers don't send it, and dropping it would help nobody.
fn is_token_byte(byte: u8) -> bool {
    byte > b' ' && byte != 0x7f && !br#"()<>@,;:\"/[]?="#.contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_comment_that_ends_in_a_backslash_ends_with_the_field() {
        // CVE-2026-47088: Cyrus read beyond the field here.
        for value in [&b"(\\"[..], b"(a\\", b"((\\", b"(a(b\\)"] {
            let mut lexer = Lexer::new(value);
            assert!(lexer.cfws());
            assert_eq!(lexer.peek(), None);
        }
    }

    #[test]
    fn a_quoted_string_that_ends_in_a_backslash_ends_with_the_field() {
        let mut lexer = Lexer::new(b"\"ab\\");
        assert_eq!(lexer.quoted_string(), b"ab");
        assert_eq!(lexer.peek(), None);
    }

    #[test]
    fn comments_nest_and_give_their_text() {
        let mut lexer = Lexer::new(b" (a) (x (y\\)) z) t");
        assert!(lexer.cfws());
        assert_eq!(lexer.take_comment().as_deref(), Some(&b"x (y)) z"[..]));
        assert_eq!(lexer.take_comment(), None);
        assert_eq!(lexer.token(), b"t");
    }

    #[test]
    fn a_million_open_comments_cost_a_step_a_byte() {
        let value = vec![b'('; 1_000_000];
        let mut lexer = Lexer::new(&value);
        lexer.cfws();
        assert!(lexer.steps() < 2_100_000, "{}", lexer.steps());
    }
}
