//! How many connections there are, in all and from each neighbourhood.
//!
//! One client is no address: IPv6 gives everybody a /64, so that is what is
//! counted, and for IPv4 the /32. `front` cannot know who has authenticated, so
//! at the limit the newcomer is refused and nobody is put out.

use std::cell::RefCell;
use std::collections::HashMap;
use std::net::IpAddr;
use std::rc::Rc;
use tokio::sync::Notify;

/// Counts connections; a [`Place`] is one.
#[derive(Debug, Default)]
pub struct Census {
    counts: RefCell<Counts>,
    emptied: Notify,
}

#[derive(Debug, Default)]
struct Counts {
    all: u32,
    /// Never holds a zero, so it has at most as many entries as connections.
    by_prefix: HashMap<Prefix, u32>,
}

/// Why a newcomer is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Full {
    /// There are as many connections as there may be.
    InAll,
    /// There are as many from this prefix as there may be.
    InPrefix,
}

/// One connection, counted until it is dropped.
#[derive(Debug)]
pub struct Place {
    census: Rc<Census>,
    prefix: Option<Prefix>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Prefix {
    V4([u8; 4]),
    V6([u8; 8]),
}

impl Census {
    /// Counts a connection whose client is not known yet.
    ///
    /// # Errors
    /// [`Full::InAll`] at `max`.
    pub fn admit(self: &Rc<Self>, max: u32) -> Result<Place, Full> {
        let mut counts = self.counts.borrow_mut();
        if counts.all >= max {
            return Err(Full::InAll);
        }
        counts.all = counts.all.saturating_add(1);
        Ok(Place {
            census: Rc::clone(self),
            prefix: None,
        })
    }

    /// Waits until nobody is left.
    pub async fn is_empty_again(&self) {
        while self.counts.borrow().all > 0 {
            self.emptied.notified().await;
        }
    }
}

impl Place {
    /// Says who the client is. Said twice, the first is forgotten.
    ///
    /// # Errors
    /// [`Full::InPrefix`] at `max`.
    pub fn belongs_to(&mut self, client: IpAddr, max: u32) -> Result<(), Full> {
        self.leave_prefix();
        let prefix = prefix_of(client);
        let mut counts = self.census.counts.borrow_mut();
        let count = counts.by_prefix.get(&prefix).copied().unwrap_or(0);
        if count >= max {
            return Err(Full::InPrefix);
        }
        counts.by_prefix.insert(prefix, count.saturating_add(1));
        drop(counts);
        self.prefix = Some(prefix);
        Ok(())
    }

    fn leave_prefix(&mut self) {
        let Some(prefix) = self.prefix.take() else {
            return;
        };
        let mut counts = self.census.counts.borrow_mut();
        match counts.by_prefix.get_mut(&prefix) {
            Some(count) if *count > 1 => *count = count.saturating_sub(1),
            _ => drop(counts.by_prefix.remove(&prefix)),
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.leave_prefix();
        let mut counts = self.census.counts.borrow_mut();
        counts.all = counts.all.saturating_sub(1);
        if counts.all == 0 {
            self.census.emptied.notify_one();
        }
    }
}

fn prefix_of(client: IpAddr) -> Prefix {
    match client.to_canonical() {
        IpAddr::V4(ip) => Prefix::V4(ip.octets()),
        IpAddr::V6(ip) => {
            let [a, b, c, d, e, f, g, h, ..] = ip.octets();
            Prefix::V6([a, b, c, d, e, f, g, h])
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn place(census: &Rc<Census>, client: &str, max: u32) -> Result<Place, Full> {
        let mut place = census.admit(u32::MAX).unwrap();
        place.belongs_to(address(client), max).map(|()| place)
    }

    #[test]
    fn a_slash_64_is_one_client_and_its_neighbour_another() {
        let census = Rc::new(Census::default());
        let _held = place(&census, "2001:db8:0:1::1", 1).unwrap();
        assert_eq!(
            place(&census, "2001:db8:0:1:ffff::2", 1).unwrap_err(),
            Full::InPrefix
        );
        assert!(place(&census, "2001:db8:0:2::1", 1).is_ok());
    }

    #[test]
    fn each_ipv4_address_is_one_client_mapped_or_not() {
        let census = Rc::new(Census::default());
        let _held = place(&census, "192.0.2.1", 1).unwrap();
        assert_eq!(
            place(&census, "::ffff:192.0.2.1", 1).unwrap_err(),
            Full::InPrefix
        );
        assert!(place(&census, "192.0.2.2", 1).is_ok());
    }

    #[test]
    fn a_refused_newcomer_is_not_counted() {
        let census = Rc::new(Census::default());
        let held = place(&census, "192.0.2.1", 1).unwrap();
        assert!(place(&census, "192.0.2.1", 1).is_err());
        drop(held);
        assert_eq!(census.counts.borrow().all, 0);
        assert!(census.counts.borrow().by_prefix.is_empty());
    }

    proptest! {
        #[test]
        fn the_counts_are_those_of_the_places_held(
            steps in prop::collection::vec((any::<bool>(), 0..6u8, 0..8usize), 0..60)
        ) {
            let census = Rc::new(Census::default());
            let mut held: Vec<(u8, Place)> = Vec::new();
            for (enter, client, leave) in steps {
                if enter {
                    let full = census.admit(5).and_then(|mut place| {
                        place.belongs_to(address(&format!("192.0.2.{client}")), 2).map(|()| place)
                    });
                    let same = held.iter().filter(|(other, _)| *other == client).count();
                    prop_assert_eq!(full.is_ok(), held.len() < 5 && same < 2);
                    held.extend(full.map(|place| (client, place)));
                } else if leave < held.len() {
                    held.remove(leave);
                }
                prop_assert_eq!(census.counts.borrow().all as usize, held.len());
            }
        }
    }
}
