//! How often each value was seen.

use std::collections::BTreeMap;

/// Values above are counted as this; the longest is kept apart.
const VALUE_MAX: u64 = 10_000;

/// Whole milliseconds by how often they were seen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Histogram {
    counts: BTreeMap<u32, u64>,
    all: u64,
    sum: u64,
    longest: u64,
}

impl Histogram {
    /// Counts one value.
    pub(crate) fn add(&mut self, value: u64) {
        *self.counts.entry(value.min(VALUE_MAX) as u32).or_default() += 1;
        self.all += 1;
        self.sum += value;
        self.longest = self.longest.max(value);
    }

    /// Counts all that another one has counted.
    pub(crate) fn merge(&mut self, other: &Self) {
        for (value, count) in &other.counts {
            *self.counts.entry(*value).or_default() += count;
        }
        self.all += other.all;
        self.sum += other.sum;
        self.longest = self.longest.max(other.longest);
    }

    /// Returns the least value that `per_mille` of all do not exceed, 0 if there is none: a value that
    /// was seen (nearest rank).
    pub(crate) fn at(&self, per_mille: u64) -> u64 {
        let wanted = (self.all * per_mille).div_ceil(1_000).max(1);
        let mut seen = 0;
        let found = self.counts.iter().find(|(_, count)| {
            seen += **count;
            seen >= wanted
        });
        found.map_or(0, |(value, _)| u64::from(*value))
    }

    /// Returns the greatest value, 0 if there is none.
    pub(crate) fn longest(&self) -> u64 {
        self.longest
    }

    /// Returns all values together.
    pub(crate) fn sum(&self) -> u64 {
        self.sum
    }

    /// Returns how many values were counted.
    pub(crate) fn count(&self) -> u64 {
        self.all
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(values: &[u64]) -> Histogram {
        let mut histogram = Histogram::default();
        for value in values {
            histogram.add(*value);
        }
        histogram
    }

    #[test]
    fn percentiles_are_values_that_were_seen() {
        let mut values = vec![33; 998];
        values.extend([50, 99_999]);
        let histogram = of(&values);
        for (per_mille, value) in [(0, 33), (500, 33), (998, 33), (999, 50), (1_000, 10_000)] {
            assert_eq!(histogram.at(per_mille), value, "{per_mille}");
        }
        assert_eq!((histogram.longest(), histogram.count()), (99_999, 1_000));
        assert_eq!(of(&[]).at(999), 0);
    }

    proptest! {
        #[test]
        fn it_tells_what_sorting_does(
            mut left in prop::collection::vec(0..200_u64, 1..80),
            right in prop::collection::vec(0..200_u64, 0..80),
            per_mille in 1..=1_000_u64,
        ) {
            let mut merged = of(&left);
            merged.merge(&of(&right));
            left.extend(right);
            prop_assert_eq!(&merged, &of(&left));
            left.sort_unstable();
            let rank = (left.len() as u64 * per_mille).div_ceil(1_000) as usize;
            prop_assert_eq!(merged.at(per_mille), left[rank - 1]);
            prop_assert_eq!(merged.sum(), left.iter().sum::<u64>());
        }
    }
}
