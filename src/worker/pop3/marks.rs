//! The messages that DELE has marked, by number: a bit each, so that a million take
//! 125 kB.

use std::ops::RangeInclusive;

/// Bits of a word.
const WORD_BITS: u32 = u64::BITS;

/// See the module.
#[derive(Debug, Default)]
pub struct Marks {
    words: Vec<u64>,
}

impl Marks {
    /// Marks a message. The caller knows that there is one of this number.
    pub fn set(&mut self, number: u32) {
        let (word, bit) = place(number);
        if self.words.len() <= word {
            self.words.resize(word.saturating_add(1), 0);
        }
        if let Some(word) = self.words.get_mut(word) {
            *word |= bit;
        }
    }

    /// Whether a message is marked.
    pub fn has(&self, number: u32) -> bool {
        let (word, bit) = place(number);
        self.words.get(word).is_some_and(|word| word & bit != 0)
    }

    /// Takes all marks away.
    pub fn clear(&mut self) {
        self.words = Vec::new();
    }

    /// Numbers in a row that are marked, the first row at or above a number.
    pub fn row_from(&self, number: u32) -> Option<RangeInclusive<u32>> {
        let first = self.next(number, true)?;
        let end = self.next(first, false).unwrap_or(u32::MAX);
        Some(first..=end.saturating_sub(1))
    }

    /// The first number at or above one that is marked, or that isn't.
    fn next(&self, number: u32, marked: bool) -> Option<u32> {
        let wanted = |word: u64| if marked { word } else { !word };
        let (at, bit) = place(number);
        let here = wanted(*self.words.get(at)?) & !bit.wrapping_sub(1);
        let later = self.words.iter().enumerate().skip(at.saturating_add(1));
        let later = later.map(|(at, word)| (at, wanted(*word)));
        let mut all = std::iter::once((at, here)).chain(later);
        let found = all.find(|(_, word)| *word != 0);
        match found {
            Some((at, word)) => {
                let base = u32::try_from(at).ok()?.checked_mul(WORD_BITS)?;
                base.checked_add(word.trailing_zeros())
            }
            None if marked => None,
            None => u32::try_from(self.words.len()).ok()?.checked_mul(WORD_BITS),
        }
    }
}

/// Which word, and which bit of it.
fn place(number: u32) -> (usize, u64) {
    let word = usize::try_from(number / WORD_BITS).unwrap_or(usize::MAX);
    (word, 1 << (number % WORD_BITS))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn rows(marks: &Marks) -> Vec<RangeInclusive<u32>> {
        let mut from = 0;
        std::iter::from_fn(|| {
            let row = marks.row_from(from)?;
            from = row.end() + 1;
            Some(row)
        })
        .collect()
    }

    #[test]
    fn nothing_is_marked_at_first_and_after_all_marks_were_taken_away() {
        let mut marks = Marks::default();
        assert!(!marks.has(1) && rows(&marks).is_empty());
        marks.set(1);
        marks.clear();
        assert!(!marks.has(1) && rows(&marks).is_empty());
    }

    proptest! {
        #[test]
        fn rows_are_what_was_marked(numbers in prop::collection::btree_set(1u32..400, 0..300)) {
            let mut marks = Marks::default();
            numbers.iter().for_each(|number| marks.set(*number));
            let rows = rows(&marks);
            let all: BTreeSet<u32> = rows.iter().cloned().flatten().collect();
            prop_assert!((0..500).all(|number| marks.has(number) == numbers.contains(&number)));
            prop_assert_eq!(all, numbers);
            let apart = rows.windows(2).all(|two| two[0].end() + 1 < *two[1].start());
            prop_assert!(apart);
        }
    }
}
