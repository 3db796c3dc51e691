//! Deleting an account, in the order that loses nothing and leaves nothing:
//! `auth` disables it and mints the task's ticket; its worker empties the store;
//! `auth` forgets the name, and has the empty directory removed.
//!
//! If any step fails the account stays disabled and half deleted; deleting it
//! again goes on from there.

use crate::asking::ANSWER_SECONDS_MAX;
use crate::house::House;
use ipc::edge::control_auth::{Refusal, ToAuth, ToControl};
use ipc::edge::handover::{ToAsker, ToDirector, Work};
use ipc::edge::lmtp_auth::ADDRESS_BYTES_MAX;
use ipc::edge::task;
use ipc::{AccountId, Bytes, Nonce};
use ipc_async::AsyncChannel;
use std::os::fd::OwnedFd;
use std::time::Duration;

type TaskChannel = AsyncChannel<task::ToWorker, task::ToControl>;

/// Deletes an account.
///
/// # Errors
/// Why it is not wholly deleted.
pub async fn delete(house: &House, name: Bytes<ADDRESS_BYTES_MAX>) -> Result<(), Refusal> {
    let (near, far) = ipc::channel::pair().map_err(|_| Refusal::Unavailable)?;
    let nonce = Nonce::draw().map_err(|_| Refusal::Unavailable)?;
    let account = disable(house, name, nonce, &far).await?;
    empty(house, nonce, near, far).await?;
    let query = house.query();
    let forgotten = house
        .auth
        .ask(query, ToAuth::Emptied { query, account })
        .await;
    done(forgotten).map(drop)
}

async fn disable(
    house: &House,
    name: Bytes<ADDRESS_BYTES_MAX>,
    nonce: Nonce,
    socket: &OwnedFd,
) -> Result<AccountId, Refusal> {
    let query = house.query();
    let cookie = ipc::socket::cookie(socket).map_err(|_| Refusal::Unavailable)?;
    done(
        house
            .auth
            .ask(
                query,
                ToAuth::Delete {
                    query,
                    name,
                    nonce,
                    cookie,
                },
            )
            .await,
    )
}

fn done(answer: Option<ToControl>) -> Result<AccountId, Refusal> {
    match answer {
        Some(ToControl::Done { account, .. }) => Ok(account),
        Some(ToControl::Refused { refusal, .. }) => Err(refusal),
        Some(ToControl::Page { .. }) | None => Err(Refusal::Unavailable),
    }
}

/// Has the account's worker empty its store, on the pair made for it.
async fn empty(house: &House, nonce: Nonce, near: OwnedFd, far: OwnedFd) -> Result<(), Refusal> {
    let offer = ToDirector::HandOver {
        nonce,
        work: Work::Task,
        socket: far,
    };
    match house.handover.ask(nonce, offer).await {
        Some(ToAsker::Taken { .. }) => {}
        Some(ToAsker::Refused { .. } | ToAsker::Lost { .. }) => return Err(Refusal::Storage),
        None => return Err(Refusal::Unavailable),
    }
    let pair = TaskChannel::adopt(near).map_err(|_| Refusal::Unavailable)?;
    pair.send(task::ToWorker::Empty)
        .map_err(|_| Refusal::Storage)?;
    let limit = Duration::from_secs(ANSWER_SECONDS_MAX);
    match tokio::time::timeout(limit, pair.receive()).await {
        Ok(Ok(Some(task::ToControl::Emptied))) => Ok(()),
        _ => Err(Refusal::Storage),
    }
}
