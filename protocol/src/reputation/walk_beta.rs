//! The model that is used: standing by a walk from the viewer, opinions by a Beta over what raters with standing have said.
//!
//! In: evidence, and who is watching. Out: standings, and by them opinions and explanations. It composes the book, the graph
//! and the walks, and keeps them in step.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

use super::book::{Book, Held, Which, Who, praises};
use super::bounds::Room;
use super::evidence::{About, Evidence};
use super::graph::{Graph, Ordered, Row, Rules, changes as row_changes};
use super::network::Said;
use super::opinion::Weighing;
use super::params::Params;
use super::standing::{Eyes, Off, Scale, Standing, shares, starts};
use super::walk::{Live, Reached, Restart, reach};
use crate::id::{AgentId, Id};
use crate::market::Rating;

/// What looking at a rating costs, in edges.
const WORD: usize = 8;
/// In the place of a number of changes: eyes that are somebody else's, or know less than their owner does.
const NEVER: u64 = u64::MAX;

/// Whose standings are kept up to date: a viewer, and the seeds with which its walk starts.
pub(super) type Watch = (AgentId, Vec<AgentId>);

/// Viewer-weighted Beta reputation over a walk.
#[derive(Debug, Clone)]
pub struct WalkBeta {
    params: Params,
    rules: Rules,
    restart: Restart,
    scale: Scale,
    weighing: Weighing,
    pub(super) book: Book,
    /// Of all that is held.
    graph: Graph,
    /// The same in the order of keys, from when it is first asked for until an edge changes.
    ordered: OnceLock<Ordered>,
    /// Days of which ratings are held, and how many.
    days: BTreeMap<u32, usize>,
    pub(super) watched: BTreeMap<Watch, Watched>,
    /// What raters have said, summed up as of one day; those that have said more since are left out.
    said: (u32, BTreeMap<Who, Said>),
    /// How often what is held has changed.
    changes: u64,
    /// What is to leave.
    pub(super) room: Room,
    /// For whom what is usual is being looked at, and whose words have still to be summed up for that.
    looking: Option<(Watch, Vec<Who>)>,
    /// Ratings that have left, with their subjects.
    pub(super) gone: Vec<(AgentId, Id<Rating>)>,
}

/// Standings that are kept up to date.
#[derive(Debug, Clone)]
pub(super) struct Watched {
    starts: Vec<(Who, u64)>,
    walk: Live,
    /// As of which day, and after how many changes; and the viewer's leniency.
    eyes: Option<(u32, u64, Eyes, f64)>,
}

impl Watched {
    pub(super) fn reached(&self) -> &Reached {
        self.walk.reached()
    }

    pub(super) fn is_settled(&self) -> bool {
        self.walk.is_settled()
    }

    /// Whether its walk has come to its end once: before, everybody looks like a stranger.
    pub(super) fn is_grown(&self) -> bool {
        self.walk.grown
    }
}

impl Default for WalkBeta {
    fn default() -> Self {
        Self::new(Params::default())
    }
}

impl WalkBeta {
    /// Holds nothing yet.
    pub fn new(params: Params) -> Self {
        Self {
            rules: Rules::new(&params),
            restart: Restart::new(params.restart),
            scale: Scale::new(&params),
            weighing: Weighing::new(&params),
            params,
            book: Book::default(),
            graph: Graph::default(),
            ordered: OnceLock::new(),
            days: BTreeMap::new(),
            watched: BTreeMap::new(),
            said: Default::default(),
            changes: 0,
            room: Room::default(),
            looking: None,
            gone: Vec::new(),
        }
    }

    /// Its constants.
    pub fn params(&self) -> &Params {
        &self.params
    }

    pub(super) fn book(&self) -> &Book {
        &self.book
    }

    pub(super) fn graph(&self) -> &Graph {
        &self.graph
    }

    pub(super) fn rules(&self) -> &Rules {
        &self.rules
    }

    pub(super) fn scale(&self) -> Scale {
        self.scale
    }

    pub(super) fn weighing(&self) -> &Weighing {
        &self.weighing
    }

    // ---- what is held ----

    /// Takes evidence in, signed or not; false if it changes nothing: held already, outranked for its hire and direction, of
    /// somebody about itself, praise of another of its principal's, or of less use than all that is held when there is no place.
    pub fn add(&mut self, about: About, evidence: &Evidence) -> bool {
        let same = self.book.same(&about.rater, &about.subject);
        if about.rater == about.subject || same && praises(&evidence.scores) {
            return false;
        }
        if let Some(which) = self.book.find(&about) {
            if self.book.get(which).rank() <= evidence.rank() {
                return false;
            }
            self.drop(which);
        }
        *self.days.entry(evidence.day).or_default() += 1;
        let (rater, touched) = self.book.insert(&about, evidence);
        self.change(rater, &touched);
        self.make_room(&about, evidence.id)
    }

    /// Takes evidence out again; whether it was held.
    pub fn remove(&mut self, about: &About) -> bool {
        let which = self.book.find(about);
        which.map(|which| self.take(which)).is_some()
    }

    /// Takes a rating out, and tells of it.
    pub(super) fn drop(&mut self, which: Which) {
        let held = self.book.get(which);
        self.gone.push((self.book.agent(held.subject).key, held.id));
        self.take(which);
    }

    fn take(&mut self, which: Which) {
        let Held { day, subject, .. } = *self.book.get(which);
        if let Some(count) = self.days.get_mut(&day) {
            *count -= 1;
            if *count == 0 {
                self.days.remove(&day);
            }
        }
        let (rater, touched) = self.book.remove(which);
        self.change(rater, &touched);
        self.forget(subject);
        self.forget(rater);
    }

    /// Forgets an agent that is of no use any longer. Whoever has its number next has no part in what the walks left with it,
    /// beyond what the certificate says.
    fn forget(&mut self, who: Who) {
        if self.book.forget(who) {
            self.room.strangers.remove(&who);
            for (_, _, eyes, _) in self.watched.values_mut().filter_map(|watched| watched.eyes.as_mut()) {
                eyes.distrusted.remove(&who);
            }
        }
    }

    /// Learns whose an agent says it is; of no use for one of which no rating is held. Praise among agents of one principal
    /// counts nothing, whenever it was said.
    pub fn belongs(&mut self, agent: AgentId, principal: Option<AgentId>) {
        let Some(who) = self.book.who(&agent) else { return };
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

    /// Looks at the edges from `rater` again; watched walks follow.
    fn change(&mut self, rater: Who, touched: &[Who]) {
        self.changes += 1;
        self.said.1.remove(&rater);
        // Whoever is deceived knows it at once: what a viewer says itself is looked at before anything else.
        let key = self.book.agent(rater).key;
        let own = self.watched.iter_mut().filter(|((viewer, _), _)| *viewer == key);
        own.filter_map(|(_, watched)| watched.eyes.as_mut()).for_each(|(_, at, ..)| *at = NEVER);
        let changed: Vec<(Who, u32)> = touched
            .iter()
            .map(|subject| (*subject, self.rules.edge(&self.book, self.book.pair(rater, *subject), u32::MAX)))
            .filter(|(subject, edge)| self.graph.row(rater).to(*subject) != *edge)
            .collect();
        if changed.is_empty() {
            return;
        }
        self.ordered.take();
        let former = (!self.watched.is_empty()).then(|| self.graph.row(rater).clone());
        for (subject, edge) in changed {
            self.graph.set(rater, subject, edge, &self.rules);
        }
        let changes = former.map(|former| row_changes(&former, self.graph.row(rater))).unwrap_or_default();
        for watched in self.watched.values_mut() {
            watched.walk.revise(rater, &changes, &self.graph);
        }
    }

    /// The day of the newest rating held.
    pub(super) fn latest(&self) -> u32 {
        self.days.last_key_value().map_or(0, |(day, _)| *day)
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

    /// Ratings by this agent in the order of their ids, after one of them: at most `limit`.
    pub fn ids_by(&self, rater: &AgentId, after: Option<Id<Rating>>, limit: usize) -> Vec<Id<Rating>> {
        let by = self.book.who(rater).map_or(&[][..], |who| &self.book.agent(who).by);
        let ids = by.iter().map(|which| self.book.get(*which).id);
        let mut ids: Vec<_> = ids.filter(|id| after.is_none_or(|after| *id > after)).collect();
        ids.sort_unstable();
        ids.truncate(limit);
        ids
    }

    /// How many ratings by this agent are held.
    pub fn count_by(&self, rater: &AgentId) -> usize {
        self.book.who(rater).map_or(0, |who| self.book.agent(who).by.len())
    }

    /// How often what is held, or who is watching, has changed.
    pub fn changes(&self) -> u64 {
        self.changes
    }

    // ---- who is watching ----

    /// Keeps the standings of this viewer, with these seeds, up to date from now on, for [`WalkBeta::live`].
    pub fn watch(&mut self, viewer: AgentId, seeds: &[AgentId]) {
        self.unwatch(&viewer, seeds);
        let place = self.book.know(viewer);
        let numbers: Vec<Who> = seeds.iter().map(|seed| self.book.know(*seed)).collect();
        self.changes += 1;
        let starts = starts(place, &numbers, self.params.seed_share);
        for (who, _) in &starts {
            self.book.agents[*who as usize].needed += 1;
        }
        let walk = Live::new(self.restart, self.params.live_bits, &self.graph, &starts);
        // Until it has eyes of its own it has those of the viewer's other walks.
        let eyes = self.watched.iter().find(|((who, _), _)| *who == viewer).and_then(|(_, other)| other.eyes.clone());
        let eyes = eyes.map(|(day, _, eyes, leniency)| (day, NEVER, eyes, leniency));
        self.watched.insert((viewer, seeds.to_vec()), Watched { starts, walk, eyes });
    }

    /// Whether it does.
    pub fn is_watched(&self, viewer: &AgentId, seeds: &[AgentId]) -> bool {
        self.watched.contains_key(&(*viewer, seeds.to_vec()))
    }

    /// Does not any longer.
    pub fn unwatch(&mut self, viewer: &AgentId, seeds: &[AgentId]) {
        let Some(watched) = self.watched.remove(&(*viewer, seeds.to_vec())) else { return };
        for (who, _) in watched.starts {
            self.book.agents[who as usize].needed -= 1;
            self.forget(who);
        }
    }

    /// Goes on with what is watched until about `budget` edges have been followed; whether there is more to do. What is usual
    /// in the network is looked at again when the day or one in thirty of what is held has changed, or the viewer has spoken.
    pub fn work(&mut self, day: u32, budget: usize) -> bool {
        let Some(left) = self.walk_on(budget) else { return true };
        let (changes, often) = (self.changes, self.len() as u64 / 30);
        !self.look(day, left / WORD, |then, at| then == day && at != NEVER && at + often >= changes)
    }

    /// Goes on with the walks; what is left of the budget, `None` if they are not at their end.
    fn walk_on(&mut self, budget: usize) -> Option<usize> {
        self.watched.values_mut().try_fold(budget, |left, watched| watched.walk.step(&self.graph, left))
    }

    /// Goes on until nothing is left to do.
    pub fn settle(&mut self, day: u32) {
        while self.work(day, usize::MAX) {}
        let changes = self.changes;
        self.look(day, usize::MAX, |then, at| (then, at) == (day, changes));
    }

    /// Renews the eyes of those that watch, unless they are `fresh`, until about `budget` ratings have been looked at; whether
    /// all are. What is summed up and then said anew, once more, is summed up when it is needed.
    fn look(&mut self, day: u32, mut budget: usize, fresh: impl Fn(u32, u64) -> bool) -> bool {
        let stale = |watched: &Watched| watched.eyes.as_ref().is_none_or(|(then, at, ..)| !fresh(*then, *at));
        while let Some(key) = self.watched.iter().find(|(_, watched)| stale(watched)).map(|(key, _)| key.clone()) {
            let mut raters = match self.looking.take().filter(|(of, _)| *of == key) {
                Some((_, raters)) => raters,
                None => self.live(&key.0, &key.1, day).map(|standing| standing.raters()).unwrap_or_default(),
            };
            while let Some(rater) = raters.pop() {
                let words = self.prepare(day, std::iter::once(rater));
                match budget.checked_sub(words) {
                    Some(left) => budget = left,
                    None => {
                        self.looking = Some((key, raters));
                        return false;
                    }
                }
            }
            // Made anew, not from what was seen before.
            let Some(mut standing) = self.live(&key.0, &key.1, day) else { return true };
            (standing.eyes, standing.leniency) = Default::default();
            let leniency = standing.leniency();
            let Some(eyes) = standing.eyes.into_inner().map(Cow::into_owned) else { return true };
            let changes = self.changes;
            self.room.strangers.clear();
            if let Some(watched) = self.watched.get_mut(&key) {
                watched.eyes = Some((day, changes, eyes, leniency));
            }
        }
        true
    }

    /// Sums up, once for all that ask, what everybody has said as of a day: standings of many viewers as of one day then cost
    /// a walk and little more.
    pub fn advance(&mut self, day: u32) {
        self.prepare(day, 0..self.book.agents.len() as Who);
    }

    /// Sums up what these have said; how many ratings that was.
    fn prepare(&mut self, day: u32, raters: impl Iterator<Item = Who>) -> usize {
        if self.said.0 != day {
            self.said = (day, BTreeMap::new());
        }
        let mut words = 0;
        for rater in raters {
            let by = self.book.agents.get(rater as usize).map_or(0, |agent| agent.by.len());
            if by > 0 && !self.said.1.contains_key(&rater) {
                self.said.1.insert(rater, Said::of(&self.book, &self.weighing, rater, day));
                words += by;
            }
        }
        words
    }

    /// What a rater has said, as of a day.
    pub(super) fn said(&self, rater: Who, day: u32) -> Cow<'_, Said> {
        match self.said.1.get(&rater).filter(|_| self.said.0 == day) {
            Some(said) => Cow::Borrowed(said),
            None => Cow::Owned(Said::of(&self.book, &self.weighing, rater, day)),
        }
    }

    /// Whom the walks of a viewer come to, the most massive first: whose ratings it would like to know. Without the viewer, and
    /// those whose word counts nothing.
    pub fn frontier(&self, viewer: &AgentId) -> Vec<AgentId> {
        let mut known: BTreeMap<AgentId, f64> = BTreeMap::new();
        let watched = self.watched.keys().filter(|(who, _)| who == viewer);
        for standing in watched.filter_map(|(viewer, seeds)| self.live(viewer, seeds, 0)) {
            for who in standing.raters() {
                let mass = known.entry(self.book.agent(who).key).or_default();
                *mass = mass.max(standing.share(who));
            }
        }
        known.remove(viewer);
        let mut all: Vec<(AgentId, f64)> = known.into_iter().collect();
        all.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        all.into_iter().map(|(agent, _)| agent).collect()
    }

    /// Whether an agent's word counts for this viewer, as far as is known now.
    pub fn is_heard(&self, viewer: &AgentId, rater: &AgentId) -> bool {
        let watched = self.watched.keys().filter(|(who, _)| who == viewer);
        watched.filter_map(|(viewer, seeds)| self.live(viewer, seeds, 0)).any(|standing| standing.weight(rater) > 0.0)
    }

    // ---- standings ----

    /// Everybody's standing with this viewer, provisional: within its certificate of [`WalkBeta::standing`] with the same seeds.
    /// `None` unless it is watched.
    pub fn live(&self, viewer: &AgentId, seeds: &[AgentId], day: u32) -> Option<Standing<'_>> {
        let watched = self.watched.get(&(*viewer, seeds.to_vec()))?;
        // What was usual yesterday will do until it has been looked at again.
        let seen = watched.eyes.as_ref().filter(|(then, ..)| *then == day || *then + 1 == day);
        Some(Standing {
            model: self,
            viewer: *viewer,
            place: self.book.who(viewer)?,
            starts: shares(&watched.starts),
            day,
            reached: Cow::Borrowed(watched.walk.reached()),
            off: Off::As(&watched.walk),
            eyes: seen.map_or_else(OnceCell::new, |(_, _, eyes, _)| OnceCell::from(Cow::Borrowed(eyes))),
            leniency: seen.map_or_else(OnceCell::new, |(.., leniency)| OnceCell::from(*leniency)),
        })
    }

    /// Everybody's standing with this viewer, as of a UTC day, from scratch: the same evidence gives the same bits, in whatever
    /// order it came, on any machine. Costs a walk over everybody it reaches.
    pub fn standing(&self, viewer: &AgentId, seeds: &[AgentId], day: u32) -> Standing<'_> {
        let later = self.days.last_key_value().is_some_and(|(last, _)| *last > day);
        let graph = if later {
            Cow::Owned(Ordered::new(&Graph::of(&self.book, &self.rules, day), &self.book))
        } else {
            Cow::Borrowed(self.ordered.get_or_init(|| Ordered::new(&self.graph, &self.book)))
        };
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
        let starts = starts(who, &seeds, self.params.seed_share);
        let (reached, certificate) = reach(&graph, agents, self.restart, self.params.bits, &starts);
        Standing {
            model: self,
            viewer: *viewer,
            place: who,
            day,
            starts: shares(&starts),
            reached: Cow::Owned(reached),
            off: Off::By(certificate),
            eyes: OnceCell::new(),
            leniency: OnceCell::new(),
        }
    }
}
