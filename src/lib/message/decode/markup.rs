//! HTML to the text that its reader sees, streaming.
//!
//! Tags and comments are left out, and the text of elements that aren't shown. What only
//! marks letters (`<b>`) stands within words; every other tag ends them. White space is
//! one space, wherever lines are broken. Whatever the bytes are, no more than one short
//! name is kept between two pieces; what is not markup comes out as it is.

use super::reference::referred;

/// Bytes of the longest name of an element or reference that is looked at.
pub const MARKUP_NAME_BYTES_MAX: usize = 10;

/// Elements that mark letters, and don't stand between words.
const INLINE: [&str; 31] = [
    "a", "abbr", "acronym", "b", "bdi", "bdo", "big", "cite", "code", "data", "del", "dfn", "em",
    "font", "i", "ins", "kbd", "mark", "q", "s", "samp", "small", "span", "strike", "strong",
    "sub", "sup", "time", "tt", "u", "wbr",
];

/// Takes text out of markup piece by piece.
pub struct MarkupDecoder {
    /// Elements whose text isn't shown.
    unseen: &'static [&'static str],
    /// The one of these that has begun. Until its end nothing in it is markup.
    within: Option<&'static str>,
    state: State,
    /// Nothing came out yet, or white space last.
    spaced: bool,
}

/// What the next character belongs to.
enum State {
    /// Text, or the next tag.
    Text,
    /// The name of a reference, behind its `&`.
    Reference(String),
    /// What follows a `<`.
    Open,
    /// An element's name.
    Name(Tag),
    /// The rest of a tag.
    Inside(Tag),
    /// An attribute's value begins, behind its `=`.
    Value(Tag),
    /// An attribute's value ends with this quote.
    Quoted(Tag, char),
    /// What follows `<!`, and whether a dash has.
    Declaration(bool),
    /// A comment, behind so many dashes in a row.
    Comment(usize),
    /// All up to `>`.
    Nothing,
}

/// A tag, as far as it was read.
#[derive(Default)]
struct Tag {
    closes: bool,
    /// In lower case; longer ones are cut off, and mean nothing.
    name: String,
}

impl Tag {
    fn push(&mut self, char: char) {
        if self.name.len() <= MARKUP_NAME_BYTES_MAX {
            self.name.push(char.to_ascii_lowercase());
        }
    }
}

impl MarkupDecoder {
    /// Leaves out the text of these elements.
    pub fn new(unseen: &'static [&'static str]) -> Self {
        Self {
            unseen,
            within: None,
            state: State::Text,
            spaced: true,
        }
    }

    /// Puts what is seen of the next piece behind the text.
    pub fn push(&mut self, piece: &str, out: &mut String) {
        let mut rest = piece;
        while !rest.is_empty() {
            rest = self.step(rest, out);
        }
    }

    /// The text has ended: what has only begun to be a reference was none.
    pub fn finish(mut self, out: &mut String) {
        match std::mem::replace(&mut self.state, State::Nothing) {
            State::Reference(name) => self.show_all(&["&", &name], out),
            State::Open => self.show("<", out),
            _ => {}
        }
    }

    /// Reads some of a text that isn't empty; what is left of it.
    fn step<'t>(&mut self, text: &'t str, out: &mut String) -> &'t str {
        match std::mem::replace(&mut self.state, State::Text) {
            State::Text => self.text(text, out),
            State::Reference(name) => self.reference(name, text, out),
            State::Open => self.open(text, out),
            State::Name(tag) => self.name(tag, text, out),
            State::Inside(tag) => self.inside(tag, text, out),
            State::Value(tag) => self.value(tag, text),
            State::Quoted(tag, quote) => self.quoted(tag, quote, text),
            State::Declaration(dashed) => self.declaration(dashed, text),
            State::Comment(dashes) => self.comment(dashes, text),
            State::Nothing => self.nothing(text),
        }
    }

    fn text<'t>(&mut self, text: &'t str, out: &mut String) -> &'t str {
        let is_markup = |char| char == '<' || (char == '&' && self.within.is_none());
        let (before, behind) = text.split_at(text.find(is_markup).unwrap_or(text.len()));
        self.show(before, out);
        let Some((char, rest)) = split_first(behind) else {
            return behind;
        };
        self.state = match char {
            '<' => State::Open,
            _ => State::Reference(String::new()),
        };
        rest
    }

    fn reference<'t>(&mut self, mut name: String, text: &'t str, out: &mut String) -> &'t str {
        let Some((char, rest)) = split_first(text) else {
            return text;
        };
        let belongs = char.is_ascii_alphanumeric() || (char == '#' && name.is_empty());
        if char == ';' {
            match referred(&name) {
                Some(char) => self.show(char.encode_utf8(&mut [0; 4]), out),
                None => self.show_all(&["&", &name, ";"], out),
            }
            return rest;
        }
        if belongs && name.len() < MARKUP_NAME_BYTES_MAX {
            name.push(char);
            self.state = State::Reference(name);
            return rest;
        }
        self.show_all(&["&", &name], out);
        text
    }

    fn open<'t>(&mut self, text: &'t str, out: &mut String) -> &'t str {
        let Some((char, rest)) = split_first(text) else {
            return text;
        };
        self.state = match char {
            '/' => State::Name(Tag {
                closes: true,
                name: String::new(),
            }),
            _ if self.within.is_some() => State::Text,
            '!' => State::Declaration(false),
            '?' => State::Nothing,
            'a'..='z' | 'A'..='Z' => {
                self.state = State::Name(Tag::default());
                return text;
            }
            _ => {
                self.show("<", out);
                return text;
            }
        };
        match self.state {
            State::Text => text,
            _ => rest,
        }
    }

    fn name<'t>(&mut self, mut tag: Tag, text: &'t str, out: &mut String) -> &'t str {
        let Some((char, rest)) = split_first(text) else {
            return text;
        };
        if char.is_ascii_alphanumeric() {
            tag.push(char);
            self.state = State::Name(tag);
            return rest;
        }
        if self.within.is_some_and(|within| within != tag.name) {
            // It was no tag.
            return text;
        }
        if !INLINE.contains(&tag.name.as_str()) {
            self.space(out);
        }
        self.state = State::Inside(tag);
        text
    }

    fn inside<'t>(&mut self, tag: Tag, text: &'t str, out: &mut String) -> &'t str {
        let Some((char, rest)) = split_at_any(text, &['>', '=']) else {
            self.state = State::Inside(tag);
            return "";
        };
        match char {
            '=' => self.state = State::Value(tag),
            _ => self.end(&tag, out),
        }
        rest
    }

    /// A tag has ended.
    fn end(&mut self, tag: &Tag, out: &mut String) {
        self.within = match tag.closes {
            true => None,
            false => self.unseen.iter().copied().find(|name| *name == tag.name),
        };
        if self.within.is_some() {
            self.space(out);
        }
    }

    fn value<'t>(&mut self, tag: Tag, text: &'t str) -> &'t str {
        let text = text.trim_ascii_start();
        let Some((char, rest)) = split_first(text) else {
            self.state = State::Value(tag);
            return text;
        };
        let is_quote = matches!(char, '"' | '\'');
        self.state = match is_quote {
            true => State::Quoted(tag, char),
            false => State::Inside(tag),
        };
        if is_quote { rest } else { text }
    }

    fn quoted<'t>(&mut self, tag: Tag, quote: char, text: &'t str) -> &'t str {
        match split_at_any(text, &[quote]) {
            Some((_, rest)) => {
                self.state = State::Inside(tag);
                rest
            }
            None => {
                self.state = State::Quoted(tag, quote);
                ""
            }
        }
    }

    fn declaration<'t>(&mut self, dashed: bool, text: &'t str) -> &'t str {
        match text.strip_prefix('-') {
            Some(rest) if dashed => {
                // `<!-->` is a whole one.
                self.state = State::Comment(2);
                rest
            }
            Some(rest) => {
                self.state = State::Declaration(true);
                rest
            }
            None => {
                self.state = State::Nothing;
                text
            }
        }
    }

    fn comment<'t>(&mut self, dashes: usize, text: &'t str) -> &'t str {
        let Some((char, rest)) = split_first(text) else {
            return text;
        };
        self.state = match char {
            '>' if dashes >= 2 => State::Text,
            '-' => State::Comment(dashes.saturating_add(1)),
            _ => State::Comment(0),
        };
        match self.state {
            // What can't end it is passed over at once.
            State::Comment(0) => rest
                .get(rest.find('-').unwrap_or(rest.len())..)
                .unwrap_or(""),
            _ => rest,
        }
    }

    fn nothing<'t>(&mut self, text: &'t str) -> &'t str {
        match split_at_any(text, &['>']) {
            Some((_, rest)) => rest,
            None => {
                self.state = State::Nothing;
                ""
            }
        }
    }

    fn show_all(&mut self, texts: &[&str], out: &mut String) {
        texts.iter().for_each(|text| self.show(text, out));
    }

    fn show(&mut self, text: &str, out: &mut String) {
        if self.within.is_some() {
            return;
        }
        let mut rest = text;
        while let Some(at) = rest.find(is_passed_over) {
            let (before, behind) = rest.split_at(at);
            self.show_word(before, out);
            let Some((char, behind)) = split_first(behind) else {
                return;
            };
            if char.is_ascii_whitespace() {
                self.space(out);
            }
            rest = behind;
        }
        self.show_word(rest, out);
    }

    fn show_word(&mut self, word: &str, out: &mut String) {
        if !word.is_empty() {
            self.spaced = false;
            out.push_str(word);
        }
    }

    fn space(&mut self, out: &mut String) {
        if !std::mem::replace(&mut self.spaced, true) {
            out.push(' ');
        }
    }
}

/// White space; and where a word may be broken, which nobody sees.
fn is_passed_over(char: char) -> bool {
    char.is_ascii_whitespace() || matches!(char, '\u{ad}' | '\u{200b}')
}

fn split_first(text: &str) -> Option<(char, &str)> {
    let mut chars = text.chars();
    Some((chars.next()?, chars.as_str()))
}

/// The first of these characters, and what stands behind it.
fn split_at_any<'t>(text: &'t str, any: &[char]) -> Option<(char, &'t str)> {
    split_first(text.get(text.find(any)?..)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn seen_in(pieces: &[&str]) -> String {
        let (mut markup, mut out) = (MarkupDecoder::new(&["script", "style"]), String::new());
        pieces.iter().for_each(|piece| markup.push(piece, &mut out));
        markup.finish(&mut out);
        out
    }

    #[test]
    fn tags_within_a_word_leave_it_whole_and_others_end_it() {
        assert_eq!(
            seen_in(&["gr<b>e</b>en <FONT size=1>h</FONT>at"]),
            "green hat"
        );
        assert_eq!(
            seen_in(&["one<br>two<p>three</p>four<td>"]),
            "one two three four "
        );
        assert_eq!(seen_in(&["<p>\r\n  a\r\n\tb </p> <p>c"]), "a b c");
        assert_eq!(seen_in(&["Donau&shy;dampf<wbr>schiff"]), "Donaudampfschiff");
    }

    #[test]
    fn what_is_in_a_tag_or_a_comment_is_not_seen() {
        assert_eq!(seen_in(&["a<i title='x > y' alt = \">\" z>b"]), "ab");
        assert_eq!(
            seen_in(&["a<!-- <b> > -- -->b<!-->c<!---->d<!DOCTYPE x>e<?f>g"]),
            "abcdeg"
        );
        assert_eq!(seen_in(&["a<b"]), "a");
        assert_eq!(seen_in(&["a</ b>c</>d"]), "a c d");
    }

    #[test]
    fn of_scripts_and_styles_nothing_is_seen() {
        assert_eq!(
            seen_in(&["a<style>p { } </p> <!-- &lt; </styles></STYLE >b"]),
            "a b"
        );
        assert_eq!(
            seen_in(&["a<script src=\"x\">if (a<b) x='</b>'</script>b"]),
            "a b"
        );
        assert_eq!(seen_in(&["<script>a"]), "");
    }

    #[test]
    fn references_are_what_they_mean_and_all_else_is_as_it_is() {
        assert_eq!(
            seen_in(&["Gr&uuml;&szlig;e &amp; &#x41;&#66;"]),
            "Grüße & AB"
        );
        assert_eq!(seen_in(&["&#150;&hellip;&euro;&rsquo;"]), "–…€’");
        assert_eq!(
            seen_in(&["&nope; &; &# &amp &#xD800; AT&T&averyverylongname;"]),
            "&nope; &; &# &amp &#xD800; AT&T&averyverylongname;"
        );
        assert_eq!(seen_in(&["1 < 2 <3 &"]), "1 < 2 <3 &");
        assert_eq!(seen_in(&["a<"]), "a<");
    }

    proptest! {
        #[test]
        fn it_makes_no_difference_where_the_text_is_cut(
            pieces in prop::collection::vec(
                "([<>&;/!#x=\"' -]|--|style|script|<b|</b>|&uuml;|<!--|-->|ä|[ \n]|[0-9a-c]){0,6}", 0..12,
            ),
        ) {
            let whole = pieces.concat();
            let pieces: Vec<&str> = pieces.iter().map(String::as_str).collect();
            prop_assert_eq!(seen_in(&pieces), seen_in(&[&whole]));
        }

        #[test]
        fn what_has_no_markup_comes_out_with_its_white_space_folded(text in "[a-zäöü;#>\"'/ =\r\n\t-]{0,60}") {
            let words: Vec<&str> = text.split_ascii_whitespace().collect();
            let seen = seen_in(&[&text]);
            prop_assert_eq!(seen.trim_end(), words.join(" "));
        }
    }
}
