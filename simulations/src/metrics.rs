//! How well: errors, rankings, concentration, and how sure of each.
//!
//! Every figure has a weighted form, so that a bootstrap is the same figure under the weights of a resample: who was drawn
//! twice counts twice.

use crate::dice::Dice;

/// One prediction and what came of it, by whom: the rater is what a bootstrap draws, since ratings of one rater are not
/// independent of each other.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Prediction {
    /// The rater.
    pub unit: u32,
    /// The rating.
    pub truth: f64,
    /// What was predicted before it was seen.
    pub predicted: f64,
}

/// A figure with the ends of its 95% interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Figure {
    /// Of the whole data.
    pub value: f64,
    /// The 2.5% quantile of the resamples.
    pub low: f64,
    /// The 97.5% quantile.
    pub high: f64,
}

/// Root mean squared error, Pearson's correlation, and how well the prediction ranks good ratings above bad ones.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Fit<T> {
    /// Root of the mean squared error.
    pub rmse: T,
    /// Pearson's correlation coefficient; zero where one side does not vary.
    pub pcc: T,
    /// Probability that a positive rating was predicted higher than a negative one.
    pub sign_auc: T,
}

#[derive(Debug, Clone, Copy, Default)]
struct Moments {
    n: f64,
    x: f64,
    y: f64,
    xx: f64,
    yy: f64,
    xy: f64,
    error: f64,
}

impl Moments {
    fn add(&mut self, other: &Self, weight: f64) {
        self.n += weight * other.n;
        self.x += weight * other.x;
        self.y += weight * other.y;
        self.xx += weight * other.xx;
        self.yy += weight * other.yy;
        self.xy += weight * other.xy;
        self.error += weight * other.error;
    }

    fn rmse(&self) -> f64 {
        (self.error / self.n).sqrt()
    }

    fn pcc(&self) -> f64 {
        let product = (self.n * self.xx - self.x * self.x) * (self.n * self.yy - self.y * self.y);
        if product <= 0.0 { 0.0 } else { (self.n * self.xy - self.x * self.y) / product.sqrt() }
    }
}

/// A ranking of positives and negatives, sorted once, measured under many weights.
#[derive(Debug, Clone)]
pub struct Ranking {
    /// Highest score first: whether positive, by which unit, and whether it opens a new group of equal scores.
    order: Vec<(bool, u32, bool)>,
}

impl Ranking {
    /// Of (score, whether positive, unit).
    pub fn new(scored: impl IntoIterator<Item = (f64, bool, u32)>) -> Self {
        let mut scored: Vec<_> = scored.into_iter().collect();
        scored.sort_by(|a, b| b.0.total_cmp(&a.0));
        let mut last = f64::NAN;
        let order = scored
            .into_iter()
            .map(|(score, positive, unit)| {
                let opens = score != last;
                last = score;
                (positive, unit, opens)
            })
            .collect();
        Self { order }
    }

    /// Area under the ROC curve: the probability that a positive ranks above a negative, ties half. One half without either.
    pub fn auc(&self, weight: impl Fn(u32) -> f64) -> f64 {
        // Pairs of a negative and a positive above it; those within a group of ties are taken back to a half.
        let (mut above, mut wins, mut negatives) = (0.0, 0.0, 0.0);
        let (mut tied_positive, mut tied_negative) = (0.0, 0.0);
        for &(positive, unit, opens) in &self.order {
            if opens {
                wins += tied_negative * (above + tied_positive / 2.0);
                above += tied_positive;
                negatives += tied_negative;
                (tied_positive, tied_negative) = (0.0, 0.0);
            }
            *(if positive { &mut tied_positive } else { &mut tied_negative }) += weight(unit);
        }
        wins += tied_negative * (above + tied_positive / 2.0);
        above += tied_positive;
        negatives += tied_negative;
        if above * negatives == 0.0 { 0.5 } else { wins / (above * negatives) }
    }

    /// Average precision: precision at each place where recall grows, weighted by how much it grows; equal scores are one
    /// place.
    pub fn average_precision(&self, weight: impl Fn(u32) -> f64) -> f64 {
        let (mut found, mut seen, mut sum) = (0.0, 0.0, 0.0);
        let mut at = 0;
        while at < self.order.len() {
            let (before, mut end) = (found, at);
            while end < self.order.len() && (end == at || !self.order[end].2) {
                let (positive, unit, _) = self.order[end];
                seen += weight(unit);
                found += if positive { weight(unit) } else { 0.0 };
                end += 1;
            }
            if found > before {
                sum += (found - before) * found / seen;
            }
            at = end;
        }
        if found == 0.0 { 0.0 } else { sum / found }
    }
}

/// Predictions of one model, ready to be measured.
#[derive(Debug, Clone)]
pub struct Predictions {
    by_unit: Vec<Moments>,
    ranking: Ranking,
}

impl Predictions {
    /// Of single predictions.
    pub fn new(list: &[Prediction]) -> Self {
        let units = list.iter().map(|one| one.unit as usize + 1).max().unwrap_or(0);
        let mut by_unit = vec![Moments::default(); units];
        for one in list {
            let (x, y) = (one.predicted, one.truth);
            let one_of = Moments { n: 1.0, x, y, xx: x * x, yy: y * y, xy: x * y, error: (x - y) * (x - y) };
            by_unit[one.unit as usize].add(&one_of, 1.0);
        }
        let signed = list.iter().filter(|one| one.truth != 0.0);
        let ranking = Ranking::new(signed.map(|one| (one.predicted, one.truth > 0.0, one.unit)));
        Self { by_unit, ranking }
    }

    /// How well they fit under these weights of units.
    pub fn fit(&self, weight: impl Fn(u32) -> f64) -> Fit<f64> {
        let mut all = Moments::default();
        self.by_unit.iter().zip(0..).for_each(|(unit, at)| all.add(unit, weight(at)));
        Fit { rmse: all.rmse(), pcc: all.pcc(), sign_auc: self.ranking.auc(weight) }
    }
}

/// Resamples: how often each unit was drawn in each. Every model is measured on the same ones, so that differences are
/// paired.
#[derive(Debug, Clone)]
pub struct Bootstrap {
    draws: Vec<Vec<f64>>,
}

impl Bootstrap {
    /// Draws as many of the `units` as there are, with replacement, `resamples` times.
    pub fn new(units: &[u32], resamples: u32, seed: u64) -> Self {
        let most = units.iter().map(|unit| *unit as usize + 1).max().unwrap_or(0);
        let mut dice = Dice::new(seed, u64::from_be_bytes(*b"resample"));
        let draw = |_| {
            let mut drawn = vec![0.0; most];
            units.iter().for_each(|_| drawn[units[dice.below(units.len())] as usize] += 1.0);
            drawn
        };
        Self { draws: (0..resamples).map(draw).collect() }
    }

    /// Of the raters of these predictions.
    pub fn of(predictions: &[Prediction], resamples: u32, seed: u64) -> Self {
        let mut units: Vec<u32> = predictions.iter().map(|one| one.unit).collect();
        units.sort_unstable();
        units.dedup();
        Self::new(&units, resamples, seed)
    }

    /// A figure with its interval: `measure` gets the weight of each unit.
    pub fn figure(&self, measure: impl Fn(&dyn Fn(u32) -> f64) -> f64) -> Figure {
        let samples = self.draws.iter().map(|drawn| measure(&|unit| drawn[unit as usize])).collect();
        interval(measure(&|_| 1.0), samples)
    }

    /// How well predictions fit, with intervals.
    pub fn fit(&self, predictions: &Predictions) -> Fit<Figure> {
        let whole = predictions.fit(|_| 1.0);
        let samples: Vec<_> = self.draws.iter().map(|drawn| predictions.fit(|unit| drawn[unit as usize])).collect();
        let of = |part: fn(&Fit<f64>) -> f64| interval(part(&whole), samples.iter().map(part).collect());
        Fit { rmse: of(|fit| fit.rmse), pcc: of(|fit| fit.pcc), sign_auc: of(|fit| fit.sign_auc) }
    }

    /// The difference in RMSE of two models on the same ratings, the first less the second.
    pub fn rmse_difference(&self, first: &Predictions, second: &Predictions) -> Figure {
        let rmse = |of: &Predictions, weight: &dyn Fn(u32) -> f64| {
            let mut all = Moments::default();
            of.by_unit.iter().zip(0..).for_each(|(unit, at)| all.add(unit, weight(at)));
            all.rmse()
        };
        self.figure(|weight| rmse(first, weight) - rmse(second, weight))
    }
}

fn interval(value: f64, mut samples: Vec<f64>) -> Figure {
    samples.sort_by(f64::total_cmp);
    Figure { value, low: quantile(&samples, 0.025).unwrap_or(value), high: quantile(&samples, 0.975).unwrap_or(value) }
}

/// A quantile of a sorted list, between its neighbours where it falls between two.
pub fn quantile(sorted: &[f64], at: f64) -> Option<f64> {
    let place = at * sorted.len().checked_sub(1)? as f64;
    let (below, above) = (sorted[place.floor() as usize], sorted[place.ceil() as usize]);
    Some(below + (above - below) * (place - place.floor()))
}

/// The mean of a list; zero of none.
pub fn mean(list: &[f64]) -> f64 {
    if list.is_empty() { 0.0 } else { list.iter().sum::<f64>() / list.len() as f64 }
}

/// How unequally something is spread: 0 when all have the same, towards 1 when one has all.
pub fn gini(shares: &[f64]) -> f64 {
    let total: f64 = shares.iter().sum();
    if total <= 0.0 {
        return 0.0;
    }
    let mut sorted = shares.to_vec();
    sorted.sort_by(f64::total_cmp);
    let n = sorted.len() as f64;
    let ranked: f64 = sorted.iter().zip(1..).map(|(share, rank)| f64::from(rank) * share).sum();
    2.0 * ranked / (n * total) - (n + 1.0) / n
}

/// The Herfindahl and Hirschman index of concentration: the sum of the squares of the shares, from 1/n to 1.
pub fn hhi(shares: &[f64]) -> f64 {
    let total: f64 = shares.iter().sum();
    if total <= 0.0 { 0.0 } else { shares.iter().map(|share| (share / total).powi(2)).sum() }
}

/// Which share of the truths lay in their intervals, ends included.
pub fn coverage(cases: impl IntoIterator<Item = (f64, f64, f64)>) -> f64 {
    let inside: Vec<f64> =
        cases.into_iter().map(|(low, truth, high)| f64::from(u8::from(low <= truth && truth <= high))).collect();
    mean(&inside)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(a: f64, b: f64) {
        assert!((a - b).abs() < 1e-12, "{a} is not {b}");
    }

    fn predictions() -> Vec<Prediction> {
        [(0, 1.0, 0.5), (0, -1.0, 0.0), (1, 0.5, 0.5), (2, -0.5, 0.5)]
            .map(|(unit, truth, predicted)| Prediction { unit, truth, predicted })
            .to_vec()
    }

    #[test]
    fn errors_and_correlation_by_hand() {
        let fit = Predictions::new(&predictions()).fit(|_| 1.0);
        // Squares: 0.25, 1, 0, 1.
        near(fit.rmse, (2.25f64 / 4.0).sqrt());
        // Truths have mean 0; predictions 0.375 with deviations .125, -.375, .125, .125; covariance .5 of (.1875, 2.5).
        near(fit.pcc, 0.5 / (0.1875f64 * 2.5).sqrt());
        // Positives at .5, .5; negatives at 0 (both win) and .5 (both tie): (2 + 1) of 4.
        near(fit.sign_auc, 0.75);
        let doubled = Predictions::new(&predictions()).fit(|unit| if unit == 0 { 2.0 } else { 0.0 });
        near(doubled.rmse, (1.25f64 / 2.0).sqrt());
        let constant = [0.5, -0.5].map(|truth| Prediction { unit: 0, truth, predicted: 0.1 });
        near(Predictions::new(&constant).fit(|_| 1.0).pcc, 0.0);
    }

    #[test]
    fn rankings_by_hand() {
        // Down the list: +, -, (+ -) tied, -.
        let scored = [(0.9, true, 0), (0.8, false, 0), (0.5, true, 0), (0.5, false, 0), (0.1, false, 0)];
        let ranking = Ranking::new(scored);
        // Of 6 pairs: the first wins 3, the second positive loses 1, ties 1, wins 1.
        near(ranking.auc(|_| 1.0), 4.5 / 6.0);
        // Recall grows by a half at precision 1/1 and at 2/4.
        near(ranking.average_precision(|_| 1.0), 0.75);
        near(Ranking::new([(1.0, true, 0)]).auc(|_| 1.0), 0.5);
        near(Ranking::new([]).average_precision(|_| 1.0), 0.0);
    }

    #[test]
    fn concentration_by_hand() {
        near(gini(&[1.0, 1.0, 1.0, 1.0]), 0.0);
        near(gini(&[0.0, 0.0, 0.0, 1.0]), 0.75);
        near(gini(&[]), 0.0);
        near(hhi(&[1.0, 1.0, 2.0]), 0.375);
        near(coverage([(0.0, 0.0, 1.0), (0.0, 1.5, 1.0)]), 0.5);
        near(quantile(&[0.0, 1.0, 2.0], 0.25).unwrap(), 0.5);
        assert_eq!(quantile(&[], 0.5), None);
    }

    #[test]
    fn a_bootstrap_holds_the_figure_and_repeats_itself() {
        let list: Vec<_> = (0..200)
            .map(|at| {
                let truth = f64::from(at % 7) / 3.5 - 1.0;
                Prediction { unit: at % 20, truth, predicted: truth / 2.0 + f64::from(at % 3) / 10.0 }
            })
            .collect();
        let one = Predictions::new(&list);
        let run = |seed| Bootstrap::of(&list, 200, seed).fit(&one);
        assert_eq!(run(1), run(1));
        assert_ne!(run(1), run(2));
        let rmse = run(1).rmse;
        assert!(rmse.low < rmse.value && rmse.value < rmse.high, "{rmse:?}");
        let bootstrap = Bootstrap::of(&list, 50, 1);
        let same = bootstrap.rmse_difference(&one, &one);
        assert_eq!((same.low, same.value, same.high), (0.0, 0.0, 0.0), "paired: a model does not differ from itself");
    }
}
