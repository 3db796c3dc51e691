//! SEARCH: what is looked for, what the answer must and must not have, and ESEARCH's
//! parts against each other.

use super::letter::HEADER;
use super::response::ESearch;
use std::collections::BTreeSet;

/// What is looked for.
#[derive(Debug, Clone)]
pub enum Key {
    /// ALL.
    All,
    /// KEYWORD or UNKEYWORD.
    Keyword(String, bool),
    /// Messages by number.
    Numbers(String, Vec<u32>),
    /// UID.
    Uids(String, Vec<u32>),
    /// `$`.
    Saved(Vec<u32>),
    /// HEADER, for the name of a letter.
    Name(String),
    /// BODY, for the same.
    Body(String),
    /// MODSEQ.
    Modseq(u64),
    /// NOT.
    Not(Box<Key>),
    /// OR.
    Or(Box<Key>, Box<Key>),
    /// Both.
    Both(Box<Key>, Box<Key>),
}

impl std::fmt::Display for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::All => f.write_str("ALL"),
            Self::Keyword(keyword, true) => write!(f, "KEYWORD {keyword}"),
            Self::Keyword(keyword, false) => write!(f, "UNKEYWORD {keyword}"),
            Self::Numbers(set, _) => f.write_str(set),
            Self::Uids(set, _) => write!(f, "UID {set}"),
            Self::Saved(_) => f.write_str("$"),
            Self::Name(name) => write!(f, "HEADER {HEADER} \"{name}\""),
            Self::Body(name) => write!(f, "BODY \"This is {name}.\""),
            Self::Modseq(from) => write!(f, "MODSEQ {from}"),
            Self::Not(key) => write!(f, "NOT {key}"),
            Self::Or(one, other) => write!(f, "OR {one} {other}"),
            Self::Both(one, other) => write!(f, "({one} {other})"),
        }
    }
}

/// What is known of a message, for a search.
#[derive(Debug)]
pub struct Facts {
    /// Its number.
    pub number: u32,
    /// Its UID.
    pub uid: Option<u32>,
    /// Its letter's name.
    pub name: Option<String>,
    /// Whether it has the searcher's own keyword.
    pub keyword: Option<bool>,
    /// Its mod-sequence as it was told last: it may be higher by now.
    pub modseq: u64,
}

impl Key {
    /// Whether it names messages by number.
    #[must_use]
    pub fn names_numbers(&self) -> bool {
        match self {
            Self::Numbers(..) => true,
            Self::Not(key) => key.names_numbers(),
            Self::Or(one, other) | Self::Both(one, other) => {
                one.names_numbers() || other.names_numbers()
            }
            _ => false,
        }
    }

    /// Whether it asks for mod-sequences anywhere.
    #[must_use]
    pub fn names_modseq(&self) -> bool {
        match self {
            Self::Modseq(_) => true,
            Self::Not(key) => key.names_modseq(),
            Self::Or(one, other) | Self::Both(one, other) => {
                one.names_modseq() || other.names_modseq()
            }
            _ => false,
        }
    }

    /// Whether a message fits, if that can be told.
    #[must_use]
    pub fn fits(&self, facts: &Facts) -> Option<bool> {
        match self {
            Self::All => Some(true),
            Self::Keyword(_, with) => facts.keyword.map(|has| has == *with),
            Self::Numbers(_, numbers) => Some(numbers.contains(&facts.number)),
            Self::Uids(_, uids) | Self::Saved(uids) => facts.uid.map(|uid| uids.contains(&uid)),
            Self::Name(name) | Self::Body(name) => facts.name.as_ref().map(|known| known == name),
            Self::Modseq(from) => (facts.modseq >= *from).then_some(true),
            Self::Not(key) => key.fits(facts).map(|fits| !fits),
            Self::Or(one, other) => either(one.fits(facts), other.fits(facts)),
            Self::Both(one, other) => {
                let not = |key: &Key| key.fits(facts).map(|fits| !fits);
                either(not(one), not(other)).map(|fits| !fits)
            }
        }
    }
}

fn either(one: Option<bool>, other: Option<bool>) -> Option<bool> {
    match (one, other) {
        (Some(true), _) | (_, Some(true)) => Some(true),
        (Some(false), Some(false)) => Some(false),
        _ => None,
    }
}

/// Holds ESEARCH's parts against each other and against what was asked for.
///
/// # Errors
/// What is wrong.
pub fn is_consistent(found: &ESearch, returns: &[&str]) -> Result<(), String> {
    let wants = |what: &str| returns.contains(&what) || (what == "ALL" && returns.is_empty());
    let empty = found.count == Some(0)
        || found.all.as_ref().is_some_and(Vec::is_empty)
        || (found.all.is_none()
            && found.min.is_none()
            && found.max.is_none()
            && found.count.is_none_or(|count| count == 0));
    let there = [
        ("MIN", found.min.is_some()),
        ("MAX", found.max.is_some()),
        ("ALL", found.all.is_some()),
        ("COUNT", found.count.is_some()),
    ];
    for (what, is_there) in there {
        let wanted = wants(what) && (!empty || what == "COUNT");
        if wanted != is_there {
            return Err(format!(
                "esearch: {what} is wanted: {wanted}, there: {is_there}"
            ));
        }
    }
    let Some(all) = &found.all else {
        return Ok(());
    };
    let set: BTreeSet<u32> = all.iter().copied().collect();
    let right = found.min.is_none_or(|min| set.first() == Some(&min))
        && found.max.is_none_or(|max| set.last() == Some(&max))
        && found.count.is_none_or(|count| count as usize == set.len())
        && set.len() == all.len();
    match right {
        true => Ok(()),
        false => Err(format!(
            "esearch: its parts contradict each other: {found:?}"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_unknown_stays_unknown_until_something_decides() {
        let facts = Facts {
            number: 2,
            uid: Some(7),
            name: None,
            keyword: Some(false),
            modseq: 9,
        };
        let unknown = || Box::new(Key::Name("x".into()));
        let no = || Box::new(Key::Keyword("own1".into(), true));
        assert_eq!(Key::Or(unknown(), no()).fits(&facts), None);
        assert_eq!(Key::Both(unknown(), no()).fits(&facts), Some(false));
        assert_eq!(Key::Not(no()).fits(&facts), Some(true));
        assert_eq!(Key::Uids("7".into(), vec![7]).fits(&facts), Some(true));
    }

    #[test]
    fn parts_of_esearch_that_contradict_each_other_are_seen() {
        let found = ESearch {
            min: Some(2),
            count: Some(2),
            all: Some(vec![2, 3]),
            ..ESearch::default()
        };
        assert_eq!(is_consistent(&found, &["MIN", "COUNT", "ALL"]), Ok(()));
        assert!(
            is_consistent(&found, &["COUNT", "ALL"]).is_err(),
            "MIN unasked"
        );
        let wrong = ESearch {
            count: Some(3),
            ..found
        };
        assert!(is_consistent(&wrong, &["MIN", "COUNT", "ALL"]).is_err());
    }
}
