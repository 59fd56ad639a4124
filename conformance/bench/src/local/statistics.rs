// SPDX-License-Identifier: MIT
//! Medians, percentiles, and the spread of what interleaved slices say.

use serde::{Deserialize, Serialize};

/// The middle of several slices, and the quarters around it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    /// A quarter of the slices are below.
    pub low: f64,
    /// The median.
    pub median: f64,
    /// A quarter of the slices are above.
    pub high: f64,
}

/// The spread of `values`; `None` of none.
pub fn spread(values: impl IntoIterator<Item = f64>) -> Option<Spread> {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    let at = |part| quantile(&values, part);
    Some(Spread {
        low: at(0.25)?,
        median: at(0.5)?,
        high: at(0.75)?,
    })
}

/// The value below which `part` of the sorted values lie, between two of them in proportion.
fn quantile(sorted: &[f64], part: f64) -> Option<f64> {
    let place = part * (sorted.len().checked_sub(1)?) as f64;
    let (below, above) = (place.floor(), place.ceil());
    let (low, high) = (sorted[below as usize], sorted[above as usize]);
    Some(low + (high - low) * (place - below))
}

/// The median of `values`; `None` of none.
pub fn median(values: impl IntoIterator<Item = f64>) -> Option<f64> {
    spread(values).map(|spread| spread.median)
}

/// The sample that `percent` per cent of the samples do not exceed; `None` of none. Sorts them.
pub fn percentile(samples: &mut [u64], percent: usize) -> Option<u64> {
    samples.sort_unstable();
    let index = (samples.len() * percent).div_ceil(100).saturating_sub(1);
    samples.get(index).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_nothing_there_is_no_figure() {
        assert_eq!(spread([]), None);
        assert_eq!(median([]), None);
        assert_eq!(percentile(&mut [], 50), None);
    }

    #[test]
    fn one_value_is_every_quarter() {
        let spread = spread([3.0]).unwrap();
        assert_eq!((spread.low, spread.median, spread.high), (3.0, 3.0, 3.0));
    }

    #[test]
    fn quarters_lie_between_values_in_proportion() {
        let spread = spread([4.0, 1.0, 3.0, 2.0]).unwrap();
        assert_eq!((spread.low, spread.median, spread.high), (1.75, 2.5, 3.25));
    }

    #[test]
    fn one_slice_that_was_disturbed_does_not_move_the_median() {
        assert_eq!(median([1.0, 1.0, 1.0, 1.0, 900.0]), Some(1.0));
    }

    #[test]
    fn a_percentile_is_a_sample_that_so_many_do_not_exceed() {
        let mut samples: Vec<u64> = (1..=200).rev().collect();
        assert_eq!(percentile(&mut samples, 50), Some(100));
        assert_eq!(percentile(&mut samples, 99), Some(198));
        assert_eq!(percentile(&mut samples, 100), Some(200));
        assert_eq!(percentile(&mut [7], 1), Some(7));
    }
}
