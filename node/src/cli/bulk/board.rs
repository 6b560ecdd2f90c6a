//! How far a bulk hire is, for whoever looks: a bar that is drawn anew on a terminal, a line for each row elsewhere, nothing
//! with `--json`; and in the end what it all came to.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::Path;
use std::time::Instant;

use gigmesh_protocol::market::Outcome;
use gigmesh_protocol::market::price::{Amount, Currency};
use gigmesh_protocol::time::Millis;
use serde_json::json;

use super::batch::Finished;
use crate::cli::failure::{Exit, Failure};
use crate::cli::terminal::{Screen, Table, Tone, emit, emit_json, fit, short, span};
use crate::limits::{BULK_BAR, QUOTE};

/// What a row that is not over waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// A worker.
    Looking,
    /// Its worker.
    AtWork,
    /// The user: a word on what binds or costs, a judgement, an answer.
    Person,
}

/// See the module.
#[derive(Debug)]
pub struct Board {
    count: u64,
    began: Instant,
    /// Rows that were over when this run began.
    before: u64,
    outcomes: BTreeMap<String, (u64, Sums)>,
    open: BTreeMap<u64, Standing>,
    /// What was said last of rows that wait: it is the same for many.
    said: Option<String>,
    /// Where a bar is drawn.
    terminal: Option<Screen>,
    /// Nobody is told anything before the end.
    quiet: bool,
}

/// Amounts, one a currency.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Sums(BTreeMap<Currency, u64>);

impl Sums {
    fn add(&mut self, amount: &Amount) {
        if let Some(currency) = amount.currency() {
            let sum = self.0.entry(currency.clone()).or_default();
            *sum = sum.saturating_add(amount.micros());
        }
    }

    fn join(&mut self, other: &Self) {
        for (currency, micros) in &other.0 {
            let sum = self.0.entry(currency.clone()).or_default();
            *sum = sum.saturating_add(*micros);
        }
    }

    fn texts(&self) -> Vec<String> {
        let text = |(currency, micros): (&Currency, &u64)| {
            let amount = Amount::new(*micros, currency.clone()).map(|amount| amount.to_string());
            // More than any amount may be.
            amount.unwrap_or_else(|_| format!("{micros} millionths of {}", currency.as_str()))
        };
        self.0.iter().map(text).collect()
    }

    fn text(&self, nothing: &str) -> String {
        if self.0.is_empty() { nothing.to_owned() } else { self.texts().join(" + ") }
    }
}

impl Board {
    /// For so many rows.
    pub fn new(count: u64, quiet: bool) -> Self {
        Self {
            count,
            began: Instant::now(),
            before: 0,
            outcomes: BTreeMap::new(),
            open: BTreeMap::new(),
            said: None,
            terminal: Screen::progress().filter(|_| !quiet),
            quiet,
        }
    }

    fn over(&self) -> u64 {
        self.outcomes.values().map(|(rows, _)| rows).sum()
    }

    fn accepted(&self) -> u64 {
        self.outcomes.get(&Outcome::Accepted.to_string()).map_or(0, |(rows, _)| *rows)
    }

    fn count_in(&mut self, finished: &Finished) {
        let (rows, sums) = self.outcomes.entry(finished.outcome.clone()).or_default();
        *rows += 1;
        if let Some(Ok(owed)) = finished.owed.as_deref().map(str::parse::<Amount>) {
            sums.add(&owed);
        }
    }

    /// A row that an earlier run saw to its end.
    pub fn was_over(&mut self, finished: &Finished) {
        self.before += 1;
        self.count_in(finished);
    }

    /// A row is over.
    pub fn is_over(&mut self, finished: &Finished) {
        self.count_in(finished);
        self.open.remove(&finished.row);
        let accepted = finished.outcome == Outcome::Accepted.to_string();
        if self.terminal.is_none() || !accepted {
            let tone = if accepted { Tone::Plain } else { Tone::Bad };
            self.line(tone, &told(self.over(), self.count, finished));
        }
        self.draw();
    }

    /// Where a row stands that is not over. Why it waits is said once, until another reason is.
    pub fn stands(&mut self, row: u64, standing: Standing, why: Option<String>) {
        if self.open.insert(row, standing) != Some(standing) {
            self.draw();
        }
        if let Some(why) = why {
            self.say(Tone::Plain, why);
        }
    }

    /// Says something of the whole, once.
    pub fn say(&mut self, tone: Tone, text: String) {
        if self.said.as_ref() != Some(&text) {
            self.line(tone, &text);
            self.said = Some(text);
            self.draw();
        }
    }

    fn line(&self, tone: Tone, text: &str) {
        if !self.quiet {
            let clear = if self.terminal.is_some() { "\r\x1b[K" } else { "" };
            let screen = self.terminal.unwrap_or_else(Screen::stderr);
            // Progress is a courtesy: nobody reading it is no failure.
            let _ = writeln!(io::stderr(), "{clear}{}", screen.paint(tone, text));
        }
    }

    /// Draws the bar anew.
    pub fn draw(&self) {
        if let Some(screen) = self.terminal {
            // The width may have changed meanwhile.
            let width = Screen::progress().and_then(|screen| screen.width()).or(screen.width()).unwrap_or(80);
            let mut out = io::stderr().lock();
            let _ = write!(out, "\r\x1b[K{}", self.bar(width, self.took())).and_then(|()| out.flush());
        }
    }

    /// Leaves the last bar where it is.
    pub fn end(&self) {
        if self.terminal.is_some() {
            let _ = writeln!(io::stderr());
        }
    }

    fn took(&self) -> Millis {
        Millis(u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX))
    }

    fn bar(&self, width: usize, took: Millis) -> String {
        let (over, count) = (self.over(), self.count.max(1));
        let length = BULK_BAR.min(width / 4);
        let full = usize::try_from(over.min(count) * length as u64 / count).unwrap_or(length);
        let mut parts = vec![format!("[{}{}] {over}/{count}", "#".repeat(full), ".".repeat(length - full))];
        parts.push(self.time(took));
        let outcomes = self.outcomes.iter().map(|(outcome, (rows, _))| format!("{rows} {outcome}"));
        parts.push(outcomes.collect::<Vec<_>>().join(", "));
        let number = |wanted: Standing| self.open.values().filter(|standing| **standing == wanted).count();
        let standing = [
            (number(Standing::Person), "for you (gigmesh inbox)"),
            (number(Standing::AtWork), "at work"),
            (number(Standing::Looking), "for a worker"),
        ];
        let standing = standing.into_iter().filter(|(rows, _)| *rows > 0).map(|(rows, what)| format!("{rows} {what}"));
        parts.push(standing.collect::<Vec<_>>().join(", "));
        let mut all = Sums::default();
        self.outcomes.values().for_each(|(_, sums)| all.join(sums));
        parts.push(all.text(""));
        parts.retain(|part| !part.is_empty());
        fit(&parts.join("  "), width.saturating_sub(1).max(1))
    }

    /// How long it has been at work, and may still be.
    fn time(&self, took: Millis) -> String {
        let whole = |time: Millis| Some(Millis(time.0 / 1_000 * 1_000)).filter(|time| time.0 > 0).map(span);
        let over = self.over();
        let fresh = over - self.before;
        // By what this run has done so far; the first few tell nothing.
        let left = (fresh >= 3).then(|| Millis(took.0 / fresh * self.count.saturating_sub(over))).and_then(whole);
        let left = left.map(|left| format!("some {left} to go"));
        whole(took).into_iter().chain(left).collect::<Vec<_>>().join(", ")
    }

    /// What it all came to.
    pub fn report(&self, output: &Path, as_json: bool) -> Result<Exit, Failure> {
        let mut all = Sums::default();
        self.outcomes.values().for_each(|(_, sums)| all.join(sums));
        let accepted = self.accepted() == self.count;
        if as_json {
            let outcomes: BTreeMap<&String, u64> =
                self.outcomes.iter().map(|(name, (rows, _))| (name, *rows)).collect();
            emit_json(&json!({
                "output": output, "rows": self.count, "accepted": accepted, "outcomes": outcomes, "to_pay": all.texts(),
                "took_ms": self.took().0, "before": self.before,
            }))?;
        } else {
            let mut table = Table::new(["OUTCOME", "ROWS", "TO PAY"]);
            for (outcome, (rows, sums)) in &self.outcomes {
                let good = *outcome == Outcome::Accepted.to_string();
                let tone = if good { Tone::Good } else { Tone::Bad };
                table.row([(tone, outcome.clone()), (Tone::Plain, rows.to_string()), (Tone::Plain, sums.text("-"))]);
            }
            let earlier = if self.before > 0 { format!(" ({} by an earlier run)", self.before) } else { String::new() };
            let (text, took, to_pay) = (table.render(&Screen::stdout()), span(self.took()), all.text("nothing"));
            let rows = if self.count == 1 { "row" } else { "rows" };
            emit(&format!(
                "{text}{} {rows}{earlier} in {took}, {to_pay} to pay; results are in {}\n",
                self.count,
                output.display()
            ))?;
        }
        Ok(if accepted { Exit::Done } else { Exit::NotAccepted })
    }
}

/// A line for a row that is over.
fn told(over: u64, count: u64, finished: &Finished) -> String {
    let mut text = format!("{over}/{count}  row {}: {}", finished.row, finished.outcome);
    if let Some(with) = finished.with {
        text.push_str(&format!(" by {}", short(Some(with))));
    }
    if let Some(hire) = finished.hire {
        text.push_str(&format!(", hire {}", hire.short()));
    }
    for why in finished.reason.iter().cloned().chain(finished.failed.iter().map(|failed| failed.quoted(QUOTE))) {
        text.push_str(&format!("; {why}"));
    }
    text
}

#[cfg(test)]
mod tests {
    use gigmesh_protocol::id::Id;

    use super::*;
    use crate::cli::bulk::batch::UNFILLED;
    use crate::forged;

    fn finished(row: u64, outcome: &str, owed: Option<&str>) -> Finished {
        Finished {
            row,
            outcome: outcome.to_owned(),
            offer: Id::from_bytes([7; 32]),
            hire: None,
            with: None,
            price: None,
            owed: owed.map(str::to_owned),
            took_ms: None,
            reason: (outcome == UNFILLED).then(|| "nobody claimed it".to_owned()),
            failed: Vec::new(),
            result: None,
            result_file: None,
        }
    }

    #[test]
    fn the_bar_tells_how_far_it_is_and_fits() {
        let mut board = Board::new(40, true);
        board.was_over(&finished(1, "accepted", Some("0.02 USD")));
        for row in 2..=9 {
            board.stands(row, Standing::AtWork, None);
            board.is_over(&finished(row, "accepted", Some("0.02 USD")));
        }
        board.is_over(&finished(10, "refused", None));
        board.stands(11, Standing::AtWork, None);
        board.stands(12, Standing::Person, None);
        let bar = board.bar(200, Millis(9_300));
        assert_eq!(
            bar,
            "[######..................] 10/40  9s, some 30s to go  9 accepted, 1 refused  1 for you (gigmesh inbox), 1 at work  \
             0.18 USD"
        );
        for width in [1, 20, 40, 80] {
            assert!(board.bar(width, Millis(9_300)).chars().count() < width.max(2), "{width}");
        }
        assert!(Board::new(0, true).bar(80, Millis(0)).starts_with("[...................."), "no row, no fault");
    }

    #[test]
    fn a_row_is_told_with_what_went_wrong() {
        assert_eq!(told(3, 40, &finished(7, UNFILLED, None)), "3/40  row 7: unfilled; nobody claimed it");
        let failed = Finished { failed: vec!["result.words == 3\u{1b}".into()], ..finished(7, "refused", None) };
        assert_eq!(told(3, 40, &failed), r#"3/40  row 7: refused; "result.words == 3\u{1b}""#);
    }

    #[test]
    fn all_rows_accepted_is_what_ends_well() {
        let mut sums = Sums::default();
        for amount in ["0.02 USD", "1 EUR", "0.3 USD"] {
            sums.add(&amount.parse().unwrap());
        }
        assert_eq!(sums.text("-"), "1 EUR + 0.32 USD");
        let mut board = Board::new(2, true);
        board.is_over(&finished(1, "accepted", None));
        assert_ne!(board.accepted(), board.count);
        board.is_over(&finished(2, "accepted", None));
        assert_eq!(board.accepted(), board.count);
    }

    #[test]
    fn what_a_worker_delivered_is_quoted() {
        let failed = Finished { failed: vec![forged::words()], ..finished(7, "refused", None) };
        forged::assert_quoted(&told(3, 40, &failed), 1);
    }
}
