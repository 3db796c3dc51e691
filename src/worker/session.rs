//! A session as a value: all that must be remembered of it between two commands.
//!
//! Small, versioned and serialisable, so that a session can be put to sleep,
//! live through an upgrade, or move, as soon as somebody carries it. What the
//! client sees is derived from it and the store's history; no list of UIDs is
//! kept. Nothing in it is believed when it comes back: the store checks mailbox,
//! UIDVALIDITY and rights again.

use ipc::codec::{Decoder, Encoder, Field, List, Malformed};
use ipc::{AccountId, Epoch};
use store::{MailboxId, Modseq, Principal, Uid, UidRange, UidValidity, View};
use wire::imap::Dialect;

/// The layout below. Another one is another session format.
const VERSION: u8 = 1;

/// Ranges of messages that are recent to one session. New mail comes with
/// ascending UIDs, so it is one range unless others took some in between.
pub const RECENT_RANGES_MAX: usize = 64;

/// Ranges of a saved search result: as many as a client may send in a set.
pub const SAVED_RANGES_MAX: usize = wire::limits::SEQUENCE_RANGES_MAX;

/// What a client has enabled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Enabled {
    /// IMAP4rev2.
    pub rev2: bool,
    /// UTF8=ACCEPT.
    pub utf8: bool,
    /// METADATA: changes of annotations are told.
    pub metadata: bool,
    /// CONDSTORE: told outright, or by a command that asks for mod-sequences (RFC 7162
    /// §3.1). Always with QRESYNC.
    pub condstore: bool,
    /// QRESYNC.
    pub qresync: bool,
    /// UIDONLY (RFC 9586).
    pub uidonly: bool,
}

impl Enabled {
    /// What it means for the grammar.
    pub fn dialect(self) -> Dialect {
        match self {
            Self { utf8: true, .. } => Dialect::Utf8,
            Self { rev2: true, .. } => Dialect::Rev2,
            _ => Dialect::Rev1,
        }
    }

    /// What is gone is told with VANISHED, not with EXPUNGE.
    pub fn vanishes(self) -> bool {
        self.qresync || self.uidonly
    }
}

/// How a mailbox was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// SELECT.
    Full,
    /// EXAMINE.
    ReadOnly,
}

/// What a session remembers of the mailbox that it has selected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mailbox {
    /// Which.
    pub id: MailboxId,
    /// How it was opened.
    pub access: Access,
    /// What the client has been told of.
    pub view: View,
    /// The messages that are recent to this session alone (RFC 3501 §2.3.2).
    pub recent: Vec<UidRange>,
    /// `$` (RFC 5182).
    pub saved: Vec<UidRange>,
    /// Keywords that FLAGS has told of.
    pub keywords_told: u16,
}

/// What a session remembers in every state; with the [`Mailbox`] that is
/// selected, if one is, it is all of the session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Session {
    /// Whose mail.
    pub account: AccountId,
    /// Who reads it.
    pub principal: AccountId,
    /// Of the ticket that it came with.
    pub epoch: Epoch,
    /// What the client has enabled.
    pub enabled: Enabled,
    /// The modseq up to which the client has been told of annotations.
    pub annotations_told: Modseq,
    /// A print of what the server said of itself when the client was last told.
    pub notice_told: u64,
}

impl Session {
    /// Who reads it, as the store knows them.
    pub fn principal(&self) -> Principal {
        match self.principal == self.account {
            true => Principal::Owner,
            false => Principal::Account(store::AccountId(self.principal.0)),
        }
    }
}

impl Field for Session {
    const LONGEST: usize = u8::LONGEST
        + 2 * AccountId::LONGEST
        + Epoch::LONGEST
        + 6 * bool::LONGEST
        + 2 * u64::LONGEST;

    fn encode(self, to: &mut Encoder) {
        VERSION.encode(to);
        self.account.encode(to);
        self.principal.encode(to);
        self.epoch.encode(to);
        self.enabled.rev2.encode(to);
        self.enabled.utf8.encode(to);
        self.enabled.metadata.encode(to);
        self.enabled.condstore.encode(to);
        self.enabled.qresync.encode(to);
        self.enabled.uidonly.encode(to);
        self.annotations_told.0.encode(to);
        self.notice_told.encode(to);
    }

    fn decode(from: &mut Decoder) -> Result<Self, Malformed> {
        if u8::decode(from)? != VERSION {
            return Err(Malformed::UnknownValue);
        }
        Ok(Self {
            account: Field::decode(from)?,
            principal: Field::decode(from)?,
            epoch: Field::decode(from)?,
            enabled: Enabled {
                rev2: bool::decode(from)?,
                utf8: bool::decode(from)?,
                metadata: bool::decode(from)?,
                condstore: bool::decode(from)?,
                qresync: bool::decode(from)?,
                uidonly: bool::decode(from)?,
            },
            annotations_told: Modseq(u64::decode(from)?),
            notice_told: u64::decode(from)?,
        })
    }
}

impl Field for Mailbox {
    const LONGEST: usize = u64::LONGEST
        + bool::LONGEST
        + 2 * u32::LONGEST
        + 2 * u64::LONGEST
        + Ranges::<RECENT_RANGES_MAX>::LONGEST
        + Ranges::<SAVED_RANGES_MAX>::LONGEST
        + u16::LONGEST;

    fn encode(self, to: &mut Encoder) {
        self.id.0.encode(to);
        (self.access == Access::ReadOnly).encode(to);
        self.view.validity.get().encode(to);
        self.view.uid_next.get().encode(to);
        self.view.told.0.encode(to);
        self.view.told_expunged.0.encode(to);
        encode_ranges::<RECENT_RANGES_MAX>(&self.recent, to);
        encode_ranges::<SAVED_RANGES_MAX>(&self.saved, to);
        self.keywords_told.encode(to);
    }

    fn decode(from: &mut Decoder) -> Result<Self, Malformed> {
        Ok(Self {
            id: MailboxId(u64::decode(from)?),
            access: match bool::decode(from)? {
                true => Access::ReadOnly,
                false => Access::Full,
            },
            view: View {
                validity: known(UidValidity::new(u32::decode(from)?))?,
                uid_next: known(Uid::new(u32::decode(from)?))?,
                told: Modseq(u64::decode(from)?),
                told_expunged: Modseq(u64::decode(from)?),
            },
            recent: decode_ranges::<RECENT_RANGES_MAX>(from)?,
            saved: decode_ranges::<SAVED_RANGES_MAX>(from)?,
            keywords_told: u16::decode(from)?,
        })
    }
}

/// The first and the last UID of each.
type Ranges<const MAX: usize> = List<(u32, u32), MAX>;

/// More ranges than fit are left out: the session keeps them within bounds.
fn encode_ranges<const MAX: usize>(ranges: &[UidRange], to: &mut Encoder) {
    let pairs = ranges.iter().take(MAX);
    let pairs = pairs.map(|range| (range.first.get(), range.last.get()));
    let list: Ranges<MAX> = List::new(pairs.collect()).unwrap_or_default();
    list.encode(to);
}

fn decode_ranges<const MAX: usize>(from: &mut Decoder) -> Result<Vec<UidRange>, Malformed> {
    let list = Ranges::<MAX>::decode(from)?;
    let range = |&(first, last): &(u32, u32)| {
        Ok(UidRange {
            first: known(Uid::new(first))?,
            last: known(Uid::new(last))?,
        })
    };
    list.as_slice().iter().map(range).collect()
}

fn known<T>(value: Option<T>) -> Result<T, Malformed> {
    value.ok_or(Malformed::UnknownValue)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ranges(max: usize) -> impl Strategy<Value = Vec<UidRange>> {
        let range = (1u32.., 1u32..).prop_map(|(first, last)| UidRange {
            first: Uid::new(first).unwrap(),
            last: Uid::new(last).unwrap(),
        });
        prop::collection::vec(range, 0..max)
    }

    fn mailbox() -> impl Strategy<Value = Mailbox> {
        let numbers = (any::<u64>(), 1u32.., 1u32.., any::<u64>(), any::<u64>());
        (numbers, any::<bool>(), ranges(4), ranges(40), any::<u16>()).prop_map(
            |(
                (id, validity, uid_next, told, told_expunged),
                read_only,
                recent,
                saved,
                keywords,
            )| {
                Mailbox {
                    id: MailboxId(id),
                    access: if read_only {
                        Access::ReadOnly
                    } else {
                        Access::Full
                    },
                    view: View {
                        validity: UidValidity::new(validity).unwrap(),
                        uid_next: Uid::new(uid_next).unwrap(),
                        told: Modseq(told),
                        told_expunged: Modseq(told_expunged),
                    },
                    recent,
                    saved,
                    keywords_told: keywords,
                }
            },
        )
    }

    fn bytes(session: (Session, Option<Mailbox>)) -> Vec<u8> {
        let mut encoder = Encoder::default();
        session.encode(&mut encoder);
        encoder.finish().0
    }

    #[test]
    fn nobody_is_the_owner_but_the_account_itself() {
        let reads = |principal| {
            let session = Session {
                account: AccountId(7),
                principal: AccountId(principal),
                epoch: Epoch(0),
                enabled: Enabled::default(),
                annotations_told: Modseq(0),
                notice_told: 0,
            };
            session.principal()
        };
        assert_eq!(reads(7), Principal::Owner);
        assert_eq!(reads(8), Principal::Account(store::AccountId(8)));
    }

    proptest! {
        #[test]
        fn a_session_comes_back_as_it_went(mailbox in prop::option::of(mailbox()), principal: u32, enabled: [bool; 6], told: u64) {
            let [rev2, utf8, condstore, qresync, uidonly, metadata] = enabled;
            let session = Session {
                account: AccountId(7),
                principal: AccountId(principal),
                epoch: Epoch(3),
                enabled: Enabled { rev2, utf8, condstore, qresync, uidonly, metadata },
                annotations_told: Modseq(told),
                notice_told: !told,
            };
            let bytes = bytes((session, mailbox.clone()));
            let mut decoder = Decoder::new(&bytes, Vec::new());
            prop_assert_eq!(Field::decode(&mut decoder), Ok((session, mailbox)));
            prop_assert_eq!(decoder.finish(), Ok(()));
        }

        #[test]
        fn hostile_bytes_are_a_session_or_malformed(hostile: Vec<u8>) {
            let mut decoder = Decoder::new(&hostile, Vec::new());
            if let Ok(session) = Field::decode(&mut decoder) {
                prop_assert!(hostile.starts_with(&bytes(session)));
            }
        }
    }
}
