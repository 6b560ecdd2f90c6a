//! Markets side by side: more and more bad ones, floods of newcomers, names left behind, models swapped.

use serde_json::json;

use super::{Plan, Played, Role, TURN, play};
use crate::metrics::mean;
use crate::report::{Cell, Report, Table};
use crate::reputation::attack;
use crate::reputation::market::{self, Outcome};
use crate::threads;

/// How much is played.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Markets of each kind.
    pub runs: usize,
    /// How many claim an offer.
    pub answers: usize,
    /// Shares of bad ones, in per cent.
    pub bad: Vec<u32>,
    /// Ways to choose.
    pub by: Vec<Way>,
    /// The seed of everything random.
    pub seed: u64,
    /// Resamples of the bootstrap.
    pub resamples: u32,
}

/// What is played, by its name on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scene {
    /// More and more bad ones.
    Shares,
    /// Bad newcomers by the round.
    Newcomers,
    /// Names left behind.
    Whitewash,
    /// A good name, then a cheaper model.
    Swap,
}

impl Scene {
    /// Every scene.
    pub const ALL: [Self; 4] = [Self::Shares, Self::Newcomers, Self::Whitewash, Self::Swap];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Shares => "shares",
            Self::Newcomers => "newcomers",
            Self::Whitewash => "whitewash",
            Self::Swap => "swap",
        }
    }
}

/// How the good choose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// By the price alone, which is the same for all: by dice.
    Price,
    /// As tasks do unless they say otherwise.
    Reputation,
    /// The same, and all have pinned three good ones from the beginning (EigenTrust's pre-trusted peers).
    Pinned,
}

impl Way {
    /// Every way.
    pub const ALL: [Self; 3] = [Self::Price, Self::Reputation, Self::Pinned];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Price => "price",
            Self::Reputation => "reputation",
            Self::Pinned => "pinned",
        }
    }

    fn plan(self, plan: Plan) -> Plan {
        match self {
            Self::Price => Plan { reputation: false, ..plan },
            Self::Reputation => plan,
            Self::Pinned => Plan { pinned: 3, ..plan },
        }
    }
}

/// Plays scenes.
pub fn show(scenes: &[Scene], settings: &Settings) -> Report {
    let stage = Stage { settings };
    let mut tables = Vec::new();
    for scene in scenes {
        match scene {
            Scene::Shares => tables.extend(stage.shares()),
            Scene::Newcomers => tables.push(stage.newcomers()),
            Scene::Whitewash => tables.push(stage.whitewash()),
            Scene::Swap => tables.push(stage.swap()),
        }
    }
    Report { settings: vec![("runs", json!(settings.runs)), ("answers", json!(settings.answers))], tables }
}

struct Stage<'a> {
    settings: &'a Settings,
}

/// Markets of one kind.
struct Runs(Vec<Played>);

impl Runs {
    fn outcomes(&self) -> Vec<Outcome> {
        self.0.iter().map(Played::outcome).collect()
    }

    fn mean(&self, of: impl Fn(&Played) -> f64) -> f64 {
        mean(&self.0.iter().map(of).collect::<Vec<_>>())
    }
}

impl Stage<'_> {
    fn play(&self, name: &str, plan: Plan) -> Runs {
        let plan = Plan { answers: self.settings.answers, ..plan };
        let runs: Vec<u64> = (0..self.settings.runs as u64).collect();
        Runs(threads::each(name, &runs, |run| play(plan, self.settings.seed.wrapping_add(*run))))
    }

    /// As the tables of markets without brains take it.
    fn figures(&self) -> attack::Settings {
        let Settings { runs, seed, resamples, .. } = *self.settings;
        attack::Settings { viewers: 0, targets: 0, runs, seed, resamples }
    }

    fn shares(&self) -> Vec<Table> {
        let mut tables = Vec::new();
        for percent in self.settings.bad.iter().copied() {
            let plan = Plan::usual().with_bad(percent);
            let mut columns = market::COLUMNS;
            columns[0] = "chosen by";
            let title = format!(
                "60 good and {} bad ({percent}%); {} rounds of {} hires, {} claims for each",
                plan.bad, plan.rounds, plan.hires, self.settings.answers
            );
            let mut table = Table::new(title, &columns);
            let mut causes = Table::new(
                "Of all hires, in %: spoiled in rounds 1 to 5; spoiled because",
                &["chosen by", "1", "2", "3", "4", "5", "lane", "unknown", "fooled"],
            );
            for (name, outcomes) in market::baselines(percent, self.figures()) {
                table.row(market::row(format!("{name} *"), &outcomes, self.figures()));
            }
            for way in &self.settings.by {
                let name = way.name();
                let runs = self.play(&format!("{percent}% bad, by {name}"), way.plan(plan));
                table.row(market::row(name.to_owned(), &runs.outcomes(), self.figures()));
                let share = |of: &dyn Fn(&Played) -> f64| Cell::Number(runs.mean(of) * 100.0, 1);
                let rounds = (0..5).map(|round| share(&|played| played.spoiled_in(round)));
                let why = [
                    share(&|played| played.causes().lane),
                    share(&|played| played.causes().unknown),
                    share(&|played| played.causes().fooled),
                ];
                causes.row(std::iter::once(Cell::text(name)).chain(rounds).chain(why));
            }
            tables.extend([table, causes]);
        }
        if let Some(table) = tables.last_mut() {
            table.note("*: by the model alone, in the same rounds; no brain decides there, and 20 answer.");
            table.note(
                "Spoiled: the share of hires that a bad worker spoiled; late: in the last ten rounds. Regret: what the best \
                 claim would have given more, in good hires. Newcomers: hires per honest newcomer over hires per good worker. \
                 Lane: it was a newcomer's turn; unknown: nobody who claimed was known to be any good; fooled: its \
                 reputation was better than that of somebody unknown.",
            );
            table
                .note("EigenTrust's paper reports about 10% at 70% malicious. Intervals: 95%, bootstrap over markets.");
        }
        tables
    }

    fn newcomers(&self) -> Table {
        let mut table = Table::new(
            "60 good, from round 11 on 10 honest newcomers and so many bad ones more each round",
            &["bad newcomers", "hires per newcomer", "spoiled %", "late %", "spoiled by the lane %"],
        );
        for flood in [0, 5, 20] {
            let runs = self.play(&format!("{flood} bad newcomers a round"), Plan { flood, ..Plan::usual() });
            table.row([
                Cell::Count(flood as u64),
                Cell::Number(runs.mean(|played| played.outcome().newcomers), 3),
                Cell::Number(runs.mean(Played::spoiled) * 100.0, 1),
                Cell::Number(runs.mean(Played::late) * 100.0, 1),
                Cell::Number(runs.mean(|played| played.causes().lane) * 100.0, 1),
            ]);
        }
        table.note("Hires per honest newcomer over hires per good worker since they joined: 1 is a fair share.");
        table
    }

    fn whitewash(&self) -> Table {
        let mut table = Table::new(
            "60 good, 20 bad that keep their names, 20 that take another after each bad rating",
            &["", "hires each", "paid each, USD", "names each"],
        );
        let runs = self.play("names left behind", Plan { bad: 20, changing: 20, ..Plan::usual() });
        for (name, role) in [("good", Role::Good), ("bad, one name", Role::Bad), ("bad, new names", Role::Changing)] {
            let names = |played: &Played| {
                let of = played.members.iter().filter(|member| member.role == role);
                mean(&of.map(|member| member.names as f64).collect::<Vec<_>>())
            };
            table.row([
                Cell::text(name),
                Cell::Number(runs.mean(|played| mean(&played.hired(role, 0))), 2),
                Cell::Number(runs.mean(|played| played.paid(role)) / 1e6, 3),
                Cell::Number(runs.mean(names), 2),
            ]);
        }
        table
    }

    fn swap(&self) -> Table {
        let mut table = Table::new(
            format!("60 good, and 5 that work well until round {TURN} and badly, by another model, from then on"),
            &["", "each"],
        );
        let runs = self.play("models swapped", Plan { swapping: 5, newcomers: 0, ..Plan::usual() });
        let hired = |from: usize| runs.mean(|played| mean(&played.hired(Role::Swapping, from)));
        table.row([Cell::text("hires before"), Cell::Number(hired(0) - hired(TURN), 2)]);
        table.row([Cell::text("hires after"), Cell::Number(hired(TURN), 2)]);
        table.row([Cell::text("of them in the last ten rounds"), Cell::Number(hired(20), 2)]);
        let told = |played: &Played| played.told.0 as f64 / played.told.1.max(1) as f64;
        table.row([Cell::text("share of explanations that name both models"), Cell::Number(runs.mean(told), 3)]);
        table
    }
}
