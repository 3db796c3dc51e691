//! A letter on its way in.

use crate::flag::Flags;
use crate::handle::MailboxHandle;
use crate::id::ThreadId;
use crate::pack::PackedBody;
use sha2::{Digest, Sha256};

/// Bytes of a body that is written into its transaction's record. A larger one
/// goes to a pack file of its own first, so that it blocks nobody's commit.
pub const INLINE_BODY_BYTES_MAX: usize = 256 << 10;

/// INTERNALDATE: UTC seconds, and the offset that the client gave. A worker
/// knows no time zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InternalDate {
    /// Seconds since 1970 in UTC.
    pub secs: i64,
    /// Minutes east of Greenwich; 0 for LMTP.
    pub offset_minutes: i16,
}

/// Seconds that a date may lie before or after 1970, exclusive after: what 40 bits hold,
/// some 17,000 years. IMAP's dates have four digits for the year.
pub(crate) const DATE_SECS_MAX: i64 = 1 << 39;

impl InternalDate {
    /// Whether an entry can hold it.
    pub(crate) fn fits(self) -> bool {
        (-DATE_SECS_MAX..DATE_SECS_MAX).contains(&self.secs)
    }

    /// The nearest date that an entry can hold.
    pub(crate) fn fitted(self) -> Self {
        Self {
            secs: self
                .secs
                .clamp(-DATE_SECS_MAX, DATE_SECS_MAX.saturating_sub(1)),
            ..self
        }
    }
}

/// When a message came into its mailbox, by append, copy or move (RFC 8514): UTC seconds
/// since 1970, until 2106.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct SaveDate(pub(crate) u32);

impl SaveDate {
    /// The nearest one to this time in UTC seconds.
    pub(crate) fn at(secs: i64) -> Self {
        let secs = secs.clamp(0, i64::from(u32::MAX));
        Self(u32::try_from(secs).unwrap_or(u32::MAX))
    }

    /// UTC seconds since 1970.
    pub fn secs(self) -> i64 {
        i64::from(self.0)
    }
}

/// Where a letter is put, and with which flags.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// Into which mailbox.
    pub mailbox: &'a MailboxHandle,
    /// With which flags; those that the handle has no right to set are left out
    /// (RFC 4314, section 4).
    pub flags: &'a Flags,
}

/// A letter that gathers in memory. It is hashed as it comes in, so that putting
/// it into a mailbox is a short step, however many come at once.
#[derive(Clone, Debug, Default)]
pub struct GatheredBody {
    bytes: Vec<u8>,
    hash: Sha256,
}

impl GatheredBody {
    /// The next bytes.
    pub fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
        self.hash.update(bytes);
    }

    /// What has come.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Only the bytes.
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    pub(crate) fn sha256(&self) -> [u8; 32] {
        self.hash.clone().finalize().into()
    }
}

/// A letter's bytes.
#[derive(Clone, Copy, Debug)]
pub enum NewBody<'a> {
    /// At most [`INLINE_BODY_BYTES_MAX`] bytes.
    Inline(&'a [u8]),
    /// As many, whose hash is known already.
    Gathered(&'a GatheredBody),
    /// Already durable in a pack.
    Packed(&'a PackedBody),
}

impl NewBody<'_> {
    pub(crate) fn len(&self) -> u64 {
        match self {
            Self::Inline(bytes) => bytes.len() as u64,
            Self::Gathered(body) => body.bytes.len() as u64,
            Self::Packed(packed) => u64::from(packed.size()),
        }
    }
}

/// One letter, put into one or more mailboxes: one message id, one body.
#[derive(Clone, Copy, Debug)]
pub struct NewMessage<'a> {
    /// Where it is put; at least one place.
    pub places: &'a [Place<'a>],
    /// When it came.
    pub date: InternalDate,
    /// Its bytes.
    pub body: NewBody<'a>,
    /// The conversation that it belongs to; `None` if it begins one. So does a
    /// letter with a conversation that this account can't have.
    pub thread: Option<ThreadId>,
}
