//! How the demo is told while it runs: a table that lives on a terminal, a line for each step elsewhere, events as lines of
//! JSON for programs. All of it goes to standard output: it is what was asked for.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal};
use std::time::Duration;

use gigmesh_protocol::id::AgentId;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::board::Posting;
use crate::cli::failure::Failure;
use crate::cli::terminal::{Screen, Table, Tone, emit, emit_json, short};

/// Tells what happens.
#[derive(Debug)]
pub(super) struct Show {
    began: Instant,
    screen: Screen,
    form: Form,
}

#[derive(Debug)]
enum Form {
    Json,
    /// What was last said of each task.
    Lines(BTreeMap<&'static str, String>),
    /// How many lines the table takes on the terminal now.
    Live(usize),
}

impl Show {
    pub fn new(json: bool) -> Self {
        let form = match json {
            true => Form::Json,
            false if is_drawn_on() => Form::Live(0),
            false => Form::Lines(BTreeMap::new()),
        };
        Self { began: Instant::now(), screen: Screen::stdout(), form }
    }

    pub fn json(&self) -> bool {
        matches!(self.form, Form::Json)
    }

    pub fn screen(&self) -> &Screen {
        &self.screen
    }

    /// Since the demo began.
    pub fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    /// The next part of the story.
    pub fn heading(&self, text: &str) -> Result<(), Failure> {
        self.line(&self.screen.paint(Tone::Heading, text))
    }

    /// A process is ready.
    pub fn started(&self, name: &str, pid: Option<u32>, agent: Option<AgentId>, about: &str) -> Result<(), Failure> {
        let pid_text = pid.map_or_else(String::new, |pid| pid.to_string());
        let id = self.screen.paint(Tone::Quiet, &format!("process {pid_text:<8}agent {:<8}", short(agent)));
        self.line(&format!("{name:<10} {id}  {about}"))?;
        self.event(&json!({ "event": "ready", "name": name, "process": pid, "agent": agent }))
    }

    fn line(&self, text: &str) -> Result<(), Failure> {
        if self.json() { Ok(()) } else { emit(&format!("{:5.1}s  {text}\n", self.elapsed().as_secs_f64())) }
    }

    /// Something happened, for programs.
    pub fn event(&self, event: &Value) -> Result<(), Failure> {
        if self.json() { emit_json(event) } else { Ok(()) }
    }

    /// How far the tasks are.
    pub fn tasks(&mut self, tasks: &[Posting]) -> Result<(), Failure> {
        let mut text = String::new();
        match &mut self.form {
            Form::Json => {}
            Form::Lines(told) => {
                let at = self.began.elapsed().as_secs_f64();
                for task in tasks.iter().filter(|task| told.get(task.name) != Some(&task.state)) {
                    text.push_str(&format!("{at:5.1}s  {:<14} {}\n", task.name, step(task)));
                }
                told.extend(tasks.iter().map(|task| (task.name, task.state.clone())));
            }
            Form::Live(drawn) => {
                let table = table(tasks, &self.screen);
                if *drawn > 0 {
                    // To the first line of the table, which is written over. What is left of a longer line is erased.
                    text.push_str(&format!("\x1b[{drawn}F"));
                }
                *drawn = table.lines().count();
                table.lines().for_each(|line| text.push_str(&format!("{line}\x1b[K\n")));
            }
        }
        if text.is_empty() { Ok(()) } else { emit(&text) }
    }
}

/// Whether standard output is a terminal that a table can be drawn on again and again.
fn is_drawn_on() -> bool {
    let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
    // The table must fit, or the way back to its first line is not known.
    let fits = rustix::termios::tcgetwinsize(io::stdout()).is_ok_and(|size| size.ws_row > 12 && size.ws_col >= 60);
    io::stdout().is_terminal() && !dumb && fits
}

/// A step of one task, in a line.
fn step(task: &Posting) -> String {
    let Posting { worker_name: name, state, reason, .. } = task;
    match (task.worker, state.as_str(), reason) {
        (None, ..) => state.clone(),
        (Some(_), "awarded", Some(reason)) => format!("awarded to {name}, {reason}"),
        (Some(_), ..) => format!("{name}: {state}"),
    }
}

fn table(tasks: &[Posting], screen: &Screen) -> String {
    let mut table = Table::new(["TASK", "SKILL", "WORKER", "TIME", "STATE"]);
    for task in tasks {
        table.row([
            (Tone::Plain, task.name.to_owned()),
            (Tone::Quiet, task.skill.to_string()),
            (Tone::Plain, task.worker_name.to_owned()),
            (Tone::Quiet, format!("{:.1}s", task.elapsed().as_secs_f64())),
            (task.tone, task.state.clone()),
        ]);
    }
    table.render(screen)
}
