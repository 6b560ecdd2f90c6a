//! The ratings held, compactly: who is who, what is about whom, what is by whom, and what each hire was worth to its rater.
//!
//! In: evidence. Out: the same in the orders in which it is asked for. Agents, skills and editions are kept once and named by
//! a number that means nothing outside: no result may depend on these numbers, for they follow arrival. What must never
//! happen: that what is held grows beyond its bound, or that two hold the same and say different things.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use super::evidence::{About, Aspect, Edition, Evidence, SCORE};
use crate::hire::HireId;
use crate::id::{AgentId, Id};
use crate::market::{Outcome, Rating, Scores, Skill};
use crate::time::Millis;

/// An agent's number.
pub(super) type Who = u32;
/// A rating's number.
pub(super) type Which = u32;

/// A rating as it is held: 100 bytes.
#[derive(Debug, Clone)]
pub(super) struct Held {
    pub(super) id: Id<Rating>,
    pub(super) hire: HireId,
    pub(super) subject: Who,
    pub(super) rater: Who,
    skill: u32,
    edition: u32,
    pub(super) day: u32,
    took: u32,
    scores: [u16; 4],
    pub(super) value: u8,
    /// The median value of what its rater had rated up to it, itself included.
    typical: u8,
    agreed: Option<Outcome>,
    flags: u8,
}

const NONE: u16 = u16::MAX;
const SEALED: u8 = 1;
const WORKED: u8 = 2;
impl Held {
    pub(super) fn scores(&self) -> Scores {
        let [accuracy, quality, speed, communication] = self.scores.map(|score| (score != NONE).then_some(score));
        Scores { speed, quality, accuracy, communication }
    }

    pub(super) fn score(&self, aspect: Aspect) -> Option<u32> {
        aspect.score(&self.scores())
    }

    pub(super) fn worked(&self) -> bool {
        self.flags & WORKED != 0
    }

    pub(super) fn agreed(&self) -> Option<(Outcome, Millis)> {
        self.agreed.map(|outcome| (outcome, Millis(u64::from(self.took))))
    }

    pub(super) fn rank(&self) -> (bool, Id<Rating>) {
        (self.flags & SEALED == 0, self.id)
    }

    /// Newest first: the order in which a pair is discounted.
    pub(super) fn newest(&self) -> Reverse<(u32, Id<Rating>)> {
        Reverse((self.day, self.id))
    }

    /// What the hire was worth, beside what its rater usually pays or is paid: 65536 for that and more.
    pub(super) fn worth(&self) -> u32 {
        match (self.value, self.typical) {
            (value, typical) if value >= typical => 1 << 16,
            (value, typical) => (u32::from(value) << 16) / u32::from(typical),
        }
    }
}

/// What is known of an agent.
#[derive(Debug, Clone)]
pub(super) struct Agent {
    pub(super) key: AgentId,
    /// Whose it is, if that is known.
    pub(super) principal: Option<AgentId>,
    /// Ratings of it, by rater and hire.
    pub(super) of: Vec<Which>,
    /// Ratings by it, by day and id.
    pub(super) by: Vec<Which>,
    /// By how many that watch it is needed, whatever is held.
    pub(super) needed: u32,
}

impl Agent {
    fn owner(&self) -> AgentId {
        self.principal.unwrap_or(self.key)
    }
}

/// Whether scores are of good work.
pub(super) fn praises(scores: &Scores) -> bool {
    Aspect::Overall.score(scores).is_some_and(|score| 2 * score >= SCORE)
}

/// All that is held.
#[derive(Debug, Default, Clone)]
pub(super) struct Book {
    held: Vec<Held>,
    free: Vec<Which>,
    pub(super) agents: Vec<Agent>,
    numbers: BTreeMap<AgentId, Who>,
    /// Numbers of agents that have been forgotten, for others.
    vacant: Vec<Who>,
    skills: Names<Skill>,
    editions: Names<Edition>,
}

/// Values that are kept once, as long as somebody uses them.
#[derive(Debug, Clone)]
struct Names<T> {
    /// With how many use each.
    all: Vec<(T, u32)>,
    numbers: BTreeMap<T, u32>,
    free: Vec<u32>,
}

impl<T> Default for Names<T> {
    fn default() -> Self {
        Self { all: Vec::new(), numbers: BTreeMap::new(), free: Vec::new() }
    }
}

impl<T: Ord + Clone> Names<T> {
    /// The number of a value, which one more uses from now on.
    fn take(&mut self, value: &T) -> u32 {
        if let Some(number) = self.numbers.get(value) {
            self.all[*number as usize].1 += 1;
            return *number;
        }
        let number = match self.free.pop() {
            Some(number) => {
                self.all[number as usize] = (value.clone(), 1);
                number
            }
            None => {
                self.all.push((value.clone(), 1));
                u32::try_from(self.all.len() - 1).unwrap_or(u32::MAX)
            }
        };
        self.numbers.insert(value.clone(), number);
        number
    }

    /// One uses it no longer.
    fn give_back(&mut self, number: u32) {
        let (value, uses) = &mut self.all[number as usize];
        *uses -= 1;
        if *uses == 0 {
            self.numbers.remove(value);
            self.free.push(number);
        }
    }
}

impl Book {
    pub(super) fn len(&self) -> usize {
        self.held.len() - self.free.len()
    }

    pub(super) fn get(&self, which: Which) -> &Held {
        &self.held[which as usize]
    }

    pub(super) fn who(&self, agent: &AgentId) -> Option<Who> {
        self.numbers.get(agent).copied()
    }

    pub(super) fn agent(&self, who: Who) -> &Agent {
        &self.agents[who as usize]
    }

    /// Agents with their numbers, in the order of their keys.
    pub(super) fn in_order(&self) -> impl Iterator<Item = (&AgentId, Who)> {
        self.numbers.iter().map(|(agent, who)| (agent, *who))
    }

    /// The number of an agent, which it has from now on.
    pub(super) fn know(&mut self, agent: AgentId) -> Who {
        if let Some(who) = self.who(&agent) {
            return who;
        }
        let new = Agent { key: agent, principal: None, of: Vec::new(), by: Vec::new(), needed: 0 };
        let who = match self.vacant.pop() {
            Some(who) => {
                self.agents[who as usize] = new;
                who
            }
            None => {
                self.agents.push(new);
                Who::try_from(self.agents.len() - 1).unwrap_or(Who::MAX)
            }
        };
        self.numbers.insert(agent, who);
        who
    }

    /// Forgets an agent that nothing is held of and nobody needs; another may have its number. Whether it did.
    pub(super) fn forget(&mut self, who: Who) -> bool {
        let agent = self.agent(who);
        let unused = agent.of.is_empty() && agent.by.is_empty() && agent.needed == 0;
        // Of both sides of a rating one may be forgotten twice.
        let known = unused && self.numbers.get(&agent.key) == Some(&who);
        if known {
            let key = agent.key;
            self.numbers.remove(&key);
            self.vacant.push(who);
        }
        known
    }

    /// Numbers that nobody has.
    pub(super) fn vacant(&self) -> &[Who] {
        &self.vacant
    }

    /// How many agents are known.
    #[cfg(test)]
    pub(super) fn known(&self) -> usize {
        self.numbers.len()
    }

    pub(super) fn skill(&self, held: &Held) -> &Skill {
        &self.skills.all[held.skill as usize].0
    }

    pub(super) fn edition(&self, held: &Held) -> &Edition {
        &self.editions.all[held.edition as usize].0
    }

    /// Where a rating of `subject` by `rater` for `hire` is or would be.
    fn place(&self, subject: Who, rater: &AgentId, hire: &HireId) -> Result<usize, usize> {
        self.agent(subject).of.binary_search_by(|which| {
            let held = self.get(*which);
            (&self.agent(held.rater).key, &held.hire).cmp(&(rater, hire))
        })
    }

    pub(super) fn find(&self, about: &About) -> Option<Which> {
        let subject = self.who(&about.subject)?;
        let at = self.place(subject, &about.rater, &about.hire).ok()?;
        self.agent(subject).of.get(at).copied()
    }

    /// Whether this is a rating that is held, not the place of one that was.
    pub(super) fn holds(&self, which: Which) -> bool {
        self.held.get(which as usize).is_some_and(|held| {
            let at = self.place(held.subject, &self.agent(held.rater).key, &held.hire);
            at.is_ok_and(|at| self.agent(held.subject).of.get(at) == Some(&which))
        })
    }

    /// Ratings of `subject` by `rater`.
    pub(super) fn pair(&self, rater: Who, subject: Who) -> &[Which] {
        let (key, of) = (&self.agent(rater).key, &self.agent(subject).of);
        let key_of = |which: &Which| &self.agent(self.get(*which).rater).key;
        let start = of.partition_point(|which| key_of(which) < key);
        let end = start + of[start..].partition_point(|which| key_of(which) == key);
        &of[start..end]
    }

    /// Ratings of `subject`, each rater's together, raters in the order of their keys.
    pub(super) fn raters(&self, subject: Who) -> impl Iterator<Item = (Who, &[Which])> {
        let of = &self.agent(subject).of[..];
        of.chunk_by(|a, b| self.get(*a).rater == self.get(*b).rater)
            .filter_map(|group| Some((self.get(*group.first()?).rater, group)))
    }

    /// What an agent has said, newest first, dated by `day`: of each subject together, subjects in the order of their keys.
    /// Leaves out what counts nothing.
    pub(super) fn said(&self, rater: Who, day: u32) -> Vec<(Who, Vec<&Held>)> {
        let mut pairs: BTreeMap<Who, Vec<&Held>> = BTreeMap::new();
        for held in self.agent(rater).by.iter().rev().map(|which| self.get(*which)).filter(|held| held.day <= day) {
            if self.counts(held) {
                pairs.entry(held.subject).or_default().push(held);
            }
        }
        let mut pairs: Vec<_> = pairs.into_iter().collect();
        // Numbers follow arrival: sums are made in the order of keys.
        pairs.sort_unstable_by_key(|(subject, _)| self.agent(*subject).key);
        pairs
    }

    /// Puts a rating in, which must not be held; returns the subjects whose edges from its rater change.
    pub(super) fn insert(&mut self, about: &About, evidence: &Evidence) -> (Who, Vec<Who>) {
        let (rater, subject) = (self.know(about.rater), self.know(about.subject));
        let Scores { speed, quality, accuracy, communication } = evidence.scores;
        let flag = |flag, set| if set { flag } else { 0 };
        let held = Held {
            id: evidence.id,
            hire: about.hire,
            subject,
            rater,
            skill: self.skills.take(&evidence.skill),
            edition: self.editions.take(&evidence.edition),
            day: evidence.day,
            took: evidence.agreed.map_or(0, |(_, took)| u32::try_from(took.0).unwrap_or(u32::MAX)),
            scores: [accuracy, quality, speed, communication].map(|score| score.unwrap_or(NONE)),
            value: evidence.value,
            typical: evidence.value,
            agreed: evidence.agreed.map(|(outcome, _)| outcome),
            flags: flag(SEALED, evidence.sealed) | flag(WORKED, evidence.worked),
        };
        let date = (held.day, held.id);
        let which = match self.free.pop() {
            Some(which) => {
                self.held[which as usize] = held;
                which
            }
            None => {
                self.held.push(held);
                Which::try_from(self.held.len() - 1).unwrap_or(Which::MAX)
            }
        };
        let (Ok(at) | Err(at)) = self.place(subject, &about.rater, &about.hire);
        self.agents[subject as usize].of.insert(at, which);
        let at = self.agent(rater).by.partition_point(|which| {
            let held = self.get(*which);
            (held.day, held.id) < date
        });
        self.agents[rater as usize].by.insert(at, which);
        let mut touched = self.weigh(rater, at);
        touched.push(subject);
        touched.sort_unstable();
        touched.dedup();
        (rater, touched)
    }

    /// Takes a rating out; returns what [`Book::insert`] does.
    pub(super) fn remove(&mut self, which: Which) -> (Who, Vec<Who>) {
        let Held { subject, rater, hire, skill, edition, .. } = *self.get(which);
        self.skills.give_back(skill);
        self.editions.give_back(edition);
        let key = self.agent(rater).key;
        if let Ok(at) = self.place(subject, &key, &hire) {
            self.agents[subject as usize].of.remove(at);
        }
        let mut touched = Vec::new();
        if let Some(at) = self.agent(rater).by.iter().position(|other| *other == which) {
            self.agents[rater as usize].by.remove(at);
            touched = self.weigh(rater, at);
        }
        self.free.push(which);
        touched.push(subject);
        touched.sort_unstable();
        touched.dedup();
        (rater, touched)
    }

    /// Finds what is usual for a rater anew, from its rating number `from` on; returns the subjects for whom that changes
    /// something.
    ///
    /// Usual is the median **up to** each rating, not of all: a later hire must not change what an earlier one counted, or a
    /// refusal could lift somebody by making another's praise look dear.
    fn weigh(&mut self, rater: Who, from: usize) -> Vec<Who> {
        // Buckets are numbers of binary digits: 64 and "more" at most.
        let mut counts = [0u32; 66];
        let mut touched = Vec::new();
        for n in 0..self.agent(rater).by.len() {
            let which = self.agent(rater).by[n] as usize;
            let held = &mut self.held[which];
            counts[usize::from(held.value).min(65)] += 1;
            if n < from {
                continue;
            }
            // The lower median: the value number n / 2 of n + 1.
            let mut before = 0;
            let typical = counts.iter().position(|count| {
                before += *count as usize;
                before > n / 2
            });
            let typical = typical.unwrap_or(0) as u8;
            if std::mem::replace(&mut held.typical, typical) != typical {
                touched.push(held.subject);
            }
        }
        touched
    }

    pub(super) fn evidence(&self, held: &Held) -> (About, Evidence) {
        let about = About { subject: self.agent(held.subject).key, rater: self.agent(held.rater).key, hire: held.hire };
        let evidence = Evidence {
            id: held.id,
            skill: self.skill(held).clone(),
            day: held.day,
            scores: held.scores(),
            value: held.value,
            agreed: held.agreed(),
            sealed: held.flags & SEALED != 0,
            worked: held.worked(),
            edition: self.edition(held).clone(),
        };
        (about, evidence)
    }

    /// Whether these two are one and the same, or say that they belong to the same.
    pub(super) fn same(&self, a: &AgentId, b: &AgentId) -> bool {
        let owner = |key: &AgentId| self.who(key).map_or(*key, |who| self.agent(who).owner());
        a == b || owner(a) == owner(b)
    }

    /// Whether a rating counts for anything. Praise within one house does not. Blame does: whose house somebody is of is its own
    /// word, and nobody may get rid of a bad rating by moving in with the rater.
    pub(super) fn counts(&self, held: &Held) -> bool {
        let (rater, subject) = (self.agent(held.rater), self.agent(held.subject));
        rater.owner() != subject.owner() || !praises(&held.scores())
    }

    /// Everything, by subject, rater and hire.
    pub(super) fn all(&self) -> impl Iterator<Item = &Held> {
        self.in_order().flat_map(|(_, who)| self.agent(who).of.iter().map(|which| self.get(*which)))
    }
}
