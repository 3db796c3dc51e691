//! What a server says, taken apart. It shares nothing with the server's own grammar,
//! so that one mistake isn't made on both sides; and it is strict: what RFC 9051
//! doesn't allow to be said is an error, in words.

/// A piece of a response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// A bare word; NIL, too.
    Atom(String),
    /// A quoted string or a literal.
    Text(Vec<u8>),
    /// In parentheses.
    List(Vec<Value>),
}

impl Value {
    /// The words of a list.
    #[must_use]
    pub fn words(&self) -> Option<Vec<String>> {
        let Self::List(values) = self else {
            return None;
        };
        values.iter().map(Self::word).collect()
    }

    /// A string in whatever form.
    #[must_use]
    pub fn word(&self) -> Option<String> {
        match self {
            Self::Atom(word) => Some(word.clone()),
            Self::Text(bytes) => String::from_utf8(bytes.clone()).ok(),
            Self::List(_) => None,
        }
    }

    /// A number.
    #[must_use]
    pub fn number(&self) -> Option<u32> {
        match self {
            Self::Atom(word) => word.parse().ok(),
            _ => None,
        }
    }
}

/// How a command ended, or what a remark is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// OK.
    Ok,
    /// NO.
    No,
    /// BAD.
    Bad,
    /// BYE.
    Bye,
}

/// A response code.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Code {
    /// Its name; empty if there is none.
    pub name: String,
    /// What follows, as it stands.
    pub rest: String,
}

/// ESEARCH.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ESearch {
    /// Of which command.
    pub tag: Option<String>,
    /// Whether the numbers are UIDs.
    pub uid: bool,
    /// MIN.
    pub min: Option<u32>,
    /// MAX.
    pub max: Option<u32>,
    /// COUNT.
    pub count: Option<u32>,
    /// MODSEQ.
    pub modseq: Option<u64>,
    /// ALL, as numbers.
    pub all: Option<Vec<u32>>,
}

/// One response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// The end of a command.
    Done(String, Status, Code),
    /// A remark of the server's.
    Remark(Status, Code),
    /// `+`.
    GoOn,
    /// EXISTS.
    Exists(u32),
    /// RECENT.
    Recent(u32),
    /// EXPUNGE.
    Expunge(u32),
    /// VANISHED: whether EARLIER, and which UIDs.
    Vanished(bool, Vec<u32>),
    /// FETCH: the number, and each item with what it is.
    Fetch(u32, Vec<(String, Value)>),
    /// FLAGS.
    Flags(Vec<String>),
    /// SEARCH.
    Search(Vec<u32>),
    /// ESEARCH.
    ESearch(ESearch),
    /// STATUS of a mailbox.
    Counted(String, Vec<(String, u64)>),
    /// LIST: the name.
    List(Vec<String>, String, String),
    /// ENABLED.
    Enabled(Vec<String>),
    /// CAPABILITY.
    Capability(Vec<String>),
    /// What is of no interest here, by its name.
    Other(String),
}

/// Takes a response apart.
///
/// # Errors
/// In words.
pub fn parse(bytes: &[u8]) -> Result<Said, String> {
    let mut cursor = Cursor { bytes, at: 0 };
    let said = cursor.response()?;
    cursor.expect(b"\r\n")?;
    match cursor.at == bytes.len() {
        true => Ok(said),
        false => Err(cursor.wrong("the response should end here")),
    }
}

/// The numbers of a set without `*`, in its order.
///
/// # Errors
/// In words.
pub fn numbers(set: &str) -> Result<Vec<u32>, String> {
    let mut numbers = Vec::new();
    for part in set.split(',').filter(|part| !part.is_empty()) {
        let (from, to) = part.split_once(':').unwrap_or((part, part));
        match (from.parse::<u32>(), to.parse::<u32>()) {
            (Ok(from), Ok(to)) => numbers.extend(from.min(to)..=from.max(to)),
            _ => return Err(format!("{set:?} is not a set of numbers")),
        }
    }
    Ok(numbers)
}

struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Cursor<'_> {
    fn response(&mut self) -> Result<Said, String> {
        let first = self.atom()?;
        match first.as_str() {
            "+" => {
                self.rest_of_line();
                Ok(Said::GoOn)
            }
            "*" => {
                self.space()?;
                self.untagged()
            }
            tag => {
                self.space()?;
                let word = self.atom()?;
                let status = status(&word).filter(|status| *status != Status::Bye);
                let status = status.ok_or_else(|| self.wrong("OK, NO or BAD belongs here"))?;
                Ok(Said::Done(tag.to_owned(), status, self.code()?))
            }
        }
    }

    fn untagged(&mut self) -> Result<Said, String> {
        let word = self.atom()?.to_uppercase();
        if let Some(status) = status(&word) {
            return Ok(Said::Remark(status, self.code()?));
        }
        if let Ok(number) = word.parse() {
            self.space()?;
            return self.about(number);
        }
        match word.as_str() {
            "FLAGS" => {
                self.space()?;
                let flags = self.value()?.words();
                Ok(Said::Flags(flags.ok_or_else(|| self.wrong("flags"))?))
            }
            "SEARCH" => Ok(Said::Search(self.search()?)),
            "ESEARCH" => Ok(Said::ESearch(self.esearch()?)),
            "VANISHED" => self.vanished(),
            "STATUS" => self.counted(),
            "LIST" => self.list(),
            "ENABLED" => Ok(Said::Enabled(self.words_to_end())),
            "CAPABILITY" => Ok(Said::Capability(self.words_to_end())),
            _ => {
                self.rest_of_line();
                Ok(Said::Other(word))
            }
        }
    }

    fn about(&mut self, number: u32) -> Result<Said, String> {
        match self.atom()?.to_uppercase().as_str() {
            "EXISTS" => Ok(Said::Exists(number)),
            "RECENT" => Ok(Said::Recent(number)),
            "EXPUNGE" => Ok(Said::Expunge(number)),
            "FETCH" => {
                self.space()?;
                Ok(Said::Fetch(number, self.items()?))
            }
            _ => Err(self.wrong("EXISTS, RECENT, EXPUNGE or FETCH belongs here")),
        }
    }

    fn items(&mut self) -> Result<Vec<(String, Value)>, String> {
        let mut items = Vec::new();
        self.expect(b"(")?;
        loop {
            let name = self.item_name()?;
            self.space()?;
            items.push((name, self.value()?));
            if self.take(b")") {
                return Ok(items);
            }
            self.space()?;
        }
    }

    /// Up to a space outside of brackets.
    fn item_name(&mut self) -> Result<String, String> {
        let from = self.at;
        let mut depth = 0_i32;
        while let Some(byte) = self.bytes.get(self.at) {
            match byte {
                b'[' => depth += 1,
                b']' => depth -= 1,
                b' ' if depth == 0 => break,
                b'\r' | b'\n' => return Err(self.wrong("an item's name")),
                _ => {}
            }
            self.at += 1;
        }
        Ok(String::from_utf8_lossy(&self.bytes[from..self.at]).to_uppercase())
    }

    fn value(&mut self) -> Result<Value, String> {
        match self.bytes.get(self.at) {
            Some(b'(') => self.values(),
            Some(b'"') => self.quoted(),
            Some(b'{') => self.literal(),
            Some(b'~') if self.bytes.get(self.at + 1) == Some(&b'{') => {
                self.at += 1;
                self.literal()
            }
            _ => Ok(Value::Atom(self.atom()?)),
        }
    }

    fn values(&mut self) -> Result<Value, String> {
        self.expect(b"(")?;
        let mut values = Vec::new();
        while !self.take(b")") {
            if !values.is_empty() && self.bytes.get(self.at) != Some(&b'(') {
                self.space()?;
            }
            values.push(self.value()?);
        }
        Ok(Value::List(values))
    }

    fn quoted(&mut self) -> Result<Value, String> {
        self.expect(b"\"")?;
        let mut text = Vec::new();
        loop {
            match self.bytes.get(self.at) {
                Some(b'"') => break,
                Some(b'\r' | b'\n') | None => return Err(self.wrong("a quoted string's end")),
                Some(b'\\') => self.at += 1,
                Some(_) => {}
            }
            text.extend(self.bytes.get(self.at));
            self.at += 1;
        }
        self.at += 1;
        Ok(Value::Text(text))
    }

    fn literal(&mut self) -> Result<Value, String> {
        self.expect(b"{")?;
        let from = self.at;
        while self.bytes.get(self.at).is_some_and(u8::is_ascii_digit) {
            self.at += 1;
        }
        let digits = std::str::from_utf8(&self.bytes[from..self.at]).ok();
        let length: Option<usize> = digits.and_then(|digits| digits.parse().ok());
        self.expect(b"}\r\n")?;
        let end = length.and_then(|length| self.at.checked_add(length));
        let text = end.and_then(|end| self.bytes.get(self.at..end));
        let text = text.ok_or_else(|| self.wrong("a literal"))?.to_vec();
        self.at += text.len();
        Ok(Value::Text(text))
    }

    fn search(&mut self) -> Result<Vec<u32>, String> {
        let mut numbers = Vec::new();
        while self.take(b" ") {
            match self.value()? {
                // (MODSEQ n), RFC 7162 §3.1.5.
                Value::List(_) => break,
                value => numbers.push(value.number().ok_or_else(|| self.wrong("a number"))?),
            }
        }
        Ok(numbers)
    }

    fn esearch(&mut self) -> Result<ESearch, String> {
        let mut found = ESearch::default();
        while self.take(b" ") {
            match self.value()? {
                Value::List(values) => {
                    found.tag = values.get(1).and_then(Value::word);
                }
                Value::Atom(word) if word == "UID" => found.uid = true,
                Value::Atom(word) => {
                    self.space()?;
                    let value = self.atom()?;
                    let number = value.parse().ok();
                    match word.as_str() {
                        "MIN" => found.min = number,
                        "MAX" => found.max = number,
                        "COUNT" => found.count = number,
                        "MODSEQ" => found.modseq = value.parse().ok(),
                        "ALL" => found.all = Some(numbers(&value)?),
                        _ => {}
                    }
                }
                Value::Text(_) => return Err(self.wrong("a word")),
            }
        }
        Ok(found)
    }

    fn vanished(&mut self) -> Result<Said, String> {
        let earlier = self.take(b" (EARLIER)");
        self.space()?;
        let uids = numbers(&self.atom()?)?;
        match uids.is_empty() {
            true => Err(self.wrong("UIDs")),
            false => Ok(Said::Vanished(earlier, uids)),
        }
    }

    fn counted(&mut self) -> Result<Said, String> {
        self.space()?;
        let mailbox = self.value()?.word();
        self.space()?;
        let Value::List(values) = self.value()? else {
            return Err(self.wrong("a list of counts"));
        };
        let mut counts = Vec::new();
        for pair in values.chunks(2) {
            let name = pair.first().and_then(Value::word);
            let count = pair.get(1).and_then(Value::word);
            match (name, count.and_then(|count| count.parse().ok())) {
                (Some(name), Some(count)) => counts.push((name, count)),
                _ => return Err(self.wrong("a name and its count")),
            }
        }
        Ok(Said::Counted(mailbox.unwrap_or_default(), counts))
    }

    fn list(&mut self) -> Result<Said, String> {
        self.space()?;
        let attributes = self.value()?.words().unwrap_or_default();
        self.space()?;
        let delimiter = self.value()?.word().unwrap_or_default();
        self.space()?;
        let name = self.value()?.word().unwrap_or_default();
        self.rest_of_line();
        Ok(Said::List(attributes, delimiter, name))
    }

    fn code(&mut self) -> Result<Code, String> {
        let line = self.rest_of_line();
        let Some(inner) = line.strip_prefix(" [") else {
            return Ok(Code::default());
        };
        let (code, _) = inner
            .split_once(']')
            .ok_or_else(|| self.wrong("a code's end"))?;
        let (name, rest) = code.split_once(' ').unwrap_or((code, ""));
        Ok(Code {
            name: name.to_uppercase(),
            rest: rest.to_owned(),
        })
    }

    fn words_to_end(&mut self) -> Vec<String> {
        let line = self.rest_of_line();
        line.split(' ')
            .filter(|word| !word.is_empty())
            .map(str::to_uppercase)
            .collect()
    }

    /// All but CRLF.
    fn rest_of_line(&mut self) -> String {
        let rest = &self.bytes[self.at..];
        let line = rest.strip_suffix(b"\r\n").unwrap_or(rest);
        self.at += line.len();
        String::from_utf8_lossy(line).into_owned()
    }

    fn atom(&mut self) -> Result<String, String> {
        let from = self.at;
        let ends = |byte: &u8| matches!(byte, b' ' | b'(' | b')' | b'\r' | b'\n' | b'"');
        while self.bytes.get(self.at).is_some_and(|byte| !ends(byte)) {
            self.at += 1;
        }
        match from == self.at {
            true => Err(self.wrong("a word belongs here")),
            false => Ok(String::from_utf8_lossy(&self.bytes[from..self.at]).into_owned()),
        }
    }

    fn space(&mut self) -> Result<(), String> {
        self.expect(b" ")
    }

    fn expect(&mut self, what: &[u8]) -> Result<(), String> {
        match self.take(what) {
            true => Ok(()),
            false => Err(self.wrong(&format!("{:?} belongs here", String::from_utf8_lossy(what)))),
        }
    }

    fn take(&mut self, what: &[u8]) -> bool {
        let here = self.bytes[self.at..].starts_with(what);
        self.at += if here { what.len() } else { 0 };
        here
    }

    fn wrong(&self, why: &str) -> String {
        format!("grammar: {why}, at byte {} of the response", self.at)
    }
}

fn status(word: &str) -> Option<Status> {
    match word {
        "OK" => Some(Status::Ok),
        "NO" => Some(Status::No),
        "BAD" => Some(Status::Bad),
        "BYE" => Some(Status::Bye),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fetch_is_its_items() {
        let said =
            parse(b"* 7 FETCH (UID 9 FLAGS (\\Seen a) BODY[HEADER.FIELDS (X)] {4}\r\nX: y)\r\n");
        let items = vec![
            ("UID".into(), Value::Atom("9".into())),
            (
                "FLAGS".into(),
                Value::List(vec![Value::Atom("\\Seen".into()), Value::Atom("a".into())]),
            ),
            (
                "BODY[HEADER.FIELDS (X)]".into(),
                Value::Text(b"X: y".to_vec()),
            ),
        ];
        assert_eq!(said, Ok(Said::Fetch(7, items)));
    }

    #[test]
    fn search_results_come_in_both_forms() {
        assert_eq!(parse(b"* SEARCH\r\n"), Ok(Said::Search(vec![])));
        assert_eq!(parse(b"* SEARCH 2 5\r\n"), Ok(Said::Search(vec![2, 5])));
        let found = ESearch {
            tag: Some("a1".into()),
            uid: true,
            count: Some(3),
            all: Some(vec![1, 4, 5]),
            ..ESearch::default()
        };
        let said = parse(b"* ESEARCH (TAG \"a1\") UID COUNT 3 ALL 1,4:5\r\n");
        assert_eq!(said, Ok(Said::ESearch(found)));
    }

    #[test]
    fn what_has_vanished_is_told_in_both_forms() {
        let said = parse(b"* VANISHED (EARLIER) 41,43:44\r\n");
        assert_eq!(said, Ok(Said::Vanished(true, vec![41, 43, 44])));
        assert_eq!(
            parse(b"* VANISHED 5\r\n"),
            Ok(Said::Vanished(false, vec![5]))
        );
        assert!(parse(b"* VANISHED\r\n").is_err());
    }

    #[test]
    fn what_has_no_form_is_refused() {
        for wrong in ["* 1 FETCH (UID 9\r\n", "* 1 WHAT\r\n", "a1 BYE\r\n", "\r\n"] {
            assert!(parse(wrong.as_bytes()).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn an_answer_has_a_code() {
        let code = Code {
            name: "COPYUID".into(),
            rest: "1 2:3 4,6".into(),
        };
        let said = parse(b"a OK [COPYUID 1 2:3 4,6] Copied\r\n");
        assert_eq!(said, Ok(Said::Done("a".into(), Status::Ok, code)));
    }
}
