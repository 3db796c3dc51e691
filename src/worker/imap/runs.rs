//! Numbers that ascend, told as ranges and some at a time: a range that ends one step may
//! go on in the next.

use std::ops::RangeInclusive;

/// Ranges of which only the last may still grow.
#[derive(Debug, Default)]
pub struct Runs(Vec<RangeInclusive<u32>>);

impl Runs {
    /// One more number: the next behind the last range becomes part of it, and so does the
    /// last one once more; every other begins a range.
    pub fn push(&mut self, number: u32) {
        match self.0.last_mut() {
            Some(last) if *last.end() == number => {}
            Some(last) if last.end().checked_add(1) == Some(number) => {
                *last = *last.start()..=number;
            }
            _ => self.0.push(number..=number),
        }
    }

    /// How many ranges there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Takes the ranges that can't grow any more.
    pub fn closed(&mut self) -> Vec<RangeInclusive<u32>> {
        let open = self.0.pop();
        let closed = std::mem::take(&mut self.0);
        self.0.extend(open);
        closed
    }

    /// Takes all of them: there are no more numbers.
    pub fn all(self) -> Vec<RangeInclusive<u32>> {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_number_is_told_once_in_order_and_as_few_ranges_whatever_the_steps(
            numbers in prop::collection::vec(1u32..40, 0..40), step in 1usize..8,
        ) {
            let mut once = numbers;
            once.dedup();
            let (mut runs, mut told) = (Runs::default(), Vec::new());
            for some in once.chunks(step) {
                some.iter().for_each(|number| runs.push(*number));
                runs.push(*some.last().unwrap());
                told.extend(runs.closed());
            }
            told.extend(runs.all());
            prop_assert_eq!(told.iter().cloned().flatten().collect::<Vec<_>>(), once);
            let apart = |two: &[RangeInclusive<u32>]| two[0].end() + 1 != *two[1].start();
            prop_assert!(told.windows(2).all(apart));
        }
    }

    #[test]
    fn the_greatest_number_has_none_behind_it() {
        let mut runs = Runs::default();
        for number in [u32::MAX - 1, u32::MAX, 1] {
            runs.push(number);
        }
        assert_eq!(runs.all(), [u32::MAX - 1..=u32::MAX, 1..=1]);
    }
}
