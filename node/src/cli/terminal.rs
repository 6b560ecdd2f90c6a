//! Text for people: tables that fit the terminal, colours where they are wanted, and other agents' words made harmless.
//!
//! What must never happen: a character of another agent that the terminal acts upon, or words of theirs that pass for ours.

use std::io::{self, IsTerminal, Write};

use gigmesh_protocol::id::{AgentId, Bytes32};
use gigmesh_protocol::time::{Millis, Timestamp};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::failure::{Exit, Failure};
use crate::limits::{CELL_MIN, QUOTE};

/// How a text stands out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tone {
    Plain,
    Good,
    Bad,
    Quiet,
    Heading,
}

/// What the output goes to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Screen {
    /// Columns, where there is a terminal.
    width: Option<usize>,
    colour: bool,
}

impl Screen {
    /// Standard output.
    pub fn stdout() -> Self {
        let size = rustix::termios::tcgetwinsize(io::stdout()).ok();
        let width = size.map(|size| usize::from(size.ws_col)).filter(|width| *width > 0);
        Self { width, colour: wants_colour(io::stdout().is_terminal()) }
    }

    /// Standard error.
    pub fn stderr() -> Self {
        Self { width: None, colour: wants_colour(io::stderr().is_terminal()) }
    }

    /// The same without a width: nothing is cut.
    pub fn uncut(self) -> Self {
        Self { width: None, ..self }
    }

    /// The text in its tone.
    pub fn paint(&self, tone: Tone, text: &str) -> String {
        let code = match tone {
            _ if !self.colour || text.is_empty() => return text.to_owned(),
            Tone::Plain => return text.to_owned(),
            Tone::Good => "32",
            Tone::Bad => "31",
            Tone::Quiet => "2",
            Tone::Heading => "1",
        };
        format!("\x1b[{code}m{text}\x1b[0m")
    }
}

fn wants_colour(terminal: bool) -> bool {
    let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    terminal && !set("NO_COLOR") && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}

/// Writes to stdout. Whoever closed the pipe has read enough.
pub(super) fn emit(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::new(Exit::Ours, format!("cannot write to stdout: {error}")))
        }
        _ => Ok(()),
    }
}

/// A document for programs: one line of JSON.
pub(super) fn emit_json(document: &Value) -> Result<(), Failure> {
    emit(&format!("{document}\n"))
}

/// The field of a node's answer. The answer's types belong to the brain; here they are only looked at.
pub(super) fn field<T: DeserializeOwned>(answer: &Value, name: &str) -> Result<T, Failure> {
    let value = answer.get(name).cloned().unwrap_or(Value::Null);
    serde_json::from_value(value).map_err(|error| {
        let text = format!("the node's answer is not understood ({name}: {error}); is it of another version?");
        Failure::new(Exit::Ours, text)
    })
}

/// Another agent's words: in quotation marks, with everything escaped that is not plainly visible, and not too long.
pub(super) fn theirs(text: &str) -> String {
    let mut cut: String = text.chars().take(QUOTE).collect();
    if cut.len() < text.len() {
        cut.push('…');
    }
    format!("{cut:?}")
}

/// JSON that another agent made, laid out for a person: still the same JSON, with only visible characters in it.
pub(super) fn their_json(value: &Value) -> String {
    visible(&format!("{value:#}"))
}

/// The same on one line, and not too long: its own quotation marks show what is theirs.
pub(super) fn their_json_line(value: &Value) -> String {
    fit(&visible(&value.to_string()), QUOTE)
}

/// JSON text in which what Rust would escape in a string (what a terminal may act upon or hide) is escaped.
fn visible(json: &str) -> String {
    let mut out = String::new();
    for c in json.chars() {
        if matches!(c, '\n' | '"' | '\'' | '\\') || c.escape_debug().len() == 1 {
            out.push(c);
        } else {
            c.encode_utf16(&mut [0; 2]).iter().for_each(|unit| out.push_str(&format!("\\u{unit:04x}")));
        }
    }
    out
}

/// A length of time in its largest unit, rounded down: enough for a person.
pub(super) fn rough(time: Millis) -> String {
    let seconds = time.0 / 1_000;
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3_600 => format!("{}m", seconds / 60),
        3_600..86_400 => format!("{}h", seconds / 3_600),
        _ => format!("{}d", seconds / 86_400),
    }
}

/// How long ago, or how far ahead.
pub(super) fn when(moment: Timestamp, now: Timestamp) -> String {
    if moment > now { format!("in {}", rough(moment.since(now))) } else { format!("{} ago", rough(now.since(moment))) }
}

/// An agent as a person sees it in a list: not unique.
pub(super) fn short(agent: Option<AgentId>) -> String {
    agent.map_or_else(|| "-".to_owned(), |agent| Bytes32(agent.0).short())
}

/// Rows under headings.
#[derive(Debug)]
pub(super) struct Table {
    headings: Vec<&'static str>,
    rows: Vec<Vec<(Tone, String)>>,
}

impl Table {
    pub fn new<const N: usize>(headings: [&'static str; N]) -> Self {
        Self { headings: headings.to_vec(), rows: Vec::new() }
    }

    /// Adds a row with a tone for each cell.
    pub fn row<const N: usize>(&mut self, cells: [(Tone, String); N]) {
        self.rows.push(cells.to_vec());
    }

    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The table, cut to the terminal's width. Without one nothing is cut.
    pub fn render(&self, screen: &Screen) -> String {
        let headings = self.headings.iter().map(|heading| (Tone::Heading, (*heading).to_owned())).collect();
        let rows: Vec<&Vec<(Tone, String)>> = std::iter::once(&headings).chain(&self.rows).collect();
        let widest = |column: usize| rows.iter().map(|row| row[column].1.chars().count()).max().unwrap_or(0);
        let mut widths: Vec<usize> = (0..self.headings.len()).map(widest).collect();
        if let Some(available) = screen.width {
            shrink(&mut widths, available);
        }
        let mut out = String::new();
        for row in rows {
            for (index, ((tone, text), width)) in row.iter().zip(&widths).enumerate() {
                let text = fit(text, *width);
                // Nothing follows the last column.
                let last = index + 1 == widths.len();
                let padding = if last { 0 } else { width - text.chars().count() + 2 };
                out.push_str(&screen.paint(*tone, &text));
                out.push_str(&" ".repeat(padding));
            }
            out.truncate(out.trim_end_matches(' ').len());
            out.push('\n');
        }
        out
    }
}

/// Takes from the widest columns, one by one, until the row fits or nothing more can be taken.
fn shrink(widths: &mut [usize], available: usize) {
    let gaps = 2 * widths.len().saturating_sub(1);
    while widths.iter().sum::<usize>() + gaps > available {
        match widths.iter_mut().max() {
            Some(widest) if *widest > CELL_MIN => *widest -= 1,
            _ => return,
        }
    }
}

pub(super) fn fit(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    text.chars().take(width.saturating_sub(1)).chain(['…']).collect()
}

/// Neither a terminal nor coloured.
#[cfg(test)]
pub(super) const PIPE: Screen = Screen { width: None, colour: false };

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn table() -> Table {
        let mut table = Table::new(["ID", "NAME", "STATE"]);
        table.row([(Tone::Plain, "1".into()), (Tone::Plain, "x".repeat(40)), (Tone::Good, "ok".into())]);
        table
    }

    #[test]
    fn a_pipe_gets_everything_and_no_colour() {
        let text = table().render(&PIPE);
        assert_eq!(text, format!("ID  NAME{}STATE\n1   {}  ok\n", " ".repeat(38), "x".repeat(40)));
    }

    #[test]
    fn a_narrow_terminal_cuts_the_widest_column() {
        let text = table().render(&Screen { width: Some(30), colour: false });
        assert!(text.lines().all(|line| line.chars().count() <= 30), "{text}");
        assert!(text.contains("x…  ok"), "{text}");
        let tiny = table().render(&Screen { width: Some(3), colour: true });
        assert_eq!(tiny.lines().count(), 2, "a row stays a row however narrow the terminal is");
    }

    #[test]
    fn the_words_of_others_are_quoted_and_cannot_act() {
        assert_eq!(theirs("table \"desk\"\x1b[2J\u{202e}"), r#""table \"desk\"\u{1b}[2J\u{202e}""#);
        assert!(theirs(&"x".repeat(10_000)).chars().count() < QUOTE + 5);
        let value = json!({ "a\u{9b}31m": "b\u{202e}\u{1f600}\n" });
        let text = their_json(&value);
        assert!(text.contains("\\u009b") && text.contains("\\u202e") && text.contains('\u{1f600}'), "{text}");
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), value, "it is still the same JSON");
    }

    #[test]
    fn times_are_told_roughly() {
        let now = Timestamp(1_000_000_000);
        assert_eq!(when(now + Millis::mins(5), now), "in 5m");
        assert_eq!(when(now - Millis::hours(49), now), "2d ago");
        assert_eq!(when(now, now), "0s ago");
    }

    #[test]
    fn an_answer_without_a_field_is_an_error_and_not_a_blank() {
        assert_eq!(field::<u64>(&json!({ "n": 3 }), "n"), Ok(3));
        assert_eq!(field::<Option<u64>>(&json!({}), "n"), Ok(None));
        assert!(field::<u64>(&json!({}), "n").unwrap_err().text(false).contains("another version"));
    }
}
