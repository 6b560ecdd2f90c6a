//! Holds an assertion against a result. Work is bounded by the elements visited and by what patterns may cost.

use regex::Regex;
use serde_json::Value;

use super::{Assert, Expr, Op, Operand, Path, Scalar, Step};
use crate::limits::{MATCH_WORK, VISITED};
use crate::market::checks::Inputs;
use crate::market::checks::decimal::{Decimal, SUM_DIGITS};
use crate::market::checks::pattern::Pattern;
use crate::market::checks::report::line;

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
                        format!("{self} leads to more than the {VISITED} elements that are looked at")
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
        let (mut count, mut budget) = (0, VISITED);
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
        let (mut sum, mut budget) = (0_i128, VISITED);
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

impl Assert {
    /// What its sides come to for this result, whether it passes or not: one bounded line for people, empty if there is
    /// nothing but literals in it. It quotes the result.
    pub fn found(&self, result: &Value, inputs: &dyn Inputs) -> String {
        line(&self.expr.found(result, inputs).unwrap_or_else(|why| why))
    }

    /// Ok if the result satisfies it, otherwise why not. `pattern` is [`Assert::pattern`], compiled.
    pub(in crate::market::checks) fn run(
        &self,
        pattern: Option<&Regex>,
        result: &Value,
        inputs: &dyn Inputs,
    ) -> Result<(), String> {
        self.expr.run(pattern, result, inputs)
    }
}

impl Expr {
    fn found(&self, result: &Value, inputs: &dyn Inputs) -> Result<String, String> {
        match self {
            Self::Compare { left, right, .. } => {
                Ok(told(left, &left.evaluate(result, inputs)?, right, &right.evaluate(result, inputs)?))
            }
            Self::Within { value, .. } => Ok(format!("{value} is {}", value.evaluate(result, inputs)?)),
            Self::Matches { path, .. } => Ok(format!("{path} is {}", path.scalar(result)?)),
        }
    }

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
                if places.saturating_mul(text.len() as u64) > MATCH_WORK {
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
