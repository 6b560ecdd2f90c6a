//! Reads the text of a constraint. Every error names the place, what was expected there, and what was probably meant.
//!
//! ```text
//! any  = all ("or" all)*
//! all  = one ("and" one)*
//! one  = "not" one | "(" any ")" | "exists" KEY | KEY test
//! test = ("=" | "!=") value | ("<" | "<=" | ">" | ">=") scalar | "in" list | "has" scalar | "prefix" TEXT
//! ```

use super::cursor::{Cursor, SyntaxError};
use super::expr::{Expr, Op, Test};
use super::moment;
use super::value::{Value, Version};
use super::{Invalid, Key};
use crate::limits::{CONSTRAINT_DEPTH, CONSTRAINT_TERMS, PROPERTY_LIST};

pub(super) fn constraint(text: &str) -> Result<Expr, SyntaxError> {
    let mut parser = Parser { cursor: Cursor::new(text), terms: 0, depth: 0 };
    let expr = parser.any()?;
    if parser.cursor.eat("") && parser.cursor.is_done() { Ok(expr) } else { Err(parser.unjoined("the end")) }
}

struct Parser<'a> {
    cursor: Cursor<'a>,
    terms: usize,
    /// `not` and parentheses around this place.
    depth: usize,
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn is_symbol(c: char) -> bool {
    "=!<>&|~".contains(c)
}

impl Parser<'_> {
    fn any(&mut self) -> Result<Expr, SyntaxError> {
        let mut parts = vec![self.all()?];
        while self.eat_word("or") {
            parts.push(self.all()?);
        }
        Ok(Expr::any(parts))
    }

    fn all(&mut self) -> Result<Expr, SyntaxError> {
        let mut parts = vec![self.one()?];
        while self.eat_word("and") {
            parts.push(self.one()?);
        }
        Ok(Expr::all(parts))
    }

    fn one(&mut self) -> Result<Expr, SyntaxError> {
        self.cursor.skip_spaces();
        let before = self.cursor.clone();
        if self.eat_word("not") {
            return self.within(&before, Self::one).map(|inner| Expr::Not(Box::new(inner)));
        }
        if self.cursor.eat("(") {
            let inner = self.within(&before, Self::any)?;
            return if self.cursor.eat(")") { Ok(inner) } else { Err(self.unjoined("')'")) };
        }
        if self.terms == CONSTRAINT_TERMS {
            return Err(before.error(format!("a constraint has at most {CONSTRAINT_TERMS} terms")));
        }
        self.terms += 1;
        if self.eat_word("exists") {
            if self.cursor.peek() == Some('(') {
                return Err(self.cursor.error("`exists` takes a name without parentheses: `exists gpu`"));
            }
            return Ok(Expr::Exists(self.key()?));
        }
        let key = self.key()?;
        let test = self.test(&key)?;
        Ok(Expr::Is { key, test })
    }

    fn within(
        &mut self,
        place: &Cursor<'_>,
        read: fn(&mut Self) -> Result<Expr, SyntaxError>,
    ) -> Result<Expr, SyntaxError> {
        if self.depth == CONSTRAINT_DEPTH {
            return Err(place.error(format!("`not` and parentheses nest at most {CONSTRAINT_DEPTH} deep")));
        }
        self.depth += 1;
        let expr = read(self);
        self.depth -= 1;
        expr
    }

    fn key(&mut self) -> Result<Key, SyntaxError> {
        self.cursor.skip_spaces();
        let before = self.cursor.clone();
        let name = self.cursor.take_while(|c| !c.is_whitespace() && !is_symbol(c) && !"()[]\"',;".contains(c));
        let first = name.chars().next().or(before.peek());
        let message = match (name, first) {
            (_, Some('!')) => "write `not`, not '!'".to_owned(),
            (_, Some('-' | '+' | '0'..='9' | '"' | '\'' | '[')) => {
                "a property comes first, then what it has to be: `cores >= 8`".to_owned()
            }
            ("", _) => "expected the name of a property, `not`, `exists` or '('".to_owned(),
            ("and" | "or" | "in" | "has" | "prefix" | "true" | "false", _) => {
                format!("expected the name of a property, `not`, `exists` or '(', and not `{name}`")
            }
            (word, _) if let Some(word) = lowered(word, &["not", "exists"]) => word,
            (name, _) => match name.parse() {
                Ok(key) => return Ok(key),
                Err(error) => Invalid::to_string(&error),
            },
        };
        Err(before.error(message))
    }

    fn test(&mut self, key: &Key) -> Result<Test, SyntaxError> {
        self.cursor.skip_spaces();
        let before = self.cursor.clone();
        let symbol = self.cursor.take_while(is_symbol);
        let word = if symbol.is_empty() { self.cursor.take_while(is_word) } else { "" };
        let op = match (symbol, word) {
            ("=", _) => Op::Equal,
            ("!=", _) => Op::NotEqual,
            ("<", _) => Op::Less,
            ("<=", _) => Op::AtMost,
            (">", _) => Op::Greater,
            (">=", _) => Op::AtLeast,
            ("", "in") => return self.one_of(),
            ("", "has") => return self.scalar("`has` takes one value; write `has` for each of them").map(Test::Has),
            ("", "prefix") => return self.prefix(),
            (symbol, word) => return Err(before.error(no_operator(symbol, word, key))),
        };
        let equality = matches!(op, Op::Equal | Op::NotEqual);
        self.cursor.skip_spaces();
        let before = self.cursor.clone();
        let value = if before.peek() == Some('[') { Value::List(self.list()?) } else { self.scalar("")? };
        if !equality && matches!(value, Value::Bool(_) | Value::List(_)) {
            return Err(before.error("only numbers, texts, versions and times have an order; use = or !="));
        }
        Ok(Test::Compare(op, value))
    }

    fn one_of(&mut self) -> Result<Test, SyntaxError> {
        self.cursor.skip_spaces();
        let before = self.cursor.clone();
        if before.peek() != Some('[') {
            return Err(before.error("`in` takes a list of values: `region in [\"ch\", \"eu\"]`"));
        }
        let values = self.list()?;
        if values.is_empty() { Err(before.error("nothing is in an empty list")) } else { Ok(Test::In(values)) }
    }

    fn prefix(&mut self) -> Result<Test, SyntaxError> {
        self.cursor.skip_spaces();
        let before = self.cursor.clone();
        match self.scalar("")? {
            Value::Text(text) => Ok(Test::Prefix(text)),
            _ => Err(before.error("only a text has a prefix: `model prefix \"some-\"`")),
        }
    }

    fn list(&mut self) -> Result<Vec<Value>, SyntaxError> {
        let before = self.cursor.clone();
        self.cursor.eat("[");
        let mut items = Vec::new();
        while !self.cursor.eat("]") {
            if !items.is_empty() && !self.cursor.eat(",") {
                return Err(self.cursor.error("expected ',' or ']'"));
            }
            if items.len() == PROPERTY_LIST {
                return Err(before.error(Invalid::List.to_string()));
            }
            items.push(self.scalar("a list holds no lists")?);
        }
        Ok(items)
    }

    /// A value that is no list; `no_list` says why not.
    fn scalar(&mut self, no_list: &str) -> Result<Value, SyntaxError> {
        self.cursor.skip_spaces();
        let before = self.cursor.clone();
        let value = match before.peek() {
            Some('"') => Ok(Value::Text(self.cursor.quoted()?)),
            Some('\'') => return Err(before.error("a text stands in double quotes: \"eu\"")),
            Some('[') => return Err(before.error(no_list)),
            Some('-' | '+' | '.' | '0'..='9') => {
                numeric(self.cursor.take_while(|c| c.is_alphanumeric() || "-+.:".contains(c)))
            }
            _ => match self.cursor.take_while(|c| is_word(c) || "-+.".contains(c)) {
                "true" => Ok(Value::Bool(true)),
                "false" => Ok(Value::Bool(false)),
                word => match Version::parse(word) {
                    Some(version) => Ok(Value::Version(version)),
                    None => return Err(before.error(no_value(word))),
                },
            },
        };
        let checked = value.and_then(|value| value.check().map(|()| value));
        checked.map_err(|error| before.error(error.to_string()))
    }

    /// Step over `word` and the spaces around it, if it is next and whole.
    fn eat_word(&mut self, word: &str) -> bool {
        self.cursor.skip_spaces();
        let mut after = self.cursor.clone();
        let found = after.take_while(is_word) == word;
        if found {
            after.skip_spaces();
            self.cursor = after;
        }
        found
    }

    /// The error where something follows that nothing joins to what came before.
    fn unjoined(&self, end: &str) -> SyntaxError {
        let mut after = self.cursor.clone();
        let symbol = after.take_while(is_symbol);
        let word = after.take_while(is_word);
        self.cursor.error(match (symbol, self.cursor.peek()) {
            ("&" | "&&", _) => "write `and`, not '&&'".to_owned(),
            ("|" | "||", _) => "write `or`, not '||'".to_owned(),
            (_, Some(',' | ';')) => "demands are joined by `and` or `or`".to_owned(),
            (_, Some(')')) => "this parenthesis was never opened".to_owned(),
            (_, Some('\t' | '\n' | '\r')) => "a constraint is one line, and only spaces part its words".to_owned(),
            _ => lowered(word, &["and", "or"]).unwrap_or_else(|| format!("expected `and`, `or` or {end}")),
        })
    }
}

/// What to do about one of the language's words in capitals.
fn lowered(word: &str, words: &[&str]) -> Option<String> {
    let lower = word.to_ascii_lowercase();
    (lower != word && words.contains(&lower.as_str())).then(|| format!("write `{lower}` in lower case"))
}

/// What to do about something that is no operator.
fn no_operator(symbol: &str, word: &str, key: &Key) -> String {
    let meant = match (symbol, word.to_ascii_lowercase().as_str()) {
        ("==" | "===", _) | ("", "is" | "eq" | "equals") => "'='",
        ("<>" | "!==" | "~=", _) => "'!='",
        ("=<", _) => "'<='",
        ("=>", _) => "'>='",
        ("", "contains" | "includes" | "holds") => "`has`",
        ("", "like" | "matches" | "startswith" | "starts_with" | "starts") => "`prefix`",
        ("", lower @ ("in" | "has" | "prefix")) => return format!("write `{lower}` in lower case"),
        ("", "not") => return format!("`not` comes before the name: `not {key} in [...]`"),
        ("", "exists") => return format!("`exists` comes before the name: `exists {key}`"),
        _ => {
            return format!(
                "expected = != < <= > >= `in`, `has` or `prefix` after {key}; alone it is `exists {key}` or `{key} = true`"
            );
        }
    };
    format!("write {meant}, not {}", if symbol.is_empty() { format!("`{word}`") } else { format!("'{symbol}'") })
}

/// Enough of a word to know it by.
fn short(word: &str) -> String {
    word.chars().take(40).collect()
}

/// A time where there are four digits and a dash, else a number.
fn numeric(text: &str) -> Result<Value, Invalid> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    match text.as_bytes().get(digits) {
        Some(b'-') if digits == 4 => moment::parse(text).map(Value::Time).ok_or_else(|| Invalid::Time(short(text))),
        _ if Version::parse(&format!("v{text}")).is_some() => Err(Invalid::Version(text.to_owned())),
        _ => Value::number(text),
    }
}

/// What to do about something that is no value.
fn no_value(word: &str) -> String {
    let lower = word.to_ascii_lowercase();
    let version = word.strip_prefix(['v', 'V']).is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
    match lower.as_str() {
        "" => "expected a value: true, false, a number, a \"text\", a version v1.4.0, a time 2026-11-21 or a [list] of these"
            .to_owned(),
        "true" | "false" => format!("write `{lower}` in lower case"),
        "null" | "none" | "nil" | "undefined" => {
            "there is no such value; whether something is stated is asked with `exists`".to_owned()
        }
        _ if version => Invalid::Version(short(word)).to_string(),
        _ => format!("expected a value; a text stands in double quotes: \"{}\"", short(word)),
    }
}
