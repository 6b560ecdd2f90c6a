//! `gigmesh store`: a node's data looked through, moved and mended while the node is down.

use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::{Args, Subcommand};
use gigmesh_bootstrap::wall_clock;
use serde_json::json;

use super::failure::{Exit, Failure};
use super::terminal::{Screen, Table, Tone, command, emit, emit_json, remember, runnable};
use crate::config::{self, Overrides};
use crate::node::NodeConfig;
use crate::store::offline::check::Report;
use crate::store::offline::transfer::{Moved, Take};
use crate::store::offline::{Offline, OfflineError};

/// How often a line of progress is drawn anew.
const REDRAW: Duration = Duration::from_millis(100);

#[derive(Debug, Subcommand)]
pub(super) enum StoreCommand {
    /// Read everything again: checksums, signatures, hashes, and a replay of the journal
    Check(Place),
    /// Write the journal and the ratings into one new file; the key is not in it
    Export {
        /// The file
        file: PathBuf,
        /// Inputs and results, too: without them open hires cannot be served from elsewhere
        #[arg(long)]
        blobs: bool,
        #[command(flatten)]
        place: Place,
    },
    /// Take an export into a data directory that has no journal yet
    Import {
        /// The file
        file: PathBuf,
        /// Only add its ratings to those that are here
        #[arg(long)]
        ratings_only: bool,
        #[command(flatten)]
        place: Place,
    },
    /// Set the database of ratings aside and fill a new one, from the journal and what can still be read
    Rebuild(Place),
    /// Move closed hires that both sides are done with to the archive, where `show`, `export` and `hires --all` find them
    Compact {
        /// How many of the newest stay at hand
        #[arg(long, value_name = "N", default_value_t = gigmesh_protocol::limits::CLOSED_KEPT)]
        keep: usize,
        #[command(flatten)]
        place: Place,
    },
}

/// Whose data, found as `up` finds it.
#[derive(Debug, Args)]
pub(super) struct Place {
    /// The node's configuration, if that says where the data is or which network it is of
    #[arg(long, value_name = "FILE", env = "GIGMESH_CONFIG")]
    config: Option<PathBuf>,
    /// Where the node keeps its key and data [default: gigmesh in $XDG_DATA_HOME or ~/.local/share]
    #[arg(long, value_name = "DIR", env = "GIGMESH_DATA_DIR")]
    data_dir: Option<PathBuf>,
    /// The network's name: signatures are for one network [default: main]
    #[arg(long, env = "GIGMESH_NETWORK")]
    network: Option<String>,
    /// Answer, and complain, in JSON
    #[arg(long)]
    json: bool,
}

impl Place {
    fn load(&self) -> Result<NodeConfig, Failure> {
        if let Some(dir) = &self.data_dir {
            remember("--data-dir", dir, "GIGMESH_DATA_DIR");
        }
        let over = Overrides { data_dir: self.data_dir.clone(), network: self.network.clone(), ..Overrides::default() };
        Ok(config::load(self.config.as_deref(), over)?.node)
    }

    fn find(&self) -> Result<(PathBuf, String), Failure> {
        let node = self.load()?;
        Ok((node.data_dir, node.network))
    }

    fn open(&self) -> Result<Offline, Failure> {
        let (dir, network) = self.find()?;
        Ok(Offline::open(&dir, &network)?)
    }
}

impl StoreCommand {
    pub fn json(&self) -> bool {
        match self {
            Self::Check(place) | Self::Rebuild(place) => place.json,
            Self::Export { place, .. } | Self::Import { place, .. } | Self::Compact { place, .. } => place.json,
        }
    }
}

impl From<OfflineError> for Failure {
    fn from(error: OfflineError) -> Self {
        let network = matches!(&error, OfflineError::Unfit(why) if why.contains("signature"));
        let failure = Self::new(Exit::User, error);
        if network { failure.hint("a signature is for one network: is --network right?") } else { failure }
    }
}

/// A line on the terminal that tells how far long work is. Elsewhere there is none.
struct Progress {
    terminal: bool,
    drawn: Option<Instant>,
}

impl Progress {
    fn new() -> Self {
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        Self { terminal: io::stderr().is_terminal() && !dumb, drawn: None }
    }

    fn tell(&mut self, what: &'static str, done: u64) {
        if self.terminal && self.drawn.is_none_or(|drawn| drawn.elapsed() > REDRAW) {
            self.drawn = Some(Instant::now());
            let _ = write!(io::stderr(), "\r{done} {what}\x1b[K");
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.drawn.is_some() {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }
}

/// `gigmesh store`.
pub(super) fn store(command: StoreCommand) -> Result<Exit, Failure> {
    match command {
        StoreCommand::Check(place) => check(&place),
        StoreCommand::Export { file, blobs, place } => export(&file, blobs, &place),
        StoreCommand::Import { file, ratings_only, place } => import(&file, ratings_only, &place),
        StoreCommand::Rebuild(place) => rebuild(&place),
        StoreCommand::Compact { keep, place } => compact(keep, &place),
    }
}

fn check(place: &Place) -> Result<Exit, Failure> {
    let mut progress = Progress::new();
    let report = place.open()?.check(wall_clock(), &mut |what, done| progress.tell(what, done))?;
    drop(progress);
    if place.json {
        emit_json(&serde_json::to_value(&report).map_err(|error| Failure::new(Exit::Ours, error))?)?;
    } else {
        emit(&report_text(&report, &Screen::stdout()))?;
    }
    Ok(if report.faults.is_empty() { Exit::Done } else { Exit::User })
}

fn report_text(report: &Report, screen: &Screen) -> String {
    let agent = report.agent.map_or_else(|| "no key here".to_owned(), |agent| format!("agent {agent}"));
    let mut table = Table::new(["PART", "HOLDS"]);
    for (part, holds) in [
        (
            "journal",
            format!(
                "{} events, {} more in the archive; {} hires open, {} closed",
                report.events, report.archived, report.hires_open, report.hires_closed
            ),
        ),
        ("ratings", report.ratings.to_string()),
        ("blobs", format!("{} inputs and results, {} bytes", report.blobs, report.blob_bytes)),
    ] {
        table.row([(Tone::Plain, part.to_owned()), (Tone::Plain, holds)]);
    }
    let mut text = format!("{agent}\n\n{}", table.render(screen));
    for note in &report.notes {
        text.push_str(&format!("\nnote: {note}\n"));
    }
    for fault in &report.faults {
        let what = screen.paint(Tone::Bad, &format!("fault: {}", fault.what));
        text.push_str(&format!("\n{what}\n  {}\n", runnable(fault.remedy)));
    }
    match report.faults.len() as u64 + report.more_faults {
        0 => text.push_str(&format!("\n{}\n", screen.paint(Tone::Good, "all of it is as it was written"))),
        n => text.push_str(&format!("\n{n} faults, {} of them listed\n", report.faults.len())),
    }
    text
}

fn export(file: &Path, blobs: bool, place: &Place) -> Result<Exit, Failure> {
    let mut progress = Progress::new();
    let moved = place.open()?.export(file, blobs, wall_clock(), &mut |what, done| progress.tell(what, done));
    let moved = moved.map_err(|error| {
        let damaged = matches!(error, OfflineError::Unfit(_) | OfflineError::Journal(_));
        let failure = Failure::from(error);
        if damaged && !failure.has_hint() {
            failure.hint("`gigmesh store check` tells what is damaged and how to mend it")
        } else {
            failure
        }
    })?;
    drop(progress);
    let text = format!(
        "exported {} of agent {}\nThe key is not in it: {} is for that.\n{}",
        counts(&moved),
        moved.agent,
        command("id backup"),
        "From when it runs elsewhere, this directory must not be used again: two nodes with one key contradict each other.\n"
    );
    told(place.json, &moved, &text)
}

fn import(file: &Path, ratings_only: bool, place: &Place) -> Result<Exit, Failure> {
    let (dir, network) = place.find()?;
    let mut progress = Progress::new();
    let take = if ratings_only { Take::Ratings } else { Take::Everything };
    let offline = Offline::create(&dir, &network)?;
    let moved = offline
        .import(file, take, &mut |what, done| progress.tell(what, done))
        .map_err(|error| Failure::new(Exit::User, format!("{}: {error}", file.display())))?;
    drop(progress);
    let mut text = format!("taken in: {} of agent {}\n", counts(&moved), moved.agent);
    if !ratings_only && !dir.join("identity.key").exists() {
        text.push_str(&format!("Its key is still to come: {}\n", command("id restore FILE")));
    }
    told(place.json, &moved, &text)
}

fn counts(moved: &Moved) -> String {
    format!(
        "{} events, {} archived ones, {} ratings, {} inputs and results",
        moved.events, moved.archived, moved.ratings, moved.blobs
    )
}

fn told(as_json: bool, moved: &Moved, text: &str) -> Result<Exit, Failure> {
    if as_json {
        let Moved { agent, events, archived, ratings, blobs } = moved;
        emit_json(&json!({
            "agent": agent, "events": events, "archived": archived, "ratings": ratings, "blobs": blobs,
        }))?;
    } else {
        emit(text)?;
    }
    Ok(Exit::Done)
}

fn rebuild(place: &Place) -> Result<Exit, Failure> {
    let mut progress = Progress::new();
    let done = place.open()?.rebuild(&mut |what, done| progress.tell(what, done))?;
    drop(progress);
    if place.json {
        emit_json(&json!({ "aside": done.aside, "mine": done.mine, "kept": done.kept, "lost": done.lost }))?;
        return Ok(Exit::Done);
    }
    let mut text = format!("rebuilt with {} ratings of this agent's own and {} of others\n", done.mine, done.kept);
    match done.lost {
        Some(0) => {}
        Some(lost) => text.push_str(&format!("{lost} could not be read; the network may have them still\n")),
        None => text.push_str("nothing could be read of the old database; the network may have what others rated\n"),
    }
    if let Some(aside) = done.aside {
        text.push_str(&format!("the old database is in {}; remove it when you like\n", aside.display()));
    }
    emit(&text)?;
    Ok(Exit::Done)
}

fn compact(keep: usize, place: &Place) -> Result<Exit, Failure> {
    let config = place.load()?;
    let mut progress = Progress::new();
    let offline = Offline::open(&config.data_dir, &config.network)?;
    let done = offline.compact(config.peer, keep, wall_clock(), &mut |what, done| progress.tell(what, done))?;
    drop(progress);
    if place.json {
        emit_json(&json!({ "live": done.live, "archived": done.archived }))?;
        return Ok(Exit::Done);
    }
    emit(&format!("{} events went to the archive, {} are live\n", done.archived, done.live))?;
    Ok(Exit::Done)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::terminal::PIPE;
    use crate::store::offline::check::Fault;

    #[test]
    fn a_report_says_what_is_wrong_and_what_to_do() {
        let mut report = Report { events: 3, hires_open: 1, ..Report::default() };
        assert!(report_text(&report, &PIPE).ends_with("\nall of it is as it was written\n"));
        report.faults.push(Fault { what: "it broke".into(), remedy: "mend it" });
        report.more_faults = 2;
        let text = report_text(&report, &PIPE);
        assert!(text.contains("journal  3 events, 0 more in the archive; 1 hires open, 0 closed\n"), "{text}");
        assert!(text.ends_with("\nfault: it broke\n  mend it\n\n3 faults, 1 of them listed\n"), "{text}");
    }
}
