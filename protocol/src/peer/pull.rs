//! Ratings of others: pulled by interest, never taken unasked.
//!
//! In: news that a rating has opened, manifests of agents that were not in the directory before, whom the walk of reputation
//! comes to, ratings that were asked for. Out: requests, a few at a time, and what is worth keeping: words of raters that
//! count here, and about agents that matter here. What must never happen: that words of strangers fill the
//! store, or that anybody makes this peer ask without end.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::Peer;
use super::io::{Outbox, Output, Wanted};
use crate::codec::List;
use crate::gossip::Verdict;
use crate::id::{AgentId, Bytes32};
use crate::limits;
use crate::market::{News, Opened, Rating, Skill};
use crate::record::Verified;
use crate::reputation::Model as _;
use crate::time::Timestamp;

/// What is asked, of whom, and for how many more pages. Soft.
#[derive(Debug, Default)]
pub(super) struct Pull {
    waiting: VecDeque<(AgentId, Wanted, u32)>,
    /// The same, to hold nothing twice.
    queued: BTreeSet<(AgentId, Wanted)>,
    asked: BTreeMap<(AgentId, Wanted), u32>,
    /// News heard of each rater since the moment it is counted from.
    heard: BTreeMap<AgentId, (Timestamp, usize)>,
    /// Whom the walk has come to, and when it was asked for the ratings it gave.
    reached: BTreeMap<AgentId, Timestamp>,
    /// Those that did not serve them. They are asked again when a link to them is up.
    away: BTreeSet<AgentId>,
    /// Members of my rooms, the one met last at the end.
    near: VecDeque<AgentId>,
    /// How much had changed when this was looked at.
    seen: u64,
}

impl Pull {
    /// Whether what is held has changed since it was looked at whom the walk reaches.
    pub(super) fn is_behind(&self, changes: u64) -> bool {
        self.seen != changes
    }

    fn want(&mut self, of: AgentId, wanted: Wanted, pages: u32) {
        let key = (of, wanted);
        if self.waiting.len() < limits::RATING_QUEUE
            && !self.asked.contains_key(&key)
            && self.queued.insert(key.clone())
        {
            self.waiting.push_back((key.0, key.1, pages));
        }
    }

    /// A member of one of my rooms: it may hold what others have said.
    pub(super) fn meet(&mut self, agent: AgentId) {
        self.near.retain(|near| *near != agent);
        self.near.push_back(agent);
        if self.near.len() > limits::NEAR {
            self.near.pop_front();
        }
    }

    /// Counts a piece of news; whether there was not too much of this rater.
    fn count(&mut self, now: Timestamp, rater: AgentId) -> bool {
        if self.heard.len() >= limits::NEWS_RATERS && !self.heard.contains_key(&rater) {
            self.heard.retain(|_, (since, _)| *since + limits::NEWS_LIFE > now);
            if self.heard.len() >= limits::NEWS_RATERS {
                return false;
            }
        }
        let (since, count) = self.heard.entry(rater).or_insert((now, 0));
        if *since + limits::NEWS_LIFE <= now {
            (*since, *count) = (now, 0);
        }
        *count += 1;
        *count <= limits::NEWS_PER_RATER
    }
}

impl Peer {
    /// Tells a room that a rating of mine can be had.
    pub(super) fn publish_news(&self, now: Timestamp, rating: &Verified<Rating>, skill: &Skill, out: &mut Outbox) {
        let news = News { rating: rating.id(), subject: rating.judgement.subject };
        let opened = self.signer.sign(&Opened { at: now, ext: Default::default(), ratings: List::fit([news]) });
        out.push(Output::Publish { room: skill.room(limits::ROOM_DEPTH), record: opened.into() });
    }

    /// Somebody's ratings have opened: those about agents that matter here are asked for.
    pub(super) fn on_news(&mut self, now: Timestamp, news: &Verified<Opened>) -> Verdict {
        let rater = news.issuer();
        let current = news.at + limits::NEWS_LIFE > now && news.at <= now + limits::AHEAD;
        if rater == self.agent() || !current || !self.pull.count(now, rater) {
            return Verdict::Ignore;
        }
        let heard = self.reputation.is_heard(&self.agent(), &rater);
        let new = |news: &&News| {
            (heard || self.interests(&news.subject)) && !self.reputation.holds(&news.subject, &rater, &news.rating)
        };
        let wanted: Vec<_> = news.ratings.iter().filter(new).map(|news| news.rating).collect();
        if !wanted.is_empty() {
            self.pull.want(rater, Wanted::These(wanted), 1);
        }
        Verdict::Accept
    }

    /// An agent has come into the directory: what is thought of it is asked of whoever told us, and of itself.
    pub(super) fn on_newcomer(&mut self, from: AgentId, subject: AgentId) {
        let me = self.agent();
        if subject == me {
            return;
        }
        for of in BTreeSet::from([from, subject]) {
            if of != me {
                self.pull.want(of, Wanted::About(subject, None), limits::RATING_PAGES);
            }
        }
    }

    /// Whoever the walk has come to is asked for the ratings it gave: its word counts, and where it leads is not known before.
    /// The most massive first; agents nobody has dealt with cannot make anybody ask.
    pub(super) fn look_around(&mut self, now: Timestamp) {
        self.pull.seen = self.reputation.changes();
        self.pull.reached.retain(|_, asked| *asked + limits::FRONTIER_AGAIN > now);
        let reached = self.reputation.frontier(&self.agent());
        let new = reached.into_iter().filter(|agent| !self.pull.reached.contains_key(agent));
        for agent in new.take(limits::FRONTIER).collect::<Vec<_>>() {
            if self.pull.reached.len() < limits::FRONTIER_ASKED {
                self.pull.reached.insert(agent, now);
                self.pull.want(agent, Wanted::By(agent, None), limits::RATING_PAGES);
            }
        }
    }

    /// A rater does not serve its own ratings: it is away, or has none. Whom it has dealt with has what it said of them, and
    /// whoever else in my rooms it counts for may hold them too. They are signed: it does not matter who passes them on.
    fn ask_around(&mut self, rater: AgentId) {
        let me = self.agent();
        if self.pull.away.len() < limits::FRONTIER_ASKED {
            self.pull.away.insert(rater);
        }
        let dealt =
            self.reputation.ratings_of(&rater, limits::RATINGS_LISTED).into_iter().map(|(about, _)| about.rater);
        let mut asked = BTreeSet::from([me, rater]);
        let helpers = dealt.chain(self.pull.near.iter().rev().copied()).filter(|agent| asked.insert(*agent));
        for helper in helpers.take(limits::HELPERS).collect::<Vec<_>>() {
            self.pull.want(helper, Wanted::By(rater, None), limits::RATING_PAGES);
        }
    }

    /// A link to somebody is up: if it was to serve its ratings and could not, it is asked again.
    pub(super) fn ask_again(&mut self, agent: AgentId) {
        if self.pull.away.remove(&agent) {
            self.pull.want(agent, Wanted::By(agent, None), limits::RATING_PAGES);
        }
    }

    /// Takes a rating into the model; whether it is new and stays.
    pub(super) fn learn(&mut self, rating: &Verified<Rating>) -> bool {
        let new = self.reputation.insert(rating);
        if new {
            for agent in [rating.issuer(), rating.judgement.subject] {
                if let Some(manifest) = self.directory.manifest_of(&agent) {
                    self.reputation.belongs(agent, manifest.principal);
                }
            }
        }
        new
    }

    /// Whether ratings of `subject` are worth keeping.
    fn interests(&self, subject: &AgentId) -> bool {
        *subject == self.agent()
            || self.directory.has(subject)
            || self.durable.hires().values().any(|hire| hire.other() == *subject)
    }

    /// Asks for what waits, as far as not too much is under way.
    pub(super) fn ask_for_ratings(&mut self, now: Timestamp, out: &mut Outbox) {
        while self.pull.asked.len() < limits::RATING_ASKS
            && let Some((to, wanted, pages)) = self.pull.waiting.pop_front()
        {
            self.pull.queued.remove(&(to, wanted.clone()));
            self.pull.asked.insert((to, wanted.clone()), pages);
            out.push(Output::AskRatings { to, hints: self.directory.contact_of(&to, now), wanted });
        }
    }

    /// What came of asking.
    pub(super) fn on_ratings(
        &mut self,
        now: Timestamp,
        from: AgentId,
        wanted: Wanted,
        ratings: Vec<Verified<Rating>>,
        next: Option<Bytes32>,
        out: &mut Outbox,
    ) {
        // Only what was asked for is looked at.
        let Some(pages) = self.pull.asked.remove(&(from, wanted.clone())) else { return };
        if ratings.is_empty() && wanted == Wanted::By(from, None) {
            self.ask_around(from);
        }
        for rating in ratings {
            let fits = match &wanted {
                Wanted::About(subject, _) => rating.judgement.subject == *subject,
                Wanted::By(rater, _) => rating.issuer() == *rater,
                Wanted::These(ids) => ids.contains(&rating.id()),
            };
            if fits {
                self.keep(now, rating, out);
            }
        }
        // Cursors rise, and a list has an end: who says otherwise is not asked on.
        let (more, after): (fn(AgentId, Option<Bytes32>) -> Wanted, _) = match wanted {
            Wanted::About(agent, after) => (Wanted::About, (agent, after)),
            Wanted::By(agent, after) => (Wanted::By, (agent, after)),
            Wanted::These(_) => return,
        };
        if let Some(next) = next
            && pages > 1
            && after.1.is_none_or(|after| next > after)
        {
            self.pull.want(from, more(after.0, Some(next)), pages - 1);
        }
    }

    fn keep(&mut self, now: Timestamp, rating: Verified<Rating>, out: &mut Outbox) {
        let subject = rating.judgement.subject;
        let dated = rating.day <= (now + limits::AHEAD).day();
        // My own are in the journal; a rating of me that I have not got is as good from a third. Most of what an answer has
        // is held: looked at before its permit is read.
        let held = self.reputation.holds(&subject, &rating.issuer(), &rating.id());
        if !dated || held || rating.issuer() == self.agent() {
            return;
        }
        let heard = self.reputation.is_heard(&self.agent(), &rating.issuer());
        // The model lets go of strangers' words when there are too many of one subject.
        if (heard || self.interests(&subject)) && self.learn(&rating) {
            let hire = rating.judgement.hire;
            out.push(Output::Notice(super::io::Notice::Rated { hire, by: rating.issuer(), subject }));
            out.push(Output::Keep(Box::new(rating.into())));
        }
    }
}
