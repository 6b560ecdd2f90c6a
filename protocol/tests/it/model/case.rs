//! One case: who takes part, what is bad about the world, what is asked of whom. All of it follows from a seed.
//!
//! Each [`Trouble`] throws its own dice, so that a case can be had without one of them and be the same in all else: that is
//! how a failure is made smaller.

use gigmesh_protocol::hire::selection::{Choosing, Lane, Prefer};
use gigmesh_protocol::hire::task::{Review, Task};
use gigmesh_protocol::market::Milestone;
use gigmesh_protocol::market::checks::Checks;
use gigmesh_protocol::peer::io::{Config, WorkJob};
use gigmesh_protocol::time::Millis;

use gigmesh_simulations::world::dice::Dice;
use gigmesh_simulations::world::{Agent, Chaos, Fall, Link, World, worker};

/// What can be bad, or many, in a case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Trouble {
    /// Messages that never arrive.
    Loss,
    /// Messages that arrive twice.
    Twice,
    /// Messages that take long and overtake each other.
    Delay,
    /// Links that are down for a while.
    Cuts,
    /// Peers that fall.
    Falls,
    /// Clocks that differ, and are set by less than a minute.
    Steps,
    /// Clocks that are set by more.
    Jumps,
    /// People who are asked, and answer, or do not.
    People,
    /// What users want all of a sudden.
    Orders,
    /// Tasks of many shapes.
    Shapes,
    /// Agents that fail, or do something else.
    Agents,
    /// More than one worker and more than one task.
    Crowd,
}

impl Trouble {
    pub const ALL: [Self; 12] = [
        Self::Crowd,
        Self::Shapes,
        Self::Orders,
        Self::People,
        Self::Agents,
        Self::Falls,
        Self::Cuts,
        Self::Jumps,
        Self::Steps,
        Self::Loss,
        Self::Twice,
        Self::Delay,
    ];
}

/// A seed, and what is left out of what follows from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Case {
    pub seed: u64,
    pub without: Vec<Trouble>,
}

impl Case {
    /// The dice of a trouble, if the case has it.
    pub fn dice(&self, trouble: Trouble) -> Option<Dice> {
        (!self.without.contains(&trouble)).then(|| Dice::new(self.seed, trouble as u64 + 1))
    }

    /// The peers: a requester, and one or two workers, of whom the second may be a requester as well.
    pub fn world(&self) -> World {
        let mut world = World::new(0);
        (world.watches, world.luck) = (false, self.seed);
        let mut dice = Dice::new(self.seed, 0);
        let mut workers = vec![worker("one", "0.02 USD per task", dice.between(1, 3) as usize)];
        if self.dice(Trouble::Crowd).is_some_and(|mut dice| dice.roll(100) < 45) {
            workers.push(worker("two", "0.01 USD per task", dice.between(1, 2) as usize));
        }
        let mut people = self.dice(Trouble::People);
        let mut person = |times| {
            let asked = people.as_mut().is_some_and(|dice| dice.one_in(times));
            if asked { Review::Person } else { Review::Auto }
        };
        for mut config in workers {
            config.skills[0].restartable = dice.one_in(2);
            (config.begin_by, config.contest_by, config.rating_by) = (person(8), person(5), person(8));
            if dice.one_in(12) {
                config.credit = vec!["0.03 USD".parse().unwrap()];
            }
            world.add(config);
        }
        if person(5) == Review::Person {
            world.nodes[0].config.buy.ask_above = vec!["0.015 USD".parse().unwrap()];
        }
        if dice.one_in(12) {
            world.nodes[0].config.buy.per_day = vec!["0.03 USD".parse().unwrap()];
        }
        let agents: &[Agent] = &[scripted, scripted, scripted, contrary];
        for n in 0..world.nodes.len() {
            if let Some(mut dice) = self.dice(Trouble::Agents) {
                world.nodes[n].agent = dice.pick(agents);
                world.nodes[n].work_takes = Millis(1 + dice.pick(&[100, 3_000, 60_000, 400_000]));
            } else {
                world.nodes[n].agent = scripted;
            }
            if let Some(mut dice) = self.dice(Trouble::Steps).filter(|_| n > 0) {
                world.nodes[n].clock.ahead = dice.pick(&[0, 0, 1_000, 30_000, 60_000]);
            }
            world.restart(n);
        }
        world.chaos = Some(Chaos { dice: Dice::new(self.seed, 99), links: Default::default() });
        let all = world.nodes.len();
        for (from, to) in (0..all).flat_map(|from| (0..all).map(move |to| (from, to))) {
            let mut link = Link { delay: Millis(10), ..Link::default() };
            let roll = |trouble, choice: &[u64]| {
                self.dice(trouble).map_or(0, |mut dice| {
                    dice.skip(from as u64 * 3 + to as u64);
                    dice.pick(choice)
                })
            };
            link.lost = roll(Trouble::Loss, &[0, 0, 5, 20, 50]);
            link.twice = roll(Trouble::Twice, &[0, 0, 10, 40]);
            link.delay = Millis(1 + roll(Trouble::Delay, &[5, 5, 200, 5_000, 40_000]));
            world.chaos.as_mut().unwrap().links.insert((from, to), link);
        }
        world
    }

    /// A task of peer `by`, and to whom it goes if to one.
    pub fn task(&self, world: &mut World, dice: &mut Dice, workers: usize) -> (Task, bool) {
        let mut task = world.task();
        task.params = Some(dice.pick(&["[0]", "[0]", "[0]", "[0,1]", "[1,0]", "[1]", "[2]", "[3]", "[0,0,1]"]).into());
        if self.without.contains(&Trouble::Agents) {
            task.params = Some("[0]".into());
        }
        task.bids = Millis(dice.pick(&[1, 500, 3_000, 20_000]));
        task.expires = Millis::secs(dice.pick(&[30, 120, 600, 1_200]));
        task.done = Millis::secs(dice.pick(&[10, 60, 300]));
        task.review = Millis::secs(dice.pick(&[20, 60, 300]));
        if dice.one_in(2) {
            task.sealed.clear();
        }
        let mut direct = false;
        if let Some(mut shapes) = self.dice(Trouble::Shapes) {
            shapes.skip(dice.roll(50));
            direct = shapes.one_in(4);
            task.slots = if direct || shapes.one_in(2) { 1 } else { workers as u16 };
            if task.slots > 1 && shapes.one_in(2) {
                task.agree = Some(2);
            }
            if task.agree.is_none() && shapes.one_in(4) {
                let part = |n: u64| Milestone {
                    checks: Checks { schema: None, asserts: vec!["result.bytes >= 0".parse().unwrap()] },
                    share: 300,
                    title: format!("part {n}").as_str().try_into().unwrap(),
                };
                task.milestones = (0..shapes.between(1, 2)).map(part).collect::<Vec<_>>().try_into().unwrap();
            }
            task.choosing = Choosing {
                prefer: shapes.pick(&[vec![], vec![Prefer::Price], vec![Prefer::ReputationLow, Prefer::Time]]),
                bar: shapes.one_in(6).then_some(300),
                newcomers: Lane { share: 300, up_to: None },
            };
            if shapes.one_in(10) {
                task.inputs.clear();
                task.sealed.clear();
            }
            if shapes.one_in(10) {
                task.max = Some("0.015 USD".parse().unwrap());
            }
        }
        if let Some(mut people) = self.dice(Trouble::People) {
            people.skip(dice.roll(50));
            if people.one_in(3) {
                task.review_by = Review::Person;
            }
            if people.one_in(6) {
                task.rating_by = Review::Person;
            }
        }
        (task, direct)
    }

    /// When a peer falls next, and how.
    pub fn fall(dice: &mut Dice) -> Fall {
        Fall {
            turn: dice.roll(12) as usize,
            events: dice.throw() as usize >> 1,
            outputs: dice.throw() as usize >> 1,
            down: Millis(dice.pick(&[1, 1_000, 30_000, 400_000])),
        }
    }
}

/// Does as the task's parameters say, one for each run: 0 good, 1 what only the sealed checks find, 2 what the public ones
/// find, 3 nothing at all.
fn scripted(job: &WorkJob, _: &[Vec<u8>]) -> Result<Vec<u8>, String> {
    let script: Vec<u64> =
        job.params.as_deref().and_then(|params| serde_json::from_str(params).ok()).unwrap_or_default();
    match script.get(job.attempt % script.len().max(1)) {
        Some(1) => Ok(br#"{"bytes": 12}"#.to_vec()),
        Some(2) => Ok(br#"{"bytes": -1}"#.to_vec()),
        Some(3) => Err("no such table".to_owned()),
        _ => Ok(br#"{"bytes": 11}"#.to_vec()),
    }
}

/// Good by every check, and like nobody else's.
fn contrary(job: &WorkJob, _: &[Vec<u8>]) -> Result<Vec<u8>, String> {
    Ok(format!(r#"{{"bytes": 11, "run": {}}}"#, job.attempt).into_bytes())
}

/// The peers of a case that take work.
pub fn serves(config: &Config) -> bool {
    !config.skills.is_empty()
}
