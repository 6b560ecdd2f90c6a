//! What a property may be: one of a few kinds of plain value, how it reads from JSON and in a constraint, and how two of
//! them compare.

use std::cmp::Ordering;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::cursor::write_quoted;
use super::{Invalid, moment};
use crate::limits::{PROPERTY_LIST, PROPERTY_TEXT};
use crate::time::Timestamp;

const MICROS: i64 = 1_000_000;

/// The value of a property. Whole and decimal numbers are of one kind; values of different kinds are never equal and have
/// no order.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Value {
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A decimal, in millionths.
    Dec(i64),
    /// At most [`PROPERTY_TEXT`], without control characters. Ordered by code points.
    Text(String),
    /// A version, `v1.4.0`.
    Version(Version),
    /// A moment up to the year 9999, `2026-11-21T10:00:00Z`; midnight, UTC, is `2026-11-21`.
    Time(Timestamp),
    /// At most [`PROPERTY_LIST`] values, none of them a list.
    List(Vec<Value>),
}

/// Major, minor and patch; compared in this order. Pre-releases have no place in it: where they matter, a property says so.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct Version(pub u32, pub u32, pub u32);

impl Version {
    /// `v1.4.0`, without leading zeros.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut parts = text.strip_prefix('v')?.split('.').map(|part| {
            let plain = part.bytes().all(|byte| byte.is_ascii_digit()) && (part == "0" || !part.starts_with('0'));
            part.parse().ok().filter(|_| plain)
        });
        let version = Self(parts.next()??, parts.next()??, parts.next()??);
        parts.next().is_none().then_some(version)
    }
}

impl Value {
    /// The value of plain JSON, as a configuration or an API gives it. JSON has no versions and times: a string that is
    /// exactly one, as a constraint writes it, is that; every other one is a text. Null, objects and nested lists are none.
    pub fn from_json(json: &serde_json::Value) -> Result<Self, Invalid> {
        let value = match json {
            serde_json::Value::Bool(truth) => Self::Bool(*truth),
            serde_json::Value::Number(number) => Self::number(&number.to_string())?,
            serde_json::Value::String(text) => Version::parse(text)
                .map(Self::Version)
                .or_else(|| moment::parse(text).map(Self::Time))
                .unwrap_or_else(|| Self::Text(text.clone())),
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
    pub(super) fn number(text: &str) -> Result<Self, Invalid> {
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

    pub(super) fn check(&self) -> Result<(), Invalid> {
        match self {
            Self::Bool(_) | Self::Int(_) | Self::Dec(_) | Self::Version(_) => Ok(()),
            Self::Text(text) if text.len() > PROPERTY_TEXT || text.chars().any(char::is_control) => Err(Invalid::Text),
            Self::Text(_) => Ok(()),
            Self::Time(moment) if *moment > moment::LAST => Err(Invalid::Time(moment.to_string())),
            Self::Time(_) => Ok(()),
            Self::List(items) if items.len() > PROPERTY_LIST => Err(Invalid::List),
            Self::List(items) => items.iter().try_for_each(|item| match item {
                Self::List(_) => Err(Invalid::List),
                scalar => scalar.check(),
            }),
        }
    }

    /// What it is, as a reason says it.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Bool(_) => "a truth",
            Self::Int(_) | Self::Dec(_) => "a number",
            Self::Text(_) => "a text",
            Self::Version(_) => "a version",
            Self::Time(_) => "a time",
            Self::List(_) => "a list",
        }
    }

    /// Numbers as millionths, whichever way they were written.
    fn micros(&self) -> Option<i128> {
        match self {
            Self::Int(whole) => Some(i128::from(*whole) * i128::from(MICROS)),
            Self::Dec(micros) => Some(i128::from(*micros)),
            _ => None,
        }
    }

    /// How this stands to `other`: nothing between two kinds; lists are only equal or not.
    pub(super) fn order(&self, other: &Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Bool(this), Self::Bool(other)) => Some(this.cmp(other)),
            (Self::Int(this), Self::Int(other)) => Some(this.cmp(other)),
            (Self::Text(this), Self::Text(other)) => Some(this.cmp(other)),
            (Self::Version(this), Self::Version(other)) => Some(this.cmp(other)),
            (Self::Time(this), Self::Time(other)) => Some(this.cmp(other)),
            (Self::List(this), Self::List(other)) => {
                let equal = this.len() == other.len() && this.iter().zip(other).all(|(this, other)| this.is(other));
                equal.then_some(Ordering::Equal)
            }
            _ => Some(self.micros()?.cmp(&other.micros()?)),
        }
    }

    /// Whether the two are equal.
    pub(super) fn is(&self, other: &Self) -> bool {
        self.order(other) == Some(Ordering::Equal)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "v{}.{}.{}", self.0, self.1, self.2)
    }
}
impl fmt::Display for Value {
    /// As a constraint writes it.
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
            Self::Version(version) => version.fmt(f),
            Self::Time(time) => f.write_str(&moment::print(*time)),
            Self::List(items) => write_list(f, items),
        }
    }
}

pub(super) fn write_list(f: &mut fmt::Formatter<'_>, items: &[Value]) -> fmt::Result {
    f.write_str("[")?;
    for (index, item) in items.iter().enumerate() {
        write!(f, "{}{item}", if index == 0 { "" } else { ", " })?;
    }
    f.write_str("]")
}
