//! What a result must satisfy: a JSON Schema and assertions, as data that both sides run with this same code.
//!
//! In come checks (from an offer, or sealed until the verdict), the bytes of a result and what is known of the inputs;
//! out comes a report with an outcome for each check. Both the checks and the result are somebody else's: nothing here
//! may panic, fetch, recurse or work without bound on account of either.
//!
//! Decoding is cheap and proves the shape; [`Checks::compile`] builds the expensive parts (patterns, the schema) and is
//! where these are judged. An author compiles before publishing, a worker before claiming.
//!
//! An assertion is one line:
//!
//! ```text
//! result.rows == 820                        also != < <= > >=, and a path on either side
//! result.mean in [355.0, 361.0]             both ends belong to it
//! result.name matches /^[a-z]+$/            a pattern as in JSON Schema; unanchored unless it says so
//! len(result.rows) == 12                    characters of a text, elements of an array, keys of an object
//! count(result.items[].ok) >= 10            elements where it is there and neither null nor false
//! sum(result.items[].n) == result.total     of numbers only
//! result.digest == sha256(input.table)      lowercase hexadecimal of that input's bytes
//! result.bytes == input["co2.csv"].size
//! ```
//!
//! Patterns, there and in schemas, are those of ECMA 262 without look-around and back-references: they run in linear time.
//!
//! Numbers compare as exact decimals. A JSON number that is no integer of 64 bits is read as the nearest double and taken
//! for the shortest decimal that reads back as it (so `0.1` is exactly 0.1), in a result and in an assertion alike: two
//! numbers that differ only beyond 17 digits are one. A path that leads nowhere fails its check, also under `!=`. Of two
//! equal keys in one object the last counts.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use regex::{Regex, RegexBuilder};
use regex_syntax::hir::{Hir, HirKind};
use serde::{Deserialize, Deserializer, Serialize, de};
use serde_json::{Number, Value};

use super::constraint::{Cursor, SyntaxError, write_quoted};
use crate::id::{Bytes32, sha256};

/// One line; an offer is gossiped with all of its assertions.
pub const MAX_ASSERT_BYTES: usize = 512;
/// More conditions than this are a schema.
pub const MAX_ASSERTS: usize = 32;
/// As deep as a record may be.
pub const MAX_PATH_STEPS: usize = 16;
/// Elements that one `count` or `sum` may visit: some milliseconds.
pub const MAX_VISITED: usize = 100_000;
/// Places in a pattern x bytes of the text it is run on: where its automaton is too large to be made deterministic, that
/// many steps. Measured: up to 5 ns each, so an assertion takes 90 ms at its worst.
pub const MAX_MATCH_WORK: u64 = 1 << 24;
/// A compiled pattern. Some Unicode classes like `\p{L}` fit; a nest of counted repetitions does not.
pub const MAX_PATTERN_MEMORY: usize = 256 * 1024;
/// What fits into an offer beside everything else, and is still read by people.
pub const MAX_SCHEMA_BYTES: usize = 16 * 1024;
/// JSON levels of a schema with its references written out: thirty objects within each other. Evaluation recurses.
pub const MAX_SCHEMA_DEPTH: usize = 64;
/// JSON nodes of a schema with its references written out, and the places in its patterns. Without this bound sixteen
/// kilobytes can double two hundred times.
pub const MAX_SCHEMA_WEIGHT: u64 = 4096;
/// Each may take [`MAX_PATTERN_MEMORY`].
pub const MAX_SCHEMA_PATTERNS: usize = 64;
/// Weight of the schema x bytes of the result. Measured: up to 4 ns each, so two seconds at its worst; a usual schema of 100
/// nodes is run on results up to 5 MB.
pub const MAX_SCHEMA_WORK: u64 = 1 << 29;
/// Results up to this size are told what is wrong where: that evaluates thrice and may keep an error for each place.
pub const MAX_EXPLAINED_BYTES: usize = 16 * 1024;
/// A line of a report: it is sent, stored and printed.
pub const MAX_LINE_BYTES: usize = 512;
/// The schema, public assertions and sealed ones.
pub const MAX_OUTCOMES: usize = 1 + 2 * MAX_ASSERTS;

/// Sums are kept in this many decimals; finer addends are rounded to it. Leaves twenty digits before the point.
const SUM_DECIMALS: i32 = 18;
const SUM_DIGITS: i32 = 20;
/// What these keywords weigh at one place of a result: some 30 times what others take (hashing, big fractions).
const COSTLY_KEYWORD: u64 = 32;
/// The drafts in use. Draft 4 names its `$id` differently, so what bounds references would not hold there.
const DRAFTS: [(&str, jsonschema::Draft); 3] = [
    ("http://json-schema.org/draft-07/schema", jsonschema::Draft::Draft7),
    ("https://json-schema.org/draft/2019-09/schema", jsonschema::Draft::Draft201909),
    ("https://json-schema.org/draft/2020-12/schema", jsonschema::Draft::Draft202012),
];

/// What a result must satisfy. Nothing at all means: be JSON.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Checks {
    /// The schema of the result.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<Schema>,
    /// At most [`MAX_ASSERTS`].
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "at_most::<MAX_ASSERTS, _, _>")]
    pub asserts: Vec<Assert>,
}

/// Assertions that a worker cannot work to: only [`Sealed::commitment`] is known until they are opened.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sealed {
    /// Random, so that nobody finds the assertions by guessing them.
    pub salt: Bytes32,
    /// At most [`MAX_ASSERTS`].
    #[serde(deserialize_with = "at_most::<MAX_ASSERTS, _, _>")]
    pub checks: Vec<Assert>,
}

/// A JSON Schema (draft 7, 2019-09 or 2020-12; the last unless it says so) as compact JSON with sorted keys.
///
/// References are to `#/...` within it and not recursive; `unevaluatedProperties` and `unevaluatedItems` are refused,
/// because nested ones evaluate the same subschemas again and again. Formats are checked.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Schema(String);

/// One assertion. The source text is its wire form and its identity; what it means is parsed when it is made.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Assert {
    text: String,
    expr: Expr,
}

/// Checks that are ready to run, any number of times.
#[derive(Debug)]
pub struct Compiled {
    schema: Option<CompiledSchema>,
    asserts: Vec<(Assert, Option<Regex>)>,
}

/// A schema that is ready to run. Also what a manifest's input schema is checked with.
#[derive(Debug)]
pub struct CompiledSchema {
    validator: jsonschema::Validator,
    weight: u64,
}

/// What assertions may ask about the inputs of a hire.
pub trait Inputs {
    /// The hash of the named input's bytes, if there is such an input.
    fn sha256(&self, name: &str) -> Option<Bytes32>;
    /// How many bytes the named input has.
    fn size(&self, name: &str) -> Option<u64>;
}

/// What came of running checks over a result.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Report {
    /// One for each check, the schema first; a single failed one if the result is not JSON.
    #[serde(deserialize_with = "at_most::<MAX_OUTCOMES, _, _>")]
    pub outcomes: Vec<Outcome>,
}

/// What came of one check.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Outcome {
    /// The text of the assertion, `schema`, or `result is JSON`.
    #[serde(deserialize_with = "clean")]
    pub check: String,
    /// Why it failed; nothing if it passed. Quotes the result, so it is somebody else's text: one line, bounded.
    #[serde(default, skip_serializing_if = "String::is_empty", deserialize_with = "clean")]
    pub detail: String,
    /// Whether the result satisfies it.
    pub passed: bool,
}

/// Why checks are not checks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Invalid {
    /// An assertion is too long.
    #[error("an assertion has at most {MAX_ASSERT_BYTES} bytes; split it, or use a schema")]
    AssertTooLong,
    /// An assertion that does not print as one plain line.
    #[error("an assertion is one line without control characters")]
    AssertNotALine,
    /// An assertion that does not parse.
    #[error(transparent)]
    Syntax(#[from] SyntaxError),
    /// More assertions than are decoded.
    #[error("at most {MAX_ASSERTS} assertions")]
    TooManyAsserts,
    /// A pattern that takes more than [`MAX_PATTERN_MEMORY`] when compiled, or that the engine refuses otherwise.
    #[error("the pattern in `{assert}` does not compile: {reason}")]
    Pattern {
        /// The assertion.
        assert: String,
        /// The engine's reason, in one line.
        reason: String,
    },
    /// A pattern in a schema that is none.
    #[error("{0:?} is not a pattern of ECMA 262, or one with look-around or back-references")]
    SchemaPattern(String),
    /// A schema is too long.
    #[error("a schema has at most {MAX_SCHEMA_BYTES} bytes, this one has {0}")]
    SchemaTooLong(usize),
    /// A schema is not JSON.
    #[error("the schema is not JSON: {0}")]
    SchemaNotJson(String),
    /// A schema on the wire that is not in the one form that is allowed there.
    #[error("a schema on the wire is compact JSON with sorted keys")]
    SchemaNotCanonical,
    /// A draft that is not spoken here.
    #[error("$schema must be draft-07, 2019-09 or 2020-12, or absent")]
    SchemaDraft,
    /// A keyword that is refused, here or anywhere.
    #[error("{0} is not accepted {1}")]
    SchemaKeyword(&'static str, &'static str),
    /// A reference out of the schema, or in a form that is not a plain pointer.
    #[error("$ref {0:?} is not accepted: write the schema into $defs and refer to #/$defs/NAME; nothing is fetched")]
    SchemaRef(String),
    /// A reference to nothing.
    #[error("$ref {0:?} leads nowhere")]
    SchemaRefMissing(String),
    /// A reference that comes back to itself.
    #[error("$ref {0:?} is recursive; write out the levels that are needed")]
    SchemaRecursive(String),
    /// Nested too deep.
    #[error("a schema has at most {MAX_SCHEMA_DEPTH} levels with its references written out")]
    SchemaTooDeep,
    /// Too many nodes.
    #[error("a schema has at most {MAX_SCHEMA_WEIGHT} nodes with its references written out")]
    SchemaTooHeavy,
    /// Too many patterns.
    #[error("a schema has at most {MAX_SCHEMA_PATTERNS} patterns")]
    SchemaPatterns,
    /// Not a JSON Schema.
    #[error("not a JSON Schema: {0}")]
    Schema(String),
}

// --- what an assertion is ---------------------------------------------------------------------------------------------

#[derive(Clone, Debug)]
enum Expr {
    Compare { left: Operand, op: Op, right: Operand },
    Within { value: Operand, low: Decimal, high: Decimal },
    Matches { path: Path, pattern: Pattern },
}

#[derive(Clone, Copy, Debug)]
enum Op {
    Equal,
    NotEqual,
    Less,
    AtMost,
    Greater,
    AtLeast,
}

/// Longest first: `<=` begins like `<`.
const OPS: [(&str, Op); 6] = [
    ("==", Op::Equal),
    ("!=", Op::NotEqual),
    ("<=", Op::AtMost),
    (">=", Op::AtLeast),
    ("<", Op::Less),
    (">", Op::Greater),
];

#[derive(Clone, Debug)]
enum Operand {
    Literal(Scalar<'static>),
    Path(Path),
    Len(Path),
    Count(Path),
    Sum(Path),
    Sha256(String),
    Size(String),
}

/// The steps from `result`. `Each` only under `count` and `sum`, and there at least once.
#[derive(Clone, Debug)]
struct Path(Vec<Step>);

#[derive(Clone, Debug)]
enum Step {
    Key(String),
    Index(usize),
    Each,
}

/// A pattern in the engine's dialect.
#[derive(Clone, Debug)]
struct Pattern {
    regex: String,
    places: u64,
}

/// What can be compared.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Scalar<'a> {
    Null,
    Bool(bool),
    Number(Decimal),
    Text(Cow<'a, str>),
}

/// `0.DIGITS x 10^exponent`, exactly. No digits is zero; neither the first nor the last is `0`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Decimal {
    negative: bool,
    digits: String,
    exponent: i32,
}

impl Decimal {
    /// None for what no double can be: without serde_json's `arbitrary_precision` there is no such number.
    fn from_number(number: &Number) -> Option<Self> {
        let text = number.to_string();
        let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((&text, "0"));
        let exponent: i32 = exponent.parse().ok().filter(|exponent: &i32| exponent.unsigned_abs() <= 400)?;
        let (negative, unsigned) = mantissa.strip_prefix('-').map_or((false, mantissa), |unsigned| (true, unsigned));
        let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
        Some(Self::new(negative, &format!("{whole}{fraction}"), exponent + i32::try_from(whole.len()).ok()?))
    }

    fn from_whole(number: u64) -> Self {
        let digits = number.to_string();
        Self::new(false, &digits, i32::try_from(digits.len()).unwrap_or(i32::MAX))
    }

    fn new(negative: bool, digits: &str, exponent: i32) -> Self {
        let significant = digits.trim_start_matches('0');
        // A text of digits is a handful; the difference of two of its lengths fits.
        let exponent = exponent.saturating_sub(i32::try_from(digits.len() - significant.len()).unwrap_or(i32::MAX));
        match significant.trim_end_matches('0') {
            "" => Self { negative: false, digits: String::new(), exponent: 0 },
            digits => Self { negative, digits: digits.to_owned(), exponent },
        }
    }

    fn from_fixed(fixed: i128) -> Self {
        let digits = fixed.unsigned_abs().to_string();
        let whole = i32::try_from(digits.len()).unwrap_or(i32::MAX) - SUM_DECIMALS;
        Self::new(fixed < 0, &digits, whole)
    }

    /// In units of `10^-SUM_DECIMALS`, halves away from zero. None if it is too large.
    fn to_fixed(&self) -> Option<i128> {
        if self.exponent > SUM_DIGITS {
            return None;
        }
        let Ok(kept) = usize::try_from(self.exponent + SUM_DECIMALS) else { return Some(0) };
        let digits = format!("{:0<kept$}", self.digits);
        let whole: i128 = if kept == 0 { 0 } else { digits[..kept].parse().ok()? };
        let rounded = whole + i128::from(digits.as_bytes().get(kept).is_some_and(|digit| *digit >= b'5'));
        Some(if self.negative { -rounded } else { rounded })
    }
}

impl Ord for Decimal {
    fn cmp(&self, other: &Self) -> Ordering {
        let sign = |decimal: &Self| match (decimal.digits.is_empty(), decimal.negative) {
            (true, _) => 0,
            (false, negative) => {
                if negative {
                    -1
                } else {
                    1
                }
            }
        };
        let magnitude = || self.exponent.cmp(&other.exponent).then_with(|| self.digits.cmp(&other.digits));
        sign(self).cmp(&sign(other)).then_with(|| if self.negative { magnitude().reverse() } else { magnitude() })
    }
}
impl PartialOrd for Decimal {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.negative { "-" } else { "" };
        let digits = &self.digits;
        match usize::try_from(self.exponent) {
            _ if digits.is_empty() => f.write_str("0"),
            Ok(whole) if whole >= digits.len() && whole <= 21 => write!(f, "{sign}{digits:0<whole$}"),
            Ok(whole) if (1..digits.len()).contains(&whole) => {
                write!(f, "{sign}{}.{}", &digits[..whole], &digits[whole..])
            }
            _ if (-5..=0).contains(&self.exponent) => {
                let zeros = self.exponent.unsigned_abs() as usize;
                write!(f, "{sign}0.{:0<zeros$}{digits}", "")
            }
            _ => {
                let point = if digits.len() > 1 { "." } else { "" };
                write!(f, "{sign}{}{point}{}e{}", &digits[..1], &digits[1..], self.exponent - 1)
            }
        }
    }
}

impl fmt::Display for Scalar<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Bool(truth) => write!(f, "{truth}"),
            Self::Number(number) => number.fmt(f),
            Self::Text(text) => write_quoted(f, text),
        }
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("result")?;
        self.0.iter().try_for_each(|step| match step {
            Step::Key(key) if is_name(key) => write!(f, ".{key}"),
            Step::Key(key) => {
                f.write_str("[")?;
                write_quoted(f, key)?;
                f.write_str("]")
            }
            Step::Index(index) => write!(f, "[{index}]"),
            Step::Each => f.write_str("[]"),
        })
    }
}

impl fmt::Display for Operand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Literal(literal) => literal.fmt(f),
            Self::Path(path) => path.fmt(f),
            Self::Len(path) => write!(f, "len({path})"),
            Self::Count(path) => write!(f, "count({path})"),
            Self::Sum(path) => write!(f, "sum({path})"),
            Self::Sha256(name) => write!(f, "sha256 of input {name}"),
            Self::Size(name) => write!(f, "size of input {name}"),
        }
    }
}

// --- reading an assertion ---------------------------------------------------------------------------------------------

fn is_name_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || c == '-'
}

fn is_name(text: &str) -> bool {
    text.chars().all(is_name_char) && text.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
}

impl FromStr for Assert {
    type Err = Invalid;
    fn from_str(text: &str) -> Result<Self, Invalid> {
        Self::try_from(text.to_owned())
    }
}
impl TryFrom<String> for Assert {
    type Error = Invalid;
    fn try_from(text: String) -> Result<Self, Invalid> {
        if text.len() > MAX_ASSERT_BYTES {
            return Err(Invalid::AssertTooLong);
        }
        if line(&text) != text {
            return Err(Invalid::AssertNotALine);
        }
        let expr = parse_expr(&mut Cursor::new(&text))?;
        Ok(Self { text, expr })
    }
}
impl From<Assert> for String {
    fn from(assert: Assert) -> Self {
        assert.text
    }
}
impl PartialEq for Assert {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}
impl Eq for Assert {}
impl fmt::Display for Assert {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

fn parse_expr(cursor: &mut Cursor<'_>) -> Result<Expr, SyntaxError> {
    cursor.skip_spaces();
    let start = cursor.clone();
    let left = parse_operand(cursor)?;
    cursor.skip_spaces();
    let before = cursor.clone();
    let expr = match cursor.take_while(|c| c.is_ascii_alphabetic()) {
        "in" => {
            ordered(&left, &start)?;
            let (low, high) = parse_range(cursor)?;
            Expr::Within { value: left, low, high }
        }
        "matches" => {
            let Operand::Path(path) = left else {
                return Err(start.error("only a path like result.name can match a pattern"));
            };
            Expr::Matches { path, pattern: parse_pattern(cursor)? }
        }
        "" => {
            let Some((_, op)) = OPS.into_iter().find(|(text, _)| cursor.eat(text)) else {
                return Err(before.error("expected == != < <= > >= `in` or `matches`"));
            };
            cursor.skip_spaces();
            let second = cursor.clone();
            let right = parse_operand(cursor)?;
            if let (Operand::Literal(_), Operand::Literal(_)) = (&left, &right) {
                return Err(start.error("this compares two constants; one side must be of the result or an input"));
            }
            if !matches!(op, Op::Equal | Op::NotEqual) {
                ordered(&left, &start)?;
                ordered(&right, &second)?;
            }
            Expr::Compare { left, op, right }
        }
        _ => return Err(before.error("expected == != < <= > >= `in` or `matches`")),
    };
    cursor.skip_spaces();
    if cursor.is_done() { Ok(expr) } else { Err(cursor.error("expected the end; one assertion says one thing")) }
}

/// Refuse what can never be a number where an order is asked for.
fn ordered(operand: &Operand, place: &Cursor<'_>) -> Result<(), SyntaxError> {
    match operand {
        Operand::Literal(Scalar::Number(_)) => Ok(()),
        Operand::Literal(_) | Operand::Sha256(_) => Err(place.error("only numbers have an order; use == or !=")),
        _ => Ok(()),
    }
}

fn parse_operand(cursor: &mut Cursor<'_>) -> Result<Operand, SyntaxError> {
    cursor.skip_spaces();
    let before = cursor.clone();
    match cursor.peek() {
        Some('"') => return Ok(Operand::Literal(Scalar::Text(cursor.quoted()?.into()))),
        Some('-' | '0'..='9') => return Ok(Operand::Literal(Scalar::Number(parse_number(cursor)?))),
        _ => {}
    }
    let word = cursor.take_while(|c| c.is_ascii_alphanumeric() || c == '_');
    Ok(match word {
        "true" => Operand::Literal(Scalar::Bool(true)),
        "false" => Operand::Literal(Scalar::Bool(false)),
        "null" => Operand::Literal(Scalar::Null),
        "result" => {
            let path = parse_path(cursor)?;
            if path.0.iter().any(|step| matches!(step, Step::Each)) {
                return Err(before.error("[] goes through all elements, so it belongs inside count() or sum()"));
            }
            Operand::Path(path)
        }
        "input" => {
            let name = parse_input(cursor)?;
            cursor.eat_exactly(".size").then_some(()).ok_or_else(|| {
                cursor.error("expected .size; an input's content is only compared as sha256(input.NAME)")
            })?;
            Operand::Size(name)
        }
        "sha256" => {
            open(cursor)?;
            expect_word(cursor, "input", "input.NAME")?;
            let name = parse_input(cursor)?;
            close(cursor)?;
            Operand::Sha256(name)
        }
        "len" | "count" | "sum" => {
            open(cursor)?;
            let inside = cursor.clone();
            expect_word(cursor, "result", "a path like result.items")?;
            let path = parse_path(cursor)?;
            let each = path.0.iter().any(|step| matches!(step, Step::Each));
            if each == (word == "len") {
                let hint = if each {
                    "len() is of one value, without []"
                } else {
                    "expected [] after the array to go through"
                };
                return Err(inside.error(hint));
            }
            close(cursor)?;
            match word {
                "len" => Operand::Len(path),
                "count" => Operand::Count(path),
                _ => Operand::Sum(path),
            }
        }
        _ => {
            return Err(before.error(
                "expected result.PATH, len(), count(), sum(), sha256(input.NAME), input.NAME.size, a number, a \"text\", \
                 true, false or null",
            ));
        }
    })
}

fn open(cursor: &mut Cursor<'_>) -> Result<(), SyntaxError> {
    if cursor.eat("(") {
        cursor.skip_spaces();
        Ok(())
    } else {
        Err(cursor.error("expected '('"))
    }
}

fn close(cursor: &mut Cursor<'_>) -> Result<(), SyntaxError> {
    if cursor.eat(")") { Ok(()) } else { Err(cursor.error("expected ')'")) }
}

fn expect_word(cursor: &mut Cursor<'_>, word: &str, expected: &str) -> Result<(), SyntaxError> {
    let before = cursor.clone();
    if cursor.take_while(is_name_char) == word { Ok(()) } else { Err(before.error(format!("expected {expected}"))) }
}

fn parse_number(cursor: &mut Cursor<'_>) -> Result<Decimal, SyntaxError> {
    cursor.skip_spaces();
    let before = cursor.clone();
    let text = cursor.take_while(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '+' | '.'));
    // The very reading a result gets, so that the same digits are the same number on both sides.
    let number = serde_json::from_str::<Number>(text).ok().and_then(|number| Decimal::from_number(&number));
    number.ok_or_else(|| before.error("expected a number as in JSON, like -12, 0.5 or 1e6"))
}

fn parse_range(cursor: &mut Cursor<'_>) -> Result<(Decimal, Decimal), SyntaxError> {
    let shape = "expected a range like [355.0, 361.0]";
    if !cursor.eat("[") {
        return Err(cursor.error(shape));
    }
    let low = parse_number(cursor)?;
    if !cursor.eat(",") {
        return Err(cursor.error(shape));
    }
    cursor.skip_spaces();
    let second = cursor.clone();
    let high = parse_number(cursor)?;
    if !cursor.eat("]") {
        return Err(cursor.error(shape));
    }
    if low > high { Err(second.error("the range is empty: its end is below its start")) } else { Ok((low, high)) }
}

fn parse_pattern(cursor: &mut Cursor<'_>) -> Result<Pattern, SyntaxError> {
    if !cursor.eat("/") {
        return Err(cursor.error("expected a pattern like /^[a-z]+$/"));
    }
    let before = cursor.clone();
    let mut source = String::new();
    loop {
        source.push_str(cursor.take_while(|c| c != '/' && c != '\\'));
        if cursor.eat_exactly("/") {
            break;
        }
        let Some(escape) = ["\\/", "\\\\", "\\"].into_iter().find(|escape| cursor.eat_exactly(escape)) else {
            return Err(before.error("this pattern is never closed with '/'"));
        };
        source.push_str(if escape == "\\/" { "/" } else { escape });
    }
    Pattern::parse(&source)
        .ok_or_else(|| before.error("not a pattern of ECMA 262, or one with look-around or back-references"))
}

fn parse_path(cursor: &mut Cursor<'_>) -> Result<Path, SyntaxError> {
    let mut steps = Vec::new();
    while let Some(step) = parse_step(cursor)? {
        if steps.len() == MAX_PATH_STEPS {
            return Err(cursor.error(format!("a path has at most {MAX_PATH_STEPS} steps")));
        }
        steps.push(step);
    }
    Ok(Path(steps))
}

/// The name of an input, which is one step from `input`.
fn parse_input(cursor: &mut Cursor<'_>) -> Result<String, SyntaxError> {
    let before = cursor.clone();
    match parse_step(cursor)? {
        Some(Step::Key(name)) => Ok(name),
        _ => Err(before.error("expected the name of an input: input.NAME or input[\"NAME\"]")),
    }
}

fn parse_step(cursor: &mut Cursor<'_>) -> Result<Option<Step>, SyntaxError> {
    if cursor.eat_exactly(".") {
        let before = cursor.clone();
        let name = cursor.take_while(is_name_char);
        if !is_name(name) {
            return Err(before.error("expected a name; other keys are written [\"like this\"], elements [0]"));
        }
        return Ok(Some(Step::Key(name.to_owned())));
    }
    if !cursor.eat_exactly("[") {
        return Ok(None);
    }
    let before = cursor.clone();
    let step = match cursor.peek() {
        Some(']') => Step::Each,
        Some('"') => Step::Key(cursor.quoted()?),
        _ => match cursor.take_while(|c| c.is_ascii_digit()).parse() {
            Ok(index) => Step::Index(index),
            Err(_) => return Err(before.error("expected ], an index or a \"key\"")),
        },
    };
    if cursor.eat_exactly("]") { Ok(Some(step)) } else { Err(cursor.error("expected ']'")) }
}

impl Pattern {
    fn parse(source: &str) -> Option<Self> {
        let regex = jsonschema_regex::to_rust_regex(source).ok()?.into_owned();
        let places = places(&regex_syntax::parse(&regex).ok()?);
        Some(Self { regex, places })
    }
}

/// How many places of a pattern can be matching at once, with its repetitions written out.
fn places(hir: &Hir) -> u64 {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) | HirKind::Class(_) => 1,
        HirKind::Literal(literal) => literal.0.len() as u64,
        HirKind::Capture(capture) => places(&capture.sub),
        HirKind::Repetition(repetition) => {
            let times = repetition.max.unwrap_or(repetition.min).max(1);
            places(&repetition.sub).saturating_mul(times.into())
        }
        HirKind::Concat(parts) | HirKind::Alternation(parts) => parts.iter().map(places).fold(1, u64::saturating_add),
    }
}

// --- running an assertion ---------------------------------------------------------------------------------------------

/// Where a path leaves the result, counted in steps, and what is wrong there.
struct Gap {
    steps: usize,
    what: &'static str,
}

impl Path {
    fn explain(&self, gap: &Gap) -> String {
        format!("{} {}", Self(self.0[..gap.steps].to_vec()), gap.what)
    }

    /// Call `leaf` with everything the path leads to, or with where it ends early. Stops at the first error.
    fn walk<'v>(
        &self,
        value: &'v Value,
        from: usize,
        budget: &mut usize,
        leaf: &mut dyn FnMut(Result<&'v Value, Gap>) -> Result<(), String>,
    ) -> Result<(), String> {
        let mut value = value;
        for (index, step) in self.0.iter().enumerate().skip(from) {
            let next = match step {
                Step::Key(key) => value.get(key),
                Step::Index(index) => value.get(index),
                Step::Each => {
                    let Some(items) = value.as_array() else {
                        return leaf(Err(Gap { steps: index, what: "is not an array" }));
                    };
                    *budget = budget.checked_sub(items.len()).ok_or_else(|| {
                        format!("{self} leads to more than the {MAX_VISITED} elements that are looked at")
                    })?;
                    return items.iter().try_for_each(|item| self.walk(item, index + 1, budget, leaf));
                }
            };
            match next {
                Some(next) => value = next,
                None => return leaf(Err(Gap { steps: index + 1, what: "is missing" })),
            }
        }
        leaf(Ok(value))
    }

    /// The one value of a path without `[]`.
    fn get<'v>(&self, result: &'v Value) -> Result<&'v Value, String> {
        let mut found = result;
        self.walk(result, 0, &mut 0, &mut |leaf| {
            found = leaf.map_err(|gap| self.explain(&gap))?;
            Ok(())
        })?;
        Ok(found)
    }

    fn scalar<'v>(&self, result: &'v Value) -> Result<Scalar<'v>, String> {
        match self.get(result)? {
            Value::Null => Ok(Scalar::Null),
            Value::Bool(truth) => Ok(Scalar::Bool(*truth)),
            Value::String(text) => Ok(Scalar::Text(text.into())),
            Value::Number(number) => {
                Decimal::from_number(number).map(Scalar::Number).ok_or_else(|| format!("{self} is out of range"))
            }
            Value::Array(_) => Err(format!("{self} is an array; its len(), count() and sum() can be compared")),
            Value::Object(_) => Err(format!("{self} is an object; its len() and its members can be compared")),
        }
    }

    fn len(&self, result: &Value) -> Result<usize, String> {
        match self.get(result)? {
            Value::String(text) => Ok(text.chars().count()),
            Value::Array(items) => Ok(items.len()),
            Value::Object(members) => Ok(members.len()),
            Value::Null | Value::Bool(_) | Value::Number(_) => {
                Err(format!("{self} is not a text, an array or an object, so it has no len()"))
            }
        }
    }

    fn count(&self, result: &Value) -> Result<usize, String> {
        let first = self.0.iter().position(|step| matches!(step, Step::Each)).unwrap_or(self.0.len());
        let (mut count, mut budget) = (0, MAX_VISITED);
        self.walk(result, 0, &mut budget, &mut |leaf| {
            match leaf {
                Ok(Value::Null | Value::Bool(false)) => {}
                Ok(_) => count += 1,
                // An element without it does not count; without the array itself there is nothing to count in.
                Err(gap) if gap.steps > first => {}
                Err(gap) => return Err(self.explain(&gap)),
            }
            Ok(())
        })?;
        Ok(count)
    }

    fn sum(&self, result: &Value) -> Result<Decimal, String> {
        let (mut sum, mut budget) = (0_i128, MAX_VISITED);
        self.walk(result, 0, &mut budget, &mut |leaf| {
            let value = leaf.map_err(|gap| format!("{} in an element", self.explain(&gap)))?;
            let Value::Number(number) = value else { return Err(format!("{self} is not a number in every element")) };
            let addend = Decimal::from_number(number).and_then(|decimal| decimal.to_fixed());
            sum = addend
                .and_then(|addend| sum.checked_add(addend))
                .ok_or_else(|| format!("sum({self}) leaves the range of {SUM_DIGITS} digits before the point"))?;
            Ok(())
        })?;
        Ok(Decimal::from_fixed(sum))
    }
}

impl Operand {
    fn evaluate<'v>(&'v self, result: &'v Value, inputs: &dyn Inputs) -> Result<Scalar<'v>, String> {
        let whole = |number| Scalar::Number(Decimal::from_whole(number));
        let missing = |name: &str| format!("there is no input {name:?}");
        match self {
            Self::Literal(literal) => Ok(literal.clone()),
            Self::Path(path) => path.scalar(result),
            Self::Len(path) => Ok(whole(path.len(result)? as u64)),
            Self::Count(path) => Ok(whole(path.count(result)? as u64)),
            Self::Sum(path) => path.sum(result).map(Scalar::Number),
            Self::Sha256(name) => {
                let hash = inputs.sha256(name).ok_or_else(|| missing(name))?;
                Ok(Scalar::Text(hash.to_string().into()))
            }
            Self::Size(name) => inputs.size(name).map(whole).ok_or_else(|| missing(name)),
        }
    }

    fn number(&self, result: &Value, inputs: &dyn Inputs) -> Result<Decimal, String> {
        match self.evaluate(result, inputs)? {
            Scalar::Number(number) => Ok(number),
            other => Err(format!("{self} is {other}, not a number")),
        }
    }
}

impl Expr {
    /// Ok if the result satisfies it, otherwise why not.
    fn run(&self, pattern: Option<&Regex>, result: &Value, inputs: &dyn Inputs) -> Result<(), String> {
        match self {
            Self::Compare { left, op: op @ (Op::Equal | Op::NotEqual), right } => {
                let (a, b) = (left.evaluate(result, inputs)?, right.evaluate(result, inputs)?);
                holds((a == b) == matches!(op, Op::Equal), || told(left, &a, right, &b))
            }
            Self::Compare { left, op, right } => {
                let (a, b) = (left.number(result, inputs)?, right.number(result, inputs)?);
                let order = a.cmp(&b);
                let truth = match op {
                    Op::Equal => order.is_eq(),
                    Op::NotEqual => order.is_ne(),
                    Op::Less => order.is_lt(),
                    Op::AtMost => order.is_le(),
                    Op::Greater => order.is_gt(),
                    Op::AtLeast => order.is_ge(),
                };
                holds(truth, || told(left, &Scalar::Number(a), right, &Scalar::Number(b)))
            }
            Self::Within { value, low, high } => {
                let number = value.number(result, inputs)?;
                holds(*low <= number && number <= *high, || format!("{value} is {number}"))
            }
            Self::Matches { path, pattern: Pattern { places, .. } } => {
                let Value::String(text) = path.get(result)? else { return Err(format!("{path} is not a text")) };
                if places.saturating_mul(text.len() as u64) > MAX_MATCH_WORK {
                    return Err(format!("{path} has {} bytes, too many for this pattern to be run on", text.len()));
                }
                let found = pattern.is_some_and(|pattern| pattern.is_match(text));
                holds(found, || format!("{path} is {}", Scalar::Text(text.into())))
            }
        }
    }
}

fn holds(truth: bool, why: impl FnOnce() -> String) -> Result<(), String> {
    if truth { Ok(()) } else { Err(why()) }
}

/// What the sides that are not written in the assertion came out as.
fn told(left: &Operand, a: &Scalar<'_>, right: &Operand, b: &Scalar<'_>) -> String {
    let sides = [(left, a), (right, b)].into_iter().filter(|(operand, _)| !matches!(operand, Operand::Literal(_)));
    sides.map(|(operand, value)| format!("{operand} is {value}")).collect::<Vec<_>>().join(", ")
}

// --- schemas ----------------------------------------------------------------------------------------------------------

impl Schema {
    /// A schema as somebody wrote it, in any layout. Its canonical text must keep the bounds.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        // Before parsing: a document in pretty print is a few times its canonical size, never this many.
        if text.len() > 16 * MAX_SCHEMA_BYTES {
            return Err(Invalid::SchemaTooLong(text.len()));
        }
        let value = serde_json::from_str(text).map_err(|error| Invalid::SchemaNotJson(error.to_string()))?;
        Self::from_json(value)
    }

    /// The same, of parsed JSON.
    pub fn from_json(mut value: Value) -> Result<Self, Invalid> {
        value.sort_all_objects();
        let text = value.to_string();
        if text.len() > MAX_SCHEMA_BYTES {
            return Err(Invalid::SchemaTooLong(text.len()));
        }
        weigh(&value)?;
        Ok(Self(text))
    }

    /// The canonical text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Build the validator. Costs milliseconds for a large schema.
    pub fn compile(&self) -> Result<CompiledSchema, Invalid> {
        let value: Value = serde_json::from_str(&self.0).map_err(|error| Invalid::SchemaNotJson(error.to_string()))?;
        let weight = weigh(&value)?;
        let patterns =
            jsonschema::PatternOptions::regex().size_limit(MAX_PATTERN_MEMORY).dfa_size_limit(MAX_PATTERN_MEMORY);
        let validator = jsonschema::options()
            .offline()
            .with_draft(draft(&value)?)
            .with_pattern_options(patterns)
            .should_validate_formats(true)
            // The built-in one would compile a pattern out of the result, without our limits.
            .with_format("regex", |_: &str| true)
            .build(&value)
            .map_err(|error| Invalid::Schema(line(&format!("{error} (at {:?})", error.instance_path().as_str()))))?;
        Ok(CompiledSchema { validator, weight })
    }
}

impl CompiledSchema {
    /// Whether `value`, which was `bytes` long as JSON, satisfies the schema; otherwise why not, in one line.
    pub fn check(&self, value: &Value, bytes: usize) -> Result<(), String> {
        if self.weight.saturating_mul(bytes as u64) > MAX_SCHEMA_WORK {
            return Err(format!("{bytes} bytes are too much to check against a schema of {} nodes", self.weight));
        }
        if self.validator.is_valid(value) {
            return Ok(());
        }
        if bytes > MAX_EXPLAINED_BYTES {
            return Err("it does not satisfy the schema, and is too large to say where".to_owned());
        }
        match self.validator.validate(value) {
            Ok(()) => Ok(()),
            Err(error) => match error.instance_path().as_str() {
                "" => Err(line(&error.to_string())),
                path => Err(line(&format!("at {path}: {error}"))),
            },
        }
    }
}

impl TryFrom<String> for Schema {
    type Error = Invalid;
    fn try_from(text: String) -> Result<Self, Invalid> {
        let schema = Self::parse(&text)?;
        if schema.0 == text { Ok(schema) } else { Err(Invalid::SchemaNotCanonical) }
    }
}
impl From<Schema> for String {
    fn from(schema: Schema) -> Self {
        schema.0
    }
}

fn draft(schema: &Value) -> Result<jsonschema::Draft, Invalid> {
    let Some(named) = schema.get("$schema") else { return Ok(jsonschema::Draft::Draft202012) };
    let named = named.as_str().map(|uri| uri.trim_end_matches('#'));
    DRAFTS.into_iter().find(|(uri, _)| Some(*uri) == named).map(|(_, draft)| draft).ok_or(Invalid::SchemaDraft)
}

/// The nodes of a schema with its references written out, which bounds what a validator does at one place of a result.
/// Everything is taken for a subschema, also what is only data under `enum` or `const`: too much, never too little.
fn weigh(schema: &Value) -> Result<u64, Invalid> {
    draft(schema)?;
    let mut scales = Scales { schema, patterns: 0, open: Vec::new(), known: BTreeMap::new() };
    scales.weigh(schema, 0).map(|(weight, _)| weight)
}

struct Scales<'s> {
    schema: &'s Value,
    patterns: usize,
    /// References being followed now: meeting one of them again is a cycle.
    open: Vec<&'s str>,
    /// Weight and height of references followed before.
    known: BTreeMap<&'s str, (u64, usize)>,
}

impl<'s> Scales<'s> {
    /// Weight and height of the tree at `node`, which is `depth` below the top.
    fn weigh(&mut self, node: &'s Value, depth: usize) -> Result<(u64, usize), Invalid> {
        if depth >= MAX_SCHEMA_DEPTH {
            return Err(Invalid::SchemaTooDeep);
        }
        let (mut weight, mut height) = (1, 1);
        let mut add = |(more, below): (u64, usize)| {
            weight = more.saturating_add(weight);
            height = height.max(below + 1);
            if weight > MAX_SCHEMA_WEIGHT { Err(Invalid::SchemaTooHeavy) } else { Ok(()) }
        };
        match node {
            Value::Array(items) => {
                for item in items {
                    add(self.weigh(item, depth + 1)?)?;
                }
            }
            Value::Object(members) => {
                for (key, value) in members {
                    add((self.inspect(key, value, depth)?, 0))?;
                    add(self.weigh(value, depth + 1)?)?;
                    if let ("$ref", Value::String(reference)) = (key.as_str(), value) {
                        add(self.follow(reference, depth + 1)?)?;
                    }
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
        Ok((weight, height))
    }

    fn follow(&mut self, reference: &'s str, depth: usize) -> Result<(u64, usize), Invalid> {
        let named = || line(reference);
        if let Some((weight, height)) = self.known.get(reference) {
            let fits = depth + height <= MAX_SCHEMA_DEPTH;
            return if fits { Ok((*weight, *height)) } else { Err(Invalid::SchemaTooDeep) };
        }
        if self.open.contains(&reference) || reference == "#" {
            return Err(Invalid::SchemaRecursive(named()));
        }
        // Percent signs would let the validator read another pointer than this one.
        let pointer = reference.strip_prefix('#').filter(|pointer| pointer.starts_with('/') && !pointer.contains('%'));
        let pointer = pointer.ok_or_else(|| Invalid::SchemaRef(named()))?;
        let target = self.schema.pointer(pointer).ok_or_else(|| Invalid::SchemaRefMissing(named()))?;
        self.open.push(reference);
        let measured = self.weigh(target, depth)?;
        self.open.pop();
        self.known.insert(reference, measured);
        Ok(measured)
    }

    /// What a keyword weighs beyond its nodes. Refuses what the weight does not bound.
    fn inspect(&mut self, key: &str, value: &Value, depth: usize) -> Result<u64, Invalid> {
        let refuse = |keyword, place| Err(Invalid::SchemaKeyword(keyword, place));
        match (key, value) {
            ("$dynamicRef", Value::String(_)) => refuse("$dynamicRef", "anywhere"),
            ("$recursiveRef", Value::String(_)) => refuse("$recursiveRef", "anywhere"),
            ("unevaluatedItems", _) => refuse("unevaluatedItems", "anywhere"),
            ("unevaluatedProperties", _) => refuse("unevaluatedProperties", "anywhere"),
            // Either changes what the references below it mean.
            ("$id", Value::String(_)) if depth > 0 => refuse("$id", "below the top"),
            ("$schema", Value::String(_)) if depth > 0 => refuse("$schema", "below the top"),
            ("pattern", Value::String(pattern)) => self.pattern(pattern),
            ("patternProperties", Value::Object(patterns)) => {
                patterns.keys().try_fold(0_u64, |sum, pattern| Ok(sum.saturating_add(self.pattern(pattern)?)))
            }
            ("uniqueItems" | "multipleOf", _) => Ok(COSTLY_KEYWORD),
            _ => Ok(0),
        }
    }

    fn pattern(&mut self, pattern: &str) -> Result<u64, Invalid> {
        self.patterns += 1;
        if self.patterns > MAX_SCHEMA_PATTERNS {
            return Err(Invalid::SchemaPatterns);
        }
        Pattern::parse(pattern).map(|pattern| pattern.places).ok_or_else(|| Invalid::SchemaPattern(line(pattern)))
    }
}

// --- checks and reports -----------------------------------------------------------------------------------------------

impl Checks {
    /// Make them ready to run: judges the schema and the patterns.
    pub fn compile(&self) -> Result<Compiled, Invalid> {
        let schema = self.schema.as_ref().map(Schema::compile).transpose()?;
        Ok(Compiled { schema, asserts: compile_asserts(&self.asserts)? })
    }
}

impl Sealed {
    /// What is published before they are opened: no other salt and assertions have it.
    pub fn commitment(&self) -> Bytes32 {
        let mut bytes = Vec::new();
        for assert in &self.checks {
            bytes.extend_from_slice(&(assert.text.len() as u64).to_be_bytes());
            bytes.extend_from_slice(assert.text.as_bytes());
        }
        sha256(&[b"gigmesh/sealed\0", &self.salt.0, &bytes])
    }

    /// As [`Checks::compile`].
    pub fn compile(&self) -> Result<Compiled, Invalid> {
        Ok(Compiled { schema: None, asserts: compile_asserts(&self.checks)? })
    }
}

fn compile_asserts(asserts: &[Assert]) -> Result<Vec<(Assert, Option<Regex>)>, Invalid> {
    if asserts.len() > MAX_ASSERTS {
        return Err(Invalid::TooManyAsserts);
    }
    let compile = |assert: &Assert| {
        let Expr::Matches { pattern, .. } = &assert.expr else { return Ok((assert.clone(), None)) };
        let regex =
            RegexBuilder::new(&pattern.regex).size_limit(MAX_PATTERN_MEMORY).dfa_size_limit(MAX_PATTERN_MEMORY).build();
        match regex {
            Ok(regex) => Ok((assert.clone(), Some(regex))),
            Err(error) => Err(Invalid::Pattern { assert: assert.text.clone(), reason: line(&error.to_string()) }),
        }
    };
    asserts.iter().map(compile).collect()
}

impl Compiled {
    /// Run all of them over the bytes of a result. The caller bounds these: parsed JSON may take thirty times as much.
    pub fn run(&self, result: &[u8], inputs: &dyn Inputs) -> Report {
        let value: Value = match serde_json::from_slice(result) {
            Ok(value) => value,
            Err(error) => return Report { outcomes: vec![Outcome::new("result is JSON", Err(error.to_string()))] },
        };
        let schema = self.schema.iter().map(|schema| Outcome::new("schema", schema.check(&value, result.len())));
        let asserts = self
            .asserts
            .iter()
            .map(|(assert, pattern)| Outcome::new(&assert.text, assert.expr.run(pattern.as_ref(), &value, inputs)));
        Report { outcomes: schema.chain(asserts).collect() }
    }
}

impl Report {
    /// Whether every check passed.
    pub fn passed(&self) -> bool {
        self.outcomes.iter().all(|outcome| outcome.passed)
    }

    /// How many in a thousand passed, rounded down; all of none.
    pub fn share(&self) -> u16 {
        let passed = self.outcomes.iter().filter(|outcome| outcome.passed).count();
        let share = (passed * 1000).checked_div(self.outcomes.len()).unwrap_or(1000);
        u16::try_from(share).unwrap_or(1000)
    }
}

impl Outcome {
    fn new(check: &str, outcome: Result<(), String>) -> Self {
        let passed = outcome.is_ok();
        Self { check: line(check), detail: outcome.err().map(|why| line(&why)).unwrap_or_default(), passed }
    }
}

/// `text` as one bounded line that is safe to print: nothing that moves a cursor or turns the direction of writing.
fn line(text: &str) -> String {
    let plain = |c: char| {
        let hidden =
            c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        if hidden { ' ' } else { c }
    };
    // A space is the shortest character, so what fits here fits after.
    if text.len() <= MAX_LINE_BYTES {
        return text.chars().map(plain).collect();
    }
    let end = text.floor_char_boundary(MAX_LINE_BYTES - '…'.len_utf8());
    text[..end].chars().map(plain).chain(['…']).collect()
}

/// A text that [`line`] would leave as it is.
fn clean<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let text = String::deserialize(deserializer)?;
    if line(&text) == text { Ok(text) } else { Err(de::Error::custom("a line of a report is too long or not plain")) }
}

/// A list of at most `MAX`, refused as soon as there is one more.
fn at_most<'de, const MAX: usize, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<T>, D::Error> {
    struct Bounded<const MAX: usize, T>(std::marker::PhantomData<T>);
    impl<'de, const MAX: usize, T: Deserialize<'de>> de::Visitor<'de> for Bounded<MAX, T> {
        type Value = Vec<T>;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "a list of at most {MAX}")
        }
        fn visit_seq<A: de::SeqAccess<'de>>(self, mut items: A) -> Result<Vec<T>, A::Error> {
            let mut list = Vec::new();
            while let Some(item) = items.next_element()? {
                if list.len() == MAX {
                    return Err(de::Error::invalid_length(MAX + 1, &self));
                }
                list.push(item);
            }
            Ok(list)
        }
    }
    deserializer.deserialize_seq(Bounded::<MAX, T>(std::marker::PhantomData))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    /// One input, `table`, of three bytes.
    struct Table;
    impl Inputs for Table {
        fn sha256(&self, name: &str) -> Option<Bytes32> {
            (name == "table").then(|| sha256(&[b"abc"]))
        }
        fn size(&self, name: &str) -> Option<u64> {
            (name == "table").then_some(3)
        }
    }

    fn asserts(texts: &[&str]) -> Checks {
        Checks { schema: None, asserts: texts.iter().map(|text| text.parse().unwrap()).collect() }
    }

    fn schema(json: Value) -> Checks {
        Checks { schema: Some(Schema::from_json(json).unwrap()), asserts: Vec::new() }
    }

    /// Why `text` fails over `result`, or nothing.
    fn failure(text: &str, result: &Value) -> String {
        let report = asserts(&[text]).compile().unwrap().run(result.to_string().as_bytes(), &Table);
        assert_eq!(report.passed(), report.outcomes[0].detail.is_empty());
        report.outcomes[0].detail.clone()
    }

    fn cbor<T: Serialize>(value: &T) -> Vec<u8> {
        let mut bytes = Vec::new();
        ciborium::into_writer(value, &mut bytes).unwrap();
        bytes
    }

    fn assert_wire<T: Serialize + de::DeserializeOwned + PartialEq + fmt::Debug>(value: &T, keys: &[&str]) {
        let bytes = cbor(value);
        let back: T = ciborium::from_reader(&bytes[..]).unwrap();
        assert_eq!(&back, value);
        assert_eq!(cbor(&back), bytes);
        let map: ciborium::Value = ciborium::from_reader(&bytes[..]).unwrap();
        let found: Vec<_> = map.as_map().unwrap().iter().map(|(key, _)| key.as_text().unwrap()).collect();
        assert_eq!(found, keys);
        assert!(found.is_sorted_by_key(|key| (key.len(), *key)), "RFC 8949 4.2.1: shorter first, then bytewise");
        assert_eq!(&serde_json::from_value::<T>(serde_json::to_value(value).unwrap()).unwrap(), value);
    }

    fn table() -> Value {
        json!({
            "rows": 820, "mean": 360.391_829_268_292_7, "name": "co", "empty": null, "yes": true, "sum": 0.3,
            "items": [{"n": 0.1, "ok": true, "tags": ["a", "b"]}, {"n": 0.2, "ok": false}, {"n": 0, "ok": "x", "tags": []}],
            "bad": [1, "2"], "odd key": {"a": 1, "b": 2}, "umlaut": "äö",
            "hash": "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        })
    }

    #[test]
    fn what_a_result_satisfies() {
        for text in [
            "result.rows == 820",
            "result.rows==820.0",
            "  820 <= result.rows  ",
            "result.rows != 821",
            "result.rows < 8.21e2",
            "result.rows >= -1",
            "result.mean in [355.0, 361.0]",
            "result.rows in [820, 820]",
            "result.name == \"co\"",
            "result.name != 820",
            "result.name matches /^[a-z]+$/",
            "result.name matches /^\\w{2}$/",
            "result.umlaut matches /^\\W+$/",
            "result.empty == null",
            "result.yes == true",
            "result.yes != false",
            "len(result.items) == 3",
            "len(result.umlaut) == 2",
            "len( result[\"odd key\"] ) == 2",
            "result[\"odd key\"].b == 2",
            "result.items[1].n == 0.2",
            "count(result.items[]) == 3",
            "count(result.items[].ok) == 2",
            "count(result.items[].absent) == 0",
            "count(result.items[].tags[]) == 2",
            "sum(result.items[].n) == 0.3",
            "sum(result.items[].n) == result.sum",
            "result.hash == sha256(input.table)",
            "input.table.size == 3",
            "result.rows > input[\"table\"].size",
        ] {
            assert_eq!(failure(text, &table()), "", "{text}");
        }
    }

    #[test]
    fn what_a_result_does_not_satisfy_says_why() {
        for (text, why) in [
            ("result.rows == 819", "result.rows is 820"),
            ("819 == result.rows", "result.rows is 820"),
            ("result.rows == \"820\"", "result.rows is 820"),
            ("result.rows == sum(result.items[].n)", "result.rows is 820, sum(result.items[].n) is 0.3"),
            ("result.mean in [361, 362]", "result.mean is 360.3918292682927"),
            ("result.name < 5", "result.name is \"co\", not a number"),
            ("result.name matches /^c$/", "result.name is \"co\""),
            ("result.rows matches /8/", "result.rows is not a text"),
            ("result.absent == null", "result.absent is missing"),
            ("result.absent != 1", "result.absent is missing"),
            ("result.name.x == 1", "result.name.x is missing"),
            ("result.items[3].n == 0", "result.items[3] is missing"),
            ("result[\"odd key\"].c == 0", "result[\"odd key\"].c is missing"),
            ("result.items == result.items", "result.items is an array; its len(), count() and sum() can be compared"),
            ("result == 1", "result is an object; its len() and its members can be compared"),
            ("len(result.rows) == 1", "result.rows is not a text, an array or an object, so it has no len()"),
            ("count(result.rows[]) == 1", "result.rows is not an array"),
            ("count(result.none[]) == 0", "result.none is missing"),
            ("sum(result.items[].absent) == 0", "result.items[].absent is missing in an element"),
            ("sum(result.bad[]) == 3", "result.bad[] is not a number in every element"),
            ("result.hash == sha256(input.other)", "there is no input \"other\""),
            ("result.rows == input.other.size", "there is no input \"other\""),
        ] {
            assert_eq!(failure(text, &table()), why, "{text}");
        }
    }

    #[test]
    fn what_is_no_assertion_points_at_its_column() {
        let deep = format!("result{} == 1", ".a".repeat(MAX_PATH_STEPS + 1));
        for (text, column, hint) in [
            ("", 1, "expected result.PATH"),
            ("rows == 820", 1, "expected result.PATH"),
            ("result.rows = 820", 13, "expected =="),
            ("result.rows", 12, "expected =="),
            ("result.rows is 820", 13, "expected =="),
            ("result.rows == ", 16, "expected result.PATH"),
            ("result.rows == 820 and result.x == 1", 20, "one assertion says one thing"),
            ("result.rows == 08", 16, "a number as in JSON"),
            ("result.rows == 1e999", 16, "a number as in JSON"),
            ("result.rows == -", 16, "a number as in JSON"),
            ("1 == 1", 1, "two constants"),
            ("result.x < \"a\"", 12, "only numbers have an order"),
            ("sha256(input.a) > 1", 1, "only numbers have an order"),
            ("result.x in [2, 1]", 17, "the range is empty"),
            ("result.x in 1", 13, "expected a range"),
            ("result.x matches \"a\"", 18, "expected a pattern"),
            ("result.x matches /a", 19, "never closed"),
            ("result.x matches /a\\/", 19, "never closed"),
            ("len(result.x) matches /a/", 1, "only a path"),
            ("result matches /(/", 17, "not a pattern"),
            ("result matches /(?=a)/", 17, "look-around"),
            ("result.x[] == 1", 1, "inside count() or sum()"),
            ("sum(result.x) == 1", 5, "expected []"),
            ("len(result.x[]) == 1", 5, "without []"),
            ("len result.x == 1", 5, "expected '('"),
            ("count(result.x[] == 1", 18, "expected ')'"),
            ("result.0 == 1", 8, "elements [0]"),
            ("result.é == 1", 8, "[\"like this\"]"),
            ("result[x] == 1", 8, "expected ], an index"),
            ("result[99999999999999999999] == 1", 8, "expected ], an index"),
            ("input.table == 1", 12, "expected .size"),
            ("sha256(result.x) == \"a\"", 8, "expected input.NAME"),
            ("input[0].size == 1", 6, "the name of an input"),
            (&deep, 41, "at most 16 steps"),
        ] {
            match text.parse::<Assert>() {
                Err(Invalid::Syntax(error)) => {
                    assert_eq!(error.column, column, "{text:?}: {error}");
                    assert!(error.message.contains(hint), "{text:?}: {error}");
                }
                other => panic!("{text:?}: {other:?}"),
            }
        }
        let long = format!("result.x == \"{}\"", "x".repeat(MAX_ASSERT_BYTES));
        assert_eq!(long.parse::<Assert>(), Err(Invalid::AssertTooLong));
        assert_eq!("result.x\n== 1".parse::<Assert>(), Err(Invalid::AssertNotALine));
        assert_eq!("result.x == \"\u{202e}\"".parse::<Assert>(), Err(Invalid::AssertNotALine));
    }

    #[test]
    fn numbers_are_exact_decimals() {
        let decimal = |text: &str| Decimal::from_number(&serde_json::from_str(text).unwrap()).unwrap();
        let ordered = [
            "-1.7e308",
            "-18446744073709551616",
            "-9223372036854775808",
            "-1.5",
            "-1",
            "-0.1",
            "-1e-300",
            "0",
            "5e-324",
            "1e-7",
            "0.00001",
            "0.1",
            "0.3",
            "0.30000000000000004",
            "1",
            "1.000001",
            "9",
            "10",
            "11",
            "99.99",
            "100",
            "9007199254740993",
            "18446744073709551615",
            "1e20",
            "1e22",
            "1.7e308",
        ];
        for (index, a) in ordered.iter().enumerate().skip(1) {
            for b in &ordered[..index] {
                assert!(decimal(a) > decimal(b), "{a} > {b}");
                assert!(decimal(b) < decimal(a), "{b} < {a}");
            }
            assert_eq!(decimal(&decimal(a).to_string()), decimal(a), "{a} prints as {}", decimal(a));
        }
        assert_eq!(decimal("-0.0"), decimal("0"));
        assert_eq!(decimal("10.50e1"), decimal("105"));
        assert_eq!(decimal("0.1234567890123456789"), decimal("0.12345678901234568"), "as the nearest double");
        for text in ["0", "0.5", "-0.00001", "123.456", "100", "-5", "0.3"] {
            assert_eq!(decimal(text).to_string(), text);
            assert_eq!(Decimal::from_fixed(decimal(text).to_fixed().unwrap()), decimal(text));
        }
        assert_eq!(decimal("1e-18").to_fixed(), Some(1));
        assert_eq!(decimal("-5e-19").to_fixed(), Some(-1), "halves away from zero");
        assert_eq!(decimal("4e-19").to_fixed(), Some(0));
        assert_eq!(decimal("9e-25").to_fixed(), Some(0));
        assert_eq!(decimal("1e20").to_fixed(), None);
        assert!(decimal("99999999999999990000").to_fixed().is_some());
        assert_eq!(failure("sum(result[]) == 1.6e20", &json!([8e19, 8e19])), "");
        assert!(failure("sum(result[]) == 1.8e20", &json!([9e19, 9e19])).contains("leaves the range"));
        assert!(failure("sum(result[]) == 0", &json!([1e20])).contains("leaves the range"));
    }

    #[test]
    fn a_result_that_is_not_json_fails_whole() {
        for bytes in [&b""[..], b"{", b"nothing", b"1 2", b"\xff", "[".repeat(1000).as_bytes(), b"1e999"] {
            let report = asserts(&["result == 1"]).compile().unwrap().run(bytes, &Table);
            assert_eq!(report.outcomes.len(), 1);
            assert_eq!(report.outcomes[0].check, "result is JSON");
            assert!(!report.passed());
            assert_eq!(report.share(), 0);
        }
        let report = Checks::default().compile().unwrap().run(b"null", &Table);
        assert!(report.passed());
        assert_eq!(report.share(), 1000);
    }

    #[test]
    fn the_share_counts_the_schema_as_one_check() {
        let mut checks = schema(json!({"type": "object", "required": ["rows"]}));
        checks.asserts = asserts(&["result.rows == 1", "result.rows == 820"]).asserts;
        let report = checks.compile().unwrap().run(table().to_string().as_bytes(), &Table);
        assert_eq!(report.outcomes.iter().map(|outcome| outcome.passed).collect::<Vec<_>>(), [true, false, true]);
        assert_eq!(report.outcomes[0].check, "schema");
        assert_eq!(report.share(), 666);
    }

    #[test]
    fn a_schema_says_what_is_wrong_where() {
        let compiled = schema(json!({
            "$schema": "http://json-schema.org/draft-07/schema#",
            "definitions": {"day": {"type": "string", "format": "date"}},
            "properties": {"a": {"items": {"$ref": "#/definitions/day"}}, "b": {"pattern": "^x+$"}},
        }));
        let compiled = compiled.compile().unwrap();
        let detail = |result: Value| compiled.run(result.to_string().as_bytes(), &Table).outcomes[0].detail.clone();
        assert_eq!(detail(json!({"a": ["2024-02-29"], "b": "xx"})), "");
        assert!(detail(json!({"a": ["2024-02-30"]})).starts_with("at /a/0: "));
        assert!(detail(json!({"b": "xy\u{1b}[2J"})).starts_with("at /b: "));
        assert!(!detail(json!({"b": "xy\u{1b}[2J"})).contains('\u{1b}'));
        assert!(detail(json!({"b": "y".repeat(10_000)})).len() <= MAX_LINE_BYTES);
        assert!(detail(json!({"b": "y".repeat(MAX_EXPLAINED_BYTES)})).contains("too large to say where"));
    }

    #[test]
    fn a_schema_outside_its_bounds_is_refused() {
        let nest = |levels: usize| (0..levels).fold(json!({}), |inner, _| json!({"items": inner}));
        let doubling: serde_json::Map<_, _> = (0..200)
            .map(|i| {
                let next = json!({"$ref": format!("#/$defs/d{}", i + 1)});
                (format!("d{i}"), if i == 199 { json!(true) } else { json!({"anyOf": [next, next]}) })
            })
            .collect();
        let defs = |a: Value| json!({"$ref": "#/$defs/a", "$defs": {"a": a}});
        let anchor = |reference: &str| Invalid::SchemaRef(reference.to_owned());
        let patterns: Vec<_> = (0..=MAX_SCHEMA_PATTERNS).map(|i| json!({"pattern": i.to_string()})).collect();
        for (json, error) in [
            (json!({"$ref": "http://example.com/s"}), anchor("http://example.com/s")),
            (json!({"items": {"$ref": "file:///etc/passwd"}}), anchor("file:///etc/passwd")),
            (
                json!({"$ref": "https://json-schema.org/draft/2020-12/schema"}),
                anchor("https://json-schema.org/draft/2020-12/schema"),
            ),
            (json!({"$ref": "#name"}), anchor("#name")),
            (json!({"$ref": "#/%24defs/a"}), anchor("#/%24defs/a")),
            (json!({"$ref": ""}), anchor("")),
            (json!({"$ref": "#/$defs/a"}), Invalid::SchemaRefMissing("#/$defs/a".to_owned())),
            (json!({"items": {"$ref": "#"}}), Invalid::SchemaRecursive("#".to_owned())),
            (defs(json!({"items": {"$ref": "#/$defs/a"}})), Invalid::SchemaRecursive("#/$defs/a".to_owned())),
            (
                defs(json!({"not": {"allOf": [{"$ref": "#/$defs/a/not"}]}})),
                Invalid::SchemaRecursive("#/$defs/a/not".to_owned()),
            ),
            (
                json!({"allOf": [{"unevaluatedProperties": false}]}),
                Invalid::SchemaKeyword("unevaluatedProperties", "anywhere"),
            ),
            (json!({"$dynamicRef": "#x"}), Invalid::SchemaKeyword("$dynamicRef", "anywhere")),
            (json!({"items": {"$id": "http://x/"}}), Invalid::SchemaKeyword("$id", "below the top")),
            (json!({"$schema": "http://json-schema.org/draft-04/schema#"}), Invalid::SchemaDraft),
            (json!({"$schema": 1}), Invalid::SchemaDraft),
            (nest(MAX_SCHEMA_DEPTH), Invalid::SchemaTooDeep),
            (json!({"$defs": doubling}), Invalid::SchemaTooDeep),
            (json!({"anyOf": patterns}), Invalid::SchemaPatterns),
            (json!({"pattern": "(?=a)"}), Invalid::SchemaPattern("(?=a)".to_owned())),
            (json!({"patternProperties": {"((a{99}){99}){99}": true}}), Invalid::SchemaTooHeavy),
            (json!({"enum": vec![1; MAX_SCHEMA_WEIGHT as usize]}), Invalid::SchemaTooHeavy),
            (json!({"const": "x".repeat(MAX_SCHEMA_BYTES)}), Invalid::SchemaTooLong(MAX_SCHEMA_BYTES + 12)),
        ] {
            assert_eq!(Schema::from_json(json.clone()), Err(error), "{json}");
        }
        let short: serde_json::Map<_, _> = (0..20)
            .map(|i| {
                let next = json!({"$ref": format!("#/$defs/d{}", i + 1)});
                (format!("d{i}"), if i == 19 { json!(true) } else { json!({"anyOf": [next, next]}) })
            })
            .collect();
        assert_eq!(Schema::from_json(json!({"$defs": short})), Err(Invalid::SchemaTooHeavy));
        assert!(Schema::from_json(nest(MAX_SCHEMA_DEPTH - 1)).is_ok());

        let refused = |json: Value| Schema::from_json(json).unwrap().compile().unwrap_err().to_string();
        assert!(refused(json!({"type": "text"})).starts_with("not a JSON Schema"));
        assert!(refused(json!(1)).starts_with("not a JSON Schema"));
        assert!(refused(json!({"pattern": "\\p{L}{50}"})).starts_with("not a JSON Schema"), "too much memory");
        assert!(Schema::parse("{").is_err());
    }

    #[test]
    fn hostile_patterns_and_results_are_bounded() {
        let nested = asserts(&["result matches /((a{99}){99}){99}/"]).compile().unwrap_err();
        assert!(matches!(nested, Invalid::Pattern { .. }), "{nested}");
        let catastrophe = "result matches /^(a*)*$/";
        assert!(!failure(catastrophe, &json!("a".repeat(1 << 16) + "b")).contains("too many"));
        // A window of a thousand places is what makes a linear engine slow: half as many bytes are too many.
        let slow = "result matches /[ab]*a[ab]{1023}c/";
        let text = |bytes: usize| json!("ab".repeat(bytes / 2));
        assert!(failure(slow, &text(1 << 13)).starts_with("result is"));
        assert!(failure(slow, &text(1 << 14)).contains("too many for this pattern"));

        let many = json!([vec![0; MAX_VISITED - 1], []]);
        assert!(failure("count(result[][]) == 0", &many).contains("more than the 100000"));
        assert_eq!(failure("count(result[0][]) == 99999", &many), "");

        let heavy = schema(json!({"items": {"anyOf": vec![json!({"type": "null"}); 850]}}));
        let heavy = heavy.compile().unwrap().run(json!(vec![1; 1 << 20]).to_string().as_bytes(), &Table);
        assert!(heavy.outcomes[0].detail.contains("too much to check"));
    }

    /// Everything here recurses somewhere; a thread's usual stack must do, unoptimised.
    #[test]
    fn the_deepest_schema_over_the_deepest_result_fits_a_stack() {
        let run = || {
            let wrap = [
                |inner: Value| json!({"items": inner}),
                |inner: Value| json!({"not": {"not": inner}}),
                |inner: Value| json!({"if": inner, "then": true, "else": false}),
            ];
            for wrap in wrap {
                let mut deepest = json!({"type": "string"});
                while let Ok(schema) = Schema::from_json(wrap(deepest.clone())) {
                    deepest = wrap(deepest);
                    let compiled = Checks { schema: Some(schema), asserts: Vec::new() }.compile().unwrap();
                    let result = "[".repeat(127) + &"]".repeat(127);
                    let _ = compiled.run(result.as_bytes(), &Table);
                }
            }
        };
        std::thread::Builder::new().stack_size(1 << 20).spawn(run).unwrap().join().unwrap();
    }

    #[test]
    fn compiled_checks_go_to_any_thread() {
        fn goes<T: Send + Sync>() {}
        goes::<Compiled>();
    }

    #[test]
    fn the_wire_is_canonical_and_bounded() {
        let mut checks = schema(json!({"type": "object", "default": {"b": 1.5, "a": 1e-7}}));
        assert_eq!(checks.schema.as_ref().unwrap().as_str(), r#"{"default":{"a":1e-7,"b":1.5},"type":"object"}"#);
        checks.asserts = asserts(&["result.a == 1", "result matches /a\\/b/"]).asserts;
        assert_wire(&checks, &["schema", "asserts"]);
        assert_wire(&Checks::default(), &[]);
        assert_wire(&Sealed { salt: Bytes32([7; 32]), checks: checks.asserts.clone() }, &["salt", "checks"]);
        let report = checks.compile().unwrap().run(br#"{"a": 2}"#, &Table);
        assert_wire(&report, &["outcomes"]);
        assert_wire(&report.outcomes[1], &["check", "detail", "passed"]);

        for refused in [
            json!({"schema": "{ }"}),
            json!({"schema": r#"{"b":1,"a":1}"#}),
            json!({"asserts": ["rows == 1"]}),
            json!({"asserts": vec!["result == 1"; MAX_ASSERTS + 1]}),
            json!({"other": 1}),
        ] {
            assert!(ciborium::from_reader::<Checks, _>(&cbor(&refused)[..]).is_err(), "{refused}");
        }
        let outcome = |detail: &str| json!({"check": "schema", "detail": detail, "passed": false});
        let reports =
            |outcomes: Vec<Value>| ciborium::from_reader::<Report, _>(&cbor(&json!({"outcomes": outcomes}))[..]);
        assert!(reports(vec![outcome("x"); MAX_OUTCOMES]).is_ok());
        assert!(reports(vec![outcome("x"); MAX_OUTCOMES + 1]).is_err());
        assert!(reports(vec![outcome("\u{1b}")]).is_err());
        assert!(reports(vec![outcome(&"x".repeat(MAX_LINE_BYTES + 1))]).is_err());
    }

    #[test]
    fn a_commitment_is_of_the_salt_and_every_assertion() {
        let sealed = |salt, texts: &[&str]| Sealed { salt: Bytes32([salt; 32]), checks: asserts(texts).asserts };
        let one = sealed(1, &["result == 1", "result == 2"]);
        assert_eq!(
            one.commitment(),
            sha256(&[
                b"gigmesh/sealed\0",
                &[1; 32],
                &11u64.to_be_bytes(),
                b"result == 1",
                &11u64.to_be_bytes(),
                b"result == 2",
            ])
        );
        for other in [
            sealed(2, &["result == 1", "result == 2"]),
            sealed(1, &["result == 2", "result == 1"]),
            sealed(1, &["result == 1"]),
            sealed(1, &["result == 1", "result ==  2"]),
        ] {
            assert_ne!(one.commitment(), other.commitment());
        }
        let report = one.compile().unwrap().run(b"1", &Table);
        assert_eq!(report.share(), 500);
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            "\\PC{0,8}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 32, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                prop::collection::btree_map("[a-c]", inner, 0..4)
                    .prop_map(|map| Value::from(serde_json::Map::from_iter(map))),
            ]
        })
    }

    fn any_assert() -> impl Strategy<Value = String> {
        let path = "result(\\.[a-c]|\\[[0-2]\\]|\\[\"[a-c ]\"\\]){0,4}";
        let each = "result(\\.[a-c]){0,2}\\[\\](\\.[a-c]|\\[\\]){0,3}";
        let operand = prop_oneof![
            path.prop_map(String::from),
            path.prop_map(|path| format!("len({path})")),
            each.prop_map(|path| format!("count({path})")),
            each.prop_map(|path| format!("sum({path})")),
            Just("sha256(input.table)".to_owned()),
            Just("input.table.size".to_owned()),
        ];
        let literal = prop_oneof![
            any_json()
                .prop_filter("scalar", |json| !json.is_array() && !json.is_object())
                .prop_map(|json| json.to_string()),
            operand.clone(),
        ];
        prop_oneof![
            (operand.clone(), "==|!=|<|<=|>|>=", literal).prop_map(|(a, op, b)| format!("{a} {op} {b}")),
            (operand, -9.0..0.0, 0.0..9.0).prop_map(|(a, low, high)| format!("{a} in [{low}, {high}]")),
            (path, "[a-c.*\\\\/()]{0,6}").prop_map(|(path, pattern)| format!("{path} matches /{pattern}/")),
        ]
    }

    /// JSON that has the words of a schema in the places where they matter.
    fn any_schema() -> impl Strategy<Value = Value> {
        let keyword = prop::sample::select(vec![
            "type",
            "items",
            "properties",
            "anyOf",
            "allOf",
            "oneOf",
            "not",
            "$ref",
            "$defs",
            "if",
            "then",
            "else",
            "enum",
            "const",
            "pattern",
            "format",
            "patternProperties",
            "additionalProperties",
            "prefixItems",
            "contains",
            "minContains",
            "uniqueItems",
            "multipleOf",
            "minimum",
            "maxLength",
            "required",
            "dependentSchemas",
            "propertyNames",
            "$anchor",
            "$id",
        ]);
        let leaf = prop_oneof![
            any::<bool>().prop_map(Value::from),
            (0..3_i64).prop_map(Value::from),
            prop::sample::select(vec![
                "string",
                "object",
                "#/$defs/a",
                "#/items",
                "#",
                "date",
                "regex",
                "^a",
                "email",
                "(a|b)*"
            ])
            .prop_map(Value::from),
        ];
        leaf.prop_recursive(5, 40, 4, move |inner| {
            prop_oneof![
                2 => prop::collection::btree_map(keyword.clone().prop_map(String::from), inner.clone(), 0..4)
                    .prop_map(|map| Value::from(serde_json::Map::from_iter(map))),
                1 => prop::collection::btree_map("[a-c]", inner.clone(), 0..3)
                    .prop_map(|map| Value::from(serde_json::Map::from_iter(map))),
                1 => prop::collection::vec(inner, 0..3).prop_map(Value::from),
            ]
        })
    }

    proptest! {
        #[test]
        fn reading_an_assertion_never_panics(
            text in "\\PC{0,80}|(result|input|\\.[a-c]|\\[[0-2\"]?\\]| == | in | matches |[0-9/\\\\\"(),-]){0,12}"
        ) {
            if let Ok(assert) = text.parse::<Assert>() {
                prop_assert_eq!(assert.to_string(), text);
            }
        }

        #[test]
        fn running_assertions_never_panics_and_reports_stay_bounded(text in any_assert(), result in any_json()) {
            let Ok(assert) = text.parse() else { return Ok(()) };
            let checks = Checks { schema: None, asserts: vec![assert] };
            let Ok(compiled) = checks.compile() else { return Ok(()) };
            let report = compiled.run(result.to_string().as_bytes(), &Table);
            prop_assert_eq!(&report, &compiled.run(result.to_string().as_bytes(), &Table));
            prop_assert_eq!(ciborium::from_reader::<Report, _>(&cbor(&report)[..]).unwrap(), report);
            prop_assert_eq!(ciborium::from_reader::<Checks, _>(&cbor(&checks)[..]).unwrap(), checks);
        }

        #[test]
        fn any_schema_is_refused_or_runs(schema in any_schema(), result in any_json()) {
            let Ok(schema) = Schema::from_json(schema) else { return Ok(()) };
            prop_assert_eq!(&Schema::try_from(schema.as_str().to_owned()).unwrap(), &schema);
            let Ok(compiled) = (Checks { schema: Some(schema), asserts: Vec::new() }).compile() else { return Ok(()) };
            let report = compiled.run(result.to_string().as_bytes(), &Table);
            prop_assert_eq!(report.passed(), report.outcomes[0].detail.is_empty());
        }

        #[test]
        fn sums_and_order_agree_with_integers(numbers in prop::collection::vec(any::<i32>(), 0..20), other in any::<i32>()) {
            let sum: i64 = numbers.iter().map(|n| i64::from(*n)).sum();
            let result = json!({"n": numbers, "sum": sum, "other": other});
            prop_assert_eq!(failure("sum(result.n[]) == result.sum", &result), "");
            prop_assert_eq!(failure("result.sum < result.other", &result).is_empty(), sum < i64::from(other));
            prop_assert_eq!(failure("result.sum >= result.other", &result).is_empty(), sum >= i64::from(other));
        }

        #[test]
        fn a_line_is_bounded_plain_and_stays_as_it_is(text in "(\\PC|\\pC|é|…){0,400}") {
            let once = line(&text);
            prop_assert!(once.len() <= MAX_LINE_BYTES && !once.chars().any(char::is_control));
            prop_assert_eq!(line(&once), once);
        }
    }
}
