//! Hires closed and agreed a second. One requester hires one worker directly, so many at once; every step of every hire is
//! on the disk of both before it is told.
//!
//! Beside it, in the same run: commits of one event to a journal with nobody behind it, and runs of the same agent program
//! with nobody around it. Both nodes commit in groups: how many commits a hire takes is counted by the nodes themselves.

use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};

use gigmesh::store::journal::Journal;
use gigmesh::store::traits::Log;
use gigmesh_protocol::time::Millis;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::Command;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::processes::{Process, STUCK, directory, is_closed, request};
use super::{Outcome, spread};

const BATCHES: usize = 5;
/// Hires of a batch by how many are under way at once: some seconds each.
const LOADS: [(usize, usize); 3] = [(1, 50), (8, 200), (64, 400)];
/// Hires of one point of the curve, and how many at once.
const POINT: (usize, usize) = (200, 8);
/// How many at once between the points.
const FILL: usize = 32;
/// Bare commits and bare runs that are measured at once.
const BARE: usize = 100;
/// An event of a hire, with its record.
const EVENT: usize = 700;

struct Market {
    worker: Process,
    requester: Arc<Process>,
}

/// What a number of hires took.
struct Batch {
    hires: usize,
    /// Until the last was closed and agreed.
    took: Duration,
    /// On both sides together.
    commits: u64,
    requester: Duration,
    worker: Duration,
    /// The runs of the agent; their start is the worker's.
    agents: Duration,
}

impl Batch {
    fn rate(&self) -> f64 {
        self.hires as f64 / self.took.as_secs_f64()
    }
    fn commits(&self) -> f64 {
        self.commits as f64 / self.hires as f64
    }
    fn millis(&self, time: Duration) -> f64 {
        time.as_secs_f64() * 1e3 / self.hires as f64
    }
}

impl Market {
    async fn open(dir: &Path) -> Outcome<Self> {
        let worker = Process::worker(&dir.join("worker"), None).await?;
        let requester = Process::requester(&dir.join("requester"), &worker.address).await?;
        let market = Self { worker, requester: Arc::new(requester) };
        // Brings the link up.
        market.hire(1, 1).await?;
        Ok(market)
    }

    async fn hire(&self, hires: usize, at_once: usize) -> Outcome<Batch> {
        self.rest().await?;
        let before = self.counts().await?;
        let mut events = self.requester.client.events().await?;
        let free = Arc::new(Semaphore::new(at_once));
        let begun = Instant::now();
        let mut posting = JoinSet::new();
        for _ in 0..hires {
            let (free, requester) = (Arc::clone(&free), Arc::clone(&self.requester));
            let request = request(Some(&self.worker.agent), Millis(0))?;
            posting.spawn(async move {
                free.acquire_owned().await?.forget();
                requester.post(&request).await
            });
        }
        let closed = async {
            let mut closed = 0;
            while closed < hires {
                if is_closed(&events.next().await?.ok_or("the requester has stopped")?)? {
                    closed += 1;
                    free.add_permits(1);
                }
            }
            Outcome::Ok(begun.elapsed())
        };
        let took = timeout(STUCK, closed).await.map_err(|_| "the hires do not come to an end")??;
        for posted in posting.join_all().await {
            posted?;
        }
        self.rest().await?;
        let after = self.counts().await?;
        if after.held - before.held != hires as u64 {
            return Err("the worker has not closed as many hires".into());
        }
        Ok(Batch {
            hires,
            took,
            commits: after.commits - before.commits,
            requester: after.requester - before.requester,
            worker: after.worker - before.worker,
            agents: after.agents - before.agents,
        })
    }

    async fn rest(&self) -> Outcome<()> {
        self.requester.rest().await?;
        self.worker.rest().await
    }

    async fn counts(&self) -> Outcome<Counts> {
        let commits = "gigmesh_journal_commits_total";
        let (requester, worker) = (self.requester.used()?, self.worker.used()?);
        Ok(Counts {
            held: self.worker.count("hires_closed").await?,
            commits: self.requester.metric(commits).await? + self.worker.metric(commits).await?,
            requester: requester.own,
            worker: worker.own,
            agents: worker.children,
        })
    }

    async fn close(self) -> Outcome<()> {
        Arc::into_inner(self.requester).ok_or("somebody still posts")?.stop().await?;
        self.worker.stop().await
    }
}

/// Since the processes began.
struct Counts {
    held: u64,
    commits: u64,
    requester: Duration,
    worker: Duration,
    agents: Duration,
}

/// Hires a second between two nodes that have next to none behind them.
pub async fn fresh() -> Outcome<()> {
    println!("hires a second through two nodes, each closed and agreed; {BATCHES} batches, fresh nodes for each");
    for (at_once, hires) in LOADS {
        let mut rows = Vec::new();
        for _ in 0..BATCHES {
            let dir = directory()?;
            let market = Market::open(&dir.path().join("market")).await?;
            let batch = market.hire(hires, at_once).await?;
            market.close().await?;
            let bare = bare_commits(&dir.path().join("bare"))?;
            let run = bare_run(dir.path()).await?;
            rows.push((batch, bare, run));
        }
        println!("  {at_once} at once, {hires} hires a batch");
        let row = |name: &str, digits, value: &dyn Fn(&(Batch, f64, Duration)) -> f64| {
            println!("    {name:42} {}", spread(rows.iter().map(value), digits));
        };
        row("hires a second", 1, &|(batch, ..)| batch.rate());
        row("commits a hire, both sides", 1, &|(batch, ..)| batch.commits());
        row("bare commits a second", 0, &|(_, bare, _)| *bare);
        row("hires x commits / bare commits", 3, &|(batch, bare, _)| batch.rate() * batch.commits() / bare);
        row("requester, ms of a core a hire", 2, &|(batch, ..)| batch.millis(batch.requester));
        row("worker without its agent, ms", 2, &|(batch, ..)| batch.millis(batch.worker));
        row("agent, ms", 2, &|(batch, ..)| batch.millis(batch.agents));
        row("a bare run of the agent, ms of time", 2, &|(.., run)| run.as_secs_f64() * 1e3);
        row("a bare run / a hire's share of the time", 3, &|(batch, _, run)| run.as_secs_f64() * batch.rate());
    }
    Ok(())
}

/// The same with more and more hires behind them: what is kept must not be gone through for each new one.
pub async fn held(most: usize) -> Outcome<()> {
    let (hires, at_once) = POINT;
    println!("hires a second by the hires held, {hires} of them a point, {at_once} at once");
    println!(
        "  {:>6} {:>9} {:>9} {:>9} {:>9} {:>9} {:>9} {:>9} {:>9}",
        "held", "hires/s", "commits", "bare/s", "ratio", "req. ms", "work. ms", "req. MB", "work. MB"
    );
    let dir = directory()?;
    let market = Market::open(&dir.path().join("market")).await?;
    let points = [0, 250, 500, 1_000, 2_000, 3_500, 5_000, 10_000].into_iter().filter(|point| *point <= most);
    for point in points {
        loop {
            let held = market.worker.count("hires_closed").await?;
            let missing = point.saturating_sub(usize::try_from(held)?);
            if missing == 0 {
                break;
            }
            market.hire(missing.min(500), FILL).await?;
        }
        let bare = bare_commits(&dir.path().join(format!("bare-{point}")))?;
        let batch = market.hire(hires, at_once).await?;
        let (requester, worker) = (market.requester.used()?.memory, market.worker.used()?.memory);
        println!(
            "  {point:6} {:9.1} {:9.1} {bare:9.0} {:9.3} {:9.2} {:9.2} {:9.1} {:9.1}",
            batch.rate(),
            batch.commits(),
            batch.rate() * batch.commits() / bare,
            batch.millis(batch.requester),
            batch.millis(batch.worker),
            requester as f64 / 1e6,
            worker as f64 / 1e6,
        );
    }
    let door = market.worker.address.clone();
    market.close().await?;
    let requester = Process::requester(&dir.path().join("market/requester"), &door).await?;
    let held = requester.count("hires_closed").await?;
    println!("  ready again with {held} hires after {:.0} ms", requester.ready_after.as_secs_f64() * 1e3);
    requester.stop().await
}

/// Commits of one event a second.
fn bare_commits(dir: &Path) -> Outcome<f64> {
    let (mut journal, _) = Journal::open(dir, |_, _| Ok(()))?;
    let begun = Instant::now();
    for _ in 0..BARE {
        journal.append(&[0x5a; EVENT])?;
        journal.commit()?;
    }
    Ok(BARE as f64 / begun.elapsed().as_secs_f64())
}

/// One run of the agent's program, asked and heard as a node does it; the median.
async fn bare_run(dir: &Path) -> Outcome<Duration> {
    let mut times = Vec::new();
    for _ in 0..BARE {
        let begun = Instant::now();
        let pipe = Stdio::piped;
        let mut child = Command::new("cat")
            .current_dir(dir)
            .stdin(pipe())
            .stdout(pipe())
            .stderr(pipe())
            .process_group(0)
            .spawn()?;
        let (mut stdin, mut stdout) = (child.stdin.take().ok_or("no pipe")?, child.stdout.take().ok_or("no pipe")?);
        stdin.write_all(&[b' '; 300]).await?;
        drop(stdin);
        stdout.read_to_end(&mut Vec::new()).await?;
        child.wait().await?;
        times.push(begun.elapsed());
    }
    times.sort_unstable();
    Ok(times[times.len() / 2])
}
