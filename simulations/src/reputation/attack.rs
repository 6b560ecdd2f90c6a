//! What attackers do, and what it moves: each attack a curve, for our model beside the baselines.
//!
//! Attacks on a network of real ratings are [`scenes`]; those that take time, by one worker among honest requesters, are
//! [`stories`]; those that need a whole market are in [`super::market`].

pub mod forged;
pub mod scenes;
pub mod stories;

use gigmesh_protocol::id::AgentId;
use serde_json::json;

use super::market;
use crate::data::{Node, Rating, Ratings};
use crate::dice::Dice;
use crate::metrics::{Bootstrap, mean};
use crate::models::{Face, Kind, Model, Named, Ours, Scale, day};
use crate::progress;
use crate::report::{Cell, Report, Table};
use crate::threads::each;
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
    /// A good name made with one model used with another.
    Swapped,
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
    pub const ALL: [Self; 14] = [
        Self::Promotion,
        Self::Slander,
        Self::Stuffing,
        Self::Ring,
        Self::Bought,
        Self::Whitewash,
        Self::OnOff,
        Self::Value,
        Self::Skill,
        Self::Swapped,
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
            Self::Swapped => "swapped",
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

/// The same on a network of real ratings, where those that take their time about an answer can be asked too.
pub const ON_DATA: [Kind; 9] = [
    Kind::Named(Named::RawMean),
    Kind::Named(Named::BetaDecay),
    Kind::Named(Named::FairnessGoodness),
    Kind::Named(Named::EigenTrust),
    Kind::Named(Named::PageRank),
    Kind::Named(Named::MeritRank),
    Kind::Named(Named::JointFlow),
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

/// A network of real ratings, and what it is called.
pub type Network<'a> = (&'static str, &'a Ratings);

/// The ends of a score.
const RATING: Option<(f64, f64)> = Some((-1.0, 1.0));

/// Plays these attacks, those that need a network on each of these; against these models, or the usual ones if none is named.
pub fn play(attacks: &[Attack], networks: &[Network<'_>], models: &[Kind], settings: Settings) -> Report {
    let mut tables = Vec::new();
    for attack in attacks {
        let usual: &[Kind] = if attack.on_data() { &ON_DATA } else { &MODELS };
        let models = if models.is_empty() { usual } else { models };
        let _step = progress::step(attack.name(), 1);
        if attack.on_data() {
            tables.extend(networks.iter().flat_map(|network| on_data(*attack, *network, models, settings)));
        } else {
            tables.extend(in_time(*attack, models, settings));
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
        Attack::OnOff => stories::on_off(models, settings.seed),
        Attack::Value => stories::value(models, settings.seed),
        Attack::Skill => vec![stories::skill(models, settings.seed)],
        Attack::Swapped => stories::swapped(models, settings.seed),
        Attack::Camouflage => vec![market::camouflage(models, settings)],
        Attack::Spies => vec![market::spies(models, settings)],
        Attack::Newcomers => vec![market::newcomers(models, settings)],
        Attack::Forged => vec![forged::play()],
        _ => Vec::new(),
    }
}

/// One kind of attack at several strengths, the first of which is none.
struct Plan<'a> {
    title: String,
    /// What grows.
    what: &'static str,
    columns: &'static [&'static str],
    strengths: &'static [usize],
    targets: &'a [Node],
    scene: Box<dyn Fn(Node, usize) -> Vec<Rating> + Sync + 'a>,
}

fn on_data(attack: Attack, network: Network<'_>, models: &[Kind], settings: Settings) -> Vec<Table> {
    let mut dice = Dice::new(settings.seed, u64::from_be_bytes(*b"scenes\0\0"));
    let stage = Stage::set(network.1, settings.viewers, settings.targets, &mut dice);
    let stage = &stage;
    let by_sybils = |title: String, targets, scene| Plan {
        title,
        what: "false identities",
        columns: &["model", "0", "1", "10", "100", "1000", "moved"],
        strengths: &[0, 1, 10, 100, 1_000],
        targets,
        scene,
    };
    let plans: Vec<Plan<'_>> = match attack {
        Attack::Promotion => [0, 1, 5]
            .map(|fooled| {
                let title = format!("Self-promotion of bad nodes by false identities, {fooled} honest fooled");
                let scene = move |target, sybils| stage.promotion(target, sybils as Node, fooled);
                by_sybils(title, &stage.bad, Box::new(scene))
            })
            .into(),
        Attack::Slander => [0, 1, 5]
            .map(|fooled| {
                let title = format!("Slander of good nodes by false identities, {fooled} honest fooled");
                let scene = move |target, sybils| stage.slander(target, sybils as Node, fooled);
                by_sybils(title, &stage.good, Box::new(scene))
            })
            .into(),
        Attack::Stuffing => vec![Plan {
            title: "Ballot stuffing: one established friend praises a bad node, so many hires".to_owned(),
            what: "hires",
            columns: &["model", "0", "1", "5", "20", "100", "500", "moved"],
            strengths: &[0, 1, 5, 20, 100, 500],
            targets: &stage.bad,
            scene: Box::new(|target, hires| stage.stuffing(target, hires)),
        }],
        Attack::Ring => vec![Plan {
            title: "A ring of so many established nodes praises a bad node and each other".to_owned(),
            what: "members",
            columns: &["model", "0", "5", "10", "20", "30", "50", "moved"],
            strengths: &[0, 5, 10, 20, 30, 50],
            targets: &stage.bad,
            scene: Box::new(|target, members| stage.ring(target, members)),
        }],
        Attack::Bought => vec![Plan {
            title: "A newcomer pays so many honest workers a hire each, then praises a bad node".to_owned(),
            what: "hires paid",
            columns: &["model", "0", "1", "5", "20", "50", "100", "moved"],
            strengths: &[0, 1, 5, 20, 50, 100],
            targets: &stage.bad,
            scene: Box::new(|target, hires| if hires == 0 { Vec::new() } else { stage.bought(target, hires).1 }),
        }],
        _ => Vec::new(),
    };
    let mut tables: Vec<Table> = plans.iter().map(|plan| curve(plan, network, stage, models, settings)).collect();
    if attack == Attack::Bought {
        tables.push(price(network, stage));
    }
    tables
}

/// The table of one plan: the mean over targets and viewers at each strength, and by how much the last differs from the
/// first.
fn curve(plan: &Plan<'_>, network: Network<'_>, stage: &Stage, models: &[Kind], settings: Settings) -> Table {
    let (name, ratings) = network;
    let mut table = Table::new(format!("{name}. {}", plan.title), plan.columns);
    let at: Vec<f64> = plan.strengths.iter().map(|strength| *strength as f64).collect();
    table.curve(plan.what, "score, -1 to 1", &at, RATING);
    let units: Vec<u32> = (0..plan.targets.len() as u32).collect();
    let bootstrap = Bootstrap::new(&units, settings.resamples, settings.seed);
    let befores = each("learning", models, |kind| {
        let mut before = kind.build(ratings.typical());
        ratings.list.iter().for_each(|rating| before.learn(rating));
        before.settle();
        before
    });
    let trials: Vec<(&Box<dyn Model>, Node, usize)> = befores
        .iter()
        .flat_map(|before| plan.targets.iter().map(move |target| (before, *target)))
        .flat_map(|(before, target)| plan.strengths.iter().map(move |strength| (before, target, *strength)))
        .collect();
    // By model, by target, by strength: the mean over viewers.
    let all = each("trials", &trials, |(before, target, strength)| {
        let mut model = before.fork();
        (plan.scene)(*target, *strength).iter().for_each(|rating| model.learn(rating));
        model.settle();
        let told = stage.viewers.iter().map(|viewer| seen(&mut *model, *viewer, *target, stage));
        mean(&told.collect::<Vec<_>>())
    });
    let (strengths, last) = (plan.strengths.len(), plan.strengths.len() - 1);
    for (at, (kind, before)) in models.iter().zip(&befores).enumerate() {
        let of = |target: usize, strength: usize| all[(at * plan.targets.len() + target) * strengths + strength];
        let over = |strength| mean(&(0..plan.targets.len()).map(|target| of(target, strength)).collect::<Vec<_>>());
        let moved = bootstrap.figure(|weight| {
            let whole: f64 = units.iter().map(|unit| weight(*unit)).sum();
            let moved = |unit: &u32| of(*unit as usize, last) - of(*unit as usize, 0);
            units.iter().map(|unit| weight(*unit) * moved(unit)).sum::<f64>() / whole
        });
        let cells = (0..strengths).map(|strength| Cell::Number(over(strength), 3));
        table.row(std::iter::once(named(kind, before.scale())).chain(cells).chain([Cell::Figure(moved, 3)]));
    }
    table.note(format!(
        "Mean over {} targets and {} viewers; scores in [-1, 1]. *: the share of honest nodes ranked below, in [0, 1]. \
         Interval: 95%, bootstrap over targets.",
        plan.targets.len(),
        stage.viewers.len()
    ));
    table
}

/// What standing costs: the evidence that a buyer of so many hires can put on any one subject, for each hire it paid.
fn price((name, ratings): Network<'_>, stage: &Stage) -> Table {
    let mut table = Table::new(
        format!(
            "{name}. Buying standing: a newcomer pays so many honest workers a hire each; what ours lets it put in"
        ),
        &["", "1", "2", "5", "10", "20", "50", "100"],
    );
    let paid = [1, 2, 5, 10, 20, 50, 100];
    table.curve("hires paid", "units of evidence", &paid.map(|hires: usize| hires as f64), None);
    let ours = Ours::learned(ratings, Face::Low);
    // By viewer: the weight of a buyer that pays workers in a random order, and of one that knows whom this viewer listens to.
    let weights = each("prices", &stage.viewers, |viewer| {
        let mut ours = ours.clone();
        let own = ours.key(*viewer);
        let keys: Vec<(AgentId, Node)> =
            (0..stage.free).filter(|node| node != viewer).map(|node| (ours.key(node), node)).collect();
        let standing = ours.model.standing(&own, &[], day(stage.now));
        let mut closest: Vec<(f64, Node)> = keys.iter().map(|(key, node)| (standing.mass(key), *node)).collect();
        closest.sort_by(|a, b| b.0.total_cmp(&a.0));
        let closest: Vec<Node> = closest.into_iter().map(|(_, node)| node).collect();
        [&stage.established, &closest].map(|workers| {
            paid.map(|hires| {
                let mut ours = ours.clone();
                stage.thanked(&workers[..hires.min(workers.len())]).iter().for_each(|rating| ours.learn(rating));
                let buyer = ours.key(stage.free);
                ours.model.standing(&own, &[], day(stage.now)).weight(&buyer)
            })
        })
    });
    // What ratings of a pair weigh at most, however many.
    let most = 1.0 / (1.0 - ours.model.params().pair);
    for (way, of) in [("", 0), ("closest: ", 1)] {
        let at = |at: usize| weights.iter().map(|weights| weights[of][at]).collect::<Vec<f64>>();
        let usual = |place: usize| mean(&at(place)) * most;
        let largest = |place: usize| at(place).into_iter().fold(0.0, f64::max) * most;
        let mut row = |name: &str, figure: &dyn Fn(usize) -> f64| {
            let cells = (0..paid.len()).map(|place| Cell::Number(figure(place), 3));
            table.row(std::iter::once(Cell::Text(format!("{way}{name}"))).chain(cells));
        };
        row("evidence", &usual);
        row("at most", &largest);
        row("for a hire", &|place| usual(place) / paid[place] as f64);
    }
    table.note(format!(
        "Evidence that it can put on any one subject: its weight x {most:.2}, what any number of ratings of one subject weigh \
         at most; a fresh hire rated by somebody who counts in full is 1. Means over {} viewers, and the largest. Closest: it \
         pays whom the viewer in question listens to most; else established workers in a random order.",
        stage.viewers.len()
    ));
    table
}

/// A model's name; ranks have a star.
fn named(kind: &Kind, scale: Scale) -> Cell {
    match scale {
        Scale::Rating => Cell::text(kind.name()),
        Scale::Rank => Cell::Text(format!("{} *", kind.name())),
    }
}

/// What a viewer is told of a target: its score, or where a rank puts it among the honest.
fn seen(model: &mut dyn Model, viewer: Node, target: Node, stage: &Stage) -> f64 {
    let of = model.score(viewer, target, stage.now);
    if model.scale() == Scale::Rating {
        return of;
    }
    let others: Vec<Node> = (0..stage.free).filter(|node| *node != target).collect();
    share_below(of, &model.scores(viewer, &others, stage.now))
}

/// The share of scores that are lower; equal ones count half.
fn share_below(of: f64, scores: &[f64]) -> f64 {
    let below = |score: &f64| f64::from(u8::from(*score < of)) + f64::from(u8::from(*score == of)) / 2.0;
    mean(&scores.iter().map(below).collect::<Vec<_>>())
}
