//! What an agent says about itself, and what others demand of it: typed properties and constraints on them.
//!
//! In come properties from a manifest and a demand like `retention_days = 0 and region = "eu"`; out comes yes, no with
//! the reasons, or unknown with what is missing. Silence is never taken for consent: a property nobody stated makes
//! the answer unknown, unless something else already makes it no.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use crate::limits::{CONSTRAINT, CONSTRAINT_TERMS, PROPERTIES, PROPERTY_KEY, PROPERTY_LIST, PROPERTY_TEXT};
use serde::{Deserialize, Serialize};

const MICROS: i64 = 1_000_000;
/// These mean something in a constraint now or will once it says more than equality.
const RESERVED: [&str; 6] = ["and", "or", "not", "in", "true", "false"];

/// The name of a property: `a-z`, then `a-z`, `0-9` and `_`. Ordered as in deterministic CBOR, shorter first.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Key(String);

/// The value of a property. Whole and decimal numbers of the same value are equal to a constraint.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Value {
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A decimal, in millionths.
    Dec(i64),
    /// At most [`PROPERTY_TEXT`], without control characters.
    Text(String),
    /// At most [`PROPERTY_LIST`] values, none of them a list.
    List(Vec<Value>),
}

/// At most [`PROPERTIES`] named values, each within its bounds.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(try_from = "BTreeMap<Key, Value>")]
pub struct Properties(BTreeMap<Key, Value>);

/// A demand on properties. Its wire form is its text, in the one way [`Display`](fmt::Display) writes it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Constraint(Expr);

#[derive(Clone, PartialEq, Eq, Debug)]
enum Expr {
    /// Two or more, each of them not `All`, so that no two trees read the same.
    All(Vec<Expr>),
    Is {
        key: Key,
        value: Value,
    },
}

/// What a constraint says to somebody's properties.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Match {
    /// Everything demanded is stated.
    Yes,
    /// Something stated contradicts the demand, as told.
    No(Vec<String>),
    /// Nothing contradicts, but these properties are not stated.
    Unknown(Vec<Key>),
}

/// A text that does not follow its grammar, and where it stops doing so.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("column {column}: {message}")]
pub struct SyntaxError {
    /// Counted in characters from 1.
    pub column: usize,
    /// What was expected there.
    pub message: String,
}

/// Why something is not a property or a constraint.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Invalid {
    /// Not a name.
    #[error(
        "{0:?} does not name a property; use at most {PROPERTY_KEY} of a-z, 0-9 and '_', a letter first, no word \
         of the constraint language"
    )]
    Key(String),
    /// Text outside its bounds.
    #[error("a text value has at most {PROPERTY_TEXT} bytes and no control characters")]
    Text,
    /// A list outside its bounds.
    #[error("a list has at most {PROPERTY_LIST} values and holds no lists")]
    List,
    /// A number no value can hold.
    #[error("{0} is not a value; numbers have 64 bits and at most six decimals, without exponent")]
    Number(String),
    /// JSON that no property can hold.
    #[error("a property is a boolean, a number, a text or a list of these")]
    Json,
    /// Too many properties.
    #[error("at most {PROPERTIES} properties")]
    TooMany,
    /// The constraint does not parse.
    #[error(transparent)]
    Syntax(#[from] SyntaxError),
    /// The constraint is too big.
    #[error("a constraint has at most {CONSTRAINT} bytes and {CONSTRAINT_TERMS} terms")]
    TooLong,
    /// Another spelling of a constraint, where only one is allowed: on the wire.
    #[error("a constraint on the wire is written {0:?}")]
    NotCanonical(String),
}

impl Key {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Ord for Key {
    /// RFC 8949 4.2.1 for short text keys: by length, then bytewise, so a map in this order is a canonical one.
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.len().cmp(&other.0.len()).then_with(|| self.0.cmp(&other.0))
    }
}
impl PartialOrd for Key {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl TryFrom<String> for Key {
    type Error = Invalid;
    fn try_from(text: String) -> Result<Self, Invalid> {
        let fits = text.len() <= PROPERTY_KEY
            && text.starts_with(|first: char| first.is_ascii_lowercase())
            && text.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_'))
            && !RESERVED.contains(&text.as_str());
        if fits { Ok(Self(text)) } else { Err(Invalid::Key(text.chars().take(PROPERTY_KEY + 1).collect())) }
    }
}
impl FromStr for Key {
    type Err = Invalid;
    fn from_str(text: &str) -> Result<Self, Invalid> {
        Self::try_from(text.to_owned())
    }
}
impl From<Key> for String {
    fn from(key: Key) -> Self {
        key.0
    }
}

impl Value {
    /// The value of plain JSON, as a configuration or an API gives it. Null, objects and nested lists are none.
    pub fn from_json(json: &serde_json::Value) -> Result<Self, Invalid> {
        let value = match json {
            serde_json::Value::Bool(truth) => Self::Bool(*truth),
            serde_json::Value::Number(number) => Self::number(&number.to_string())?,
            serde_json::Value::String(text) => Self::Text(text.clone()),
            serde_json::Value::Array(items) if items.len() <= PROPERTY_LIST => {
                // One level: an array of arrays would recurse as deep as the document goes.
                let scalar =
                    |item: &serde_json::Value| if item.is_array() { Err(Invalid::List) } else { Self::from_json(item) };
                Self::List(items.iter().map(scalar).collect::<Result<_, _>>()?)
            }
            serde_json::Value::Array(_) => return Err(Invalid::List),
            serde_json::Value::Null | serde_json::Value::Object(_) => return Err(Invalid::Json),
        };
        value.check()?;
        Ok(value)
    }

    /// A whole number or a plain decimal, with an optional `-`.
    fn number(text: &str) -> Result<Self, Invalid> {
        let bad = || Invalid::Number(text.chars().take(40).collect());
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let (sign, unsigned) = text.strip_prefix('-').map_or((1, text), |unsigned| (-1, unsigned));
        let Some((whole, fraction)) = unsigned.split_once('.') else {
            return if digits(unsigned) { text.parse().map(Self::Int).map_err(|_| bad()) } else { Err(bad()) };
        };
        if !digits(whole) || !digits(fraction) || fraction.len() > 6 {
            return Err(bad());
        }
        let micros: i128 = format!("{whole}{fraction:0<6}").parse().map_err(|_| bad())?;
        i64::try_from(sign * micros).map(Self::Dec).map_err(|_| bad())
    }

    fn check(&self) -> Result<(), Invalid> {
        match self {
            Self::Bool(_) | Self::Int(_) | Self::Dec(_) => Ok(()),
            Self::Text(text) if text.len() > PROPERTY_TEXT || text.chars().any(char::is_control) => Err(Invalid::Text),
            Self::Text(_) => Ok(()),
            Self::List(items) if items.len() > PROPERTY_LIST => Err(Invalid::List),
            Self::List(items) => items.iter().try_for_each(|item| match item {
                Self::List(_) => Err(Invalid::List),
                scalar => scalar.check(),
            }),
        }
    }

    /// Numbers as millionths, whichever way they were written.
    fn micros(&self) -> Option<i128> {
        match self {
            Self::Int(whole) => Some(i128::from(*whole) * i128::from(MICROS)),
            Self::Dec(micros) => Some(i128::from(*micros)),
            Self::Bool(_) | Self::Text(_) | Self::List(_) => None,
        }
    }

    /// Whether a property of this value is what is `wanted`. A list is also each of its members.
    fn is(&self, wanted: &Self) -> bool {
        match (self, wanted) {
            (Self::List(stated), Self::List(wanted)) => {
                stated.len() == wanted.len() && stated.iter().zip(wanted).all(|(stated, wanted)| stated.is(wanted))
            }
            (Self::List(stated), wanted) => stated.iter().any(|stated| stated.is(wanted)),
            (stated, wanted) => match (stated.micros(), wanted.micros()) {
                (Some(stated), Some(wanted)) => stated == wanted,
                _ => stated == wanted,
            },
        }
    }
}

impl Properties {
    /// State a property, replacing what was stated under the same key.
    pub fn insert(&mut self, key: Key, value: Value) -> Result<(), Invalid> {
        value.check()?;
        if self.0.len() >= PROPERTIES && !self.0.contains_key(&key) {
            return Err(Invalid::TooMany);
        }
        self.0.insert(key, value);
        Ok(())
    }

    /// Properties of a plain JSON object, as a configuration or an API gives it.
    pub fn from_json(json: &serde_json::Map<String, serde_json::Value>) -> Result<Self, Invalid> {
        let mut properties = Self::default();
        for (key, value) in json {
            properties.insert(key.parse()?, Value::from_json(value)?)?;
        }
        Ok(properties)
    }

    /// What is stated under `key`.
    pub fn get(&self, key: &Key) -> Option<&Value> {
        self.0.get(key)
    }

    /// All of them, in canonical order.
    pub fn iter(&self) -> impl Iterator<Item = (&Key, &Value)> {
        self.0.iter()
    }

    /// Whether nothing is stated.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl TryFrom<BTreeMap<Key, Value>> for Properties {
    type Error = Invalid;
    fn try_from(map: BTreeMap<Key, Value>) -> Result<Self, Invalid> {
        if map.len() > PROPERTIES {
            return Err(Invalid::TooMany);
        }
        map.values().try_for_each(Value::check)?;
        Ok(Self(map))
    }
}

impl Constraint {
    /// What the demand says to `properties`. Reasons and missing keys come in the order of the text.
    pub fn evaluate(&self, properties: &Properties) -> Match {
        let (mut reasons, mut missing) = (Vec::new(), Vec::new());
        for (key, wanted) in self.0.terms() {
            match properties.get(key) {
                None if missing.contains(key) => {}
                None => missing.push(key.clone()),
                Some(stated) if stated.is(wanted) => {}
                Some(stated) => reasons.push(format!("{key} is {stated}, wanted {wanted}")),
            }
        }
        match (reasons.is_empty(), missing.is_empty()) {
            (false, _) => Match::No(reasons),
            (true, false) => Match::Unknown(missing),
            (true, true) => Match::Yes,
        }
    }
}

impl Expr {
    /// The equalities that must all hold.
    fn terms(&self) -> Vec<(&Key, &Value)> {
        match self {
            Self::All(parts) => parts.iter().flat_map(Self::terms).collect(),
            Self::Is { key, value } => vec![(key, value)],
        }
    }
}

/// `key = value`, joined by `and`. A value is `true`, `false`, a number, a `"text"` or a `[list, of, these]`.
impl FromStr for Constraint {
    type Err = Invalid;
    fn from_str(text: &str) -> Result<Self, Invalid> {
        if text.len() > CONSTRAINT {
            return Err(Invalid::TooLong);
        }
        let mut cursor = Cursor::new(text);
        let mut parts = Vec::new();
        loop {
            if parts.len() == CONSTRAINT_TERMS {
                return Err(Invalid::TooLong);
            }
            parts.push(parse_term(&mut cursor)?);
            cursor.skip_spaces();
            if cursor.is_done() {
                break;
            }
            cursor.expect_word("and")?;
        }
        let constraint = match parts.pop() {
            Some(only) if parts.is_empty() => Self(only),
            last => Self(Expr::All(parts.into_iter().chain(last).collect())),
        };
        // Written with fewer spaces than it is printed with, it could be sent and not received.
        if constraint.to_string().len() > CONSTRAINT {
            return Err(Invalid::TooLong);
        }
        Ok(constraint)
    }
}

impl TryFrom<String> for Constraint {
    type Error = Invalid;
    fn try_from(text: String) -> Result<Self, Invalid> {
        let constraint: Self = text.parse()?;
        let canonical = constraint.to_string();
        if canonical == text { Ok(constraint) } else { Err(Invalid::NotCanonical(canonical)) }
    }
}
impl From<Constraint> for String {
    fn from(constraint: Constraint) -> Self {
        constraint.to_string()
    }
}

fn parse_term(cursor: &mut Cursor<'_>) -> Result<Expr, Invalid> {
    cursor.skip_spaces();
    let before = cursor.clone();
    let key = cursor.take_while(|c| !c.is_whitespace() && c != '=' && c != '"');
    let key = key.parse().map_err(|error: Invalid| before.error(error.to_string()))?;
    if !cursor.eat("=") {
        return Err(cursor.error(format!("expected '=' and a value, like {key} = true")).into());
    }
    let value = parse_value(cursor)?;
    Ok(Expr::Is { key, value })
}

fn parse_value(cursor: &mut Cursor<'_>) -> Result<Value, SyntaxError> {
    cursor.skip_spaces();
    let before = cursor.clone();
    if !cursor.eat("[") {
        return parse_scalar(cursor);
    }
    let mut items = Vec::new();
    while !cursor.eat("]") {
        if !items.is_empty() && !cursor.eat(",") {
            return Err(cursor.error("expected ',' or ']'"));
        }
        if items.len() == PROPERTY_LIST {
            return Err(before.error(Invalid::List.to_string()));
        }
        items.push(parse_scalar(cursor)?);
    }
    Ok(Value::List(items))
}

fn parse_scalar(cursor: &mut Cursor<'_>) -> Result<Value, SyntaxError> {
    cursor.skip_spaces();
    let before = cursor.clone();
    let value = match cursor.peek() {
        Some('"') => Ok(Value::Text(cursor.quoted()?)),
        Some('-' | '0'..='9') => {
            Value::number(cursor.take_while(|c| c.is_alphanumeric() || matches!(c, '-' | '+' | '.')))
        }
        _ => match cursor.take_while(|c| c.is_alphanumeric()) {
            "true" => Ok(Value::Bool(true)),
            "false" => Ok(Value::Bool(false)),
            _ => return Err(before.error("expected a value: true, false, a number, a \"text\" or a [list] of them")),
        },
    };
    let checked = value.and_then(|value| value.check().map(|()| value));
    checked.map_err(|error| before.error(error.to_string()))
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool(truth) => write!(f, "{truth}"),
            Self::Int(whole) => write!(f, "{whole}"),
            Self::Dec(micros) => {
                let (sign, micros) = (if *micros < 0 { "-" } else { "" }, micros.unsigned_abs());
                let unit = MICROS.unsigned_abs();
                let fraction = format!("{:06}", micros % unit);
                // At least one decimal, or it would read as a whole number.
                let rest = fraction[1..].trim_end_matches('0');
                write!(f, "{sign}{}.{}{rest}", micros / unit, &fraction[..1])
            }
            Self::Text(text) => write_quoted(f, text),
            Self::List(items) => {
                f.write_str("[")?;
                for (index, item) in items.iter().enumerate() {
                    write!(f, "{}{item}", if index == 0 { "" } else { ", " })?;
                }
                f.write_str("]")
            }
        }
    }
}
impl fmt::Display for Constraint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (key, value)) in self.0.terms().into_iter().enumerate() {
            write!(f, "{}{key} = {value}", if index == 0 { "" } else { " and " })?;
        }
        Ok(())
    }
}

/// `text` between quotes, as [`Cursor::quoted`] reads it.
pub(super) fn write_quoted(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    write!(f, "\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// A place in a text that is being parsed, for the market's two little languages (this one and the checks').
#[derive(Clone)]
pub(super) struct Cursor<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    pub(super) fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    pub(super) fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    pub(super) fn is_done(&self) -> bool {
        self.rest().is_empty()
    }

    pub(super) fn skip_spaces(&mut self) {
        self.take_while(|c| c == ' ');
    }

    /// The longest run of characters that `fit`, possibly empty.
    pub(super) fn take_while(&mut self, fit: impl Fn(char) -> bool) -> &'a str {
        let rest = self.rest();
        let end = rest.find(|c| !fit(c)).unwrap_or(rest.len());
        self.at += end;
        &rest[..end]
    }

    /// Step over spaces and `token`, if it is next; otherwise only over the spaces.
    pub(super) fn eat(&mut self, token: &str) -> bool {
        self.skip_spaces();
        self.eat_exactly(token)
    }

    /// Step over `token`, if it is what comes next, without a space before it.
    pub(super) fn eat_exactly(&mut self, token: &str) -> bool {
        let found = self.rest().starts_with(token);
        if found {
            self.at += token.len();
        }
        found
    }

    /// Step over `word`, which must be next and whole.
    pub(super) fn expect_word(&mut self, word: &str) -> Result<(), SyntaxError> {
        self.skip_spaces();
        let before = self.clone();
        if self.take_while(|c| c.is_alphanumeric() || c == '_') == word {
            return Ok(());
        }
        Err(before.error(format!("expected `{word}` or the end")))
    }

    /// The text between two quotes; `\"` and `\\` stand for a quote and a backslash.
    pub(super) fn quoted(&mut self) -> Result<String, SyntaxError> {
        let before = self.clone();
        let mut text = String::new();
        let mut chars = self.rest().char_indices().skip(1);
        while let Some((index, c)) = chars.next() {
            match c {
                '"' => {
                    self.at += index + 1;
                    return Ok(text);
                }
                '\\' => match chars.next() {
                    Some((_, c @ ('"' | '\\'))) => text.push(c),
                    _ => {
                        self.at += index;
                        return Err(self.error("only \\\" and \\\\ can be written with a backslash"));
                    }
                },
                c => text.push(c),
            }
        }
        Err(before.error("this quote is never closed"))
    }

    /// An error at this place.
    pub(super) fn error(&self, message: impl Into<String>) -> SyntaxError {
        SyntaxError { column: self.text[..self.at].chars().count() + 1, message: message.into() }
    }
}

#[cfg(test)]
mod tests;
