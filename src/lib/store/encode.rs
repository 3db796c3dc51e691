//! Transactions as bytes; [`crate::decode`] mirrors it field for field.
//!
//! A transaction is the head of its record; the inline letters are the body.
//! An operation is its head (code, length) and its fields, so that a reader can
//! pass over an optional one that it doesn't know.

use crate::decode::{GRANTEE_ACCOUNT, GRANTEE_ANYONE, NO_MAILBOX, NO_MODSEQ, code, place};
use crate::flag::{FlagAction, Keyword};
use crate::id::UidSet;
use crate::metadata::{AnnotationName, Place};
use crate::name::{MailboxName, SpecialUse};
use crate::operation::{Append, Operation, SetFlags, StoredBody, Transaction, Transfer};
use crate::quota::QuotaOverride;
use crate::rights::Grantee;

/// The head of the record of `transaction`.
pub(crate) fn transaction(transaction: &Transaction) -> Vec<u8> {
    let mut out = Out::default();
    out.u64(transaction.modseq.0);
    out.len(transaction.operations.len());
    for operation in &transaction.operations {
        out.operation(operation);
    }
    out.0
}

/// Bytes under construction. Lengths are of things that are bounded far below
/// 32 bits; a longer one would be a record that the journal refuses.
#[derive(Default)]
pub(crate) struct Out(pub(crate) Vec<u8>);

impl Out {
    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    pub(crate) fn u8(&mut self, n: u8) {
        self.0.push(n);
    }

    pub(crate) fn u16(&mut self, n: u16) {
        self.bytes(&n.to_le_bytes());
    }

    pub(crate) fn u32(&mut self, n: u32) {
        self.bytes(&n.to_le_bytes());
    }

    pub(crate) fn u64(&mut self, n: u64) {
        self.bytes(&n.to_le_bytes());
    }

    pub(crate) fn len(&mut self, len: usize) {
        self.u32(u32::try_from(len).unwrap_or(u32::MAX));
    }

    fn short_text(&mut self, text: &str) {
        self.u8(u8::try_from(text.len()).unwrap_or(u8::MAX));
        self.bytes(text.as_bytes());
    }

    pub(crate) fn name(&mut self, name: &MailboxName) {
        self.u8(u8::try_from(name.components().len()).unwrap_or(u8::MAX));
        for component in name.components() {
            self.short_text(component);
        }
    }

    pub(crate) fn keywords(&mut self, keywords: &[Keyword]) {
        self.u8(u8::try_from(keywords.len()).unwrap_or(u8::MAX));
        for keyword in keywords {
            self.short_text(keyword.as_str());
        }
    }

    fn uids(&mut self, uids: &UidSet) {
        self.len(uids.ranges().len());
        for range in uids.ranges() {
            self.u32(range.first.get());
            self.u32(range.last.get());
        }
    }

    fn operation(&mut self, operation: &Operation) {
        let mut fields = Self::default();
        let code = fields.fields(operation);
        self.u16(code);
        self.u16(0);
        self.len(fields.0.len());
        self.bytes(&fields.0);
    }

    /// Writes an operation's fields; its code.
    fn fields(&mut self, operation: &Operation) -> u16 {
        match operation {
            Operation::Found {
                account,
                created_secs,
            } => {
                self.u32(account.0);
                self.bytes(&created_secs.to_le_bytes());
                code::FOUND
            }
            Operation::Create {
                mailbox,
                validity,
                special_use,
                name,
            } => {
                self.u64(mailbox.0);
                self.u32(validity.get());
                self.u8(SpecialUse::code(*special_use));
                self.name(name);
                code::CREATE
            }
            Operation::Delete { mailbox } => {
                self.u64(mailbox.0);
                code::DELETE
            }
            Operation::Rename { from, to } => {
                self.name(from);
                self.name(to);
                code::RENAME
            }
            Operation::Subscribe(name) => {
                self.name(name);
                code::SUBSCRIBE
            }
            Operation::Unsubscribe(name) => {
                self.name(name);
                code::UNSUBSCRIBE
            }
            Operation::SetAcl {
                mailbox,
                grantee,
                rights,
            } => {
                self.u64(mailbox.0);
                self.grantee(*grantee);
                self.u16(rights.bits());
                code::SET_ACL
            }
            Operation::RaiseEpoch(epoch) => {
                self.u64(*epoch);
                code::RAISE_EPOCH
            }
            other => self.message_fields(other),
        }
    }

    fn message_fields(&mut self, operation: &Operation) -> u16 {
        match operation {
            Operation::Append(append) => {
                self.append(append);
                code::APPEND
            }
            Operation::SetFlags(set) => {
                self.set_flags(set);
                code::SET_FLAGS
            }
            Operation::Expunge {
                mailbox,
                only_deleted,
                uids,
            } => {
                self.u64(mailbox.0);
                self.u8(u8::from(*only_deleted));
                self.uids(uids);
                code::EXPUNGE
            }
            Operation::Transfer(transfer) => {
                self.transfer(transfer);
                match transfer.moving {
                    true => code::MOVE,
                    false => code::COPY,
                }
            }
            Operation::ClaimRecent { mailbox, up_to } => {
                self.u64(mailbox.0);
                self.u32(up_to.get());
                code::CLAIM_RECENT
            }
            other => self.account_fields(other),
        }
    }

    fn account_fields(&mut self, operation: &Operation) -> u16 {
        match operation {
            Operation::SetQuota(quota) => {
                self.quota(quota);
                code::SET_QUOTA
            }
            Operation::RaiseCeiling(ceiling) => {
                self.u64(ceiling.0);
                code::RAISE_CEILING
            }
            Operation::Lose { from, to } => {
                self.u64(from.0);
                self.u64(to.0);
                code::LOSE
            }
            Operation::Rewound => code::REWOUND,
            Operation::Annotate { place, name, value } => {
                self.place(*place);
                self.annotation_name(name);
                self.u8(u8::from(value.is_some()));
                self.value(value.as_deref().unwrap_or_default());
                code::ANNOTATE
            }
            _ => code::NONE,
        }
    }

    /// What an annotation is of.
    pub(crate) fn place(&mut self, place: Place) {
        self.u64(place.map_or(NO_MAILBOX, |id| id.0));
    }

    pub(crate) fn annotation_name(&mut self, name: &AnnotationName) {
        self.short_text(name.as_str());
    }

    pub(crate) fn value(&mut self, value: &[u8]) {
        self.len(value.len());
        self.bytes(value);
    }

    pub(crate) fn quota(&mut self, quota: &QuotaOverride) {
        for limit in [quota.bytes, quota.messages, quota.mailboxes] {
            self.u64(limit.code());
        }
    }

    pub(crate) fn grantee(&mut self, grantee: Grantee) {
        match grantee {
            Grantee::Anyone => {
                self.u8(GRANTEE_ANYONE);
                self.u32(0);
            }
            Grantee::Account(account) => {
                self.u8(GRANTEE_ACCOUNT);
                self.u32(account.0);
            }
        }
    }

    fn append(&mut self, append: &Append) {
        self.u64(append.mailbox.0);
        self.u32(append.uid.get());
        self.u64(append.message.0);
        self.u64(append.thread.0);
        self.bytes(&append.date.secs.to_le_bytes());
        self.bytes(&append.date.offset_minutes.to_le_bytes());
        self.u32(append.saved.0);
        self.u8(append.system.bits());
        match append.body {
            StoredBody::Inline { offset } => {
                self.u8(place::INLINE);
                self.u64(0);
                self.u32(offset);
            }
            StoredBody::Pack { pack, offset } => {
                self.u8(place::PACK);
                self.u64(pack.0);
                self.u32(offset);
            }
        }
        self.u32(append.size);
        self.bytes(&append.sha256);
        self.keywords(&append.keywords);
    }

    fn set_flags(&mut self, set: &SetFlags) {
        self.u64(set.mailbox.0);
        self.u8(match set.action {
            FlagAction::Add => 0,
            FlagAction::Remove => 1,
            FlagAction::Replace => 2,
        });
        self.u8(set.mask.system.bits());
        self.u8(u8::from(set.mask.keywords));
        self.u8(set.system.bits());
        self.u64(set.unchanged_since.map_or(NO_MODSEQ, |modseq| modseq.0));
        self.keywords(&set.keywords);
        self.uids(&set.uids);
    }

    fn transfer(&mut self, transfer: &Transfer) {
        self.u64(transfer.source.0);
        self.u64(transfer.target.0);
        self.u32(transfer.first.get());
        self.u32(transfer.reserved);
        self.u32(transfer.saved.0);
        self.uids(&transfer.uids);
    }
}
