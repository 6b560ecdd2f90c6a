//! At the first `gigmesh up`: whom the configuration proposes to pin is offered, once. In: names with reasons, and a person at a
//! terminal. Out: pins, and a note of who was offered. What must never happen: that anybody is pinned without having been asked
//! for, or that a service waits for an answer.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead as _, IsTerminal as _, Read as _, Write as _};
use std::path::Path;

use gigmesh_protocol::id::AgentId;
use gigmesh_protocol::peer::io::Command;
use gigmesh_protocol::peer::query::Seeds;
use rustix::process::getpgrp;
use rustix::termios::tcgetpgrp;

use super::failure::Failure;
use super::terminal::{Screen, command, emit, quoted, runnable, short, wrapped};
use crate::config::ProposedSeed;
use crate::limits::{ANSWER_LINE, OFFERED_NOTE};
use crate::node::NodeHandle;
use crate::store::disk::{At as _, write_new};

/// Where it is noted whom was offered, one id a line.
const NOTE: &str = "seeds-offered";

/// Offers the seeds that are neither pinned nor were offered before, if there are any; whether it did.
pub(super) async fn to(node: &NodeHandle, proposed: &[ProposedSeed], data_dir: &Path) -> Result<bool, Failure> {
    let Ok(pinned) = node.query(Seeds).await else { return Ok(false) };
    let pinned: BTreeSet<AgentId> = pinned.into_iter().map(|seed| seed.agent).collect();
    let note = data_dir.join(NOTE);
    let mut offered = read(&note);
    let me = node.agent();
    let new =
        |seed: &&ProposedSeed| seed.agent != me && !pinned.contains(&seed.agent) && !offered.contains(&seed.agent);
    let seeds: Vec<&ProposedSeed> = proposed.iter().filter(new).collect();
    if seeds.is_empty() {
        return Ok(false);
    }
    let screen = Screen::stdout();
    if !is_attended() {
        emit(&unasked(&seeds))?;
        return Ok(true);
    }
    emit(&question(&seeds, &screen))?;
    let chosen = loop {
        // The end of the input is no answer: the question is asked again at the next start.
        let Some(answer) = line().await else { return Ok(true) };
        match understood(&answer, seeds.len()) {
            Ok(chosen) => break chosen,
            Err(wrong) => emit(&format!("{wrong}\n> "))?,
        }
    };
    for seed in chosen.iter().filter_map(|at| seeds.get(*at)) {
        match node.command(Command::Pin { agent: seed.agent, pinned: true }).await {
            Ok(_) => emit(&format!("pinned: {} {}\n", short(Some(seed.agent)), quoted(&seed.name)))?,
            Err(error) => emit(&format!("not pinned: {}: {error}\n", short(Some(seed.agent))))?,
        }
    }
    if chosen.is_empty() {
        emit(&runnable("nobody is pinned; `gigmesh trust add AGENT` does it whenever you like\n"))?;
    }
    offered.extend(seeds.iter().map(|seed| seed.agent));
    let lines: String = offered.iter().map(|agent| format!("{agent}\n")).collect();
    // A fall in between costs the question once more.
    let _ = fs::remove_file(&note);
    write_new(&note, |out| out.write_all(lines.as_bytes()).at(&note))?;
    Ok(true)
}

/// Whether a person can answer: in the background of a shell reading the terminal would stop the node.
fn is_attended() -> bool {
    let stdin = std::io::stdin();
    let in_front = || tcgetpgrp(&stdin).is_ok_and(|group| group == getpgrp());
    stdin.is_terminal() && std::io::stdout().is_terminal() && in_front()
}

/// Who was offered before.
fn read(note: &Path) -> BTreeSet<AgentId> {
    let mut text = String::new();
    // What cannot be read was not offered: the question is asked again.
    let _ = fs::File::open(note).and_then(|file| file.take(OFFERED_NOTE).read_to_string(&mut text));
    text.lines().filter_map(|line| line.parse().ok()).collect()
}

/// A line that a person types. The thread that waits for it ends with the process at the latest.
async fn line() -> Option<String> {
    let (told, answer) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        let mut line = String::new();
        let read = std::io::stdin().lock().take(ANSWER_LINE).read_line(&mut line);
        let _ = told.send(read.ok().filter(|bytes| *bytes > 0).map(|_| line));
    });
    answer.await.ok().flatten()
}

fn unasked(seeds: &[&ProposedSeed]) -> String {
    let add = |seed: &&ProposedSeed| {
        format!("{} ({})", command(format_args!("trust add {}", seed.agent)), quoted(&seed.name))
    };
    let commands: Vec<String> = seeds.iter().map(add).collect();
    format!("nobody is pinned unasked; proposed is: {}\n", commands.join(", "))
}

fn question(seeds: &[&ProposedSeed], screen: &Screen) -> String {
    let means = "Your configuration proposes to take the judgement of these agents for your own. What they found of others \
                 then counts as if you had found it, and if they are fooled, so are you. `gigmesh trust remove AGENT` takes \
                 it back.";
    let mut text = wrapped(&runnable(means), screen);
    for (n, seed) in (1..).zip(seeds) {
        let why = seed.why.as_ref().map(|why| format!(": {}", quoted(why))).unwrap_or_default();
        text += &wrapped(&format!("{n}. {} {}{why}", short(Some(seed.agent)), quoted(&seed.name)), screen);
    }
    let which = if seeds.len() == 1 { "y for yes" } else { "y for all of them, or some of their numbers, like 1 2" };
    text + &format!("Pin them? {which}; Enter or n for nobody. You are asked once.\n> ")
}

/// Which of so many are meant.
fn understood(answer: &str, of: usize) -> Result<Vec<usize>, String> {
    match answer.trim().to_ascii_lowercase().as_str() {
        "" | "n" | "no" => Ok(Vec::new()),
        "y" | "yes" | "all" => Ok((0..of).collect()),
        numbers => {
            let number = |word: &str| word.parse().ok().filter(|n| (1..=of).contains(n)).map(|n: usize| n - 1);
            let words = numbers.split(|c: char| c == ',' || c.is_whitespace()).filter(|word| !word.is_empty());
            let chosen: Option<BTreeSet<usize>> = words.map(number).collect();
            chosen.map(Vec::from_iter).ok_or_else(|| format!("y, n, or numbers from 1 to {of}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::terminal::columns;

    fn seed(n: u8, why: Option<&str>) -> ProposedSeed {
        let why = why.map(str::to_owned);
        ProposedSeed { agent: AgentId([n; 32]), name: "the Bench\u{1b}[2J".to_owned(), why }
    }

    #[test]
    fn nobody_is_pinned_by_an_answer_that_does_not_say_so() {
        for no in ["", "\n", "n", "No\n"] {
            assert_eq!(understood(no, 3), Ok(vec![]), "{no:?}");
        }
        for (yes, chosen) in [("y\n", vec![0, 1, 2]), ("ALL", vec![0, 1, 2]), ("3,1 1\n", vec![0, 2])] {
            assert_eq!(understood(yes, 3), Ok(chosen), "{yes:?}");
        }
        for unclear in ["maybe", "0", "4", "1 x", "-1"] {
            assert!(understood(unclear, 3).unwrap_err().contains("from 1 to 3"), "{unclear:?}");
        }
    }

    #[test]
    fn the_question_says_what_it_means_and_fits() {
        let (one, two) =
            (seed(0xab, Some("tests document work for a living and rates it, every day of the year")), seed(1, None));
        for width in [60, 80] {
            let text = question(&[&one, &two], &columns(width));
            for words in
                ["1. abababab \"the Bench\\u{1b}[2J\": \"tests", "2. 01010101", "y for all", "You are asked once"]
            {
                assert!(text.replace('\n', " ").contains(words), "{words:?} is not in\n{text}");
            }
        }
        assert!(question(&[&one], &columns(80)).contains("y for yes;"));
        assert!(unasked(&[&two]).contains(&format!("`gigmesh trust add {}`", "01".repeat(32))));
    }

    #[test]
    fn a_note_that_is_damaged_only_leads_to_the_question() {
        let dir = tempfile::tempdir().unwrap();
        let note = dir.path().join(NOTE);
        assert_eq!(read(&note), BTreeSet::new());
        fs::write(&note, format!("{}\nnonsense\n", AgentId([1; 32]))).unwrap();
        assert_eq!(read(&note), BTreeSet::from([AgentId([1; 32])]));
        fs::write(&note, [0xff, 0xfe]).unwrap();
        assert_eq!(read(&note), BTreeSet::new());
    }
}
