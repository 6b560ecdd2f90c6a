//! Two intervals that must not be mixed up: where the true mean lies (ends of a Beta), and where the next rating falls (a
//! histogram).

use serde::{Deserialize, Serialize};
use statrs::function::beta::{beta_reg, inv_beta_reg};

/// Steps of a quantile: far finer than anybody chooses by, far coarser than what libraries differ in.
const GRID: f64 = (1u64 << 30) as f64;

/// The `p` quantile of Beta(a, b), on a grid of 2^-30, rounded down. A beta with an empty side lies at the other.
///
/// The library's Newton iteration is good where `a` and `b` are above one and may stop short where they are small, so its
/// answer is checked, and else found by halving.
pub(super) fn quantile(a: f64, b: f64, p: f64) -> f64 {
    if !(a > 1e-9 && b > 1e-9) {
        return if a > b { 1.0 } else { 0.0 };
    }
    let below = |step: f64| step <= 0.0 || step < GRID && beta_reg(a, b, step / GRID) <= p;
    let guess = (inv_beta_reg(a, b, p).clamp(0.0, 1.0) * GRID).floor();
    if below(guess) && !below(guess + 1.0) {
        return guess / GRID;
    }
    let (mut low, mut high) = (0.0, GRID);
    while high - low > 1.0 {
        let middle = ((low + high) / 2.0).floor();
        if below(middle) { low = middle } else { high = middle }
    }
    low / GRID
}

/// From where to where.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Range {
    /// Its lower end.
    pub low: f64,
    /// Its upper end.
    pub high: f64,
}

/// Places of a histogram: scores from 0 to 1 in steps of a twentieth.
pub(super) const BINS: usize = 21;

/// How scores are spread.
pub(super) type Histogram = [f64; BINS];

/// The place of a score.
pub(super) fn bin(x: f64) -> usize {
    // Rounds to the nearest; a score is at most 1.
    ((x * (BINS - 1) as f64 + 0.5) as usize).min(BINS - 1)
}

/// `(n0 * prior + seen) / (n0 + weight of what was seen)`.
pub(super) fn mix(prior: &Histogram, n0: f64, seen: &Histogram) -> Histogram {
    let whole = n0 + seen.iter().sum::<f64>();
    if whole <= 0.0 { *prior } else { std::array::from_fn(|at| (n0 * prior[at] + seen[at]) / whole) }
}

/// What is left when `tail` is cut off each end: whole places, so that it covers rather more than less.
pub(super) fn cut(histogram: &Histogram, tail: f64) -> Range {
    fn end<'a>(mut places: impl Iterator<Item = (usize, &'a f64)>, tail: f64) -> f64 {
        let mut sum = 0.0;
        let found = places.find(|(_, share)| {
            sum += **share;
            sum > tail
        });
        found.map_or(0, |(at, _)| at) as f64 / (BINS - 1) as f64
    }
    Range { low: end(histogram.iter().enumerate(), tail), high: end(histogram.iter().enumerate().rev(), tail) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_the_known_ones() {
        let near = |found: f64, exact: f64| assert!((found - exact).abs() < 3e-9, "{found} is not {exact}");
        near(quantile(1.0, 1.0, 0.05), 0.05);
        near(quantile(10.0, 1.0, 0.05), 0.05f64.powf(0.1));
        near(quantile(0.2, 1.0, 0.05), 0.05f64.powf(5.0));
        near(quantile(1.0, 0.2, 0.05), 1.0 - 0.95f64.powf(5.0));
        // The arcsine law.
        near(quantile(0.5, 0.5, 0.05), (0.05 * std::f64::consts::FRAC_PI_2).sin().powi(2));
        assert_eq!([quantile(0.0, 1.0, 0.05), quantile(1.0, 0.0, 0.05)], [0.0, 1.0]);
    }

    #[test]
    fn quantiles_rise_with_the_good_and_fall_with_the_bad() {
        let steps = [0.0, 0.01, 0.1, 0.3, 0.5, 0.9, 1.0, 1.5, 3.0, 7.0, 30.0, 200.0, 4000.0];
        for p in [0.05, 0.95] {
            for window in steps.windows(2) {
                for other in steps.into_iter().filter(|other| *other > 0.0) {
                    let (less, more) = (window[0], window[1]);
                    assert!(quantile(less, other, p) <= quantile(more, other, p), "{window:?} {other}");
                    assert!(quantile(other, less, p) >= quantile(other, more, p), "{window:?} {other}");
                }
            }
        }
    }

    #[test]
    fn tails_are_cut_off_and_the_rest_is_covered() {
        let mut seen = [0.0; BINS];
        (seen[0], seen[10], seen[20]) = (0.06, 0.6, 0.34);
        let range = cut(&seen, 0.07);
        assert_eq!((range.low, range.high), (0.5, 1.0));
        seen = mix(&seen, 1.0, &std::array::from_fn(|at| f64::from(u8::from(at == 0))));
        assert_eq!(cut(&seen, 0.07).low, 0.0);
        assert_eq!([bin(0.0), bin(0.024), bin(0.026), bin(1.0)], [0, 0, 1, 20]);
    }
}
