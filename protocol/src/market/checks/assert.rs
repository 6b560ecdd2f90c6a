//! One assertion: what it says, and how it prints. The source text is its wire form and its identity.
//!
//! [`parse`] reads it, [`run`] holds it against a result.

mod parse;
mod run;

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::Invalid;
use super::decimal::Decimal;
use super::pattern::Pattern;
use super::report::line;
use crate::limits::ASSERT;
use crate::market::constraint::{Cursor, write_quoted};

/// One assertion. The source text is its wire form and its identity; what it means is parsed when it is made.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Assert {
    text: String,
    expr: Expr,
}

impl Assert {
    pub(super) fn as_str(&self) -> &str {
        &self.text
    }

    /// The pattern it matches something with, to be compiled before it is run.
    pub(super) fn pattern(&self) -> Option<&Pattern> {
        match &self.expr {
            Expr::Matches { pattern, .. } => Some(pattern),
            Expr::Compare { .. } | Expr::Within { .. } => None,
        }
    }
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
        if text.len() > ASSERT {
            return Err(Invalid::AssertTooLong);
        }
        if line(&text) != text {
            return Err(Invalid::AssertNotALine);
        }
        let expr = parse::expr(&mut Cursor::new(&text))?;
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

/// What can be compared.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Scalar<'a> {
    Null,
    Bool(bool),
    Number(Decimal),
    Text(Cow<'a, str>),
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
            Step::Key(key) if parse::is_name(key) => write!(f, ".{key}"),
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
