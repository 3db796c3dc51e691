//! An admin task on this account, from `control`, on a pair made for it.

use crate::account::Account;
use crate::repair;
use ipc::edge::task::{Limit, Measure, Quota, QuotaChange, ToControl, ToWorker};
use ipc_async::AsyncChannel;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::time::Duration;
use store::{Principal, QuotaOverride, Refusal};

/// How long `control` may take to say what it wants, and to read the answer.
pub const TASK_WAIT_MAX: Duration = Duration::from_secs(30);

/// `control`'s end of a pair is at the other end of this.
pub type TaskChannel = AsyncChannel<ToControl, ToWorker>;

/// Does one task.
pub async fn serve(account: Rc<Account>, socket: OwnedFd) {
    let Some((channel, asked)) = receive(socket).await else {
        return;
    };
    let answer = match asked {
        ToWorker::Count => count(&account),
        ToWorker::Empty => empty(&account).await,
        ToWorker::Quota => quota(&account),
        ToWorker::SetQuota { change } => set_quota(&account, change).await,
        ToWorker::Rewound => rewound(&account).await,
        ToWorker::Repair => mend(&account, &channel).await,
    };
    tell(&channel, answer).await;
}

/// The question on a new pair.
pub async fn receive(socket: OwnedFd) -> Option<(TaskChannel, ToWorker)> {
    let channel = match TaskChannel::adopt(socket) {
        Ok(channel) => channel,
        Err(fault) => {
            tracing::warn!(%fault, "a task's socket is no channel");
            return None;
        }
    };
    match tokio::time::timeout(TASK_WAIT_MAX, channel.receive()).await {
        Ok(Ok(Some(asked))) => Some((channel, asked)),
        _ => {
            tracing::warn!("a task's pair brought no task");
            None
        }
    }
}

/// Says something, and waits until it is said.
pub async fn tell(channel: &TaskChannel, answer: ToControl) {
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

fn quota(account: &Account) -> ToControl {
    let store = account.store();
    let (usage, limits, own) = (store.usage(), store.quota(), store.own_quota());
    let measure = |used, most, own: store::Limit| Measure {
        used,
        most,
        own: own != store::Limit::Default,
    };
    let quota = Quota {
        bytes: measure(usage.bytes, limits.bytes, own.bytes),
        messages: measure(usage.messages, limits.messages, own.messages),
        mailboxes: measure(usage.mailboxes, limits.mailboxes, own.mailboxes),
    };
    ToControl::Quota { quota }
}

/// Two changes at once are each made on what the other has left.
async fn set_quota(account: &Account, change: QuotaChange) -> ToControl {
    let changed = account.change_tree(|store| {
        let own = store.own_quota();
        store.set_quota(QuotaOverride {
            bytes: limit(own.bytes, change.bytes),
            messages: limit(own.messages, change.messages),
            mailboxes: limit(own.mailboxes, change.mailboxes),
        })
    });
    match changed.await {
        Ok(_) | Err(Refusal::NothingToDo) => quota(account),
        Err(refusal) => failed(&refusal),
    }
}

fn limit(is: store::Limit, to_be: Limit) -> store::Limit {
    match to_be {
        Limit::AsItIs => is,
        Limit::Default => store::Limit::Default,
        Limit::Unlimited => store::Limit::Unlimited,
        Limit::Most { most } => store::Limit::AtMost(most),
    }
}

/// Sessions end: what their clients know of UIDs holds no more. The worker leaves,
/// so that the next one begins with nothing remembered.
async fn rewound(account: &Account) -> ToControl {
    match account.change_tree(|store| store.rewound()).await {
        Ok(_) => {
            tracing::warn!("the account was rewound: every mailbox has a new UIDVALIDITY");
            account.leave();
            ToControl::Done
        }
        Err(refusal) => failed(&refusal),
    }
}

fn failed(refusal: &Refusal) -> ToControl {
    tracing::error!(?refusal, "a task could not be done");
    ToControl::Failed
}

/// Ends all sessions, then repairs below the open store, to which nothing is
/// written any more. The worker leaves afterwards.
async fn mend(account: &Account, channel: &TaskChannel) -> ToControl {
    if account.is_held() || account.is_retired() {
        return ToControl::Busy;
    }
    account.retire();
    match account.disk().repair(account.id()).await {
        Ok(Ok(repaired)) => repair::tell(channel, repaired).await,
        Ok(Err(why)) => {
            tracing::error!(%why, "the account could not be repaired");
            ToControl::Failed
        }
        Err(_) => ToControl::Failed,
    }
}
