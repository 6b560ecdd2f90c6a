//! JSON Schemas from strangers: one canonical text, weighed before anything expensive is built of it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Invalid;
use super::pattern::Pattern;
use super::report::line;
use crate::limits::{EXPLAINED, PATTERN_MEMORY, SCHEMA, SCHEMA_DEPTH, SCHEMA_PATTERNS, SCHEMA_WEIGHT, SCHEMA_WORK};

/// What these keywords weigh at one place of a result: some 30 times what others take (hashing, big fractions).
const COSTLY_KEYWORD: u64 = 32;
/// The drafts in use. Draft 4 names its `$id` differently, so what bounds references would not hold there.
const DRAFTS: [(&str, jsonschema::Draft); 3] = [
    ("http://json-schema.org/draft-07/schema", jsonschema::Draft::Draft7),
    ("https://json-schema.org/draft/2019-09/schema", jsonschema::Draft::Draft201909),
    ("https://json-schema.org/draft/2020-12/schema", jsonschema::Draft::Draft202012),
];

/// A JSON Schema (draft 7, 2019-09 or 2020-12; the last unless it says so) as compact JSON with sorted keys.
///
/// References are to `#/...` within it and not recursive; `unevaluatedProperties` and `unevaluatedItems` are refused,
/// because nested ones evaluate the same subschemas again and again. Formats are checked.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Schema(String);

/// A schema that is ready to run. Also what a manifest's input schema is checked with.
#[derive(Debug)]
pub struct CompiledSchema {
    validator: jsonschema::Validator,
    weight: u64,
}

impl Schema {
    /// A schema as somebody wrote it, in any layout. Its canonical text must keep the bounds.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        // Before parsing: a document in pretty print is a few times its canonical size, never this many.
        if text.len() > 16 * SCHEMA {
            return Err(Invalid::SchemaTooLong(text.len()));
        }
        let value = serde_json::from_str(text).map_err(|error| Invalid::SchemaNotJson(error.to_string()))?;
        Self::from_json(value)
    }

    /// The same, of parsed JSON.
    pub fn from_json(mut value: Value) -> Result<Self, Invalid> {
        value.sort_all_objects();
        let text = value.to_string();
        if text.len() > SCHEMA {
            return Err(Invalid::SchemaTooLong(text.len()));
        }
        weigh(&value)?;
        Ok(Self(text))
    }

    /// The canonical text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Build the validator. Costs milliseconds for a large schema.
    pub fn compile(&self) -> Result<CompiledSchema, Invalid> {
        let value: Value = serde_json::from_str(&self.0).map_err(|error| Invalid::SchemaNotJson(error.to_string()))?;
        let weight = weigh(&value)?;
        let patterns = jsonschema::PatternOptions::regex().size_limit(PATTERN_MEMORY).dfa_size_limit(PATTERN_MEMORY);
        let validator = jsonschema::options()
            .offline()
            .with_draft(draft(&value)?)
            .with_pattern_options(patterns)
            .should_validate_formats(true)
            // The built-in one would compile a pattern out of the result, without our limits.
            .with_format("regex", |_: &str| true)
            .build(&value)
            .map_err(|error| Invalid::Schema(line(&format!("{error} (at {:?})", error.instance_path().as_str()))))?;
        Ok(CompiledSchema { validator, weight })
    }
}

impl CompiledSchema {
    /// Whether `value`, which was `bytes` long as JSON, satisfies the schema; otherwise why not, in one line.
    pub fn check(&self, value: &Value, bytes: usize) -> Result<(), String> {
        if self.weight.saturating_mul(bytes as u64) > SCHEMA_WORK {
            return Err(format!("{bytes} bytes are too much to check against a schema of {} nodes", self.weight));
        }
        if self.validator.is_valid(value) {
            return Ok(());
        }
        if bytes > EXPLAINED {
            return Err("it does not satisfy the schema, and is too large to say where".to_owned());
        }
        match self.validator.validate(value) {
            Ok(()) => Ok(()),
            Err(error) => match error.instance_path().as_str() {
                "" => Err(line(&error.to_string())),
                path => Err(line(&format!("at {path}: {error}"))),
            },
        }
    }
}

impl TryFrom<String> for Schema {
    type Error = Invalid;
    fn try_from(text: String) -> Result<Self, Invalid> {
        let schema = Self::parse(&text)?;
        if schema.0 == text { Ok(schema) } else { Err(Invalid::SchemaNotCanonical) }
    }
}
impl From<Schema> for String {
    fn from(schema: Schema) -> Self {
        schema.0
    }
}

fn draft(schema: &Value) -> Result<jsonschema::Draft, Invalid> {
    let Some(named) = schema.get("$schema") else { return Ok(jsonschema::Draft::Draft202012) };
    let named = named.as_str().map(|uri| uri.trim_end_matches('#'));
    DRAFTS.into_iter().find(|(uri, _)| Some(*uri) == named).map(|(_, draft)| draft).ok_or(Invalid::SchemaDraft)
}

/// The nodes of a schema with its references written out, which bounds what a validator does at one place of a result.
/// Everything is taken for a subschema, also what is only data under `enum` or `const`: too much, never too little.
fn weigh(schema: &Value) -> Result<u64, Invalid> {
    draft(schema)?;
    let mut scales = Scales { schema, patterns: 0, open: Vec::new(), known: BTreeMap::new() };
    scales.weigh(schema, 0).map(|(weight, _)| weight)
}

struct Scales<'s> {
    schema: &'s Value,
    patterns: usize,
    /// References being followed now: meeting one of them again is a cycle.
    open: Vec<&'s str>,
    /// Weight and height of references followed before.
    known: BTreeMap<&'s str, (u64, usize)>,
}

impl<'s> Scales<'s> {
    /// Weight and height of the tree at `node`, which is `depth` below the top.
    fn weigh(&mut self, node: &'s Value, depth: usize) -> Result<(u64, usize), Invalid> {
        if depth >= SCHEMA_DEPTH {
            return Err(Invalid::SchemaTooDeep);
        }
        let (mut weight, mut height) = (1, 1);
        let mut add = |(more, below): (u64, usize)| {
            weight = more.saturating_add(weight);
            height = height.max(below + 1);
            if weight > SCHEMA_WEIGHT { Err(Invalid::SchemaTooHeavy) } else { Ok(()) }
        };
        match node {
            Value::Array(items) => {
                for item in items {
                    add(self.weigh(item, depth + 1)?)?;
                }
            }
            Value::Object(members) => {
                for (key, value) in members {
                    add((self.inspect(key, value, depth)?, 0))?;
                    add(self.weigh(value, depth + 1)?)?;
                    if let ("$ref", Value::String(reference)) = (key.as_str(), value) {
                        add(self.follow(reference, depth + 1)?)?;
                    }
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
        Ok((weight, height))
    }

    fn follow(&mut self, reference: &'s str, depth: usize) -> Result<(u64, usize), Invalid> {
        let named = || line(reference);
        if let Some((weight, height)) = self.known.get(reference) {
            let fits = depth + height <= SCHEMA_DEPTH;
            return if fits { Ok((*weight, *height)) } else { Err(Invalid::SchemaTooDeep) };
        }
        if self.open.contains(&reference) || reference == "#" {
            return Err(Invalid::SchemaRecursive(named()));
        }
        // Percent signs would let the validator read another pointer than this one.
        let pointer = reference.strip_prefix('#').filter(|pointer| pointer.starts_with('/') && !pointer.contains('%'));
        let pointer = pointer.ok_or_else(|| Invalid::SchemaRef(named()))?;
        let target = self.schema.pointer(pointer).ok_or_else(|| Invalid::SchemaRefMissing(named()))?;
        self.open.push(reference);
        let measured = self.weigh(target, depth)?;
        self.open.pop();
        self.known.insert(reference, measured);
        Ok(measured)
    }

    /// What a keyword weighs beyond its nodes. Refuses what the weight does not bound.
    fn inspect(&mut self, key: &str, value: &Value, depth: usize) -> Result<u64, Invalid> {
        let refuse = |keyword, place| Err(Invalid::SchemaKeyword(keyword, place));
        match (key, value) {
            ("$dynamicRef", Value::String(_)) => refuse("$dynamicRef", "anywhere"),
            ("$recursiveRef", Value::String(_)) => refuse("$recursiveRef", "anywhere"),
            ("unevaluatedItems", _) => refuse("unevaluatedItems", "anywhere"),
            ("unevaluatedProperties", _) => refuse("unevaluatedProperties", "anywhere"),
            // Either changes what the references below it mean.
            ("$id", Value::String(_)) if depth > 0 => refuse("$id", "below the top"),
            ("$schema", Value::String(_)) if depth > 0 => refuse("$schema", "below the top"),
            ("pattern", Value::String(pattern)) => self.pattern(pattern),
            ("patternProperties", Value::Object(patterns)) => {
                patterns.keys().try_fold(0_u64, |sum, pattern| Ok(sum.saturating_add(self.pattern(pattern)?)))
            }
            ("uniqueItems" | "multipleOf", _) => Ok(COSTLY_KEYWORD),
            _ => Ok(0),
        }
    }

    fn pattern(&mut self, pattern: &str) -> Result<u64, Invalid> {
        self.patterns += 1;
        if self.patterns > SCHEMA_PATTERNS {
            return Err(Invalid::SchemaPatterns);
        }
        Pattern::parse(pattern).map(|pattern| pattern.places).ok_or_else(|| Invalid::SchemaPattern(line(pattern)))
    }
}
