//! The supervisor's word: new edges, new slices, the end.

use crate::house::House;
use ipc::Bytes;
use ipc::edge::supervisor::{ToProcess, ToSupervisor};
use ipc::slice::{Control as Slice, Slice as AnySlice};
use ipc_async::AsyncChannel;
use std::os::fd::OwnedFd;

/// Obeys until the supervisor says `Stop` or has gone. Demands the proof that
/// the process is confined, on behalf of every task beside it.
pub async fn serve(house: &House, socket: OwnedFd, _confined: &sandbox::Entered) {
    let Ok(supervisor) = AsyncChannel::<ToSupervisor, ToProcess>::adopt(socket) else {
        return;
    };
    let mut prepared = None;
    while let Ok(Some(message)) = supervisor.receive().await {
        let answer = match message {
            ToProcess::Connect { edge, socket, .. } => {
                house.connect(edge, socket);
                continue;
            }
            ToProcess::Prepare { slice } => prepare(slice, &mut prepared),
            ToProcess::Commit => {
                apply(house, prepared.take());
                continue;
            }
            ToProcess::Discard => {
                prepared = None;
                continue;
            }
            ToProcess::Stop => return,
            _ => continue,
        };
        if supervisor.send(answer).is_err() {
            return;
        }
    }
}

fn prepare(slice: AnySlice, prepared: &mut Option<Slice>) -> ToSupervisor {
    match slice {
        AnySlice::Control { slice } => {
            *prepared = Some(slice);
            ToSupervisor::Prepared
        }
        _ => {
            let reason = Bytes::new("that is not control's slice").unwrap_or_default();
            ToSupervisor::Refused { reason }
        }
    }
}

fn apply(house: &House, slice: Option<Slice>) {
    if let Some(slice) = slice {
        eventlog::set_level(slice.logging.level.number());
        *house.slice.borrow_mut() = slice;
    }
}
