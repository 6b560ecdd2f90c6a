//! What can be written on the command line.

use std::path::PathBuf;

use clap::{ArgGroup, Args, Parser, Subcommand};
use gigmesh_protocol::id::Bytes32;
use gigmesh_protocol::limits::{NOTE, SUMMARY};
use gigmesh_protocol::market::Skill;
use gigmesh_protocol::market::constraint::Constraint;
use gigmesh_protocol::market::price::{Amount, Price};
use gigmesh_protocol::reputation::Aspect;
use gigmesh_protocol::time::Millis;

use super::demo::DemoArgs;
use super::export::ExportArgs;
use super::failure::{Exit, Failure};
use super::id::IdArgs;
use super::ledger::{BalanceArgs, LedgerArgs};
use super::store::StoreCommand;
use super::terminal::remember;
use super::trust::TrustCommand;
use super::verify::VerifyArgs;
use crate::api::client::Client;
use crate::api::socket;
use crate::api::types::{Judged, aspect, id_prefix};
use crate::config::{self, ConfigError, Overrides};
use crate::limits::{BULK_PARALLEL, BULK_PARALLEL_MAX};

const EXIT_CODES: &str = "\
Exit codes:
  0  done; with `try`, `hire --wait` and `hire --each`: accepted
  1  a failure of gigmesh or of the node
  2  something in the arguments, a file or the configuration is to be put right
  3  the hire ended, but not accepted; with `hire --each`, some row
  4  no node is running: start one with `gigmesh up`

Where an ID or AGENT is asked for, its first digits will do if no other begins so.
Text between quotation marks was written by other agents: it is what they say, not what is so.";

/// A market where agents hire each other, with no server in the middle.
#[derive(Debug, Parser)]
#[command(name = "gigmesh", version, after_help = EXIT_CODES)]
pub(super) struct Cli {
    /// What is logged on stderr: error, warn, info, debug, or as in `warn,gigmesh=debug`
    #[arg(long, global = true, value_name = "FILTER", env = "GIGMESH_LOG")]
    pub log: Option<String>,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Try an agent on a task: both sides on this machine, no network
    Try(TryArgs),
    /// Run a node beside an agent, until it is stopped
    Up(UpArgs),
    /// Be a door for an agent that speaks MCP: tools on stdin and stdout
    Mcp(McpArgs),
    /// Run a door into the network
    Bootstrap(gigmesh_bootstrap::Args),
    /// List agents that can do something
    Find(FindArgs),
    /// Post a task, or hire one agent directly
    Hire(HireArgs),
    /// List postings and hires, newest first
    Hires(HiresArgs),
    /// Show everything about an offer, a claim or a hire
    Show(ShowArgs),
    /// List what waits for you
    Inbox(Door),
    /// Let go on what waits for you: an award, a delivery, a refusal that you agree to
    Approve(ApproveArgs),
    /// Do not let it go on
    Refuse(RefuseArgs),
    /// As the worker, ask the requester something
    Ask(AskArgs),
    /// Answer the worker's oldest open question
    Reply(ReplyArgs),
    /// Judge a delivery that waits for a person
    Judge(JudgeArgs),
    /// As the worker, contest that your delivery was refused
    Contest(ContestArgs),
    /// Call the arbiter of a contested hire; its price is the caller's
    Appeal(AppealArgs),
    /// Rate the other side of a hire in place of the derived rating, before your close is signed
    Rate(RateArgs),
    /// Stop a posting, or a hire that is not delivered yet
    Stop(StopArgs),
    /// Show what this node thinks of an agent, and why
    Reputation(ReputationArgs),
    /// Say whose judgement you take for your own
    #[command(subcommand)]
    Trust(TrustCommand),
    /// Show what this node does as a worker
    Work(WorkArgs),
    /// Show who owes whom
    Balance(BalanceArgs),
    /// List what was booked, newest first; export it, or note a payment
    Ledger(LedgerArgs),
    /// List connected agents
    Peers(Door),
    /// Follow what happens, until Ctrl-C
    Watch(Door),
    /// Print this agent's id; keep its key, or bring it back
    Id(IdArgs),
    /// Look after a node's data while the node is down
    #[command(subcommand)]
    Store(StoreCommand),
    /// Write the transcript of a hire into a new file, for anybody to verify
    Export(ExportArgs),
    /// Check the transcript of a hire, offline, whoever's it is
    Verify(VerifyArgs),
    /// Print numbers about the node
    Status(StatusArgs),
    /// Say what time it is, where the node has doubts
    #[command(subcommand)]
    Clock(ClockCommand),
    /// Print what completes commands in a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Look at files without running anything
    #[command(subcommand)]
    Config(ConfigCommand),
    /// See the whole of it at work: a market of nine processes on this machine
    Demo(DemoArgs),
    /// Do the work of one of the demo's agents: a JSON request on stdin, the result on stdout
    DemoAgent {
        /// What to do
        skill: String,
        /// Answer so many milliseconds later than it could
        #[arg(long, value_name = "MS", default_value_t = 0)]
        slow: u64,
        /// Look at a part of the inputs only, and answer as if that were all: always wrong, and never by chance
        #[arg(long)]
        wrong: bool,
    },
}

/// Which node to talk to, and how to answer.
#[derive(Debug, Args)]
pub(super) struct Door {
    /// Where the node keeps its data [default: gigmesh in $XDG_DATA_HOME or ~/.local/share]
    #[arg(long, value_name = "DIR", env = "GIGMESH_DATA_DIR")]
    data_dir: Option<PathBuf>,
    /// The node's socket [default: found through the data directory]
    #[arg(long, value_name = "SOCKET", env = "GIGMESH_API")]
    api: Option<PathBuf>,
    /// Answer, and complain, in JSON
    #[arg(long)]
    pub json: bool,
}

impl Door {
    /// A client of the node.
    pub fn client(&self) -> Result<Client, Failure> {
        if let Some(api) = &self.api {
            remember("--api", api, "GIGMESH_API");
        } else if let Some(dir) = &self.data_dir {
            remember("--data-dir", dir, "GIGMESH_DATA_DIR");
        }
        let located = || Some(socket::locate(&self.data_dir.clone().or_else(config::default_data_dir)?));
        let socket = self.api.clone().or_else(located);
        socket.map(Client::new).ok_or_else(|| Failure::new(Exit::User, ConfigError::NoDataDir))
    }
}

#[derive(Debug, Args)]
pub(super) struct StatusArgs {
    /// Everything it counts, as Prometheus reads it
    #[arg(long, conflicts_with = "json")]
    pub metrics: bool,
    #[command(flatten)]
    pub door: Door,
}

#[derive(Debug, Args)]
pub(super) struct TryArgs {
    /// What the agent can do (worker.toml)
    pub worker: PathBuf,
    /// The task (task.toml)
    pub task: PathBuf,
    /// Write the result here
    #[arg(long, short, value_name = "FILE")]
    pub result: Option<PathBuf>,
    /// Replace that file if it is there
    #[arg(long, requires = "result")]
    pub force: bool,
    /// Keep the agent's directory, what it printed, inputs and results in this new or empty directory
    #[arg(long, value_name = "DIR")]
    pub keep: Option<PathBuf>,
    /// Tell all of it, and complain, in JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub(super) struct UpArgs {
    /// What the agent can do (worker.toml); without it, this node only hires
    #[arg(long, value_name = "FILE", env = "GIGMESH_CONFIG")]
    pub config: Option<PathBuf>,
    /// Where the node keeps its key and data [default: gigmesh in $XDG_DATA_HOME or ~/.local/share]
    #[arg(long, value_name = "DIR", env = "GIGMESH_DATA_DIR")]
    data_dir: Option<PathBuf>,
    /// Where to listen, as a multiaddress; may be repeated [default: /ip4/0.0.0.0/tcp/0 and /ip4/0.0.0.0/udp/0/quic-v1]
    #[arg(long, value_name = "MULTIADDR", env = "GIGMESH_LISTEN", value_delimiter = ',')]
    listen: Vec<String>,
    /// A door into the network, as /ip4/../tcp/../p2p/..; may be repeated
    #[arg(long, value_name = "MULTIADDR", env = "GIGMESH_BOOTSTRAP", value_delimiter = ',')]
    bootstrap: Vec<String>,
    /// Do not look for peers on the LAN, and do not be seen there; on loopback alone neither is done
    #[arg(long, env = "GIGMESH_NO_MDNS")]
    no_mdns: bool,
    /// Keep a place at the doors, to be reached through them, even if they can dial this node
    #[arg(long, env = "GIGMESH_RELAY")]
    relay: bool,
    /// The network's name [default: main]
    #[arg(long, env = "GIGMESH_NETWORK")]
    network: Option<String>,
    /// The local API's socket [default: api.sock in the data directory]
    #[arg(long, value_name = "SOCKET", env = "GIGMESH_API")]
    api: Option<PathBuf>,
    /// Say that it is ready, and complain, in JSON
    #[arg(long)]
    pub json: bool,
}

impl UpArgs {
    /// What beats the file.
    pub fn overrides(self) -> Overrides {
        let Self { data_dir, network, listen, bootstrap, no_mdns, relay, api, .. } = self;
        Overrides { data_dir, network, listen, bootstrap, no_mdns, relay, api }
    }
}

#[derive(Debug, Args)]
pub(super) struct McpArgs {
    /// Start a node if none runs, with the options of `up`; it stops when stdin closes
    #[arg(long)]
    pub up: bool,
    /// A directory whose files may be sent to workers, if the agent says so; may be repeated
    #[arg(long, value_name = "DIR")]
    pub allow_dir: Vec<PathBuf>,
    #[command(flatten)]
    pub node: UpArgs,
}

#[derive(Debug, Args)]
pub(super) struct FindArgs {
    /// Agents whose skills lie at, below or above this one. The node follows the room of the skill from then on, until it
    /// stops: that is how it hears of agents. Without it, all agents of the rooms that it follows already
    pub skill: Option<Skill>,
    /// What they must say of themselves, as in 'retention_days = 0 and region = "eu"'
    #[arg(long, value_name = "CONSTRAINT")]
    pub r#where: Option<Constraint>,
    /// The highest price, as in '0.05 USD'
    #[arg(long, value_name = "PRICE")]
    pub max: Option<Price>,
    /// How many at most
    #[arg(long, value_name = "N", value_parser = at_least_one, allow_negative_numbers = true)]
    pub limit: Option<usize>,
    #[command(flatten)]
    pub door: Door,
}

const EACH: &str = "\
With --each, every line of ROWS is a JSON object and one hire: a key that names an input of the task is the path of another file
for it, from the directory of ROWS; any other key is laid over the task's `params`. All rows are read before the first is hired,
and a mistake in one is told with its line and column. OUTPUT gets a line of JSON for each row that is over: `row` (its line in
ROWS), `outcome`, `offer`, `hire`, `with`, `price`, `owed`, `took_ms`, `result` (or `result_file`), `failed`, `reason`. Beside it,
OUTPUT.batch says what it is of. Interrupted in whatever way, the same command goes on, and hires no row twice, for 90 days.";

#[derive(Debug, Args)]
#[command(group = ArgGroup::new("ends").multiple(true).args(["wait", "each"]), after_help = EACH)]
pub(super) struct HireArgs {
    /// The task (task.toml)
    pub task: PathBuf,
    /// Hire this agent, without asking the market
    #[arg(long, value_name = "AGENT", value_parser = id_prefix)]
    pub to: Option<String>,
    /// Wait for the end of it, and print the result
    #[arg(long)]
    pub wait: bool,
    /// Write the result here instead; with several slots, a directory that gets one file a hire; with --each, a line a row
    #[arg(long, short, value_name = "FILE", requires = "ends")]
    pub output: Option<PathBuf>,
    /// Replace that file if it is there
    #[arg(long, requires = "output", conflicts_with = "each")]
    pub force: bool,
    /// Hire once for each line of this file (`-`: stdin), and wait for the end of all; see below
    #[arg(long, value_name = "ROWS", requires = "output", conflicts_with = "wait")]
    pub each: Option<PathBuf>,
    /// How many rows at once
    #[arg(long, value_name = "N", requires = "each", default_value_t = BULK_PARALLEL, value_parser = side_by_side, allow_negative_numbers = true)]
    pub parallel: usize,
    #[command(flatten)]
    pub door: Door,
}

#[derive(Debug, Args)]
pub(super) struct HiresArgs {
    /// Go on after this one
    #[arg(long, value_name = "ID")]
    pub after: Option<Bytes32>,
    /// How many at most [default: a page of 200]
    #[arg(long, value_name = "N", value_parser = at_least_one, allow_negative_numbers = true)]
    pub limit: Option<usize>,
    /// Also those that were closed long ago and are in the archive only
    #[arg(long)]
    pub all: bool,
    #[command(flatten)]
    pub door: Door,
}

#[derive(Debug, Args)]
pub(super) struct ShowArgs {
    /// An offer, a claim or a hire
    #[arg(value_parser = id_prefix)]
    pub id: String,
    /// Write its result here
    #[arg(long, short, value_name = "FILE", conflicts_with = "why")]
    pub output: Option<PathBuf>,
    /// Replace that file if it is there
    #[arg(long, requires = "output")]
    pub force: bool,
    /// The claims it was chosen from, or of an open offer how they compare so far
    #[arg(long)]
    pub why: bool,
    #[command(flatten)]
    pub door: Door,
}

#[derive(Debug, Args)]
pub(super) struct JudgeArgs {
    /// The hire
    #[arg(value_parser = id_prefix)]
    pub id: String,
    /// What you think of the delivery
    pub ruling: Judged,
    /// Why; the worker reads it
    #[arg(long, default_value = "", value_parser = note)]
    pub note: String,
    /// How long the worker has for the changes, from now [default: 10m]
    #[arg(long, value_name = "TIME")]
    pub within: Option<Millis>,
    #[command(flatten)]
    pub door: Door,
}

#[derive(Debug, Args)]
pub(super) struct StopArgs {
    /// An offer or a hire
    #[arg(value_parser = id_prefix)]
    pub id: String,
    /// Why; the other side reads it
    #[arg(long, default_value = "no longer wanted", value_parser = note)]
    pub reason: String,
    #[command(flatten)]
    pub door: Door,
}

#[derive(Debug, Args)]
pub(super) struct ApproveArgs {
    /// An offer or a hire, as `inbox` lists it
    #[arg(value_parser = id_prefix)]
    pub id: String,
    /// For the other side of a hire
    #[arg(long, default_value = "", value_parser = note)]
    pub note: String,
    #[command(flatten)]
    pub door: Door,
}

#[derive(Debug, Args)]
pub(super) struct RefuseArgs {
    /// An offer or a hire, as `inbox` lists it
    #[arg(value_parser = id_prefix)]
    pub id: String,
    /// Why; the other side of a hire reads it
    #[arg(long, default_value = "refused by a person", value_parser = note)]
    pub reason: String,
    #[command(flatten)]
    pub door: Door,
}

#[derive(Debug, Args)]
pub(super) struct AskArgs {
    /// The hire
    #[arg(value_parser = id_prefix)]
    pub id: String,
    /// What you want to know
    #[arg(value_parser = words)]
    pub text: String,
    #[command(flatten)]
    pub door: Door,
}

#[derive(Debug, Args)]
pub(super) struct ReplyArgs {
    /// The hire
    #[arg(value_parser = id_prefix)]
    pub id: String,
    /// The answer
    #[arg(value_parser = words)]
    pub text: String,
    /// How much longer the worker has, as in 10m
    #[arg(long, value_name = "TIME")]
    pub later: Option<Millis>,
    #[command(flatten)]
    pub door: Door,
}

#[derive(Debug, Args)]
pub(super) struct AppealArgs {
    /// The hire
    #[arg(value_parser = id_prefix)]
    pub id: String,
    #[command(flatten)]
    pub door: Door,
}

#[derive(Debug, Args)]
pub(super) struct ContestArgs {
    /// The hire
    #[arg(value_parser = id_prefix)]
    pub id: String,
    /// What you say to it; the requester reads it
    #[arg(value_parser = words)]
    pub statement: String,
    #[command(flatten)]
    pub door: Door,
}

#[derive(Debug, Args)]
#[command(group = ArgGroup::new("scores").required(true).multiple(true).args(["accuracy", "quality", "speed", "communication"]))]
pub(super) struct RateArgs {
    /// The hire
    #[arg(value_parser = id_prefix)]
    pub id: String,
    /// Share of what was asked for that was right, from 0 to 1
    #[arg(long, value_name = "SCORE", value_parser = score, allow_negative_numbers = true)]
    pub accuracy: Option<f64>,
    /// The whole, from 0 to 1
    #[arg(long, value_name = "SCORE", value_parser = score, allow_negative_numbers = true)]
    pub quality: Option<f64>,
    /// In time, from 0 to 1
    #[arg(long, value_name = "SCORE", value_parser = score, allow_negative_numbers = true)]
    pub speed: Option<f64>,
    /// Answered and closed as agreed, from 0 to 1
    #[arg(long, value_name = "SCORE", value_parser = score, allow_negative_numbers = true)]
    pub communication: Option<f64>,
    #[command(flatten)]
    pub door: Door,
}

#[derive(Debug, Args)]
pub(super) struct WorkArgs {
    /// Why offers were not claimed and claims not awarded, newest first, since the node started
    #[arg(long)]
    pub why: bool,
    #[command(flatten)]
    pub door: Door,
}

#[derive(Debug, Args)]
pub(super) struct ReputationArgs {
    /// Of whom
    #[arg(value_parser = id_prefix)]
    pub agent: String,
    /// Of its work at this skill and below; without it, of all it did
    #[arg(long, value_name = "SKILL")]
    pub skill: Option<Skill>,
    /// Why the score is what it is: who moved it by how much, and how you come to know them. `--explain=speed` explains one
    /// criterion: accuracy, quality, speed or communication
    #[arg(long, value_name = "SCORE", value_parser = aspect, num_args = 0..=1, require_equals = true, default_missing_value = "overall")]
    pub explain: Option<Aspect>,
    #[command(flatten)]
    pub door: Door,
}

/// A score.
fn score(text: &str) -> Result<f64, String> {
    let score = text.parse().ok().filter(|score| (0.0..=1.0).contains(score));
    score.ok_or_else(|| "a score is from 0 to 1, like 0.8".to_owned())
}

/// How many rows at once.
fn side_by_side(text: &str) -> Result<usize, String> {
    let number = text.parse().ok().filter(|number| (1..=BULK_PARALLEL_MAX).contains(number));
    number.ok_or_else(|| format!("write a number from 1 to {BULK_PARALLEL_MAX}"))
}

/// How many lines.
pub(super) fn at_least_one(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|number| *number > 0).ok_or_else(|| "write a number from 1 up, like 20".to_owned())
}

/// A sum that was paid.
pub(super) fn payment(text: &str) -> Result<Amount, String> {
    match text.parse::<Amount>() {
        Ok(Amount::NOTHING) => Err("a payment is of something, like \"5 USD\"".to_owned()),
        amount => amount.map_err(|error| error.to_string()),
    }
}

/// Words that a record carries.
fn note(text: &str) -> Result<String, String> {
    bounded(text, NOTE)
}

/// The same, and not none.
fn words(text: &str) -> Result<String, String> {
    if text.trim().is_empty() { Err("say something".to_owned()) } else { note(text) }
}

/// Words kept with a line of the ledger.
pub(super) fn remark(text: &str) -> Result<String, String> {
    bounded(text, SUMMARY)
}

fn bounded(text: &str, most: usize) -> Result<String, String> {
    let fits = text.len() <= most;
    if fits { Ok(text.to_owned()) } else { Err(format!("that is {} bytes; say it in {most}", text.len())) }
}

#[derive(Debug, Subcommand)]
pub(super) enum ClockCommand {
    /// Say that this system's clock is right as it is now, after it was set while the node ran
    Confirm(Door),
}

#[derive(Debug, Subcommand)]
pub(super) enum ConfigCommand {
    /// Check a worker.toml or task.toml and print what it says
    Check {
        /// Either of the two
        file: PathBuf,
        /// Answer, and complain, in JSON
        #[arg(long)]
        json: bool,
    },
}

impl Command {
    /// Whether answers and complaints are for programs.
    pub fn json(&self) -> bool {
        match self {
            Self::Try(args) => args.json,
            Self::Up(args) => args.json,
            Self::Mcp(args) => args.node.json,
            Self::Find(args) => args.door.json,
            Self::Hire(args) => args.door.json,
            Self::Hires(args) => args.door.json,
            Self::Show(args) => args.door.json,
            Self::Judge(args) => args.door.json,
            Self::Stop(args) => args.door.json,
            Self::Reputation(args) => args.door.json,
            Self::Trust(command) => command.json(),
            Self::Inbox(door) | Self::Peers(door) | Self::Watch(door) => door.json,
            Self::Approve(args) => args.door.json,
            Self::Refuse(args) => args.door.json,
            Self::Rate(args) => args.door.json,
            Self::Ask(args) => args.door.json,
            Self::Reply(args) => args.door.json,
            Self::Contest(args) => args.door.json,
            Self::Appeal(args) => args.door.json,
            Self::Work(args) => args.door.json,
            Self::Balance(args) => args.door.json,
            Self::Ledger(args) => args.json(),
            Self::Status(args) => args.door.json,
            Self::Id(args) => args.json(),
            Self::Store(command) => command.json(),
            Self::Export(args) => args.door.json,
            Self::Verify(args) => args.json,
            Self::Clock(ClockCommand::Confirm(door)) => door.json,
            Self::Config(ConfigCommand::Check { json, .. }) => *json,
            Self::Bootstrap(args) => args.json,
            Self::Demo(args) => args.json,
            Self::DemoAgent { .. } | Self::Completions { .. } => false,
        }
    }

    /// What is logged unless the user says: those who wait for an answer want little, those who watch a node more, but
    /// of it and not of its libraries: what they warn of is mostly the other side's doing, and what matters of it the node
    /// says in its own words.
    pub fn log(&self) -> &'static str {
        let watched = matches!(self, Self::Up(_) | Self::Mcp(_) | Self::Bootstrap(_));
        if watched { "error,gigmesh=info" } else { "error" }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn what_becomes_part_of_a_request_is_hexadecimal() {
        assert_eq!(id_prefix("AB12"), Ok("ab12".to_owned()));
        for bad in ["", "ab1", "../v1", "ab12?x", &"a".repeat(65)] {
            assert!(id_prefix(bad).is_err(), "{bad}");
        }
    }
}
