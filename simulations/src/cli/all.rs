//! Every figure of the README by one command: runs each of its commands, and writes what it prints.
//!
//! The steps are command lines, parsed as if somebody had typed them, so each file can begin with the one that makes it again.

use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::{Args, Parser as _};
use serde_json::json;

use super::{Cli, Common, Error};
use crate::report::{Cell, Report, Table};
use crate::reputation::attack::Attack;
use crate::{chart, progress};

#[derive(Debug, Args)]
pub struct All {
    /// Bitcoin OTC as SNAP has it.
    #[arg(long, value_name = "FILE")]
    otc: PathBuf,
    /// Its labels.
    #[arg(long, value_name = "FILE")]
    labels: PathBuf,
    /// Advogato as KONECT has it.
    #[arg(long, value_name = "FILE")]
    advogato: PathBuf,
    /// Where to write; made if there is no such directory.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Only these steps, by the names of their files.
    #[arg(long, value_name = "NAME", value_delimiter = ',', value_parser = step_named)]
    only: Vec<&'static str>,
    /// Markets played of each kind.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=1_000))]
    runs: u16,
    #[command(flatten)]
    pub(super) common: Common,
}

/// Which files a step needs besides its own options.
const OTC: u8 = 1;
const LABELS: u8 = 2;
const ADVOGATO: u8 = 4;
/// Whether it plays markets, so that --runs is for it.
const RUNS: u8 = 8;

/// Name, command, and what it needs, in the order of the README.
const STEPS: [(&str, &str, u8); 10] = [
    ("correctness", "reputation correctness", OTC | ADVOGATO),
    ("predict", "reputation predict", OTC),
    ("predict-first", "reputation predict --half first", OTC),
    ("predict-second", "reputation predict --half second", OTC),
    ("ablation", "reputation predict --half first --every 4 --ablate", OTC),
    ("leave-one-out", "reputation predict --model global-mean --leave-one-out", OTC),
    ("fraud", "reputation fraud --given 1", OTC | LABELS),
    ("interval", "reputation interval", OTC),
    ("models-market", "reputation market", RUNS),
    ("market", "market all", RUNS),
];

/// The steps above and, before the markets, every attack.
fn steps() -> Vec<(&'static str, String, u8)> {
    let mut steps: Vec<_> = STEPS.map(|(name, command, needs)| (name, command.to_owned(), needs)).to_vec();
    let attacks = Attack::ALL.into_iter().map(|attack| {
        let needs = if attack.on_data() { OTC | ADVOGATO } else { RUNS };
        (attack.name(), format!("reputation attack {}", attack.name()), needs)
    });
    let at = steps.len() - 2;
    steps.splice(at..at, attacks);
    steps
}

fn step_named(name: &str) -> Result<&'static str, String> {
    let steps = steps();
    let names: Vec<&'static str> = steps.iter().map(|(name, ..)| *name).collect();
    let found = names.iter().find(|step| **step == name);
    found.copied().ok_or_else(|| format!("no such step; there are {}", names.join(", ")))
}

/// Writes into a directory of the user's.
fn write(path: &Path, text: &str) -> Result<(), Error> {
    std::fs::write(path, text).map_err(|e| Error::Write(path.to_owned(), e))
}

impl All {
    /// What would be typed, word by word.
    fn words(&self, command: &str, needs: u8) -> Vec<String> {
        let path = |path: &Path| path.to_string_lossy().into_owned();
        let mut words: Vec<String> = command.split(' ').map(str::to_owned).collect();
        for (flag, name, file) in
            [(OTC, "--otc", &self.otc), (LABELS, "--labels", &self.labels), (ADVOGATO, "--advogato", &self.advogato)]
        {
            if needs & flag != 0 {
                words.extend([name.to_owned(), path(file)]);
            }
        }
        if needs & RUNS != 0 {
            words.extend(["--runs".to_owned(), self.runs.to_string()]);
        }
        words.extend(["--seed".to_owned(), self.common.seed.to_string()]);
        words.extend(["--resamples".to_owned(), self.common.resamples.to_string()]);
        words
    }

    pub(super) fn run(&self) -> Result<Report, Error> {
        std::fs::create_dir_all(&self.out).map_err(|e| Error::Write(self.out.clone(), e))?;
        let mut table = Table::new(format!("Written to {}", self.out.display()), &["files", "seconds", "command"]);
        let wanted = |name: &str| self.only.is_empty() || self.only.contains(&name);
        let steps: Vec<_> = steps().into_iter().filter(|(name, ..)| wanted(name)).collect();
        let all = progress::step("all", steps.len());
        for (name, command, needs) in steps {
            let begun = Instant::now();
            let step = progress::step(name, 1);
            let words = self.words(&command, needs);
            let line = std::iter::once("gigmesh-sim".to_owned()).chain(words);
            // Paths that are not text are the one thing that can be wrong with a line made here.
            let one = Cli::try_parse_from(line).map_err(|e| Error::Step(name, e.to_string()))?.area;
            let report = one.run()?;
            let file = |end: &str| self.out.join(format!("{name}.{end}"));
            write(&file("txt"), &format!("$ gigmesh-sim {command}\n\n{}", report.show()))?;
            write(&file("json"), &format!("{:#}\n", report.json()))?;
            let picture = chart::svg(&report);
            let ends = if picture.is_some() { "txt, json, svg" } else { "txt, json" };
            if let Some(picture) = picture {
                write(&file("svg"), &picture)?;
            }
            drop(step);
            all.tick();
            let seconds = Cell::Number(begun.elapsed().as_secs_f64(), 1);
            table.row([Cell::text(format!("{name}.{ends}")), seconds, Cell::Text(command)]);
        }
        Ok(Report { settings: vec![("runs", json!(self.runs))], tables: vec![table] })
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Area, Reputation};
    use super::*;

    #[test]
    fn every_step_is_a_command_that_can_be_typed_under_a_name_of_its_own() {
        let line = "gigmesh-sim reputation all --otc o --labels l --advogato a --out d --only spies,fraud --seed 7";
        let Area::Reputation(Reputation::All(all)) = Cli::try_parse_from(line.split(' ')).unwrap().area else {
            panic!("it is all")
        };
        assert_eq!(all.only, ["spies", "fraud"]);
        let steps = steps();
        for (at, (name, command, needs)) in steps.iter().enumerate() {
            assert!(steps[..at].iter().all(|(other, ..)| other != name), "{name} twice");
            let line = std::iter::once("gigmesh-sim".to_owned()).chain(all.words(command, *needs));
            let one = Cli::try_parse_from(line).unwrap_or_else(|e| panic!("{name}: {e}")).area;
            assert_eq!(one.common().seed, 7);
            assert!(!matches!(one, Area::Reputation(Reputation::All(_))), "a step is not all of them again");
        }
        assert!(step_named("nothing").unwrap_err().contains("correctness"));
    }
}
