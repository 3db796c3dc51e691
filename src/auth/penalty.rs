//! Slows down who guesses, without locking out whom he guesses at.
//!
//! Failures are counted per source, and per source and name; never per name
//! alone, or anybody could keep the owner out. Only failed answers are delayed,
//! so a right password is never late; and so that a guesser can't take silence
//! for an answer, few attempts of a penalised source are open at once.
//!
//! Invariants: a name that nobody has is counted like one that somebody has, so
//! delays tell nothing; a success takes nothing back, so an attacker's own
//! account is no help; tables are bounded, and what makes room is the entry with
//! the fewest failures, so that to be forgotten costs more failures, from more
//! sources, than one has to one's name. Time is a value: milliseconds that only
//! grow.

use hmac_sha256::HMAC;
use std::collections::{BTreeSet, HashMap};
use std::net::Ipv6Addr;

/// How long a failure counts.
const WINDOW_MILLIS: u64 = 5 * 60 * 1000;

/// The longest delay.
const DELAY_MILLIS_MAX: u64 = 15_000;

/// Failures with one name from one source before answers slow down: a person
/// mistypes twice.
const NAME_FAILURES_FREE: u32 = 2;

/// Counters kept at once: 150 bytes each. To push a counter of n failures out
/// takes n times as many failures within five minutes.
pub const COUNTERS_MAX: usize = 65_536;

/// Attempts of one source that may be open at once: an office's clients coming
/// back in one moment.
const OPEN_MAX: u32 = 64;

/// The same for a source with a penalty: four guesses in each delay.
const OPEN_PENALISED_MAX: u32 = 4;

/// Where an attempt comes from: an IPv4 address (mapped), or the /64 of an IPv6
/// address, since one customer has all of that.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Source(pub [u8; 16]);

impl Source {
    /// The source that an address belongs to.
    #[must_use]
    pub fn of(address: [u8; 16]) -> Self {
        let address = Ipv6Addr::from(address);
        if address.to_ipv4_mapped().is_some() {
            return Self(address.octets());
        }
        Self((u128::from(address) & !u128::from(u64::MAX)).to_be_bytes())
    }
}

/// What failures are counted under.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Counted {
    Source(Source),
    /// A MAC of source and name, so that an entry has one size.
    Name([u8; 16]),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Count {
    failures: u32,
    last: u64,
}

/// See the module.
#[derive(Debug)]
pub struct Penalties {
    key: [u8; 32],
    source_failures_free: u32,
    counts: HashMap<Counted, Count>,
    /// The same, the first to go first.
    order: BTreeSet<(Count, Counted)>,
    open: HashMap<Source, u32>,
}

/// Too many attempts of the source are open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooMany;

impl Penalties {
    /// No failures yet. `source_failures_free` is how many a source may have
    /// before its answers slow down.
    #[must_use]
    pub fn new(key: [u8; 32], source_failures_free: u32) -> Self {
        Self {
            key,
            source_failures_free,
            counts: HashMap::new(),
            order: BTreeSet::new(),
            open: HashMap::new(),
        }
    }

    /// Changes how many failures a source may have.
    pub fn set_free(&mut self, source_failures_free: u32) {
        self.source_failures_free = source_failures_free;
    }

    /// Opens an attempt; [`Self::close`] must follow.
    ///
    /// # Errors
    /// [`TooMany`]: nothing was opened.
    pub fn open(&mut self, now: u64, source: Source) -> Result<(), TooMany> {
        let penalised = self.source_excess(now, source) > 0;
        let most = if penalised {
            OPEN_PENALISED_MAX
        } else {
            OPEN_MAX
        };
        let open = self.open.get(&source).copied().unwrap_or(0);
        if open >= most {
            return Err(TooMany);
        }
        self.open.insert(source, open.saturating_add(1));
        Ok(())
    }

    /// Closes an attempt: it has been answered, or its asker has gone.
    pub fn close(&mut self, source: Source) {
        match self.open.get_mut(&source) {
            Some(open) if *open > 1 => *open = open.saturating_sub(1),
            _ => drop(self.open.remove(&source)),
        }
    }

    /// Counts a failure, and tells by how many milliseconds its answer is to be
    /// delayed.
    pub fn failed(&mut self, now: u64, source: Source, name: &[u8]) -> u64 {
        let named = self.named(source, name);
        let with_name = self.count(now, named).saturating_sub(NAME_FAILURES_FREE);
        self.count(now, Counted::Source(source));
        delay(with_name.max(self.source_excess(now, source)))
    }

    fn source_excess(&self, now: u64, source: Source) -> u32 {
        let count = self
            .counts
            .get(&Counted::Source(source))
            .filter(|count| is_fresh(now, count));
        count.map_or(0, |count| {
            count.failures.saturating_sub(self.source_failures_free)
        })
    }

    fn named(&self, source: Source, name: &[u8]) -> Counted {
        let mac = HMAC::mac([source.0.as_slice(), name].concat(), self.key);
        let mut short = [0; 16];
        short.iter_mut().zip(mac).for_each(|(to, from)| *to = from);
        Counted::Name(short)
    }

    /// One failure more; how many there are now.
    fn count(&mut self, now: u64, counted: Counted) -> u32 {
        let before = self.counts.remove(&counted);
        if let Some(before) = before {
            self.order.remove(&(before, counted));
        }
        let failures = before
            .filter(|count| is_fresh(now, count))
            .map_or(0, |count| count.failures);
        let count = Count {
            failures: failures.saturating_add(1),
            last: now,
        };
        self.make_room(now);
        self.counts.insert(counted, count);
        self.order.insert((count, counted));
        count.failures
    }

    fn make_room(&mut self, now: u64) {
        while let Some((count, counted)) = self.order.first().copied() {
            if is_fresh(now, &count) && self.counts.len() < COUNTERS_MAX {
                return;
            }
            self.order.pop_first();
            self.counts.remove(&counted);
        }
    }
}

fn is_fresh(now: u64, count: &Count) -> bool {
    now.saturating_sub(count.last) < WINDOW_MILLIS
}

/// One second, two, four, eight, then the longest.
fn delay(excess: u32) -> u64 {
    match excess {
        0 => 0,
        _ => 1000u64
            .checked_shl(excess.saturating_sub(1).min(8))
            .unwrap_or(DELAY_MILLIS_MAX)
            .min(DELAY_MILLIS_MAX),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const HERE: Source = Source([1; 16]);
    const ELSEWHERE: Source = Source([2; 16]);

    fn penalties() -> Penalties {
        Penalties::new([3; 32], 5)
    }

    #[test]
    fn guessing_one_name_slows_down_after_two_failures_up_to_the_maximum() {
        let mut penalties = penalties();
        let delays: Vec<u64> = (0..9)
            .map(|_| penalties.failed(0, HERE, b"alice"))
            .collect();
        assert_eq!(
            delays,
            [0, 0, 1000, 2000, 4000, 8000, 15_000, 15_000, 15_000]
        );
    }

    #[test]
    fn guessing_many_names_slows_the_source_down() {
        let mut penalties = penalties();
        let delays: Vec<u64> = (0u8..8)
            .map(|name| penalties.failed(0, HERE, &[name]))
            .collect();
        assert_eq!(delays, [0, 0, 0, 0, 0, 1000, 2000, 4000]);
    }

    #[test]
    fn the_owner_is_not_slowed_down_elsewhere() {
        let mut penalties = penalties();
        (0..100).for_each(|_| _ = penalties.failed(0, HERE, b"alice"));
        assert_eq!(penalties.failed(0, ELSEWHERE, b"alice"), 0);
        assert_eq!(penalties.open(0, ELSEWHERE), Ok(()));
    }

    #[test]
    fn failures_are_forgotten_after_the_window_and_not_before() {
        let mut penalties = penalties();
        (0..9).for_each(|_| _ = penalties.failed(0, HERE, b"alice"));
        assert_eq!(penalties.failed(WINDOW_MILLIS - 1, HERE, b"alice"), 15_000);
        assert_eq!(penalties.failed(2 * WINDOW_MILLIS - 1, HERE, b"alice"), 0);
    }

    #[test]
    fn few_attempts_of_a_penalised_source_are_open_at_once() {
        let mut penalties = penalties();
        let opened = |penalties: &mut Penalties| {
            (0..100)
                .take_while(|_| penalties.open(0, HERE).is_ok())
                .count()
        };
        let open = opened(&mut penalties);
        assert_eq!(open, OPEN_MAX as usize);
        (0..open).for_each(|_| penalties.close(HERE));
        (0..6).for_each(|_| _ = penalties.failed(0, HERE, b"alice"));
        assert_eq!(opened(&mut penalties), OPEN_PENALISED_MAX as usize);
        penalties.close(HERE);
        assert_eq!(opened(&mut penalties), 1);
    }

    #[test]
    fn an_entry_is_not_pushed_out_by_cheaper_ones() {
        let mut penalties = penalties();
        (0..9).for_each(|_| _ = penalties.failed(0, HERE, b"alice"));
        for n in 0..COUNTERS_MAX as u128 {
            penalties.failed(1, Source((n << 64).to_be_bytes()), b"alice");
        }
        assert!(penalties.counts.len() <= COUNTERS_MAX);
        assert_eq!(penalties.failed(2, HERE, b"alice"), 15_000);
    }

    #[test]
    fn ipv4_counts_by_address_and_ipv6_by_64_bits() {
        let of = |text: &str| match text.parse().unwrap() {
            std::net::IpAddr::V4(v4) => Source::of(v4.to_ipv6_mapped().octets()),
            std::net::IpAddr::V6(v6) => Source::of(v6.octets()),
        };
        assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
        assert_eq!(of("2001:db8::1"), of("2001:db8::ffff:1:2:3"));
        assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
    }

    proptest! {
        #[test]
        fn both_views_of_the_table_agree_and_delays_are_bounded(steps in prop::collection::vec((0u64..WINDOW_MILLIS, 0u8..4, 0u8..4), 0..200)) {
            let mut penalties = penalties();
            let mut now = 0;
            for (later, source, name) in steps {
                now += later / 16;
                prop_assert!(penalties.failed(now, Source([source; 16]), &[name]) <= DELAY_MILLIS_MAX);
                let views: BTreeSet<_> = penalties.counts.iter().map(|(counted, count)| (*count, *counted)).collect();
                prop_assert_eq!(&views, &penalties.order);
            }
        }
    }
}
