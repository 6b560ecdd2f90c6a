//! Reads the text of an assertion. Every error names the place and what was expected there.

use serde_json::Number;

use super::{Expr, OPS, Op, Operand, Path, Scalar, Step};
use crate::limits::PATH_STEPS;
use crate::market::checks::decimal::Decimal;
use crate::market::checks::pattern::Pattern;
use crate::market::constraint::{Cursor, SyntaxError};

fn is_name_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || c == '-'
}

pub(super) fn is_name(text: &str) -> bool {
    text.chars().all(is_name_char) && text.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
}

pub(super) fn expr(cursor: &mut Cursor<'_>) -> Result<Expr, SyntaxError> {
    cursor.skip_spaces();
    let start = cursor.clone();
    let left = operand(cursor)?;
    cursor.skip_spaces();
    let before = cursor.clone();
    let expr = match cursor.take_while(|c| c.is_ascii_alphabetic()) {
        "in" => {
            ordered(&left, &start)?;
            let (low, high) = range(cursor)?;
            Expr::Within { value: left, low, high }
        }
        "matches" => {
            let Operand::Path(path) = left else {
                return Err(start.error("only a path like result.name can match a pattern"));
            };
            Expr::Matches { path, pattern: pattern(cursor)? }
        }
        "" => {
            let Some((_, op)) = OPS.into_iter().find(|(text, _)| cursor.eat(text)) else {
                return Err(before.error("expected == != < <= > >= `in` or `matches`"));
            };
            cursor.skip_spaces();
            let second = cursor.clone();
            let right = operand(cursor)?;
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

fn operand(cursor: &mut Cursor<'_>) -> Result<Operand, SyntaxError> {
    cursor.skip_spaces();
    let before = cursor.clone();
    match cursor.peek() {
        Some('"') => return Ok(Operand::Literal(Scalar::Text(cursor.quoted()?.into()))),
        Some('-' | '0'..='9') => return Ok(Operand::Literal(Scalar::Number(number(cursor)?))),
        _ => {}
    }
    let word = cursor.take_while(|c| c.is_ascii_alphanumeric() || c == '_');
    Ok(match word {
        "true" => Operand::Literal(Scalar::Bool(true)),
        "false" => Operand::Literal(Scalar::Bool(false)),
        "null" => Operand::Literal(Scalar::Null),
        "result" => {
            let path = path(cursor)?;
            if path.0.iter().any(|step| matches!(step, Step::Each)) {
                return Err(before.error("[] goes through all elements, so it belongs inside count() or sum()"));
            }
            Operand::Path(path)
        }
        "input" => {
            let name = input(cursor)?;
            cursor.eat_exactly(".size").then_some(()).ok_or_else(|| {
                cursor.error("expected .size; an input's content is only compared as sha256(input.NAME)")
            })?;
            Operand::Size(name)
        }
        "sha256" => {
            open(cursor)?;
            expect_word(cursor, "input", "input.NAME")?;
            let name = input(cursor)?;
            close(cursor)?;
            Operand::Sha256(name)
        }
        "len" | "count" | "sum" => {
            open(cursor)?;
            let inside = cursor.clone();
            expect_word(cursor, "result", "a path like result.items")?;
            let path = path(cursor)?;
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

fn number(cursor: &mut Cursor<'_>) -> Result<Decimal, SyntaxError> {
    cursor.skip_spaces();
    let before = cursor.clone();
    let text = cursor.take_while(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '+' | '.'));
    // The very reading a result gets, so that the same digits are the same number on both sides.
    let number = serde_json::from_str::<Number>(text).ok().and_then(|number| Decimal::from_number(&number));
    number.ok_or_else(|| before.error("expected a number as in JSON, like -12, 0.5 or 1e6"))
}

fn range(cursor: &mut Cursor<'_>) -> Result<(Decimal, Decimal), SyntaxError> {
    let shape = "expected a range like [355.0, 361.0]";
    if !cursor.eat("[") {
        return Err(cursor.error(shape));
    }
    let low = number(cursor)?;
    if !cursor.eat(",") {
        return Err(cursor.error(shape));
    }
    cursor.skip_spaces();
    let second = cursor.clone();
    let high = number(cursor)?;
    if !cursor.eat("]") {
        return Err(cursor.error(shape));
    }
    if low > high { Err(second.error("the range is empty: its end is below its start")) } else { Ok((low, high)) }
}

fn pattern(cursor: &mut Cursor<'_>) -> Result<Pattern, SyntaxError> {
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
    Pattern::parse(&source).ok_or_else(|| {
        before.error("not a pattern of ECMA 262, one with look-around or back-references, or too long a one")
    })
}

fn path(cursor: &mut Cursor<'_>) -> Result<Path, SyntaxError> {
    let mut steps = Vec::new();
    while let Some(step) = step(cursor)? {
        if steps.len() == PATH_STEPS {
            return Err(cursor.error(format!("a path has at most {PATH_STEPS} steps")));
        }
        steps.push(step);
    }
    Ok(Path(steps))
}

/// The name of an input, which is one step from `input`.
fn input(cursor: &mut Cursor<'_>) -> Result<String, SyntaxError> {
    let before = cursor.clone();
    match step(cursor)? {
        Some(Step::Key(name)) => Ok(name),
        _ => Err(before.error("expected the name of an input: input.NAME or input[\"NAME\"]")),
    }
}

fn step(cursor: &mut Cursor<'_>) -> Result<Option<Step>, SyntaxError> {
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
