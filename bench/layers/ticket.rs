//! The check of a ticket: `director` makes it before it wakes a worker, and the worker
//! makes it again, for it doesn't believe `director`.

use crate::failed::Failed;
use ipc::ticket::{Grant, KEY_BYTES, Kind, MasterKey, SealedTicket};
use ipc::{AccountId, Cookie, Epoch, Nonce, Secret};
use std::time::Instant;

const TIMES: u32 = 20_000;

/// When the ticket ends, and when it is looked at.
const EXPIRES: u64 = 20;
const NOW: u64 = 10;

/// What one check takes.
pub fn nanoseconds() -> Result<f64, Failed> {
    let master = MasterKey::new(Secret::from_array([5; KEY_BYTES]));
    let key = master.map_err(|_| wrong())?.account_key(ACCOUNT);
    let ticket: SealedTicket = key.seal(grant()).ok_or_else(wrong)?;
    let start = Instant::now();
    for _ in 0..TIMES {
        key.open(std::hint::black_box(&ticket), NOW)
            .map_err(|_| wrong())?;
    }
    Ok(start.elapsed().as_secs_f64() * 1e9 / f64::from(TIMES))
}

const ACCOUNT: AccountId = AccountId(7);

fn grant() -> Grant {
    Grant {
        kind: Kind::Session,
        account: ACCOUNT,
        epoch: Epoch(0),
        principal: ACCOUNT,
        rights: u32::MAX,
        nonce: Nonce([1; 16]),
        cookie: Cookie(1),
        expires: EXPIRES,
        may_create: false,
    }
}

fn wrong() -> Failed {
    Failed::World("a ticket that was just sealed doesn't open".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ticket_that_is_timed_is_a_good_one() {
        assert!(nanoseconds().is_ok_and(|time| time > 0.0));
    }
}
