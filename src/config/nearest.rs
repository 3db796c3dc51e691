//! Which known word somebody may have meant.

/// Characters that are compared; no key is longer, and the cost is quadratic.
const WORD_CHARS_MAX: usize = 64;

/// The candidate that the fewest edits make of `word`, if they are at most a
/// third of it (and two for short words).
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word: Vec<char> = word.to_lowercase().chars().take(WORD_CHARS_MAX).collect();
    let most = (word.len() / 3).max(2);
    candidates
        .into_iter()
        .map(|candidate| (edits(&word, candidate), candidate))
        .filter(|(edits, _)| *edits <= most)
        .min_by_key(|(edits, _)| *edits)
        .map(|(_, candidate)| candidate)
}

/// Levenshtein's distance, one row at a time.
fn edits(from: &[char], to: &str) -> usize {
    let mut row: Vec<usize> = (0..=from.len()).collect();
    for (line, character) in to.chars().take(WORD_CHARS_MAX).enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], line + 1);
        for (column, other) in from.iter().enumerate() {
            let replaced = diagonal + usize::from(*other != character);
            diagonal = row[column + 1];
            row[column + 1] = replaced.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[from.len()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const KEYS: [&str; 4] = ["certificates", "key", "minimum", "listen"];

    #[test]
    fn a_slip_of_the_keyboard_finds_its_key() {
        assert_eq!(nearest("certificate", KEYS), Some("certificates"));
        assert_eq!(nearest("Listne", KEYS), Some("listen"));
        assert_eq!(nearest("ky", KEYS), Some("key"));
        assert_eq!(nearest("password_scheme", KEYS), None);
    }

    proptest! {
        #[test]
        fn a_word_is_nearest_to_itself(word in "[a-z]{1,20}") {
            prop_assert_eq!(nearest(&word, ["zzzzzzzzzzzzzzzzzzzzzzzz", &word]), Some(word.as_str()));
        }

        #[test]
        fn the_distance_is_the_same_both_ways(a in "[abc]{0,9}", b in "[abc]{0,9}") {
            let (from, to): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
            prop_assert_eq!(edits(&from, &b), edits(&to, &a));
        }
    }
}
