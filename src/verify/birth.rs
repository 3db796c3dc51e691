//! What `broker` tells a new-born verifier: one message on fd 4, then the end.

use crate::check::Held;
use ipc::Channel;
use ipc::channel::{Fault, Received};
use ipc::edge::birth::{Birth, ToBroker};
use rustix::event::{PollFd, PollFlags, Timespec};
use std::os::fd::OwnedFd;

/// How long the record may take: `broker` sends it before it does anything else.
const RECORD_WAIT_MAX: Timespec = Timespec {
    tv_sec: 10,
    tv_nsec: 0,
};

/// Receives the record: what is held for the check.
///
/// # Errors
/// A [`Fault`]; [`Fault::PeerGone`] also of one that is silent, or speaks to a
/// worker.
pub fn receive(fd: OwnedFd) -> Result<Option<Held>, Fault> {
    let mut channel = Channel::<ToBroker, Birth>::adopt(fd)?;
    let mut wait = [PollFd::new(&channel, PollFlags::IN)];
    rustix::event::poll(&mut wait, Some(&RECORD_WAIT_MAX)).map_err(Fault::Socket)?;
    match channel.receive()? {
        Received::Message(Birth::Verifier { hold, .. }) => Ok(hold.map(|hold| Held {
            manifest: hold.manifest,
            lsn: hold.lsn,
        })),
        _ => Err(Fault::PeerGone),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ipc::AccountId;
    use ipc::edge::birth::Hold;

    #[test]
    fn the_record_says_what_is_held() {
        let (far, near) = ipc::channel::pair().unwrap();
        let mut broker = Channel::<Birth, ToBroker>::adopt(far).unwrap();
        let hold = Some(Hold {
            manifest: 3,
            lsn: 9,
        });
        broker
            .send(Birth::Verifier {
                account: AccountId(7),
                hold,
            })
            .unwrap();
        assert_eq!(
            receive(near),
            Ok(Some(Held {
                manifest: 3,
                lsn: 9
            }))
        );
    }

    #[test]
    fn a_broker_that_closes_without_a_word_bears_nobody() {
        let (far, near) = ipc::channel::pair().unwrap();
        drop(far);
        assert_eq!(receive(near), Err(Fault::PeerGone));
    }
}
