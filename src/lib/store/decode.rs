//! Bytes as transactions. They are hostile: right CRCs prove nothing about who
//! wrote them. What is accepted here is well-formed; whether it can be is for
//! [`crate::apply`] to say.
//!
//! Allocates in proportion to the record, which is bounded.

use crate::flag::{FlagAction, Keyword, SystemFlags};
use crate::id::{
    AccountId, MailboxId, MessageId, Modseq, PackId, ThreadId, Uid, UidRange, UidSet, UidValidity,
};
use crate::message::{InternalDate, SaveDate};
use crate::metadata::{ANNOTATION_BYTES_MAX, AnnotationName, Place};
use crate::name::{MailboxName, SpecialUse};
use crate::operation::{Append, FlagMask, Operation, SetFlags, StoredBody, Transaction, Transfer};
use crate::quota::{Limit, QuotaOverride};
use crate::rights::{Grantee, Rights};
use journal::le::Fields;
use std::sync::Arc;

/// Codes of operations. With [`code::OPTIONAL`] set, one that isn't known may be
/// passed over.
pub(crate) mod code {
    pub(crate) const NONE: u16 = 0;
    pub(crate) const FOUND: u16 = 1;
    pub(crate) const CREATE: u16 = 2;
    pub(crate) const DELETE: u16 = 3;
    pub(crate) const RENAME: u16 = 4;
    pub(crate) const SUBSCRIBE: u16 = 5;
    pub(crate) const UNSUBSCRIBE: u16 = 6;
    pub(crate) const SET_ACL: u16 = 7;
    pub(crate) const RAISE_EPOCH: u16 = 8;
    pub(crate) const APPEND: u16 = 9;
    pub(crate) const SET_FLAGS: u16 = 10;
    pub(crate) const EXPUNGE: u16 = 11;
    pub(crate) const COPY: u16 = 12;
    pub(crate) const MOVE: u16 = 13;
    pub(crate) const CLAIM_RECENT: u16 = 14;
    pub(crate) const SET_QUOTA: u16 = 15;
    pub(crate) const RAISE_CEILING: u16 = 16;
    pub(crate) const LOSE: u16 = 17;
    pub(crate) const REWOUND: u16 = 18;
    pub(crate) const ANNOTATE: u16 = 19;
    pub(crate) const OPTIONAL: u16 = 0x8000;
}

/// Codes of where a body lies.
pub(crate) mod place {
    pub(crate) const INLINE: u8 = 0;
    pub(crate) const PACK: u8 = 1;
}

/// Codes of grantees.
pub(crate) const GRANTEE_ANYONE: u8 = 0;
pub(crate) const GRANTEE_ACCOUNT: u8 = 1;

/// The highest number of a pack that a record may name: so high that no account
/// gets there, so low that numbers above it are left.
const PACK_MAX: u64 = 1 << 62;

/// Stands where an annotation is of the account itself: no mailbox has it.
pub(crate) const NO_MAILBOX: u64 = 0;

/// Stands where no modseq was given; not itself one.
pub(crate) const NO_MODSEQ: u64 = u64::MAX;

/// Why bytes are no transaction that we can apply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It has an operation that only a newer program knows.
    Unknown,
    /// It isn't well-formed.
    Absurd(&'static str),
}

/// Reads the head of a record whose body has `body_len` bytes.
pub(crate) fn transaction(head: &[u8], body_len: u32) -> Result<Transaction, Fault> {
    let short = Fault::Absurd("its head is cut short");
    let mut fields = Fields::new(head);
    let modseq = Modseq(fields.u64().ok_or(short)?);
    let count = fields.u32().ok_or(short)?;
    let mut operations = Vec::new();
    for _ in 0..count {
        operations.extend(operation(&mut fields, u64::from(body_len))?);
    }
    if !fields.is_empty() || modseq > Modseq::MAX {
        return Err(Fault::Absurd("its head is wrong about its operations"));
    }
    Ok(Transaction { modseq, operations })
}

/// The next operation; `None` if it is one to pass over.
fn operation(rest: &mut Fields<'_>, bodies: u64) -> Result<Option<Operation>, Fault> {
    let short = Fault::Absurd("an operation is cut short");
    let code = rest.u16().ok_or(short)?;
    let reserved = rest.u16().ok_or(short)?;
    let len = rest.u32().ok_or(short)? as usize;
    let mut fields = Fields::new(rest.bytes(len).ok_or(short)?);
    if reserved != 0 {
        return Err(Fault::Unknown);
    }
    if code & code::OPTIONAL != 0 {
        return Ok(None);
    }
    let operation = match code {
        code::FOUND..=code::RAISE_EPOCH => structure(code, &mut fields),
        code::APPEND..=code::CLAIM_RECENT => message(code, &mut fields, bodies),
        code::SET_QUOTA..=code::ANNOTATE => account(code, &mut fields),
        _ => return Err(Fault::Unknown),
    };
    match operation {
        Some(operation) if fields.is_empty() => Ok(Some(operation)),
        _ => Err(Fault::Absurd("an operation's fields are wrong")),
    }
}

fn structure(code: u16, fields: &mut Fields<'_>) -> Option<Operation> {
    Some(match code {
        code::FOUND => Operation::Found {
            account: AccountId(fields.u32()?),
            created_secs: fields.i64()?,
        },
        code::CREATE => Operation::Create {
            mailbox: mailbox(fields)?,
            validity: UidValidity::new(fields.u32()?)?,
            special_use: SpecialUse::of_code(fields.u8()?)?,
            name: name(fields)?,
        },
        code::DELETE => Operation::Delete {
            mailbox: mailbox(fields)?,
        },
        code::RENAME => Operation::Rename {
            from: name(fields)?,
            to: name(fields)?,
        },
        code::SUBSCRIBE => Operation::Subscribe(name(fields)?),
        code::UNSUBSCRIBE => Operation::Unsubscribe(name(fields)?),
        code::SET_ACL => Operation::SetAcl {
            mailbox: mailbox(fields)?,
            grantee: grantee(fields)?,
            rights: Rights::of_bits(fields.u16()?)?,
        },
        code::RAISE_EPOCH => Operation::RaiseEpoch(fields.u64()?),
        _ => return None,
    })
}

fn message(code: u16, fields: &mut Fields<'_>, bodies: u64) -> Option<Operation> {
    Some(match code {
        code::APPEND => Operation::Append(append(fields, bodies)?),
        code::SET_FLAGS => Operation::SetFlags(set_flags(fields)?),
        code::EXPUNGE => Operation::Expunge {
            mailbox: mailbox(fields)?,
            only_deleted: truth(fields)?,
            uids: uids(fields)?,
        },
        code::COPY => Operation::Transfer(transfer(fields, false)?),
        code::MOVE => Operation::Transfer(transfer(fields, true)?),
        code::CLAIM_RECENT => Operation::ClaimRecent {
            mailbox: mailbox(fields)?,
            up_to: uid(fields)?,
        },
        _ => return None,
    })
}

fn account(code: u16, fields: &mut Fields<'_>) -> Option<Operation> {
    Some(match code {
        code::SET_QUOTA => Operation::SetQuota(quota(fields)?),
        code::RAISE_CEILING => Operation::RaiseCeiling(modseq(fields)?),
        code::LOSE => Operation::Lose {
            from: modseq(fields)?,
            to: modseq(fields)?,
        },
        code::REWOUND => Operation::Rewound,
        code::ANNOTATE => annotate(fields)?,
        _ => return None,
    })
}

fn annotate(fields: &mut Fields<'_>) -> Option<Operation> {
    let (place, name) = (place_of(fields)?, annotation_name(fields)?);
    let (is_set, value) = (truth(fields)?, value(fields)?);
    let sane = is_set || value.is_empty();
    sane.then(|| Operation::Annotate {
        place,
        name,
        value: is_set.then_some(value),
    })
}

fn modseq(fields: &mut Fields<'_>) -> Option<Modseq> {
    fields
        .u64()
        .map(Modseq)
        .filter(|modseq| *modseq <= Modseq::MAX)
}

fn append(fields: &mut Fields<'_>, bodies: u64) -> Option<Append> {
    let append = Append {
        mailbox: mailbox(fields)?,
        uid: uid(fields)?,
        message: MessageId(fields.u64()?),
        thread: ThreadId(fields.u64()?),
        date: InternalDate {
            secs: fields.i64()?,
            offset_minutes: fields.i16()?,
        },
        saved: SaveDate(fields.u32()?),
        system: SystemFlags::of_bits(fields.u8()?)?,
        body: stored_body(fields)?,
        size: fields.u32()?,
        sha256: fields.array()?,
        keywords: keywords(fields)?,
    };
    let there = match append.body {
        StoredBody::Inline { offset } => u64::from(offset.checked_add(append.size)?) <= bodies,
        StoredBody::Pack { offset, .. } => offset.checked_add(append.size).is_some(),
    };
    (there && append.date.fits()).then_some(append)
}

fn stored_body(fields: &mut Fields<'_>) -> Option<StoredBody> {
    let place = fields.u8()?;
    let pack = fields.u64()?;
    let offset = fields.u32()?;
    match place {
        place::INLINE if pack == 0 => Some(StoredBody::Inline { offset }),
        place::PACK if (1..=PACK_MAX).contains(&pack) => Some(StoredBody::Pack {
            pack: PackId(pack),
            offset,
        }),
        _ => None,
    }
}

fn set_flags(fields: &mut Fields<'_>) -> Option<SetFlags> {
    Some(SetFlags {
        mailbox: mailbox(fields)?,
        action: match fields.u8()? {
            0 => FlagAction::Add,
            1 => FlagAction::Remove,
            2 => FlagAction::Replace,
            _ => return None,
        },
        mask: FlagMask {
            system: SystemFlags::of_bits(fields.u8()?)?,
            keywords: truth(fields)?,
        },
        system: SystemFlags::of_bits(fields.u8()?)?,
        unchanged_since: match fields.u64()? {
            NO_MODSEQ => None,
            modseq => Some(Modseq(modseq)),
        },
        keywords: keywords(fields)?,
        uids: uids(fields)?,
    })
}

fn transfer(fields: &mut Fields<'_>, moving: bool) -> Option<Transfer> {
    Some(Transfer {
        moving,
        source: mailbox(fields)?,
        target: mailbox(fields)?,
        first: uid(fields)?,
        reserved: fields.u32()?,
        saved: SaveDate(fields.u32()?),
        uids: uids(fields)?,
    })
}

pub(crate) fn mailbox(fields: &mut Fields<'_>) -> Option<MailboxId> {
    fields.u64().map(MailboxId)
}

pub(crate) fn uid(fields: &mut Fields<'_>) -> Option<Uid> {
    Uid::new(fields.u32()?)
}

fn truth(fields: &mut Fields<'_>) -> Option<bool> {
    match fields.u8()? {
        0 => Some(false),
        1 => Some(true),
        _ => None,
    }
}

fn short_text<'a>(fields: &mut Fields<'a>) -> Option<&'a str> {
    let len = fields.u8()?;
    std::str::from_utf8(fields.bytes(usize::from(len))?).ok()
}

/// A name must be as we would write it: one spelling for one mailbox.
pub(crate) fn name(fields: &mut Fields<'_>) -> Option<MailboxName> {
    let count = fields.u8()?;
    let mut components = Vec::new();
    for _ in 0..count {
        components.push(short_text(fields)?);
    }
    let name = MailboxName::new(components.iter().copied())?;
    (name.components() == components).then_some(name)
}

pub(crate) fn keywords(fields: &mut Fields<'_>) -> Option<Vec<Keyword>> {
    let count = fields.u8()?;
    (0..count)
        .map(|_| Keyword::new(short_text(fields)?))
        .collect()
}

/// What an annotation is of.
pub(crate) fn place_of(fields: &mut Fields<'_>) -> Option<Place> {
    let id = fields.u64()?;
    Some((id != NO_MAILBOX).then_some(MailboxId(id)))
}

/// A name must be as we would write it: one spelling for one entry.
pub(crate) fn annotation_name(fields: &mut Fields<'_>) -> Option<AnnotationName> {
    let text = short_text(fields)?;
    AnnotationName::new(text).filter(|name| name.as_str() == text)
}

pub(crate) fn value(fields: &mut Fields<'_>) -> Option<Arc<[u8]>> {
    let len = usize::try_from(fields.u32()?).ok()?;
    let short = len <= ANNOTATION_BYTES_MAX;
    fields.bytes(len).filter(|_| short).map(Arc::from)
}

pub(crate) fn quota(fields: &mut Fields<'_>) -> Option<QuotaOverride> {
    Some(QuotaOverride {
        bytes: Limit::of_code(fields.u64()?),
        messages: Limit::of_code(fields.u64()?),
        mailboxes: Limit::of_code(fields.u64()?),
    })
}

pub(crate) fn grantee(fields: &mut Fields<'_>) -> Option<Grantee> {
    let kind = fields.u8()?;
    let account = fields.u32()?;
    match kind {
        GRANTEE_ANYONE if account == 0 => Some(Grantee::Anyone),
        GRANTEE_ACCOUNT => Some(Grantee::Account(AccountId(account))),
        _ => None,
    }
}

fn uids(fields: &mut Fields<'_>) -> Option<UidSet> {
    let count = fields.u32()?;
    let mut ranges = Vec::new();
    for _ in 0..count {
        ranges.push(UidRange {
            first: uid(fields)?,
            last: uid(fields)?,
        });
    }
    UidSet::ordered(ranges)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encode;
    use crate::message::DATE_SECS_MAX;
    use proptest::prelude::*;

    fn any_name() -> impl Strategy<Value = MailboxName> {
        prop::collection::vec("[a-zA-Zäß ]{1,20}", 1..5)
            .prop_filter_map("no name", MailboxName::new)
    }

    fn any_uid() -> impl Strategy<Value = Uid> {
        (1..=u32::MAX).prop_filter_map("no uid", Uid::new)
    }

    fn any_set() -> impl Strategy<Value = UidSet> {
        prop::collection::vec((any_uid(), any_uid()), 0..6).prop_map(|pairs| {
            let ranges: Vec<_> = pairs
                .iter()
                .map(|(first, last)| UidRange {
                    first: *first,
                    last: *last,
                })
                .collect();
            UidSet::new(&ranges)
        })
    }

    fn any_keywords() -> impl Strategy<Value = Vec<Keyword>> {
        prop::collection::vec(
            "[$a-z]{1,12}".prop_filter_map("", |k| Keyword::new(&k)),
            0..4,
        )
    }

    fn any_system() -> impl Strategy<Value = SystemFlags> {
        (0_u8..32).prop_filter_map("", SystemFlags::of_bits)
    }

    fn any_body() -> impl Strategy<Value = StoredBody> {
        prop_oneof![
            (0_u32..50).prop_map(|offset| StoredBody::Inline { offset }),
            (1_u64..1 << 40, 0_u32..1 << 31).prop_map(|(pack, offset)| StoredBody::Pack {
                pack: PackId(pack),
                offset
            }),
        ]
    }

    fn any_append() -> impl Strategy<Value = Operation> {
        let secs = -DATE_SECS_MAX..DATE_SECS_MAX;
        let what = (
            any::<u64>(),
            any_uid(),
            any::<[u64; 2]>(),
            (secs, any::<u32>()),
        );
        let how = (any::<i16>(), any_system(), any_keywords(), any_body());
        (what, how, 0_u32..50, any::<[u8; 32]>()).prop_map(|(what, how, size, sha256)| {
            Operation::Append(Append {
                mailbox: MailboxId(what.0),
                uid: what.1,
                message: MessageId(what.2[0]),
                thread: ThreadId(what.2[1]),
                date: InternalDate {
                    secs: what.3.0,
                    offset_minutes: how.0,
                },
                saved: SaveDate(what.3.1),
                system: how.1,
                keywords: how.2,
                body: how.3,
                size,
                sha256,
            })
        })
    }

    fn any_set_flags() -> impl Strategy<Value = Operation> {
        let action = prop_oneof![
            Just(FlagAction::Add),
            Just(FlagAction::Remove),
            Just(FlagAction::Replace)
        ];
        let flags = (any_system(), any_system(), any::<bool>(), any_keywords());
        let since = prop::option::of((0..=Modseq::MAX.0).prop_map(Modseq));
        (any::<u64>(), action, flags, since, any_set()).prop_map(
            |(mailbox, action, flags, unchanged_since, uids)| {
                Operation::SetFlags(SetFlags {
                    mailbox: MailboxId(mailbox),
                    action,
                    mask: FlagMask {
                        system: flags.0,
                        keywords: flags.2,
                    },
                    system: flags.1,
                    keywords: flags.3,
                    unchanged_since,
                    uids,
                })
            },
        )
    }

    fn any_numbers() -> impl Strategy<Value = Operation> {
        let modseq = || (0..=Modseq::MAX.0).prop_map(Modseq);
        let limit = || any::<u64>().prop_map(Limit::of_code);
        prop_oneof![
            (limit(), limit(), limit()).prop_map(|(bytes, messages, mailboxes)| {
                Operation::SetQuota(QuotaOverride {
                    bytes,
                    messages,
                    mailboxes,
                })
            }),
            modseq().prop_map(Operation::RaiseCeiling),
            (modseq(), modseq()).prop_map(|(from, to)| Operation::Lose { from, to }),
            Just(Operation::Rewound),
        ]
    }

    fn any_transfer() -> impl Strategy<Value = Operation> {
        let between = (any::<bool>(), any::<u64>(), any::<u64>());
        (between, any_uid(), any::<[u32; 2]>(), any_set()).prop_map(
            |(between, first, [reserved, saved], uids)| {
                Operation::Transfer(Transfer {
                    moving: between.0,
                    source: MailboxId(between.1),
                    target: MailboxId(between.2),
                    first,
                    reserved,
                    saved: SaveDate(saved),
                    uids,
                })
            },
        )
    }

    fn any_structure() -> impl Strategy<Value = Operation> {
        prop_oneof![
            (any::<u32>(), any::<i64>()).prop_map(|(account, created_secs)| Operation::Found {
                account: AccountId(account),
                created_secs
            }),
            (any::<u64>(), 1..u32::MAX, 0_u8..8, any_name()).prop_map(
                |(mailbox, validity, special, name)| Operation::Create {
                    mailbox: MailboxId(mailbox),
                    validity: UidValidity::new(validity).unwrap(),
                    special_use: SpecialUse::of_code(special).unwrap(),
                    name,
                }
            ),
            any::<u64>().prop_map(|mailbox| Operation::Delete {
                mailbox: MailboxId(mailbox)
            }),
            (any_name(), any_name()).prop_map(|(from, to)| Operation::Rename { from, to }),
            any_name().prop_map(Operation::Subscribe),
            any_name().prop_map(Operation::Unsubscribe),
            (any::<u64>(), prop::option::of(any::<u32>()), 0_u16..1 << 11).prop_map(
                |(mailbox, account, rights)| Operation::SetAcl {
                    mailbox: MailboxId(mailbox),
                    grantee: account.map_or(Grantee::Anyone, |id| Grantee::Account(AccountId(id))),
                    rights: Rights::of_bits(rights).unwrap(),
                }
            ),
            any::<u64>().prop_map(Operation::RaiseEpoch),
        ]
    }

    fn any_annotation() -> impl Strategy<Value = Operation> {
        let place = prop::option::of(1_u64..1 << 63);
        let name = "/(private|shared)/[a-z]{1,9}";
        let value = prop::option::of(prop::collection::vec(any::<u8>(), 0..40));
        (place, name, value).prop_map(|(place, name, value)| Operation::Annotate {
            place: place.map(MailboxId),
            name: AnnotationName::new(&name).unwrap(),
            value: value.map(Arc::from),
        })
    }

    fn any_operation() -> impl Strategy<Value = Operation> {
        let expunge =
            (any::<u64>(), any::<bool>(), any_set()).prop_map(|(mailbox, only_deleted, uids)| {
                Operation::Expunge {
                    mailbox: MailboxId(mailbox),
                    only_deleted,
                    uids,
                }
            });
        let claim = (any::<u64>(), any_uid()).prop_map(|(mailbox, up_to)| Operation::ClaimRecent {
            mailbox: MailboxId(mailbox),
            up_to,
        });
        prop_oneof![
            any_structure(),
            any_append(),
            any_set_flags(),
            any_transfer(),
            any_numbers(),
            any_annotation(),
            expunge,
            claim,
        ]
    }

    fn any_transaction() -> impl Strategy<Value = Transaction> {
        let operations = prop::collection::vec(any_operation(), 0..6);
        (0..=Modseq::MAX.0, operations).prop_map(|(modseq, operations)| Transaction {
            modseq: Modseq(modseq),
            operations,
        })
    }

    proptest! {
        #[test]
        fn a_transaction_decodes_to_what_was_encoded(transaction in any_transaction()) {
            let head = encode::transaction(&transaction);
            prop_assert_eq!(super::transaction(&head, 100), Ok(transaction));
        }

        #[test]
        fn what_decodes_is_what_we_would_have_written(transaction in any_transaction(), at in any::<usize>(), byte in any::<u8>()) {
            let mut head = encode::transaction(&transaction);
            let at = at % head.len();
            head[at] = byte;
            if let Ok(decoded) = super::transaction(&head, 100) {
                prop_assert!(head == encode::transaction(&decoded) || head[at] & 0x80 != 0);
            }
        }

        #[test]
        fn arbitrary_bytes_are_refused_or_read_and_no_more(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            let _ = super::transaction(&bytes, 100);
        }

        #[test]
        fn a_cut_transaction_is_refused(transaction in any_transaction(), cut in any::<usize>()) {
            let head = encode::transaction(&transaction);
            let cut = cut % head.len();
            prop_assert!(super::transaction(&head[..cut], 100).is_err());
        }
    }

    #[test]
    fn an_optional_operation_is_passed_over_and_a_critical_one_is_not() {
        let with_code = |code: u16| {
            let mut head = vec![0; 12];
            head[8] = 1;
            head.extend(code.to_le_bytes());
            head.extend([0, 0, 2, 0, 0, 0, 7, 7]);
            super::transaction(&head, 0).map(|decoded| decoded.operations)
        };
        assert_eq!(with_code(code::OPTIONAL | 99), Ok(Vec::new()));
        assert_eq!(with_code(99), Err(Fault::Unknown));
    }

    #[test]
    fn a_body_must_lie_in_its_record_or_in_a_pack_that_can_be() {
        let append = |body, size| {
            let transaction = Transaction {
                modseq: Modseq(1),
                operations: vec![Operation::Append(Append {
                    mailbox: MailboxId(1),
                    uid: Uid::MIN,
                    message: MessageId(1),
                    thread: ThreadId(1),
                    date: InternalDate {
                        secs: 0,
                        offset_minutes: 0,
                    },
                    saved: SaveDate(0),
                    system: SystemFlags::NONE,
                    keywords: Vec::new(),
                    body,
                    size,
                    sha256: [0; 32],
                })],
            };
            super::transaction(&encode::transaction(&transaction), 10).is_ok()
        };
        let inline = |offset, size| append(StoredBody::Inline { offset }, size);
        assert!(inline(0, 10) && inline(10, 0));
        assert!(!inline(0, 11) && !inline(11, 0) && !inline(u32::MAX, u32::MAX));
        let packed = |pack, offset| {
            let pack = PackId(pack);
            append(StoredBody::Pack { pack, offset }, 100)
        };
        assert!(packed(1, 0) && packed(PACK_MAX, u32::MAX - 100));
        assert!(!packed(0, 0) && !packed(PACK_MAX + 1, 0) && !packed(1, u32::MAX - 99));
    }
}
