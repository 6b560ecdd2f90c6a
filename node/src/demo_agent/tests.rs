//! The demo agent against values computed without it (`node/demo/expected.py`), against inputs changed by one word, cell
//! or line, and against inputs that are wrong.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use gigmesh_protocol::id::Bytes32;
use gigmesh_protocol::market::checks::{Checks, Compiled, Inputs};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use super::{AgentError, Reading, SKILLS, limits, run};
use crate::{demo_files, task};

/// A working directory, as the node would make one.
struct Desk(TempDir);

impl Desk {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// With the demo's documents.
    fn demo() -> Self {
        let desk = Self::new();
        demo_files::write_to(desk.0.path()).unwrap();
        desk
    }

    fn path(&self, file: &str) -> std::path::PathBuf {
        self.0.path().join(file)
    }

    /// Replaces the first `from` in a file.
    fn edit(&self, file: &str, from: &str, to: &str) {
        let text = fs::read_to_string(self.path(file)).unwrap();
        assert!(text.contains(from), "{file} has no {from:?}");
        fs::write(self.path(file), text.replacen(from, to, 1)).unwrap();
    }

    fn toml(&self, name: &str) -> toml::Table {
        fs::read_to_string(self.path(&format!("tasks/{name}"))).unwrap().parse().unwrap()
    }

    /// The inputs of a task of the demo, and where they are.
    fn inputs(&self, name: &str) -> impl Iterator<Item = (String, String)> {
        let inputs = self.toml(name)["brief"]["inputs"].as_table().unwrap().clone();
        inputs.into_iter().map(|(name, path)| (name, path.as_str().unwrap().strip_prefix("../").unwrap().to_owned()))
    }

    /// Does a task of the demo.
    fn task(&self, name: &str) -> Value {
        self.task_by(name, Reading::Whole)
    }

    fn task_by(&self, name: &str, reading: Reading) -> Value {
        let task = self.toml(name);
        let inputs: Map<String, Value> =
            self.inputs(name).map(|(name, path)| (name, json!({ "path": path }))).collect();
        let params = task["brief"].get("params").map_or(json!({}), |params| serde_json::to_value(params).unwrap());
        let request = json!({ "hire": "00", "attempt": 1, "params": params, "inputs": inputs });
        run(task["skill"].as_str().unwrap(), &request, self.0.path(), reading).unwrap()
    }
}

/// Does a job on inputs given as bytes.
fn job(skill: &str, params: Value, inputs: &[(&str, &[u8])]) -> Result<Value, AgentError> {
    job_by(skill, params, inputs, Reading::Whole)
}

fn job_by(skill: &str, params: Value, inputs: &[(&str, &[u8])], reading: Reading) -> Result<Value, AgentError> {
    let desk = Desk::new();
    let mut named = Map::new();
    for (name, bytes) in inputs {
        fs::write(desk.path(name), bytes).unwrap();
        named.insert((*name).to_owned(), json!({ "path": name, "media": "text/markdown", "size": bytes.len() }));
    }
    run(skill, &json!({ "params": params, "inputs": named }), desk.0.path(), reading)
}

fn text(source: &[u8]) -> Value {
    job("text/statistics", json!({}), &[("document", source)]).unwrap()
}

fn table(source: &str, params: Value) -> Value {
    job("table/summarise", params, &[("table", source.as_bytes())]).unwrap()
}

fn document(source: &str) -> Value {
    job("json/validate", json!({}), &[("document", source.as_bytes())]).unwrap()
}

fn changelog(source: &str) -> Value {
    job("changelog/extract", json!({}), &[("document", source.as_bytes())]).unwrap()
}

/// Where `actual` does not hold what is `expected`; it may hold more.
fn differences(expected: &Value, actual: &Value, path: &str, found: &mut Vec<String>) {
    match (expected, actual) {
        (Value::Object(expected), Value::Object(actual)) => {
            for (key, value) in expected {
                differences(value, actual.get(key).unwrap_or(&Value::Null), &format!("{path}.{key}"), found);
            }
        }
        (Value::Array(expected), Value::Array(actual)) if expected.len() == actual.len() => {
            for (at, (expected, actual)) in expected.iter().zip(actual).enumerate() {
                differences(expected, actual, &format!("{path}[{at}]"), found);
            }
        }
        (Value::Number(expected), Value::Number(actual)) => {
            let (expected, actual) = (expected.as_f64().unwrap(), actual.as_f64().unwrap());
            // Both are rounded to nine digits; sums taken in another order may round apart in the last.
            if (expected - actual).abs() > 1e-8 * expected.abs() {
                found.push(format!("{path}: {actual}, expected {expected}"));
            }
        }
        _ if expected == actual => {}
        _ => found.push(format!("{path}: {actual}, expected {expected}")),
    }
}

fn expected() -> Map<String, Value> {
    serde_json::from_str(include_str!("../../demo/expected.json")).unwrap()
}

#[test]
fn every_task_gives_what_was_computed_without_the_agent() {
    let desk = Desk::demo();
    let mut found = Vec::new();
    for (name, expected) in expected() {
        differences(&expected, &desk.task(&name), &name, &mut found);
    }
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn every_task_of_the_demo_is_expected_and_every_skill_is_asked_for() {
    let tasks = demo_files::FILES.iter().filter_map(|(path, bytes)| Some((path.strip_prefix("tasks/")?, bytes)));
    let mut skills = Vec::new();
    for (name, bytes) in tasks {
        assert!(expected().contains_key(name), "{name}");
        let task: toml::Table = std::str::from_utf8(bytes).unwrap().parse().unwrap();
        skills.push(task["skill"].as_str().unwrap().to_owned());
    }
    assert_eq!(skills.len(), expected().len());
    assert!(SKILLS.iter().all(|skill| skills.iter().any(|asked| asked == skill)));
}

#[test]
fn every_result_fits_the_schema_its_task_names_and_is_the_same_twice() {
    let desk = Desk::demo();
    for name in expected().keys() {
        let schema = fs::read(desk.path("tasks").join(desk.toml(name)["accept"]["schema"].as_str().unwrap())).unwrap();
        let validator = jsonschema::validator_for(&serde_json::from_slice(&schema).unwrap()).unwrap();
        let result = desk.task(name);
        let faults: Vec<String> = validator.iter_errors(&result).map(|error| error.to_string()).collect();
        assert!(faults.is_empty(), "{name}: {faults:?}");
        assert_eq!(result.to_string(), desk.task(name).to_string());
    }
}

/// The inputs of a task, as its checks see them.
struct Files(BTreeMap<String, Vec<u8>>);

impl Inputs for Files {
    fn sha256(&self, name: &str) -> Option<Bytes32> {
        self.0.get(name).map(|bytes| Bytes32(Sha256::digest(bytes).into()))
    }
    fn size(&self, name: &str) -> Option<u64> {
        self.0.get(name).map(|bytes| bytes.len() as u64)
    }
}

#[test]
fn whole_reading_passes_every_check_and_skimming_the_public_ones_but_never_the_sealed() {
    let desk = Desk::demo();
    for name in expected().keys() {
        let task = task::read(&desk.path(&format!("tasks/{name}"))).unwrap().task;
        let inputs =
            Files(desk.inputs(name).map(|(input, path)| (input, fs::read(desk.path(&path)).unwrap())).collect());
        let public = task.checks.compile().unwrap();
        let sealed = Checks { schema: None, asserts: task.sealed }.compile().unwrap();
        let failed = |checks: &Compiled, reading| {
            let report = checks.run(desk.task_by(name, reading).to_string().as_bytes(), &inputs);
            report.outcomes.into_iter().filter(|outcome| !outcome.passed).collect::<Vec<_>>()
        };
        assert_eq!(failed(&public, Reading::Whole), [], "{name}");
        assert_eq!(failed(&sealed, Reading::Whole), [], "{name}");
        assert_eq!(failed(&public, Reading::Skimmed), [], "{name}");
        let caught = failed(&sealed, Reading::Skimmed);
        // What it was sent is not what it read, and what it counted shows that too.
        assert!(
            caught[0].check.raw().starts_with("result.sha256 == sha256(") && caught.len() >= 2,
            "{name}: {caught:?}"
        );
        assert_eq!(desk.task_by(name, Reading::Skimmed), desk.task_by(name, Reading::Skimmed), "{name}");
    }
}

#[test]
fn skimming_is_wrong_about_whatever_has_two_lines() {
    for (skill, input, line) in [
        ("text/statistics", "document", "One two. Three."),
        ("table/summarise", "table", "1,2"),
        ("json/validate", "document", "[1,"),
        ("checksum/verify", "list", "# nothing"),
        ("changelog/extract", "document", "# 1.0"),
    ] {
        for lines in 2..20 {
            let source = vec![line; lines].join("\n");
            let inputs = [(input, source.as_bytes())];
            let whole = job(skill, json!({}), &inputs).unwrap();
            let skimmed = job_by(skill, json!({}), &inputs, Reading::Skimmed).unwrap();
            assert_ne!(skimmed["sha256"], whole["sha256"], "{skill} of {lines} lines");
        }
    }
}

#[test]
fn a_word_more_is_counted() {
    let desk = Desk::demo();
    let before = desk.task("01-essay.toml");
    desk.edit("documents/how-strangers-agree.txt", "want the same thing", "want unmistakably the same thing");
    let after = desk.task("01-essay.toml");
    assert_eq!(after["words"], before["words"].as_u64().unwrap() + 1);
    assert_eq!(after["sentences"], before["sentences"]);
    assert_ne!(after["mean_word_length"], before["mean_word_length"]);
}

#[test]
fn a_changed_cell_moves_its_column_alone() {
    let desk = Desk::demo();
    let before = desk.task("02-co2-monthly.toml");
    desk.edit("documents/02_co2_mauna_loa_monthly.csv", "1958-04,1958.2877,317.45", "1958-04,1958.2877,517.45");
    let after = desk.task("02-co2-monthly.toml");
    assert_ne!(after["mean"], before["mean"]);
    assert_ne!(after["trend"]["slope"], before["trend"]["slope"]);
    assert_eq!(after["columns"][2]["max"], 517.45);
    assert_eq!(after["columns"][3], before["columns"][3]);
}

#[test]
fn a_value_of_the_wrong_type_makes_a_valid_document_invalid() {
    let desk = Desk::demo();
    desk.edit("documents/tide-stations.json", "\"active\": true", "\"active\": \"true\"");
    let after = desk.task("03-stations.toml");
    assert_eq!((&after["valid"], &after["error_count"]), (&json!(false), &json!(1)));
    assert_eq!(after["errors"][0]["path"], "/stations/0/active");
}

#[test]
fn a_changed_byte_turns_a_match_into_a_mismatch() {
    let desk = Desk::demo();
    let before = desk.task("04-checksums.toml");
    desk.edit("documents/lighthouse-keepers-manual.md", "by dusk", "by Dusk");
    let after = desk.task("04-checksums.toml");
    assert_eq!(before["files"][1]["status"], "ok");
    assert_eq!(after["files"][1]["status"], "mismatch");
    assert_eq!(after["totals"]["ok"], before["totals"]["ok"].as_u64().unwrap() - 1);
}

#[test]
fn a_line_taken_out_of_a_changelog_is_missed() {
    let desk = Desk::demo();
    let before = desk.task("05-changelog.toml");
    desk.edit("documents/tidewatch-changelog.md", "- The lock file was left behind when the disk was full.\n", "");
    let after = desk.task("05-changelog.toml");
    assert_eq!(after["totals"]["items"], before["totals"]["items"].as_u64().unwrap() - 1);
    assert_eq!(after["totals"]["sections"], before["totals"]["sections"]);
}

#[test]
fn no_part_of_a_document_makes_a_skill_panic() {
    for (_, bytes) in demo_files::FILES.iter().filter(|(path, _)| path.starts_with("documents/")) {
        for length in (0..bytes.len().min(4000)).step_by(1331).chain([bytes.len()]) {
            for skill in SKILLS {
                let part = &bytes[..length];
                let inputs = [("document", part), ("table", part), ("list", part)];
                // Whatever it says: it says it.
                for reading in [Reading::Whole, Reading::Skimmed] {
                    let _ = job_by(skill, json!({}), &inputs, reading);
                }
            }
        }
    }
}

#[test]
fn an_apostrophe_inside_a_word_belongs_to_it() {
    let result = text("Don't 'quote' the keepers’ well-known DON’T, o'clock'".as_bytes());
    assert_eq!(result["words"], 8);
    assert_eq!(result["top_words"][0], json!({ "word": "don't", "count": 2 }));
}

#[test]
fn a_sentence_does_not_end_at_an_initial_an_abbreviation_or_a_list_number() {
    for (source, sentences) in [
        ("One. Two! Three? \"Four.\" Five", 5),
        ("Mr. Brandt met J. Orla, i.e. the inspector. They spoke.", 2),
        ("It cost 3.50 in all. and that was that.", 1),
        ("1. Walk the gallery.\n2. Wind the clockwork.", 2),
        ("A heading\n\nA paragraph", 2),
        ("... !! --", 0),
    ] {
        assert_eq!(text(source.as_bytes())["sentences"], sentences, "{source}");
    }
}

#[test]
fn headings_are_found_by_markdown_rules_and_not_in_code() {
    let result = text(b"---\ntitle: x\n---\n\nTop\n===\n\n```sh\n# not one\n```\n\n## A `code` [link](http://x) ##\n");
    let headings = json!([{ "level": 1, "text": "Top", "line": 5 }, { "level": 2, "text": "A code link", "line": 12 }]);
    assert_eq!(result["headings"], headings);
}

#[test]
fn confidence_in_a_text_is_the_share_that_is_text() {
    assert_eq!(text(b"all text\n")["confidence"], 1.0);
    assert_eq!(text(b"half\xff\xff\0\0")["confidence"], 0.5);
    assert_eq!(text(b"")["confidence"], 0.0);
}

#[test]
fn a_table_may_quote_use_crlf_and_begin_with_a_byte_order_mark() {
    let result = table("\u{feff}name,\"size, m\"\r\n\"Orla, \"\"St.\"\"\",2\r\n\"two\r\nlines\",5\r\n", json!({}));
    assert_eq!((&result["rows"], &result["problem_count"]), (&json!(2), &json!(0)));
    assert_eq!(result["columns"][0]["name"], "name");
    let size = json!({ "name": "size, m", "type": "integer", "count": 2, "missing": 0, "empty_share": 0.0,
        "min": 2, "max": 5, "sum": 7, "mean": 3.5, "stddev": 2.12132034 });
    assert_eq!(result["columns"][1], size);
}

#[test]
fn rows_that_do_not_fit_the_header_are_used_and_reported() {
    let result = table("a,b,c\n1,2,3\n4,5\n6,7,8,9\n", json!({}));
    assert_eq!(result["rows"], 3);
    assert_eq!(result["columns"][2]["missing"], 1);
    assert_eq!(result["columns"][2]["sum"], 11);
    assert_eq!(result["problems"][0], json!({ "line": 3, "problem": "2 cells under a header of 3" }));
    assert_eq!(result["problem_count"], 2);
}

#[test]
fn a_quote_that_is_never_closed_is_reported() {
    let result = table("a,b\n1,\"two\n3,4\n5,6\n", json!({}));
    assert_eq!(result["problem_count"], 1);
    assert_eq!(result["problems"][0]["problem"], "a quoted cell is never closed");
}

#[test]
fn confidence_in_a_table_falls_with_each_cell_that_is_not_of_its_column() {
    let result = table("n\n1\n2\nthree\n4.5\n\n-\n", json!({}));
    assert_eq!(result["columns"][0]["type"], "decimal");
    assert_eq!(result["confidence"], 0.75);
    // "inf" is a word: no table of measurements means infinity.
    assert_eq!(table("n\ninf\nnan\n", json!({}))["columns"][0]["type"], "text");
}

#[test]
fn a_series_has_a_trend_per_row_or_per_unit_of_x() {
    let line = "x,y\n10,1\n20,3\n30,5\n";
    let trend = |params| table(line, params)["trend"].clone();
    let per = |per: &str, slope: f64, intercept: f64| json!({ "column": "y", "per": per, "points": 3, "slope": slope, "intercept": intercept, "r2": 1.0 });
    assert_eq!(trend(json!({})), per("row", 2.0, 1.0));
    assert_eq!(trend(json!({ "x": "x" })), per("x", 0.2, -1.0));
    let unknown = job("table/summarise", json!({ "column": "z" }), &[("table", line.as_bytes())]);
    assert_eq!(unknown.unwrap_err().to_string(), "the table cannot be summarised: it has no column \"z\"");
    assert_eq!(table("x;y\n2024-01;1\n", json!({ "delimiter": ";" }))["columns"][0]["max"], "2024-01");
}

#[test]
fn a_period_is_the_rows_whose_x_lies_in_it() {
    let source = "year,n\n1999,1\n2000,2\nlater,9\n2001,4,too many\n2002,5\n";
    let period = |params| job("table/summarise/period", params, &[("table", source.as_bytes())]);
    let result = period(json!({ "x": "year", "from": 2000, "to": 2001 })).unwrap();
    assert_eq!((&result["rows"], &result["mean"], &result["problem_count"]), (&json!(2), &json!(3.0), &json!(1)));
    assert_eq!(result["columns"][0]["min"], 2000);
    // Who summarises tables summarises parts of them; who offers a period wants to know which.
    assert_eq!(table(source, json!({ "x": "year", "from": 2001 }))["columns"][1]["sum"], 9);
    for (params, complaint) in [
        (json!({ "x": "year", "from": 2000 }), "a period has a `from` and a `to`"),
        (json!({ "from": 2000, "to": 2001 }), "a period is a range of `x`, which is not named"),
    ] {
        let error = period(params).unwrap_err().to_string();
        assert_eq!(error, format!("the table cannot be summarised: {complaint}"));
    }
}

#[test]
fn a_repeated_key_is_found_where_a_map_would_hide_it() {
    let result = document(r#"{"a": 1, "list": [{"k": 1}, {"k": 1, "j/": {"x": 0, "x": 0, "x": 0}, "k": 2}], "a": 2}"#);
    let found = json!([
        { "path": "/list/1/j~1", "key": "x" },
        { "path": "/list/1/j~1", "key": "x" },
        { "path": "/list/1", "key": "k" },
        { "path": "", "key": "a" },
    ]);
    assert_eq!(result["duplicate_keys"], found);
    assert_eq!((&result["valid"], &result["confidence"]), (&json!(true), &json!(0.6)));
    assert_eq!(result["max_depth"], 4);
}

#[test]
fn a_document_that_is_not_json_is_a_result_that_says_where() {
    let result = document("{\"a\": [1,\n2,\n}");
    assert_eq!((&result["valid"], &result["well_formed"]), (&json!(false), &json!(false)));
    assert_eq!(result["errors"][0]["path"], "/a/2");
    assert_eq!(result["confidence"], 0.666667);
    assert_eq!(document("")["valid"], false);
    assert_eq!(document("1 2")["valid"], false);
    let deep = job("json/validate", json!({}), &[("document", "[".repeat(200).as_bytes())]);
    assert!(matches!(deep, Err(AgentError::TooDeep)));
}

#[test]
fn a_schema_that_would_have_to_be_fetched_is_refused() {
    for schema in
        [&b"{\"$ref\": \"http://127.0.0.1:9/s.json\"}"[..], b"{\"$ref\": \"file:///etc/x\"}", b"{\"type\": 5}", b"x"]
    {
        let outcome = job("json/validate", json!({}), &[("document", b"1"), ("schema", schema)]);
        assert!(matches!(outcome, Err(AgentError::Schema(_))), "{outcome:?}");
    }
}

#[test]
fn only_the_first_faults_are_listed_and_all_are_counted() {
    let many = format!("[{}]", vec!["\"x\""; 50].join(","));
    let schema = br#"{"items": {"type": "number"}}"#;
    let result = job("json/validate", json!({}), &[("document", many.as_bytes()), ("schema", schema)]).unwrap();
    assert_eq!(result["error_count"], 50);
    assert_eq!(result["errors"].as_array().unwrap().len(), limits::LISTED);
}

#[test]
fn every_kind_of_line_of_a_checksum_list_is_told_apart() {
    // printf tide | sha256sum
    let real = "8a28929ac7f9a17e97a421ac2cd63ac73568ebe87bc0cee641a193d91c761577";
    let wrong = "0".repeat(64);
    let list =
        format!("# a comment\n\n{real}  a\n{} *b\n{wrong}  a\n{real}  gone\n{real} c\nnothing\n", real.to_uppercase());
    let inputs: [(&str, &[u8]); 4] = [("list", list.as_bytes()), ("a", b"tide"), ("other", b"tide"), ("extra", b"")];
    let result = job("checksum/verify", json!({ "names": { "other": "b" } }), &inputs).unwrap();
    let totals = json!({ "lines": 6, "ok": 2, "mismatch": 1, "missing": 1, "malformed": 2, "unlisted": 1 });
    assert_eq!(result["totals"], totals);
    assert_eq!(result["malformed"][1], json!({ "line": 8, "text": "nothing" }));
    assert_eq!(result["unlisted"], json!(["extra"]));
    assert_eq!(result["confidence"], 0.5);
    assert_eq!(result["all_ok"], false);
}

#[test]
fn three_styles_of_changelog_give_one_form() {
    let keep = "# Changelog\n## [1.1.0] - 2024-05-01 [YANKED]\n### Fixed\n- A [bug](http://x) that\n  `bit`\n";
    let release_please = "# Changelog\n## [1.1.0](http://x) (2024-05-01)\n\n### Fixed\n\n* A bug that **bit**\n";
    let plain = "v1.1.0 (2024-05-01)\n===\nFixed:\n\n* A bug\n  that bit\n";
    for source in [keep, release_please, plain] {
        let sections = json!([{ "title": "Fixed", "items": ["A bug that bit"] }]);
        let entry = json!({ "version": "1.1.0", "date": "2024-05-01", "notes": [], "sections": sections });
        assert_eq!(changelog(source)["entries"], json!([entry]), "{source}");
    }
}

#[test]
fn what_stands_under_no_release_is_not_taken_for_one() {
    let result =
        changelog("# 1.0 is near\n- a\n## [Unreleased]\nProse, not a title: at all.\n- b\n  - c\n# Links\n- d\n");
    let sections = json!([{ "title": "", "items": ["b", "c"] }]);
    let entry = json!({ "version": "Unreleased", "notes": ["Prose, not a title: at all."], "sections": sections });
    assert_eq!(result["entries"], json!([entry]));
    assert_eq!(result["confidence"], 0.5);
    assert_eq!(result.get("latest"), None);
}

#[test]
fn a_request_cannot_read_outside_its_directory_or_past_the_bound() {
    let desk = Desk::new();
    let ask = |path: &str| {
        run("text/statistics", &json!({ "inputs": { "document": { "path": path } } }), desk.0.path(), Reading::Whole)
    };
    for path in ["../secret", "/etc/hostname", "inputs/../../secret"] {
        assert!(matches!(ask(path), Err(AgentError::PathEscapes(_))), "{path}");
    }
    fs::File::create(desk.path("big")).unwrap().set_len(limits::INPUT_BYTES + 1).unwrap();
    assert!(matches!(ask("big"), Err(AgentError::TooLarge(_))));
    assert!(matches!(ask("absent"), Err(AgentError::Read { .. })));
}

#[test]
fn a_job_that_cannot_be_done_as_asked_says_why_in_one_line() {
    let here = Path::new(".");
    let inputs = json!({ "inputs": {} });
    for (skill, request, message) in [
        ("text/poetry", &inputs, "no skill \"text/poetry\""),
        ("text/statistics", &inputs, "the request names no input \"document\""),
        ("text/statistics", &json!({}), "the request cannot be read: missing field `inputs`"),
        ("table/summarise", &json!({ "inputs": {}, "params": { "colum": 1 } }), "the parameters do not fit this skill"),
    ] {
        let error = run(skill, request, here, Reading::Whole).unwrap_err().to_string();
        assert!(error.starts_with(message) && !error.contains('\n'), "{error}");
    }
}
