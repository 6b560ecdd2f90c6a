//! `gigmesh demo`: a whole market on this machine. A bootstrap node, six workers and two requesters, each a process of its
//! own running this very binary, do 24 tasks on real documents over loopback, and rate each other. One of the workers is
//! cheap and wrong, one comes when the others are known already; what becomes of them follows from the market's rules.
//!
//! In: nothing but the binary, which carries the documents. Out: what happens, as it happens, and what came of it. The
//! requesters are driven through their local API, as every other command drives a node; nothing here knows more than that.
//!
//! What must never happen: a process left behind, on whatever way out, or a directory, unless the demo itself was killed;
//! success said when a task was not accepted in the end, or not rated by both sides.

mod board;
mod cast;
mod limits;
pub(super) mod place;
mod processes;
mod report;
mod show;
mod told;

use std::io::{self, Write};
use std::mem;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use gigmesh_protocol::id::AgentId;
use gigmesh_protocol::peer::io::AgentRow;
use gigmesh_protocol::time::Millis;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{Instant, sleep};

use self::board::{Board, Desk, Piece};
use self::cast::{NEWCOMER, REQUESTERS, Requester, WAVES, WORKERS, Worker};
use self::place::Place;
pub(super) use self::processes::end_with_parent;
use self::processes::{BOOTSTRAP, Processes};
use self::report::Report;
use self::show::Show;
use super::failure::{Exit, Failure};
use super::hire::with_inputs;
use crate::api::client::Client;
use crate::api::socket;
use crate::api::types::{FindParams, Rows};
use crate::{demo_files, task};

/// Arguments of the demo.
#[derive(Debug, clap::Args)]
pub struct DemoArgs {
    /// Leave the market running when all is told, to be hired from, until Ctrl-C
    #[arg(long)]
    stay: bool,
    /// Keep what there is afterwards (configurations, keys, journals, ratings, results, logs), in DIR if it is named
    #[arg(long, value_name = "DIR", num_args = 0..=1)]
    keep: Option<Option<PathBuf>>,
    /// Print what came of it as one JSON document, and nothing else
    #[arg(long)]
    pub json: bool,
}

/// Runs the demo. Exit code 0 only if every task was accepted in the end and rated by both sides.
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
    let mut stop = Box::pin(stop_signal()?);
    probe_loopback()?;
    let place = Place::new(args.keep)?;
    let mut processes = Processes::new()?;
    let ended = tokio::select! {
        ended = play(place.path(), &mut processes, &mut show) => Some(ended),
        () = &mut stop => None,
    };
    // A process that fell is the cause of whatever else went wrong.
    let mut ended = ended.map(|ended| ended.map_err(|failure| processes.check().err().unwrap_or(failure)));
    // Told while the market still runs; otherwise when nothing is left of it.
    let mut told = None;
    if let (true, Some(Ok(report))) = (args.stay, &ended) {
        told = Some(report.tell(&show, Some(place.path()), true, &processes.logs())?);
        tokio::select! {
            Err(failure) = watch(&mut processes) => ended = Some(Err(failure)),
            () = &mut stop => {}
        }
    }
    processes.stop(limits::STOP_WAIT).await;
    let logs = processes.logs();
    let kept = place.close()?;
    match (ended, told) {
        (Some(Ok(_)), Some(exit)) => Ok(exit),
        (Some(Ok(report)), None) => report.tell(&show, kept.as_deref(), false, &logs),
        (Some(Err(failure)), told) => {
            report::tell_failure(&show, &failure, kept.as_deref(), &logs, told.is_some()).map(|()| failure.exit)
        }
        (None, _) => {
            let failure = Failure::new(Exit::Ours, "interrupted; every process is stopped");
            report::tell_failure(&show, &failure, kept.as_deref(), &[], false).map(|()| failure.exit)
        }
    }
}

/// Whether this machine talks to itself: a sandbox may not, and the processes would only wait for each other.
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

/// Returns only when a process has fallen.
async fn watch(processes: &mut Processes) -> Result<(), Failure> {
    loop {
        processes.check()?;
        sleep(limits::TICK).await;
    }
}

/// From nothing to hires that both sides have rated.
async fn play(dir: &Path, processes: &mut Processes, show: &mut Show) -> Result<Report, Failure> {
    let demo = dir.join("demo");
    let unwritten = |error| Failure::new(Exit::Ours, format!("cannot write {}: {error}", demo.display()));
    demo_files::write_to(&demo).map_err(unwritten)?;

    show.heading("a market of nine processes on this machine; the last worker comes later")?;
    processes.bootstrap(&dir.join(BOOTSTRAP))?;
    let doors = processes.doors().await?;
    show.started(BOOTSTRAP, processes.pid(BOOTSTRAP), None, "the door into the network")?;
    let (late, early): (Vec<_>, Vec<_>) = WORKERS.iter().partition(|worker| worker.name == NEWCOMER);
    for worker in &early {
        processes.node(worker.name, &dir.join(worker.name), &worker.toml(processes.binary(), &doors))?;
    }
    for requester in &REQUESTERS {
        processes.node(requester.name, &dir.join(requester.name), &requester.toml(&doors))?;
    }
    let mut workers = Vec::new();
    for worker in early {
        workers.push(ready(worker, processes, show).await?);
    }
    let mut desks = Vec::new();
    for Requester { name, about, .. } in &REQUESTERS {
        let agent = processes.agent(name).await?;
        show.started(name, processes.pid(name), Some(agent), about)?;
        let data = dir.join(name).join(cast::DATA);
        let client = Client::new(socket::locate(&data));
        desks.push(Desk { name, agent, data, client });
    }

    meet(&desks, &workers, processes).await?;
    // Where it took long until all had met, claims take longer too.
    let met = Millis(u64::try_from(show.elapsed().as_millis()).unwrap_or(u64::MAX)).min(limits::BIDS_MAX);
    let mut board = Board::new(&desks, &workers).await?;
    let mut again = Vec::new();
    for wave in 0..WAVES {
        let mut pieces = mem::take(&mut again);
        for (desk, requester) in REQUESTERS.iter().enumerate() {
            for number in requester.waves[wave] {
                let (name, path) = task_file(&demo, *number)?;
                let mut task = with_inputs(&desks[desk].client, task::read(&path)?).await?;
                task.bids = task.bids.max(met);
                pieces.push(Piece { name, desk, task, before: 0 });
            }
        }
        show.wave(&pieces)?;
        again = board.wave(pieces, processes, show).await?;
        if wave == 0 {
            for worker in &late {
                processes.node(worker.name, &dir.join(worker.name), &worker.toml(processes.binary(), &doors))?;
                let hired = ready(worker, processes, show).await?;
                meet(&desks, &[hired], processes).await?;
                board.joined(hired);
                workers.push(hired);
            }
        }
    }
    // Each is posted so often at most, so this ends.
    while !again.is_empty() {
        show.wave(&again)?;
        again = board.wave(again, processes, show).await?;
    }
    Report::new(&board, desks, &workers, doors, processes.binary(), dir, show.elapsed()).await
}

/// A worker of the cast, and the key it goes by.
#[derive(Debug, Clone, Copy)]
struct Hired {
    worker: &'static Worker,
    agent: AgentId,
}

async fn ready(worker: &'static Worker, processes: &mut Processes, show: &Show) -> Result<Hired, Failure> {
    let agent = processes.agent(worker.name).await?;
    show.started(worker.name, processes.pid(worker.name), Some(agent), worker.about)?;
    Ok(Hired { worker, agent })
}

/// The name and the file of a task.
fn task_file(demo: &Path, number: usize) -> Result<(&'static str, PathBuf), Failure> {
    let start = format!("tasks/{number:02}-");
    let found = demo_files::FILES.iter().find_map(|(path, _)| {
        let name = path.strip_prefix("tasks/")?.strip_suffix(".toml")?;
        path.starts_with(&start).then(|| (name, demo.join(path)))
    });
    found.ok_or_else(|| Failure::new(Exit::Ours, format!("there is no task {number}")))
}

/// Waits until every requester knows each of these workers for everything it offers.
async fn meet(desks: &[Desk], workers: &[Hired], processes: &mut Processes) -> Result<(), Failure> {
    let deadline = Instant::now() + limits::MEET_WAIT;
    let offers = |hired: &Hired| hired.worker.skills.iter().map(|offered| offered.skill);
    let pairs = workers.iter().flat_map(|hired| offers(hired).map(move |skill| (skill, hired)));
    let mut unknown: Vec<(&Desk, &str, &Hired)> =
        pairs.flat_map(|(skill, hired)| desks.iter().map(move |desk| (desk, skill, hired))).collect();
    while let Some((desk, skill, hired)) = unknown.last().copied() {
        let params = FindParams { skill: Some(skill.to_owned()), ..FindParams::default() };
        let known: Rows<AgentRow> = desk.client.get_with("/v1/agents", &params).await?;
        if known.rows.iter().any(|row| row.agent == hired.agent) {
            unknown.pop();
            continue;
        }
        processes.check()?;
        if Instant::now() >= deadline {
            let (name, wait) = (hired.worker.name, limits::MEET_WAIT);
            let text = format!("{} did not hear within {wait:?} that {name} offers {skill}", desk.name);
            return Err(Failure::new(Exit::Ours, text));
        }
        sleep(limits::TICK).await;
    }
    Ok(())
}
