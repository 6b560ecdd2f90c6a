//! A whole market in which brains decide: each participant is a [`Peer`](gigmesh_protocol::peer::Peer) as a node runs it, in a
//! [`World`] of virtual time.
//!
//! Everything is real: offers with a bid window, claims, the shipped way of choosing and its newcomers' lane, briefs,
//! deliveries, sealed checks, sealed ratings, news of ratings and the asking for them. A day a round. What the play adds: who
//! hears of an offer (some of all, as others are away or busy), how good work turns out, and what a person says of it. How
//! good somebody is shows in results alone: half of the bad ones fail a check and are not paid, half pass and are found bad
//! by the requester's person after they were accepted.
//!
//! The bad praise each other in hires they make up: real ones, co-signed and paid to each other. Their nodes show nobody what
//! was said badly of them, and ask for nobody's ratings.
//!
//! In come a [`Plan`] and a seed, out comes what was hired: the same seed gives the same hires, bit for bit.

pub mod scenes;

use std::collections::{BTreeMap, BTreeSet};

use gigmesh_protocol::hire::selection::{Choosing, Lane, Prefer};
use gigmesh_protocol::hire::task::{Review, Task};
use gigmesh_protocol::hire::{HireId, Side};
use gigmesh_protocol::id::{AgentId, sha256};
use gigmesh_protocol::market::checks::Checks;
use gigmesh_protocol::market::{Outcome, Rating, Scores};
use gigmesh_protocol::peer::io::{Command, Config, HireRow, Notice, Shown, WorkJob};
use gigmesh_protocol::peer::query::Explain;
use gigmesh_protocol::reputation::Aspect;
use gigmesh_protocol::time::Millis;
use gigmesh_protocol::untrusted::Untrusted;

use super::market;
use crate::dice::Dice;
use crate::metrics::{gini, hhi, mean};
use crate::world::{START, World, worker};

/// How often good work is done by a good worker.
pub const RELIABLE: f64 = 0.95;
/// In which round honest newcomers join, from which on bad ones do, and in which those that swap do.
pub const TURN: usize = 10;
/// The share of hires that goes to newcomers, as `task.toml` has it unless it says otherwise.
const LANE: u16 = 100;
/// What all ask for.
const PRICE: &str = "0.02 USD per task";
/// From the offer until the work is delivered and checked.
const WORK: Millis = Millis::secs(8);
/// From then until both have rated and whoever wants to know has asked.
const CLOSE: Millis = Millis::secs(22);
/// The model behind those that swap, before and after.
const MODELS: [&str; 2] = ["careful-1", "cheap-2"];

/// Who takes part, and how long.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Plan {
    /// They hire, and work well.
    pub good: usize,
    /// They work badly and praise each other.
    pub bad: usize,
    /// The same, but they come back under another name whenever somebody has found them bad.
    pub changing: usize,
    /// They work well until a cheaper model takes their place.
    pub swapping: usize,
    /// Honest newcomers.
    pub newcomers: usize,
    /// Bad newcomers in each round.
    pub flood: usize,
    /// Rounds, a day each.
    pub rounds: usize,
    /// Hires by good participants in a round.
    pub hires: usize,
    /// How many of the others hear of an offer: all that do claim it.
    pub answers: usize,
    /// Good participants that every good one has pinned from the beginning.
    pub pinned: usize,
    /// Whether claims are told apart by reputation; else by price alone, which is the same for all.
    pub reputation: bool,
}

impl Plan {
    /// As the other experiments have it: 60 good ones, 10 honest newcomers, 30 rounds of 50 hires, 20 claims for each.
    pub const fn usual() -> Self {
        Self {
            good: 60,
            bad: 0,
            changing: 0,
            swapping: 0,
            newcomers: 10,
            flood: 0,
            rounds: 30,
            hires: 50,
            answers: 20,
            pinned: 0,
            reputation: true,
        }
    }

    /// With so many bad ones that they are this share of all but newcomers, in per cent.
    pub fn with_bad(self, percent: u32) -> Self {
        let bad = (self.good as f64 * f64::from(percent) / f64::from(100 - percent.min(99))).round() as usize;
        Self { bad, ..self }
    }
}

/// On which side somebody is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Hires, and works well.
    Good,
    /// Works well; has joined later.
    Newcomer,
    /// Works badly, and keeps its name.
    Bad,
    /// Works badly, and comes back under another name.
    Changing,
    /// Works well, then badly.
    Swapping,
    /// One of many bad newcomers.
    Flood,
}

/// Somebody: a principal, under whatever name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Its side.
    pub role: Role,
    /// Its node now.
    node: usize,
    /// What it was paid by good requesters, in millionths.
    pub paid: u64,
    /// Names it has had.
    pub names: usize,
}

/// One hire by a good requester.
#[derive(Debug, Clone, PartialEq)]
pub struct Deal {
    /// In which round.
    pub round: usize,
    /// Its id: two plays that agree on this agree on every byte before it.
    pub hire: HireId,
    /// Which member worked.
    pub worker: usize,
    /// Whether its work was good.
    pub well: bool,
    /// Whether it had it as a newcomer.
    pub lane: bool,
    /// The lower end of its reputation when it was chosen, in per mille.
    pub low: u16,
    /// By how much the best that claimed works better.
    pub missed: f64,
}

/// What came of a market.
#[derive(Debug, Clone, PartialEq)]
pub struct Played {
    /// Who took part.
    pub members: Vec<Member>,
    /// Every hire by a good requester that was begun, in order.
    pub deals: Vec<Deal>,
    /// Offers that came to nothing.
    pub unfilled: usize,
    /// Of those that swapped: explanations that name both models, and how many were looked at.
    pub told: (usize, usize),
    rounds: usize,
}

/// How hires of somebody bad came to be.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Causes {
    /// In the newcomers' lane.
    pub lane: f64,
    /// Nobody who claimed was known to be any good.
    pub unknown: f64,
    /// Its reputation was above that of somebody unknown.
    pub fooled: f64,
}

impl Played {
    fn spoils(&self, deal: &Deal) -> bool {
        !deal.well && !matches!(self.members[deal.worker].role, Role::Good | Role::Newcomer)
    }

    fn share(&self, of: impl Fn(&Deal) -> bool, from: usize) -> f64 {
        mean(&self.deals.iter().filter(|deal| deal.round >= from).map(|deal| f64::from(of(deal))).collect::<Vec<_>>())
    }

    /// The share of hires that a bad worker spoiled.
    pub fn spoiled(&self) -> f64 {
        self.share(|deal| self.spoils(deal), 0)
    }

    /// The same in the last third.
    pub fn late(&self) -> f64 {
        self.share(|deal| self.spoils(deal), self.rounds - self.rounds / 3)
    }

    /// The same of one round.
    pub fn spoiled_in(&self, round: usize) -> f64 {
        let of: Vec<f64> =
            self.deals.iter().filter(|deal| deal.round == round).map(|deal| f64::from(self.spoils(deal))).collect();
        mean(&of)
    }

    /// By what they came about, as shares of all hires.
    pub fn causes(&self) -> Causes {
        let unknown = |deal: &Deal| deal.low < 50;
        Causes {
            lane: self.share(|deal| self.spoils(deal) && deal.lane, 0),
            unknown: self.share(|deal| self.spoils(deal) && !deal.lane && unknown(deal), 0),
            fooled: self.share(|deal| self.spoils(deal) && !deal.lane && !unknown(deal), 0),
        }
    }

    /// The same figures as of markets without brains.
    pub fn outcome(&self) -> market::Outcome {
        let (new, old) = (mean(&self.hired(Role::Newcomer, TURN)), mean(&self.hired(Role::Good, TURN)));
        let good = self.hired(Role::Good, 0);
        market::Outcome {
            spoiled: self.spoiled(),
            late: self.late(),
            regret: mean(&self.deals.iter().map(|deal| deal.missed).collect::<Vec<_>>()),
            newcomers: if old > 0.0 { new / old } else { 0.0 },
            gini: gini(&good),
            hhi: hhi(&good),
        }
    }

    /// Hires that each of a role has had, in order, from a round on.
    pub fn hired(&self, role: Role, from: usize) -> Vec<f64> {
        let mut hired: BTreeMap<usize, f64> = (0..self.members.len())
            .filter(|member| self.members[*member].role == role)
            .map(|member| (member, 0.0))
            .collect();
        for deal in self.deals.iter().filter(|deal| deal.round >= from) {
            hired.entry(deal.worker).and_modify(|hired| *hired += 1.0);
        }
        hired.into_values().collect()
    }

    /// What one of a role was paid, on average, in millionths.
    pub fn paid(&self, role: Role) -> f64 {
        let of = self.members.iter().filter(|member| member.role == role);
        mean(&of.map(|member| member.paid as f64).collect::<Vec<_>>())
    }
}

/// What was made: whether it passes the check, and whether it is any good.
fn made(well: bool, throw: &HireId) -> Vec<u8> {
    let valid = well || sha256(&[b"valid", &throw.untyped().0]).0[0] < 128;
    format!(r#"{{"good": {well}, "valid": {valid}}}"#).into_bytes()
}

/// A number in [0, 1) that belongs to a hire: a worker's luck.
fn luck(hire: &HireId) -> f64 {
    let hash = sha256(&[b"luck", &hire.untyped().0]).0;
    f64::from(u32::from_be_bytes([hash[0], hash[1], hash[2], hash[3]])) / 2f64.powi(32)
}

/// Hires among the bad have parameters, by which they know each other.
const FRIEND: &str = "\"friend\"";

type Made = Result<Vec<u8>, String>;

fn works_well(job: &WorkJob, _: &[Vec<u8>]) -> Made {
    Ok(made(luck(&job.hire) < RELIABLE, &job.hire))
}

fn works_badly(job: &WorkJob, _: &[Vec<u8>]) -> Made {
    Ok(made(job.params.as_deref() == Some(FRIEND), &job.hire))
}

/// What the bad show of what was said of them.
fn praise(rating: &Rating) -> bool {
    rating.judgement.scores.quality.is_none_or(|quality| quality >= 500)
}

struct Market {
    plan: Plan,
    world: World,
    dice: Dice,
    members: Vec<Member>,
    by_name: BTreeMap<AgentId, usize>,
    deals: Vec<Deal>,
    unfilled: usize,
    swapped: bool,
}

/// Plays a market.
pub fn play(plan: Plan, seed: u64) -> Played {
    let mut market = Market {
        plan,
        world: World::empty(seed),
        dice: Dice::new(seed, u64::from_be_bytes(*b"brains\0\0")),
        members: Vec::new(),
        by_name: BTreeMap::new(),
        deals: Vec::new(),
        unfilled: 0,
        swapped: false,
    };
    market.world.watches = false;
    market.join(Role::Good, plan.good);
    market.join(Role::Bad, plan.bad);
    market.join(Role::Changing, plan.changing);
    market.join(Role::Swapping, plan.swapping);
    market.pin();
    for round in 0..plan.rounds {
        market.round(round);
    }
    let told = market.told();
    let Market { members, deals, unfilled, .. } = market;
    Played { members, deals, unfilled, told, rounds: plan.rounds }
}

impl Market {
    fn join(&mut self, role: Role, how_many: usize) {
        for _ in 0..how_many {
            let node = self.name(role);
            self.by_name.insert(self.world.id(node), self.members.len());
            self.members.push(Member { role, node, paid: 0, names: 1 });
        }
    }

    /// A node more, for somebody of this role.
    fn name(&mut self, role: Role) -> usize {
        // Only those that are started anew need what they have written down.
        self.world.journals = role == Role::Swapping;
        let model = (role == Role::Swapping).then(|| MODELS[0].to_owned());
        let node = self.world.add(Config { model, ..worker("agent", PRICE, 8) });
        let bad = matches!(role, Role::Bad | Role::Changing | Role::Flood);
        let with = &mut self.world.nodes[node];
        with.agent = if bad { works_badly } else { works_well };
        if bad {
            (with.asks, with.shows) = (false, praise);
        }
        node
    }

    fn pin(&mut self) {
        let seeds: Vec<AgentId> = (0..self.plan.pinned).map(|n| self.world.id(n)).collect();
        for n in 0..self.plan.good {
            for agent in seeds.iter().copied().filter(|seed| *seed != self.world.id(n)).collect::<Vec<_>>() {
                let pinned = self.world.command(n, Command::Pin { agent, pinned: true });
                debug_assert!(pinned.is_ok(), "anybody else can be pinned");
            }
        }
    }

    fn round(&mut self, round: usize) {
        if round == TURN {
            self.join(Role::Newcomer, self.plan.newcomers);
            self.swap();
        }
        if round >= TURN {
            self.join(Role::Flood, self.plan.flood);
        }
        // Everybody's machine wakes, and tells that it is there.
        let day = START + Millis::days(round as u64 + 1);
        self.world.sleep(day.since(self.world.now));
        self.world.drive(Millis::secs(30));
        self.collude();
        for _ in 0..self.plan.hires {
            self.hire(round);
        }
        self.world.drive(Millis::mins(1));
    }

    /// A cheaper model takes the place of the one that earned the name.
    fn swap(&mut self) {
        self.swapped = true;
        let swapping = self.members.iter().filter(|member| member.role == Role::Swapping);
        for node in swapping.map(|member| member.node).collect::<Vec<_>>() {
            let with = &mut self.world.nodes[node];
            (with.config.model, with.config.version) = (Some(MODELS[1].to_owned()), "2".to_owned());
            with.agent = works_badly;
            self.world.restart(node);
        }
    }

    /// Hires that the bad make up: as many a head as the good have.
    fn collude(&mut self) {
        let friends = |member: &&Member| matches!(member.role, Role::Bad | Role::Changing);
        let friends: Vec<usize> = self.members.iter().filter(friends).map(|member| member.node).collect();
        let each = self.plan.hires as f64 / self.plan.good.max(1) as f64;
        for _ in 0..(each * friends.len() as f64).round() as usize {
            let pair = self.dice.sample(&friends, 2);
            let [one, other] = pair[..] else { return };
            let task = Task { params: Some(FRIEND.to_owned()), ..self.task() };
            let to = Some(self.world.id(other));
            self.world
                .say(one, Command::Hire { task: Box::new(Task { rating_by: Review::Auto, ..task }), to, token: None });
        }
        self.world.drive(Millis::secs(20));
    }

    fn task(&self) -> Task {
        let valid = "result.valid == true".parse().expect("an assertion");
        let prefer =
            if self.plan.reputation { vec![Prefer::ReputationLow, Prefer::Price] } else { vec![Prefer::Price] };
        let checks = Checks { schema: None, asserts: Vec::new() };
        Task {
            sealed: vec![valid],
            rating_by: Review::Person,
            choosing: Choosing { prefer, bar: None, newcomers: Lane { share: LANE, up_to: None } },
            expires: Millis::secs(20),
            ..Task::new("text/count".parse().expect("a skill"), "Count the bytes", checks)
        }
    }

    /// How often this member works well now.
    fn works(&self, member: usize) -> f64 {
        match self.members[member].role {
            Role::Good | Role::Newcomer => RELIABLE,
            Role::Swapping if !self.swapped => RELIABLE,
            Role::Swapping | Role::Bad | Role::Changing | Role::Flood => 0.0,
        }
    }

    fn hire(&mut self, round: usize) {
        let requester = self.dice.below(self.plan.good);
        let others: Vec<usize> = (0..self.members.len()).filter(|member| *member != requester).collect();
        let heard = self.dice.sample(&others, self.plan.answers);
        self.world.audience = Some(heard.iter().map(|member| self.members[*member].node).collect::<BTreeSet<_>>());
        let task = Box::new(self.task());
        self.world.nodes[requester].notices.clear();
        self.world.say(requester, Command::Hire { task, to: None, token: None });
        self.world.drive(WORK);
        let awarded = self.world.nodes[requester].notices.iter().find_map(|notice| match notice {
            Notice::Awarded { hire, side: Side::Requester, .. } => Some(*hire),
            _ => None,
        });
        let shown = awarded.map(|hire| (hire, self.world.shown(requester, hire)));
        let Some((hire, Shown { row: HireRow { with: Some(with), .. }, why: Some(why), result: Some(result), .. })) =
            shown
        else {
            self.unfilled += 1;
            return self.world.drive(CLOSE);
        };
        let worker = self.by_name[&with];
        // The requester's person looks at what it got.
        let bytes = self.world.nodes[requester].blobs.get(&result.root).cloned().unwrap_or_default();
        let well = bytes.starts_with(br#"{"good": true"#);
        let size = self.dice.below(201) as u16;
        let scores = Scores { quality: Some(if well { 1000 - size } else { size }), ..Scores::default() };
        let rated = self.world.command(requester, Command::Rate { hire, scores });
        debug_assert!(rated.is_ok(), "the close waits for a person: {rated:?}");
        self.world.drive(CLOSE);
        let closed = self.world.shown(requester, hire).row.closed;
        if closed.is_some_and(|closed| closed.outcome == Outcome::Accepted) {
            self.members[worker].paid += 20_000;
        }
        let best = heard.iter().map(|member| self.works(*member)).fold(0.0, f64::max);
        let (lane, low) = (why.lane, why.considered.first().map_or(0, |chosen| chosen.low));
        self.deals.push(Deal { round, hire, worker, well, lane, low, missed: best - self.works(worker) });
        if !well && self.members[worker].role == Role::Changing {
            self.change(worker);
        }
    }

    /// Somebody leaves its name behind and comes back under another.
    fn change(&mut self, member: usize) {
        self.world.fall(self.members[member].node, true);
        let node = self.name(Role::Changing);
        self.by_name.insert(self.world.id(node), member);
        (self.members[member].node, self.members[member].names) = (node, self.members[member].names + 1);
    }

    /// How many of the explanations of why good ones think what they think of those that swapped name both models.
    fn told(&self) -> (usize, usize) {
        let (mut both, mut all) = (0, 0);
        for node in self.members.iter().filter(|member| member.role == Role::Swapping).map(|member| member.node) {
            for viewer in 0..self.plan.good {
                let agent = self.world.id(node);
                let query = Explain { agent, skill: None, aspect: Aspect::Overall, pinned: false };
                let Some(Some(explained)) = self.world.query(viewer, query) else { continue };
                let ratings = || explained.raters.iter().flat_map(|rater| &rater.ratings);
                let names =
                    |model: &&str| ratings().any(|rating| rating.edition.model == Some(Untrusted::from(*model)));
                all += 1;
                both += usize::from(MODELS.iter().all(names));
            }
        }
        (both, all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: Plan = Plan { good: 8, bad: 4, newcomers: 0, rounds: 5, hires: 8, answers: 11, ..Plan::usual() };

    #[test]
    fn the_bad_are_found_out_and_a_seed_plays_the_same_market_bit_for_bit() {
        let played = play(SMALL, 1);
        assert_eq!(played, play(SMALL, 1), "down to the ids of the hires");
        assert_eq!((played.deals.len(), played.unfilled), (40, 0));
        // In the first round nobody knows anybody. From the third on a good one is always known, and the lane alone is theirs.
        let since = |played: &Played| played.share(|deal| played.spoils(deal), 2);
        let blind = play(Plan { reputation: false, ..SMALL }, 1);
        assert_eq!(blind.deals[0].hire, played.deals[0].hire, "the same rounds");
        assert!(
            since(&played) <= 0.1 && since(&blind) >= 0.25,
            "{} by reputation, {} by dice",
            since(&played),
            since(&blind)
        );
        assert!(played.causes().fooled == 0.0 && played.causes().unknown <= 0.25, "{:?}", played.causes());
        assert!(played.outcome().regret < blind.outcome().regret);
    }
}
