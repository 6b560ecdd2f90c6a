//! What attackers do, and what it moves: each attack a curve, for our model beside the baselines.
//!
//! Attacks on a network of real ratings are [`scenes`]; those that take time, by one worker among honest requesters, are
//! [`stories`]; those that need a whole market are in [`super::market`].

pub mod forged;
pub mod scenes;
pub mod stories;

use serde_json::json;

use super::market;
use crate::data::{Node, Rating, Ratings};
use crate::dice::Dice;
use crate::metrics::{Bootstrap, mean};
use crate::models::{Kind, Model, Named, Scale};
use crate::report::{Cell, Report, Table};
use scenes::Stage;

/// An attack by its name on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attack {
    /// False identities praise one.
    Promotion,
    /// False identities condemn one.
    Slander,
    /// One friend praises many times.
    Stuffing,
    /// Established nodes praise one and each other.
    Ring,
    /// Standing bought by paying honest workers.
    Bought,
    /// Leaving a bad name behind.
    Whitewash,
    /// Good for long, then bad.
    OnOff,
    /// Good at cheap work, bad at dear.
    Value,
    /// A good name at one skill used for another.
    Skill,
    /// Bad work among good.
    Camouflage,
    /// Good workers that praise bad ones.
    Spies,
    /// Many newcomers, most of them bad.
    Newcomers,
    /// Ratings that are none.
    Forged,
}

impl Attack {
    /// Every attack.
    pub const ALL: [Self; 13] = [
        Self::Promotion,
        Self::Slander,
        Self::Stuffing,
        Self::Ring,
        Self::Bought,
        Self::Whitewash,
        Self::OnOff,
        Self::Value,
        Self::Skill,
        Self::Camouflage,
        Self::Spies,
        Self::Newcomers,
        Self::Forged,
    ];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Promotion => "promotion",
            Self::Slander => "slander",
            Self::Stuffing => "stuffing",
            Self::Ring => "ring",
            Self::Bought => "bought",
            Self::Whitewash => "whitewash",
            Self::OnOff => "on-off",
            Self::Value => "value",
            Self::Skill => "skill",
            Self::Camouflage => "camouflage",
            Self::Spies => "spies",
            Self::Newcomers => "newcomers",
            Self::Forged => "forged",
        }
    }

    /// Whether it is played on a network of real ratings.
    pub fn on_data(self) -> bool {
        matches!(self, Self::Promotion | Self::Slander | Self::Stuffing | Self::Ring | Self::Bought)
    }
}

/// The models compared when none is named.
pub const MODELS: [Kind; 7] = [
    Kind::Named(Named::RawMean),
    Kind::Named(Named::BetaDecay),
    Kind::Named(Named::FairnessGoodness),
    Kind::Named(Named::EigenTrust),
    Kind::Named(Named::PageRank),
    Kind::MEAN,
    Kind::LOW,
];

/// What a run depends on besides the data.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// Whose eyes, on a network of real ratings.
    pub viewers: usize,
    /// Who is praised or condemned there.
    pub targets: usize,
    /// Markets played of each kind.
    pub runs: usize,
    /// Of every choice.
    pub seed: u64,
    /// Behind each interval.
    pub resamples: u32,
}

/// Plays these attacks. Without ratings those that need them are left out.
pub fn play(attacks: &[Attack], ratings: Option<&Ratings>, models: &[Kind], settings: Settings) -> Report {
    let mut tables = Vec::new();
    for attack in attacks {
        match (attack.on_data(), ratings) {
            (true, Some(ratings)) => tables.extend(on_data(*attack, ratings, models, settings)),
            (true, None) => {}
            (false, _) => tables.extend(in_time(*attack, models, settings)),
        }
    }
    Report {
        settings: vec![
            ("viewers", json!(settings.viewers)),
            ("targets", json!(settings.targets)),
            ("runs", json!(settings.runs)),
        ],
        tables,
    }
}

fn in_time(attack: Attack, models: &[Kind], settings: Settings) -> Vec<Table> {
    match attack {
        Attack::Whitewash => vec![stories::whitewash(models, settings.seed)],
        Attack::OnOff => vec![stories::on_off(models, settings.seed)],
        Attack::Value => vec![stories::value(models, settings.seed)],
        Attack::Skill => vec![stories::skill(models, settings.seed)],
        Attack::Camouflage => vec![market::camouflage(models, settings)],
        Attack::Spies => vec![market::spies(models, settings)],
        Attack::Newcomers => vec![market::newcomers(models, settings)],
        Attack::Forged => vec![forged::play()],
        _ => Vec::new(),
    }
}

/// One kind of attack at several strengths.
struct Plan<'a> {
    title: String,
    columns: &'a [&'static str],
    strengths: &'a [usize],
    targets: &'a [Node],
    scene: &'a dyn Fn(Node, usize) -> Vec<Rating>,
}

fn on_data(attack: Attack, ratings: &Ratings, models: &[Kind], settings: Settings) -> Vec<Table> {
    let mut dice = Dice::new(settings.seed, u64::from_be_bytes(*b"scenes\0\0"));
    let stage = Stage::set(ratings, settings.viewers, settings.targets, &mut dice);
    let sybils = [0, 1, 10, 100, 1_000];
    let by_sybils = ["model", "0", "1", "10", "100", "1000", "moved"];
    let mut plans = Vec::new();
    let promote: Vec<_> = [0, 1, 5]
        .map(|fooled| {
            let stage = &stage;
            (fooled, move |target: Node, sybils: usize| stage.promotion(target, sybils as Node, fooled))
        })
        .into_iter()
        .collect();
    let slander = |target: Node, sybils: usize| stage.slander(target, sybils as Node);
    let stuff = |target: Node, hires: usize| stage.stuffing(target, hires);
    let ring = |target: Node, members: usize| stage.ring(target, members);
    let buy = |target: Node, hires: usize| if hires == 0 { Vec::new() } else { stage.bought(target, hires).1 };
    match attack {
        Attack::Promotion => {
            for (fooled, scene) in &promote {
                let title = format!("Self-promotion of bad nodes by false identities, {fooled} honest fooled");
                plans.push(Plan { title, columns: &by_sybils, strengths: &sybils, targets: &stage.bad, scene });
            }
        }
        Attack::Slander => {
            let title = "Slander of good nodes by false identities".to_owned();
            plans.push(Plan { title, columns: &by_sybils, strengths: &sybils, targets: &stage.good, scene: &slander });
        }
        Attack::Stuffing => plans.push(Plan {
            title: "Ballot stuffing: one established friend praises a bad node, so many hires".to_owned(),
            columns: &["model", "0", "1", "5", "20", "100", "500", "moved"],
            strengths: &[0, 1, 5, 20, 100, 500],
            targets: &stage.bad,
            scene: &stuff,
        }),
        Attack::Ring => plans.push(Plan {
            title: "A ring of so many established nodes praises a bad node and each other".to_owned(),
            columns: &["model", "0", "5", "10", "20", "50", "moved"],
            strengths: &[0, 5, 10, 20, 50],
            targets: &stage.bad,
            scene: &ring,
        }),
        Attack::Bought => plans.push(Plan {
            title: "A newcomer pays so many honest workers a hire each, then praises a bad node".to_owned(),
            columns: &["model", "0", "1", "5", "20", "100", "moved"],
            strengths: &[0, 1, 5, 20, 100],
            targets: &stage.bad,
            scene: &buy,
        }),
        _ => {}
    }
    plans.iter().map(|plan| curve(plan, ratings, &stage, models, settings)).collect()
}

/// The table of one plan: the mean over targets and viewers at each strength, and by how much the last differs from the
/// first.
fn curve(plan: &Plan<'_>, ratings: &Ratings, stage: &Stage, models: &[Kind], settings: Settings) -> Table {
    let mut table = Table::new(plan.title.clone(), plan.columns);
    let units: Vec<u32> = (0..plan.targets.len() as u32).collect();
    let bootstrap = Bootstrap::new(&units, settings.resamples, settings.seed);
    for kind in models {
        let mut before = kind.build(ratings.typical());
        ratings.list.iter().for_each(|rating| before.learn(rating));
        before.settle();
        // By target, by strength: the mean over viewers.
        let of = |target: &Node| -> Vec<f64> {
            let at = |strength: &usize| {
                let mut model = before.fork();
                (plan.scene)(*target, *strength).iter().for_each(|rating| model.learn(rating));
                model.settle();
                let said: Vec<f64> =
                    stage.viewers.iter().map(|viewer| seen(&mut *model, *viewer, *target, stage)).collect();
                mean(&said)
            };
            plan.strengths.iter().map(at).collect()
        };
        let all: Vec<Vec<f64>> = plan.targets.iter().map(of).collect();
        let over = |strength: usize| mean(&all.iter().map(|curve| curve[strength]).collect::<Vec<_>>());
        let last = plan.strengths.len() - 1;
        let moved = bootstrap.figure(|weight| {
            let whole: f64 = units.iter().map(|unit| weight(*unit)).sum();
            let sum: f64 = all.iter().zip(&units).map(|(curve, unit)| weight(*unit) * (curve[last] - curve[0])).sum();
            sum / whole
        });
        let name = match before.scale() {
            Scale::Rating => kind.name().to_owned(),
            Scale::Rank => format!("{} *", kind.name()),
        };
        let cells = (0..=last).map(|strength| Cell::Number(over(strength), 3));
        table.row(std::iter::once(Cell::Text(name)).chain(cells).chain([Cell::Figure(moved, 3)]));
    }
    table.note(format!(
        "Mean over {} targets and {} viewers; scores in [-1, 1]. *: the share of honest nodes ranked below, in [0, 1]. \
         Interval: 95%, bootstrap over targets.",
        plan.targets.len(),
        stage.viewers.len()
    ));
    table
}

/// What a viewer is told of a target: its score, or where a rank puts it among the honest.
fn seen(model: &mut dyn Model, viewer: Node, target: Node, stage: &Stage) -> f64 {
    if model.scale() == Scale::Rating {
        return model.score(viewer, target, stage.now);
    }
    let others: Vec<Node> = (0..stage.free).filter(|node| *node != target).collect();
    let of = model.score(viewer, target, stage.now);
    let scores = model.scores(viewer, &others, stage.now);
    let below: f64 =
        scores.iter().map(|score| f64::from(u8::from(*score < of)) + f64::from(u8::from(*score == of)) / 2.0).sum();
    below / others.len().max(1) as f64
}
