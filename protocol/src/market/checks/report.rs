//! What came of running checks, in lines that may be sent, stored and printed whoever wrote what they quote.

use serde::{Deserialize, Deserializer, Serialize, de};

use super::at_most;
use crate::limits::{LINE, OUTCOMES};
use crate::untrusted::Untrusted;

/// What came of running checks over a result.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Report {
    /// One for each check, the schema first; a single failed one if the result is not JSON.
    #[serde(deserialize_with = "at_most::<OUTCOMES, _, _>")]
    pub outcomes: Vec<Outcome>,
}

/// What came of one check.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Outcome {
    /// The text of the assertion, `schema`, or `result is JSON`.
    #[serde(deserialize_with = "clean")]
    pub check: Untrusted,
    /// Why it failed; nothing if it passed. Quotes the result. One line, bounded.
    #[serde(default, skip_serializing_if = "Untrusted::is_empty", deserialize_with = "clean")]
    pub detail: Untrusted,
    /// Whether the result satisfies it.
    pub passed: bool,
}

impl Report {
    /// Whether every check passed.
    pub fn passed(&self) -> bool {
        self.outcomes.iter().all(|outcome| outcome.passed)
    }

    /// How many in a thousand passed, rounded down; all of none.
    pub fn share(&self) -> u16 {
        let passed = self.outcomes.iter().filter(|outcome| outcome.passed).count();
        let share = (passed * 1000).checked_div(self.outcomes.len()).unwrap_or(1000);
        u16::try_from(share).unwrap_or(1000)
    }
}

impl Outcome {
    pub(super) fn new(check: &str, outcome: Result<(), String>) -> Self {
        let passed = outcome.is_ok();
        let detail = outcome.err().map(|why| Untrusted::new(line(&why))).unwrap_or_default();
        Self { check: Untrusted::new(line(check)), detail, passed }
    }

    /// Check and detail as a record says them.
    pub(crate) fn line(&self) -> String {
        format!("{}: {}", self.check.raw(), self.detail.raw())
    }
}

/// `text` as one bounded line that is safe to print: nothing that moves a cursor or turns the direction of writing.
pub(super) fn line(text: &str) -> String {
    let plain = |c: char| {
        let hidden =
            c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        if hidden { ' ' } else { c }
    };
    // A space is the shortest character, so what fits here fits after.
    if text.len() <= LINE {
        return text.chars().map(plain).collect();
    }
    let end = text.floor_char_boundary(LINE - '…'.len_utf8());
    text[..end].chars().map(plain).chain(['…']).collect()
}

/// A text that [`line`] would leave as it is.
fn clean<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Untrusted, D::Error> {
    let text = String::deserialize(deserializer)?;
    if line(&text) == text {
        Ok(Untrusted::new(text))
    } else {
        Err(de::Error::custom("a line of a report is too long or not plain"))
    }
}
