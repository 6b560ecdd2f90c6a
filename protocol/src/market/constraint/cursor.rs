//! A place in a text that is being parsed, and an error that points at it: for the market's two little languages, this
//! one and the checks'.

use std::fmt;

/// A text that does not follow its grammar, and where it stops doing so.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("column {column}: {message}")]
pub struct SyntaxError {
    /// Counted in characters from 1.
    pub column: usize,
    /// What was expected there.
    pub message: String,
}

/// `text` between quotes, as [`Cursor::quoted`] reads it.
pub(in crate::market) fn write_quoted(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    write!(f, "\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

#[derive(Clone)]
pub(in crate::market) struct Cursor<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Cursor<'a> {
    pub(in crate::market) fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    pub(in crate::market) fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    pub(in crate::market) fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    pub(in crate::market) fn is_done(&self) -> bool {
        self.rest().is_empty()
    }

    pub(in crate::market) fn skip_spaces(&mut self) {
        self.take_while(|c| c == ' ');
    }

    /// The longest run of characters that `fit`, possibly empty.
    pub(in crate::market) fn take_while(&mut self, fit: impl Fn(char) -> bool) -> &'a str {
        let rest = self.rest();
        let end = rest.find(|c| !fit(c)).unwrap_or(rest.len());
        self.at += end;
        &rest[..end]
    }

    /// Step over spaces and `token`, if it is next; otherwise only over the spaces.
    pub(in crate::market) fn eat(&mut self, token: &str) -> bool {
        self.skip_spaces();
        self.eat_exactly(token)
    }

    /// Step over `token`, if it is what comes next, without a space before it.
    pub(in crate::market) fn eat_exactly(&mut self, token: &str) -> bool {
        let found = self.rest().starts_with(token);
        if found {
            self.at += token.len();
        }
        found
    }

    /// The text between two quotes; `\"` and `\\` stand for a quote and a backslash.
    pub(in crate::market) fn quoted(&mut self) -> Result<String, SyntaxError> {
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
    pub(in crate::market) fn error(&self, message: impl Into<String>) -> SyntaxError {
        SyntaxError { column: self.text[..self.at].chars().count() + 1, message: message.into() }
    }
}
