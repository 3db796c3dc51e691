//! Joins the two halves of a hand-over: the ticket that `auth` minted for an
//! asker's nonce, and the socket that the asker hands over under it.
//!
//! Either half may come first. The table is bounded for each asker, so that one
//! taken-over `login` can't crowd out another, and each half is kept for
//! [`HALF_MILLISECONDS_MAX`] at most. This table never looks inside a ticket.

use ipc::edge::handover::Work;
use ipc::ticket::{SealedTicket, TICKET_SECONDS_MAX};
use ipc::{Instance, Nonce};
use std::collections::HashMap;
use std::os::fd::OwnedFd;

/// Halves that one asker may have waiting. A `login` holds some thousand
/// sessions, of which few are between their two messages at any moment.
pub const HALVES_PER_ASKER_MAX: usize = 1024;

/// How long a half waits for the other: the life of a ticket, beyond which a
/// join would be refused anyway.
pub const HALF_MILLISECONDS_MAX: u64 = TICKET_SECONDS_MAX * 1000;

/// A socket and what it is for.
#[derive(Debug)]
pub struct Offer {
    /// What the asker wants done with it.
    pub work: Work,
    /// The session's or the pair's end.
    pub socket: OwnedFd,
}

#[derive(Debug)]
enum Half {
    Granted(SealedTicket),
    Offered(Offer),
}

/// Why a half was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotTaken {
    /// The same half has come before: a nonce is used once.
    Repeated,
    /// The asker has too many waiting.
    TooMany,
}

/// A half that nobody completed in time.
#[derive(Debug, PartialEq, Eq)]
pub enum Expired {
    /// A socket for which no ticket came: its asker is to be told.
    Offer(Instance, Nonce),
    /// A ticket for which no socket came: nobody waits.
    Grant,
}

/// The halves that wait.
#[derive(Debug, Default)]
pub struct Halves {
    waiting: HashMap<Instance, HashMap<Nonce, (u64, Half)>>,
}

impl Halves {
    /// Takes a ticket; gives the offer back if it was waiting for it.
    ///
    /// # Errors
    /// [`NotTaken`]; the ticket is forgotten.
    pub fn grant(
        &mut self,
        now: u64,
        asker: Instance,
        nonce: Nonce,
        ticket: SealedTicket,
    ) -> Result<Option<(SealedTicket, Offer)>, NotTaken> {
        match self.remove(asker, nonce) {
            Some(Half::Offered(offer)) => Ok(Some((ticket, offer))),
            Some(Half::Granted(_)) => Err(NotTaken::Repeated),
            None => self
                .insert(now, asker, nonce, Half::Granted(ticket))
                .map(|()| None),
        }
    }

    /// Takes an offer; gives it back with its ticket if that was waiting.
    ///
    /// # Errors
    /// [`NotTaken`]; the socket is closed.
    pub fn offer(
        &mut self,
        now: u64,
        asker: Instance,
        nonce: Nonce,
        offer: Offer,
    ) -> Result<Option<(SealedTicket, Offer)>, NotTaken> {
        match self.remove(asker, nonce) {
            Some(Half::Granted(ticket)) => Ok(Some((ticket, offer))),
            Some(Half::Offered(_)) => Err(NotTaken::Repeated),
            None => self
                .insert(now, asker, nonce, Half::Offered(offer))
                .map(|()| None),
        }
    }

    /// Forgets all that an asker had waiting, because it has died.
    pub fn forget(&mut self, asker: Instance) {
        self.waiting.remove(&asker);
    }

    /// Whether nothing waits.
    #[cfg(test)]
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Removes what has waited too long.
    pub fn expire(&mut self, now: u64) -> Vec<Expired> {
        let mut expired = Vec::new();
        for (asker, halves) in &mut self.waiting {
            halves.retain(|nonce, (since, half)| {
                let keep = now.saturating_sub(*since) < HALF_MILLISECONDS_MAX;
                if !keep {
                    expired.push(match half {
                        Half::Offered(_) => Expired::Offer(*asker, *nonce),
                        Half::Granted(_) => Expired::Grant,
                    });
                }
                keep
            });
        }
        self.waiting.retain(|_, halves| !halves.is_empty());
        expired
    }

    fn remove(&mut self, asker: Instance, nonce: Nonce) -> Option<Half> {
        let halves = self.waiting.get_mut(&asker)?;
        let (_, half) = halves.remove(&nonce)?;
        if halves.is_empty() {
            self.waiting.remove(&asker);
        }
        Some(half)
    }

    fn insert(
        &mut self,
        now: u64,
        asker: Instance,
        nonce: Nonce,
        half: Half,
    ) -> Result<(), NotTaken> {
        let halves = self.waiting.entry(asker).or_default();
        if halves.len() >= HALVES_PER_ASKER_MAX {
            return Err(NotTaken::TooMany);
        }
        halves.insert(nonce, (now, half));
        Ok(())
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use ipc::ticket::{Grant, KEY_BYTES, Kind};
    use ipc::{AccountId, Cookie, Epoch};

    const LOGIN: Instance = Instance(1);
    const OTHER: Instance = Instance(2);

    /// A ticket that nobody could open: this process must not care.
    pub fn ticket(account: u32, nonce: Nonce, kind: Kind) -> SealedTicket {
        let claim = Grant {
            kind,
            account: AccountId(account),
            epoch: Epoch(1),
            principal: AccountId(account),
            rights: u32::MAX,
            nonce,
            cookie: Cookie(1),
            expires: u64::MAX,
            may_create: false,
        };
        SealedTicket {
            claim,
            seal: [0; KEY_BYTES],
        }
    }

    fn nonce(number: u16) -> Nonce {
        let mut bytes = [0; 16];
        bytes[..2].copy_from_slice(&number.to_le_bytes());
        Nonce(bytes)
    }

    fn offer() -> Offer {
        Offer {
            work: Work::Delivery,
            socket: std::fs::File::open("/dev/null").unwrap().into(),
        }
    }

    fn granted(number: u16) -> SealedTicket {
        ticket(7, nonce(number), Kind::Delivery)
    }

    #[test]
    fn the_halves_join_whichever_comes_first() {
        let mut halves = Halves::default();
        assert!(
            halves
                .grant(0, LOGIN, nonce(1), granted(1))
                .unwrap()
                .is_none()
        );
        assert!(halves.offer(5, LOGIN, nonce(1), offer()).unwrap().is_some());
        assert!(halves.offer(6, LOGIN, nonce(2), offer()).unwrap().is_none());
        assert!(
            halves
                .grant(7, LOGIN, nonce(2), granted(2))
                .unwrap()
                .is_some()
        );
        assert!(halves.is_empty());
    }

    #[test]
    fn a_ticket_never_joins_with_another_askers_socket() {
        let mut halves = Halves::default();
        halves.grant(0, LOGIN, nonce(1), granted(1)).unwrap();
        assert!(halves.offer(0, OTHER, nonce(1), offer()).unwrap().is_none());
    }

    #[test]
    fn a_ticket_is_good_for_one_join() {
        let mut halves = Halves::default();
        halves.grant(0, LOGIN, nonce(1), granted(1)).unwrap();
        halves.offer(0, LOGIN, nonce(1), offer()).unwrap().unwrap();
        assert!(halves.offer(0, LOGIN, nonce(1), offer()).unwrap().is_none());
        assert_eq!(
            halves.offer(0, LOGIN, nonce(1), offer()).unwrap_err(),
            NotTaken::Repeated
        );
    }

    #[test]
    fn an_asker_that_fills_its_table_leaves_room_to_the_others() {
        let mut halves = Halves::default();
        for number in 0..HALVES_PER_ASKER_MAX {
            halves
                .offer(0, LOGIN, nonce(number as u16), offer())
                .unwrap();
        }
        assert_eq!(
            halves.offer(0, LOGIN, nonce(60_000), offer()).unwrap_err(),
            NotTaken::TooMany
        );
        assert!(halves.offer(0, OTHER, nonce(60_000), offer()).is_ok());
    }

    #[test]
    fn a_socket_without_a_ticket_is_given_up_in_time() {
        let mut halves = Halves::default();
        halves.offer(0, LOGIN, nonce(1), offer()).unwrap();
        halves.grant(1, LOGIN, nonce(2), granted(2)).unwrap();
        assert!(halves.expire(HALF_MILLISECONDS_MAX - 1).is_empty());
        assert_eq!(
            halves.expire(HALF_MILLISECONDS_MAX),
            [Expired::Offer(LOGIN, nonce(1))]
        );
        assert_eq!(halves.expire(HALF_MILLISECONDS_MAX + 1), [Expired::Grant]);
        assert!(halves.is_empty());
    }
}
