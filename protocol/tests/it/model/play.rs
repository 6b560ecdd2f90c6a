//! Plays a case: a time of trouble, in which everything happens at random; then the links heal, nobody says anything more, and
//! time runs until the market is quiet.

use std::collections::BTreeMap;

use gigmesh_protocol::hire::HireId;
use gigmesh_protocol::id::{Bytes32, Id};
use gigmesh_protocol::market::{Ruling, Scores};
use gigmesh_protocol::peer::io::*;
use gigmesh_protocol::peer::query::*;
use gigmesh_protocol::time::Millis;

use super::case::{Case, Trouble, serves};
use super::judge;
use super::tally::Tally;
use gigmesh_simulations::world::World;
use gigmesh_simulations::world::dice::Dice;

/// After the links have healed a market is quiet within this, for no clock of a case runs longer.
const QUIET: Millis = Millis::hours(8);
/// Steps of the world until it is quiet: a hundred times what is usual.
const STEPS: usize = 10_000;

/// What a case came to, or what of it must not be.
pub fn play(case: &Case, told: bool) -> Result<Tally, String> {
    let mut tally = Tally::default();
    let mut world = case.world();
    world.story = told.then(Vec::new);
    let end = act(case, &mut world, &mut tally);
    world.story.iter().flatten().for_each(|line| println!("{line}"));
    end.map(|()| tally)
}

fn act(case: &Case, world: &mut World, tally: &mut Tally) -> Result<(), String> {
    let mut play =
        Play { case, dice: Dice::new(case.seed, 50), parted: BTreeMap::new(), silent: None, posts: Vec::new() };
    play.trouble(world, tally)?;
    play.heal(world)?;
    judge::end(world, tally)
}

struct Play<'a> {
    case: &'a Case,
    dice: Dice,
    /// Whose clocks have parted, and for how many more moments.
    parted: BTreeMap<usize, u64>,
    /// Who falls silent for good, and when.
    silent: Option<(u64, usize)>,
    /// Which peer posts at which moment.
    posts: Vec<(u64, usize)>,
}

impl Play<'_> {
    fn trouble(&mut self, world: &mut World, tally: &mut Tally) -> Result<(), String> {
        let mut crowd = self.case.dice(Trouble::Crowd);
        let tasks = crowd.as_mut().map_or(1, |dice| dice.pick(&[1, 1, 1, 1, 2, 3]));
        let moments = self.dice.between(6, 24);
        for n in 0..tasks {
            // The first worker may be a requester as well, where there is somebody to work for it.
            let by = crowd.as_mut().map_or(0, |dice| usize::from(n > 0 && world.nodes.len() > 2 && dice.one_in(2)));
            self.posts.push((self.dice.roll(if n == 0 { 1 } else { moments }), by));
        }
        if let Some(mut dice) = self.case.dice(Trouble::Cuts).filter(|_| self.dice.one_in(8)) {
            self.silent = Some((dice.roll(moments), dice.roll(world.nodes.len() as u64) as usize));
        }
        let longest = self.dice.pick(&[2_000, 15_000, 60_000, 120_000]);
        for moment in 0..moments {
            while let Some(at) = self.posts.iter().position(|(at, _)| *at == moment) {
                let (_, by) = self.posts.swap_remove(at);
                self.post(world, by, tally);
            }
            self.weather(world, tally);
            if let (Some((since, who)), Some(chaos)) = (self.silent, &mut world.chaos) {
                let its =
                    chaos.links.iter_mut().filter(|((from, to), _)| since <= moment && [*from, *to].contains(&who));
                its.for_each(|(_, link)| link.cut = true);
            }
            let span = Millis(1 + self.dice.roll(longest));
            quiet_drive(world, span)?;
            for n in 0..world.nodes.len() {
                self.people(world, n, moment, tally);
                self.agent(world, n, moment, tally);
                self.orders(world, n, moment, tally);
            }
            judge::moment(world, tally)?;
        }
        Ok(())
    }

    fn post(&mut self, world: &mut World, by: usize, tally: &mut Tally) {
        let workers: Vec<usize> =
            (0..world.nodes.len()).filter(|n| *n != by && serves(&world.nodes[*n].config)).collect();
        let (task, direct) = self.case.task(world, &mut self.dice, workers.len());
        let to = self.dice.pick(&workers);
        for input in &task.inputs {
            let bytes = world.nodes[0].blobs[&input.blob.root].clone();
            world.nodes[by].blobs.insert(input.blob.root, bytes);
        }
        tally.add("posted", 1);
        tally.add("posted to one", u64::from(direct));
        tally.add("with milestones", u64::from(!task.milestones.is_empty()));
        tally.add("that must agree", u64::from(task.agree.is_some()));
        tally.add("several slots", u64::from(task.slots > 1));
        tally.add("sealed checks", u64::from(!task.sealed.is_empty()));
        let to = direct.then(|| world.id(to));
        self.order(world, by, Command::Hire { task: Box::new(task), to, token: None }, tally);
    }

    /// What the network, the machines and their clocks do.
    fn weather(&mut self, world: &mut World, tally: &mut Tally) {
        let all = world.nodes.len();
        let seed = self.dice.throw();
        let dice = |trouble| self.case.dice(trouble).map(|_| Dice::new(seed, trouble as u64));
        if let (Some(mut dice), Some(chaos)) = (dice(Trouble::Cuts), &mut world.chaos) {
            for link in chaos.links.values_mut() {
                let cut = if link.cut { !dice.one_in(4) } else { dice.one_in(14) };
                tally.add("links cut", u64::from(cut && !link.cut));
                link.cut = cut;
            }
            if dice.one_in(10) {
                let (n, other) = (dice.roll(all as u64) as usize, dice.roll(all as u64) as usize);
                let id = world.id(other);
                world.input(n, Input::LinkUp(id));
            }
        }
        if let Some(mut dice) = dice(Trouble::Falls) {
            for n in 0..all {
                if world.nodes[n].fall.is_none() && dice.one_in(8) {
                    world.nodes[n].fall = Some(Case::fall(&mut dice));
                }
            }
            let n = dice.roll(all as u64) as usize;
            if dice.one_in(12) && world.nodes[n].peer.is_some() {
                world.restart(n);
                tally.add("restarts between two turns", 1);
            }
        }
        if let Some(mut dice) = dice(Trouble::Steps) {
            for n in 0..all {
                if dice.one_in(10) {
                    world.nodes[n].clock.ahead = dice.pick(&[0, 1, 500, 10_000, 30_000, 60_000]);
                    tally.add("clocks set a little", 1);
                }
            }
        }
        if let Some(mut dice) = dice(Trouble::Jumps) {
            for n in 0..all {
                match self.parted.get_mut(&n) {
                    Some(0) => {
                        self.parted.remove(&n);
                        world.agree_clocks(n);
                    }
                    Some(left) => *left -= 1,
                    None if dice.one_in(40) && world.nodes[n].peer.is_some() => {
                        world.part_clocks(n);
                        self.parted.insert(n, dice.roll(5));
                        tally.add("clocks set by more than a minute", 1);
                    }
                    None => {}
                }
            }
        }
    }

    fn order(&mut self, world: &mut World, n: usize, command: Command, tally: &mut Tally) {
        let name = match &command {
            Command::Hire { .. } => "hire",
            Command::Stop { .. } => "stop",
            Command::Judge { ruling: Ruling::Changes(_), .. } => "judge: changes",
            Command::Judge { .. } => "judge",
            Command::Rate { .. } => "rate",
            Command::Reply { .. } => "reply",
            Command::Contest { .. } => "contest",
            Command::Approve { .. } => "approve",
            Command::Refuse { .. } => "refuse",
            _ => "other",
        };
        world.tell(|| format!("{n} is ordered {name}"));
        let before = world.nodes[n].answers.len();
        let life = world.nodes[n].lives;
        world.say(n, command);
        let taken = match world.nodes[n].answers.get(before) {
            Some(Ok(_)) => "taken",
            Some(Err(_)) => "turned down",
            None if world.nodes[n].lives != life => "fell over",
            None => "nobody there",
        };
        tally.add(&format!("order {name}, {taken}"), 1);
    }

    /// People look at what waits for them, now and then, and say something.
    fn people(&mut self, world: &mut World, n: usize, moment: u64, tally: &mut Tally) {
        let seed = self.dice.throw() ^ moment;
        let Some(rows) = world.query(n, Inbox) else { return };
        let Some(mut dice) = self.case.dice(Trouble::People).map(|_| Dice::new(seed, n as u64)) else { return };
        for row in rows {
            if !dice.one_in(3) {
                continue;
            }
            let hire = HireId::from_bytes(row.id.0);
            let (id, note, reason) = (row.id, "well".to_owned(), "no".to_owned());
            let command = match row.waits_for {
                WaitsFor::Answer => {
                    let later = dice.one_in(2).then(|| Millis::secs(dice.roll(600)));
                    Command::Reply { hire, text: "forty-two".into(), later }
                }
                WaitsFor::Rating => Command::Rate { hire, scores: scores(&mut dice) },
                WaitsFor::Judgement if dice.one_in(3) => {
                    let due = world.time(n) + Millis::secs(dice.roll(300));
                    Command::Judge { hire, ruling: Ruling::Changes(due), note }
                }
                WaitsFor::Contest if dice.one_in(3) => Command::Contest { hire, statement: reason },
                _ if dice.one_in(3) => Command::Refuse { id, reason },
                _ => Command::Approve { id, note },
            };
            self.order(world, n, command, tally);
        }
    }

    /// The agents say how far they are, and ask.
    fn agent(&mut self, world: &mut World, n: usize, moment: u64, tally: &mut Tally) {
        let seed = self.dice.throw() ^ moment;
        let Some(mut dice) = self.case.dice(Trouble::Agents).map(|_| Dice::new(seed, n as u64)) else { return };
        if world.nodes[n].runs.is_empty() || !dice.one_in(4) {
            return;
        }
        for row in world.rows(n) {
            let working = row.stage == HireStatus::Working && row.closed.is_none();
            let Some(hire) = row.hire.filter(|_| working) else { continue };
            if dice.one_in(2) {
                world.input(n, Input::Asked { hire, text: "how many?".into() });
                tally.add("questions", 1);
            } else {
                world.input(n, Input::Working { hire, percent: dice.roll(120) as u8, note: None });
                tally.add("progress notes", 1);
            }
        }
    }

    /// What comes to users' minds.
    fn orders(&mut self, world: &mut World, n: usize, moment: u64, tally: &mut Tally) {
        let seed = self.dice.throw() ^ moment;
        let Some(mut dice) = self.case.dice(Trouble::Orders).map(|_| Dice::new(seed, n as u64)) else { return };
        if !dice.one_in(12) {
            return;
        }
        let rows = world.rows(n);
        if rows.is_empty() {
            return;
        }
        let row = dice.pick(&rows);
        let hire = row.hire.unwrap_or(Id::from_bytes([0; 32]));
        let id = if dice.one_in(3) { row.offer.untyped() } else { Bytes32(row.id().0) };
        let note = "so be it".to_owned();
        let command = match dice.roll(6) {
            0..3 => Command::Stop { id, reason: "never mind".into() },
            3 => Command::Rate { hire, scores: scores(&mut dice) },
            4 if row.side == gigmesh_protocol::hire::Side::Requester => {
                Command::Judge { hire, ruling: dice.pick(&[Ruling::Accepted, Ruling::Refused]), note }
            }
            _ => Command::Contest { hire, statement: note },
        };
        self.order(world, n, command, tally);
    }

    /// Links, machines and clocks are good again; all that is left is time.
    fn heal(&mut self, world: &mut World) -> Result<(), String> {
        world.tell(|| "everything heals".to_owned());
        world.chaos = None;
        for n in 0..world.nodes.len() {
            world.nodes[n].fall = None;
        }
        let ahead = self.parted.keys().copied().collect::<Vec<_>>();
        for n in ahead {
            world.agree_clocks(n);
        }
        // Whoever is down comes up.
        while world.nodes.iter().any(|node| node.peer.is_none()) {
            if !world.step(world.now + Millis::hours(1)) {
                return Err("a peer never comes up".to_owned());
            }
        }
        let all = world.nodes.len();
        for (n, other) in (0..all).flat_map(|n| (0..all).map(move |other| (n, other))).filter(|(n, other)| n != other) {
            let id = world.id(other);
            world.input(n, Input::LinkUp(id));
        }
        let end = world.now + QUIET;
        for _ in 0..STEPS {
            if !judge::is_quiet(world) {
                if world.step(end) {
                    continue;
                }
                return Err(format!("not quiet in time: {}", judge::waiting(world)));
            }
            return Ok(());
        }
        Err(format!("it never goes quiet: {}", judge::waiting(world)))
    }
}

fn scores(dice: &mut Dice) -> Scores {
    Scores { quality: Some(dice.roll(1001) as u16), ..Scores::default() }
}

fn quiet_drive(world: &mut World, span: Millis) -> Result<(), String> {
    let end = world.now + span;
    for _ in 0..STEPS {
        if !world.step(end) {
            world.now = end;
            return Ok(());
        }
    }
    Err(format!("it never goes quiet: {}", judge::waiting(world)))
}
