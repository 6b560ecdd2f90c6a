//! How the demo is told while it runs: a table that lives on a terminal, a line for each step elsewhere, nothing to programs,
//! which get one document at the end. All of it goes to standard output: it is what was asked for.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal};
use std::time::Duration;

use gigmesh_protocol::id::AgentId;
use tokio::time::Instant;

use super::board::{Piece, Posting};
use super::cast::REQUESTERS;
use crate::cli::failure::Failure;
use crate::cli::terminal::{Screen, Table, Tone, emit, short};
use crate::words;

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
    /// What was last said of each task of the wave: whose it is, and how far.
    Lines(BTreeMap<&'static str, (&'static str, String)>),
    /// How many lines the wave's table takes on the terminal now.
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

    /// The tasks that are posted next.
    pub fn wave(&mut self, pieces: &[Piece]) -> Result<(), Failure> {
        match &mut self.form {
            Form::Json => {}
            Form::Lines(told) => told.clear(),
            Form::Live(drawn) => *drawn = 0,
        }
        let again = pieces.iter().filter(|piece| piece.before > 0).count();
        let again = if again > 0 { format!(", {again} of them again") } else { String::new() };
        self.heading(&format!("the requesters post {} tasks{again}", pieces.len()))
    }

    /// A process is ready.
    pub fn started(&self, name: &str, pid: Option<u32>, agent: Option<AgentId>, about: &str) -> Result<(), Failure> {
        let pid_text = pid.map_or_else(String::new, |pid| pid.to_string());
        let id = self.screen.paint(Tone::Quiet, &format!("process {pid_text:<8}agent {:<8}", short(agent)));
        self.line(&format!("{name:<11} {id}  {about}"))
    }

    fn line(&self, text: &str) -> Result<(), Failure> {
        if self.json() { Ok(()) } else { emit(&format!("{:5.1}s  {text}\n", self.elapsed().as_secs_f64())) }
    }

    /// How far the tasks are.
    pub fn postings(&mut self, postings: &[Posting]) -> Result<(), Failure> {
        let mut text = String::new();
        match &mut self.form {
            Form::Json => {}
            Form::Lines(told) => {
                let at = self.began.elapsed().as_secs_f64();
                for posting in postings {
                    let now = (posting.worker_name, posting.state.clone());
                    let before = told.insert(posting.name(), now.clone()).unwrap_or_default();
                    let steps = if before == now { Vec::new() } else { steps(posting, before.0) };
                    steps.iter().for_each(|step| text.push_str(&format!("{at:5.1}s  {:<19} {step}\n", posting.name())));
                }
            }
            Form::Live(drawn) => {
                let table = table(postings, &self.screen);
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
    // The table of a wave must fit, or the way back to its first line is not known: a dozen tasks at the most, if every
    // task of the wave before is posted again.
    let fits = rustix::termios::tcgetwinsize(io::stdout()).is_ok_and(|size| size.ws_row > 16 && size.ws_col >= 60);
    io::stdout().is_terminal() && !dumb && fits
}

/// The steps of one task since `worker` had it.
fn steps(posting: &Posting, worker: &str) -> Vec<String> {
    let Posting { worker_name: name, state, why, .. } = posting;
    let chosen = why.as_ref().filter(|_| *name != worker).map(|why| format!("goes to {name}: {}", words::chosen(why)));
    let step = match *name {
        "" => Some(state.clone()),
        _ if chosen.is_some() && state == "awarded" => None,
        name => Some(format!("{name}: {state}")),
    };
    chosen.into_iter().chain(step).collect()
}

fn table(postings: &[Posting], screen: &Screen) -> String {
    let mut table = Table::new(["TASK", "FOR", "WORKER", "TIME", "STATE"]);
    for posting in postings {
        table.row([
            (Tone::Plain, posting.name().to_owned()),
            (Tone::Quiet, REQUESTERS[posting.piece.desk].name.to_owned()),
            (Tone::Plain, posting.worker_name.to_owned()),
            (Tone::Quiet, format!("{:.1}s", posting.elapsed().as_secs_f64())),
            (posting.tone, posting.state.clone()),
        ]);
    }
    table.render(screen)
}
