//! What a command found: tables for people, 80 columns wide at most, and the same as JSON in full precision.

use std::fmt::Write as _;

use serde_json::{Map, Value, json};

use crate::metrics::Figure;

/// The widest line.
pub const WIDTH: usize = 80;

/// What a place in a table holds.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    /// Nothing to say.
    None,
    /// Words.
    Text(String),
    /// A whole number.
    Count(u64),
    /// A number, shown with so many digits after the point.
    Number(f64, usize),
    /// A number with the ends of its interval, which lose digits where the table would be too wide.
    Figure(Figure, usize),
}

impl Cell {
    /// Words.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    /// With so many digits fewer at the ends of intervals.
    fn show(&self, fewer: usize) -> String {
        match self {
            Self::None => "-".to_owned(),
            Self::Text(text) => text.clone(),
            Self::Count(count) => count.to_string(),
            Self::Number(number, digits) => short(*number, *digits),
            Self::Figure(figure, digits) => format!(
                "{} [{},{}]",
                short(figure.value, *digits),
                short(figure.low, digits.saturating_sub(fewer)),
                short(figure.high, digits.saturating_sub(fewer))
            ),
        }
    }

    fn json(&self) -> Value {
        match self {
            Self::None => Value::Null,
            Self::Text(text) => json!(text),
            Self::Count(count) => json!(count),
            Self::Number(number, _) => json!(number),
            Self::Figure(figure, _) => json!({"value": figure.value, "low": figure.low, "high": figure.high}),
        }
    }
}

/// Without the zero before the point: `.3052`, `-.684`.
fn short(number: f64, digits: usize) -> String {
    let text = format!("{number:.digits$}");
    if digits == 0 {
        return text;
    }
    match text.strip_prefix("-0.") {
        // What rounds to nothing has no sign.
        Some(rest) if rest.bytes().all(|b| b == b'0') => format!(".{rest}"),
        Some(rest) => format!("-.{rest}"),
        None => text.strip_prefix("0.").map_or(text.clone(), |rest| format!(".{rest}")),
    }
}

/// What makes a table a curve: the columns after the first are points of a line for each row.
#[derive(Debug, Clone, PartialEq)]
pub struct Curve {
    /// What grows from point to point.
    pub x: &'static str,
    /// What is shown of it.
    pub y: &'static str,
    /// The points, ascending: as many columns after the first.
    pub at: Vec<f64>,
    /// From and to, where the measure has ends.
    pub range: Option<(f64, f64)>,
}

/// One table.
#[derive(Debug, Clone, PartialEq)]
pub struct Table {
    /// What it shows.
    pub title: String,
    /// Names of the columns; the first names the row.
    pub columns: Vec<&'static str>,
    /// Rows, each as long as the columns.
    pub rows: Vec<Vec<Cell>>,
    /// What to know to read it.
    pub notes: Vec<String>,
    /// How to draw it, if it is a curve.
    pub curve: Option<Curve>,
}

impl Table {
    /// Without rows yet.
    pub fn new(title: impl Into<String>, columns: &[&'static str]) -> Self {
        // As JSON a row is an object by these names.
        debug_assert!((1..columns.len()).all(|at| !columns[..at].contains(&columns[at])), "{columns:?}");
        Self { title: title.into(), columns: columns.to_vec(), rows: Vec::new(), notes: Vec::new(), curve: None }
    }

    /// Its first columns are points of a curve.
    pub fn curve(&mut self, x: &'static str, y: &'static str, at: &[f64], range: Option<(f64, f64)>) {
        self.curve = Some(Curve { x, y, at: at.to_vec(), range });
    }

    /// One row more.
    pub fn row(&mut self, cells: impl IntoIterator<Item = Cell>) {
        self.rows.push(cells.into_iter().collect());
    }

    /// One note more.
    pub fn note(&mut self, note: impl Into<String>) {
        self.notes.push(note.into());
    }

    /// For people.
    pub fn show(&self) -> String {
        let fits = |lines: &Vec<String>| lines.iter().all(|line| line.chars().count() <= WIDTH);
        let lines = (0..3).map(|fewer| self.lines(fewer)).find(fits).unwrap_or_else(|| self.lines(3));
        let notes: String = self.notes.iter().map(|note| wrap(note)).collect();
        format!("{}\n{}\n{notes}", wrap(&self.title), lines.join("\n"))
    }

    fn lines(&self, fewer: usize) -> Vec<String> {
        let head = self.columns.iter().map(|name| (*name).to_owned()).collect();
        let row = |row: &Vec<Cell>| row.iter().map(|cell| cell.show(fewer)).collect();
        let rows: Vec<Vec<String>> = std::iter::once(head).chain(self.rows.iter().map(row)).collect();
        let width = |at: usize| rows.iter().filter_map(|row| row.get(at)).map(|cell| cell.chars().count()).max();
        let widths: Vec<usize> = (0..self.columns.len()).filter_map(width).collect();
        let line = |row: &Vec<String>| {
            let mut text = String::new();
            for (at, (cell, width)) in row.iter().zip(&widths).enumerate() {
                // Writing to a String cannot fail.
                let _ = if at == 0 { write!(text, "{cell:<width$}") } else { write!(text, "  {cell:>width$}") };
            }
            text.trim_end().to_owned()
        };
        rows.iter().map(line).collect()
    }

    fn json(&self) -> Value {
        let row = |row: &Vec<Cell>| -> Map<String, Value> {
            self.columns.iter().zip(row).map(|(name, cell)| ((*name).to_owned(), cell.json())).collect()
        };
        let curve = self.curve.as_ref().map(|curve| json!({"x": curve.x, "y": curve.y, "at": curve.at}));
        let rows = self.rows.iter().map(row).collect::<Vec<_>>();
        json!({"title": self.title, "columns": self.columns, "rows": rows, "notes": self.notes, "curve": curve})
    }
}

/// Breaks a text at spaces into lines of at most [`WIDTH`].
fn wrap(text: &str) -> String {
    let mut out = String::new();
    let mut used = 0;
    for word in text.split(' ') {
        let length = word.chars().count();
        if used > 0 && used + 1 + length > WIDTH {
            out.push('\n');
            used = 0;
        } else if used > 0 {
            out.push(' ');
            used += 1;
        }
        out.push_str(word);
        used += length;
    }
    out.push('\n');
    out
}

/// All a command has to say.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Report {
    /// What was asked: name and value of each setting the figures depend on.
    pub settings: Vec<(&'static str, Value)>,
    /// What came of it.
    pub tables: Vec<Table>,
}

impl Report {
    /// For people.
    pub fn show(&self) -> String {
        let tables: Vec<String> = self.tables.iter().map(Table::show).collect();
        tables.join("\n")
    }

    /// For programs.
    pub fn json(&self) -> Value {
        let settings: Map<String, Value> =
            self.settings.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        json!({"settings": settings, "tables": self.tables.iter().map(Table::json).collect::<Vec<_>>()})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_lines_up_and_loses_no_precision_as_json() {
        let mut table = Table::new("How well", &["model", "rmse", "n"]);
        let figure = Figure { value: 0.30521, low: -0.31, high: 1.25 };
        table.row([Cell::text("anchor"), Cell::Figure(figure, 3), Cell::Count(12)]);
        table.row([Cell::text("x"), Cell::Number(-0.00001, 3), Cell::None]);
        table.note("words ".repeat(20).trim());
        let shown = table.show();
        let lines: Vec<&str> = shown.lines().collect();
        assert_eq!(
            lines[..5],
            [
                "How well",
                "",
                "model                 rmse   n",
                "anchor  .305 [-.310,1.250]  12",
                "x                     .000   -",
            ]
        );
        assert!(lines.iter().all(|line| line.len() <= WIDTH), "{shown}");
        let mut wide = Table::new("Wide", &["a", "b", "c", "d", "e"]);
        wide.row((0..5).map(|_| Cell::Figure(figure, 4)));
        assert!(wide.show().contains(".3052 [-.3,1.2]"), "{}", wide.show());
        let json = Report { settings: vec![("seed", json!(1))], tables: vec![table] }.json();
        assert_eq!(json["tables"][0]["rows"][0]["rmse"]["value"], json!(0.30521));
        assert_eq!(json["settings"]["seed"], json!(1));
    }
}
