//! What each `front` has said of its sessions, by the cookie of the session's
//! socket.
//!
//! Invariants: a `front` is believed about the sessions that it brought to a
//! `login`, and what it says of others' touches nobody (cookies can be guessed);
//! each may tell of at most [`FACTS_MAX`] sessions at once; what a `front` has told
//! goes with it.

use ipc::edge::front_auth::Facts as Message;
use ipc::edge::front_service::Transport;
use ipc::slice::Protocol;
use ipc::{Bytes, Cookie, Instance};
use std::collections::HashMap;

/// Sessions of one `front` at once; more than it has descriptors.
pub const FACTS_MAX: usize = 65_536;

/// What authentication rests on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// What the listener speaks.
    pub protocol: Protocol,
    /// How the client came.
    pub transport: Transport,
    /// From where; IPv4 is mapped.
    pub address: [u8; 16],
    /// What the TLS connection exports for channel binding (RFC 9266).
    pub exporter: Option<[u8; 32]>,
    /// The name in the certificate that the client has shown.
    pub client_name: Option<Bytes<255>>,
}

/// What a `front` did wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Misdeed {
    /// It told of the same socket twice, and not the same.
    ToldTwice,
    /// It told of more sessions than it can have.
    ToldTooMuch,
}

/// See the module.
#[derive(Debug, Default)]
pub struct Table {
    facts: HashMap<(Instance, Cookie), Facts>,
    told: HashMap<Instance, usize>,
}

impl Table {
    /// Takes in what a `front` says.
    ///
    /// # Errors
    /// A [`Misdeed`]: end its channel.
    pub fn hear(&mut self, teller: Instance, message: Message) -> Result<(), Misdeed> {
        match message {
            Message::Opened {
                cookie,
                protocol,
                transport,
                address,
                port: _,
                exporter,
                client_name,
            } => self.open(
                teller,
                cookie,
                Facts {
                    protocol,
                    transport,
                    address,
                    exporter,
                    client_name,
                },
            ),
            Message::Closed { cookie } => {
                self.close(teller, cookie);
                Ok(())
            }
        }
    }

    /// What this `front` said of a session's socket.
    #[must_use]
    pub fn of(&self, teller: Instance, cookie: Cookie) -> Option<&Facts> {
        self.facts.get(&(teller, cookie))
    }

    /// A `front` has gone.
    pub fn forget(&mut self, teller: Instance) {
        self.facts.retain(|(whose, _), _| *whose != teller);
        self.told.remove(&teller);
    }

    /// The same twice is no lie: a `front` repeats all that it knows to a new
    /// `auth`, while sessions come and go.
    fn open(&mut self, teller: Instance, cookie: Cookie, facts: Facts) -> Result<(), Misdeed> {
        match self.of(teller, cookie) {
            Some(known) if *known == facts => return Ok(()),
            Some(_) => return Err(Misdeed::ToldTwice),
            None => {}
        }
        let told = self.told.entry(teller).or_default();
        if *told >= FACTS_MAX {
            return Err(Misdeed::ToldTooMuch);
        }
        *told = told.saturating_add(1);
        self.facts.insert((teller, cookie), facts);
        Ok(())
    }

    fn close(&mut self, teller: Instance, cookie: Cookie) {
        if self.facts.remove(&(teller, cookie)).is_some() {
            let told = self.told.entry(teller).or_default();
            *told = told.saturating_sub(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opened(cookie: u64, byte: u8) -> Message {
        Message::Opened {
            cookie: Cookie(cookie),
            protocol: Protocol::Imap,
            transport: Transport::Tls { version: 0x0304 },
            address: [byte; 16],
            port: 1,
            exporter: None,
            client_name: None,
        }
    }

    fn address(table: &Table, teller: u32, cookie: u64) -> Option<u8> {
        let facts = table.of(Instance(teller), Cookie(cookie));
        facts.map(|facts| facts.address[0])
    }

    #[test]
    fn a_front_that_guesses_anothers_cookies_changes_and_spoils_nothing() {
        let mut table = Table::default();
        assert_eq!(table.hear(Instance(2), opened(7, 2)), Ok(()));
        assert_eq!(table.hear(Instance(1), opened(7, 1)), Ok(()));
        assert_eq!(address(&table, 1, 7), Some(1));
        let closed = Message::Closed { cookie: Cookie(7) };
        assert_eq!(table.hear(Instance(2), closed), Ok(()));
        assert_eq!(address(&table, 1, 7), Some(1));
    }

    #[test]
    fn the_same_told_again_is_nothing_and_another_thing_is_a_misdeed() {
        let mut table = Table::default();
        assert_eq!(table.hear(Instance(1), opened(7, 1)), Ok(()));
        assert_eq!(table.hear(Instance(1), opened(7, 1)), Ok(()));
        assert_eq!(table.told[&Instance(1)], 1);
        let other = table.hear(Instance(1), opened(7, 2));
        assert_eq!(other, Err(Misdeed::ToldTwice));
        assert_eq!(address(&table, 1, 7), Some(1));
    }

    #[test]
    fn what_a_front_told_goes_with_the_session_and_with_the_front() {
        let mut table = Table::default();
        for cookie in 0..3 {
            table.hear(Instance(1), opened(cookie, 1)).unwrap();
        }
        table.hear(Instance(2), opened(9, 2)).unwrap();
        table
            .hear(Instance(1), Message::Closed { cookie: Cookie(0) })
            .unwrap();
        assert_eq!(address(&table, 1, 0), None);
        table.forget(Instance(1));
        assert_eq!(
            (address(&table, 1, 1), address(&table, 2, 9)),
            (None, Some(2))
        );
    }

    #[test]
    fn a_front_can_tell_only_so_much() {
        let mut table = Table::default();
        let told = (0..)
            .map_while(|cookie| table.hear(Instance(1), opened(cookie, 1)).ok())
            .count();
        assert_eq!(told, FACTS_MAX);
        table
            .hear(Instance(1), Message::Closed { cookie: Cookie(0) })
            .unwrap();
        assert_eq!(table.hear(Instance(1), opened(u64::MAX, 1)), Ok(()));
    }
}
