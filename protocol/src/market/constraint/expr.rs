//! A demand as a tree, and the one text of each tree.

use std::fmt;

use super::cursor::write_quoted;
use super::value::write_list;
use super::{Key, Value};

/// No two of these read the same: within `All` there is no `All`, within `Any` no `Any`, and both have two parts or more.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Expr {
    All(Vec<Expr>),
    Any(Vec<Expr>),
    Not(Box<Expr>),
    Exists(Key),
    Is { key: Key, test: Test },
}

/// What one stated value has to be.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Test {
    /// An order is asked of numbers, texts, versions and times only.
    Compare(Op, Value),
    /// One of these, none of them a list.
    In(Vec<Value>),
    /// A list with this item, or the item alone. It is no list.
    Has(Value),
    /// A text that begins so.
    Prefix(String),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Op {
    Equal,
    NotEqual,
    Less,
    AtMost,
    Greater,
    AtLeast,
}

impl Expr {
    /// One or more joined by `and`.
    pub(super) fn all(parts: Vec<Self>) -> Self {
        let flat = |part| if let Self::All(inner) = part { inner } else { vec![part] };
        Self::joined(parts.into_iter().flat_map(flat).collect(), Self::All)
    }

    /// One or more joined by `or`.
    pub(super) fn any(parts: Vec<Self>) -> Self {
        let flat = |part| if let Self::Any(inner) = part { inner } else { vec![part] };
        Self::joined(parts.into_iter().flat_map(flat).collect(), Self::Any)
    }

    fn joined(mut parts: Vec<Self>, join: fn(Vec<Self>) -> Self) -> Self {
        match parts.pop() {
            Some(only) if parts.is_empty() => only,
            last => join(parts.into_iter().chain(last).collect()),
        }
    }
}

/// `not` binds closest, then `and`, then `or`; parentheses where that is not what is meant.
impl fmt::Display for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All(parts) => write_joined(f, parts, " and ", |part| matches!(part, Self::Any(_))),
            Self::Any(parts) => write_joined(f, parts, " or ", |_| false),
            Self::Not(inner) if matches!(**inner, Self::All(_) | Self::Any(_)) => write!(f, "not ({inner})"),
            Self::Not(inner) => write!(f, "not {inner}"),
            Self::Exists(key) => write!(f, "exists {key}"),
            Self::Is { key, test } => write!(f, "{key} {test}"),
        }
    }
}

fn write_joined(f: &mut fmt::Formatter<'_>, parts: &[Expr], word: &str, enclosed: fn(&Expr) -> bool) -> fmt::Result {
    for (index, part) in parts.iter().enumerate() {
        f.write_str(if index == 0 { "" } else { word })?;
        if enclosed(part) { write!(f, "({part})")? } else { write!(f, "{part}")? }
    }
    Ok(())
}

impl fmt::Display for Test {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Compare(op, value) => write!(f, "{op} {value}"),
            Self::In(values) => {
                f.write_str("in ")?;
                write_list(f, values)
            }
            Self::Has(value) => write!(f, "has {value}"),
            Self::Prefix(text) => {
                f.write_str("prefix ")?;
                write_quoted(f, text)
            }
        }
    }
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Equal => "=",
            Self::NotEqual => "!=",
            Self::Less => "<",
            Self::AtMost => "<=",
            Self::Greater => ">",
            Self::AtLeast => ">=",
        })
    }
}
