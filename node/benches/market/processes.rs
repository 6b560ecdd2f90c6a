//! The processes under measurement: started as an operator would, asked through their local door, looked at through
//! `/proc`. They end with this program, however it ends.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use gigmesh::api::client::Client;
use gigmesh::api::socket;
use gigmesh::api::types::{HireRequest, Posted};
use gigmesh_protocol::hire::task::Task;
use gigmesh_protocol::market::checks::Checks;
use gigmesh_protocol::time::Millis;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::{sleep, timeout};

use super::Outcome;

pub const NETWORK: &str = "bench";
pub const LISTEN: &str = "/ip4/127.0.0.1/tcp/0";
pub const SKILL: &str = "text/echo";
/// Far beyond what anything here takes: the bench is broken.
pub const STUCK: Duration = Duration::from_secs(120);
/// A process's times are counted in these; Linux has had a hundred a second on every machine for twenty years.
const TICK: Duration = Duration::from_millis(10);

/// On the disk that is measured.
pub fn directory() -> Outcome<TempDir> {
    Ok(tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?)
}

/// A process that has said that it is ready.
pub struct Process {
    child: Child,
    /// Held open: a closed pipe would be an error to the writer.
    _out: BufReader<ChildStdout>,
    /// Where it listens.
    pub address: String,
    pub agent: String,
    pub client: Client,
    /// From its start until it said so.
    pub ready_after: Duration,
}

/// What a process has used since it began, and what it holds.
pub struct Used {
    /// Its own time on a processor.
    pub own: Duration,
    /// That of its children that have ended.
    pub children: Duration,
    /// Resident memory, in bytes.
    pub memory: u64,
}

impl Process {
    /// `gigmesh bootstrap`.
    pub async fn bootstrap(home: &Path) -> Outcome<Self> {
        let (process, line) = Self::start(home, "bootstrap", &[]).await?;
        let address = line.strip_prefix("listening on ").ok_or("the bootstrap node names no address")?.to_owned();
        Ok(Self { address, ..process })
    }

    /// `gigmesh up` for a requester.
    pub async fn requester(home: &Path, door: &str) -> Outcome<Self> {
        Self::up(home, &["--bootstrap", door]).await
    }

    /// `gigmesh up` for a worker whose agent returns the request as it is: about the least that a program can do, and
    /// every result is another.
    pub async fn worker(home: &Path, door: Option<&str>) -> Outcome<Self> {
        let file = home.join("worker.toml");
        let agent = std::env::var("MARKET_BENCH_AGENT").unwrap_or_else(|_| "cat".to_owned());
        fs::create_dir_all(home)?;
        let config = format!(
            "[agent]\nname = \"echo\"\nversion = \"1\"\n[serve]\nfrom = \"anyone\"\nparallel = 64\n[[skill]]\n\
             path = \"{SKILL}\"\nprice = \"0.02 USD per task\"\nexpect = \"1s\"\n[skill.run]\ncommand = [\"{agent}\"]\n"
        );
        fs::write(&file, config)?;
        let file = file.to_str().ok_or("the directory's path is no text")?;
        let mut arguments = vec!["--config", file];
        arguments.extend(door.iter().flat_map(|door| ["--bootstrap", door]));
        Self::up(home, &arguments).await
    }

    async fn up(home: &Path, arguments: &[&str]) -> Outcome<Self> {
        let (process, line) = Self::start(home, "up", &[&["--json"], arguments].concat()).await?;
        let ready: Value = serde_json::from_str(&line)?;
        let text = |value: &Value| value.as_str().map(str::to_owned).ok_or(format!("not as expected: {line}"));
        Ok(Self { address: text(&ready["listen"][0])?, agent: text(&ready["agent"])?, ..process })
    }

    async fn start(home: &Path, command: &str, arguments: &[&str]) -> Outcome<(Self, String)> {
        fs::create_dir_all(home)?;
        let data = home.join("data");
        let theirs =
            std::env::vars_os().map(|(key, _)| key).filter(|key| key.to_string_lossy().starts_with("GIGMESH_"));
        let mut run = Command::new(env!("CARGO_BIN_EXE_gigmesh"));
        theirs.for_each(|key| {
            run.env_remove(key);
        });
        run.args([command, "--network", NETWORK, "--listen", LISTEN, "--data-dir"]).arg(&data).args(arguments);
        run.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(File::create(home.join("log"))?).kill_on_drop(true);
        let begun = Instant::now();
        let mut child = run.spawn()?;
        let mut out = BufReader::new(child.stdout.take().ok_or("the process has no output")?);
        let mut line = String::new();
        timeout(STUCK, out.read_line(&mut line)).await??;
        let ready_after = begun.elapsed();
        if line.is_empty() {
            return Err(fs::read_to_string(home.join("log"))?.into());
        }
        let client = Client::new(socket::locate(&data));
        let (address, agent) = Default::default();
        Ok((Self { child, _out: out, address, agent, client, ready_after }, line.trim_end().to_owned()))
    }

    /// Lets it end well.
    pub async fn stop(mut self) -> Outcome<()> {
        let pid = self.child.id().and_then(|id| Pid::from_raw(id.cast_signed())).ok_or("the process has ended")?;
        kill_process(pid, Signal::TERM)?;
        timeout(STUCK, self.child.wait()).await??;
        Ok(())
    }

    pub async fn status(&self) -> Outcome<Value> {
        Ok(self.client.get("/v1/status").await?)
    }

    /// A number of its status.
    pub async fn count(&self, what: &str) -> Outcome<u64> {
        self.status().await?[what].as_u64().ok_or_else(|| format!("the status does not count {what}").into())
    }

    /// A counter without labels.
    pub async fn metric(&self, name: &str) -> Outcome<u64> {
        let text = self.client.text("/metrics").await?;
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        Ok(value.ok_or_else(|| format!("there is no {name}"))?.parse()?)
    }

    /// Waits until nothing is on its way to or from it.
    pub async fn rest(&self) -> Outcome<()> {
        until("a node to come to rest", Duration::from_millis(5), async || {
            let status = self.status().await?;
            Ok(status["outbox"] == 0 && status["hires_open"] == 0)
        })
        .await
    }

    pub fn used(&self) -> Outcome<Used> {
        let proc = PathBuf::from(format!("/proc/{}", self.child.id().ok_or("the process has ended")?));
        let stat = fs::read_to_string(proc.join("stat"))?;
        // The program's name, in parentheses, is the second field; it is the only one that may hold a space.
        let fields: Vec<&str> = stat.rsplit(") ").next().unwrap_or_default().split(' ').collect();
        let ticks = |field: usize| -> Outcome<u32> { Ok(fields.get(field).ok_or("a short stat")?.parse()?) };
        let status = fs::read_to_string(proc.join("status"))?;
        let kib = status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB"));
        Ok(Used {
            own: TICK * (ticks(11)? + ticks(12)?),
            children: TICK * (ticks(13)? + ticks(14)?),
            memory: kib.ok_or("a process without memory")?.parse::<u64>()? * 1024,
        })
    }

    /// Its memory once that has not changed by a hundredth for three seconds.
    pub async fn settled(&self) -> Outcome<u64> {
        let (mut lately, mut settled) = (Vec::new(), 0);
        until("the memory to stay as it is", Duration::from_millis(250), async || {
            lately.push(self.used()?.memory);
            lately.drain(..lately.len().saturating_sub(12));
            let (low, high) = (lately.iter().min().unwrap_or(&0), lately.iter().max().unwrap_or(&0));
            settled = *high;
            Ok(lately.len() == 12 && high - low <= high / 100)
        })
        .await?;
        Ok(settled)
    }

    /// Posts a task.
    pub async fn post(&self, request: &HireRequest) -> Outcome<()> {
        let _: Posted = self.client.post("/v1/hires", request).await?;
        Ok(())
    }
}

/// A task of [`SKILL`]: for one worker, or for the market with this bid window.
pub fn request(to: Option<&str>, bids: Millis) -> Outcome<HireRequest> {
    let task = Task {
        bids,
        expires: Millis::mins(30),
        ..Task::new(
            SKILL.parse()?,
            "Say it again",
            Checks { schema: None, asserts: vec!["result.attempt == 1".parse()?] },
        )
    };
    Ok(HireRequest { task, to: to.map(str::to_owned), token: None })
}

/// Whether an event tells of a hire that both have closed as accepted. Anything else that ends one is an error here.
pub fn is_closed(event: &Value) -> Outcome<bool> {
    let well = event["closed"]["agreed"] == true && event["closed"]["outcome"] == "accepted";
    match event["event"].as_str() {
        Some("closed") if well => Ok(true),
        Some("closed" | "missed" | "unfilled") => Err(format!("it did not go well: {event}").into()),
        _ => Ok(false),
    }
}

/// Asks again and again, with this pause.
pub async fn until(what: &str, pause: Duration, mut holds: impl AsyncFnMut() -> Outcome<bool>) -> Outcome<()> {
    let held = async {
        while !holds().await? {
            sleep(pause).await;
        }
        Ok(())
    };
    timeout(STUCK, held).await.map_err(|_| format!("waited {STUCK:?} for {what}"))?
}
