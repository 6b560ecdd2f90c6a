//! The command line: reads files, asks the experiments, prints what they found. Nothing is decided here.
//!
//! Exit codes: 0 done, 1 a failure of ours, 2 something for the user to put right.

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
use crate::reputation::{Half, correctness, fraud, interval, market, predict};

/// The market's models on real data and under attack.
#[derive(Debug, Parser)]
#[command(name = "gigmesh-sim", version)]
struct Cli {
    #[command(subcommand)]
    area: Area,
}

#[derive(Debug, Subcommand)]
enum Area {
    /// How good the reputation model is, beside what was published before it.
    #[command(subcommand)]
    Reputation(Reputation),
}

#[derive(Debug, Subcommand)]
enum Reputation {
    /// Checks standing: against plain linear algebra, in any order of arrival, kept up to date, and its bounds.
    Correctness(Correctness),
    /// Predicts each rating from those before it, and each from all others.
    Predict(Predict),
    /// Checks intervals: whether they cover what they say, and what false identities move.
    Interval(Interval),
    /// Plays an attack, or all.
    Attack(Attacks),
    /// Plays a market: good and bad workers, hired by what a model says of them.
    Market(Market),
    /// Ranks the labelled fraudsters of Bitcoin OTC, without the ratings that made the labels.
    Fraud(Fraud),
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
    /// Which ratings are predicted. Constants are chosen on the first half before the second is looked at.
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
    /// Bitcoin OTC as SNAP has it: without it only the attacks on made-up markets are played.
    #[arg(long, value_name = "FILE")]
    otc: Option<PathBuf>,
    /// Advogato as KONECT has it: the same attacks on certificates, whose levels .6, .8 and 1 are taken for scores.
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
    #[error("nothing here is a curve to draw")]
    NoCurve,
    #[error("cannot write {0}: {1}")]
    Write(PathBuf, std::io::Error),
}

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let Area::Reputation(command) = cli.area;
    let (common, report) = progress::show(|| match &command {
        Reputation::Correctness(args) => (&args.common, args.run()),
        Reputation::Predict(args) => (&args.common, args.run()),
        Reputation::Interval(args) => (&args.common, args.run()),
        Reputation::Attack(args) => (&args.common, args.run()),
        Reputation::Market(args) => (&args.common, args.run()),
        Reputation::Fraud(args) => (&args.common, args.run()),
    });
    match report {
        Ok(mut report) => {
            report.settings.insert(0, ("seed", json!(common.seed)));
            report.settings.insert(1, ("resamples", json!(common.resamples)));
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
        let models = if self.model.is_empty() { attack::MODELS.to_vec() } else { self.model.clone() };
        let settings = attack::Settings {
            viewers: usize::from(self.viewers),
            targets: usize::from(self.targets),
            runs: usize::from(self.runs),
            seed: self.common.seed,
            resamples: self.common.resamples,
        };
        let report = attack::play(&attacks, &networks, &models, settings);
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
