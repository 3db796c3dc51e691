//! The values of FETCH responses (RFC 9051 §9): lists, strings, atoms and NIL.

use std::collections::BTreeMap;
use std::fmt;

/// One value.
#[derive(Clone, PartialEq, Eq)]
pub enum Value {
    /// `NIL`
    Nil,
    /// A number, or another word without quotes.
    Atom(Vec<u8>),
    /// A string, quoted or literal.
    Text(Vec<u8>),
    /// Values in parentheses.
    List(Vec<Value>),
}

impl Value {
    /// The bytes of a string.
    pub fn text(&self) -> Option<&[u8]> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The value of a number.
    pub fn number(&self) -> Option<u64> {
        match self {
            Self::Atom(digits) => std::str::from_utf8(digits).ok()?.parse().ok(),
            _ => None,
        }
    }

    /// The values of a list.
    pub fn list(&self) -> Option<&[Value]> {
        match self {
            Self::List(values) => Some(values),
            _ => None,
        }
    }

    /// The same with every string changed.
    pub fn map(&self, change: &impl Fn(&[u8]) -> Vec<u8>) -> Self {
        match self {
            Self::Text(text) => Self::Text(change(text)),
            Self::List(values) => Self::List(values.iter().map(|one| one.map(change)).collect()),
            other => other.clone(),
        }
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nil => f.write_str("NIL"),
            Self::Atom(atom) => f.write_str(&String::from_utf8_lossy(atom)),
            Self::Text(text) => write!(f, "\"{}\"", text.escape_ascii()),
            Self::List(values) => {
                f.write_str("(")?;
                for (at, value) in values.iter().enumerate() {
                    let space = if at > 0 { " " } else { "" };
                    write!(f, "{space}{value:?}")?;
                }
                f.write_str(")")
            }
        }
    }
}

/// The items of `1 FETCH (NAME value ...)`; none if it is something else.
pub fn fetched(response: &[u8]) -> Option<BTreeMap<String, Value>> {
    let open = response.iter().position(|byte| *byte == b'(')?;
    let head = std::str::from_utf8(&response[..open]).ok()?;
    let mut words = head.split_ascii_whitespace();
    words.next()?.parse::<u32>().ok()?;
    if words.next() != Some("FETCH") {
        return None;
    }
    let mut reader = Reader {
        rest: &response[open + 1..],
    };
    let mut items = BTreeMap::new();
    while reader.peek() != Some(b')') {
        let name = reader.name();
        reader.take(b' ');
        let value = reader.value();
        assert!(items.insert(name.clone(), value).is_none(), "{name} twice");
        if reader.peek() == Some(b' ') {
            reader.take(b' ');
        }
    }
    Some(items)
}

/// Reads from left to right; a server that breaks the grammar fails the test.
struct Reader<'a> {
    rest: &'a [u8],
}

impl Reader<'_> {
    fn peek(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    fn take(&mut self, wanted: u8) {
        let rest = self.rest.escape_ascii().to_string();
        assert_eq!(self.peek(), Some(wanted), "{}", &rest[..rest.len().min(99)]);
        self.rest = &self.rest[1..];
    }

    fn until(&mut self, is_end: impl Fn(u8) -> bool) -> Vec<u8> {
        let end = self.rest.iter().position(|byte| is_end(*byte));
        let (taken, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
        self.rest = rest;
        taken.to_vec()
    }

    /// An item's name with its section, in capitals.
    fn name(&mut self) -> String {
        let mut name = self.until(|byte| matches!(byte, b'[' | b' '));
        if self.peek() == Some(b'[') {
            name.extend(self.until(|byte| byte == b']'));
            name.extend(self.until(|byte| byte == b' '));
        }
        String::from_utf8_lossy(&name).to_ascii_uppercase()
    }

    fn value(&mut self) -> Value {
        match self.peek() {
            Some(b'(') => self.list(),
            Some(b'"') => self.quoted(),
            Some(b'~') => {
                self.take(b'~');
                self.literal()
            }
            Some(b'{') => self.literal(),
            _ => match self.until(|byte| matches!(byte, b' ' | b')')) {
                nil if nil.eq_ignore_ascii_case(b"NIL") => Value::Nil,
                atom => Value::Atom(atom),
            },
        }
    }

    fn list(&mut self) -> Value {
        self.take(b'(');
        let mut values = Vec::new();
        while self.peek() != Some(b')') {
            values.push(self.value());
            // Bodies of a multipart stand without a space between.
            if self.peek() == Some(b' ') {
                self.take(b' ');
            }
        }
        self.take(b')');
        Value::List(values)
    }

    fn quoted(&mut self) -> Value {
        self.take(b'"');
        let mut text = Vec::new();
        loop {
            text.extend(self.until(|byte| matches!(byte, b'"' | b'\\')));
            if self.peek() != Some(b'\\') {
                self.take(b'"');
                return Value::Text(text);
            }
            self.take(b'\\');
            text.extend(self.peek());
            self.rest = self.rest.get(1..).unwrap_or_default();
        }
    }

    fn literal(&mut self) -> Value {
        self.take(b'{');
        let digits = String::from_utf8_lossy(&self.until(|byte| byte == b'}')).into_owned();
        let bytes: usize = digits.parse().expect("a literal's length");
        for byte in *b"}\r\n" {
            self.take(byte);
        }
        let (text, rest) = self.rest.split_at(bytes);
        self.rest = rest;
        Value::Text(text.to_vec())
    }
}

/// The parts of BODY or BODYSTRUCTURE by number and field: `1.2 octets`. The letter
/// itself has no number.
pub fn parts(body: &Value) -> BTreeMap<String, Value> {
    let mut parts = BTreeMap::new();
    part(body, "", &mut parts);
    parts
}

/// A multipart that is a message's body has the message's number, as in sections.
fn part(body: &Value, number: &str, to: &mut BTreeMap<String, Value>) {
    let fields = body.list().expect("a body is a list");
    let is_multipart = matches!(fields.first(), Some(Value::List(_)));
    let own = if is_multipart || !number.is_empty() {
        number
    } else {
        "1"
    };
    let mut put = |name: &str, value: Option<&Value>| {
        if let Some(value) = value {
            let _ = to.insert(format!("{own} {name}"), value.clone());
        }
    };
    if is_multipart {
        let children = fields.iter().take_while(|one| one.list().is_some());
        let behind = children.clone().count();
        const NAMES: [&str; 5] = ["subtype", "params", "disposition", "language", "location"];
        for (name, value) in NAMES.iter().zip(&fields[behind..]) {
            put(name, Some(value));
        }
        put("parts", Some(&Value::Atom(behind.to_string().into_bytes())));
        for (at, child) in children.enumerate() {
            part(child, &below(number, at + 1), to);
        }
        return;
    }
    const BASIC: [&str; 7] = [
        "type",
        "subtype",
        "params",
        "id",
        "description",
        "encoding",
        "octets",
    ];
    const EXTENSION: [&str; 4] = ["md5", "disposition", "language", "location"];
    for (name, value) in BASIC.iter().zip(fields) {
        put(name, Some(value));
    }
    let mut behind = BASIC.len();
    let inner = fields.get(7).zip(fields.get(8));
    if let Some((envelope, inner)) =
        inner.filter(|(envelope, _)| envelope.list().is_some_and(|it| it.len() == 10))
    {
        put("lines", fields.get(9));
        for (name, value) in self::envelope(envelope) {
            put(&format!("envelope {name}"), Some(&value));
        }
        behind += 3;
        for (name, value) in EXTENSION.iter().zip(fields.iter().skip(behind)) {
            put(name, Some(value));
        }
        return within(inner, own, to);
    }
    if matches!(fields.get(7), Some(Value::Atom(_))) {
        put("lines", fields.get(7));
        behind += 1;
    }
    for (name, value) in EXTENSION.iter().zip(fields.iter().skip(behind)) {
        put(name, Some(value));
    }
}

/// The body of a message within a part.
fn within(body: &Value, number: &str, to: &mut BTreeMap<String, Value>) {
    let is_multipart = body.list().and_then(|it| it.first()?.list()).is_some();
    match is_multipart {
        true => {
            let mut inner = BTreeMap::new();
            part(body, number, &mut inner);
            for (name, value) in inner {
                let own = name
                    .strip_prefix(&format!("{number} "))
                    .map(|name| format!("{number} inner {name}"));
                to.insert(own.unwrap_or(name), value);
            }
        }
        false => part(body, &below(number, 1), to),
    }
}

fn below(number: &str, child: usize) -> String {
    match number {
        "" => child.to_string(),
        _ => format!("{number}.{child}"),
    }
}

/// The fields of ENVELOPE by name.
pub fn envelope(envelope: &Value) -> Vec<(&'static str, Value)> {
    const NAMES: [&str; 10] = [
        "date",
        "subject",
        "from",
        "sender",
        "reply-to",
        "to",
        "cc",
        "bcc",
        "in-reply-to",
        "message-id",
    ];
    let fields = envelope.list().expect("an envelope is a list");
    assert_eq!(fields.len(), NAMES.len(), "{envelope:?}");
    NAMES.into_iter().zip(fields.iter().cloned()).collect()
}
