//! The admin socket: who may ask, and one task for each who does.
//!
//! Requests may be pipelined: each begins at once, and answers go out in the
//! order of the requests. A client has at most [`REQUESTS_MAX`] under way.

use crate::deletion;
use crate::house::House;
use crate::tasks;
use ipc::edge::admin::{Answer, Request};
use ipc::edge::control_auth::{Refusal, ToAuth, ToControl};
use ipc::edge::control_director::{self, WorkerStatus};
use ipc::edge::control_supervisor::{self, ToSupervisor};
use ipc::edge::lmtp_auth::ADDRESS_BYTES_MAX;
use ipc::edge::task;
use ipc::{AccountId, Bytes};
use ipc_async::AsyncChannel;
use rustix::net::SocketFlags;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::unix::AsyncFd;
use tokio::sync::{Semaphore, mpsc};
use tokio::time::Instant;

/// Requests of one client under way: enough that `auth` always has some to
/// commit together, few enough to hold.
const REQUESTS_MAX: usize = 64;

/// Answers of one request that may wait for the client to read: a long list is
/// fetched page by page, as it is read.
const ANSWERS_AHEAD_MAX: usize = 4;

/// Clients at once. Commands come one by one; monitoring adds a few.
const CLIENTS_MAX: usize = 32;

/// How long `director` may take over each question of `status`. It has the answers at
/// hand; one that is stuck is what an administrator looks for.
const DIRECTOR_SECONDS_MAX: u64 = 5;

/// How long somebody who may not ask keeps a place. A command reads its answer and
/// goes.
const TURNING_AWAY_MAX: Duration = Duration::from_secs(2);

/// Pause after an accept that failed for want of descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

type Client = AsyncChannel<Answer, Request>;

/// Accepts clients for as long as the process lives.
pub async fn listen(house: Rc<House>, socket: OwnedFd) {
    if rustix::io::ioctl_fionbio(&socket, true).is_err() {
        return;
    }
    #[expect(
        deprecated,
        reason = "its successor is an unsafe fn; an OwnedFd stays what it is"
    )]
    let Ok(listener) = AsyncFd::new(socket) else {
        return;
    };
    let places = Arc::new(Semaphore::new(CLIENTS_MAX));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else {
            return;
        };
        let client = accept(&listener).await;
        let house = Rc::clone(&house);
        tokio::task::spawn_local(async move {
            let _place = place;
            serve(&house, client).await;
        });
    }
}

async fn accept(listener: &AsyncFd<OwnedFd>) -> OwnedFd {
    loop {
        let accepted = rustix::net::accept_with(listener.get_ref(), SocketFlags::CLOEXEC);
        match accepted {
            Ok(client) => return client,
            Err(rustix::io::Errno::AGAIN) => {
                if let Ok(mut guard) = listener.readable().await {
                    guard.clear_ready();
                }
            }
            Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
        }
    }
}

async fn serve(house: &Rc<House>, socket: OwnedFd) {
    let peer = rustix::net::sockopt::socket_peercred(&socket);
    let uid = peer.ok().map(|peer| peer.uid.as_raw());
    let Ok(client) = Client::adopt(socket).map(Rc::new) else {
        return;
    };
    if !is_admin(house, uid) || converse(house, &client, uid).await == Over::NotPermitted {
        // One that asks for longer is cut off.
        let _cut_off = tokio::time::timeout(TURNING_AWAY_MAX, turn_away(&client)).await;
    }
}

/// Why a conversation is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Over {
    /// The client has gone.
    Gone,
    /// It is no admin any more; its last request has been told so.
    NotPermitted,
}

/// Answers somebody who may not ask. Each request is read before: an end that is
/// closed with something unread resets the socket, and what it had said is lost.
async fn turn_away(client: &Client) {
    while let Ok(Some(_)) = client.receive().await {
        if client.send(Answer::NotPermitted).is_err() {
            return;
        }
    }
}

/// Whether somebody is an admin by the kernel's word on who has connected
/// (SO_PEERCRED, unix(7)) and by the configuration as it is now.
fn is_admin(house: &House, uid: Option<u32>) -> bool {
    let admins = &house.slice.borrow().admins;
    let permitted = uid.is_some_and(|uid| admins.as_slice().contains(&uid));
    if !permitted {
        tracing::warn!(uid, "somebody who is no admin used the admin socket");
    }
    permitted
}

async fn converse(house: &Rc<House>, client: &Rc<Client>, uid: Option<u32>) -> Over {
    let (begun, to_finish) = mpsc::channel(REQUESTS_MAX);
    let answers = tokio::task::spawn_local(answer_in_order(Rc::clone(client), to_finish));
    let mut over = Over::Gone;
    while let Ok(Some(request)) = client.receive().await {
        // Who was an admin when he connected needn't be one now.
        if !is_admin(house, uid) {
            over = Over::NotPermitted;
            break;
        }
        let (tell, told) = mpsc::channel(ANSWERS_AHEAD_MAX);
        let house = Rc::clone(house);
        tokio::task::spawn_local(async move { carry_out(&house, &tell, request).await });
        if begun.send(told).await.is_err() {
            break;
        }
    }
    drop(begun);
    let _finished = answers.await;
    if over == Over::NotPermitted {
        let _gone = client.send(Answer::NotPermitted);
    }
    over
}

async fn answer_in_order(client: Rc<Client>, mut requests: mpsc::Receiver<mpsc::Receiver<Answer>>) {
    while let Some(mut answers) = requests.recv().await {
        while let Some(answer) = answers.recv().await {
            if client.send(answer).is_err() || client.drain().await.is_err() {
                return;
            }
        }
    }
}

/// Carries out one request; the last answer says how it ended.
async fn carry_out(house: &House, tell: &mpsc::Sender<Answer>, request: Request) {
    let last = match request {
        Request::UserAdd { name, credential } => {
            about_account(house, |query| ToAuth::Add {
                query,
                name,
                credential,
            })
            .await
        }
        Request::UserPassword { name, credential } => {
            about_account(house, |query| ToAuth::SetCredential {
                query,
                name,
                credential,
            })
            .await
        }
        Request::UserDisable { name, disabled } => {
            about_account(house, |query| ToAuth::SetDisabled {
                query,
                name,
                disabled,
            })
            .await
        }
        Request::AliasAdd { name, alias } => {
            about_account(house, |query| ToAuth::AddAlias { query, name, alias }).await
        }
        Request::AliasRemove { alias } => {
            about_account(house, |query| ToAuth::RemoveAlias { query, alias }).await
        }
        Request::Kick { name } => about_account(house, |query| ToAuth::Kick { query, name }).await,
        Request::UserDelete { name } => outcome(deletion::delete(house, name).await),
        Request::UserList => outcome(list_accounts(house, tell).await),
        Request::Status => outcome(status(house, tell).await),
        Request::Reload => reload(house).await,
        Request::Verify { name } => outcome(tasks::check(house, tell, name).await),
        Request::Repair { name } => outcome(tasks::repair(house, tell, name).await),
        Request::Quota { name } => about_quota(house, tell, name, task::ToWorker::Quota).await,
        Request::SetQuota { name, change } => {
            about_quota(house, tell, name, task::ToWorker::SetQuota { change }).await
        }
        Request::Rewound { name } => {
            let done = tasks::ask_worker(house, name, task::ToWorker::Rewound).await;
            outcome(done.map(drop))
        }
    };
    // A client that has gone asks for nothing more.
    let _gone = tell.send(last).await;
}

async fn about_quota(
    house: &House,
    tell: &mpsc::Sender<Answer>,
    name: Bytes<ADDRESS_BYTES_MAX>,
    question: task::ToWorker,
) -> Answer {
    match tasks::ask_worker(house, name, question).await {
        Ok(task::ToControl::Quota { quota }) => {
            let _gone = tell.send(Answer::Quota { quota }).await;
            Answer::Done
        }
        Ok(_) => outcome(Err(Refusal::CutShort)),
        Err(refusal) => outcome(Err(refusal)),
    }
}

fn outcome(result: Result<(), Refusal>) -> Answer {
    match result {
        Ok(()) => Answer::Done,
        Err(refusal) => Answer::Refused { refusal },
    }
}

async fn about_account(house: &House, question: impl FnOnce(u64) -> ToAuth) -> Answer {
    let query = house.query();
    match house.auth.ask(query, question(query)).await {
        Some(ToControl::Done { .. }) => Answer::Done,
        Some(ToControl::Refused { refusal, .. }) => Answer::Refused { refusal },
        Some(ToControl::Page { .. }) | None => Answer::Refused {
            refusal: Refusal::Unavailable,
        },
    }
}

async fn list_accounts(house: &House, tell: &mpsc::Sender<Answer>) -> Result<(), Refusal> {
    let mut after: Option<AccountId> = None;
    loop {
        let query = house.query();
        let answer = house.auth.ask(query, ToAuth::List { query, after }).await;
        let Some(ToControl::Page { accounts, more, .. }) = answer else {
            return Err(Refusal::Unavailable);
        };
        after = accounts.as_slice().last().map(|account| account.id);
        let told = tell.send(Answer::Accounts { accounts }).await;
        if told.is_err() || !more || after.is_none() {
            return Ok(());
        }
    }
}

async fn status(house: &House, tell: &mpsc::Sender<Answer>) -> Result<(), Refusal> {
    let answer = house.ask_supervisor(ToSupervisor::Status).await;
    let Some(control_supervisor::ToControl::Status {
        processes,
        waivers,
        ids,
    }) = answer
    else {
        return Err(Refusal::Unavailable);
    };
    if tell
        .send(Answer::Processes {
            processes,
            waivers,
            ids,
        })
        .await
        .is_ok()
    {
        list_workers(house, tell).await;
        tell_health(house, tell).await;
    }
    Ok(())
}

/// As with workers: without a `director` nothing is known.
async fn tell_health(house: &House, tell: &mpsc::Sender<Answer>) {
    let query = house.query();
    let question = control_director::ToDirector::Health { query };
    if let Some(control_director::ToControl::Health {
        ailing,
        scrubbed_bytes,
        verifiers,
        ..
    }) = house.director.ask_until(soon(), query, question).await
    {
        let health = Answer::Health {
            ailing,
            scrubbed_bytes,
            verifiers,
        };
        let _gone = tell.send(health).await;
    }
}

/// Status without a `director` is still a status: it shows no workers.
async fn list_workers(house: &House, tell: &mpsc::Sender<Answer>) {
    let mut after: Option<AccountId> = None;
    loop {
        let query = house.query();
        let question = control_director::ToDirector::Workers { query, after };
        let Some(answer) = house.director.ask_until(soon(), query, question).await else {
            return;
        };
        let control_director::ToControl::Workers { workers, more, .. } = answer else {
            return;
        };
        let last = workers
            .as_slice()
            .last()
            .map(|worker: &WorkerStatus| worker.account);
        // A list that doesn't go on has no end.
        let goes_on = more && last > after;
        after = last;
        let told = tell.send(Answer::Workers { workers }).await;
        if told.is_err() || !goes_on {
            return;
        }
    }
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(DIRECTOR_SECONDS_MAX)
}

async fn reload(house: &House) -> Answer {
    use control_supervisor::ToControl::{NotReloaded, Reloaded};
    match house.ask_supervisor(ToSupervisor::Reload).await {
        Some(Reloaded) => Answer::Done,
        Some(NotReloaded { process, reason }) => Answer::NotReloaded { process, reason },
        _ => Answer::Refused {
            refusal: Refusal::Unavailable,
        },
    }
}
