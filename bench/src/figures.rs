//! Percentiles and medians.

use std::time::Duration;

use serde::Serialize;

/// How times are spread, in milliseconds.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Spread {
    pub p50: f64,
    pub p99: f64,
    pub max: f64,
}

impl Spread {
    pub fn of(mut times: Vec<Duration>) -> Self {
        times.sort_unstable();
        let at = |percent: usize| {
            // The nearest rank: the smallest time that `percent` of all do not exceed.
            let rank = (times.len() * percent).div_ceil(100).max(1);
            times.get(rank - 1).map_or(f64::NAN, |time| time.as_secs_f64() * 1e3)
        };
        Self { p50: at(50), p99: at(99), max: at(100) }
    }
}

/// The middle one; of an even number, the mean of both.
pub fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_unstable_by(f64::total_cmp);
    let middle = values.len() / 2;
    match (values.get(middle), values.len() % 2) {
        (Some(upper), 0) => f64::midpoint(values[middle - 1], *upper),
        (Some(one), _) => *one,
        (None, _) => f64::NAN,
    }
}

/// So many in a second.
#[expect(clippy::cast_precision_loss, reason = "counts of a bench are far below 2^52")]
pub fn per(count: usize, time: Duration) -> f64 {
    count as f64 / time.as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(clippy::float_cmp, reason = "whole milliseconds are exact")]
    fn a_spread_is_by_nearest_rank() {
        let spread = Spread::of((1..=200).rev().map(Duration::from_millis).collect());
        assert_eq!([spread.p50, spread.p99, spread.max], [100.0, 198.0, 200.0]);
        assert!(Spread::of(Vec::new()).p50.is_nan());
    }

    #[test]
    #[expect(clippy::float_cmp, reason = "halves are exact")]
    fn the_median_is_in_the_middle() {
        assert_eq!(median([3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median([4.0, 1.0, 2.0, 3.0]), 2.5);
    }

    #[test]
    #[expect(clippy::float_cmp, reason = "quarters are exact")]
    fn a_rate_is_by_the_second() {
        assert_eq!(per(3, Duration::from_secs(4)), 0.75);
        assert!(per(1, Duration::ZERO).is_infinite());
    }
}
