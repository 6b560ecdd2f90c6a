//! Why a score is what it is: what every rater added or took away, and how the viewer comes to know that rater.
//!
//! In: a standing and a question. Out: contributions that add up to the score less the prior, and the heaviest paths from where
//! the walk starts to each of the raters named. Nothing is estimated: these are the terms of the sum itself.

use std::collections::{BTreeMap, BinaryHeap};

use serde::{Deserialize, Serialize};

use super::book::Who;
use super::evidence::{Aspect, Edition};
use super::opinion::{Opinion, Sum, Voice, judge_all, levels};
use super::standing::Standing;
use crate::hire::HireId;
use crate::id::{AgentId, Id};
use crate::market::{Rating, Skill};

/// Paths told of a rater.
const PATHS: usize = 3;
/// Steps that are taken in looking for them. The heaviest come first, so more would find what hardly matters.
const STEPS: usize = 200_000;
/// Agents between the viewer and a rater, at most: after eight, less than a tenth of the walk is left.
const HOPS: usize = 8;

/// Why a score is what it is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Explained {
    /// Whose eyes.
    pub viewer: AgentId,
    /// Of whom.
    pub subject: AgentId,
    /// At what; at anything without one.
    pub skill: Option<Skill>,
    /// Which aspect.
    pub aspect: Aspect,
    /// As of which UTC day, in days since the epoch.
    pub day: u32,
    /// The expected score. `prior + contributions of raters + others`, to 1e-12.
    pub score: f64,
    /// The end to choose by.
    pub low: f64,
    /// What would be thought without the evidence at just this skill.
    pub prior: f64,
    /// Where the prior comes from: what is usual, then what is known more widely, the narrowest last.
    pub levels: Vec<LevelShare>,
    /// Whether the score is held down by what happened lately.
    pub guarded: bool,
    /// Raters by what they moved, most first.
    pub raters: Vec<RaterShare>,
    /// What the raters that are not listed added together.
    pub others: f64,
    /// By how much all standings together may be off.
    pub certificate: f64,
}

/// A step of the prior.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LevelShare {
    /// At this skill and below, as far as no narrower step has it; `None`: at anything.
    pub skill: Option<Skill>,
    /// Whether this is the mean of everybody, not of the subject.
    pub network: bool,
    /// The mean with this and everything wider.
    pub mean: f64,
    /// Units of evidence that came in here.
    pub evidence: f64,
}

/// What one rater did to a score.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RaterShare {
    /// Who.
    pub rater: AgentId,
    /// The share of the walk's time spent with it.
    pub mass: f64,
    /// How much its word counts, 0 to 1.
    pub weight: f64,
    /// Units of evidence it gave.
    pub evidence: f64,
    /// What it added to the score.
    pub contribution: f64,
    /// By rating, newest first.
    pub ratings: Vec<RatingShare>,
    /// How the walk comes to it, the heaviest path first. Empty for the viewer itself.
    pub paths: Vec<Way>,
}

/// What one rating did to a score.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RatingShare {
    /// The hire.
    pub hire: HireId,
    /// The rating.
    pub rating: Id<Rating>,
    /// The skill.
    pub skill: Skill,
    /// When, days since the epoch.
    pub day: u32,
    /// What was judged, as the worker named it.
    #[serde(flatten)]
    pub edition: Edition,
    /// The score it gave, 0 to 1.
    pub x: f64,
    /// Its weight within its pair: newest first, by value.
    pub pair: f64,
    /// What time has left of its good part.
    pub decay_good: f64,
    /// What time has left of its bad part; the same if it is of one half and better.
    pub decay_bad: f64,
    /// What it added to the score.
    pub contribution: f64,
}

/// How the walk comes to somebody.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Way {
    /// From where it starts to the rater, both included.
    pub agents: Vec<AgentId>,
    /// The share of its time that the walk spends there for having come this way.
    pub share: f64,
}

impl Standing<'_> {
    /// Why [`Standing::opinion`] says what it says; the `most` raters that moved it most are named. `None` if there is no opinion.
    pub fn explain(&self, subject: &AgentId, skill: Option<&Skill>, aspect: Aspect, most: usize) -> Option<Explained> {
        let book = self.model.book();
        let levels = levels(self, book.who(subject)?, skill, aspect, None, self.day);
        if levels.iter().all(|level| level.voices.is_empty()) {
            return None;
        }
        let n0 = self.model.params().n0;
        let opinion = judge_all(self, &levels, aspect);
        let mut mean = self.network().mean(aspect);
        let mut steps = vec![LevelShare { skill: None, network: true, mean, evidence: 0.0 }];
        for level in levels.get(1..).unwrap_or_default().iter().rev() {
            let sum = level.slow();
            mean = sum.mean(n0, mean);
            steps.push(LevelShare { skill: level.skill.clone(), network: false, mean, evidence: sum.whole() });
        }
        let asked = levels.first()?;
        let terms = Terms::of(&opinion, asked.slow(), asked.fast(), n0);
        let mut voices: Vec<(f64, &Voice<'_>)> = asked
            .voices
            .iter()
            .map(|voice| (voice.words.iter().map(|word| terms.term(word.slow, word.fast)).sum(), voice))
            .collect();
        voices.sort_by(|a, b| b.0.abs().total_cmp(&a.0.abs()));
        let others = voices.iter().skip(most).map(|(contribution, _)| contribution).sum();
        voices.truncate(most);
        let named: Vec<Who> = voices.iter().map(|(_, voice)| voice.rater).filter(|who| *who != self.place).collect();
        let mut paths = self.paths(&named);
        let raters = voices.into_iter().map(|(contribution, voice)| RaterShare {
            rater: book.agent(voice.rater).key,
            mass: self.mass(&book.agent(voice.rater).key),
            weight: voice.weight,
            evidence: voice.slow.whole(),
            contribution,
            ratings: voice
                .words
                .iter()
                .map(|word| {
                    let (decay_good, decay_bad) = self.model.weighing().aged(word.x, self.day - word.held.day);
                    RatingShare {
                        hire: word.held.hire,
                        rating: word.held.id,
                        skill: book.skill(word.held).clone(),
                        day: word.held.day,
                        edition: book.edition(word.held).clone(),
                        x: word.x,
                        pair: word.pair,
                        decay_good,
                        decay_bad,
                        contribution: terms.term(word.slow, word.fast),
                    }
                })
                .collect(),
            paths: paths.remove(&voice.rater).unwrap_or_default(),
        });
        Some(Explained {
            viewer: self.viewer,
            subject: *subject,
            skill: skill.cloned(),
            aspect,
            day: self.day,
            score: opinion.mean,
            low: opinion.low,
            prior: opinion.prior,
            levels: steps,
            guarded: opinion.fast.is_some_and(|fast| fast < opinion.slow),
            raters: raters.collect(),
            others,
            certificate: self.certificate(),
        })
    }

    /// The heaviest paths to each of these, without circles. Found best first, for whatever is longer is lighter; of the ways to
    /// an agent between, only the heaviest three are followed.
    fn paths(&self, to: &[Who]) -> BTreeMap<Who, Vec<Way>> {
        let (book, graph, params) = (self.model.book(), self.model.graph(), self.model.params());
        let mut found: BTreeMap<Who, Vec<Way>> = to.iter().map(|who| (*who, Vec::new())).collect();
        let known = |who: Who| (who as usize) < book.agents.len();
        let mut ahead: BinaryHeap<Ahead> = BinaryHeap::new();
        for (who, share) in self.starts.iter().filter(|(who, _)| known(*who)) {
            ahead.push(Ahead { share: *share, keys: vec![book.agent(*who).key], path: vec![*who] });
        }
        let mut visits: BTreeMap<Who, usize> = BTreeMap::new();
        let mut steps = 0;
        while let Some(Ahead { share, keys, path }) = ahead.pop() {
            let Some(last) = path.last().copied() else { continue };
            let visit = visits.entry(last).or_default();
            *visit += 1;
            if *visit > PATHS {
                continue;
            }
            if let Some(ways) = found.get_mut(&last).filter(|ways| ways.len() < PATHS) {
                // The walk stays with whom it has come to for a share `e` of what came.
                ways.push(Way { agents: keys.clone(), share: share * params.restart });
                if found.values().all(|ways| ways.len() >= PATHS) {
                    break;
                }
            }
            if path.len() > HOPS || steps > STEPS {
                continue;
            }
            for (next, part) in graph.row(last).parts(self.model.rules().smoothing) {
                steps += 1;
                if !path.contains(&next) && visits.get(&next).is_none_or(|visits| *visits < PATHS) {
                    let share = share * (1.0 - params.restart) * part;
                    let mut way = Ahead { share, keys: keys.clone(), path: path.clone() };
                    way.keys.push(book.agent(next).key);
                    way.path.push(next);
                    ahead.push(way);
                }
            }
        }
        found
    }
}

/// What one word does to the score: of `A / (A + B)`, with what it starts from taken off, each word's part is its own.
struct Terms {
    /// Where the slow score starts and what it is divided by, if it counts.
    slow: Option<(f64, f64)>,
    /// The same of the fast one: it starts from the slow one or from the prior.
    fast: Option<(f64, f64)>,
}

impl Terms {
    fn of(opinion: &Opinion, slow: Sum, fast: Sum, n0: f64) -> Self {
        let start = opinion.slow.max(opinion.prior);
        let guarded = opinion.fast.is_some_and(|fast| fast < opinion.slow);
        Self {
            slow: (!guarded || opinion.slow > opinion.prior).then_some((opinion.prior, n0 + slow.whole())),
            fast: guarded.then_some((start, n0 + fast.whole())),
        }
    }

    fn term(&self, slow: Sum, fast: Sum) -> f64 {
        let part = |sum: Sum, (from, whole): (f64, f64)| {
            if whole > 0.0 { ((1.0 - from) * sum.good - from * sum.bad) / whole } else { 0.0 }
        };
        self.slow.map_or(0.0, |start| part(slow, start)) + self.fast.map_or(0.0, |start| part(fast, start))
    }
}

/// A path under way: heavier first, then the lower keys.
#[derive(Debug, Clone, PartialEq)]
struct Ahead {
    share: f64,
    keys: Vec<AgentId>,
    path: Vec<Who>,
}

impl Eq for Ahead {}
impl PartialOrd for Ahead {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Ahead {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.share.total_cmp(&other.share).then_with(|| other.keys.cmp(&self.keys))
    }
}
