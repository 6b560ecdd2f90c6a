//! A market of reputation alone: good and bad workers, hired by what a model says, rated by what came of it.
//!
//! In each round so many hires: a good participant draws some of the others, as if they had answered its offer, and takes the
//! one with the highest score; one hire in ten goes to somebody without any rating, if one answered. Bad ones praise each
//! other in hires they make up. What the model says decides, nothing else, so that models can be compared.

use serde_json::json;

use super::attack::Settings;
use crate::data::{DAY, Node, Rating};
use crate::dice::Dice;
use crate::metrics::{Bootstrap, Figure, gini, hhi, mean};
use crate::models::{Kind, Model, Named};
use crate::report::{Cell, Report, Table};
use crate::threads::each;

/// Rounds played.
pub const ROUNDS: usize = 30;
/// Hires by good participants in each.
pub const HIRES: usize = 50;
/// Answers to an offer.
const ANSWERS: usize = 20;
/// The share of hires that goes to those without a rating.
const LANE: f64 = 0.1;
/// The round in which honest newcomers join, and how many.
const JOIN: usize = 10;
const JOINING: usize = 10;
/// How often good work is done by a good worker.
const RELIABLE: f64 = 0.95;

/// Who takes part.
#[derive(Debug, Clone, Copy)]
pub struct Cast {
    /// Good participants: they hire, and they work well.
    pub good: usize,
    /// Bad ones: they work well so often, and praise each other.
    pub bad: usize,
    /// How often the bad ones work well.
    pub camouflage: f64,
    /// Spies: they work well and praise the bad ones.
    pub spies: usize,
    /// Newcomers that are bad, a round, from when honest ones join: each works badly under a name of its own.
    pub flood: usize,
}

/// What came of one market.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Outcome {
    /// The share of hires that a bad worker spoiled.
    pub spoiled: f64,
    /// The same in the last third.
    pub late: f64,
    /// How much less was got than the best answer would have given, in shares of a good hire.
    pub regret: f64,
    /// Hires per honest newcomer, as a share of those per good worker, from when they joined.
    pub newcomers: f64,
    /// How unequally hires are spread over the good.
    pub gini: f64,
    /// How concentrated they are.
    pub hhi: f64,
}

/// How somebody is chosen.
enum Choice {
    Model(Box<dyn Model>),
    /// By dice.
    Blind,
}

struct Market {
    cast: Cast,
    choice: Choice,
    dice: Dice,
    /// How often each works well.
    works: Vec<f64>,
    /// Whether each is on the attacker's side.
    bad: Vec<bool>,
    rated: Vec<bool>,
    hired: Vec<usize>,
    joined: std::ops::Range<usize>,
    now: f64,
}

impl Market {
    fn new(cast: Cast, choice: Choice, seed: u64) -> Self {
        let mut market = Self {
            cast,
            choice,
            dice: Dice::new(seed, u64::from_be_bytes(*b"market\0\0")),
            works: Vec::new(),
            bad: Vec::new(),
            rated: Vec::new(),
            hired: Vec::new(),
            joined: 0..0,
            now: 0.0,
        };
        (0..cast.good).for_each(|_| market.join(RELIABLE, false));
        (0..cast.bad).for_each(|_| market.join(cast.camouflage, true));
        (0..cast.spies).for_each(|_| market.join(RELIABLE, true));
        market
    }

    fn join(&mut self, works: f64, bad: bool) {
        self.works.push(works);
        self.bad.push(bad);
        self.rated.push(false);
        self.hired.push(0);
    }

    fn rate(&mut self, rater: usize, subject: usize, weight: f64) {
        self.rated[subject] = true;
        if let Choice::Model(model) = &mut self.choice {
            model.learn(&Rating::new(self.now, rater as Node, subject as Node, weight));
        }
    }

    fn mark(&mut self, well: bool) -> f64 {
        let size = 0.6 + 0.4 * self.dice.unit();
        if well { size } else { -size }
    }

    /// Whom `requester` takes of those that answered.
    fn choose(&mut self, requester: usize, answers: &[usize]) -> usize {
        let fresh: Vec<usize> = answers.iter().copied().filter(|who| !self.rated[*who]).collect();
        if !fresh.is_empty() && self.dice.chance(LANE) {
            return fresh[self.dice.below(fresh.len())];
        }
        let Choice::Model(model) = &mut self.choice else { return answers[self.dice.below(answers.len())] };
        let nodes: Vec<Node> = answers.iter().map(|who| *who as Node).collect();
        let scores = model.scores(requester as Node, &nodes, self.now);
        // Answers come in random order, so the first of the best is a random one of them.
        let best = (0..answers.len()).fold(0, |best, at| if scores[at] > scores[best] { at } else { best });
        answers[best]
    }

    fn play(mut self) -> Outcome {
        let (mut spoiled, mut late, mut regret) = (Vec::new(), Vec::new(), Vec::new());
        let mut before = Vec::new();
        for round in 0..ROUNDS {
            if round == JOIN {
                let from = self.works.len();
                (0..JOINING).for_each(|_| self.join(RELIABLE, false));
                self.joined = from..self.works.len();
                before.clone_from(&self.hired);
            }
            if round >= JOIN {
                (0..self.cast.flood).for_each(|_| self.join(0.0, true));
            }
            self.collude();
            for _ in 0..HIRES {
                let requester = self.dice.below(self.cast.good);
                let others: Vec<usize> = (0..self.works.len()).filter(|who| *who != requester).collect();
                let answers = self.dice.sample(&others, ANSWERS);
                let worker = self.choose(requester, &answers);
                let best = answers.iter().map(|who| self.works[*who]).fold(0.0, f64::max);
                let well = self.dice.chance(self.works[worker]);
                self.hired[worker] += 1;
                let bad = f64::from(u8::from(!well && self.bad[worker]));
                spoiled.push(bad);
                if round >= ROUNDS - ROUNDS / 3 {
                    late.push(bad);
                }
                regret.push(best - self.works[worker]);
                let mark = self.mark(well);
                self.rate(requester, worker, mark);
                let thanks = self.mark(true);
                self.rate(worker, requester, thanks);
            }
            self.now += DAY;
        }
        let good: Vec<f64> = (0..self.cast.good).map(|who| self.hired[who] as f64).collect();
        let since = |who: usize| (self.hired[who] - before.get(who).copied().unwrap_or(0)) as f64;
        let new = mean(&self.joined.clone().map(since).collect::<Vec<_>>());
        let old = mean(&(0..self.cast.good).map(since).collect::<Vec<_>>());
        Outcome {
            spoiled: mean(&spoiled),
            late: mean(&late),
            regret: mean(&regret),
            newcomers: if old > 0.0 { new / old } else { 0.0 },
            gini: gini(&good),
            hhi: hhi(&good),
        }
    }

    /// Hires that the bad ones make up: as many a head as good ones have, praise both ways. Spies praise the bad.
    fn collude(&mut self) {
        let bad = self.cast.good..self.cast.good + self.cast.bad;
        let each = HIRES as f64 / self.cast.good.max(1) as f64;
        let members = bad.end + self.cast.spies - bad.start;
        for _ in 0..(each * members as f64).round() as usize {
            if bad.is_empty() {
                return;
            }
            let one = bad.start + self.dice.below(members);
            let other = bad.start + self.dice.below(bad.len());
            if one != other {
                self.rate(one, other, 1.0);
                self.rate(other, one, 1.0);
            }
        }
    }
}

/// Plays so many markets of a cast with one way of choosing.
fn play(kind: Option<&Kind>, cast: Cast, settings: Settings) -> Vec<Outcome> {
    let one = |run: usize| {
        let choice = kind.map_or(Choice::Blind, |kind| Choice::Model(kind.build(0.8)));
        Market::new(cast, choice, settings.seed.wrapping_add(run as u64)).play()
    };
    each("markets", &(0..settings.runs).collect::<Vec<_>>(), |run| one(*run))
}

/// A figure over markets, with its interval.
pub(super) fn figure(outcomes: &[Outcome], settings: Settings, of: fn(&Outcome) -> f64) -> Figure {
    let units: Vec<u32> = (0..outcomes.len() as u32).collect();
    Bootstrap::new(&units, settings.resamples, settings.seed).figure(|weight| {
        let whole: f64 = units.iter().map(|unit| weight(*unit)).sum();
        outcomes.iter().zip(&units).map(|(one, unit)| weight(*unit) * of(one)).sum::<f64>() / whole
    })
}

pub(super) fn percent(figure: Figure) -> Cell {
    Cell::Figure(Figure { value: figure.value * 100.0, low: figure.low * 100.0, high: figure.high * 100.0 }, 1)
}

fn ways(models: &[Kind]) -> Vec<(String, Option<&Kind>)> {
    let named = models.iter().map(|kind| (kind.name().to_owned(), Some(kind)));
    std::iter::once(("by dice".to_owned(), None)).chain(named).collect()
}

/// What is told of markets.
pub(super) const COLUMNS: [&str; 7] = ["model", "spoiled %", "late %", "regret", "newcomers", "gini", "hhi"];

/// The same of some.
pub(super) fn row(name: String, outcomes: &[Outcome], settings: Settings) -> Vec<Cell> {
    let number = |of: fn(&Outcome) -> f64| Cell::Number(figure(outcomes, settings, of).value, 3);
    vec![
        Cell::Text(name),
        percent(figure(outcomes, settings, |one| one.spoiled)),
        percent(figure(outcomes, settings, |one| one.late)),
        number(|one| one.regret),
        number(|one| one.newcomers),
        number(|one| one.gini),
        number(|one| one.hhi),
    ]
}

/// Sixty good and so many bad ones that they are this share of all, in per cent.
fn share(percent_bad: u32) -> Cast {
    let bad = (60.0 * f64::from(percent_bad) / f64::from(100 - percent_bad.min(99))).round() as usize;
    Cast { good: 60, bad, camouflage: 0.0, spies: 0, flood: 0 }
}

/// The same rounds without brains: what to compare theirs with.
pub(super) fn baselines(percent_bad: u32, settings: Settings) -> Vec<(String, Vec<Outcome>)> {
    let models = [Kind::Named(Named::RawMean), Kind::Named(Named::EigenTrust), Kind::LOW];
    ways(&models).into_iter().map(|(name, kind)| (name, play(kind, share(percent_bad), settings))).collect()
}

/// Sixty good and more and more bad ones.
pub fn shares(models: &[Kind], settings: Settings) -> Report {
    let mut tables = Vec::new();
    for percent_bad in [10, 30, 50, 70] {
        let cast = share(percent_bad);
        let bad = cast.bad;
        let mut table = Table::new(
            format!("60 good and {bad} bad ({percent_bad}%) that praise each other; {ROUNDS} rounds of {HIRES} hires"),
            &COLUMNS,
        );
        for (name, kind) in ways(models) {
            let outcomes = play(kind, cast, settings);
            table.row(row(name, &outcomes, settings));
        }
        tables.push(table);
    }
    if let Some(table) = tables.last_mut() {
        table.note(
            "Spoiled: the share of hires that a bad worker spoiled; late: in the last ten rounds. Regret: what the best answer \
             would have given more, in good hires. Newcomers: hires per honest newcomer over hires per good worker. \
             Gini and HHI (least: 1/60 = .017): how hires are spread over the good.",
        );
        table.note("EigenTrust's paper reports about 10% at 70% malicious. Intervals: 95%, bootstrap over markets.");
    }
    Report { settings: vec![("runs", json!(settings.runs))], tables }
}

/// Bad work among good, as often as said (Chirita et al., threat C).
pub fn camouflage(models: &[Kind], settings: Settings) -> Table {
    let mut table = Table::new(
        "Camouflage: 53 good and 20 that work well so often; hires they spoiled, in %",
        &["model", "0%", "10%", "30%", "50%", "70%", "90%"],
    );
    for (name, kind) in ways(models) {
        let spoiled = [0.0, 0.1, 0.3, 0.5, 0.7, 0.9].map(|camouflage| {
            let cast = Cast { good: 53, bad: 20, camouflage, spies: 0, flood: 0 };
            Cell::Number(figure(&play(kind, cast, settings), settings, |one| one.spoiled).value * 100.0, 1)
        });
        table.row(std::iter::once(Cell::Text(name)).chain(spoiled));
    }
    table.curve("work that the bad do well, in %", "hires spoiled, in %", &[0.0, 10.0, 30.0, 50.0, 70.0, 90.0], None);
    table.note("Chirita, Nejdl, Schlosser, Scurtu (53 + 20): at most 17.6% at 50% good, 7.3% at 70%.");
    table
}

/// Good workers that praise bad ones (Chirita et al., threat D).
pub fn spies(models: &[Kind], settings: Settings) -> Table {
    let mut table = Table::new(
        "Spies: 63 good, 15 bad, and so many that work well and praise the bad; hires spoiled, in %",
        &["model", "0", "5", "10", "25", "40", "late at 25"],
    );
    table.curve("spies", "hires spoiled, in %", &[0.0, 5.0, 10.0, 25.0, 40.0], None);
    for (name, kind) in ways(models) {
        let played = [0, 5, 10, 25, 40]
            .map(|spies| play(kind, Cast { good: 63, bad: 15, camouflage: 0.0, spies, flood: 0 }, settings));
        let spoiled =
            played.iter().map(|outcomes| Cell::Number(figure(outcomes, settings, |one| one.spoiled).value * 100.0, 1));
        let late = percent(figure(&played[3], settings, |one| one.late));
        table.row(std::iter::once(Cell::Text(name)).chain(spoiled).chain([late]));
    }
    table.note("Late: in the last ten rounds. Chirita et al. play it with 25 spies.");
    table
}

/// Bad newcomers by the round beside ten honest ones.
pub fn newcomers(models: &[Kind], settings: Settings) -> Table {
    let mut table = Table::new(
        "Flooding: 60 good, 10 honest newcomers, and so many bad ones each round; hires per honest newcomer",
        &["model", "0", "5", "20", "50", "spoiled % at 50"],
    );
    for (name, kind) in ways(models) {
        let mut cells = vec![Cell::Text(name)];
        let mut last = Vec::new();
        for flood in [0, 5, 20, 50] {
            last = play(kind, Cast { good: 60, bad: 0, camouflage: 0.0, spies: 0, flood }, settings);
            cells.push(Cell::Number(figure(&last, settings, |one| one.newcomers).value, 3));
        }
        cells.push(percent(figure(&last, settings, |one| one.spoiled)));
        table.row(cells);
    }
    table.curve("bad newcomers a round", "hires per honest newcomer, 1 is fair", &[0.0, 5.0, 20.0, 50.0], None);
    table.note("As a share of the hires per good worker since they joined: 1 is a fair share.");
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(seed: u64) -> Settings {
        Settings { viewers: 1, targets: 1, runs: 2, seed, resamples: 10 }
    }

    #[test]
    fn a_seed_plays_the_same_market_and_a_mean_keeps_bad_workers_away() {
        let cast = Cast { good: 20, bad: 10, camouflage: 0.0, spies: 0, flood: 0 };
        let blind = play(None, cast, settings(1));
        assert_eq!(blind, play(None, cast, settings(1)));
        assert_ne!(blind, play(None, cast, settings(9)));
        // Ten of forty (honest newcomers included): about a third of the hires before they join, a quarter after.
        assert!((0.2..0.4).contains(&blind[0].spoiled), "{blind:?}");
        let cast = Cast { bad: 0, ..cast };
        let mean = Kind::Named(Named::Shrunk);
        assert!(play(Some(&mean), cast, settings(1)).iter().all(|one| one.spoiled == 0.0 && one.regret == 0.0));
    }

    #[test]
    fn praise_among_the_bad_fools_a_mean_and_a_flood_takes_from_honest_newcomers() {
        let cast = Cast { good: 20, bad: 10, camouflage: 0.0, spies: 0, flood: 0 };
        let mean = Kind::Named(Named::Shrunk);
        let fooled = play(Some(&mean), cast, settings(1));
        assert!(fooled[0].spoiled > 0.1, "{fooled:?}");
        let calm = play(None, Cast { bad: 0, ..cast }, settings(1));
        let flooded = play(None, Cast { bad: 0, flood: 50, ..cast }, settings(1));
        assert!(flooded[0].newcomers <= calm[0].newcomers * 1.5 && flooded[0].spoiled > 0.5, "{flooded:?}");
    }
}
