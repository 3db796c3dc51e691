//! A verifier and `control`, on a pair made for one check of one account.
//!
//! `Begun` comes first; then `Progress` and `Finding` in any order; then `Done`,
//! and the end. A verifier that is ended may be followed by another on the same
//! pair: its `Begun` voids all that was said before. An end without `Done` is a
//! check that was cut short.
//!
//! What is found is told by numbers: no byte of an account's files crosses here.

use crate::{choice, messages, record};

/// Findings that one check tells one by one. Whoever has more needs none of them
/// singly; they are counted in [`Totals`] all the same.
pub const FINDINGS_MAX: u64 = 1_000;

choice! {
    /// Where something was found.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
    pub enum Place {
        /// The account's directory itself, or a name in it.
        1 => Account,
        /// The segment of the journal that begins at this LSN.
        2 => Segment { first: u64, },
        3 => Manifest { number: u64, },
        4 => Chunk { id: u64, },
        5 => Pack { number: u64, },
    }
}

/// How bad something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// A healthy account may have it.
    Note,
    /// One letter can't be read as it came; everything else holds.
    Letter,
    /// A file can't be read as it was written.
    Damage,
    /// Everything can be read, and can't be true. No disk does that: we, or
    /// somebody who makes CRCs, did.
    Contradiction,
}

/// The table of findings: the number on the wire, name, severity, words.
macro_rules! findings {
    ($($number:literal => $name:ident, $severity:ident, $words:literal;)+) => {
        choice! {
            /// What was found; [`Display`](std::fmt::Display) has it in words, which
            /// begin where the name of the file ends.
            #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
            pub enum What { $(#[doc = $words] $number => $name,)+ }
        }

        impl What {
            /// Every one.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];

            /// How bad it is.
            #[must_use]
            pub fn severity(self) -> Severity {
                match self {
                    $(Self::$name => Severity::$severity,)+
                }
            }
        }

        impl std::fmt::Display for What {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(match self {
                    $(Self::$name => $words,)+
                })
            }
        }
    };
}

findings! {
    // What a healthy account may have.
    1 => Orphan, Note, "nothing refers to it";
    2 => Unfinished, Note, "it was never finished; opening the account removes it";
    3 => TornTail, Note, "the journal's end is torn above all that is known to be durable";
    4 => DeadLetter, Note, "a letter is damaged that nothing refers to";
    5 => NotReplayed, Note, "the journal was not compared with the index, because of what else was found";
    6 => DeadRecord, Note, "it is damaged where nothing of it is needed but letters; each that lives is told";

    // One letter.
    10 => RottenLetter, Letter, "a block of a letter is damaged";
    11 => OtherLetter, Letter, "a letter is not the one that its SHA-256 was taken of";

    // One file.
    20 => Missing, Damage, "it is not there, and something needs it";
    21 => NotOurs, Damage, "it is no regular file with one link and mode 0600, or no directory with mode 0700";
    22 => Unreadable, Damage, "the disk fails to read it";
    23 => Short, Damage, "it ends too early";
    24 => HeaderChecksum, Damage, "a header's CRC is not that of its bytes";
    25 => BlockChecksum, Damage, "a block's CRC is not that of its bytes";
    26 => Newer, Damage, "it is of a newer format than this program knows";
    27 => UnknownCritical, Damage, "it has a critical part that this program doesn't know";
    28 => TooMuch, Damage, "there is more of it than this program reads";

    // The format.
    40 => WrongMagic, Contradiction, "it is of another kind than its name says";
    41 => WrongNumber, Contradiction, "its header has another number than its name";
    42 => NotZero, Contradiction, "bytes are not zero that must be";
    43 => OutOfRange, Contradiction, "a field is out of its range";
    44 => Malformed, Contradiction, "its fields are not as the format has them";
    45 => Seal, Contradiction, "its seal is not that of its blocks";
    46 => TooLong, Contradiction, "bytes stand behind its end";
    47 => Disorder, Contradiction, "what must be in ascending order, and once, isn't";
    48 => BadName, Contradiction, "a mailbox's name is none";
    49 => BadKeyword, Contradiction, "a keyword is none, or stands twice in a table";

    50 => BadAnnotation, Contradiction, "an annotation's name is none";

    // The journal.
    60 => BrokenChain, Contradiction, "a record does not name the one before it";
    61 => WrongLsn, Contradiction, "a record does not lie where it says";
    62 => ForeignTerm, Contradiction, "a record's term or writer is not its segment's";
    63 => TermFalls, Contradiction, "a term falls, or has two writers";
    64 => DurableLie, Contradiction, "a record claims durable what can't be";
    65 => LettersLie, Contradiction, "the letters of a record are not its body";
    66 => EndsEarly, Damage, "the journal ends below what was durable";

    // Transactions, applied in their order.
    80 => NoAccount, Contradiction, "an account is not founded once, first, and with INBOX";
    81 => ModseqFalls, Contradiction, "a transaction's modseq is not above all before it";
    82 => UidTwice, Contradiction, "a UID is given that was given before, or none is left";
    83 => MessageTwice, Contradiction, "a message id is given that was given before";
    84 => MailboxTwice, Contradiction, "a mailbox is made that there is, or was, or INBOX deleted";
    85 => NoMailbox, Contradiction, "a mailbox is named that isn't there";
    86 => BadRename, Contradiction, "mailboxes are renamed that can't be";
    87 => TooManyThings, Contradiction, "the account has more of something than may be";
    88 => NoSuchLetter, Contradiction, "an entry refers to a letter that isn't there";
    89 => OtherMessage, Contradiction, "an entry refers to the letter of another message";

    // The index.
    100 => NextTooLow, Contradiction, "a counter of numbers is at or below one that was given";
    101 => ModseqTooHigh, Contradiction, "a modseq is above one that it can't be above";
    102 => NoInbox, Contradiction, "mailbox 1 is not INBOX";
    103 => NameTwice, Contradiction, "two mailboxes have one name";
    104 => ValidityTwice, Contradiction, "two mailboxes have one UIDVALIDITY";
    105 => Astray, Contradiction, "its LSN, term or predecessor is not that of a record's end";
    106 => BadOldest, Contradiction, "the journal that it needs does not begin where it says";
    107 => CounterMessages, Contradiction, "a mailbox's number of messages is not that of its entries";
    108 => CounterUnseen, Contradiction, "a mailbox's number of unseen messages is not that of its entries";
    109 => CounterDeleted, Contradiction, "a mailbox's number of deleted messages is not that of its entries";
    110 => CounterBytes, Contradiction, "a mailbox's bytes are not those of its entries";
    124 => CounterRecent, Contradiction, "a mailbox's number of recent messages is not that of its entries";
    111 => Overlap, Contradiction, "UIDs of two chunks or runs overlap";
    112 => ExpungedLives, Contradiction, "a UID is expunged and there";
    113 => OtherMailbox, Contradiction, "a chunk is of another mailbox than refers to it";
    114 => ReferenceCount, Contradiction, "a reference has another number of entries than its chunk";
    115 => ReferenceUids, Contradiction, "a reference has other first and last UIDs than its chunk";
    116 => ReferenceModseq, Contradiction, "an entry's modseq is above the newest of its reference";
    117 => ReferenceKeywords, Contradiction, "a reference has other keywords than its chunk";
    118 => ReferenceBytes, Contradiction, "a reference has other bytes than its chunk";
    119 => ReferenceOldest, Contradiction, "a reference has another oldest record than its chunk";
    120 => ReferencePacks, Contradiction, "a reference has other packs than its chunk";
    121 => KeywordBeyondTable, Contradiction, "an entry has a keyword that its mailbox's table lacks";
    122 => PackUnlisted, Contradiction, "a pack is referred to that the manifest doesn't list";
    123 => PackBytes, Contradiction, "a pack has other letters or bytes than the manifest says";

    // The index against the journal: what replaying the one to the other gives.
    140 => OtherAccount, Contradiction, "replaying the journal gives other numbers of the account";
    141 => OtherMailboxes, Contradiction, "replaying the journal gives other mailboxes";
    142 => OtherName, Contradiction, "replaying the journal gives a mailbox another name, use or access list";
    143 => OtherUids, Contradiction, "replaying the journal gives a mailbox another UIDVALIDITY, UIDNEXT or recent";
    144 => OtherModseq, Contradiction, "replaying the journal gives a mailbox another modseq";
    145 => OtherKeywords, Contradiction, "replaying the journal gives a mailbox another table of keywords";
    146 => OtherCounters, Contradiction, "replaying the journal gives a mailbox other counters";
    147 => OtherEntry, Contradiction, "replaying the journal gives another entry";
    148 => OtherSubscriptions, Contradiction, "replaying the journal gives other subscriptions";
    149 => OtherAnnotations, Contradiction, "replaying the journal gives other annotations";
}

record! {
    /// One thing that was found.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct Finding {
        what: What,
        place: Place,
        /// The byte of the file where it is.
        offset: u64,
        /// Where that is in the journal.
        lsn: Option<u64>,
        /// The mailbox, entry and message that it hurts, where they are known.
        mailbox: Option<u64>,
        uid: Option<u32>,
        message: Option<u64>,
    }
}

impl Finding {
    /// A finding of which no more than the place is known.
    #[must_use]
    pub fn new(what: What, place: Place, offset: u64) -> Self {
        Self {
            what,
            place,
            offset,
            lsn: None,
            mailbox: None,
            uid: None,
            message: None,
        }
    }
}

record! {
    /// What was looked at, and how often something was found, with what was not
    /// told one by one.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
    pub struct Totals {
        mailboxes: u64,
        messages: u64,
        /// Letters whose bytes were hashed.
        letters: u64,
        /// Records of the journal.
        records: u64,
        files: u64,
        bytes: u64,
        notes: u64,
        /// Letters that are damaged.
        damaged_letters: u64,
        /// Other damage.
        damage: u64,
        contradictions: u64,
    }
}

impl Totals {
    /// Whether nothing was found but notes.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.damaged_letters == 0 && self.damage == 0 && self.contradictions == 0
    }
}

messages! {
    /// What a verifier says.
    pub enum ToControl, at most 128, {
        1 => Begun {
            /// The manifest that it reads; 0: there is none.
            manifest: u64,
            /// The LSN up to which it reads the journal; all ones: to its end.
            lsn: u64,
            /// Bytes that there are to read, as far as can be told.
            bytes: u64,
        },
        /// After each 64 MiB or so.
        2 => Progress { bytes: u64, },
        3 => Finding { finding: Finding, },
        4 => Done { totals: Totals, },
    }
}

messages! {
    /// `control` says nothing.
    pub enum ToVerifier, at most 1, {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_finding_has_words_of_its_own() {
        let words: BTreeSet<String> = What::ALL.iter().map(ToString::to_string).collect();
        assert_eq!(words.len(), What::ALL.len());
    }

    #[test]
    fn a_note_alone_leaves_an_account_sound() {
        let noted = Totals {
            notes: 3,
            ..Totals::default()
        };
        assert!(noted.is_sound());
        let torn = Totals {
            damaged_letters: 1,
            ..noted
        };
        assert!(!torn.is_sound());
    }
}
