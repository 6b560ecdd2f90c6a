//! What an agent says about itself, and what others demand of it: typed properties and constraints on them.
//!
//! In come properties from a manifest and a demand like `retention_days = 0 and region in ["ch", "eu"]`; out comes yes, no
//! with the reasons, or unknown with what is missing. Silence is never taken for consent: a property nobody stated makes
//! the answer unknown, unless something else settles it. Only `exists` is never unknown.
//!
//! `value` and `properties` are what can be stated, `parse` reads a demand into the tree of `expr`, which prints it, and
//! `eval` holds it against what is stated.

mod cursor;
mod eval;
mod expr;
mod moment;
mod parse;
mod properties;
mod value;

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

pub use cursor::SyntaxError;
pub(super) use cursor::{Cursor, write_quoted};
pub use properties::{Key, Properties};
pub use value::{Value, Version};

use crate::limits::{CONSTRAINT, PROPERTIES, PROPERTY_KEY, PROPERTY_LIST, PROPERTY_TEXT};
use crate::untrusted::Untrusted;
use expr::Expr;

/// A demand on properties. Its wire form is its text, in the one way [`Display`](fmt::Display) writes it.
///
/// | term | holds for a stated value that |
/// |---|---|
/// | `key = value`, `key != value` | equals it, or is another one of its kind |
/// | `key < value`, `<=`, `>`, `>=` | stands so to it: numbers, versions, times, texts by code points |
/// | `key in [a, b]` | is one of these values |
/// | `key has value` | is a list with this item, or the item alone |
/// | `key prefix "text"` | is a text that begins so |
/// | `exists key` | is there, whatever it is |
///
/// Terms are joined by `not`, `and` and `or`, binding in this order, and parentheses. A term about a value of another kind
/// than it names (a text where a number is compared) does not hold, with `!=` neither.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Constraint(Expr);

/// What a constraint says to somebody's properties.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Match {
    /// Everything demanded is stated.
    Yes,
    /// What is stated contradicts the demand. The stated values are in the words.
    No(Vec<Untrusted>),
    /// It depends on these properties, which are not stated. Those that no longer matter are not among them.
    Unknown(Vec<Key>),
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
    /// A version no value can hold.
    #[error("{0} is not a version; write three numbers without leading zeros, like v1.4.0, and no pre-release")]
    Version(String),
    /// A time no value can hold.
    #[error("{0} is not a time; write 2026-11-21 or 2026-11-21T10:00:00Z, to the millisecond, from 1970 to 9999")]
    Time(String),
    /// JSON that no property can hold.
    #[error("a property is a boolean, a number, a text or a list of these")]
    Json,
    /// Too many properties.
    #[error("at most {PROPERTIES} properties")]
    TooMany,
    /// The constraint does not parse.
    #[error(transparent)]
    Syntax(#[from] SyntaxError),
    /// The constraint is too long.
    #[error("a constraint has at most {CONSTRAINT} bytes, written with single spaces")]
    TooLong,
    /// Another spelling of a constraint, where only one is allowed: on the wire.
    #[error("a constraint on the wire is written {0:?}")]
    NotCanonical(String),
}

impl Constraint {
    /// What the demand says to `stated`. Reasons and missing keys come in the order of the text.
    pub fn evaluate(&self, stated: &Properties) -> Match {
        self.0.explain(stated)
    }

    /// The same answer without the why, for who asks many: nothing stands for unknown. Allocates nothing.
    pub fn holds(&self, stated: &Properties) -> Option<bool> {
        self.0.holds(stated)
    }
}

impl FromStr for Constraint {
    type Err = Invalid;
    fn from_str(text: &str) -> Result<Self, Invalid> {
        if text.len() > CONSTRAINT {
            return Err(Invalid::TooLong);
        }
        let constraint = Self(parse::constraint(text)?);
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
impl fmt::Display for Constraint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests;
