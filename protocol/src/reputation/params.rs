//! The constants of the model, each with its reason: what ships is the default, and a researcher may change any of them.

use crate::limits;

/// Where the prior comes from when nothing nearer is known.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Prior {
    /// The mean of everything that raters with standing have said of anybody.
    Network,
    /// A number, the same for everybody.
    Fixed(f64),
}

/// Constants. Those of the walk become whole numbers once, when the model is made.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Params {
    /// `e`: how often the walk starts again. 0.3 looks three or four handshakes far, and is what an attack edge is
    /// multiplied by: `(1 - e) / e`.
    pub restart: f64,
    /// `D0`: one of so many equal direct partners of the viewer counts in full. Larger hears more voices, and lets an
    /// attacker put in as much more.
    pub d0: f64,
    /// Below this share of full standing a rater counts nothing. What an attacker can put in is bounded without it, and the
    /// small voices together are worth hearing (ranking of frauds on Bitcoin OTC: .937 without, .922 with a fiftieth); so it is
    /// only about what a live walk leaves undone.
    pub floor: f64,
    /// `k`: what every row is smoothed by, in units of an edge: two typical positive ratings. With less, a single hire would
    /// pass on all the standing of whoever made it.
    pub smoothing: f64,
    /// What is left of a pair's weight after one more hire of the usual value. Together they hold `1 / (1 - pair)` at most.
    pub pair: f64,
    /// Days in which a rating of one half and better loses half of its weight; never without.
    pub good_half_life: Option<u32>,
    /// The same of the bad part of the worst rating; in between, the worse the more slowly: whoever alternates stays marked for
    /// longer. Twice the good one foresees the next rating less well (first half of Bitcoin OTC: .2622, with this .2600); the same
    /// as the good one lets whoever alternates get away with a fifth more (49 bad hires of 100 at turns of one, with this 41).
    pub bad_half_life: Option<u32>,
    /// The share of a rating's weight that is left for good: what is long past is better than nothing (ranking of frauds
    /// years later: .891 without, .909 with it), and foresees as well.
    pub lasting: f64,
    /// The half-life of the fast score, which says what became of somebody lately; no guard without.
    pub fast_half_life: Option<u32>,
    /// Units of fast evidence from which on it counts.
    pub fast_units: f64,
    /// `n0`: what the prior weighs on each level.
    pub n0: f64,
    /// Units that a rater other than the viewer counts for at most in the ends of the interval: ten ratings by one are not
    /// ten witnesses. See [`super::opinion`].
    pub rater_cap: f64,
    /// Units that a rater counts for at most in the network's prior, whatever it has rated.
    pub network_cap: f64,
    /// Where the prior comes from.
    pub prior: Prior,
    /// The share of the predictive interval's tails, each; calibrated to cover nine ratings in ten.
    pub tail: f64,
    /// Whether bad experience is taken off an edge; else an edge is the sum of what was good. That the bad counts for more than
    /// once was tried and did nothing against those that work well most of the time: few pairs deal more than once.
    pub net: bool,
    /// Whether ratings weigh by the value of their hire.
    pub value: bool,
    /// Whether a rater that the viewer has found bad has no say.
    pub distrust: bool,
    /// Whether free hires and those that only one side closed add positive standing: for a private market, and for data
    /// that knows no prices.
    pub count_free: bool,
    /// Residues below `2^-bits` of the whole, for each edge they would be passed on through, are left where they are by the
    /// canonical walk: to pass on little to many is much work for nothing. What that leaves undone is in the certificate.
    /// 40 at most.
    pub bits: u32,
    /// The same of the walks that are kept up to date. Coarser, for they are pushed on with every rating: at 26 no weight was
    /// further than 0.004 from the canonical one on Bitcoin OTC, at 30 (0.0003) one rating took seven times as long.
    pub live_bits: u32,
    /// The share of the restart that the pinned seeds have together.
    pub seed_share: f64,
    /// Ratings held.
    pub ratings: usize,
    /// Ratings held of one subject from raters without standing, once somebody is watching; no bound of its own without.
    pub strangers: Option<usize>,
}

impl Default for Params {
    fn default() -> Self {
        Self {
            restart: 0.3,
            d0: 100.0,
            floor: 0.002,
            smoothing: 2.0,
            pair: 0.7,
            good_half_life: Some(180),
            bad_half_life: Some(270),
            lasting: 0.05,
            fast_half_life: Some(14),
            fast_units: 2.0,
            n0: 1.0,
            rater_cap: 1.0,
            network_cap: 5.0,
            prior: Prior::Network,
            tail: 0.07,
            net: true,
            value: true,
            distrust: true,
            count_free: false,
            bits: 40,
            live_bits: 26,
            seed_share: 0.5,
            ratings: limits::RATINGS,
            strangers: Some(limits::STRANGERS),
        }
    }
}
