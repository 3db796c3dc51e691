//! What earlier looks saw and the last doesn't: a process that was being born, or one
//! that has noticed the looks (it can: a call of it was interrupted) and has put away
//! what it should not have.
//!
//! Invariant: no difference is forgotten, but of a process that has ended since, or
//! that was so young that it may have been still being confined.

use super::finding::{Check, Subject, Verdict};
use super::living;
use rustix::time::{ClockId, clock_gettime};

/// Seconds in which a process that is being born may differ: it is confined within
/// milliseconds, on a busy machine within a second or two.
const BIRTH_SECONDS_MAX: u64 = 3;

/// A difference of one look, of a process or of the set as a whole.
#[derive(Debug, Clone)]
pub struct Difference {
    /// Number and first clock tick of a process; none is the set.
    pub whose: Option<(u32, u64)>,
    pub check: Check,
}

/// The differences of one subject.
pub fn differences(subject: &Subject, whose: Option<(u32, u64)>) -> Vec<Difference> {
    let differing = subject.checks.iter();
    let differing = differing.filter(|check| check.verdict == Verdict::Differs);
    let of = |check: &Check| Difference {
        whose,
        check: check.clone(),
    };
    differing.map(of).collect()
}

/// The clock tick now, as the kernel counts them for a process's beginning.
pub fn now() -> u64 {
    let seconds = clock_gettime(ClockId::Boottime).tv_sec;
    u64::try_from(seconds)
        .unwrap_or(0)
        .saturating_mul(ticks_per_second())
}

/// Those differences that count although they have passed: of a process that still
/// lives, and was grown up at the first look.
pub fn that_count(earlier: Vec<Difference>, first_look: u64) -> Vec<Difference> {
    let birth = BIRTH_SECONDS_MAX.saturating_mul(ticks_per_second());
    let is_excused = |(pid, began): (u32, u64)| {
        began.saturating_add(birth) > first_look || living::began(pid) != Some(began)
    };
    let counts = |one: &Difference| !one.whose.is_some_and(is_excused);
    earlier.into_iter().filter(counts).collect()
}

/// Tells the last look's subject, as one more line each, what had passed by then.
/// What still differs, however, has its line already.
pub fn tell(subject: &mut Subject, passed: &[Difference]) {
    for Difference { whose, check } in passed {
        let same = |one: &Check| one.layer == check.layer && one.what == check.what;
        let is_told =
            |one: &Check| same(one) && matches!(one.verdict, Verdict::Differs | Verdict::Passed);
        if whose.map(|(pid, _)| pid) == subject.pid && !subject.checks.iter().any(is_told) {
            let mut check = check.clone();
            check.verdict = Verdict::Passed;
            subject.checks.push(check);
        }
    }
}

fn ticks_per_second() -> u64 {
    rustix::param::clock_ticks_per_second()
}

#[cfg(test)]
mod tests {
    use super::super::finding::Layer;
    use super::*;

    fn subject(pid: Option<u32>, found: &str) -> Subject {
        Subject {
            program: "x".into(),
            pid,
            which: None,
            checks: vec![Check::compare(Layer::Descriptors, "held", "pipe", found)],
        }
    }

    fn own() -> (u32, u64) {
        let pid = std::process::id();
        (pid, living::began(pid).expect("we live"))
    }

    #[test]
    fn what_a_grown_process_put_away_between_two_looks_is_told_and_is_not_good() {
        let (pid, began) = own();
        let earlier = differences(&subject(Some(pid), "/etc/shadow"), Some((pid, began)));
        let mut last = subject(Some(pid), "pipe");
        let later = began + 60 * ticks_per_second();
        tell(&mut last, &that_count(earlier.clone(), later));
        tell(&mut last, &that_count(earlier, later));
        assert_eq!(last.gravest(), Verdict::Passed);
        assert_eq!(last.checks.len(), 2, "told once");
        assert_eq!(last.checks[1].found, "/etc/shadow");
        let mut other = subject(Some(pid + 1), "pipe");
        tell(
            &mut other,
            &differences(&subject(Some(pid), "x"), Some(own())),
        );
        assert_eq!(other.gravest(), Verdict::AsStated);
    }

    #[test]
    fn birth_and_death_excuse_and_nothing_excuses_the_set() {
        let (pid, began) = own();
        let of = |whose| differences(&subject(Some(pid), "/etc/shadow"), whose);
        assert!(that_count(of(Some((pid, began))), began).is_empty());
        let later = began + 60 * ticks_per_second();
        assert!(that_count(of(Some((u32::MAX, 1))), later).is_empty());
        assert!(that_count(of(Some((pid, began - 1))), later).is_empty());
        assert_eq!(that_count(of(None), began).len(), 1);
    }

    #[test]
    fn what_differs_still_has_one_line() {
        let passed = differences(&subject(None, "a"), None);
        let mut last = subject(None, "b");
        tell(&mut last, &passed);
        assert_eq!(last.checks.len(), 1);
    }

    #[test]
    fn the_clock_is_that_of_a_process_s_beginning() {
        let (_, began) = own();
        let age = now().saturating_add(ticks_per_second()) - began;
        assert!(age < 3600 * ticks_per_second(), "{age}");
    }
}
