//! An admin task on this account, from `control`, on a pair made for it.

use crate::account::Account;
use ipc::edge::task::{ToControl, ToWorker};
use ipc_async::AsyncChannel;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::time::Duration;
use store::Principal;

/// How long `control` may take to say what it wants, and to read the answer.
const TASK_WAIT_MAX: Duration = Duration::from_secs(30);

/// Does one task.
pub async fn serve(account: Rc<Account>, socket: OwnedFd) {
    let channel = match AsyncChannel::<ToControl, ToWorker>::adopt(socket) {
        Ok(channel) => channel,
        Err(fault) => return tracing::warn!(%fault, "a task's socket is no channel"),
    };
    let asked = match tokio::time::timeout(TASK_WAIT_MAX, channel.receive()).await {
        Ok(Ok(Some(asked))) => asked,
        _ => return tracing::warn!("a task's pair brought no task"),
    };
    let answer = match asked {
        ToWorker::Count => count(&account),
        ToWorker::Empty => empty(&account).await,
        ToWorker::Quota | ToWorker::SetQuota { .. } | ToWorker::Rewound | ToWorker::Repair => {
            ToControl::Failed
        }
    };
    if channel.send(answer).is_ok() {
        // Should `control` be gone, the administrator asks again.
        let _ = tokio::time::timeout(TASK_WAIT_MAX, channel.drain()).await;
    }
}

fn count(account: &Account) -> ToControl {
    let store = account.store();
    let (mut mailboxes, mut messages, mut bytes) = (0_u64, 0_u64, 0_u64);
    for mailbox in store.list(&Principal::Owner) {
        let status = store
            .open_by_id(&Principal::Owner, mailbox.id)
            .and_then(|handle| store.status(&handle));
        if let Ok(status) = status {
            mailboxes = mailboxes.saturating_add(1);
            messages = messages.saturating_add(status.counters.messages.into());
            bytes = bytes.saturating_add(status.counters.bytes);
        }
    }
    ToControl::Counted {
        mailboxes,
        messages,
        bytes,
    }
}

/// Ends all sessions, then removes every file. The worker leaves afterwards:
/// what it has in memory is of a store that is no more.
async fn empty(account: &Account) -> ToControl {
    account.retire();
    match account.disk().empty().await {
        Ok(Ok(())) => ToControl::Emptied,
        Ok(Err(errno)) => {
            tracing::error!(%errno, "the account's files could not be removed");
            ToControl::Failed
        }
        Err(_) => ToControl::Failed,
    }
}
