//! Whether what is thought of an agent is of what it is now: a worker may put another model behind its name.
//!
//! In: ratings with what they judged, and what the agent names now. Out: how many judged something else, and what was found
//! since. Nothing is discounted for it: whoever changes its model for a better one is judged by its work like everybody else,
//! and whoever reads this decides what the rest is worth.

use serde::{Deserialize, Serialize};

use super::book::Held;
use super::evidence::{Aspect, Edition, SCORE};
use super::walk_beta::WalkBeta;
use crate::id::AgentId;
use crate::limits;
use crate::market::Skill;

/// Ratings of an agent's work that judged something else than what stands behind it now.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Changed {
    /// What is behind it now: as its manifest says, or else the newest rating.
    pub now: Edition,
    /// Ratings of its work that say what they judged.
    pub ratings: usize,
    /// Of those, the ones that judged something else.
    pub earlier: usize,
    /// What that was, the last judged first; `limits::EDITIONS` at most.
    pub before: Vec<Edition>,
    /// The others.
    pub since: Since,
}

/// Ratings that judged what there is now.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Since {
    /// How many are held.
    pub ratings: usize,
    /// Of those, by raters whose word counts: through the pinned seeds, if there are any.
    pub heard: usize,
    /// The mean of what these say, each by how much its rater's word counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub score: Option<f64>,
}

impl WalkBeta {
    /// Whether ratings of `subject`'s work (at `skill` and below, with one) judged something else than `now`. `None` if none did.
    pub fn changed(
        &self,
        viewer: &AgentId,
        subject: &AgentId,
        now: Option<&Edition>,
        skill: Option<&Skill>,
        day: u32,
    ) -> Option<Changed> {
        let book = self.book();
        let covered = |skill: &Skill, held: &Held| skill.covers(book.skill(held));
        let known = |edition: &Edition| !edition.is_unknown();
        let mut newest: Vec<&Held> = self.held_of(subject).filter(|held| held.day <= day && held.worked()).collect();
        newest.retain(|held| known(book.edition(held)) && skill.is_none_or(|skill| covered(skill, held)));
        newest.sort_unstable_by_key(|held| held.newest());
        let now = now.filter(|now| known(now)).or_else(|| newest.first().map(|held| book.edition(held)))?;
        let (since, earlier): (Vec<&Held>, Vec<&Held>) =
            newest.iter().copied().partition(|held| book.edition(held) == now);
        if earlier.is_empty() {
            return None;
        }
        let mut before: Vec<Edition> = Vec::new();
        for edition in earlier.iter().map(|held| book.edition(held)) {
            if before.len() < limits::EDITIONS && !before.contains(edition) {
                before.push(edition.clone());
            }
        }
        let eyes = self.best_eyes_of(viewer, day);
        let said = since.iter().filter_map(|held| {
            let weight = eyes.voice_of(held.rater);
            Some((weight, f64::from(held.score(Aspect::Overall)?) / f64::from(SCORE))).filter(|_| weight > 0.0)
        });
        let said: Vec<(f64, f64)> = said.collect();
        let whole: f64 = said.iter().map(|(weight, _)| weight).sum();
        Some(Changed {
            now: now.clone(),
            ratings: newest.len(),
            earlier: earlier.len(),
            before,
            since: Since {
                ratings: since.len(),
                heard: said.len(),
                score: (whole > 0.0).then(|| said.iter().map(|(weight, x)| weight * x).sum::<f64>() / whole),
            },
        })
    }
}
