//! Text for people: tables that fit the terminal, colours where they are wanted.

use std::fmt;
use std::io::{self, IsTerminal, Write};
use std::os::fd::AsFd;
use std::path::Path;
use std::sync::OnceLock;

use gigmesh_protocol::id::{AgentId, Bytes32};
use gigmesh_protocol::time::{Millis, Timestamp};
use gigmesh_protocol::untrusted::Untrusted;
use serde::Serialize;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::failure::{Exit, Failure};
use crate::limits::{CELL_MIN, COLUMNS, QUOTE};

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
        Self { width: columns_of(io::stdout()), colour: wants_colour(io::stdout().is_terminal()) }
    }

    /// Standard error.
    pub fn stderr() -> Self {
        Self { width: None, colour: wants_colour(io::stderr().is_terminal()) }
    }

    /// Standard error, if it is a terminal on which a line can be written anew.
    pub fn progress() -> Option<Self> {
        let able = std::env::var_os("TERM").is_none_or(|term| term != "dumb");
        (io::stderr().is_terminal() && able).then(|| Self { width: columns_of(io::stderr()), ..Self::stderr() })
    }

    /// Columns, where there is a terminal.
    pub fn width(&self) -> Option<usize> {
        self.width
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

/// The columns of a terminal.
fn columns_of(stream: impl AsFd) -> Option<usize> {
    let size = rustix::termios::tcgetwinsize(stream).ok();
    size.map(|size| usize::from(size.ws_col)).filter(|width| *width > 0)
}

fn wants_colour(terminal: bool) -> bool {
    let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    terminal && !set("NO_COLOR") && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}

/// How the user named the node, other than by the environment: what a command that is printed needs to reach the same one.
static PLACE: OnceLock<String> = OnceLock::new();

/// Remembers the flag that names the node.
pub(super) fn remember(flag: &str, path: &Path, env: &str) {
    if std::env::var_os(env).is_none_or(|set| set != *path) {
        let path = path.display().to_string();
        let plain = path.chars().all(|c| c.is_alphanumeric() || "/._-+,:@%".contains(c));
        let quoted = if plain { path } else { format!("'{}'", path.replace('\'', r"'\''")) };
        // The first is the one that counts: a process is one command.
        let _ = PLACE.set(format!(" {flag} {quoted}"));
    }
}

/// A command that the user may run, in backticks, with the flag that leads to the same node.
pub(super) fn command(words: impl fmt::Display) -> String {
    format!("`gigmesh {words}{}`", PLACE.get().map_or("", String::as_str))
}

/// Our own text, its commands in backticks as [`command`] prints them. It takes literals only: a text with another
/// agent's words in it would get the user's own flags put into a command of theirs.
pub(super) fn runnable(text: &'static str) -> String {
    of_own_node(text)
}

/// The same for what the user's own node says without quoting anybody: hints, and warnings of its clock.
pub(super) fn of_own_node(text: &str) -> String {
    PLACE.get().map_or_else(|| text.to_owned(), |place| placed(text, place))
}

/// Adds `place` to every command in backticks that talks to a node or its data.
fn placed(text: &str, place: &str) -> String {
    const ELSEWHERE: [&str; 5] = ["--help", "config", "demo", "try", "verify"];
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("`gigmesh ") {
        out.push_str(before);
        out.push_str("`gigmesh ");
        let Some((command, after)) = after.split_once('`') else {
            rest = after;
            break;
        };
        let first = command.split(' ').next().unwrap_or_default();
        let local = ELSEWHERE.contains(&first) || command.contains('\n');
        out.push_str(command);
        out.push_str(if local { "" } else { place });
        out.push('`');
        rest = after;
    }
    out + rest
}

/// Writes to stdout for people, as it is. A reader that closed the pipe has read enough.
pub(super) fn emit(text: &str) -> Result<(), Failure> {
    is_read(text).map(drop)
}

/// Writes to stdout; whether somebody still reads there.
pub(super) fn is_read(text: &str) -> Result<bool, Failure> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(Failure::new(Exit::Ours, format!("cannot write to stdout: {error}"))),
    }
}

/// A document for programs: one line of JSON.
pub(super) fn emit_json(document: &impl Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string(document).map_err(|error| Failure::new(Exit::Ours, error))?;
    is_read(&format!("{text}\n")).map(drop)
}

/// A number of bytes as people read it.
pub(super) fn size(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["B", "KiB", "MiB", "GiB"];
    let power = (bytes.max(1).ilog2() / 10).min(3);
    let unit = UNITS.get(power as usize).unwrap_or(&"");
    match power {
        0 => format!("{bytes} {unit}"),
        _ => format!("{:.1} {unit}", bytes as f64 / (1u64 << (10 * power)) as f64),
    }
}

/// A text of a file or a program of this machine: quoted like the words of another agent.
pub(super) fn quoted(text: &str) -> String {
    Untrusted::from(text).quoted(QUOTE)
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

/// A length of time as a person measures it.
pub(super) fn span(time: Millis) -> String {
    let units = |seconds: u64| (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60, seconds % 60);
    match (time.0, units(time.0 / 1_000)) {
        (0..1_000, _) => format!("{}ms", time.0),
        (1_000..60_000, (.., seconds)) => match time.0 % 1_000 / 100 {
            0 => format!("{seconds}s"),
            tenths => format!("{seconds}.{tenths}s"),
        },
        (_, (0, 0, minutes, 0)) => format!("{minutes}m"),
        (_, (0, 0, minutes, seconds)) => format!("{minutes}m {seconds}s"),
        (_, (0, hours, 0, _)) => format!("{hours}h"),
        (_, (0, hours, minutes, _)) => format!("{hours}h {minutes}m"),
        (_, (days, 0, ..)) => format!("{days}d"),
        (_, (days, hours, ..)) => format!("{days}d {hours}h"),
    }
}

/// A moment, UTC: the time of day, and the date if that is not today's.
pub(super) fn clock(moment: Timestamp, now: Timestamp) -> String {
    let text = moment.to_string();
    let (date, time) = text.split_once('T').unwrap_or((&text, ""));
    let time = time.get(..8).unwrap_or(time);
    if moment.day() == now.day() { time.to_owned() } else { format!("{date} {time}") }
}

/// A score of so many per mille, from 0 to 1.
pub(super) fn score(per_mille: u16) -> String {
    format!("{:.2}", f64::from(per_mille) / 1000.0)
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
    yielding: Vec<usize>,
    rows: Vec<Vec<(Tone, String)>>,
}

impl Table {
    pub fn new<const N: usize>(headings: [&'static str; N]) -> Self {
        Self { headings: headings.to_vec(), yielding: Vec::new(), rows: Vec::new() }
    }

    /// The columns that give way first where the terminal is narrow, in this order; after them the widest.
    pub fn yielding<const N: usize>(mut self, headings: [&str; N]) -> Self {
        let place = |heading: &&str| self.headings.iter().position(|known| known == heading);
        self.yielding = headings.iter().filter_map(place).collect();
        debug_assert_eq!(self.yielding.len(), N, "each is a column");
        self
    }

    /// Adds a row with a tone for each cell.
    pub fn row<const N: usize>(&mut self, cells: [(Tone, String); N]) {
        self.rows.push(cells.to_vec());
    }

    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The table, cut to the terminal's width. Without one nothing is cut or left out.
    pub fn render(&self, screen: &Screen) -> String {
        let headings = self.headings.iter().map(|heading| (Tone::Heading, (*heading).to_owned())).collect();
        let rows: Vec<&Vec<(Tone, String)>> = std::iter::once(&headings).chain(&self.rows).collect();
        let widest = |column: usize| rows.iter().map(|row| row[column].1.width()).max().unwrap_or(0);
        let mut columns: Vec<(usize, usize)> =
            (0..self.headings.len()).map(|column| (column, widest(column))).collect();
        if let Some(available) = screen.width {
            // A column without a word tells nothing.
            columns.retain(|(column, _)| self.rows.iter().any(|row| !row[*column].1.is_empty()));
            squeeze(&mut columns, &self.yielding, available);
        }
        let mut out = String::new();
        for row in rows {
            for (index, (column, width)) in columns.iter().enumerate() {
                let (tone, text) = &row[*column];
                let text = fit(text, *width);
                // Nothing follows the last column.
                let last = index + 1 == columns.len();
                let padding = if last { 0 } else { width.saturating_sub(text.width()) + 2 };
                out.push_str(&screen.paint(*tone, &text));
                out.push_str(&" ".repeat(padding));
            }
            out.truncate(out.trim_end_matches(' ').len());
            out.push('\n');
        }
        out
    }
}

/// Makes a row of columns, each with its width, fit. Those that yield are narrowed, in their order, and where that is not
/// enough left out, in the same order. Then the widest are narrowed, and at last columns are left out from the right.
fn squeeze(columns: &mut Vec<(usize, usize)>, yielding: &[usize], available: usize) {
    let excess = |columns: &[(usize, usize)]| {
        let gaps = 2 * columns.len().saturating_sub(1);
        (columns.iter().map(|(_, width)| *width).sum::<usize>() + gaps).saturating_sub(available)
    };
    let mut going = yielding.iter();
    let mut rest = std::mem::take(columns);
    loop {
        columns.clone_from(&rest);
        for column in yielding {
            let too_much = excess(columns);
            for (_, width) in columns.iter_mut().filter(|(other, _)| other == column) {
                *width -= too_much.min(width.saturating_sub(CELL_MIN));
            }
        }
        match going.next() {
            Some(column) if excess(columns) > 0 => rest.retain(|(other, _)| other != column),
            _ => break,
        }
    }
    while excess(columns) > 0 {
        let alone = columns.len() == 1;
        match columns.iter_mut().map(|(_, width)| width).max() {
            Some(widest) if *widest > CELL_MIN || (alone && *widest > 1) => *widest -= 1,
            Some(_) if !alone => drop(columns.pop()),
            _ => return,
        }
    }
}

/// Sentences in lines that fit the terminal, each with its end. A command in backticks is not broken.
pub(super) fn wrapped(text: &str, screen: &Screen) -> String {
    let width = screen.width.unwrap_or(COLUMNS);
    let mut quoted = false;
    let mut pieces: Vec<String> = Vec::new();
    for word in text.split_ascii_whitespace() {
        match pieces.last_mut().filter(|_| quoted) {
            Some(command) => *command = format!("{command} {word}"),
            None => pieces.push(word.to_owned()),
        }
        quoted ^= word.matches('`').count() % 2 == 1;
    }
    let (mut out, mut used) = (String::new(), 0);
    for word in pieces {
        if used > 0 && used + 1 + word.width() > width {
            out.push('\n');
            used = 0;
        } else if used > 0 {
            out.push(' ');
            used += 1;
        }
        out.push_str(&word);
        used += word.width();
    }
    out + "\n"
}

/// The text in at most so many columns of a terminal.
pub(super) fn fit(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut room = width.saturating_sub(1);
    let fits = |c: &char| {
        let needed = c.width().unwrap_or(0);
        let fits = needed <= room;
        room = if fits { room - needed } else { 0 };
        fits
    };
    text.chars().take_while(fits).chain(['…']).collect()
}

/// Neither a terminal nor coloured.
#[cfg(test)]
pub(super) const PIPE: Screen = Screen { width: None, colour: false };

/// A terminal of so many columns.
#[cfg(test)]
pub(super) fn columns(width: usize) -> Screen {
    Screen { width: Some(width), colour: false }
}

#[cfg(test)]
mod tests {
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
    fn what_matters_least_gives_way_first_and_goes_first() {
        let cells = ["ab12cd34", "accepted by both", "some words that nobody needs", ""];
        let mut table = Table::new(["ID", "STATE", "SAYS", "EMPTY"]).yielding(["SAYS"]);
        table.row(cells.map(|cell| (Tone::Plain, cell.to_owned())));
        let row = |width| table.render(&columns(width)).lines().nth(1).unwrap().to_owned();
        assert_eq!(row(80), "ab12cd34  accepted by both  some words that nobody needs");
        assert_eq!(row(40), "ab12cd34  accepted by both  some words …");
        assert_eq!(row(30), "ab12cd34  accepted by both");
        assert_eq!(row(20), "ab12cd34  accepted …");
        assert_eq!(row(6), "ab12c…");
        let heading = table.render(&PIPE).lines().next().unwrap().to_owned();
        assert!(heading.ends_with("EMPTY"), "a program that reads finds every column: {heading}");
    }

    #[test]
    fn sentences_are_broken_where_the_terminal_ends() {
        let text = "one two  three\nfour five";
        assert_eq!(wrapped(text, &columns(9)), "one two\nthree\nfour five\n");
        assert_eq!(wrapped(text, &columns(3)), "one\ntwo\nthree\nfour\nfive\n");
        assert_eq!(wrapped(text, &PIPE), "one two three four five\n");
        assert_eq!(wrapped("say `two words` now", &columns(9)), "say\n`two words`\nnow\n", "to be copied whole");
    }

    #[test]
    fn letters_that_take_two_columns_are_counted_so() {
        let mut table = Table::new(["NAME", "STATE"]);
        table.row([(Tone::Plain, "机器翻译服务".into()), (Tone::Plain, "ok".into())]);
        assert_eq!(table.render(&columns(15)).lines().nth(1).unwrap(), "机器翻…   ok");
        assert_eq!(table.render(&PIPE), "NAME          STATE\n机器翻译服务  ok\n");
    }

    #[test]
    fn commands_are_printed_as_they_can_be_run() {
        let text = "`gigmesh show ab` tells; `gigmesh try W T` is for itself; `gigmesh` alone; `gigmesh open";
        let told = placed(text, " --data-dir /d");
        assert_eq!(
            told,
            "`gigmesh show ab --data-dir /d` tells; `gigmesh try W T` is for itself; `gigmesh` alone; `gigmesh open"
        );
    }

    #[test]
    fn times_are_told_roughly() {
        let now = Timestamp(1_000_000_000);
        assert_eq!(when(now + Millis::mins(5), now), "in 5m");
        assert_eq!(when(now - Millis::hours(49), now), "2d ago");
        assert_eq!(when(now, now), "0s ago");
        assert_eq!(clock(now, now), "13:46:40");
        assert_eq!(clock(now, now + Millis::days(1)), "1970-01-12 13:46:40");
    }

    #[test]
    fn lengths_of_time_are_told_as_people_measure_them() {
        let told = [
            (0, "0ms"),
            (350, "350ms"),
            (30_000, "30s"),
            (1_449, "1.4s"),
            (300_000, "5m"),
            (312_345, "5m 12s"),
            (7_200_000, "2h"),
            (9_000_000, "2h 30m"),
            (90_000_000, "1d 1h"),
            (172_800_000, "2d"),
        ];
        for (ms, text) in told {
            assert_eq!(span(Millis(ms)), text);
        }
    }
}
