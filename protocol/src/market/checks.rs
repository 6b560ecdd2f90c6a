//! What a result must satisfy: a JSON Schema and assertions, as data that both sides run with this same code.
//!
//! In come checks (from an offer, or sealed until the verdict), the bytes of a result and what is known of the inputs;
//! out comes a report with an outcome for each check. Both the checks and the result are somebody else's: nothing here
//! may panic, fetch, recurse or work without bound on account of either.
//!
//! Decoding is cheap and proves the shape; [`Checks::compile`] builds the expensive parts (patterns, the schema) and is
//! where these are judged. An author compiles before publishing, a worker before claiming.
//!
//! An assertion is one line:
//!
//! ```text
//! result.rows == 820                        also != < <= > >=, and a path on either side
//! result.mean in [355.0, 361.0]             both ends belong to it
//! result.name matches /^[a-z]+$/            a pattern as in JSON Schema; unanchored unless it says so
//! len(result.rows) == 12                    characters of a text, elements of an array, keys of an object
//! count(result.items[].ok) >= 10            elements where it is there and neither null nor false
//! sum(result.items[].n) == result.total     of numbers only
//! result.digest == sha256(input.table)      lowercase hexadecimal of that input's bytes
//! result.bytes == input["co2.csv"].size
//! ```
//!
//! Patterns, there and in schemas, are those of ECMA 262 without look-around and back-references: they run in linear time.
//!
//! Numbers compare as exact decimals. A JSON number that is no integer of 64 bits is read as the nearest double and taken
//! for the shortest decimal that reads back as it (so `0.1` is exactly 0.1), in a result and in an assertion alike: two
//! numbers that differ only beyond 17 digits are one. A path that leads nowhere fails its check, also under `!=`. Of two
//! equal keys in one object the last counts.

mod assert;
mod decimal;
mod pattern;
mod report;
mod schema;

use std::fmt;

use regex::{Regex, RegexBuilder};
use serde::{Deserialize, Deserializer, Serialize, de};
use serde_json::Value;

pub use self::assert::Assert;
pub use self::report::{Outcome, Report};
pub use self::schema::{CompiledSchema, Schema};
use super::constraint::SyntaxError;
use crate::id::{Bytes32, sha256};
use crate::limits::{ASSERT, ASSERTS, PATTERN, PATTERN_MEMORY, SCHEMA, SCHEMA_DEPTH, SCHEMA_PATTERNS, SCHEMA_WEIGHT};
use report::line;

/// What a result must satisfy. Nothing at all means: be JSON.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Checks {
    /// The schema of the result.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<Schema>,
    /// At most [`ASSERTS`].
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "at_most::<ASSERTS, _, _>")]
    pub asserts: Vec<Assert>,
}

/// Assertions that a worker cannot work to: only [`Sealed::commitment`] is known until they are opened.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sealed {
    /// Random, so that nobody finds the assertions by guessing them.
    pub salt: Bytes32,
    /// At most [`ASSERTS`].
    #[serde(deserialize_with = "at_most::<ASSERTS, _, _>")]
    pub checks: Vec<Assert>,
}

/// Checks that are ready to run, any number of times.
#[derive(Debug)]
pub struct Compiled {
    schema: Option<CompiledSchema>,
    asserts: Vec<(Assert, Option<Regex>)>,
}

/// What assertions may ask about the inputs of a hire.
pub trait Inputs {
    /// The hash of the named input's bytes, if there is such an input.
    fn sha256(&self, name: &str) -> Option<Bytes32>;
    /// How many bytes the named input has.
    fn size(&self, name: &str) -> Option<u64>;
}

/// Why checks are not checks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Invalid {
    /// An assertion is too long.
    #[error("an assertion has at most {ASSERT} bytes; split it, or use a schema")]
    AssertTooLong,
    /// An assertion that does not print as one plain line.
    #[error("an assertion is one line without control characters")]
    AssertNotALine,
    /// An assertion that does not parse.
    #[error(transparent)]
    Syntax(#[from] SyntaxError),
    /// More assertions than are decoded.
    #[error("at most {ASSERTS} assertions")]
    TooManyAsserts,
    /// A pattern that takes more than [`PATTERN_MEMORY`] when compiled, or that the engine refuses otherwise.
    #[error("the pattern in `{assert}` does not compile: {reason}")]
    Pattern {
        /// The assertion.
        assert: String,
        /// The engine's reason, in one line.
        reason: String,
    },
    /// A pattern in a schema that is none.
    #[error("{0:?} is not a pattern of ECMA 262, one with look-around or back-references, or over {PATTERN} bytes")]
    SchemaPattern(String),
    /// A schema is too long.
    #[error("a schema has at most {SCHEMA} bytes, this one has {0}")]
    SchemaTooLong(usize),
    /// A schema is not JSON.
    #[error("the schema is not JSON: {0}")]
    SchemaNotJson(String),
    /// A schema on the wire that is not in the one form that is allowed there.
    #[error("a schema on the wire is compact JSON with sorted keys")]
    SchemaNotCanonical,
    /// A draft that is not spoken here.
    #[error("$schema must be draft-07, 2019-09 or 2020-12, or absent")]
    SchemaDraft,
    /// A keyword that is refused, here or anywhere.
    #[error("{0} is not accepted {1}")]
    SchemaKeyword(&'static str, &'static str),
    /// A reference out of the schema, or in a form that is not a plain pointer.
    #[error("$ref {0:?} is not accepted: write the schema into $defs and refer to #/$defs/NAME; nothing is fetched")]
    SchemaRef(String),
    /// A reference to nothing.
    #[error("$ref {0:?} leads nowhere")]
    SchemaRefMissing(String),
    /// A reference that comes back to itself.
    #[error("$ref {0:?} is recursive; write out the levels that are needed")]
    SchemaRecursive(String),
    /// Nested too deep.
    #[error("a schema has at most {SCHEMA_DEPTH} levels with its references written out")]
    SchemaTooDeep,
    /// Too many nodes.
    #[error("a schema has at most {SCHEMA_WEIGHT} nodes with its references written out")]
    SchemaTooHeavy,
    /// Too many patterns.
    #[error("a schema has at most {SCHEMA_PATTERNS} patterns")]
    SchemaPatterns,
    /// Not a JSON Schema.
    #[error("not a JSON Schema: {0}")]
    Schema(String),
}

impl Checks {
    /// Make them ready to run: judges the schema and the patterns.
    pub fn compile(&self) -> Result<Compiled, Invalid> {
        let schema = self.schema.as_ref().map(Schema::compile).transpose()?;
        Ok(Compiled { schema, asserts: compile_asserts(&self.asserts)? })
    }
}

impl Sealed {
    /// What is published before they are opened: no other salt and assertions have it.
    pub fn commitment(&self) -> Bytes32 {
        let mut bytes = Vec::new();
        for assert in &self.checks {
            bytes.extend_from_slice(&(assert.as_str().len() as u64).to_be_bytes());
            bytes.extend_from_slice(assert.as_str().as_bytes());
        }
        sha256(&[b"gigmesh/sealed\0", &self.salt.0, &bytes])
    }

    /// As [`Checks::compile`].
    pub fn compile(&self) -> Result<Compiled, Invalid> {
        Ok(Compiled { schema: None, asserts: compile_asserts(&self.checks)? })
    }
}

fn compile_asserts(asserts: &[Assert]) -> Result<Vec<(Assert, Option<Regex>)>, Invalid> {
    if asserts.len() > ASSERTS {
        return Err(Invalid::TooManyAsserts);
    }
    asserts.iter().map(|assert| Ok((assert.clone(), assert.compile()?))).collect()
}

impl Assert {
    /// Its pattern, if it has one, ready to run.
    pub(crate) fn compile(&self) -> Result<Option<Regex>, Invalid> {
        let Some(pattern) = self.pattern() else { return Ok(None) };
        let regex = RegexBuilder::new(&pattern.regex).size_limit(PATTERN_MEMORY).dfa_size_limit(PATTERN_MEMORY).build();
        let unfit =
            |error: regex::Error| Invalid::Pattern { assert: self.to_string(), reason: line(&error.to_string()) };
        regex.map(Some).map_err(unfit)
    }
}

impl Compiled {
    /// Run all of them over the bytes of a result. The caller bounds these: parsed JSON may take thirty times as much.
    pub fn run(&self, result: &[u8], inputs: &dyn Inputs) -> Report {
        let value: Value = match serde_json::from_slice(result) {
            Ok(value) => value,
            Err(error) => return Report { outcomes: vec![Outcome::new("result is JSON", Err(error.to_string()))] },
        };
        let schema = self.schema.iter().map(|schema| Outcome::new("schema", schema.check(&value, result.len())));
        let asserts = self
            .asserts
            .iter()
            .map(|(assert, pattern)| Outcome::new(assert.as_str(), assert.run(pattern.as_ref(), &value, inputs)));
        Report { outcomes: schema.chain(asserts).collect() }
    }
}

/// A list of at most `MAX`, refused as soon as there is one more.
fn at_most<'de, const MAX: usize, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<T>, D::Error> {
    struct Bounded<const MAX: usize, T>(std::marker::PhantomData<T>);
    impl<'de, const MAX: usize, T: Deserialize<'de>> de::Visitor<'de> for Bounded<MAX, T> {
        type Value = Vec<T>;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "a list of at most {MAX}")
        }
        fn visit_seq<A: de::SeqAccess<'de>>(self, mut items: A) -> Result<Vec<T>, A::Error> {
            let mut list = Vec::new();
            while let Some(item) = items.next_element()? {
                if list.len() == MAX {
                    return Err(de::Error::invalid_length(MAX + 1, &self));
                }
                list.push(item);
            }
            Ok(list)
        }
    }
    deserializer.deserialize_seq(Bounded::<MAX, T>(std::marker::PhantomData))
}

#[cfg(test)]
mod tests;
