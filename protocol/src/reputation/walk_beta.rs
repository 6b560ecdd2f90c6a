//! The model that is used: standing by a walk from the viewer, opinions by a Beta over what raters with standing have said.
//!
//! In: evidence, and who is watching. Out: standings, opinions, explanations. It composes the book, the graph and the walks,
//! and keeps them in step.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use super::book::{Book, Held, Who};
use super::evidence::{About, Evidence};
use super::graph::{Graph, Row, Rules};
use super::params::Params;
use super::standing::{Scale, Standing, starts};
use super::walk::{Live, Restart, reach};
use crate::id::AgentId;

/// Viewer-weighted Beta reputation over a walk.
#[derive(Debug, Clone)]
pub struct WalkBeta {
    params: Params,
    rules: Rules,
    restart: Restart,
    scale: Scale,
    book: Book,
    /// Of all that is held.
    graph: Graph,
    /// The latest day of which a rating is held, and how many are.
    days: BTreeMap<u32, usize>,
    live: BTreeMap<AgentId, Live>,
}

impl WalkBeta {
    /// Holds nothing yet.
    pub fn new(params: Params) -> Self {
        Self {
            rules: Rules::new(&params),
            restart: Restart::new(params.restart),
            scale: Scale::new(&params),
            params,
            book: Book::default(),
            graph: Graph::default(),
            days: BTreeMap::new(),
            live: BTreeMap::new(),
        }
    }

    /// Its constants.
    pub fn params(&self) -> &Params {
        &self.params
    }

    pub(super) fn book(&self) -> &Book {
        &self.book
    }

    pub(super) fn scale(&self) -> Scale {
        self.scale
    }

    /// Takes evidence in, signed or not; false if it changes nothing: held already, outranked for its hire and direction, or
    /// of somebody about itself or another of its principal's.
    pub fn add(&mut self, about: About, evidence: &Evidence) -> bool {
        if self.book.same(&about.rater, &about.subject) {
            return false;
        }
        if let Some(which) = self.book.find(&about) {
            if self.book.get(which).rank() <= evidence.rank() {
                return false;
            }
            self.remove(&about);
        }
        *self.days.entry(evidence.day).or_default() += 1;
        let (rater, touched) = self.book.insert(&about, evidence);
        self.change(rater, &touched);
        true
    }

    /// Takes evidence out again; whether it was held.
    pub fn remove(&mut self, about: &About) -> bool {
        let Some(which) = self.book.find(about) else { return false };
        let day = self.book.get(which).day;
        if let Some(count) = self.days.get_mut(&day) {
            *count -= 1;
            if *count == 0 {
                self.days.remove(&day);
            }
        }
        let (rater, touched) = self.book.remove(which);
        self.change(rater, &touched);
        true
    }

    /// Learns whose an agent is. Agents of one principal are one: what they say of each other counts nothing, whenever it was
    /// said.
    pub fn belongs(&mut self, agent: AgentId, principal: Option<AgentId>) {
        let who = self.book.know(agent);
        if std::mem::replace(&mut self.book.agents[who as usize].principal, principal) == principal {
            return;
        }
        let by = self.book.agent(who).by.iter().map(|which| (who, self.book.get(*which).subject));
        let of = self.book.raters(who).map(|(rater, _)| (rater, who));
        let pairs: BTreeSet<(Who, Who)> = by.chain(of).collect();
        for (rater, subject) in pairs {
            self.change(rater, &[subject]);
        }
    }

    /// Looks at the edges from `rater` again; live walks follow.
    fn change(&mut self, rater: Who, touched: &[Who]) {
        let former: Vec<Who> = self.graph.row(rater).edges.iter().map(|edge| edge.to).collect();
        for live in self.live.values_mut() {
            live.take_back(rater, self.graph.row(rater));
        }
        for subject in touched {
            self.graph.refresh(&self.book, &self.rules, rater, *subject);
        }
        for live in self.live.values_mut() {
            live.give_again(rater, self.graph.row(rater), &former);
        }
    }

    /// How many ratings are held.
    pub fn len(&self) -> usize {
        self.book.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Everything held, in the order of subject, rater and hire.
    pub fn evidence(&self) -> impl Iterator<Item = (About, Evidence)> {
        self.book.all().map(|held: &Held| self.book.evidence(held))
    }

    /// Edges of the graph: from whom to whom, and which part of what the first passes on. What is left over goes back to where
    /// the walk starts.
    pub fn edges(&self) -> impl Iterator<Item = (AgentId, AgentId, f64)> {
        let key = |who: Who| self.book.agent(who).key;
        let of = move |(from, row): (Who, &'_ Row)| {
            row.parts(self.rules.smoothing).map(move |(to, part)| (key(from), key(to), part)).collect::<Vec<_>>()
        };
        self.graph.rows().flat_map(of)
    }

    /// Keeps this viewer's standings up to date from now on, for [`WalkBeta::live`].
    pub fn watch(&mut self, viewer: AgentId, seeds: &[AgentId]) {
        let who = self.book.know(viewer);
        let seeds: Vec<Who> = seeds.iter().map(|seed| self.book.know(*seed)).collect();
        self.live.insert(viewer, Live::new(self.restart, &starts(who, &seeds, self.params.seed_share)));
    }

    /// Does not any longer.
    pub fn unwatch(&mut self, viewer: &AgentId) {
        self.live.remove(viewer);
    }

    /// Goes on with live walks until about `budget` edges have been followed; whether there is more to do.
    pub fn work(&mut self, mut budget: usize) -> bool {
        for live in self.live.values_mut() {
            match live.step(&self.graph, budget) {
                Some(left) => budget = left,
                None => return true,
            }
        }
        false
    }

    /// Goes on until nothing is left to do.
    pub fn settle(&mut self) {
        while self.work(usize::MAX) {}
    }

    /// Everybody's standing with this viewer, provisional: within its certificate of [`WalkBeta::standing`]. `None` unless it
    /// is watched.
    pub fn live(&self, viewer: &AgentId) -> Option<Standing<'_>> {
        let live = self.live.get(viewer)?;
        Some(Standing {
            model: self,
            viewer: *viewer,
            place: self.book.who(viewer)?,
            reached: Cow::Borrowed(live.reached()),
        })
    }

    /// Everybody's standing with this viewer, as of a UTC day, from scratch: the same evidence gives the same bits, in whatever
    /// order it came, on any machine. Costs a walk over everybody it reaches.
    pub fn standing(&self, viewer: &AgentId, seeds: &[AgentId], day: u32) -> Standing<'_> {
        let later = self.days.last_key_value().is_some_and(|(last, _)| *last > day);
        let graph =
            if later { Cow::Owned(Graph::of(&self.book, &self.rules, day)) } else { Cow::Borrowed(&self.graph) };
        // Who is not known yet has a place of its own after all others: a walk starts there and finds nothing.
        let mut agents = self.book.agents.len();
        let mut place = |agent: &AgentId| {
            self.book.who(agent).unwrap_or_else(|| {
                agents += 1;
                agents as Who - 1
            })
        };
        let who = place(viewer);
        let seeds: Vec<Who> = seeds.iter().map(place).collect();
        let reached = reach(&graph, agents, self.restart, &starts(who, &seeds, self.params.seed_share));
        Standing { model: self, viewer: *viewer, place: who, reached: Cow::Owned(reached) }
    }
}
