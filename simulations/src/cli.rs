//! The command line: reads files, asks the experiments, prints what they found. Nothing is decided here.
//! The command `all` runs every command of the README and writes what they print.
//!
//! Exit codes: 0 done, 1 a failure of ours, 2 something for the user to put right.

mod all;

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand, ValueEnum};
use serde_json::json;

use crate::chart;
use crate::data::{self, Ratings};
use crate::limits;
use crate::models::Kind;
use crate::progress;
use crate::report::Report;
use crate::reputation::attack::{self, Attack};
use crate::reputation::brains::scenes::{self, Scene, Way};
use crate::reputation::{Half, correctness, fraud, interval, market, predict};

/// The market's models on real data and under attack.
///
/// Every command prints tables within 80 columns, or with --json the same in full
/// precision, and prints the same again for the same --seed. What it has to wait
/// for it says on a terminal. The data are not part of this program: commands take
/// the paths of files, and say which ones where they are missing.
#[derive(Debug, Parser)]
#[command(
    name = "gigmesh-sim",
    version,
    verbatim_doc_comment,
    after_help = "Begin with: gigmesh-sim reputation attack swapped"
)]
struct Cli {
    #[command(subcommand)]
    area: Area,
}

#[derive(Debug, Subcommand)]
enum Area {
    /// How good the reputation model is, beside those before it.
    #[command(subcommand)]
    Reputation(Reputation),
    /// Plays whole markets in which brains decide, as nodes run them.
    ///
    /// Offers, claims, choosing, deliveries, checks and ratings are real. Prints which
    /// share of the hires bad workers spoiled, and why, beside the models alone
    /// (shares), and what a flood of newcomers, new names for bad workers and a
    /// swapped model do (newcomers, whitewash, swap). A market takes a minute or two
    /// of processor time.
    #[command(verbatim_doc_comment)]
    Market(Brains),
}

#[derive(Debug, Subcommand)]
enum Reputation {
    /// Checks standing: exact, in any order, kept up to date, bounded.
    ///
    /// Prints by how much the canonical walk differs from a dense iteration, how many
    /// vectors other orders of arrival changed, how far the incremental walk strays
    /// from its certificate, and how near attackers come to the bounds on mass and
    /// evidence. Takes minutes: most of them go into attackers that tune themselves.
    #[command(verbatim_doc_comment)]
    Correctness(Correctness),
    /// Predicts each rating from those before it, or from all others.
    ///
    /// Prints error (RMSE), correlation (PCC) and how well good ratings are told from
    /// bad ones (sign-AUC) for every model, and by how much its error differs from
    /// the anchor's. Takes minutes, as ours walks anew for each prediction; --every 4
    /// takes a quarter.
    #[command(verbatim_doc_comment)]
    Predict(Predict),
    /// Checks intervals: what they cover, what false identities move.
    ///
    /// Prints which share of the next ratings falls into their 90% intervals, and by
    /// how much identities move the lower end of whom they praise. Takes minutes;
    /// --every 4 is quicker.
    #[command(verbatim_doc_comment)]
    Interval(Interval),
    /// Plays an attack, or all.
    ///
    /// Prints a curve: what each model says as the attack grows. --svg draws it.
    /// Attacks on real ratings (promotion, slander, stuffing, ring, bought) take a
    /// minute a network, those in time (whitewash, on-off, value, skill, swapped) and
    /// forged ones seconds, those in markets (camouflage, spies, newcomers) minutes:
    /// fewer --runs are quicker.
    #[command(verbatim_doc_comment)]
    Attack(Attacks),
    /// Plays a market of workers hired by what a model says of them.
    ///
    /// Prints which share of the hires bad workers spoiled, how much less was got than
    /// the best answer would have given, and how hires were spread. Takes minutes for
    /// each of its --runs.
    #[command(verbatim_doc_comment)]
    Market(Market),
    /// Ranks labelled fraudsters, without the labellers' ratings.
    ///
    /// Prints how well each model ranks them (AUC, average precision), and its worst
    /// viewer. Takes a minute.
    #[command(verbatim_doc_comment)]
    Fraud(Fraud),
    /// Runs every command of the README and writes what each prints.
    ///
    /// Writes text, JSON and, of curves, SVG. Prints the files, the commands that make
    /// each of them, and how long they took; an hour all together on two
    /// processors. What is written depends on data, options and program alone.
    #[command(verbatim_doc_comment)]
    All(all::All),
}

#[derive(Debug, Args)]
struct Common {
    /// The seed of everything random.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Resamples behind each interval.
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=i64::from(limits::RESAMPLES)))]
    resamples: u32,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl Common {
    fn predicting(&self, half: HalfArg, every: u16) -> predict::Settings {
        predict::Settings { half: half.into(), every: usize::from(every), seed: self.seed, resamples: self.resamples }
    }
}

#[derive(Debug, Args)]
struct Interval {
    /// Bitcoin OTC as SNAP has it.
    #[arg(long, value_name = "FILE")]
    otc: PathBuf,
    /// Which ratings are predicted.
    #[arg(long, default_value = "all")]
    half: HalfArg,
    /// Predict only each so many-th, for a quick look.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
    every: u16,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, Args)]
struct Correctness {
    /// Bitcoin OTC as SNAP has it.
    #[arg(long, value_name = "FILE")]
    otc: PathBuf,
    /// Advogato as KONECT has it.
    #[arg(long, value_name = "FILE")]
    advogato: Option<PathBuf>,
    /// Through the eyes of so many viewers.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=10_000))]
    viewers: u16,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, Args)]
struct Predict {
    /// Bitcoin OTC or Alpha as SNAP has them: rater,rated,rating,time.
    #[arg(long, value_name = "FILE")]
    otc: PathBuf,
    /// Which are predicted. Constants are chosen on the first half.
    #[arg(long, default_value = "all")]
    half: HalfArg,
    /// Only these models.
    #[arg(long, value_name = "NAME", value_delimiter = ',', value_parser = named)]
    model: Vec<Kind>,
    /// Predict only each so many-th, for a quick look.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
    every: u16,
    /// Ours with one thing changed at a time, instead of other models.
    #[arg(long)]
    ablate: bool,
    /// Predict each rating from all others, later ones too, as published tables do.
    #[arg(long)]
    leave_one_out: bool,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, Args)]
struct Fraud {
    /// Bitcoin OTC as SNAP has it.
    #[arg(long, value_name = "FILE")]
    otc: PathBuf,
    /// Its labels: user,label with +1 for benign and -1 for fraudulent.
    #[arg(long, value_name = "FILE")]
    labels: PathBuf,
    /// Only these models.
    #[arg(long, value_name = "NAME", value_delimiter = ',', value_parser = named)]
    model: Vec<Kind>,
    /// Through the eyes of so many viewers, where a model has viewers.
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u16).range(1..=10_000))]
    viewers: u16,
    /// Viewers that have given at least so many positive ratings.
    #[arg(long, default_value_t = 5)]
    given: u16,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, Args)]
struct Attacks {
    /// The attack; "all" plays every one.
    #[arg(value_name = "NAME", value_parser = attack_named)]
    attack: Attacked,
    /// Bitcoin OTC as SNAP has it, for attacks on real ratings.
    #[arg(long, value_name = "FILE")]
    otc: Option<PathBuf>,
    /// Advogato as KONECT has it, its levels .6, .8 and 1 taken for scores.
    #[arg(long, value_name = "FILE")]
    advogato: Option<PathBuf>,
    /// Draw the curves into this file, as SVG.
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
    /// Only these models.
    #[arg(long, value_name = "NAME", value_delimiter = ',', value_parser = named)]
    model: Vec<Kind>,
    /// Through the eyes of so many viewers.
    #[arg(long, default_value_t = 6, value_parser = clap::value_parser!(u16).range(1..=1_000))]
    viewers: u16,
    /// On so many targets.
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=1_000))]
    targets: u16,
    /// Markets played of each kind.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..=1_000))]
    runs: u16,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, Args)]
struct Market {
    /// Only these models.
    #[arg(long, value_name = "NAME", value_delimiter = ',', value_parser = named)]
    model: Vec<Kind>,
    /// Markets played of each kind.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..=1_000))]
    runs: u16,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, Args)]
struct Brains {
    /// What is played; "all" plays every scene.
    #[arg(value_name = "SCENE", default_value = "shares", value_parser = scene_named)]
    scene: Scenes,
    /// Markets played of each kind.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=1_000))]
    runs: u16,
    /// How many hear of an offer and claim it.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=10_000))]
    answers: u16,
    /// Shares of bad participants, in per cent.
    #[arg(long, value_name = "PERCENT", value_delimiter = ',', default_values_t = [10, 30, 50, 70], value_parser = clap::value_parser!(u32).range(0..=90))]
    bad: Vec<u32>,
    /// Of the ways to choose, only these.
    #[arg(long, value_name = "WAY", value_delimiter = ',', value_parser = way_named)]
    by: Vec<Way>,
    #[command(flatten)]
    common: Common,
}

/// One scene, or every one.
#[derive(Debug, Clone, Copy)]
struct Scenes(Option<Scene>);

fn way_named(name: &str) -> Result<Way, String> {
    Way::ALL.into_iter().find(|way| way.name() == name).ok_or_else(|| {
        let names: Vec<&str> = Way::ALL.into_iter().map(Way::name).collect();
        format!("no such way to choose; there are {}", names.join(", "))
    })
}

fn scene_named(name: &str) -> Result<Scenes, String> {
    if name == "all" {
        return Ok(Scenes(None));
    }
    Scene::ALL.into_iter().find(|scene| scene.name() == name).map(|scene| Scenes(Some(scene))).ok_or_else(|| {
        let names: Vec<&str> = Scene::ALL.into_iter().map(Scene::name).collect();
        format!("no such scene; there are {}, and all", names.join(", "))
    })
}

/// One attack, or every one.
#[derive(Debug, Clone, Copy)]
struct Attacked(Option<Attack>);

fn attack_named(name: &str) -> Result<Attacked, String> {
    let one = || Attack::ALL.into_iter().find(|attack| attack.name() == name);
    if name == "all" {
        return Ok(Attacked(None));
    }
    one().map(|attack| Attacked(Some(attack))).ok_or_else(|| {
        let names: Vec<&str> = Attack::ALL.into_iter().map(Attack::name).collect();
        format!("no such attack; there are {}, and all", names.join(", "))
    })
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum HalfArg {
    First,
    Second,
    All,
}

impl From<HalfArg> for Half {
    fn from(half: HalfArg) -> Self {
        match half {
            HalfArg::First => Self::First,
            HalfArg::Second => Self::Second,
            HalfArg::All => Self::All,
        }
    }
}

fn named(name: &str) -> Result<Kind, String> {
    Kind::find(name).ok_or_else(|| {
        let names: Vec<&str> = Kind::all().iter().map(Kind::name).collect();
        format!("no such model; there are {}", names.join(", "))
    })
}

/// What the user has to put right.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error(transparent)]
    Data(#[from] data::Error),
    #[error("this attack is played on real ratings; name a file of them with --otc or --advogato")]
    NeedsData,
    #[error("nothing here is a curve to draw; leave --svg out")]
    NoCurve,
    #[error("cannot write {0}: {1}")]
    Write(PathBuf, std::io::Error),
    #[error("cannot run the step {0}: {1}")]
    Step(&'static str, String),
}

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let common = cli.area.common();
    match progress::show(|| cli.area.run()) {
        Ok(report) => {
            let text = if common.json { format!("{:#}\n", report.json()) } else { report.show() };
            // Whoever closed the pipe has read enough.
            let _ = std::io::stdout().write_all(text.as_bytes());
            ExitCode::SUCCESS
        }
        Err(error) => {
            if common.json {
                eprintln!("{}", json!({"error": error.to_string()}));
            } else {
                eprintln!("error: {error}");
            }
            ExitCode::from(2)
        }
    }
}

impl Area {
    fn common(&self) -> &Common {
        match self {
            Self::Reputation(command) => command.common(),
            Self::Market(args) => &args.common,
        }
    }

    fn run(&self) -> Result<Report, Error> {
        let mut report = match self {
            Self::Reputation(command) => command.run(),
            Self::Market(args) => args.run(),
        }?;
        report.settings.insert(0, ("seed", json!(self.common().seed)));
        report.settings.insert(1, ("resamples", json!(self.common().resamples)));
        Ok(report)
    }
}

impl Reputation {
    fn common(&self) -> &Common {
        match self {
            Self::Correctness(args) => &args.common,
            Self::Predict(args) => &args.common,
            Self::Interval(args) => &args.common,
            Self::Attack(args) => &args.common,
            Self::Market(args) => &args.common,
            Self::Fraud(args) => &args.common,
            Self::All(args) => &args.common,
        }
    }

    fn run(&self) -> Result<Report, Error> {
        match self {
            Self::Correctness(args) => args.run(),
            Self::Predict(args) => args.run(),
            Self::Interval(args) => args.run(),
            Self::Attack(args) => args.run(),
            Self::Market(args) => args.run(),
            Self::Fraud(args) => args.run(),
            Self::All(args) => args.run(),
        }
    }
}

impl Brains {
    fn run(&self) -> Result<Report, Error> {
        let settings = scenes::Settings {
            runs: usize::from(self.runs),
            answers: usize::from(self.answers),
            bad: self.bad.clone(),
            by: if self.by.is_empty() { Way::ALL.to_vec() } else { self.by.clone() },
            seed: self.common.seed,
            resamples: self.common.resamples,
        };
        let scenes = self.scene.0.map_or_else(|| Scene::ALL.to_vec(), |scene| vec![scene]);
        Ok(scenes::show(&scenes, &settings))
    }
}

impl Correctness {
    fn run(&self) -> Result<Report, Error> {
        let mut networks = vec![("otc", Ratings::bitcoin(&self.otc)?)];
        if let Some(path) = &self.advogato {
            networks.push(("advogato", Ratings::advogato(path)?));
        }
        let settings = correctness::Settings { viewers: usize::from(self.viewers), seed: self.common.seed };
        Ok(correctness::check(&networks, settings))
    }
}

impl Predict {
    fn run(&self) -> Result<Report, Error> {
        let ratings = Ratings::bitcoin(&self.otc)?;
        let models = match (self.ablate, self.model.is_empty()) {
            (true, _) => predict::ABLATION.to_vec(),
            (_, true) => predict::MODELS.to_vec(),
            _ => self.model.clone(),
        };
        let settings = self.common.predicting(self.half, self.every);
        let mut report = predict::prequential(&ratings, &models, settings);
        if self.leave_one_out {
            report.tables.push(predict::leave_one_out(&ratings));
        }
        Ok(report)
    }
}

impl Interval {
    fn run(&self) -> Result<Report, Error> {
        let ratings = Ratings::bitcoin(&self.otc)?;
        Ok(interval::check(&ratings, self.common.predicting(self.half, self.every)))
    }
}

impl Attacks {
    fn run(&self) -> Result<Report, Error> {
        let otc = self.otc.as_ref().map(|path| Ratings::bitcoin(path)).transpose()?;
        let advogato = self.advogato.as_ref().map(|path| Ratings::advogato(path)).transpose()?;
        let networks: Vec<attack::Network<'_>> = [("Bitcoin OTC", &otc), ("Advogato", &advogato)]
            .into_iter()
            .filter_map(|(name, ratings)| Some((name, ratings.as_ref()?)))
            .collect();
        let attacks = self.attack.0.map_or_else(|| Attack::ALL.to_vec(), |attack| vec![attack]);
        if networks.is_empty() && attacks.iter().all(|attack| attack.on_data()) {
            return Err(Error::NeedsData);
        }
        let settings = attack::Settings {
            viewers: usize::from(self.viewers),
            targets: usize::from(self.targets),
            runs: usize::from(self.runs),
            seed: self.common.seed,
            resamples: self.common.resamples,
        };
        let report = attack::play(&attacks, &networks, &self.model, settings);
        if let Some(path) = &self.svg {
            let picture = chart::svg(&report).ok_or(Error::NoCurve)?;
            std::fs::write(path, picture).map_err(|e| Error::Write(path.clone(), e))?;
        }
        Ok(report)
    }
}

impl Market {
    fn run(&self) -> Result<Report, Error> {
        let models = if self.model.is_empty() { attack::MODELS.to_vec() } else { self.model.clone() };
        let settings = attack::Settings {
            viewers: 0,
            targets: 0,
            runs: usize::from(self.runs),
            seed: self.common.seed,
            resamples: self.common.resamples,
        };
        Ok(market::shares(&models, settings))
    }
}

impl Fraud {
    fn run(&self) -> Result<Report, Error> {
        let ratings = Ratings::bitcoin(&self.otc)?;
        let labels = ratings.labels(&self.labels)?;
        let models = if self.model.is_empty() { fraud::MODELS.to_vec() } else { self.model.clone() };
        let settings = fraud::Settings {
            viewers: usize::from(self.viewers),
            given: usize::from(self.given),
            seed: self.common.seed,
            resamples: self.common.resamples,
        };
        Ok(fraud::rank(&ratings, &labels, &models, settings))
    }
}
