//! What the `front`s have said of sessions, by the cookie of the session's
//! socket.
//!
//! Invariants: the first to tell a cookie is the one who is believed; each
//! `front` may tell of at most [`FACTS_MAX`] sessions at once; what a `front` has
//! told goes with it.

use ipc::edge::front_auth::Facts as Message;
use ipc::edge::front_service::Transport;
use ipc::slice::Protocol;
use ipc::{Cookie, Instance};
use std::collections::HashMap;

/// Sessions of one `front` at once; more than it has descriptors.
pub const FACTS_MAX: usize = 65_536;

/// What authentication rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Facts {
    /// What the listener speaks.
    pub protocol: Protocol,
    /// How the client came.
    pub transport: Transport,
    /// From where; IPv4 is mapped.
    pub address: [u8; 16],
}

/// What a `front` did wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Misdeed {
    /// It told of a socket that somebody has told of.
    ToldTwice,
    /// It told of more sessions than it can have.
    ToldTooMuch,
}

/// See the module.
#[derive(Debug, Default)]
pub struct Table {
    facts: HashMap<Cookie, (Instance, Facts)>,
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
                ..
            } => self.open(
                teller,
                cookie,
                Facts {
                    protocol,
                    transport,
                    address,
                },
            ),
            Message::Closed { cookie } => {
                self.close(teller, cookie);
                Ok(())
            }
        }
    }

    /// What is known of a session's socket.
    #[must_use]
    pub fn of(&self, cookie: Cookie) -> Option<Facts> {
        self.facts.get(&cookie).map(|(_, facts)| *facts)
    }

    /// A `front` has gone.
    pub fn forget(&mut self, teller: Instance) {
        self.facts.retain(|_, (whose, _)| *whose != teller);
        self.told.remove(&teller);
    }

    fn open(&mut self, teller: Instance, cookie: Cookie, facts: Facts) -> Result<(), Misdeed> {
        if self.facts.contains_key(&cookie) {
            return Err(Misdeed::ToldTwice);
        }
        let told = self.told.entry(teller).or_default();
        if *told >= FACTS_MAX {
            return Err(Misdeed::ToldTooMuch);
        }
        *told = told.saturating_add(1);
        self.facts.insert(cookie, (teller, facts));
        Ok(())
    }

    /// A socket that is not known, or another's, was opened before we began.
    fn close(&mut self, teller: Instance, cookie: Cookie) {
        if self
            .facts
            .get(&cookie)
            .is_some_and(|(whose, _)| *whose == teller)
        {
            self.facts.remove(&cookie);
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

    fn address(table: &Table, cookie: u64) -> Option<u8> {
        table.of(Cookie(cookie)).map(|facts| facts.address[0])
    }

    #[test]
    fn the_first_to_tell_a_cookie_is_believed() {
        let mut table = Table::default();
        assert_eq!(table.hear(Instance(1), opened(7, 1)), Ok(()));
        assert_eq!(
            table.hear(Instance(2), opened(7, 2)),
            Err(Misdeed::ToldTwice)
        );
        assert_eq!(
            table.hear(Instance(2), Message::Closed { cookie: Cookie(7) }),
            Ok(())
        );
        assert_eq!(address(&table, 7), Some(1));
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
        assert_eq!(address(&table, 0), None);
        table.forget(Instance(1));
        assert_eq!((address(&table, 1), address(&table, 9)), (None, Some(2)));
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
