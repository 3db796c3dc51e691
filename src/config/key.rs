//! Reading tables of TOML by tables of keys.
//!
//! A [`Key`] says what one key is called and what it takes, and where the value
//! goes. [`read`] walks a table of the file by a list of keys and notes
//! everything that doesn't fit: a key that nobody knows, a value of another
//! type, one out of range. What doesn't fit leaves the default in place, so that
//! one mistake hides no other.

use crate::mistake::{Mistakes, Objection, Span, quote};
use crate::nearest::nearest;
use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use toml::Spanned;
use toml::de::{DeInteger, DeTable, DeValue};

/// One key: its name, and what it takes.
pub struct Key<T: 'static> {
    /// As it stands in the file.
    pub name: &'static str,
    /// What may stand behind it.
    pub takes: Takes<T>,
}

/// What a key takes, and where that goes.
pub enum Takes<T: 'static> {
    /// `true` or `false`.
    Switch(fn(&mut T, bool)),
    /// An integer.
    Number(RangeInclusive<u64>, fn(&mut T, u64)),
    /// A string with a unit, such as a time, brought to a number.
    Amount(Convert<u64>, RangeInclusive<u64>, fn(&mut T, u64)),
    /// A string.
    Text(fn(&mut T, &mut Items<'_, '_>)),
    /// At most so many strings.
    Texts(usize, fn(&mut T, &mut Items<'_, '_>)),
    /// At most so many integers.
    Numbers(usize, RangeInclusive<u64>, fn(&mut T, Vec<u64>)),
    /// A table with these keys.
    Table(&'static [Key<T>]),
    /// At most so many tables.
    Tables(usize, fn(&mut T, &mut Items<'_, '_>)),
}

/// From a string to a value.
pub type Convert<X> = fn(&str) -> Result<X, Objection>;

/// Notes about a file while it is read.
#[derive(Debug, Default)]
pub struct Notes {
    /// What is wrong.
    pub mistakes: Mistakes,
    places: BTreeMap<String, Span>,
}

impl Notes {
    /// Notes that begin with these mistakes.
    pub fn beginning(mistakes: Mistakes) -> Self {
        Self {
            mistakes,
            places: BTreeMap::new(),
        }
    }

    /// Where a key's value stands, by the key's path (`tls.key`); the file's
    /// beginning if it is not there.
    pub fn place(&self, path: &str) -> Span {
        self.places.get(path).cloned().unwrap_or(0..0)
    }

    /// Whether the file has the key.
    pub fn has(&self, path: &str) -> bool {
        self.places.contains_key(path)
    }

    /// Notes a mistake at a key's value.
    pub fn object(&mut self, path: &str, objection: Objection) {
        self.mistakes.note(self.place(path), objection);
    }
}

/// The values of one key, on their way to where they belong.
pub struct Items<'a, 'n> {
    values: Vec<&'a Spanned<DeValue<'a>>>,
    path: &'a str,
    notes: &'n mut Notes,
}

impl Items<'_, '_> {
    /// What each string converts to; those that don't are noted.
    pub fn each<X>(&mut self, convert: Convert<X>) -> Vec<X> {
        let texts = self
            .values
            .iter()
            .filter_map(|value| Some((value.get_ref().as_str()?, value.span())));
        let mut converted = Vec::new();
        for (text, span) in texts {
            match convert(text) {
                Ok(value) => converted.push(value),
                Err(objection) => self.notes.mistakes.note(span, objection),
            }
        }
        converted
    }

    /// What the one string converts to, if it does.
    pub fn one<X>(&mut self, convert: Convert<X>) -> Option<X> {
        self.each(convert).pop()
    }

    /// What each table says, by these keys, beginning from this value. What
    /// `complete` finds missing is noted only where nothing else was wrong: a
    /// value that is bad is not missing, too.
    pub fn tables<X: Clone, Y>(
        &mut self,
        keys: &'static [Key<X>],
        default: &X,
        mut complete: impl FnMut(X, Span, &[Y]) -> Result<Y, Objection>,
    ) -> Vec<Y> {
        let mut told = Vec::new();
        for value in &self.values {
            let Some(table) = value.get_ref().as_table() else {
                continue;
            };
            let (mut target, before) = (default.clone(), self.notes.mistakes.count());
            read(table, keys, self.path, &mut target, self.notes);
            match complete(target, value.span(), &told) {
                Ok(value) => told.push(value),
                Err(objection) if self.notes.mistakes.count() == before => {
                    self.notes.mistakes.note(value.span(), objection);
                }
                Err(_) => {}
            }
        }
        told
    }
}

/// Reads a table by its keys; see the module. `path` is the table's own.
pub fn read<T>(
    table: &DeTable<'_>,
    keys: &'static [Key<T>],
    path: &str,
    target: &mut T,
    notes: &mut Notes,
) {
    for (name, value) in table {
        let path = join(path, name.get_ref());
        match keys.iter().find(|key| key.name == name.get_ref()) {
            Some(key) => {
                notes.places.entry(path.clone()).or_insert(value.span());
                take(key, value, &path, target, notes);
            }
            None => notes
                .mistakes
                .note(name.span(), unknown(&path, name.get_ref(), keys)),
        }
    }
}

fn join(path: &str, name: &str) -> String {
    match path {
        "" => name.to_owned(),
        path => format!("{path}.{name}"),
    }
}

fn unknown<T>(path: &str, name: &str, keys: &[Key<T>]) -> Objection {
    let names: Vec<&str> = keys.iter().map(|key| key.name).collect();
    let suggestion = match nearest(name, names.iter().copied()) {
        Some(known) => format!("did you mean \"{known}\"?"),
        None => format!("the keys here are: {}", names.join(", ")),
    };
    Objection::new(format!("nobody knows the key {}", quote(path)), suggestion)
}

fn take<T>(
    key: &Key<T>,
    value: &Spanned<DeValue<'_>>,
    path: &str,
    target: &mut T,
    notes: &mut Notes,
) {
    let outcome = match (&key.takes, value.get_ref()) {
        (Takes::Switch(set), DeValue::Boolean(on)) => {
            set(target, *on);
            Ok(())
        }
        (Takes::Number(range, set), DeValue::Integer(number)) => {
            integer(number, range).map(|number| set(target, number))
        }
        (Takes::Amount(convert, range, set), DeValue::String(text)) => convert(text)
            .and_then(|amount| within(amount, range))
            .map(|amount| set(target, amount)),
        (Takes::Text(set), DeValue::String(_)) => {
            set(
                target,
                &mut Items {
                    values: vec![value],
                    path,
                    notes,
                },
            );
            Ok(())
        }
        (Takes::Table(keys), DeValue::Table(table)) => {
            read(table, keys, path, target, notes);
            Ok(())
        }
        (takes, DeValue::Array(values)) => {
            let values: Vec<&Spanned<DeValue<'_>>> = values.iter().collect();
            take_array(takes, &values, path, target, notes)
        }
        (takes, other) => Err(wrong_type(path, takes, other)),
    };
    if let Err(objection) = outcome {
        notes.mistakes.note(value.span(), objection);
    }
}

fn take_array<T>(
    takes: &Takes<T>,
    values: &[&Spanned<DeValue<'_>>],
    path: &str,
    target: &mut T,
    notes: &mut Notes,
) -> Result<(), Objection> {
    match takes {
        Takes::Texts(most, set) => {
            let values = elements(values, *most, "a string", |value| value.is_str(), notes);
            set(
                target,
                &mut Items {
                    values,
                    path,
                    notes,
                },
            );
        }
        Takes::Tables(most, set) => {
            let values = elements(values, *most, "a table", |value| value.is_table(), notes);
            set(
                target,
                &mut Items {
                    values,
                    path,
                    notes,
                },
            );
        }
        Takes::Numbers(most, range, set) => {
            let values = elements(
                values,
                *most,
                "an integer",
                |value| value.is_integer(),
                notes,
            );
            set(target, numbers(&values, range, notes));
        }
        other => return Err(wrong_type(path, other, &DeValue::Array(Default::default()))),
    }
    Ok(())
}

/// The elements of this type, as many as are allowed.
fn elements<'a>(
    values: &[&'a Spanned<DeValue<'a>>],
    most: usize,
    what: &str,
    is: impl Fn(&DeValue<'_>) -> bool,
    notes: &mut Notes,
) -> Vec<&'a Spanned<DeValue<'a>>> {
    for (index, value) in values.iter().enumerate() {
        if !is(value.get_ref()) {
            let reason = format!("here stands {} among others", value.get_ref().type_str());
            notes.mistakes.note(
                value.span(),
                Objection::new(reason, format!("write {what}")),
            );
        }
        if index == most {
            let reason = format!("this is one more than the {most} that are allowed");
            notes
                .mistakes
                .note(value.span(), Objection::new(reason, "leave some out"));
        }
    }
    let fitting = values.iter().copied().filter(|value| is(value.get_ref()));
    fitting.take(most).collect()
}

fn numbers(
    values: &[&Spanned<DeValue<'_>>],
    range: &RangeInclusive<u64>,
    notes: &mut Notes,
) -> Vec<u64> {
    let mut numbers = Vec::new();
    for value in values {
        match value
            .get_ref()
            .as_integer()
            .map(|number| integer(number, range))
        {
            Some(Ok(number)) => numbers.push(number),
            Some(Err(objection)) => notes.mistakes.note(value.span(), objection),
            None => {}
        }
    }
    numbers
}

fn integer(number: &DeInteger<'_>, range: &RangeInclusive<u64>) -> Result<u64, Objection> {
    match u64::from_str_radix(number.as_str(), number.radix()) {
        Ok(number) => within(number, range),
        Err(_) => Err(out_of_range(&number.to_string(), range)),
    }
}

fn within(number: u64, range: &RangeInclusive<u64>) -> Result<u64, Objection> {
    if range.contains(&number) {
        Ok(number)
    } else {
        Err(out_of_range(&number.to_string(), range))
    }
}

fn out_of_range(number: &str, range: &RangeInclusive<u64>) -> Objection {
    Objection::new(
        format!("{number} is out of range"),
        format!("choose from {} to {}", range.start(), range.end()),
    )
}

fn wrong_type<T>(path: &str, takes: &Takes<T>, found: &DeValue<'_>) -> Objection {
    let (wanted, example) = match takes {
        Takes::Switch(_) => ("true or false", "true"),
        Takes::Number(..) => ("an integer", "100"),
        Takes::Amount(..) => (
            "a string with a number and a unit",
            "\"30 s\" or \"50 MiB\"",
        ),
        Takes::Text(_) => ("a string", "\"…\""),
        Takes::Texts(..) => ("an array of strings", "[\"…\"]"),
        Takes::Numbers(..) => ("an array of integers", "[0]"),
        Takes::Table(_) => ("a table", "[…]"),
        Takes::Tables(..) => ("tables", "[[…]]"),
    };
    let reason = format!(
        "{} takes {wanted}, and here stands {}",
        quote(path),
        found.type_str()
    );
    Objection::new(reason, format!("write for instance {example}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value;

    #[derive(Clone, Default, Debug, PartialEq)]
    struct Target {
        on: bool,
        number: u64,
        time: u64,
        words: Vec<u8>,
        numbers: Vec<u64>,
        inner: Vec<u64>,
    }

    const INNER: &[Key<Target>] = &[Key {
        name: "number",
        takes: Takes::Number(1..=9, |t, n| t.number = n),
    }];

    const KEYS: &[Key<Target>] = &[
        Key {
            name: "on",
            takes: Takes::Switch(|t, on| t.on = on),
        },
        Key {
            name: "time",
            takes: Takes::Amount(value::seconds, 1..=60, |t, n| t.time = n),
        },
        Key {
            name: "words",
            takes: Takes::Texts(2, |t, items| t.words = items.each(one_letter)),
        },
        Key {
            name: "numbers",
            takes: Takes::Numbers(2, 0..=5, |t, n| t.numbers = n),
        },
        Key {
            name: "table",
            takes: Takes::Table(INNER),
        },
        Key {
            name: "tables",
            takes: Takes::Tables(2, |t, items| {
                t.inner = items.tables(INNER, &Target::default(), |t, _, _| Ok(t.number));
            }),
        },
    ];

    fn one_letter(text: &str) -> Result<u8, Objection> {
        match text.as_bytes() {
            [letter] => Ok(*letter),
            _ => Err(Objection::new("not one letter", "write one")),
        }
    }

    fn reading(text: &str) -> (Target, Vec<String>, Notes) {
        let table = DeTable::parse(text).unwrap();
        let (mut target, mut notes) = (Target::default(), Notes::default());
        read(table.get_ref(), KEYS, "", &mut target, &mut notes);
        let reasons = notes
            .mistakes
            .in_order()
            .iter()
            .map(|m| m.objection.reason.clone())
            .collect();
        (target, reasons, notes)
    }

    #[test]
    fn each_value_goes_where_its_key_says() {
        let (target, reasons, notes) = reading(
            "on = true\ntime = '1 min'\nwords = ['a', 'b']\nnumbers = [5, 0o3]\n\
             [table]\nnumber = 0x9\n[[tables]]\nnumber = 1\n[[tables]]\n",
        );
        assert_eq!(reasons, Vec::<String>::new());
        let inner = vec![1, 0];
        let numbers = vec![5, 3];
        assert_eq!(
            target,
            Target {
                on: true,
                number: 9,
                time: 60,
                words: vec![b'a', b'b'],
                numbers,
                inner
            }
        );
        assert!(notes.has("table.number") && !notes.has("table.other"));
    }

    #[test]
    fn an_unknown_key_is_named_with_its_path_and_its_neighbour() {
        let (_, reasons, notes) = reading("[table]\nnumbr = 1");
        assert_eq!(reasons, ["nobody knows the key \"table.numbr\""]);
        let mistakes = notes.mistakes.in_order();
        assert_eq!(mistakes[0].objection.suggestion, "did you mean \"number\"?");
        assert_eq!(mistakes[0].span, 8..13);
    }

    #[test]
    fn every_mistake_is_noted_and_none_hides_another() {
        let (target, reasons, _) = reading(
            "on = 1\ntime = '2 min'\nwords = ['a', 'bb', 'c', 1]\nnumbers = [6, -1, 1]\ntable = []\ntables = {}\n",
        );
        assert_eq!(reasons.len(), 10, "{reasons:#?}");
        assert_eq!(target.words, b"a");
        assert_eq!(target.time, 0);
    }

    #[test]
    fn a_number_that_no_integer_holds_is_out_of_range() {
        let (_, reasons, _) = reading("[table]\nnumber = 99999999999999999999999");
        assert_eq!(reasons, ["99999999999999999999999 is out of range"]);
    }
}
