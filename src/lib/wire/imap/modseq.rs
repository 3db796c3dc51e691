//! What a command says of mod-sequences (RFC 7162): the parameters of SELECT, and the
//! modifiers of FETCH and STORE.
//!
//! A parameter or modifier is named once. Whether the client has enabled what it asks
//! for is the session's matter.

use preauth::imap::cursor::Cursor;

use super::partial::modifier_partial;
use super::refusal::expected;
use super::sequence::{Bound, nz_number, sequence_set};
use super::{Parsed, PartialRange, SequenceSet};

/// `select-params = SP "(" select-param *(SP select-param) ")"` (RFC 4466, section 2.1)
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SelectParams {
    /// `CONDSTORE`: tell me mod-sequences from now on.
    pub condstore: bool,
    /// `QRESYNC`: tell me what has happened since I was last here.
    pub resync: Option<Resync>,
}

impl SelectParams {
    /// Whether it names messages by sequence number.
    pub(super) fn names_numbers(&self) -> bool {
        let resync = self.resync.as_ref();
        resync.is_some_and(|resync| resync.matches.is_some())
    }
}

/// `"QRESYNC" SP "(" uidvalidity SP mod-sequence-value [SP known-uids] [SP seq-match-data] ")"`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resync {
    /// The UIDVALIDITY that the client knows.
    pub validity: u32,
    /// Up to where it knows what has happened; never 0.
    pub modseq: u64,
    /// The UIDs of which it wants to be told; without `*`.
    pub known: Option<SequenceSet>,
    /// Some messages of which it knows both numbers.
    pub matches: Option<SequenceMatch>,
}

/// `seq-match-data = "(" known-sequence-set SP known-uid-set ")"`: as many of the one as
/// of the other, both ascending and without `*`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SequenceMatch {
    /// Sequence numbers.
    pub numbers: SequenceSet,
    /// Their messages' UIDs.
    pub uids: SequenceSet,
}

/// `fetch-modifiers = SP "(" fetch-modifier *(SP fetch-modifier) ")"` (RFC 4466, section
/// 2.4)
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FetchModifiers {
    /// `CHANGEDSINCE`: only messages whose mod-sequence is above this.
    pub changed_since: Option<u64>,
    /// `VANISHED`: and which are gone since. Only with CHANGEDSINCE, and of UIDs.
    pub vanished: bool,
    /// `PARTIAL`: only the messages of this page (RFC 9394, section 3.3).
    pub partial: Option<PartialRange>,
}

/// `[select-params]`, `select-param = "CONDSTORE" / "QRESYNC" SP "(" ... ")"`
pub(super) fn select_params(cursor: &mut Cursor<'_>) -> Parsed<SelectParams> {
    let mut params = SelectParams::default();
    if !cursor.accept(b' ') {
        return Ok(params);
    }
    cursor.byte(b'(', "a list of parameters")?;
    loop {
        match cursor.word()?.as_str() {
            "CONDSTORE" if !params.condstore => params.condstore = true,
            "QRESYNC" if params.resync.is_none() => params.resync = Some(resync(cursor)?),
            _ => return Err(expected("a known parameter, once")),
        }
        if cursor.accept(b')') {
            return Ok(params);
        }
        cursor.space()?;
    }
}

/// `SP "(" uidvalidity SP mod-sequence-value [SP known-uids] [SP seq-match-data] ")"`
fn resync(cursor: &mut Cursor<'_>) -> Parsed<Resync> {
    cursor.space()?;
    cursor.byte(b'(', "UIDVALIDITY and a mod-sequence")?;
    let validity = nz_number(cursor)?;
    cursor.space()?;
    let modseq = mod_sequence_value(cursor)?;
    let mut resync = Resync {
        validity,
        modseq,
        known: None,
        matches: None,
    };
    if cursor.accept(b')') {
        return Ok(resync);
    }
    cursor.space()?;
    if cursor.peek() != Some(b'(') {
        resync.known = Some(known_set(cursor)?);
        if cursor.accept(b')') {
            return Ok(resync);
        }
        cursor.space()?;
    }
    resync.matches = Some(seq_match_data(cursor)?);
    cursor.byte(b')', "the end of what is known")?;
    Ok(resync)
}

/// `seq-match-data = "(" known-sequence-set SP known-uid-set ")"`
fn seq_match_data(cursor: &mut Cursor<'_>) -> Parsed<SequenceMatch> {
    cursor.byte(b'(', "message numbers and their UIDs")?;
    let numbers = known_set(cursor)?;
    cursor.space()?;
    let uids = known_set(cursor)?;
    cursor.byte(b')', "the end of the UIDs")?;
    match (ascending_len(&numbers), ascending_len(&uids)) {
        (Some(some), Some(as_many)) if some == as_many => Ok(SequenceMatch { numbers, uids }),
        _ => Err(expected("as many UIDs as message numbers, ascending")),
    }
}

/// `known-uids = sequence-set`, without `*`; what `$` means nobody knows before a mailbox
/// is open.
fn known_set(cursor: &mut Cursor<'_>) -> Parsed<SequenceSet> {
    let set = sequence_set(cursor)?;
    let SequenceSet::Ranges(ranges) = &set else {
        return Err(expected("numbers"));
    };
    let open = |bound: Bound| bound == Bound::Largest;
    match ranges
        .iter()
        .any(|range| open(range.from) || open(range.to))
    {
        true => Err(expected("numbers without *")),
        false => Ok(set),
    }
}

/// How many numbers a set has; none if they don't ascend as they are written.
fn ascending_len(set: &SequenceSet) -> Option<u64> {
    let SequenceSet::Ranges(ranges) = set else {
        return None;
    };
    let (mut len, mut before) = (0_u64, 0_u32);
    for range in ranges {
        let (Bound::Number(first), Bound::Number(last)) = (range.from, range.to) else {
            return None;
        };
        if first <= before || last < first {
            return None;
        }
        let within = u64::from(last.abs_diff(first)).saturating_add(1);
        len = len.saturating_add(within);
        before = last;
    }
    Some(len)
}

/// `[fetch-modifiers]`, `fetch-modifier = "CHANGEDSINCE" SP mod-sequence-value / "VANISHED" /
/// modifier-partial`.
pub(super) fn fetch_modifiers(cursor: &mut Cursor<'_>, uid: bool) -> Parsed<FetchModifiers> {
    let mut modifiers = FetchModifiers::default();
    if !cursor.accept(b' ') {
        return Ok(modifiers);
    }
    cursor.byte(b'(', "a list of modifiers")?;
    loop {
        match cursor.word()?.as_str() {
            "CHANGEDSINCE" if modifiers.changed_since.is_none() => {
                cursor.space()?;
                modifiers.changed_since = Some(mod_sequence_value(cursor)?);
            }
            "VANISHED" if uid && !modifiers.vanished => modifiers.vanished = true,
            "PARTIAL" if modifiers.partial.is_none() => {
                modifiers.partial = Some(modifier_partial(cursor)?);
            }
            _ => return Err(expected("a known modifier, once")),
        }
        if cursor.accept(b')') {
            break;
        }
        cursor.space()?;
    }
    match modifiers.vanished && modifiers.changed_since.is_none() {
        true => Err(expected("CHANGEDSINCE beside VANISHED")),
        false => Ok(modifiers),
    }
}

/// `[store-modifiers SP]`, `store-modifiers = "(" store-modifier *(SP store-modifier) ")"`,
/// `store-modifier = "UNCHANGEDSINCE" SP mod-sequence-valzer` (RFC 4466, section 2.5)
pub(super) fn store_modifiers(cursor: &mut Cursor<'_>) -> Parsed<Option<u64>> {
    if !cursor.accept(b'(') {
        return Ok(None);
    }
    if cursor.word()?.as_str() != "UNCHANGEDSINCE" {
        return Err(expected("a known modifier"));
    }
    cursor.space()?;
    let unchanged_since = mod_sequence_valzer(cursor)?;
    cursor.byte(b')', "the end of the modifiers")?;
    cursor.space()?;
    Ok(Some(unchanged_since))
}

/// `search-modsequence = "MODSEQ" [search-modseq-ext] SP mod-sequence-valzer`, behind the
/// first space: `search-modseq-ext = SP entry-name SP entry-type-req`. Every flag of a
/// message has one mod-sequence, so whose is asked for makes no difference.
pub(super) fn search_modsequence(cursor: &mut Cursor<'_>) -> Parsed<u64> {
    if cursor.peek() == Some(b'"') {
        entry_name(cursor)?;
        cursor.space()?;
        entry_type_req(cursor)?;
        cursor.space()?;
    }
    mod_sequence_valzer(cursor)
}

/// `entry-flag-name = DQUOTE "/flags/" attr-flag DQUOTE`
fn entry_name(cursor: &mut Cursor<'_>) -> Parsed<()> {
    let name = cursor.string()?.text(ENTRY_NAME_BYTES_MAX)?;
    let is_flags = |path: &str| path.eq_ignore_ascii_case("/flags/");
    match name.split_at_checked("/flags/".len()) {
        Some((path, flag)) if is_flags(path) && is_attr_flag(flag) => Ok(()),
        _ => Err(expected("the name of a flag's entry")),
    }
}

/// Bytes of an entry's name: `/flags/`, and a keyword as long as they may be.
const ENTRY_NAME_BYTES_MAX: usize = 8 + crate::limits::KEYWORD_BYTES_MAX;

/// `attr-flag = "\\Answered" / ... / attr-flag-keyword / attr-flag-extension`: an atom,
/// for system flags behind a backslash; not `\Recent`.
fn is_attr_flag(flag: &str) -> bool {
    let atom = flag.strip_prefix('\\').unwrap_or(flag);
    let is_atom = !atom.is_empty() && atom.bytes().all(preauth::imap::cursor::is_atom_char);
    is_atom && !flag.eq_ignore_ascii_case("\\Recent")
}

/// `entry-type-req = "priv" / "shared" / "all"`
fn entry_type_req(cursor: &mut Cursor<'_>) -> Parsed<()> {
    match cursor.word()?.as_str() {
        "PRIV" | "SHARED" | "ALL" => Ok(()),
        _ => Err(expected("priv, shared or all")),
    }
}

/// `mod-sequence-value = 1*DIGIT`: above 0, below 2^63
fn mod_sequence_value(cursor: &mut Cursor<'_>) -> Parsed<u64> {
    match mod_sequence_valzer(cursor)? {
        0 => Err(expected("a mod-sequence above 0")),
        modseq => Ok(modseq),
    }
}

/// `mod-sequence-valzer = "0" / mod-sequence-value`; no number has more than 63 bits.
fn mod_sequence_valzer(cursor: &mut Cursor<'_>) -> Parsed<u64> {
    Ok(cursor.number()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole<T>(text: &str, parse: impl Fn(&mut Cursor<'_>) -> Parsed<T>) -> Parsed<T> {
        let mut cursor = Cursor::new(text.as_bytes());
        let read = parse(&mut cursor)?;
        cursor.end()?;
        Ok(read)
    }

    fn set(text: &str) -> SequenceSet {
        whole(text, sequence_set).unwrap()
    }

    #[test]
    fn parameters_of_select_are_read_as_in_the_rfc() {
        let resync = |known, matches: Option<(&str, &str)>| SelectParams {
            condstore: false,
            resync: Some(Resync {
                validity: 67_890_007,
                modseq: 20_050_715_194_045_000,
                known,
                matches: matches.map(|(numbers, uids)| SequenceMatch {
                    numbers: set(numbers),
                    uids: set(uids),
                }),
            }),
        };
        let read = |text: &str| whole(text, select_params);
        assert_eq!(read(""), Ok(SelectParams::default()));
        let condstore = SelectParams {
            condstore: true,
            resync: None,
        };
        assert_eq!(read(" (condstore)"), Ok(condstore));
        assert_eq!(
            read(" (QRESYNC (67890007 20050715194045000))"),
            Ok(resync(None, None))
        );
        assert_eq!(
            read(" (QRESYNC (67890007 20050715194045000 41,43:211,214:541))"),
            Ok(resync(Some(set("41,43:211,214:541")), None))
        );
        assert_eq!(
            read(
                " (QRESYNC (67890007 20050715194045000 1:29997 (5000,7500,9990:9991 15000,22500,29970,29973)))"
            ),
            Ok(resync(
                Some(set("1:29997")),
                Some(("5000,7500,9990:9991", "15000,22500,29970,29973"))
            ))
        );
        assert_eq!(
            read(" (QRESYNC (67890007 20050715194045000 (1 2)))"),
            Ok(resync(None, Some(("1", "2"))))
        );
        assert!(read(" (CONDSTORE QRESYNC (1 1))").is_ok());
    }

    #[test]
    fn what_no_parameter_may_be_is_refused() {
        for text in [
            " ()",
            " (CONDSTORE CONDSTORE)",
            " (QRESYNC)",
            " (QRESYNC (1))",
            " (QRESYNC (0 1))",
            " (QRESYNC (1 0))",
            " (QRESYNC (1 9223372036854775808))",
            " (QRESYNC (1 1 *))",
            " (QRESYNC (1 1 1:*))",
            " (QRESYNC (1 1 $))",
            " (QRESYNC (1 1 (1 *)))",
            " (QRESYNC (1 1 (1,2 3)))",
            " (QRESYNC (1 1 (2,1 3,4)))",
            " (QRESYNC (1 1 (1:2 4:3)))",
            " (QRESYNC (1 1 *:5))",
            " (QRESYNC (1 1 (1,1 2,3)))",
            " (QRESYNC (1 1 (1:5,3:7 11:20)))",
            " (QRESYNC (1 1) QRESYNC (1 1))",
            " (QRESYNC (1 1 () ))",
            " (QRESYNC (1 1 2) CONDSTORE",
            " (UTF8)",
            " CONDSTORE",
        ] {
            assert!(whole(text, select_params).is_err(), "{text}");
        }
    }

    #[test]
    fn modifiers_are_read_as_in_the_rfc() {
        let fetch = |text: &str, uid| whole(text, |cursor| fetch_modifiers(cursor, uid));
        let since = |since, vanished| {
            Ok(FetchModifiers {
                changed_since: Some(since),
                vanished,
                partial: None,
            })
        };
        assert_eq!(fetch("", false), Ok(FetchModifiers::default()));
        assert_eq!(fetch(" (CHANGEDSINCE 12345)", false), since(12345, false));
        assert_eq!(fetch(" (changedsince 1)", true), since(1, false));
        assert_eq!(fetch(" (CHANGEDSINCE 1 VANISHED)", true), since(1, true));
        assert_eq!(fetch(" (VANISHED CHANGEDSINCE 1)", true), since(1, true));
        let both = fetch(" (PARTIAL -1:-30 CHANGEDSINCE 98305)", true).unwrap();
        assert_eq!(both.partial.unwrap().to_string(), "-1:-30");
        assert_eq!(
            fetch(" (CHANGEDSINCE 98305 PARTIAL -1:-30)", true),
            Ok(both)
        );
        for text in [
            " (PARTIAL)",
            " (PARTIAL 1:2 PARTIAL 1:2)",
            " ()",
            " (VANISHED)",
            " (CHANGEDSINCE)",
            " (CHANGEDSINCE 1 CHANGEDSINCE 2)",
            " (CHANGEDSINCE 1 VANISHED VANISHED)",
            " (CHANGEDSINCE 9223372036854775808)",
            " (CHANGEDSINCE -1)",
            " (CHANGEDSINCE 0)",
            " (UNCHANGEDSINCE 1)",
        ] {
            assert!(fetch(text, true).is_err(), "{text}");
        }
        assert!(fetch(" (CHANGEDSINCE 1 VANISHED)", false).is_err());
        let store = |text: &str| whole(text, store_modifiers);
        assert_eq!(store(""), Ok(None));
        assert_eq!(store("(UNCHANGEDSINCE 320162338) "), Ok(Some(320_162_338)));
        assert_eq!(store("(unchangedsince 0) "), Ok(Some(0)));
        for text in [
            "() ",
            "(UNCHANGEDSINCE 1 UNCHANGEDSINCE 2) ",
            "(UNCHANGEDSINCE 1)",
            "(CHANGEDSINCE 1) ",
        ] {
            assert!(store(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_search_names_an_entry_or_none() {
        let read = |text: &str| whole(text, search_modsequence);
        for (text, modseq) in [
            ("620162338", 620_162_338),
            ("0", 0),
            ("9223372036854775807", i64::MAX as u64),
            ("\"/flags/\\\\draft\" all 620162338", 620_162_338),
            ("\"/flags/$mdnsent\" PRIV 5", 5),
            ("\"/FLAGS/x\" shared 5", 5),
        ] {
            assert_eq!(read(text), Ok(modseq), "{text}");
        }
        for text in [
            "",
            "9223372036854775808",
            "\"/flags/\\\\draft\" 5",
            "\"/flags/\\\\recent\" all 5",
            "\"/flags/\" all 5",
            "\"/flags/a b\" all 5",
            "\"flags/x\" all 5",
            "\"/flagz/x\" all 5",
            "\"/flags/x\" both 5",
            "all 5",
        ] {
            assert!(read(text).is_err(), "{text}");
        }
    }
}
