//! `gigmesh demo`: a whole market on this machine. A bootstrap node, three workers and a requester, each a process of its
//! own running this very binary, do 24 tasks on real documents over loopback, and rate each other.
//!
//! In: nothing but the binary, which carries the documents. Out: what happens, as it happens, and what came of it. The
//! requester is driven through its local API, as every other command drives a node; nothing here knows more than that.
//!
//! What must never happen: a process or a directory left behind, on whatever way out; success said when a task was not
//! accepted, or not rated by both sides.

mod board;
mod cast;
mod limits;
pub(super) mod place;
mod processes;
mod report;
mod show;

use std::io::{self, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use gigmesh_protocol::id::AgentId;
use serde_json::Value;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{Instant, sleep};

use self::board::Board;
use self::cast::{REQUESTER, WORKERS, Worker};
use self::place::Place;
use self::processes::{BOOTSTRAP, Processes};
use self::report::Report;
use self::show::Show;
use super::failure::{Exit, Failure};
use super::hire::with_inputs;
use super::terminal::field;
use crate::api::client::Client;
use crate::api::socket;
use crate::api::types::{FindParams, HireRequest, Posted};
use crate::{demo_files, task};

/// Arguments of the demo.
#[derive(Debug, clap::Args)]
pub struct DemoArgs {
    /// Keep what there is afterwards (configurations, keys, journals, ratings, results, logs), in DIR if it is named
    #[arg(long, value_name = "DIR", num_args = 0..=1)]
    keep: Option<Option<PathBuf>>,
    /// Print what happens, and a summary at the end, as lines of JSON
    #[arg(long)]
    pub json: bool,
}

/// Runs the demo. Exit code 0 only if every task was accepted and rated by both sides.
pub async fn run(args: DemoArgs) -> ExitCode {
    let json = args.json;
    let exit = demo(args).await.unwrap_or_else(|failure| {
        let _ = writeln!(io::stderr(), "{}", failure.text(json));
        failure.exit
    });
    exit.into()
}

async fn demo(args: DemoArgs) -> Result<Exit, Failure> {
    let mut show = Show::new(args.json);
    // Listened to before there is anything to clean up.
    let stop = stop_signal()?;
    probe_loopback()?;
    let place = Place::new(args.keep)?;
    let mut processes = Processes::new()?;
    let ended = tokio::select! {
        ended = play(place.path(), &mut processes, &mut show) => Some(ended),
        () = stop => None,
    };
    // A process that fell is the cause of whatever else went wrong.
    let ended = ended.map(|ended| ended.map_err(|failure| processes.check().err().unwrap_or(failure)));
    processes.stop(limits::STOP_WAIT).await;
    let logs = processes.logs();
    let kept = place.close()?;
    match ended {
        Some(Ok(report)) => report.tell(&show, kept.as_deref(), &logs),
        Some(Err(failure)) => report::tell_failure(&show, &failure, kept.as_deref(), &logs).map(|()| failure.exit),
        None => {
            let failure = Failure::new(Exit::Ours, "interrupted; every process is stopped");
            report::tell_failure(&show, &failure, kept.as_deref(), &[]).map(|()| failure.exit)
        }
    }
}

/// Whether this machine talks to itself: a sandbox may not, and five processes would only wait for each other.
fn probe_loopback() -> Result<(), Failure> {
    let talk = || TcpStream::connect(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?);
    talk().map(drop).map_err(|error| {
        let text = format!("no connection to 127.0.0.1, over which the processes talk to each other: {error}");
        Failure::new(Exit::User, text).hint("a container or sandbox may have its loopback interface down")
    })
}

/// Completes when somebody wants the demo to end: Ctrl-C, a kill, a terminal that is closed.
fn stop_signal() -> Result<impl Future<Output = ()>, Failure> {
    let listen = |kind| signal(kind).map_err(|e| Failure::new(Exit::Ours, format!("cannot listen for signals: {e}")));
    let (mut interrupt, mut terminate) = (listen(SignalKind::interrupt())?, listen(SignalKind::terminate())?);
    let mut hangup = listen(SignalKind::hangup())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
    })
}

/// From nothing to hires that both sides have rated.
async fn play(dir: &Path, processes: &mut Processes, show: &mut Show) -> Result<Report, Failure> {
    let demo = dir.join("demo");
    let unwritten = |error| Failure::new(Exit::Ours, format!("cannot write {}: {error}", demo.display()));
    demo_files::write_to(&demo).map_err(unwritten)?;

    show.heading("a market of five processes on this machine")?;
    processes.bootstrap(&dir.join("bootstrap"))?;
    let doors = processes.doors().await?;
    show.started(BOOTSTRAP, processes.pid(BOOTSTRAP), None, "the door into the network")?;
    for worker in &WORKERS {
        processes.node(worker.name, &dir.join(worker.name), &worker.toml(processes.binary(), &doors))?;
    }
    let home = dir.join(REQUESTER);
    processes.node(REQUESTER, &home, &cast::requester_toml(&doors))?;
    let mut workers = Vec::new();
    for worker in &WORKERS {
        let agent = processes.agent(worker.name).await?;
        show.started(worker.name, processes.pid(worker.name), Some(agent), &worker.trade())?;
        workers.push(Hired { worker, agent });
    }
    let me = processes.agent(REQUESTER).await?;
    show.started(REQUESTER, processes.pid(REQUESTER), Some(me), "posts the tasks")?;

    let client = Client::new(socket::locate(&home.join(cast::DATA)));
    meet(&client, &workers, processes).await?;
    // Listened to before there is anything to hear, so that nothing is missed.
    let events = client.events().await?;
    let mut board = Board::new(client.clone(), me, &workers);
    let mut tasks = Vec::new();
    for (name, path) in task_files(&demo) {
        tasks.push((name, with_inputs(&client, task::read(&path)?).await?));
    }
    show.heading(&format!("the requester knows all three workers, and posts {} tasks", tasks.len()))?;
    for (name, task) in tasks {
        let skill = task.skill.clone();
        let Posted { offer } = client.post("/v1/hires", &HireRequest { task, to: None }).await?;
        board.add(name, skill, offer);
    }
    board.follow(events, processes, show).await?;
    Report::new(&client, &board, &workers, &dir.join("results"), show.elapsed()).await
}

/// A worker of the cast, and the key it goes by.
#[derive(Debug, Clone, Copy)]
struct Hired {
    worker: &'static Worker,
    agent: AgentId,
}

/// The tasks by name, in order.
fn task_files(demo: &Path) -> impl Iterator<Item = (&'static str, PathBuf)> {
    demo_files::FILES.iter().filter_map(move |(path, _)| {
        let name = path.strip_prefix("tasks/")?.strip_suffix(".toml")?;
        Some((name, demo.join(path)))
    })
}

/// Waits until the requester knows every worker for everything it offers.
async fn meet(client: &Client, workers: &[Hired], processes: &mut Processes) -> Result<(), Failure> {
    let deadline = Instant::now() + limits::MEET_WAIT;
    let pairs = workers.iter().flat_map(|hired| hired.worker.skills.iter().map(move |offered| (offered.skill, hired)));
    let mut unknown: Vec<(&str, &Hired)> = pairs.collect();
    while let Some((skill, hired)) = unknown.last().copied() {
        let params = FindParams { skill: Some(skill.to_owned()), ..FindParams::default() };
        let rows: Vec<Value> = client.get_with("/v1/agents", &params).await?;
        let agents = rows.iter().map(|row| field(row, "agent")).collect::<Result<Vec<AgentId>, _>>()?;
        if agents.contains(&hired.agent) {
            unknown.pop();
            continue;
        }
        processes.check()?;
        if Instant::now() >= deadline {
            let (name, wait) = (hired.worker.name, limits::MEET_WAIT);
            let text = format!("the requester did not hear within {wait:?} that {name} offers {skill}");
            return Err(Failure::new(Exit::Ours, text));
        }
        sleep(limits::TICK).await;
    }
    Ok(())
}
