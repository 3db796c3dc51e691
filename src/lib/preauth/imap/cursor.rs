//! A place in the bytes of one command, and the productions that all commands
//! share.
//!
//! The bytes are those that [`super::frame::Frame`] collected: the lines of the
//! command without its last CRLF, each literal behind its announcement. A
//! cursor only moves forward, reads nothing twice, allocates nothing and never
//! panics. Every method carries the rule of RFC 9051, section 9, that it reads.

use super::Refusal;

/// What a production gives back.
pub type Parsed<T> = Result<T, Refusal>;

/// A place in the bytes of one command.
#[derive(Debug, Clone, Copy)]
pub struct Cursor<'a> {
    rest: &'a [u8],
}

/// A string of the client's. Backslashes of a quoted one are still in `raw`, so
/// that a password needs no copy but the one that is wiped.
#[derive(Debug, Clone, Copy)]
pub struct Octets<'a> {
    raw: &'a [u8],
    quoted: bool,
}

impl<'a> Cursor<'a> {
    /// Begins at the first byte.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// What hasn't been read yet.
    #[must_use]
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// The next byte, which stays where it is.
    #[must_use]
    pub fn peek(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    /// Steps over `byte` if it is the next one.
    pub fn accept(&mut self, byte: u8) -> bool {
        match self.rest.split_first() {
            Some((first, rest)) if *first == byte => {
                self.rest = rest;
                true
            }
            _ => false,
        }
    }

    /// Steps over `byte`, or complains that `what` was expected.
    pub fn byte(&mut self, byte: u8, what: &'static str) -> Parsed<()> {
        self.accept(byte)
            .then_some(())
            .ok_or(Refusal::Expected(what))
    }

    /// `SP`
    pub fn space(&mut self) -> Parsed<()> {
        self.byte(b' ', "a space")
    }

    /// The command ends here, but for spaces.
    ///
    /// Leniency `trailing-spaces` (docs/clients.md): clients that put a space behind every
    /// argument are understood by other servers.
    pub fn command_end(&mut self) -> Parsed<()> {
        while self.accept(b' ') {}
        self.end()
    }

    /// There is nothing more.
    pub fn end(&self) -> Parsed<()> {
        match self.rest {
            [] => Ok(()),
            _ => Err(Refusal::Expected("the end of the command")),
        }
    }

    /// Reads as far as `wanted` holds; perhaps nothing.
    pub fn take_while(&mut self, wanted: fn(u8) -> bool) -> &'a [u8] {
        let end = self.rest.iter().position(|byte| !wanted(*byte));
        let (taken, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
        self.rest = rest;
        taken
    }

    /// The same, but something.
    pub fn take_while1(&mut self, wanted: fn(u8) -> bool, what: &'static str) -> Parsed<&'a [u8]> {
        match self.take_while(wanted) {
            [] => Err(Refusal::Expected(what)),
            taken => Ok(taken),
        }
    }

    /// A name of the protocol's own, such as a command's or a search key's, in
    /// upper case: letters, digits, `-` and `.`, 32 at most.
    pub fn word(&mut self) -> Parsed<Word> {
        let is_word_char = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.';
        Word::new(self.take_while1(is_word_char, "a keyword")?)
            .ok_or(Refusal::Expected("a known keyword"))
    }

    /// `atom = 1*ATOM-CHAR`
    pub fn atom(&mut self) -> Parsed<&'a [u8]> {
        self.take_while1(is_atom_char, "an atom")
    }

    /// `astring = 1*ASTRING-CHAR / string`
    pub fn astring(&mut self) -> Parsed<Octets<'a>> {
        match self.peek() {
            Some(b'"' | b'{') => self.string(),
            _ => self.take_while1(is_astring_char, "a string").map(plain),
        }
    }

    /// `string = quoted / literal`
    pub fn string(&mut self) -> Parsed<Octets<'a>> {
        match self.peek() {
            Some(b'{') => self.literal(),
            _ => self.quoted(),
        }
    }

    /// `nstring = string / nil`
    pub fn nstring(&mut self) -> Parsed<Option<Octets<'a>>> {
        if self.accept_nil() {
            return Ok(None);
        }
        self.string().map(Some)
    }

    /// `nil = "NIL"`
    pub fn accept_nil(&mut self) -> bool {
        match self.rest.split_at_checked(3) {
            Some((nil, rest)) if nil.eq_ignore_ascii_case(b"NIL") => {
                self.rest = rest;
                true
            }
            _ => false,
        }
    }

    /// `number64 = 1*DIGIT`, not above 2^63 - 1; both RFCs' `number` by range.
    pub fn number(&mut self) -> Parsed<u64> {
        let digits = self.take_while1(|byte| byte.is_ascii_digit(), "a number")?;
        decimal(digits)
            .filter(|number| *number <= i64::MAX as u64)
            .ok_or(Refusal::Expected("a smaller number"))
    }

    /// `quoted = DQUOTE *QUOTED-CHAR DQUOTE`, where
    /// `QUOTED-CHAR = <any TEXT-CHAR except quoted-specials> / "\" quoted-specials / UTF8-2 / UTF8-3 / UTF8-4`
    fn quoted(&mut self) -> Parsed<Octets<'a>> {
        self.byte(b'"', "a string")?;
        let end = closing_quote(self.rest)?;
        let (raw, rest) = self.rest.split_at(end);
        self.rest = rest;
        self.byte(b'"', "a closing quote")?;
        match std::str::from_utf8(raw) {
            Ok(_) => Ok(Octets { raw, quoted: true }),
            Err(_) => Err(Refusal::Expected("UTF-8 in a quoted string")),
        }
    }

    /// `literal = "{" number64 ["+"] "}" CRLF *CHAR8`, where
    /// `CHAR8 = %x01-ff`
    fn literal(&mut self) -> Parsed<Octets<'a>> {
        let raw = self.counted()?;
        match memchr::memchr(0, raw) {
            None => Ok(plain(raw)),
            Some(_) => Err(Refusal::Expected("a literal without NUL")),
        }
    }

    /// `literal8 = "~{" number64 ["+"] "}" CRLF *OCTET` (RFC 9051, section 9)
    pub fn literal8(&mut self) -> Parsed<Octets<'a>> {
        self.byte(b'~', "a literal8")?;
        self.counted().map(plain)
    }

    /// Bytes behind their number.
    fn counted(&mut self) -> Parsed<&'a [u8]> {
        self.byte(b'{', "a literal")?;
        let bytes = usize::try_from(self.number()?).unwrap_or(usize::MAX);
        self.accept(b'+');
        self.byte(b'}', "the end of a literal's length")?;
        self.byte(b'\r', "a line end behind a literal's length")?;
        self.byte(b'\n', "a line end behind a literal's length")?;
        let split = self.rest.split_at_checked(bytes);
        let (raw, rest) = split.ok_or(Refusal::Expected("the whole literal"))?;
        self.rest = rest;
        Ok(raw)
    }
}

impl<'a> Octets<'a> {
    /// The bytes as the client meant them.
    pub fn bytes(&self) -> impl Iterator<Item = u8> + use<'a> {
        let mut raw = self.raw.iter().copied();
        let quoted = self.quoted;
        std::iter::from_fn(move || match raw.next() {
            Some(b'\\') if quoted => raw.next(),
            byte => byte,
        })
    }

    /// The same, as text, if it is UTF-8 of at most `bytes_max` bytes.
    pub fn text(&self, bytes_max: usize) -> Parsed<String> {
        let bytes: Vec<u8> = self.bytes().take(bytes_max.saturating_add(1)).collect();
        if bytes.len() > bytes_max {
            return Err(Refusal::Expected("a shorter string"));
        }
        String::from_utf8(bytes).map_err(|_| Refusal::Expected("UTF-8"))
    }
}

/// A keyword in upper case, held in place.
#[derive(Debug, Clone, Copy)]
pub struct Word {
    upper: [u8; WORD_BYTES_MAX],
    bytes: usize,
}

/// Longer than every keyword of the protocol.
const WORD_BYTES_MAX: usize = 32;

impl Word {
    fn new(word: &[u8]) -> Option<Self> {
        let mut upper = [0; WORD_BYTES_MAX];
        let bytes = word.len();
        upper.get_mut(..bytes)?.copy_from_slice(word);
        upper.make_ascii_uppercase();
        Some(Self { upper, bytes })
    }

    /// The keyword, for a `match`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        let word = self.upper.get(..self.bytes).unwrap_or_default();
        std::str::from_utf8(word).unwrap_or_default()
    }
}

/// `ATOM-CHAR = <any CHAR except atom-specials>`
#[must_use]
pub fn is_atom_char(byte: u8) -> bool {
    matches!(byte, 0x21..=0x7e) && !b"(){%*\"\\]".contains(&byte)
}

/// `ASTRING-CHAR = ATOM-CHAR / resp-specials`
#[must_use]
pub fn is_astring_char(byte: u8) -> bool {
    is_atom_char(byte) || byte == b']'
}

/// The value of decimal digits; `None` above 2^64 - 1 and for anything else.
#[must_use]
pub fn decimal(digits: &[u8]) -> Option<u64> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}

fn plain(raw: &[u8]) -> Octets<'_> {
    Octets { raw, quoted: false }
}

fn closing_quote(rest: &[u8]) -> Parsed<usize> {
    let mut at = rest.iter().enumerate();
    while let Some((end, byte)) = at.next() {
        match byte {
            b'"' => return Ok(end),
            b'\\' if matches!(at.next(), Some((_, b'"' | b'\\'))) => (),
            b'\\' => return Err(Refusal::Expected("\\ or \" behind a backslash")),
            0 | b'\r' | b'\n' => break,
            _ => (),
        }
    }
    Err(Refusal::Expected("a closing quote"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read<T>(text: &[u8], read: fn(&mut Cursor<'_>) -> Parsed<T>) -> Parsed<T> {
        let mut cursor = Cursor::new(text);
        let value = read(&mut cursor)?;
        cursor.end()?;
        Ok(value)
    }

    fn string(text: &[u8]) -> Parsed<Vec<u8>> {
        read(text, |cursor| Ok(cursor.string()?.bytes().collect()))
    }

    #[test]
    fn strings_are_read_in_every_form() {
        assert_eq!(string(b"\"a b\""), Ok(b"a b".to_vec()));
        assert_eq!(string(br#""\"\\""#), Ok(br#""\"#.to_vec()));
        assert_eq!(string(b"\"\""), Ok(vec![]));
        assert_eq!(string(b"{3}\r\n\r\n\xff"), Ok(b"\r\n\xff".to_vec()));
        assert_eq!(string(b"{3+}\r\nabc"), Ok(b"abc".to_vec()));
    }

    #[test]
    fn what_is_no_string_is_refused() {
        let refused: [&[u8]; 12] = [
            b"",
            b"a",
            b"\"a",
            b"\"a\\b\"",
            b"\"a\\",
            b"\"\0\"",
            b"\"\r\"",
            b"\"\xff\"",
            b"\"\xed\xa0\x80\"",
            b"{3}\r\nab",
            b"{1}\r\n\0",
            b"{9999999999999999999}\r\n",
        ];
        for text in refused {
            assert!(string(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn nil_is_no_string_and_an_astring_may_be_called_so() {
        assert!(read(b"nil", |cursor| cursor.nstring().map(|it| it.is_none())).unwrap());
        let atom = read(b"NIL", |cursor| {
            Ok(cursor.astring()?.bytes().collect::<Vec<u8>>())
        });
        assert_eq!(atom, Ok(b"NIL".to_vec()));
    }

    #[test]
    fn numbers_end_at_the_largest_that_both_sides_can_count() {
        let number = |text: &[u8]| read(text, |cursor| cursor.number());
        assert_eq!(number(b"0"), Ok(0));
        assert_eq!(number(b"9223372036854775807"), Ok(i64::MAX as u64));
        for text in [
            "",
            "-1",
            "+1",
            "1a",
            "9223372036854775808",
            "99999999999999999999999",
        ] {
            assert!(number(text.as_bytes()).is_err(), "{text}");
        }
    }

    #[test]
    fn words_are_upper_case_and_bounded() {
        let word = |text: &str| {
            read(text.as_bytes(), |cursor| {
                Ok(cursor.word()?.as_str().to_owned())
            })
        };
        assert_eq!(word("body.Peek"), Ok("BODY.PEEK".to_owned()));
        assert!(word(&"a".repeat(33)).is_err() && word("").is_err() && word("a b").is_err());
    }

    #[test]
    fn a_text_is_utf8_of_bounded_length() {
        let text = |text: &[u8]| read(text, |cursor| cursor.string()?.text(3));
        assert_eq!(text(b"\"abc\""), Ok("abc".to_owned()));
        assert!(text(b"\"abcd\"").is_err() && text(b"{1}\r\n\xff").is_err());
    }

    proptest! {
        #[test]
        fn no_bytes_make_a_cursor_panic_or_go_backwards(text in proptest::collection::vec(any::<u8>(), 0..60)) {
            let mut cursor = Cursor::new(&text);
            let readers: [fn(&mut Cursor<'_>) -> bool; 6] = [
                |it| it.astring().is_ok(), |it| it.nstring().is_ok(), |it| it.number().is_ok(),
                |it| it.word().is_ok(), |it| it.atom().is_ok(), |it| it.space().is_ok(),
            ];
            for read in readers {
                let before = cursor.rest().len();
                read(&mut cursor);
                prop_assert!(cursor.rest().len() <= before);
            }
        }
    }
}
