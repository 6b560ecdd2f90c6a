//! What a demand says to properties, in Kleene's logic of three values. Costs at most [`CONSTRAINT_TERMS`] times the
//! longest list squared, or that times [`CONSTRAINT_DEPTH`] where the answer is explained.
//!
//! [`CONSTRAINT_TERMS`]: crate::limits::CONSTRAINT_TERMS
//! [`CONSTRAINT_DEPTH`]: crate::limits::CONSTRAINT_DEPTH

use std::cmp::Ordering;

use super::expr::{Expr, Op, Test};
use super::{Key, Match, Properties, Value};
use crate::untrusted::Untrusted;

impl Expr {
    /// Whether it holds; nothing if that depends on a property that is not stated.
    pub(super) fn holds(&self, stated: &Properties) -> Option<bool> {
        match self {
            Self::All(parts) => unless(false, parts, stated),
            Self::Any(parts) => unless(true, parts, stated),
            Self::Not(inner) => inner.holds(stated).map(|holds| !holds),
            Self::Exists(key) => Some(stated.get(key).is_some()),
            Self::Is { key, test } => stated.get(key).map(|value| test.fits(value)),
        }
    }

    pub(super) fn explain(&self, stated: &Properties) -> Match {
        let answer = self.holds(stated);
        if answer == Some(true) {
            return Match::Yes;
        }
        let mut terms = Vec::new();
        self.decisive(answer, true, stated, &mut terms);
        match answer {
            Some(_) => Match::No(terms.iter().map(|term| Untrusted::new(term.reason(stated))).collect()),
            None => {
                let mut missing: Vec<Key> = Vec::new();
                for term in terms {
                    if !missing.contains(term.key) {
                        missing.push(term.key.clone());
                    }
                }
                Match::Unknown(missing)
            }
        }
    }

    /// The terms that make the answer what it is, in the order of the text. Whatever is joined, the parts that share the
    /// answer of the whole are those it rests on.
    fn decisive<'a>(&'a self, answer: Option<bool>, wanted: bool, stated: &Properties, terms: &mut Vec<Term<'a>>) {
        match self {
            Self::All(parts) | Self::Any(parts) => {
                let shares = parts.iter().filter(|part| part.holds(stated) == answer);
                shares.for_each(|part| part.decisive(answer, wanted, stated, terms));
            }
            Self::Not(inner) => inner.decisive(answer.map(|holds| !holds), !wanted, stated, terms),
            Self::Exists(key) => terms.push(Term { key, test: None, wanted }),
            Self::Is { key, test } => terms.push(Term { key, test: Some(test), wanted }),
        }
    }
}

/// A term, and whether it or its opposite is wanted.
struct Term<'a> {
    key: &'a Key,
    /// None asks whether anything is stated.
    test: Option<&'a Test>,
    wanted: bool,
}

impl Term<'_> {
    /// Why it is not as wanted.
    fn reason(&self, stated: &Properties) -> String {
        let Self { key, wanted, .. } = self;
        let not = if *wanted { "" } else { "not " };
        match (stated.get(key), self.test) {
            (Some(value), Some(test @ Test::Compare(_, literal))) if value.kind() != literal.kind() => {
                let hint = if matches!(value, Value::List(_)) { ": ask it with `has`" } else { "" };
                format!("{key} is {value} ({}{hint}), wanted {not}{test} ({})", value.kind(), literal.kind())
            }
            (Some(value), Some(test)) => format!("{key} is {value}, wanted {not}{test}"),
            (Some(_), None) => format!("{key} is stated, and wanted not to be"),
            (None, _) => format!("{key} is not stated"),
        }
    }
}

/// The answer of parts of which one that is `decided` settles all.
fn unless(decided: bool, parts: &[Expr], stated: &Properties) -> Option<bool> {
    let mut answer = Some(!decided);
    for part in parts {
        match part.holds(stated) {
            Some(holds) if holds == decided => return Some(decided),
            Some(_) => {}
            None => answer = None,
        }
    }
    answer
}

impl Test {
    /// Whether a stated value is as demanded. One of another kind is not, whatever the operator.
    fn fits(&self, stated: &Value) -> bool {
        match self {
            Self::Compare(op, value) => match stated.order(value) {
                Some(order) => op.accepts(order),
                None => *op == Op::NotEqual && matches!((stated, value), (Value::List(_), Value::List(_))),
            },
            Self::In(values) => values.iter().any(|value| stated.is(value)),
            Self::Has(value) => match stated {
                Value::List(items) => items.iter().any(|item| item.is(value)),
                alone => alone.is(value),
            },
            Self::Prefix(prefix) => matches!(stated, Value::Text(text) if text.starts_with(prefix.as_str())),
        }
    }
}

impl Op {
    fn accepts(self, order: Ordering) -> bool {
        match self {
            Self::Equal => order.is_eq(),
            Self::NotEqual => order.is_ne(),
            Self::Less => order.is_lt(),
            Self::AtMost => order.is_le(),
            Self::Greater => order.is_gt(),
            Self::AtLeast => order.is_ge(),
        }
    }
}
