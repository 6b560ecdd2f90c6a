//! The command line: reads files, asks the experiments, prints what they found. Nothing is decided here.
//!
//! Exit codes: 0 done, 1 a failure of ours, 2 something for the user to put right.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand, ValueEnum};
use serde_json::json;

use crate::data::{self, Ratings};
use crate::limits;
use crate::models::Named;
use crate::report::Report;
use crate::reputation::{Half, fraud, predict};

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
    /// Predicts each rating from those before it, and each from all others.
    Predict(Predict),
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
    model: Vec<Named>,
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
    model: Vec<Named>,
    /// Through the eyes of so many viewers, where a model has viewers.
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u16).range(1..=10_000))]
    viewers: u16,
    #[command(flatten)]
    common: Common,
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

fn named(name: &str) -> Result<Named, String> {
    Named::find(name).ok_or_else(|| {
        let names: Vec<&str> = Named::ALL.into_iter().map(Named::name).collect();
        format!("no such model; there are {}", names.join(", "))
    })
}

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let Area::Reputation(command) = cli.area;
    let (common, report) = match &command {
        Reputation::Predict(args) => (&args.common, args.run()),
        Reputation::Fraud(args) => (&args.common, args.run()),
    };
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

impl Predict {
    fn run(&self) -> Result<Report, data::Error> {
        let ratings = Ratings::bitcoin(&self.otc)?;
        let models = if self.model.is_empty() { predict::MODELS.to_vec() } else { self.model.clone() };
        let settings =
            predict::Settings { half: self.half.into(), seed: self.common.seed, resamples: self.common.resamples };
        let mut report = predict::prequential(&ratings, &models, settings);
        if self.leave_one_out {
            report.tables.push(predict::leave_one_out(&ratings));
        }
        Ok(report)
    }
}

impl Fraud {
    fn run(&self) -> Result<Report, data::Error> {
        let ratings = Ratings::bitcoin(&self.otc)?;
        let labels = ratings.labels(&self.labels)?;
        let models = if self.model.is_empty() { fraud::MODELS.to_vec() } else { self.model.clone() };
        let settings = fraud::Settings {
            viewers: usize::from(self.viewers),
            seed: self.common.seed,
            resamples: self.common.resamples,
        };
        Ok(fraud::rank(&ratings, &labels, &models, settings))
    }
}
