//! One letter for one recipient, from the ticket to the worker's word.
//!
//! Invariants: exactly one [`Reply`] comes out, whoever dies meanwhile, in bounded
//! time; it is [`Reply::Delivered`] only if the worker said so. A worker that
//! dies between the sync and its word makes the MTA send the letter again: a
//! double is a nuisance, a loss is not repaired. The same is so for a `director` that
//! holds the socket for longer than we wait, and then hands it over after all.

use crate::peers::{HandedOver, Peers};
use crate::spool::Letter;
use crate::trace::Arrival;
use ipc::channel::Fault;
use ipc::edge::delivery::{Outcome, ToLmtp, ToWorker};
use ipc::edge::handover::Refusal;
use ipc::edge::lmtp_auth::{ADDRESS_BYTES_MAX, Standing};
use ipc::{Bytes, Nonce};
use ipc_async::AsyncChannel;
use rustix::io::Errno;
use std::rc::Rc;
use std::time::Duration;
use tokio::time::timeout;
use wire::Address;
use wire::lmtp::Reply;

/// How long a worker may take to make a letter durable: 50 MiB on a slow disk
/// behind others. MTAs wait ten minutes for the answer to the final dot
/// (RFC 5321, section 4.5.3.2.6).
pub const WORKER_SECONDS_MAX: u64 = 120;

/// How long a worker may take after `director` has died or said nothing: it may have
/// the letter, and hardly takes longer than a sync on a busy disk.
pub const LOST_SECONDS_MAX: u64 = 10;

/// Why a letter was not delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Undelivered {
    /// `auth` gives no ticket.
    NoTicket(Standing),
    /// `director` finds no worker.
    NoWorker(Refusal),
    /// `director` or the worker vanished, or was silent too long.
    Silent,
    /// The worker broke the rules of its channel.
    WorkerFault(Fault),
    /// The worker could not keep it.
    NotKept(Outcome),
    /// The trace fields of such addresses don't fit.
    LongAddress,
    /// The kernel failed us.
    Kernel(Errno),
}

impl Undelivered {
    /// What the MTA is told. All but an unknown user is temporary.
    #[must_use]
    pub fn reply(self) -> Reply<'static> {
        match self {
            Self::NoTicket(Standing::Unknown) => Reply::NoSuchUser,
            Self::NoTicket(Standing::Disabled) => Reply::UserDisabled,
            Self::NotKept(Outcome::NoSpace) => Reply::NoRoom,
            Self::NotKept(Outcome::OverQuota) => Reply::OverQuota,
            _ => Reply::TryLater,
        }
    }
}

impl From<Errno> for Undelivered {
    fn from(errno: Errno) -> Self {
        Self::Kernel(errno)
    }
}

impl From<Fault> for Undelivered {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::PeerGone => Self::Silent,
            fault => Self::WorkerFault(fault),
        }
    }
}

/// Delivers, and says how it went. Lets go of the letter as soon as it has a
/// description of its own.
///
/// # Errors
/// [`Undelivered`]: nothing is known to be kept.
pub async fn deliver(
    peers: &Peers,
    letter: Rc<Letter>,
    arrival: &Arrival,
    to: &Address,
) -> Result<(), Undelivered> {
    let trace = arrival.fields(to).ok_or(Undelivered::LongAddress)?;
    let (near, far) = ipc::channel::pair()?;
    let cookie = ipc::socket::cookie(&far)?;
    let nonce = Nonce::draw()?;
    let address = address(to).ok_or(Undelivered::LongAddress)?;
    let detail = peers
        .mint(nonce, cookie, address)
        .await
        .map_err(Undelivered::NoTicket)?;
    let length = letter.length();
    let (description, _share) = letter.description()?;
    drop(letter);
    let worker = Worker::adopt(near)?;
    // It lies on the socket when the worker gets it, which saves it a wait.
    worker.send(ToWorker::Letter {
        trace,
        detail,
        length,
        letter: description,
    })?;
    match word(&worker, peers.hand_over(nonce, far)).await? {
        Outcome::Delivered => Ok(()),
        outcome => Err(Undelivered::NotKept(outcome)),
    }
}

/// As `auth` reads it: without quotes; `None` if it is longer than any that
/// exists here.
#[must_use]
pub fn address(address: &Address) -> Option<Bytes<ADDRESS_BYTES_MAX>> {
    let text = match address.domain() {
        Some(domain) => format!("{}@{domain}", address.local()),
        None => address.local().to_owned(),
    };
    Bytes::new(text).ok()
}

/// The worker's end of the pair is at the other end of this.
type Worker = AsyncChannel<ToWorker, ToLmtp>;

/// What the worker says, if the socket comes to one. Whoever lets go of the socket
/// instead ends the wait: so only a refusal of `director` is news.
async fn word(
    worker: &Worker,
    handed_over: impl Future<Output = HandedOver>,
) -> Result<Outcome, Undelivered> {
    let said = said(worker);
    tokio::pin!(said, handed_over);
    tokio::select! {
        biased;
        outcome = &mut said => return outcome,
        handed = handed_over => match handed {
            HandedOver::Refused(refusal) => return Err(Undelivered::NoWorker(refusal)),
            HandedOver::Taken => {}
            HandedOver::Lost => {
                let late = timeout(Duration::from_secs(LOST_SECONDS_MAX), said).await;
                return late.unwrap_or(Err(Undelivered::Silent));
            }
        }
    }
    said.await
}

async fn said(worker: &Worker) -> Result<Outcome, Undelivered> {
    match timeout(Duration::from_secs(WORKER_SECONDS_MAX), worker.receive()).await {
        Ok(Ok(Some(ToLmtp::Done { outcome }))) => Ok(outcome),
        Ok(Ok(None)) | Err(_) => Err(Undelivered::Silent),
        Ok(Err(fault)) => Err(fault.into()),
    }
}
