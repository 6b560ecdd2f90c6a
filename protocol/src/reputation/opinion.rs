//! How good a subject is at something, in one viewer's eyes.
//!
//! In: the ratings of a subject, each weighed by its rater's standing. Out: a mean, the end to choose by, and where the next
//! rating is to be expected. All sums are made in the order of the raters' keys and, within a pair, newest first, so that the
//! same evidence gives the same bits in whatever order it came.
//!
//! ```text
//!  A = n0 m + sum W x        W = w(rater) * pair * decay        mean = A / (A + B)
//!  B = n0 (1 - m) + sum W (1 - x)         m: the same of what else is known, and last of everybody
//! ```
//!
//! **The lower end** is the 5% quantile of a Beta of the same sums with two differences, each for a reason:
//! - A rater other than the viewer counts for one unit at most, however often it has dealt with the subject: its hires are
//!   not so many witnesses. (Scaling both sides to an effective number of raters would do for that too, but then a refusal by
//!   one rater more could raise the lower end, for it narrows the interval.)
//! - What is known of *others* lifts nobody's: the network's mean counts up to one half. In a good market a newcomer's prior
//!   mean is near 1, and the quantile of such a prior alone would stand above many a proven worker's.
//! - What is not above that of somebody nothing is known of is nothing: where there is no evidence nothing is guaranteed, and
//!   nobody gains by leaving a bad name behind.
//!
//! So with everybody's standing as it is, no refusal raises the lower end, and only words of raters with standing do.

use super::book::{Book, Held, Who};
use super::evidence::{Aspect, SCORE};
use super::fixed::Decay;
use super::graph::Discount;
use super::interval::{BINS, Histogram, Range, bin, cut, mix, quantile};
use super::params::Params;
use super::standing::Standing;
use crate::id::AgentId;
use crate::market::Skill;

/// What one side of an interval leaves out.
pub(super) const END: f64 = 0.05;

/// An opinion.
#[derive(Debug, Clone, PartialEq)]
pub struct Opinion {
    /// The expected score, 0 to 1.
    pub mean: f64,
    /// The lower end of where the mean lies, nine times in ten: the end to choose by. Nothing, if it is not above that of
    /// somebody nothing is known of.
    pub low: f64,
    /// The upper end.
    pub high: f64,
    /// Units of evidence behind it, the prior not counted: one is one fresh hire of the usual value, rated by somebody whose
    /// word counts in full.
    pub evidence: f64,
    /// The same, with each rater but the viewer counted for one at most.
    pub n: f64,
    /// What would be thought without that evidence.
    pub prior: f64,
    /// The score without the guard against those that turn bad.
    pub slow: f64,
    /// The score of the last weeks, if there is enough of it.
    pub fast: Option<f64>,
    /// How far scores lie from each other: their standard deviation, 0 to 0.5. Consistency is little of it.
    pub spread: Option<f64>,
    /// Where the next rating falls, nine times in ten; overall only.
    pub next: Option<Range>,
}

/// How ratings age and are discounted.
#[derive(Debug, Clone)]
pub(super) struct Weighing {
    pub(super) discount: Discount,
    pub(super) good: Decay,
    pub(super) bad: Decay,
    pub(super) fast: Option<Decay>,
    value: bool,
    /// The quantile of no evidence at all.
    pub(super) unknown: f64,
}

impl Weighing {
    pub(super) fn new(params: &Params) -> Self {
        Self {
            discount: Discount::new(params.pair),
            good: Decay::new(params.good_half_life, params.lasting),
            bad: Decay::new(params.bad_half_life, params.lasting),
            fast: params.fast_half_life.map(|days| Decay::new(Some(days), 0.0)),
            value: params.value,
            unknown: quantile(params.n0 / 2.0, params.n0 / 2.0, END),
        }
    }

    /// What time has left of the good and of the bad part of a rating of `x`.
    ///
    /// The bad part of one half and better ages like the good: else everybody who was ever rated less than perfect would look
    /// the worse the longer ago it was. It is of one rating alone, and neither part grows with the other, so that a better
    /// rating never counts as a worse one.
    pub(super) fn aged(&self, x: f64, age: u32) -> (f64, f64) {
        let (good, bad) = (self.good.at(age), self.bad.at(age));
        (good, good + (bad - good) * (1.0 - 2.0 * x).max(0.0))
    }

    /// Weights within a pair, newest first.
    pub(super) fn pair<'a>(&self, newest: &[&'a Held]) -> impl Iterator<Item = (&'a Held, f64)> {
        self.discount.weights(newest, self.value).map(|(held, weight)| (held, weight as f64 / (1u64 << 32) as f64))
    }
}

/// Good and bad, in units of evidence.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Sum {
    pub(super) good: f64,
    pub(super) bad: f64,
}

impl Sum {
    pub(super) fn whole(self) -> f64 {
        self.good + self.bad
    }

    pub(super) fn add(&mut self, other: Self, times: f64) {
        self.good += other.good * times;
        self.bad += other.bad * times;
    }

    /// The mean of `n0` units of `prior` and of these; the prior where there is neither.
    pub(super) fn mean(self, n0: f64, prior: f64) -> f64 {
        let whole = n0 + self.whole();
        if whole > 0.0 { (n0 * prior + self.good) / whole } else { prior }
    }

    /// What to multiply by so that there are `cap` units at most.
    pub(super) fn capped(self, cap: f64) -> f64 {
        if self.whole() > cap { cap / self.whole() } else { 1.0 }
    }
}

/// One rating, weighed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Word<'a> {
    pub(super) held: &'a Held,
    pub(super) x: f64,
    /// Its weight within its pair, value included.
    pub(super) pair: f64,
    /// Everything included.
    pub(super) slow: Sum,
    /// The same of the last weeks.
    pub(super) fast: Sum,
}

/// All that one rater has said, newest first.
#[derive(Debug, Clone)]
pub(super) struct Voice<'a> {
    pub(super) rater: Who,
    pub(super) weight: f64,
    pub(super) words: Vec<Word<'a>>,
    pub(super) slow: Sum,
    pub(super) fast: Sum,
}

/// What was said of a subject, and what of.
#[derive(Debug, Clone, Default)]
pub(super) struct Level<'a> {
    /// At this skill and below, as far as no narrower level has it; `None`: at anything.
    pub(super) skill: Option<Skill>,
    pub(super) voices: Vec<Voice<'a>>,
}

impl Level<'_> {
    pub(super) fn slow(&self) -> Sum {
        let mut sum = Sum::default();
        self.voices.iter().for_each(|voice| sum.add(voice.slow, 1.0));
        sum
    }

    pub(super) fn fast(&self) -> Sum {
        let mut sum = Sum::default();
        self.voices.iter().for_each(|voice| sum.add(voice.fast, 1.0));
        sum
    }

    fn capped(&self, viewer: Who, cap: f64, of: impl Fn(&Voice<'_>) -> Sum) -> Sum {
        let mut sum = Sum::default();
        for voice in &self.voices {
            let own = voice.rater == viewer;
            sum.add(of(voice), if own { 1.0 } else { of(voice).capped(cap) });
        }
        sum
    }

    fn histogram(&self) -> Histogram {
        let mut seen = [0.0; BINS];
        self.voices.iter().flat_map(|voice| &voice.words).for_each(|word| seen[bin(word.x)] += word.slow.whole());
        seen
    }
}

/// A rating of `skill`, if it counts for an opinion of work at `wanted` or of anything: which of its levels it belongs to.
fn level(book: &Book, held: &Held, levels: &[Level<'_>]) -> Option<usize> {
    // What somebody was like to work for says nothing of its work.
    let asked = levels.first().is_some_and(|level| level.skill.is_some());
    if asked && !held.worked() {
        return None;
    }
    let skill = book.skill(held);
    levels.iter().position(|level| level.skill.as_ref().is_none_or(|wanted| wanted.covers(skill)))
}

/// Everything that raters with standing have said of `subject` by a day, by level: first what is asked for, then what is wider.
pub(super) fn levels<'m>(
    standing: &Standing<'m>,
    subject: Who,
    skill: Option<&Skill>,
    aspect: Aspect,
    without: Option<Who>,
    day: u32,
) -> Vec<Level<'m>> {
    let (book, weighing) = (standing.model.book(), standing.model.weighing());
    let narrow = std::iter::successors(skill.cloned(), Skill::parent);
    let skills = narrow.map(Some).chain([None]);
    let mut levels: Vec<Level<'m>> = skills.map(|skill| Level { skill, voices: Vec::new() }).collect();
    for (rater, group) in book.raters(subject) {
        let weight = if without == Some(rater) { 0.0 } else { standing.voice_of(rater) };
        if weight <= 0.0 {
            continue;
        }
        let mut sorted: Vec<Vec<&Held>> = vec![Vec::new(); levels.len()];
        for held in group.iter().map(|which| book.get(*which)) {
            if held.day <= day
                && book.counts(held)
                && held.score(aspect).is_some()
                && let Some(level) = level(book, held, &levels)
            {
                sorted[level].push(held);
            }
        }
        for (level, mut newest) in levels.iter_mut().zip(sorted) {
            if newest.is_empty() {
                continue;
            }
            newest.sort_unstable_by_key(|held| held.newest());
            let mut voice = Voice { rater, weight, words: Vec::new(), slow: Sum::default(), fast: Sum::default() };
            for (held, pair) in weighing.pair(&newest) {
                let x = f64::from(held.score(aspect).unwrap_or(0)) / f64::from(SCORE);
                let age = day - held.day;
                let all = weight * pair;
                let part = |(good, bad): (f64, f64)| Sum { good: all * good * x, bad: all * bad * (1.0 - x) };
                let slow = part(weighing.aged(x, age));
                let fast = weighing.fast.as_ref().map_or(Sum::default(), |fast| part((fast.at(age), fast.at(age))));
                voice.slow.add(slow, 1.0);
                voice.fast.add(fast, 1.0);
                voice.words.push(Word { held, x, pair, slow, fast });
            }
            level.voices.push(voice);
        }
    }
    levels
}

/// All that is known on any of these levels, each rater but the viewer counted for as much as in the ends of the interval.
pub(super) fn known(standing: &Standing<'_>, levels: &[Level<'_>]) -> Sum {
    let mut sum = Sum::default();
    for level in levels {
        sum.add(level.capped(standing.place, standing.model.params().rater_cap, |voice| voice.slow), 1.0);
    }
    sum
}

/// Of levels, the opinion; `None` if nobody with standing has said anything on any of them.
pub(super) fn judge(standing: &Standing<'_>, levels: &[Level<'_>], aspect: Aspect) -> Option<Opinion> {
    let heard = levels.iter().any(|level| !level.voices.is_empty());
    heard.then(|| judge_all(standing, levels, aspect))
}

/// Of levels, the opinion; of none, the prior.
pub(super) fn judge_all(standing: &Standing<'_>, levels: &[Level<'_>], aspect: Aspect) -> Opinion {
    let params = standing.model.params();
    let network = standing.network();
    let (n0, viewer) = (params.n0, standing.place);
    let (mut prior, mut cautious, mut next) = (network.mean(aspect), network.mean(aspect).min(0.5), network.histogram);
    let wider = levels.get(1..).unwrap_or_default();
    for level in wider.iter().rev() {
        prior = level.slow().mean(n0, prior);
        cautious = level.capped(viewer, params.rater_cap, |voice| voice.slow).mean(n0, cautious);
        next = mix(&next, n0, &level.histogram());
    }
    let nothing = Level::default();
    let level = levels.first().unwrap_or(&nothing);
    let sum = level.slow();
    let capped = level.capped(viewer, params.rater_cap, |voice| voice.slow);
    let slow = sum.mean(n0, prior);
    let end = |sum: Sum, m: f64, p: f64| quantile(n0 * m + sum.good, n0 * (1.0 - m) + sum.bad, p);
    let mut low = end(capped, cautious, END);
    // The fast score starts from the slow one, or from the prior if that is better: else whoever is always good would lose by
    // having been so lately, and what is all there is would count twice.
    let lately = level.fast();
    let fast = (params.fast_half_life.is_some() && lately.whole() >= params.fast_units).then(|| {
        let start = capped.mean(n0, cautious).max(cautious);
        low = low.min(end(level.capped(viewer, params.rater_cap, |voice| voice.fast), start, END));
        lately.mean(n0, slow.max(prior))
    });
    let mean = fast.map_or(slow, |fast| fast.min(slow));
    let high = end(capped, prior, 1.0 - END);
    let seen = level.histogram();
    let spread = (sum.whole() > 0.0).then(|| {
        let words = || level.voices.iter().flat_map(|voice| &voice.words);
        let whole: f64 = words().map(|word| word.slow.whole()).sum();
        let centre = words().map(|word| word.slow.whole() * word.x).sum::<f64>() / whole;
        let square = |word: &Word<'_>| word.slow.whole() * (word.x - centre) * (word.x - centre);
        (words().map(square).sum::<f64>() / whole).sqrt()
    });
    let low = if low > standing.model.weighing().unknown { low.min(mean) } else { 0.0 };
    Opinion {
        mean,
        low,
        high: high.max(mean),
        evidence: sum.whole(),
        n: capped.whole(),
        prior,
        slow,
        fast,
        spread,
        next: (aspect == Aspect::Overall).then(|| cut(&mix(&next, n0, &seen), params.tail)),
    }
}

impl Standing<'_> {
    /// What the viewer may think of `subject` at `skill` and below (at anything, whoever hired whom, without one); `None` if
    /// nobody whose word counts has said anything of it.
    pub fn opinion(&self, subject: &AgentId, skill: Option<&Skill>, aspect: Aspect) -> Option<Opinion> {
        let subject = self.model.book().who(subject)?;
        judge(self, &levels(self, subject, skill, aspect, None, self.day), aspect)
    }

    /// The same, or the prior: what is to be expected of somebody nothing is known of.
    pub fn expect(&self, subject: &AgentId, skill: Option<&Skill>, aspect: Aspect) -> Opinion {
        self.opinion(subject, skill, aspect).unwrap_or_else(|| judge_all(self, &[], aspect))
    }

    /// Everybody else's opinion of it on the eve of a day: as if the viewer had never dealt with it.
    fn others(&self, subject: Who, day: u32) -> f64 {
        let eve = day.saturating_sub(1);
        judge_all(self, &levels(self, subject, None, Aspect::Overall, Some(self.place), eve), Aspect::Overall).slow
    }

    /// By how much the viewer lately rated higher than what others had said of those it rated, shrunk towards nothing: its own
    /// leniency. Others by the standing they have now, but only what they had said before.
    pub fn leniency(&self) -> f64 {
        *self.leniency.get_or_init(|| self.find_leniency())
    }

    fn find_leniency(&self) -> f64 {
        /// Ratings that weigh against its being like everybody else.
        const SHRINK: f64 = 3.0;
        /// What each rating leaves of the weight of those before it: raters change. On the first half of Bitcoin OTC .2609;
        /// all ratings alike .2652 with 32 of them, .2713 with 64.
        const FADE: f64 = 0.8;
        /// The newest of its ratings that are looked at: those before have a thirtieth of the weight of one together.
        const RECENT: usize = 16;
        let (book, _) = (self.model.book(), self.network());
        let Some(viewer) = book.who(&self.viewer) else { return 0.0 };
        let newest = book.agent(viewer).by.iter().rev().map(|which| book.get(*which));
        let (mut sum, mut n, mut weight) = (0.0, 0.0, 1.0);
        for held in newest.filter(|held| held.day <= self.day).take(RECENT) {
            let x = f64::from(held.score(Aspect::Overall).unwrap_or(0)) / f64::from(SCORE);
            sum += weight * (x - self.others(held.subject, held.day));
            n += weight;
            weight *= FADE;
        }
        sum / (n + SHRINK)
    }
}
