//! What SEARCH can ask.
//!
//! A tree whose depth and size are bounded, so that reading and evaluating it
//! by recursion is safe.

use preauth::imap::cursor::Cursor;
use std::mem::discriminant;

use super::date::date;
use super::fetch::{FetchItem, header_fld_name};
use super::flag::keyword;
use super::modseq::search_modsequence;
use super::notify::{MailboxFilter, Names, fetch_atts};
use super::object::objectid;
use super::partial::modifier_partial;
use super::refusal::{Refusal, expected};
use super::sequence::{nz_number, sequence_set};
use super::{Bound, Date, Dialect, Flag, Parsed, PartialRange, SequenceRange, SequenceSet};
use crate::limits::{FILTER_NAMES_MAX, SEARCH_DEPTH_MAX, SEARCH_KEYS_MAX, SEARCH_TEXT_BYTES_MAX};

/// `search-key` (RFC 9051 and RFC 3501, section 9; RFC 5032; RFC 7162; RFC 8474; RFC 8514)
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SearchKey {
    /// Every message.
    All,
    /// All of these: keys in a row or in parentheses.
    And(Vec<SearchKey>),
    /// One of these at least: two, or a chain of OR to the right.
    Or(Vec<SearchKey>),
    /// Not this.
    Not(Box<SearchKey>),
    /// Has the flag. `UNSEEN` and its like are `Not`.
    Flag(Flag),
    /// RECENT and not SEEN (RFC 3501).
    New,
    /// Not RECENT (RFC 3501).
    Old,
    /// RFC 3501.
    Recent,
    /// A header field of this name contains this; empty: there is such a field.
    /// BCC, CC, FROM, SUBJECT and TO are this too.
    Header {
        /// The field's name.
        name: String,
        /// What it contains, in the command's charset.
        value: Vec<u8>,
    },
    /// The body contains this, in the command's charset.
    Body(Vec<u8>),
    /// Header or body contain this, in the command's charset.
    Text(Vec<u8>),
    /// By the day of INTERNALDATE.
    Arrived(When, Date),
    /// By the day of the Date field.
    Sent(When, Date),
    /// By the day on which it came into the mailbox (RFC 8514).
    Saved(When, Date),
    /// Shows this content (RFC 8474).
    EmailId(String),
    /// Belongs to this conversation (RFC 8474).
    ThreadId(String),
    /// More bytes than this.
    Larger(u64),
    /// Fewer bytes than this.
    Smaller(u64),
    /// Among these UIDs.
    Uid(SequenceSet),
    /// Among these sequence numbers.
    Sequence(SequenceSet),
    /// Came in at least so many seconds ago (RFC 5032).
    Older(u32),
    /// Came in less than so many seconds ago (RFC 5032).
    Younger(u32),
    /// Its mod-sequence is this or higher (RFC 7162).
    Modseq(u64),
}

impl SearchKey {
    /// Whether a mod-sequence is asked for, anywhere within. Recursion is safe: the tree
    /// is bounded.
    #[must_use]
    pub fn asks_for_modseqs(&self) -> bool {
        self.has(&|key| matches!(key, Self::Modseq(_)))
    }

    /// Whether messages are named by sequence number, anywhere within.
    #[must_use]
    pub fn names_numbers(&self) -> bool {
        self.has(&|key| matches!(key, Self::Sequence(SequenceSet::Ranges(_))))
    }

    fn has(&self, wanted: &impl Fn(&Self) -> bool) -> bool {
        match self {
            Self::And(keys) | Self::Or(keys) => keys.iter().any(|key| key.has(wanted)),
            Self::Not(key) => key.has(wanted),
            key => wanted(key),
        }
    }
}

/// On which side of a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// Earlier than it.
    Before,
    /// Within it.
    On,
    /// Within it or later.
    Since,
}

/// `search-return-opt` (RFC 9051, section 6.4.4)
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SearchReturn {
    /// The lowest number.
    Min,
    /// The highest number.
    Max,
    /// All numbers, as a set.
    All,
    /// How many.
    Count,
    /// Keep the result as `$`.
    Save,
    /// A page of the numbers (RFC 9394).
    Partial(PartialRange),
    /// The same will be looked for again (RFC 5267): a hint.
    Context,
    /// Tell what changes of the result (RFC 5267), and these of a message that joins it
    /// newly (RFC 5465, section 7).
    Update(Vec<FetchItem>),
}

impl SearchReturn {
    /// What is told of a message that joins the result, if updates are wanted.
    #[must_use]
    pub fn update(&self) -> Option<&[FetchItem]> {
        match self {
            Self::Update(items) => Some(items),
            _ => None,
        }
    }

    /// The page, if it is one.
    #[must_use]
    pub fn page(&self) -> Option<PartialRange> {
        match self {
            Self::Partial(range) => Some(*range),
            _ => None,
        }
    }
}

/// A search over mailboxes, open or not: always answered in UIDs, by an ESEARCH for each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MultiSearch {
    /// Where; none: in the open one.
    pub sources: Option<Vec<MailboxFilter>>,
    /// What is told; never empty.
    pub returns: Vec<SearchReturn>,
    /// Of the strings in the key; none: UTF-8.
    pub charset: Option<String>,
    /// What is looked for.
    pub key: SearchKey,
}

/// A search of the open mailbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Search {
    /// What is told; none: every number, by SEARCH; some, never empty: these, by ESEARCH.
    pub returns: Option<Vec<SearchReturn>>,
    /// Of the strings in the key; none: UTF-8.
    pub charset: Option<String>,
    /// What is looked for.
    pub key: SearchKey,
}

/// `search = "SEARCH" [search-return-opts] SP search-program`, behind its name
pub(super) fn search(cursor: &mut Cursor<'_>, dialect: Dialect) -> Parsed<Search> {
    cursor.space()?;
    search_return_and_program(cursor, dialect)
}

/// `esearch = "ESEARCH" [SP esearch-source-opts] [SP search-return-opts] SP search-program`
/// (RFC 7377, section 4), behind its name. Where nothing is said of results, ALL is meant.
pub(super) fn esearch(cursor: &mut Cursor<'_>, dialect: Dialect) -> Parsed<MultiSearch> {
    cursor.space()?;
    let sources = esearch_source_opts(cursor, dialect)?;
    let search = search_return_and_program(cursor, dialect)?;
    Ok(MultiSearch {
        sources,
        returns: search.returns.unwrap_or(vec![SearchReturn::All]),
        charset: search.charset,
        key: search.key,
    })
}

/// `esearch-source-opts = "IN" SP "(" source-mbox [SP "(" scope-options ")"] ")"`,
/// `source-mbox = filter-mailboxes *(SP filter-mailboxes)`, and the space behind. There
/// are no scope options yet.
fn esearch_source_opts(
    cursor: &mut Cursor<'_>,
    dialect: Dialect,
) -> Parsed<Option<Vec<MailboxFilter>>> {
    if !accept_word(cursor, "IN") {
        return Ok(None);
    }
    cursor.space()?;
    cursor.byte(b'(', "a list of mailboxes to search")?;
    let mut names = Names::default();
    let mut sources = vec![names.filter_mailboxes(cursor, dialect)?];
    while !cursor.accept(b')') {
        cursor.space()?;
        if sources.len() >= FILTER_NAMES_MAX {
            return Err(Refusal::TooMany("sets of mailboxes"));
        }
        sources.push(names.filter_mailboxes(cursor, dialect)?);
    }
    cursor.space()?;
    match sources.contains(&MailboxFilter::SelectedDelayed) {
        true => Err(expected("a set of mailboxes that can be searched")),
        false => Ok(Some(sources)),
    }
}

fn search_return_and_program(cursor: &mut Cursor<'_>, dialect: Dialect) -> Parsed<Search> {
    let returns = search_return_opts(cursor)?;
    let charset = charset(cursor, dialect)?;
    Ok(Search {
        returns,
        charset,
        key: program(cursor)?,
    })
}

/// `1*(SP search-key)`, behind the first space
pub(super) fn program(cursor: &mut Cursor<'_>) -> Parsed<SearchKey> {
    let mut program = Program { keys: 0 };
    let mut keys = vec![program.search_key(cursor, 0)?];
    while cursor.accept(b' ') {
        keys.push(program.search_key(cursor, 0)?);
    }
    Ok(all_of(keys))
}

/// Whether a SEARCH, of which the cursor stands behind the name, is to be saved.
pub(super) fn saves(cursor: &mut Cursor<'_>) -> bool {
    let returns = cursor.space().map_err(Refusal::from);
    let returns = returns.and_then(|()| search_return_opts(cursor));
    matches!(returns, Ok(Some(returns)) if returns.contains(&SearchReturn::Save))
}

/// The same of an ESEARCH, which may name mailboxes first.
pub(super) fn saves_anywhere(cursor: &mut Cursor<'_>) -> bool {
    let sources = cursor.space().map_err(Refusal::from);
    let returns = sources
        .and_then(|()| esearch_source_opts(cursor, Dialect::default()))
        .and_then(|_| search_return_opts(cursor));
    matches!(returns, Ok(Some(returns)) if returns.contains(&SearchReturn::Save))
}

/// `search-return-opts = SP "RETURN" SP "(" [search-return-opt *(SP search-return-opt)] ")"`,
/// and the space behind. None means an untagged SEARCH; `()` means ALL. What is
/// named twice is wanted once, so that they are never more than there are kinds.
pub(super) fn search_return_opts(cursor: &mut Cursor<'_>) -> Parsed<Option<Vec<SearchReturn>>> {
    if !accept_word(cursor, "RETURN") {
        return Ok(None);
    }
    cursor.space()?;
    cursor.byte(b'(', "a list of results")?;
    let mut options: Vec<SearchReturn> = Vec::new();
    while !cursor.accept(b')') {
        if !options.is_empty() {
            cursor.space()?;
        }
        let option = search_return_opt(cursor)?;
        let is_same = |known: &SearchReturn| discriminant(known) == discriminant(&option);
        let is_again = options.iter().any(is_same);
        if lists(&option) && options.iter().any(lists) && !(is_again && option.page().is_none()) {
            return Err(expected("one PARTIAL, or ALL, and not both"));
        }
        if !is_again {
            options.push(option);
        }
    }
    cursor.space()?;
    if options.is_empty() {
        options.push(SearchReturn::All);
    }
    Ok(Some(options))
}

/// Of those that list numbers there may be one (RFC 9394, section 3.1).
fn lists(option: &SearchReturn) -> bool {
    matches!(option, SearchReturn::All | SearchReturn::Partial(_))
}

/// `search-return-opt = "MIN" / "MAX" / "ALL" / "COUNT" / "SAVE" / modifier-partial /
/// modifier-context / modifier-update`, `modifier-update = "UPDATE" ["(" fetch-att *(SP fetch-att) ")"]`
fn search_return_opt(cursor: &mut Cursor<'_>) -> Parsed<SearchReturn> {
    Ok(match cursor.word()?.as_str() {
        "MIN" => SearchReturn::Min,
        "MAX" => SearchReturn::Max,
        "ALL" => SearchReturn::All,
        "COUNT" => SearchReturn::Count,
        "SAVE" => SearchReturn::Save,
        "PARTIAL" => SearchReturn::Partial(modifier_partial(cursor)?),
        "CONTEXT" => SearchReturn::Context,
        "UPDATE" => SearchReturn::Update(fetch_atts(cursor)?),
        _ => return Err(expected("a known result")),
    })
}

/// `["CHARSET" SP charset SP]`; whoever decodes the strings knows which there are. Once
/// UTF8=ACCEPT is enabled there may be none (RFC 6855, section 3).
fn charset(cursor: &mut Cursor<'_>, dialect: Dialect) -> Parsed<Option<String>> {
    if !accept_word(cursor, "CHARSET") {
        return Ok(None);
    }
    if dialect == Dialect::Utf8 {
        return Err(Refusal::CharsetNamed);
    }
    cursor.space()?;
    let name = cursor.astring()?.text(CHARSET_BYTES_MAX)?;
    cursor.space()?;
    Ok(Some(name))
}

/// Longer than any registered charset's name.
pub(super) const CHARSET_BYTES_MAX: usize = 64;

pub(super) fn accept_word(cursor: &mut Cursor<'_>, wanted: &str) -> bool {
    let mut ahead = *cursor;
    let found = ahead.word().is_ok_and(|word| word.as_str() == wanted);
    if found {
        *cursor = ahead;
    }
    found
}

/// Counts the keys of one SEARCH.
struct Program {
    keys: usize,
}

impl Program {
    /// `search-key = "(" search-key *(SP search-key) ")" / sequence-set / ...`
    fn search_key(&mut self, cursor: &mut Cursor<'_>, depth: usize) -> Parsed<SearchKey> {
        self.keys = self.keys.saturating_add(1);
        if self.keys > SEARCH_KEYS_MAX {
            return Err(Refusal::TooMany("search keys"));
        }
        if depth > SEARCH_DEPTH_MAX {
            return Err(Refusal::TooMany("levels of search keys"));
        }
        match cursor.peek() {
            Some(b'(') => self.parenthesised(cursor, depth),
            Some(b'0'..=b'9' | b'*' | b'$') => sequence_set(cursor).map(SearchKey::Sequence),
            _ => self.named(cursor, depth),
        }
    }

    /// `"(" search-key *(SP search-key) ")"`
    fn parenthesised(&mut self, cursor: &mut Cursor<'_>, depth: usize) -> Parsed<SearchKey> {
        cursor.byte(b'(', "a list of search keys")?;
        let mut keys = vec![self.search_key(cursor, depth.saturating_add(1))?];
        while !cursor.accept(b')') {
            cursor.space()?;
            keys.push(self.search_key(cursor, depth.saturating_add(1))?);
        }
        Ok(all_of(keys))
    }

    /// `"NOT" SP search-key / "OR" SP search-key SP search-key / ...`
    fn named(&mut self, cursor: &mut Cursor<'_>, depth: usize) -> Parsed<SearchKey> {
        let name = cursor.word()?;
        match name.as_str() {
            "NOT" => {
                cursor.space()?;
                self.search_key(cursor, depth.saturating_add(1))
                    .map(negated)
            }
            "OR" => self.or(cursor, depth),
            name => match flag_key(name) {
                Some(key) => Ok(key),
                None => argument_key(cursor, name),
            },
        }
    }

    /// `"OR" SP search-key SP search-key`, of which the second may be the next
    /// OR of a chain: that is read here, without going deeper.
    fn or(&mut self, cursor: &mut Cursor<'_>, depth: usize) -> Parsed<SearchKey> {
        let mut arms = Vec::new();
        loop {
            cursor.space()?;
            arms.push(self.search_key(cursor, depth.saturating_add(1))?);
            cursor.space()?;
            if !accept_word(cursor, "OR") {
                break;
            }
        }
        arms.push(self.search_key(cursor, depth.saturating_add(1))?);
        Ok(SearchKey::Or(arms))
    }
}

/// `"ALL" / "ANSWERED" / "DELETED" / "DRAFT" / "FLAGGED" / "NEW" / "OLD" / "RECENT" / "SEEN" /
/// "UNANSWERED" / "UNDELETED" / "UNDRAFT" / "UNFLAGGED" / "UNSEEN"`, and
/// `"SAVEDATESUPPORTED"` (RFC 8514), which every message of ours is
fn flag_key(name: &str) -> Option<SearchKey> {
    let (positive, flag) = match name.strip_prefix("UN") {
        Some(flag) => (false, flag),
        None => (true, name),
    };
    let flag = match flag {
        "ANSWERED" => Flag::Answered,
        "DELETED" => Flag::Deleted,
        "DRAFT" => Flag::Draft,
        "FLAGGED" => Flag::Flagged,
        "SEEN" => Flag::Seen,
        "ALL" | "SAVEDATESUPPORTED" if positive => return Some(SearchKey::All),
        "NEW" if positive => return Some(SearchKey::New),
        "OLD" if positive => return Some(SearchKey::Old),
        "RECENT" if positive => return Some(SearchKey::Recent),
        _ => return None,
    };
    let key = SearchKey::Flag(flag);
    Some(if positive { key } else { negated(key) })
}

/// `"BCC" SP astring / "BEFORE" SP date / "HEADER" SP header-fld-name SP astring / ...`
fn argument_key(cursor: &mut Cursor<'_>, name: &str) -> Parsed<SearchKey> {
    if !cursor.accept(b' ') {
        return Err(expected("a search key, and what it looks for"));
    }
    Ok(match name {
        "BCC" | "CC" | "FROM" | "SUBJECT" | "TO" => SearchKey::Header {
            name: name.to_owned(),
            value: text(cursor)?,
        },
        "HEADER" => header(cursor)?,
        "BODY" => SearchKey::Body(text(cursor)?),
        "TEXT" => SearchKey::Text(text(cursor)?),
        "KEYWORD" => SearchKey::Flag(Flag::Keyword(keyword(cursor)?)),
        "UNKEYWORD" => negated(SearchKey::Flag(Flag::Keyword(keyword(cursor)?))),
        "BEFORE" => SearchKey::Arrived(When::Before, date(cursor)?),
        "ON" => SearchKey::Arrived(When::On, date(cursor)?),
        "SINCE" => SearchKey::Arrived(When::Since, date(cursor)?),
        "SENTBEFORE" => SearchKey::Sent(When::Before, date(cursor)?),
        "SENTON" => SearchKey::Sent(When::On, date(cursor)?),
        "SENTSINCE" => SearchKey::Sent(When::Since, date(cursor)?),
        "SAVEDBEFORE" => SearchKey::Saved(When::Before, date(cursor)?),
        "SAVEDON" => SearchKey::Saved(When::On, date(cursor)?),
        "SAVEDSINCE" => SearchKey::Saved(When::Since, date(cursor)?),
        "EMAILID" => SearchKey::EmailId(objectid(cursor)?),
        "THREADID" => SearchKey::ThreadId(objectid(cursor)?),
        "LARGER" => SearchKey::Larger(cursor.number()?),
        "SMALLER" => SearchKey::Smaller(cursor.number()?),
        "UID" => SearchKey::Uid(sequence_set(cursor)?),
        "UIDAFTER" => uid_after(nz_number(cursor)?),
        "UIDBEFORE" => uid_before(nz_number(cursor)?),
        "OLDER" => SearchKey::Older(nz_number(cursor)?),
        "YOUNGER" => SearchKey::Younger(nz_number(cursor)?),
        "MODSEQ" => SearchKey::Modseq(search_modsequence(cursor)?),
        _ => return Err(expected("a search key")),
    })
}

/// `"UIDAFTER" SP uniqueid` (RFC 9738, section 3.2): above it, as a set of UIDs
fn uid_after(uid: u32) -> SearchKey {
    match uid.checked_add(1) {
        Some(first) => SearchKey::Uid(uids(first, u32::MAX)),
        None => negated(SearchKey::All),
    }
}

/// `"UIDBEFORE" SP uniqueid` (RFC 9738, section 3.2): below it, as a set of UIDs
fn uid_before(uid: u32) -> SearchKey {
    match uid.saturating_sub(1) {
        0 => negated(SearchKey::All),
        last => SearchKey::Uid(uids(1, last)),
    }
}

fn uids(first: u32, last: u32) -> SequenceSet {
    SequenceSet::Ranges(vec![SequenceRange {
        from: Bound::Number(first),
        to: Bound::Number(last),
    }])
}

/// `"HEADER" SP header-fld-name SP astring`
fn header(cursor: &mut Cursor<'_>) -> Parsed<SearchKey> {
    let name = header_fld_name(cursor)?;
    cursor.space()?;
    Ok(SearchKey::Header {
        name,
        value: text(cursor)?,
    })
}

/// `astring` in the command's charset
fn text(cursor: &mut Cursor<'_>) -> Parsed<Vec<u8>> {
    let string = cursor.astring()?;
    let longest = SEARCH_TEXT_BYTES_MAX.saturating_add(1);
    let bytes: Vec<u8> = string.bytes().take(longest).collect();
    match bytes.len() <= SEARCH_TEXT_BYTES_MAX {
        true => Ok(bytes),
        false => Err(expected("a shorter string")),
    }
}

fn negated(key: SearchKey) -> SearchKey {
    SearchKey::Not(Box::new(key))
}

fn all_of(mut keys: Vec<SearchKey>) -> SearchKey {
    match keys.len() {
        1 => keys.pop().unwrap_or(SearchKey::All),
        _ => SearchKey::And(keys),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::arithmetic_side_effects)]
    use super::*;

    fn read(text: &str) -> Parsed<(Option<Vec<SearchReturn>>, SearchKey)> {
        read_as(text, Dialect::Rev1)
    }

    fn read_as(text: &str, dialect: Dialect) -> Parsed<(Option<Vec<SearchReturn>>, SearchKey)> {
        let text = format!(" {text}");
        let mut cursor = Cursor::new(text.as_bytes());
        let read = search(&mut cursor, dialect)?;
        cursor.end()?;
        Ok((read.returns, read.key))
    }

    fn charset_of(text: &str) -> Option<String> {
        let text = format!(" {text}");
        search(&mut Cursor::new(text.as_bytes()), Dialect::Rev1)
            .unwrap()
            .charset
    }

    fn key(text: &str) -> SearchKey {
        read(text).unwrap().1
    }

    fn header_of(name: &str, value: &str) -> SearchKey {
        SearchKey::Header {
            name: name.to_owned(),
            value: value.as_bytes().to_vec(),
        }
    }

    #[test]
    fn the_examples_of_the_rfc_are_read() {
        let since = Date::new(1994, 2, 1).unwrap();
        assert_eq!(
            key("FLAGGED SINCE 1-Feb-1994 NOT FROM \"Smith\""),
            SearchKey::And(vec![
                SearchKey::Flag(Flag::Flagged),
                SearchKey::Arrived(When::Since, since),
                negated(header_of("FROM", "Smith")),
            ])
        );
        assert_eq!(
            key("CHARSET UTF-8 TEXT {12}\r\n\u{41f}\u{440}\u{438}\u{432}\u{435}\u{442}"),
            SearchKey::Text("Привет".as_bytes().to_vec())
        );
        let (returns, _) = read("RETURN (MIN COUNT) DELETED").unwrap();
        assert_eq!(returns, Some(vec![SearchReturn::Min, SearchReturn::Count]));
        assert_eq!(
            read("RETURN (MIN SAVE MIN) ALL").unwrap().0,
            Some(vec![SearchReturn::Min, SearchReturn::Save])
        );
        assert_eq!(
            read("RETURN () ALL").unwrap().0,
            Some(vec![SearchReturn::All])
        );
    }

    #[test]
    fn a_page_is_one_of_the_results_and_there_is_one_list() {
        let page = |text: &str| read(text).unwrap().0.unwrap();
        assert_eq!(
            page("RETURN (PARTIAL -1:-100) ALL")[0]
                .page()
                .unwrap()
                .len(),
            100
        );
        assert_eq!(page("RETURN (COUNT partial 1:500 SAVE) ALL").len(), 3);
        for text in [
            "RETURN (PARTIAL 1:5 ALL) ALL",
            "RETURN (ALL PARTIAL 1:5) ALL",
            "RETURN (PARTIAL 1:5 PARTIAL 1:5) ALL",
            "RETURN (PARTIAL) ALL",
            "RETURN (PARTIAL 1) ALL",
        ] {
            assert!(matches!(read(text), Err(Refusal::Grammar(_))), "{text}");
        }
        assert_eq!(page("RETURN (ALL ALL) ALL"), [SearchReturn::All]);
    }

    /// However many are said: of each kind there is one, and that a page is the second is
    /// seen when it comes.
    #[test]
    fn there_are_no_more_results_than_kinds() {
        let updates: Vec<String> = (1..5000).map(|n| format!("UPDATE (BODY[{n}])")).collect();
        let (returns, _) = read(&format!("RETURN ({} COUNT) ALL", updates.join(" "))).unwrap();
        let returns = returns.unwrap();
        assert_eq!(returns.len(), 2);
        assert_eq!(returns[0].update().unwrap().len(), 1);
        assert_eq!(
            read("RETURN (PARTIAL 1:5 PARTIAL 6:9 and what is no result"),
            Err(expected("one PARTIAL, or ALL, and not both"))
        );
    }

    #[test]
    fn what_is_above_or_below_a_uid_is_a_set_without_it() {
        assert_eq!(key("UIDAFTER 4"), SearchKey::Uid(uids(5, u32::MAX)));
        assert_eq!(key("UIDBEFORE 4"), SearchKey::Uid(uids(1, 3)));
        assert_eq!(key("UIDAFTER 4294967295"), negated(SearchKey::All));
        assert_eq!(key("UIDBEFORE 1"), negated(SearchKey::All));
        for text in ["UIDAFTER", "UIDAFTER 0", "UIDBEFORE *", "UIDAFTER 1:2"] {
            assert!(matches!(read(text), Err(Refusal::Grammar(_))), "{text}");
        }
    }

    #[test]
    fn every_key_of_both_rfcs_is_known() {
        for text in [
            "ALL",
            "ANSWERED",
            "BCC x",
            "BEFORE 1-Jan-2000",
            "BODY x",
            "CC x",
            "DELETED",
            "DRAFT",
            "FLAGGED",
            "FROM x",
            "HEADER X-Y \"\"",
            "KEYWORD $Junk",
            "LARGER 10",
            "NEW",
            "NOT SEEN",
            "OLD",
            "ON 1-Jan-2000",
            "OR SEEN DRAFT",
            "RECENT",
            "SEEN",
            "SENTBEFORE 1-Jan-2000",
            "SENTON 1-Jan-2000",
            "SENTSINCE 1-Jan-2000",
            "SINCE 1-Jan-2000",
            "SMALLER 10",
            "SUBJECT x",
            "TEXT x",
            "TO x",
            "UID 1:*",
            "UNANSWERED",
            "UNDELETED",
            "UNDRAFT",
            "UNFLAGGED",
            "UNKEYWORD $Junk",
            "UNSEEN",
            "2,4:*",
            "$",
            "(SEEN (DRAFT))",
            "OLDER 60",
            "YOUNGER 60",
            "MODSEQ 720162338",
            "MODSEQ \"/flags/\\\\draft\" all 620162338",
        ] {
            assert!(read(text).is_ok(), "{text}: {:?}", read(text));
        }
    }

    #[test]
    fn what_a_key_is_made_of_is_found_however_deep() {
        assert!(key("OR SEEN (DRAFT NOT MODSEQ 5)").asks_for_modseqs());
        assert!(!key("OR SEEN (DRAFT NOT UID 5)").asks_for_modseqs());
        assert!(key("OR SEEN (DRAFT NOT 5:7)").names_numbers());
        assert!(!key("OR SEEN ($ NOT UID 5)").names_numbers());
    }

    #[test]
    fn a_chain_of_or_is_one_flat_key() {
        let chain = format!("{}SEEN", "OR SUBJECT a ".repeat(500));
        let SearchKey::Or(arms) = key(&chain) else {
            panic!("not an OR")
        };
        assert_eq!(arms.len(), 501);
    }

    #[test]
    fn depth_is_bounded_however_it_is_made() {
        for opening in ["(", "NOT ", "OR OR ", "NOT ("] {
            let deep = opening.repeat(100_000);
            let refused = read(&deep);
            assert!(
                matches!(refused, Err(Refusal::TooMany(_))),
                "{opening}: {refused:?}"
            );
        }
        assert!(read(&format!("{}SEEN", "NOT ".repeat(SEARCH_DEPTH_MAX))).is_ok());
    }

    #[test]
    fn the_number_of_keys_is_bounded() {
        let keys = vec!["SEEN"; SEARCH_KEYS_MAX + 1].join(" ");
        assert_eq!(read(&keys), Err(Refusal::TooMany("search keys")));
    }

    #[test]
    fn a_charset_goes_along_with_strings_that_nobody_has_decoded() {
        assert_eq!(charset_of("TEXT x"), None);
        assert_eq!(
            charset_of("RETURN () CHARSET \"KOI8-R\" ALL").as_deref(),
            Some("KOI8-R")
        );
        let bytes = b" CHARSET koi8-r TEXT {2}\r\n\xd0\xd2";
        let read = search(&mut Cursor::new(bytes), Dialect::Rev1).unwrap();
        assert_eq!(read.key, SearchKey::Text(vec![0xd0, 0xd2]));
    }

    #[test]
    fn once_everything_is_utf8_no_charset_may_be_named() {
        for text in ["CHARSET UTF-8 ALL", "RETURN (ALL) CHARSET US-ASCII ALL"] {
            assert_eq!(read_as(text, Dialect::Utf8), Err(Refusal::CharsetNamed));
            assert!(read_as(text, Dialect::Rev2).is_ok());
        }
        assert!(read_as("TEXT \"\u{e9}\"", Dialect::Utf8).is_ok());
    }

    #[test]
    fn what_is_no_search_is_refused() {
        for text in [
            "",
            "CHARSET",
            "CHARSET UTF-8",
            "FOO",
            "UNALL",
            "UNNEW",
            "NOT",
            "OR SEEN",
            "()",
            "(SEEN",
            "SEEN )",
            "KEYWORD \\Seen",
            "BEFORE 32-Jan-2000",
            "LARGER -1",
            "TEXT \"\\x\"",
            "RETURN (FOO) ALL",
        ] {
            assert!(matches!(read(text), Err(Refusal::Grammar(_))), "{text}");
        }
    }
}
