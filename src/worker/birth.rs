//! What `broker` tells a new-born worker: one message on fd 4, then the end.

use ipc::channel::{Channel, Fault, Received};
use ipc::edge::birth::{Birth, ToBroker};
use ipc::slice;
use ipc::ticket::AccountKey;
use ipc::{AccountId, Malformed};
use rustix::io::Errno;
use std::os::fd::OwnedFd;
use std::time::Duration;

/// How long the record may take: `broker` sends it before it does anything else.
const RECORD_WAIT_MAX: Duration = Duration::from_secs(10);

/// Who this worker is.
pub struct Born {
    /// Whose mail it serves.
    pub account: AccountId,
    /// Opens this account's tickets.
    pub key: AccountKey,
    /// The configuration for workers.
    pub slice: slice::Worker,
    /// Whether a store may be made here: never in a directory that once had
    /// one, lest an unmounted store be taken for an empty one.
    pub may_create: bool,
}

/// Why there is no record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotBorn {
    /// The channel broke, or what came was no record.
    Channel(Fault),
    /// `broker` closed it without a word.
    NoRecord,
    /// `broker` kept it open without a word.
    Silence,
    /// It is that of another kind of process.
    OtherRecord,
    /// The key has a wrong length.
    BadKey(Malformed),
    /// The kernel would not let us wait.
    Failed(Errno),
}

/// Receives the record. There is no runtime yet, so this waits.
///
/// # Errors
/// [`NotBorn`]: the process ends.
pub fn receive(fd: OwnedFd) -> Result<Born, NotBorn> {
    let mut channel = Channel::<ToBroker, Birth>::adopt(fd).map_err(NotBorn::Channel)?;
    match channel.receive().map_err(NotBorn::Channel)? {
        Received::Nothing => wait(&channel).map_err(NotBorn::Failed)?,
        Received::Message(record) => return read(record),
        Received::Closed => return Err(NotBorn::NoRecord),
    }
    match channel.receive().map_err(NotBorn::Channel)? {
        Received::Message(record) => read(record),
        Received::Closed => Err(NotBorn::NoRecord),
        Received::Nothing => Err(NotBorn::Silence),
    }
}

fn wait(channel: &Channel<ToBroker, Birth>) -> Result<(), Errno> {
    let epoll = ipc::epoll::Epoll::without_secrets()?;
    epoll.add(channel, 0)?;
    epoll.wait(Some(RECORD_WAIT_MAX)).map(drop)
}

fn read(record: Birth) -> Result<Born, NotBorn> {
    let Birth::Worker {
        account,
        key,
        slice,
        created,
    } = record
    else {
        return Err(NotBorn::OtherRecord);
    };
    Ok(Born {
        account,
        key: AccountKey::new(account, key).map_err(NotBorn::BadKey)?,
        slice,
        may_create: created,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;
    use ipc::Secret;
    use ipc::ticket::KEY_BYTES;

    fn record() -> Birth {
        Birth::Worker {
            account: AccountId(7),
            key: Secret::from_array([3; KEY_BYTES]),
            slice: fixture::slice(),
            created: true,
        }
    }

    fn ends() -> (Channel<Birth, ToBroker>, OwnedFd) {
        let (broker, worker) = ipc::channel::pair().unwrap();
        (Channel::adopt(broker).unwrap(), worker)
    }

    #[test]
    fn the_record_is_received_whether_it_came_before_or_comes_later() {
        let (mut broker, worker) = ends();
        broker.send(record()).unwrap();
        assert!(receive(worker).unwrap().may_create);

        let (mut broker, worker) = ends();
        let late = std::thread::spawn(move || receive(worker).map(|born| born.account));
        broker.send(record()).unwrap();
        assert_eq!(late.join().unwrap(), Ok(AccountId(7)));
    }

    #[test]
    fn a_broker_that_closes_without_a_word_is_told_apart() {
        let (broker, worker) = ends();
        drop(broker);
        assert!(matches!(receive(worker), Err(NotBorn::NoRecord)));
    }
}
