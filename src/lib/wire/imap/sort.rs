//! SORT (RFC 5256), with results as RFC 5267 §3 has them, and by display names
//! (RFC 5957).

use preauth::imap::cursor::Cursor;

use super::refusal::{Refusal, expected};
use super::search::{accept_word, program, search_return_opts};
use super::{Parsed, SearchKey, SearchReturn};
use crate::limits::SORT_CRITERIA_MAX;

/// `sort-key` (RFC 5256, section 5; RFC 5957, section 5)
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SortKey {
    /// When it came.
    Arrival,
    /// The local part of the first address of Cc.
    Cc,
    /// When it was sent.
    Date,
    /// What shows who wrote it.
    DisplayFrom,
    /// What shows for whom it is.
    DisplayTo,
    /// The local part of the first address of From.
    From,
    /// Its bytes.
    Size,
    /// Its base subject.
    Subject,
    /// The local part of the first address of To.
    To,
}

impl SortKey {
    /// All of them, with their names.
    pub const ALL: [(Self, &'static str); 9] = [
        (Self::Arrival, "ARRIVAL"),
        (Self::Cc, "CC"),
        (Self::Date, "DATE"),
        (Self::DisplayFrom, "DISPLAYFROM"),
        (Self::DisplayTo, "DISPLAYTO"),
        (Self::From, "FROM"),
        (Self::Size, "SIZE"),
        (Self::Subject, "SUBJECT"),
        (Self::To, "TO"),
    ];

    /// As it stands on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        let named = Self::ALL.iter().find(|(key, _)| *key == self);
        named.map_or("", |(_, name)| name)
    }

    fn named(name: &str) -> Option<Self> {
        let named = Self::ALL.iter().find(|(_, known)| *known == name);
        named.map(|(key, _)| *key)
    }
}

/// `sort-criterion = ["REVERSE" SP] sort-key`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SortCriterion {
    /// The highest first.
    pub reverse: bool,
    /// By what.
    pub key: SortKey,
}

/// What stands behind SORT.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sort {
    /// None: untagged SORT; some, never empty: ESEARCH with these.
    pub returns: Option<Vec<SearchReturn>>,
    /// By what, the most important first; not empty.
    pub criteria: Vec<SortCriterion>,
    /// Of the strings in the key.
    pub charset: String,
    /// What is looked for.
    pub key: SearchKey,
}

/// `sort = "SORT" [search-return-opts] SP sort-criteria SP search-criteria`, behind its
/// name (RFC 5267, section 6)
pub(super) fn sort(cursor: &mut Cursor<'_>) -> Parsed<Sort> {
    cursor.space()?;
    let returns = search_return_opts(cursor)?;
    let criteria = sort_criteria(cursor)?;
    let (charset, key) = search_criteria(cursor)?;
    Ok(Sort {
        returns,
        criteria,
        charset,
        key,
    })
}

/// `search-criteria = charset 1*(SP search-key)`, and the space before it
pub(super) fn search_criteria(cursor: &mut Cursor<'_>) -> Parsed<(String, SearchKey)> {
    cursor.space()?;
    let charset = cursor.astring()?.text(super::search::CHARSET_BYTES_MAX)?;
    cursor.space()?;
    Ok((charset, program(cursor)?))
}

/// `sort-criteria = "(" sort-criterion *(SP sort-criterion) ")"`
fn sort_criteria(cursor: &mut Cursor<'_>) -> Parsed<Vec<SortCriterion>> {
    cursor.byte(b'(', "a list of sort keys")?;
    let mut criteria = vec![sort_criterion(cursor)?];
    while !cursor.accept(b')') {
        cursor.space()?;
        criteria.push(sort_criterion(cursor)?);
        if criteria.len() > SORT_CRITERIA_MAX {
            return Err(Refusal::TooMany("sort keys"));
        }
    }
    Ok(criteria)
}

fn sort_criterion(cursor: &mut Cursor<'_>) -> Parsed<SortCriterion> {
    let reverse = accept_word(cursor, "REVERSE");
    if reverse {
        cursor.space()?;
    }
    let key = SortKey::named(cursor.word()?.as_str()).ok_or_else(|| expected("a sort key"))?;
    Ok(SortCriterion { reverse, key })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Parsed<Sort> {
        let line = format!(" {text}");
        let mut cursor = Cursor::new(line.as_bytes());
        let sort = sort(&mut cursor)?;
        cursor.command_end()?;
        Ok(sort)
    }

    fn by(reverse: bool, key: SortKey) -> SortCriterion {
        SortCriterion { reverse, key }
    }

    #[test]
    fn the_examples_of_the_rfcs_are_read() {
        let subject = read("(SUBJECT) UTF-8 SINCE 1-Feb-1994").unwrap();
        assert_eq!(subject.criteria, [by(false, SortKey::Subject)]);
        assert_eq!((subject.charset.as_str(), subject.returns), ("UTF-8", None));
        let dates = read("(SUBJECT REVERSE DATE) UTF-8 ALL").unwrap();
        let wanted = [by(false, SortKey::Subject), by(true, SortKey::Date)];
        assert_eq!(
            (dates.criteria.as_slice(), dates.key),
            (&wanted[..], SearchKey::All)
        );
        let extended = read("RETURN () (REVERSE DATE) UTF-8 UNDELETED UNKEYWORD $Junk").unwrap();
        assert_eq!(extended.returns, Some(vec![SearchReturn::All]));
        let page = read("RETURN (PARTIAL 23500:24000) (DISPLAYFROM) utf-8 1:*").unwrap();
        let page = page.returns.unwrap().first().and_then(SearchReturn::page);
        assert_eq!(page.map(|page| page.of(30_000)), Some(23_499..24_000));
    }

    #[test]
    fn what_is_no_order_is_refused() {
        for text in [
            "() UTF-8 ALL",
            "(REVERSE) UTF-8 ALL",
            "(REVERSE REVERSE DATE) UTF-8 ALL",
            "(WEIGHT) UTF-8 ALL",
            "(DATE)",
            "(DATE) UTF-8",
            "DATE UTF-8 ALL",
        ] {
            assert!(read(text).is_err(), "{text}");
        }
        let many = ["DATE"; SORT_CRITERIA_MAX + 1].join(" ");
        let refusal = read(&format!("({many}) UTF-8 ALL")).unwrap_err();
        assert_eq!(refusal, Refusal::TooMany("sort keys"));
    }
}
