//! Tasks on one account: done by its worker, or by a verifier, on a pair that is made
//! for it. `auth` mints the ticket, `director` brings the far end.

use crate::asking::ANSWER_SECONDS_MAX;
use crate::house::House;
use ipc::edge::admin::Answer;
use ipc::edge::control_auth::{Refusal, TaskKind, ToAuth, ToControl};
use ipc::edge::handover::{self, ToAsker, ToDirector, Work};
use ipc::edge::lmtp_auth::ADDRESS_BYTES_MAX;
use ipc::edge::{task, verify};
use ipc::{Bytes, Nonce};
use ipc_async::AsyncChannel;
use std::os::fd::OwnedFd;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::Instant;

/// Verifiers that one check may need: a first one is ended when mail comes for an
/// account without a worker, and the next one has a worker that holds.
const VERIFIERS_PER_CHECK_MAX: u32 = 3;

/// A check that took so long was ended for that, and the next would be, too.
const CHECK_MAX: Duration = Duration::from_secs(590);

/// How long a repair may take: it reads every letter, and hashes it.
const REPAIR_MAX: Duration = Duration::from_secs(12 * 60 * 60);

/// How long whoever asked hears nothing while something goes on.
const PATIENCE_MAX: Duration = Duration::from_secs(10);

type Name = Bytes<ADDRESS_BYTES_MAX>;
type TaskChannel = AsyncChannel<task::ToWorker, task::ToControl>;
type CheckChannel = AsyncChannel<verify::ToVerifier, verify::ToControl>;

/// Has the account's worker do something, and gives its answer.
///
/// # Errors
/// Why there is none.
pub async fn ask_worker(
    house: &House,
    name: Name,
    question: task::ToWorker,
) -> Result<task::ToControl, Refusal> {
    let pair = reach(house, name, TaskKind::Work).await?;
    let pair = TaskChannel::adopt(pair).map_err(|_| Refusal::Unavailable)?;
    pair.send(question).map_err(|_| Refusal::CutShort)?;
    let limit = Duration::from_secs(ANSWER_SECONDS_MAX);
    match tokio::time::timeout(limit, pair.receive()).await {
        Ok(Ok(Some(task::ToControl::Failed))) => Err(Refusal::Storage),
        Ok(Ok(Some(task::ToControl::Distress))) => Err(Refusal::Distress),
        Ok(Ok(Some(task::ToControl::Busy))) => Err(Refusal::Busy),
        Ok(Ok(Some(answer))) => Ok(answer),
        _ => Err(Refusal::CutShort),
    }
}

/// Has the account's worker repair it, and passes on what it had to mend.
///
/// # Errors
/// Why it is not repaired.
pub async fn repair(house: &House, tell: &mpsc::Sender<Answer>, name: Name) -> Result<(), Refusal> {
    let pair = reach(house, name, TaskKind::Work).await?;
    let pair = TaskChannel::adopt(pair).map_err(|_| Refusal::Unavailable)?;
    pair.send(task::ToWorker::Repair)
        .map_err(|_| Refusal::CutShort)?;
    let end = Instant::now() + REPAIR_MAX;
    while Instant::now() < end {
        let answer = match tokio::time::timeout(PATIENCE_MAX, pair.receive()).await {
            Err(_) => Answer::Working,
            Ok(Ok(Some(task::ToControl::Mends { mends }))) => Answer::Mends { mends },
            Ok(Ok(Some(task::ToControl::Repaired { repairs }))) => {
                let _gone = tell.send(Answer::Repaired { repairs }).await;
                return Ok(());
            }
            Ok(Ok(Some(task::ToControl::Busy))) => return Err(Refusal::Busy),
            Ok(Ok(Some(task::ToControl::Failed))) => return Err(Refusal::Storage),
            Ok(_) => return Err(Refusal::CutShort),
        };
        // Who asked may have gone; the repair goes on all the same.
        let _gone = tell.send(answer).await;
    }
    Err(Refusal::CutShort)
}

/// Has an account checked, and passes on what the verifier says.
///
/// # Errors
/// Why the check did not come to its end.
pub async fn check(house: &House, tell: &mpsc::Sender<Answer>, name: Name) -> Result<(), Refusal> {
    let began = Instant::now();
    for _ in 0..VERIFIERS_PER_CHECK_MAX {
        let pair = reach(house, name.clone(), TaskKind::Verify).await?;
        match hear_out(tell, pair).await {
            Heard::All => return Ok(()),
            Heard::NotAll if began.elapsed() >= CHECK_MAX => break,
            Heard::NotAll => {}
        }
    }
    Err(Refusal::CutShort)
}

/// How a verifier ended.
enum Heard {
    /// It had come to its end, or nobody wants to know any more.
    All,
    /// It had not.
    NotAll,
}

async fn hear_out(tell: &mpsc::Sender<Answer>, pair: OwnedFd) -> Heard {
    let Ok(verifier) = CheckChannel::adopt(pair) else {
        return Heard::NotAll;
    };
    while let Ok(Some(word)) = verifier.receive().await {
        let answer = as_answer(word);
        let last = matches!(answer, Answer::Checked { .. });
        if tell.send(answer).await.is_err() || last {
            return Heard::All;
        }
    }
    Heard::NotAll
}

fn as_answer(word: verify::ToControl) -> Answer {
    match word {
        verify::ToControl::Begun {
            manifest,
            lsn,
            bytes,
        } => Answer::CheckBegun {
            manifest,
            lsn,
            bytes,
        },
        verify::ToControl::Progress { bytes } => Answer::CheckProgress { bytes },
        verify::ToControl::Finding { finding } => Answer::CheckFinding { finding },
        verify::ToControl::Done { totals } => Answer::Checked { totals },
    }
}

/// Our end of a pair at whose other end somebody serves the account.
async fn reach(house: &House, name: Name, kind: TaskKind) -> Result<OwnedFd, Refusal> {
    let (near, far) = ipc::channel::pair().map_err(|_| Refusal::Unavailable)?;
    let nonce = Nonce::draw().map_err(|_| Refusal::Unavailable)?;
    let cookie = ipc::socket::cookie(&far).map_err(|_| Refusal::Unavailable)?;
    let query = house.query();
    let question = ToAuth::Task {
        query,
        name,
        kind,
        nonce,
        cookie,
    };
    match house.auth.ask(query, question).await {
        Some(ToControl::Done { .. }) => {}
        Some(ToControl::Refused { refusal, .. }) => return Err(refusal),
        Some(ToControl::Page { .. }) | None => return Err(Refusal::Unavailable),
    }
    let work = match kind {
        TaskKind::Work => Work::Task,
        TaskKind::Verify => Work::Verify,
    };
    let offer = ToDirector::HandOver {
        nonce,
        work,
        socket: far,
    };
    match house.handover.ask(nonce, offer).await {
        Some(ToAsker::Taken { .. }) => Ok(near),
        Some(ToAsker::Refused { refusal, .. }) => Err(as_refusal(refusal)),
        Some(ToAsker::Lost { .. }) => Err(Refusal::CutShort),
        None => Err(Refusal::Unavailable),
    }
}

fn as_refusal(refusal: handover::Refusal) -> Refusal {
    use handover::Refusal::{BadTicket, Busy, NoTicket, NoWorker, Storage, TooManySessions};
    match refusal {
        NoTicket | NoWorker | BadTicket => Refusal::Unavailable,
        TooManySessions | Busy => Refusal::Busy,
        Storage => Refusal::NoStore,
    }
}
