//! One letter for this account, from `lmtp`, on a pair made for it.
//!
//! `Delivered` is said when the letter is durable in INBOX; every other outcome
//! has left nothing behind.

use crate::account::Account;
use crate::arrival::{self, Arrival, Item, NotKept};
use crate::letter::{self, Unreadable};
use ipc::edge::delivery::{Outcome, ToLmtp, ToWorker};
use ipc::letter::Kept;
use ipc_async::AsyncChannel;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use store::{Flags, InternalDate, MailboxId, Principal, Refusal};

/// How long `lmtp` may take to send the letter after the worker has the pair:
/// it has it ready, and only a stopped process takes longer.
const LETTER_WAIT_MAX: Duration = Duration::from_secs(30);

/// Bytes read at once: small enough that a commit never waits long behind it.
const PIECE_BYTES: u64 = 256 * 1024;

/// Takes one letter in.
pub async fn serve(account: Rc<Account>, socket: OwnedFd) {
    let channel = match AsyncChannel::<ToLmtp, ToWorker>::adopt(socket) {
        Ok(channel) => channel,
        Err(fault) => return tracing::warn!(%fault, "a delivery's socket is no channel"),
    };
    let letter = match tokio::time::timeout(LETTER_WAIT_MAX, channel.receive()).await {
        Ok(Ok(Some(letter))) => letter,
        _ => return tracing::warn!("a delivery brought no letter"),
    };
    let outcome = deliver(&account, letter).await;
    if channel.send(ToLmtp::Done { outcome }).is_ok() {
        // Should `lmtp` be gone, its client will deliver again.
        let _ = tokio::time::timeout(LETTER_WAIT_MAX, channel.drain()).await;
    }
}

async fn deliver(account: &Rc<Account>, letter: ToWorker) -> Outcome {
    let ToWorker::Letter {
        trace,
        length,
        letter,
        detail: _,
    } = letter;
    let kept = keep(account, trace.as_slice(), length, letter).await;
    match kept {
        Ok(()) => Outcome::Delivered,
        Err(why) => {
            tracing::warn!(?why, length, "a letter was not delivered");
            outcome(why)
        }
    }
}

fn outcome(why: NotKept) -> Outcome {
    match why {
        NotKept::NoSpace => Outcome::NoSpace,
        NotKept::Refused(Refusal::OverQuota(_)) => Outcome::OverQuota,
        NotKept::Unreadable(Unreadable::NotALetter(_) | Unreadable::Shortened) => {
            Outcome::BadLetter
        }
        _ => Outcome::Temporary,
    }
}

async fn keep(
    account: &Rc<Account>,
    trace: &[u8],
    length: u64,
    letter: OwnedFd,
) -> Result<(), NotKept> {
    let kept = ipc::letter::check(&letter, length)
        .map_err(|why| NotKept::Unreadable(Unreadable::NotALetter(why)))?;
    if length > account.limits().message_bytes_max {
        return Err(NotKept::Refused(Refusal::LetterTooLong));
    }
    let letter = Arrived {
        bytes: Arc::new(letter),
        kept,
    };
    let bytes = length.saturating_add(trace.len() as u64);
    account.check_room(bytes, None)?;
    let mut arrival = Arrival::new(account, bytes, u64::MAX);
    arrival.push(trace).await?;
    let mut offset = 0_u64;
    while offset < length {
        let bytes = length.saturating_sub(offset).min(PIECE_BYTES);
        let piece = letter.read(account, offset, bytes).await?;
        arrival.push(&piece).await?;
        offset = offset.saturating_add(bytes);
    }
    let item = Item {
        letter: arrival.finish().await?,
        flags: Flags::default(),
        date: now(),
    };
    let inbox = account
        .store()
        .open_by_id(&Principal::Owner, MailboxId::INBOX)?;
    arrival::keep(account, &inbox, vec![item], None)
        .await
        .map(drop)
}

/// A letter as `lmtp` passed it.
struct Arrived {
    bytes: Arc<OwnedFd>,
    kept: Kept,
}

impl Arrived {
    /// Bytes of it. What is in memory is read here: asking the disk thread for it
    /// would take longer than reading it.
    async fn read(&self, account: &Account, offset: u64, bytes: u64) -> Result<Vec<u8>, NotKept> {
        let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
        let read = match self.kept {
            Kept::InMemory => letter::read(&self.bytes, offset, bytes),
            Kept::OnDisk => {
                let letter = Arc::clone(&self.bytes);
                account.disk().read_letter(letter, offset, bytes).await?
            }
        };
        read.map_err(NotKept::Unreadable)
    }
}

/// LMTP has no date of its own: now, and UTC, since a worker knows no zone.
fn now() -> InternalDate {
    InternalDate {
        secs: crate::clock::seconds(),
        offset_minutes: 0,
    }
}
