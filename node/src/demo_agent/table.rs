//! `table/summarise`: what is in the columns of a CSV table. `table/summarise/period`: in some of its rows.
//!
//! Input `table`: a header row, then rows; quoted cells, CRLF and a byte order mark are fine. Parameters, all optional:
//! `delimiter` (one ASCII character, `,`), `missing` (words that mean "no value" besides the usual ones), `column` (the
//! series to look at; by default the second column of a table of two), `x` (the numeric column it runs over; by default
//! the row number), `from` and `to` (only rows whose `x` is a number of that range, both ends belonging to it; a
//! period needs both).
//!
//! A cell is missing (empty, or one of `MISSING`), a number, a date (`2024-05` or `2024-05-01`) or text. A column has
//! the type that more than half of its cells with a value have, else it is text; it is integer if every number among them
//! is a whole one of 64 bits. Statistics are over the cells of that type. The trend is a least-squares line.
//!
//! A row that does not fit the header is used as far as it goes and reported: its absent cells are missing, cells
//! beyond the header belong to no column. `confidence`: the share of cells with a value that parsed as their column's
//! type.

use csv::{ByteRecord, ReaderBuilder};
use serde::{Deserialize, Serialize};
use serde_json::{Number, Value};

use super::limits;
use super::request::{AgentError, Job, decimals, quoted, share};

const MISSING: [&str; 7] = ["", "-", "na", "n/a", "nan", "null", "none"];

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Params {
    delimiter: char,
    missing: Vec<String>,
    column: Option<String>,
    x: Option<String>,
    from: Option<f64>,
    to: Option<f64>,
}

impl Default for Params {
    fn default() -> Self {
        Self { delimiter: ',', missing: Vec::new(), column: None, x: None, from: None, to: None }
    }
}

#[derive(Serialize)]
pub(super) struct Summary {
    sha256: String,
    rows: usize,
    columns: Vec<Column>,
    /// Of the series.
    #[serde(skip_serializing_if = "Option::is_none")]
    mean: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    trend: Option<Trend>,
    problem_count: usize,
    problems: Vec<Problem>,
    confidence: f64,
}

#[derive(Serialize)]
struct Column {
    name: String,
    #[serde(rename = "type")]
    kind: Kind,
    /// Cells with a value.
    count: usize,
    missing: usize,
    /// Missing, of all rows.
    empty_share: f64,
    /// Numbers, or dates as text.
    #[serde(skip_serializing_if = "Option::is_none")]
    min: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sum: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mean: Option<f64>,
    /// Of the sample: divided by n - 1, and absent below two numbers.
    #[serde(skip_serializing_if = "Option::is_none")]
    stddev: Option<f64>,
}

#[derive(Serialize, Clone, Copy, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Integer,
    Decimal,
    Date,
    Text,
}

#[derive(Serialize)]
struct Trend {
    column: String,
    /// What the slope is per.
    per: String,
    points: usize,
    slope: f64,
    intercept: f64,
    /// Coefficient of determination.
    r2: f64,
}

#[derive(Serialize)]
struct Problem {
    line: u64,
    problem: String,
}

#[derive(Default)]
struct Problems {
    count: usize,
    listed: Vec<Problem>,
}

impl Problems {
    fn add(&mut self, line: u64, problem: impl Into<String>) {
        self.count += 1;
        if self.listed.len() < limits::LISTED {
            self.listed.push(Problem { line, problem: problem.into() });
        }
    }
}

pub(super) fn summarise_period(job: &Job<'_>) -> Result<Summary, AgentError> {
    match job.params()? {
        Params { from: Some(_), to: Some(_), .. } => summarise(job),
        _ => Err(AgentError::Table("a period has a `from` and a `to`".to_owned())),
    }
}

pub(super) fn summarise(job: &Job<'_>) -> Result<Summary, AgentError> {
    let params: Params = job.params()?;
    let table = job.rows("table")?;
    let bad = |what: String| Err(AgentError::Table(what));
    let Some(delimiter) = u8::try_from(params.delimiter).ok().filter(u8::is_ascii) else {
        return bad(format!("the delimiter {:?} is not an ASCII character", params.delimiter));
    };
    let bytes = table.bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&table.bytes);
    let mut reader = ReaderBuilder::new().delimiter(delimiter).has_headers(false).flexible(true).from_reader(bytes);
    let mut problems = Problems::default();

    let mut row = ByteRecord::new();
    if !read(&mut reader, &mut row)? {
        return bad("it is empty".to_owned());
    }
    if row.len() > limits::COLUMNS {
        return bad(format!("it has {} columns; {} are the most", row.len(), limits::COLUMNS));
    }
    let names: Vec<String> = row.iter().map(|cell| String::from_utf8_lossy(cell).trim().to_owned()).collect();
    let mut tallies = vec![Tally::default(); names.len()];
    let place = |name: &Option<String>| match name {
        None => Ok(None),
        Some(name) => match names.iter().position(|column| column == name) {
            Some(at) => Ok(Some(at)),
            None => Err(AgentError::Table(format!("it has no column {name:?}"))),
        },
    };
    let series = place(&params.column)?.or((names.len() == 2).then_some(1));
    let x = place(&params.x)?;
    let (from, to) = (params.from.unwrap_or(f64::NEG_INFINITY), params.to.unwrap_or(f64::INFINITY));
    let bounded = params.from.is_some() || params.to.is_some();
    if bounded && x.is_none() {
        return bad("a period is a range of `x`, which is not named".to_owned());
    }
    let mut fit = Fit::default();

    let mut rows = 0usize;
    while read(&mut reader, &mut row)? {
        let text = |at: usize| String::from_utf8_lossy(row.get(at).unwrap_or_default());
        let number = |at: usize| match Cell::read(text(at).trim(), &params.missing) {
            Cell::Number { value, .. } => Some(value),
            Cell::Missing | Cell::Date(_) | Cell::Text => None,
        };
        let point = (x.map_or(Some(rows as f64), number), series.and_then(number));
        if bounded && !point.0.is_some_and(|x| (from..=to).contains(&x)) {
            continue;
        }
        let line = row.position().map_or(0, csv::Position::line);
        if row.len() != names.len() {
            problems.add(line, format!("{} cells under a header of {}", row.len(), names.len()));
        }
        for (at, tally) in tallies.iter_mut().enumerate() {
            let text = text(at);
            if text.contains(char::REPLACEMENT_CHARACTER) {
                problems.add(line, format!("the cell of column {:?} is not UTF-8", quoted(&names[at])));
            }
            tally.add(&Cell::read(text.trim(), &params.missing));
        }
        if let (Some(x), Some(y)) = point {
            fit.add(x, y);
        }
        rows += 1;
    }
    // In a table whose quotes are closed and doubled as they should be, they are even in number.
    if bytes.iter().filter(|&&byte| byte == b'"').count() % 2 == 1 {
        problems.add(reader.position().line(), "a quoted cell is never closed");
    }

    let understood = tallies.iter().map(|tally| tally.of(tally.kind())).sum();
    let with_value = tallies.iter().map(Tally::count).sum();
    let mean = series.and_then(|at| tallies[at].moments());
    let trend = series.and_then(|at| {
        let per = x.map_or("row", |at| &names[at]).to_owned();
        fit.line().map(|(slope, intercept, r2)| Trend {
            column: names[at].clone(),
            per,
            points: fit.points,
            slope,
            intercept,
            r2,
        })
    });
    Ok(Summary {
        sha256: table.sha256(),
        rows,
        columns: names.iter().zip(&tallies).map(|(name, tally)| tally.column(name, rows)).collect(),
        mean: mean.map(|(mean, _)| mean),
        trend,
        problem_count: problems.count,
        problems: problems.listed,
        confidence: share(understood, with_value),
    })
}

fn read(reader: &mut csv::Reader<&[u8]>, row: &mut ByteRecord) -> Result<bool, AgentError> {
    reader.read_byte_record(row).map_err(|error| AgentError::Table(error.to_string()))
}

enum Cell<'a> {
    Missing,
    Number { value: f64, whole: Option<i64> },
    Date(&'a str),
    Text,
}

impl<'a> Cell<'a> {
    fn read(text: &'a str, missing: &[String]) -> Self {
        if MISSING.iter().any(|word| text.eq_ignore_ascii_case(word)) || missing.iter().any(|word| text == word) {
            return Cell::Missing;
        }
        if is_date(text) {
            return Cell::Date(text);
        }
        // Only digits and their signs: the parser would take "inf" and "infinity" too.
        if text.bytes().all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte))
            && let Ok(value) = text.parse::<f64>()
            && value.is_finite()
        {
            return Cell::Number { value, whole: text.parse().ok() };
        }
        Cell::Text
    }
}

/// `2024-05` or `2024-05-01`, with a month and a day that exist in some year.
fn is_date(text: &str) -> bool {
    let digits = |part: &str, length| part.len() == length && part.bytes().all(|byte| byte.is_ascii_digit());
    let within = |part: &str, most: u8| digits(part, 2) && part.parse::<u8>().is_ok_and(|n| (1..=most).contains(&n));
    let parts: Vec<&str> = text.splitn(4, '-').collect();
    match parts[..] {
        [year, month] => digits(year, 4) && within(month, 12),
        [year, month, day] => digits(year, 4) && within(month, 12) && within(day, 31),
        _ => false,
    }
}

/// One column, cell by cell: memory does not grow with the rows.
#[derive(Default, Clone)]
struct Tally {
    missing: usize,
    integers: usize,
    decimals: usize,
    dates: usize,
    texts: usize,
    /// Exact for integers; a table of i64 would need 2^63 rows to overflow it.
    whole_sum: i128,
    numbers: Option<(f64, f64)>,
    /// Welford: the running mean and the sum of squared deviations from it, which lose no digits to a large mean.
    mean: f64,
    squares: f64,
    days: Option<(String, String)>,
}

impl Tally {
    fn add(&mut self, cell: &Cell<'_>) {
        match *cell {
            Cell::Missing => self.missing += 1,
            Cell::Text => self.texts += 1,
            Cell::Date(day) => {
                self.dates += 1;
                match &mut self.days {
                    None => self.days = Some((day.to_owned(), day.to_owned())),
                    // ISO dates sort as text.
                    Some((first, _)) if day < first.as_str() => *first = day.to_owned(),
                    Some((_, last)) if day > last.as_str() => *last = day.to_owned(),
                    Some(_) => {}
                }
            }
            Cell::Number { value, whole } => {
                match whole {
                    Some(whole) => {
                        self.integers += 1;
                        self.whole_sum += i128::from(whole);
                    }
                    None => self.decimals += 1,
                }
                let (min, max) = self.numbers.unwrap_or((value, value));
                self.numbers = Some((min.min(value), max.max(value)));
                let off = value - self.mean;
                self.mean += off / (self.integers + self.decimals) as f64;
                self.squares += off * (value - self.mean);
            }
        }
    }

    fn count(&self) -> usize {
        self.integers + self.decimals + self.dates + self.texts
    }

    fn kind(&self) -> Kind {
        let numbers = self.integers + self.decimals;
        if 2 * numbers > self.count() {
            if self.decimals == 0 { Kind::Integer } else { Kind::Decimal }
        } else if 2 * self.dates > self.count() {
            Kind::Date
        } else {
            Kind::Text
        }
    }

    /// Cells that parse as `kind`. Everything is a text.
    fn of(&self, kind: Kind) -> usize {
        match kind {
            Kind::Integer | Kind::Decimal => self.integers + self.decimals,
            Kind::Date => self.dates,
            Kind::Text => self.count(),
        }
    }

    /// Mean and sample deviation, if this is a column of numbers.
    fn moments(&self) -> Option<(f64, Option<f64>)> {
        let count = self.integers + self.decimals;
        let numeric = matches!(self.kind(), Kind::Integer | Kind::Decimal);
        numeric.then(|| (steady(self.mean), (count > 1).then(|| steady((self.squares / (count - 1) as f64).sqrt()))))
    }

    fn column(&self, name: &str, rows: usize) -> Column {
        let kind = self.kind();
        // Whole numbers are shown whole: 1958, not 1958.0.
        let number = |value: f64| match kind {
            Kind::Integer if value.abs() < 9e15 => Value::from(value as i64),
            _ => Value::from(steady(value)),
        };
        let (min, max, sum) = match (kind, &self.numbers, &self.days) {
            (Kind::Integer, Some((min, max)), _) => {
                let sum = i64::try_from(self.whole_sum).map_or(Value::from(self.whole_sum as f64), Value::from);
                (Some(number(*min)), Some(number(*max)), Some(sum))
            }
            (Kind::Decimal, Some((min, max)), _) => {
                let sum = steady(self.mean * (self.integers + self.decimals) as f64);
                (Some(number(*min)), Some(number(*max)), Number::from_f64(sum).map(Value::Number))
            }
            (Kind::Date, _, Some((first, last))) => {
                (Some(Value::from(first.as_str())), Some(Value::from(last.as_str())), None)
            }
            _ => (None, None, None),
        };
        let moments = self.moments();
        Column {
            name: name.to_owned(),
            kind,
            count: self.count(),
            missing: self.missing,
            empty_share: if rows == 0 { 0.0 } else { decimals(self.missing as f64 / rows as f64, 4) },
            min,
            max,
            sum,
            mean: moments.map(|(mean, _)| mean),
            stddev: moments.and_then(|(_, deviation)| deviation),
        }
    }
}

/// A least-squares line, point by point, about the running means.
#[derive(Default)]
struct Fit {
    points: usize,
    mean_x: f64,
    mean_y: f64,
    xx: f64,
    xy: f64,
    yy: f64,
}

impl Fit {
    fn add(&mut self, x: f64, y: f64) {
        self.points += 1;
        let n = self.points as f64;
        let (off_x, off_y) = (x - self.mean_x, y - self.mean_y);
        self.mean_x += off_x / n;
        self.mean_y += off_y / n;
        self.xx += off_x * (x - self.mean_x);
        self.xy += off_x * (y - self.mean_y);
        self.yy += off_y * (y - self.mean_y);
    }

    /// Slope, intercept and r²; none for fewer than two different x.
    fn line(&self) -> Option<(f64, f64, f64)> {
        if self.xx <= 0.0 {
            return None;
        }
        let slope = self.xy / self.xx;
        // A level series is met by its line exactly.
        let r2 = if self.yy > 0.0 { self.xy * self.xy / (self.xx * self.yy) } else { 1.0 };
        Some((steady(slope), steady(self.mean_y - slope * self.mean_x), steady(r2)))
    }
}

/// Nine significant digits: what remains the same in whatever order, and by whatever method, the sums are taken.
fn steady(value: f64) -> f64 {
    format!("{value:.8e}").parse().unwrap_or(value)
}
