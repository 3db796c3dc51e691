//! Medians, spreads and percentiles of a few figures.

/// The middle one; of two in the middle their mean. None of none.
pub fn median(figures: &[f64]) -> Option<f64> {
    let sorted = sorted(figures);
    let middle = sorted.len() / 2;
    let upper = *sorted.get(middle)?;
    match sorted.len() % 2 {
        1 => Some(upper),
        _ => Some(f64::midpoint(sorted[middle - 1], upper)),
    }
}

/// Half of the way from the least to the most, in parts of the median. None of fewer
/// than two, or where the median is 0.
pub fn spread(figures: &[f64]) -> Option<f64> {
    let sorted = sorted(figures);
    let median = median(figures).filter(|median| *median != 0.0)?;
    let (least, most) = (sorted.first()?, sorted.last()?);
    (sorted.len() > 1).then(|| (most - least) / 2.0 / median)
}

/// The least one that so many parts of all, from 0 to 1, don't pass. None of none.
pub fn percentile(figures: &[f64], part: f64) -> Option<f64> {
    let sorted = sorted(figures);
    let rank = (part * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.clamp(1, sorted.len().max(1)) - 1).copied()
}

fn sorted(figures: &[f64]) -> Vec<f64> {
    let mut sorted = figures.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn figures_of_known_lists() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), Some(2.5));
        assert_eq!(median(&[]), None);
        assert_eq!(spread(&[8.0, 12.0, 10.0]), Some(0.2));
        assert_eq!(spread(&[8.0]), None);
        let hundred: Vec<f64> = (1..=100).map(f64::from).collect();
        assert_eq!(percentile(&hundred, 0.5), Some(50.0));
        assert_eq!(percentile(&hundred, 0.99), Some(99.0));
        assert_eq!(percentile(&[7.0], 0.99), Some(7.0));
        assert_eq!(percentile(&[], 0.99), None);
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(200) })]

        #[test]
        fn as_many_figures_lie_below_the_median_as_above(list in prop::collection::vec(0.0..1e6, 1..40)) {
            let middle = median(&list).expect("there are some");
            let below = list.iter().filter(|figure| **figure < middle).count();
            let above = list.iter().filter(|figure| **figure > middle).count();
            prop_assert!(below <= list.len() / 2 && above <= list.len() / 2);
        }

        #[test]
        fn a_percentile_is_one_of_the_figures_and_grows_with_its_part(
            list in prop::collection::vec(0.0..1e6, 1..40), low in 0.0..1.0f64, high in 0.0..1.0f64,
        ) {
            let (low, high) = (low.min(high), low.max(high));
            let (one, other) = (percentile(&list, low).expect("some"), percentile(&list, high).expect("some"));
            prop_assert!(list.contains(&one) && one <= other);
        }
    }
}
