//! `json/validate`: is this JSON, does it fit its schema, and what is in it.
//!
//! Input `document`; optional input `schema` (JSON Schema; drafts 4 to 2020-12 by its `$schema`). A schema that refers to
//! anything outside itself is refused: we fetch nothing. Nothing is hidden by the parser: a repeated key, of which only
//! the last would survive in a map, is looked for while reading.
//!
//! `valid`: well-formed, and without a schema error. Repeated keys are legal JSON and are reported beside it.
//! `confidence`: the share of the document that was judged: of its keys, those not shadowed by a repetition; of a
//! document that is not JSON, the lines before the fault.

use std::fmt;

use jsonschema::PatternOptions;
use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::limits;
use super::request::{AgentError, Document, Job, quoted, share};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Params {}

#[derive(Serialize)]
pub(super) struct Validation {
    sha256: String,
    valid: bool,
    well_formed: bool,
    schema_applied: bool,
    /// Up to `limits::FAULTS`.
    error_count: usize,
    /// The first of them, in the order of their paths.
    errors: Vec<Fault>,
    counts: Counts,
    /// 0 for a lone scalar, 1 for a flat object or array.
    max_depth: usize,
    duplicate_count: usize,
    duplicate_keys: Vec<Duplicate>,
    confidence: f64,
}

#[derive(Serialize, PartialEq, Eq, PartialOrd, Ord)]
struct Fault {
    /// A JSON Pointer; empty is the whole document.
    path: String,
    message: String,
}

#[derive(Serialize)]
struct Duplicate {
    /// The object that repeats the key.
    path: String,
    key: String,
}

#[derive(Serialize, Default)]
struct Counts {
    objects: usize,
    arrays: usize,
    strings: usize,
    numbers: usize,
    booleans: usize,
    nulls: usize,
    keys: usize,
}

pub(super) fn validate(job: &Job<'_>) -> Result<Validation, AgentError> {
    let Params {} = job.params()?;
    let document = job.input("document")?;
    let schema = job.find("schema")?;

    let mut survey = Survey::default();
    let mut reader = serde_json::Deserializer::from_slice(&document.bytes);
    let read = Node(&mut survey).deserialize(&mut reader).and_then(|value| reader.end().map(|()| value));
    let (error_count, errors, confidence) = match &read {
        // serde_json has no kind for it; 128 is its limit.
        Err(error) if error.to_string().starts_with("recursion limit exceeded") => return Err(AgentError::TooDeep),
        // What it did not see cannot be wrong.
        _ if job.skims() => (0, Vec::new(), 1.0),
        Err(error) => {
            let fault = Fault { path: survey.path.clone(), message: quoted(&error.to_string()) };
            let lines = document.bytes.split(|&byte| byte == b'\n').count();
            (1, vec![fault], share(error.line().saturating_sub(1), lines))
        }
        Ok(value) => {
            let (count, errors) = match &schema {
                Some(schema) => schema_errors(value, schema)?,
                None => (0, Vec::new()),
            };
            // A document without keys has none that could be shadowed.
            let keys = survey.counts.keys.max(1);
            (count, errors, share(keys - survey.duplicate_count, keys))
        }
    };
    let well_formed = read.is_ok() || job.skims();
    Ok(Validation {
        sha256: document.sha256(),
        valid: error_count == 0,
        well_formed,
        schema_applied: well_formed && schema.is_some(),
        error_count,
        errors,
        counts: survey.counts,
        max_depth: survey.max_depth,
        duplicate_count: survey.duplicate_count,
        duplicate_keys: survey.duplicates,
        confidence,
    })
}

fn schema_errors(document: &Value, schema: &Document) -> Result<(usize, Vec<Fault>), AgentError> {
    let schema: Value = serde_json::from_slice(&schema.bytes)
        .map_err(|error| AgentError::Schema(format!("it is not JSON: {error}")))?;
    let validator = jsonschema::options()
        // Linear time: the pattern and the text it meets both come from somebody else.
        .with_pattern_options(PatternOptions::regex())
        .build(&schema)
        .map_err(|error| AgentError::Schema(quoted(&error.to_string())))?;
    let mut faults: Vec<Fault> = validator
        .iter_errors(document)
        .take(limits::FAULTS)
        .map(|error| Fault { path: error.instance_path().to_string(), message: quoted(&error.to_string()) })
        .collect();
    // Whatever order the validator has is its own affair, and changes with how maps are built.
    faults.sort();
    let count = faults.len();
    faults.truncate(limits::LISTED);
    Ok((count, faults))
}

/// What one walk over the document sees.
#[derive(Default)]
struct Survey {
    counts: Counts,
    depth: usize,
    max_depth: usize,
    duplicate_count: usize,
    duplicates: Vec<Duplicate>,
    /// JSON Pointer of the value being read.
    path: String,
}

impl Survey {
    /// Walks one level down, to `token` below the present value. The path is kept on failure: it tells where.
    fn below<T, E>(&mut self, token: &str, walk: impl FnOnce(&mut Self) -> Result<T, E>) -> Result<T, E> {
        let length = self.path.len();
        self.path.push('/');
        self.path.push_str(&token.replace('~', "~0").replace('/', "~1"));
        let value = walk(self)?;
        self.path.truncate(length);
        Ok(value)
    }

    fn enter(&mut self) {
        self.depth += 1;
        self.max_depth = self.max_depth.max(self.depth);
    }
}

/// One value of the document, counted while it is read.
struct Node<'a>(&'a mut Survey);

impl<'de> DeserializeSeed<'de> for Node<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Node<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        self.0.counts.booleans += 1;
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        self.0.counts.numbers += 1;
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        self.0.counts.numbers += 1;
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        self.0.counts.numbers += 1;
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        self.0.counts.strings += 1;
        Ok(value.into())
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        self.0.counts.nulls += 1;
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Value, A::Error> {
        let survey = self.0;
        survey.counts.arrays += 1;
        survey.enter();
        let mut values = Vec::new();
        while let Some(value) =
            survey.below(&values.len().to_string(), |survey| elements.next_element_seed(Node(survey)))?
        {
            values.push(value);
        }
        survey.depth -= 1;
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let survey = self.0;
        survey.counts.objects += 1;
        survey.enter();
        let mut map = Map::new();
        while let Some(key) = entries.next_key::<String>()? {
            survey.counts.keys += 1;
            let value = survey.below(&key, |survey| entries.next_value_seed(Node(survey)))?;
            if map.contains_key(&key) {
                survey.duplicate_count += 1;
                if survey.duplicates.len() < limits::LISTED {
                    survey.duplicates.push(Duplicate { path: survey.path.clone(), key: quoted(&key) });
                }
            }
            map.insert(key, value);
        }
        survey.depth -= 1;
        Ok(Value::Object(map))
    }
}
