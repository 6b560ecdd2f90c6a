//! What this node thinks of others, and why: answered by what it holds, for its own eyes and through its pinned seeds.

use std::collections::{BTreeMap, BTreeSet};

use crate::id::AgentId;
use crate::limits;
use crate::market::Skill;
use crate::peer::Peer;
use crate::peer::io::{NoView, RatingRow, ReputationView, SeedRow, Sight};
use crate::peer::query::Explain;
use crate::reputation::explain::Explained;
use crate::reputation::{Aspect, Columns, Edition, Evidence, Model as _};
use crate::time::Timestamp;
use crate::untrusted::Untrusted;

impl Peer {
    pub(super) fn seed_row(&self, agent: &AgentId) -> SeedRow {
        SeedRow {
            agent: *agent,
            name: self.directory.manifest_of(agent).map(|manifest| Untrusted::from(&manifest.name)),
            ratings: self.reputation.count_by(agent),
        }
    }

    pub(super) fn explain(&self, now: Timestamp, query: &Explain) -> Option<Explained> {
        let Explain { agent, ref skill, aspect, pinned } = *query;
        if pinned && self.durable.seeds().is_empty() {
            return None;
        }
        let seeds = if pinned { Vec::from_iter(self.durable.seeds().iter().copied()) } else { Vec::new() };
        // For the record: from scratch, as anybody with the same ratings would find it.
        let standing = self.reputation.standing(&self.agent(), &seeds, now.day());
        standing.explain(&agent, skill.as_ref(), aspect, limits::EXPLAINED_RATERS)
    }

    pub(super) fn reputation_of(&self, now: Timestamp, agent: AgentId, skill: Option<&Skill>) -> ReputationView {
        let (me, day) = (self.agent(), now.day());
        let covered = |held: &Evidence| skill.is_none_or(|skill| skill.covers(&held.skill));
        let mut ratings = self.reputation.ratings_of(&agent, usize::MAX);
        ratings.retain(|(_, held)| covered(held));
        ratings.truncate(limits::RATINGS_LISTED);
        let rated = ratings.iter().map(|(_, held)| &held.skill);
        let skills: BTreeSet<&Skill> = skill.into_iter().chain(rated).collect();
        let at = |skill: &Skill| (skill.to_string(), self.reputation.view(&me, &agent, Some(skill), day));
        let skills: BTreeMap<String, Columns> = skills.into_iter().map(at).collect();
        let overall = self.reputation.view(&me, &agent, None, day);
        let manifest = self.directory.manifest_of(&agent);
        let edition = manifest.map(|manifest| Edition {
            model: manifest.model.as_ref().map(Untrusted::from),
            version: Some(Untrusted::from(&manifest.version)),
        });
        ReputationView {
            agent,
            name: manifest.map(|manifest| Untrusted::from(&manifest.name)),
            changed: self.reputation.changed(&me, &agent, edition.as_ref(), skill, day),
            edition: edition.unwrap_or_default(),
            no_view: self.no_view(now, &agent, skill.and_then(|skill| skills.get(skill.as_str())).unwrap_or(&overall)),
            overall,
            skills,
            ratings: ratings
                .iter()
                .map(|(about, held)| RatingRow {
                    hire: about.hire,
                    by: about.rater,
                    skill: held.skill.clone(),
                    day: held.day,
                    scores: held.scores,
                    agreed: held.agreed.is_some(),
                    worked: held.worked,
                    edition: held.edition.clone(),
                })
                .collect(),
        }
    }

    pub(super) fn sight(&self, now: Timestamp) -> Sight {
        let me = self.agent();
        let eyes = self.reputation.best_eyes_of(&me, now.day());
        Sight {
            seeds: self.durable.seeds().len(),
            raters: eyes.voices().filter(|(agent, _)| *agent != me).count(),
            settled: self.reputation.is_settled(),
            certificate: eyes.certificate(),
        }
    }

    /// Why there is no view of an agent.
    pub(super) fn no_view(&self, now: Timestamp, agent: &AgentId, columns: &Columns) -> Option<NoView> {
        if columns.mine.is_some() || columns.pinned.is_some() {
            return None;
        }
        Some(if self.reputation.count_by(&self.agent()) == 0 && self.durable.seeds().is_empty() {
            NoView::NoHistory
        } else if self.reputation.count(agent) == 0 {
            NoView::Newcomer
        } else {
            let eyes = self.reputation.best_eyes_of(&self.agent(), now.day());
            let anything = eyes.opinion(agent, None, Aspect::Overall);
            anything.map_or(NoView::Strangers, |_| NoView::NotAtThis)
        })
    }
}
