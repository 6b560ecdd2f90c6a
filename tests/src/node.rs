//! Nodes and doors as a test holds them: started, stopped, killed, started again on the same data.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;

use crate::{Agent, Door, Host, Output, Process, SOON, Signal, Transport, run, wait_until};

/// How long a process may take to end when asked to.
const STOP: Duration = Duration::from_secs(5);

/// `gigmesh bootstrap`.
#[derive(Debug)]
pub struct Bootstrap {
    home: PathBuf,
    listen: String,
    doors: Vec<String>,
    host: Option<Host>,
    /// Its address, with the id of its key.
    pub address: String,
    process: Option<Process>,
}

impl Bootstrap {
    /// Starts one in `home`, which knows these others.
    pub fn start(home: &Path, listen: &str, doors: &[String]) -> Self {
        Self::start_on(None, home, listen, doors)
    }

    /// The same on a host.
    pub fn start_on(host: Option<&Host>, home: &Path, listen: &str, doors: &[String]) -> Self {
        let mut bootstrap = Self {
            home: home.to_owned(),
            listen: listen.to_owned(),
            doors: doors.to_vec(),
            host: host.cloned(),
            address: String::new(),
            process: None,
        };
        bootstrap.restart();
        bootstrap
    }

    /// The running process.
    pub fn process(&mut self) -> &mut Process {
        self.process.as_mut().expect("it is running")
    }

    /// Stops it with SIGTERM and checks that it ends well.
    pub fn stop(&mut self) {
        stop(self.process());
        self.process = None;
    }

    /// Starts it (again), with the same key. On port 0 it gets another port.
    pub fn restart(&mut self) {
        let data = self.home.join("data").display().to_string();
        let mut args = vec!["bootstrap", "--listen", &self.listen, "--data-dir", &data];
        for door in &self.doors {
            args.extend(["--bootstrap", door]);
        }
        let mut process = Process::start_on(self.host.as_ref(), &[], &self.home, "bootstrap", &args);
        let line = process.first_line();
        let address = line.strip_prefix("listening on ");
        self.address = address.unwrap_or_else(|| panic!("the first line names an address, not: {line}")).to_owned();
        self.process = Some(process);
    }
}

/// What a node is started with.
#[derive(Debug, Clone, Default)]
pub struct Setup {
    /// What it serves; nothing for a requester.
    pub agent: Option<Agent>,
    /// Its file, if no agent's is written for it.
    pub config: Option<PathBuf>,
    /// The doors it knows.
    pub doors: Vec<String>,
    /// Where it listens; loopback TCP if it does not say.
    pub listen: Vec<String>,
    /// Which network it is part of, if not the default's.
    pub network: Option<String>,
    /// Which host it runs on, if not this.
    pub host: Option<Host>,
    /// A program with arguments, if any, that makes it what it starts in, and then becomes it.
    pub under: Vec<String>,
}

/// `gigmesh up`.
#[derive(Debug)]
pub struct Node {
    name: String,
    home: PathBuf,
    args: Vec<String>,
    host: Option<Host>,
    under: Vec<String>,
    /// Who it is, in hexadecimal digits.
    pub agent: String,
    /// Where it listens now.
    pub listen: Vec<String>,
    process: Option<Process>,
}

impl Node {
    /// Starts a node in `home` and waits until it is ready.
    pub fn start(home: &Path, name: &str, setup: &Setup) -> Self {
        let mut node = Self::spawn(home, name, setup);
        node.ready();
        node
    }

    /// Starts a node and does not wait.
    pub(crate) fn spawn(home: &Path, name: &str, setup: &Setup) -> Self {
        let data = home.join("data").display().to_string();
        let mut args = vec!["up".to_owned(), "--json".to_owned(), "--data-dir".to_owned(), data];
        let mut add = |flag: &str, value: &str| args.extend([flag.to_owned(), value.to_owned()]);
        if let Some(agent) = &setup.agent {
            add("--config", &agent.write(home, name).display().to_string());
        }
        if let Some(config) = &setup.config {
            add("--config", &config.display().to_string());
        }
        let default = [Transport::Tcp.address(0)];
        let listen = if setup.listen.is_empty() { &default[..] } else { &setup.listen[..] };
        listen.iter().for_each(|address| add("--listen", address));
        setup.doors.iter().for_each(|door| add("--bootstrap", door));
        setup.network.iter().for_each(|network| add("--network", network));
        let host = setup.host.clone();
        let under = setup.under.clone();
        let process = Some(Process::start_on(host.as_ref(), &under, home, name, &args));
        let (agent, listen) = (String::new(), Vec::new());
        Self { name: name.to_owned(), home: home.to_owned(), args, host, under, agent, listen, process }
    }

    /// Waits for its word that it is ready.
    pub(crate) fn ready(&mut self) {
        let line = self.process().first_line();
        let ready: Value = serde_json::from_str(&line).expect("`up --json` says in JSON that it is ready");
        assert_eq!(ready["ready"], true);
        self.agent = ready["agent"].as_str().expect("a node names its agent").to_owned();
        let listen = ready["listen"].as_array().expect("a node names its addresses").iter();
        self.listen = listen.filter_map(Value::as_str).map(str::to_owned).collect();
    }

    /// The running process.
    pub fn process(&mut self) -> &mut Process {
        self.process.as_mut().expect("it is running")
    }

    /// Where it keeps everything.
    pub fn data_dir(&self) -> PathBuf {
        self.home.join("data")
    }

    /// The arguments it is started with.
    pub fn args(&self) -> &[String] {
        &self.args
    }

    /// Its directory: the data directory, its files, its output.
    pub fn home(&self) -> &Path {
        &self.home
    }

    /// What it logged since it was started last.
    pub fn log(&self) -> String {
        self.process.as_ref().map(Process::log).unwrap_or_default()
    }

    /// Kills it as a power cut would.
    pub fn kill9(&mut self) {
        self.process().kill9();
        self.process = None;
    }

    /// Stops it with SIGTERM and checks that it ends well.
    pub fn stop(&mut self) {
        stop(self.process());
        self.process = None;
    }

    /// Starts it again on the same data, and checks that it is who it was.
    pub fn restart(&mut self) {
        self.launch();
        self.back();
    }

    /// Starts it again on the same data, and does not wait.
    pub fn launch(&mut self) {
        self.process = Some(Process::start_on(self.host.as_ref(), &self.under, &self.home, &self.name, &self.args));
    }

    /// Waits until it is ready after a [`Node::launch`], and checks that it is who it was.
    pub fn back(&mut self) {
        let agent = self.agent.clone();
        self.ready();
        assert_eq!(self.agent, agent, "a restart keeps the identity");
    }

    /// Stops it in its tracks, without its knowing.
    pub fn freeze(&mut self) {
        self.process().signal(Signal::STOP);
    }

    /// Lets it go on.
    pub fn thaw(&mut self) {
        self.process().signal(Signal::CONT);
    }

    // ---- what it says ----

    /// Its local door, which is another thread's to knock at while this one kills the node.
    pub fn door(&self) -> Door {
        Door::of(&self.data_dir())
    }

    /// Runs a command against this node.
    pub fn cli(&self, args: &[&str]) -> Output {
        let data = self.data_dir().display().to_string();
        run(&self.home, &[args, &["--data-dir", &data]].concat())
    }

    /// Runs a command with `--json` against this node, and returns its answer.
    ///
    /// # Panics
    /// If it fails.
    pub fn ask(&self, args: &[&str]) -> Value {
        let output = self.cli(&[args, &["--json"]].concat());
        assert_eq!(output.code, Some(0), "{} {args:?}: {output:?}", self.name);
        output.json()
    }

    /// The rows of a list that it answers with.
    ///
    /// # Panics
    /// If it is none.
    pub fn rows(&self, args: &[&str]) -> Vec<Value> {
        let mut page = self.ask(args);
        serde_json::from_value(page["rows"].take()).unwrap_or_else(|_| panic!("{args:?}: not a list: {page}"))
    }

    /// What it has counted, by name and labels; of what is no whole number, the whole part.
    pub fn metrics(&self) -> BTreeMap<String, u64> {
        let output = self.cli(&["status", "--metrics"]);
        assert_eq!(output.code, Some(0), "{output:?}");
        let lines = output.stdout.lines().filter(|line| !line.starts_with('#')).map(|line| line.rsplit_once(' '));
        let read = |line: Option<(&str, &str)>| Some((line?.0.to_owned(), line?.1.parse::<f64>().ok()? as u64));
        lines.map(|line| read(line).expect("a metric has a name and a number")).collect()
    }

    /// The memory its process has in use, in bytes.
    pub fn resident(&self) -> u64 {
        let id = self.process.as_ref().expect("it is running").id();
        let status = fs::read_to_string(format!("/proc/{id}/status")).expect("a running process has a status");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line.and_then(|line| line.trim().strip_suffix(" kB")).expect("a process has memory");
        kib.parse::<u64>().expect("it is counted") * 1024
    }

    /// Posts a task, to one worker if `to` names it, and returns the offer's id.
    pub fn post(&self, task: &Path, to: Option<&Node>) -> String {
        let task = task.display().to_string();
        let mut args = vec!["hire", &task];
        if let Some(worker) = to {
            args.extend(["--to", &worker.agent]);
        }
        text(&self.ask(&args)["offer"])
    }

    /// Posts a task and waits for the end of it.
    pub fn hire(&self, task: &Path, more: &[&str]) -> Output {
        self.cli(&[&["hire", &task.display().to_string(), "--wait", "--json"], more].concat())
    }

    /// Its hires, newest first, without bare postings.
    pub fn hires(&self) -> Vec<Value> {
        self.rows(&["hires"]).into_iter().filter(|row| row["hire"].is_string()).collect()
    }

    /// Everything about an offer or a hire.
    pub fn show(&self, id: &str) -> Value {
        self.ask(&["show", id])
    }

    /// Waits until it has a hire, and returns its id.
    pub fn first_hire(&self) -> String {
        wait_until(&format!("a hire of {}", self.name), SOON, || Some(text(&self.hires().first()?["hire"])))
    }

    /// Waits until an offer or hire is as wanted, and returns everything about it.
    pub fn when(&self, id: &str, what: &str, mut wanted: impl FnMut(&Value) -> bool) -> Value {
        let what = format!("{} to see {what}", self.name);
        let mut last = Value::Null;
        wait_until(&what, SOON, || {
            last = self.show(id);
            wanted(&last).then(|| last.clone())
        })
    }

    /// Waits until a hire is closed, agreed by both, and returns everything about it.
    pub fn settled(&self, id: &str) -> Value {
        self.when(id, "the hire closed by both", |shown| shown["row"]["closed"]["agreed"] == true)
    }

    // ---- its agent ----

    /// The process ids of its agent's runs so far, oldest first.
    pub fn runs(&self) -> Vec<i32> {
        let lines = fs::read_to_string(self.home.join("runs")).unwrap_or_default();
        lines.lines().map(|id| id.parse().expect("the script writes its process id")).collect()
    }

    /// Lets held runs, and all after them, come to their end.
    pub fn let_agent_go(&self) {
        fs::write(self.home.join("go"), "").expect("the test's own directory can be written to");
    }
}

fn stop(process: &mut Process) {
    process.signal(Signal::TERM);
    let status = process.ended(STOP);
    assert_eq!(status.code(), Some(0), "it ends well when asked to: {}", process.log());
}

/// A text in an answer.
fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("a text is wanted, not {value}")).to_owned()
}
