//! Stories of checks: what passes, what fails and why, and what hostile authors and results cannot do.

use proptest::prelude::*;
use serde_json::json;

use super::decimal::Decimal;
use super::*;
use crate::limits::{EXPLAINED, LINE, OUTCOMES, PATH_STEPS, PATTERN_ESCAPES, VISITED};

/// One input, `table`, of three bytes.
struct Table;
impl Inputs for Table {
    fn sha256(&self, name: &str) -> Option<Bytes32> {
        (name == "table").then(|| sha256(&[b"abc"]))
    }
    fn size(&self, name: &str) -> Option<u64> {
        (name == "table").then_some(3)
    }
}

fn asserts(texts: &[&str]) -> Checks {
    Checks { schema: None, asserts: texts.iter().map(|text| text.parse().unwrap()).collect() }
}

fn schema(json: Value) -> Checks {
    Checks { schema: Some(Schema::from_json(json).unwrap()), asserts: Vec::new() }
}

/// Why `text` fails over `result`, or nothing.
fn failure(text: &str, result: &Value) -> String {
    let report = asserts(&[text]).compile().unwrap().run(result.to_string().as_bytes(), &Table);
    assert_eq!(report.passed(), report.outcomes[0].detail.is_empty());
    report.outcomes[0].detail.raw().clone()
}

fn cbor<T: Serialize>(value: &T) -> Vec<u8> {
    let mut bytes = Vec::new();
    ciborium::into_writer(value, &mut bytes).unwrap();
    bytes
}

fn assert_wire<T: Serialize + de::DeserializeOwned + PartialEq + fmt::Debug>(value: &T, keys: &[&str]) {
    let bytes = cbor(value);
    let back: T = ciborium::from_reader(&bytes[..]).unwrap();
    assert_eq!(&back, value);
    assert_eq!(cbor(&back), bytes);
    let map: ciborium::Value = ciborium::from_reader(&bytes[..]).unwrap();
    let found: Vec<_> = map.as_map().unwrap().iter().map(|(key, _)| key.as_text().unwrap()).collect();
    assert_eq!(found, keys);
    assert!(found.is_sorted_by_key(|key| (key.len(), *key)), "RFC 8949 4.2.1: shorter first, then bytewise");
    assert_eq!(&serde_json::from_value::<T>(serde_json::to_value(value).unwrap()).unwrap(), value);
}

fn table() -> Value {
    json!({
        "rows": 820, "mean": 360.391_829_268_292_7, "name": "co", "empty": null, "yes": true, "sum": 0.3,
        "items": [{"n": 0.1, "ok": true, "tags": ["a", "b"]}, {"n": 0.2, "ok": false}, {"n": 0, "ok": "x", "tags": []}],
        "bad": [1, "2"], "odd key": {"a": 1, "b": 2}, "umlaut": "äö",
        "hash": "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
    })
}

#[test]
fn what_a_result_satisfies() {
    for text in [
        "result.rows == 820",
        "result.rows==820.0",
        "  820 <= result.rows  ",
        "result.rows != 821",
        "result.rows < 8.21e2",
        "result.rows >= -1",
        "result.mean in [355.0, 361.0]",
        "result.rows in [820, 820]",
        "result.name == \"co\"",
        "result.name != 820",
        "result.name matches /^[a-z]+$/",
        "result.name matches /^\\w{2}$/",
        "result.umlaut matches /^\\W+$/",
        "result.empty == null",
        "result.yes == true",
        "result.yes != false",
        "len(result.items) == 3",
        "len(result.umlaut) == 2",
        "len( result[\"odd key\"] ) == 2",
        "result[\"odd key\"].b == 2",
        "result.items[1].n == 0.2",
        "count(result.items[]) == 3",
        "count(result.items[].ok) == 2",
        "count(result.items[].absent) == 0",
        "count(result.items[].tags[]) == 2",
        "sum(result.items[].n) == 0.3",
        "sum(result.items[].n) == result.sum",
        "result.hash == sha256(input.table)",
        "input.table.size == 3",
        "result.rows > input[\"table\"].size",
    ] {
        assert_eq!(failure(text, &table()), "", "{text}");
    }
}

#[test]
fn what_a_result_does_not_satisfy_says_why() {
    for (text, why) in [
        ("result.rows == 819", "result.rows is 820"),
        ("819 == result.rows", "result.rows is 820"),
        ("result.rows == \"820\"", "result.rows is 820"),
        ("result.rows == sum(result.items[].n)", "result.rows is 820, sum(result.items[].n) is 0.3"),
        ("result.mean in [361, 362]", "result.mean is 360.3918292682927"),
        ("result.name < 5", "result.name is \"co\", not a number"),
        ("result.name matches /^c$/", "result.name is \"co\""),
        ("result.rows matches /8/", "result.rows is not a text"),
        ("result.absent == null", "result.absent is missing"),
        ("result.absent != 1", "result.absent is missing"),
        ("result.name.x == 1", "result.name.x is missing"),
        ("result.items[3].n == 0", "result.items[3] is missing"),
        ("result[\"odd key\"].c == 0", "result[\"odd key\"].c is missing"),
        ("result.items == result.items", "result.items is an array; its len(), count() and sum() can be compared"),
        ("result == 1", "result is an object; its len() and its members can be compared"),
        ("len(result.rows) == 1", "result.rows is not a text, an array or an object, so it has no len()"),
        ("count(result.rows[]) == 1", "result.rows is not an array"),
        ("count(result.none[]) == 0", "result.none is missing"),
        ("sum(result.items[].absent) == 0", "result.items[].absent is missing in an element"),
        ("sum(result.bad[]) == 3", "result.bad[] is not a number in every element"),
        ("result.hash == sha256(input.other)", "there is no input \"other\""),
        ("result.rows == input.other.size", "there is no input \"other\""),
    ] {
        assert_eq!(failure(text, &table()), why, "{text}");
    }
}

#[test]
fn what_is_no_assertion_points_at_its_column() {
    let deep = format!("result{} == 1", ".a".repeat(PATH_STEPS + 1));
    for (text, column, hint) in [
        ("", 1, "expected result.PATH"),
        ("rows == 820", 1, "expected result.PATH"),
        ("result.rows = 820", 13, "expected =="),
        ("result.rows", 12, "expected =="),
        ("result.rows is 820", 13, "expected =="),
        ("result.rows == ", 16, "expected result.PATH"),
        ("result.rows == 820 and result.x == 1", 20, "one assertion says one thing"),
        ("result.rows == 08", 16, "a number as in JSON"),
        ("result.rows == 1e999", 16, "a number as in JSON"),
        ("result.rows == -", 16, "a number as in JSON"),
        ("1 == 1", 1, "two constants"),
        ("result.x < \"a\"", 12, "only numbers have an order"),
        ("sha256(input.a) > 1", 1, "only numbers have an order"),
        ("result.x in [2, 1]", 17, "the range is empty"),
        ("result.x in 1", 13, "expected a range"),
        ("result.x matches \"a\"", 18, "expected a pattern"),
        ("result.x matches /a", 19, "never closed"),
        ("result.x matches /a\\/", 19, "never closed"),
        ("len(result.x) matches /a/", 1, "only a path"),
        ("result matches /(/", 17, "not a pattern"),
        ("result matches /(?=a)/", 17, "look-around"),
        ("result.x[] == 1", 1, "inside count() or sum()"),
        ("sum(result.x) == 1", 5, "expected []"),
        ("len(result.x[]) == 1", 5, "without []"),
        ("len result.x == 1", 5, "expected '('"),
        ("count(result.x[] == 1", 18, "expected ')'"),
        ("result.0 == 1", 8, "elements [0]"),
        ("result.é == 1", 8, "[\"like this\"]"),
        ("result[x] == 1", 8, "expected ], an index"),
        ("result[99999999999999999999] == 1", 8, "expected ], an index"),
        ("input.table == 1", 12, "expected .size"),
        ("sha256(result.x) == \"a\"", 8, "expected input.NAME"),
        ("input[0].size == 1", 6, "the name of an input"),
        (&deep, 41, "at most 16 steps"),
    ] {
        match text.parse::<Assert>() {
            Err(Invalid::Syntax(error)) => {
                assert_eq!(error.column, column, "{text:?}: {error}");
                assert!(error.message.contains(hint), "{text:?}: {error}");
            }
            other => panic!("{text:?}: {other:?}"),
        }
    }
    let long = format!("result.x == \"{}\"", "x".repeat(ASSERT));
    assert_eq!(long.parse::<Assert>(), Err(Invalid::AssertTooLong));
    assert_eq!("result.x\n== 1".parse::<Assert>(), Err(Invalid::AssertNotALine));
    assert_eq!("result.x == \"\u{202e}\"".parse::<Assert>(), Err(Invalid::AssertNotALine));
}

#[test]
fn numbers_are_exact_decimals() {
    let decimal = |text: &str| Decimal::from_number(&serde_json::from_str(text).unwrap()).unwrap();
    let ordered = [
        "-1.7e308",
        "-18446744073709551616",
        "-9223372036854775808",
        "-1.5",
        "-1",
        "-0.1",
        "-1e-300",
        "0",
        "5e-324",
        "1e-7",
        "0.00001",
        "0.1",
        "0.3",
        "0.30000000000000004",
        "1",
        "1.000001",
        "9",
        "10",
        "11",
        "99.99",
        "100",
        "9007199254740993",
        "18446744073709551615",
        "1e20",
        "1e22",
        "1.7e308",
    ];
    for (index, a) in ordered.iter().enumerate().skip(1) {
        for b in &ordered[..index] {
            assert!(decimal(a) > decimal(b), "{a} > {b}");
            assert!(decimal(b) < decimal(a), "{b} < {a}");
        }
        assert_eq!(decimal(&decimal(a).to_string()), decimal(a), "{a} prints as {}", decimal(a));
    }
    assert_eq!(decimal("-0.0"), decimal("0"));
    assert_eq!(decimal("10.50e1"), decimal("105"));
    assert_eq!(decimal("0.1234567890123456789"), decimal("0.12345678901234568"), "as the nearest double");
    for text in ["0", "0.5", "-0.00001", "123.456", "100", "-5", "0.3"] {
        assert_eq!(decimal(text).to_string(), text);
        assert_eq!(Decimal::from_fixed(decimal(text).to_fixed().unwrap()), decimal(text));
    }
    assert_eq!(decimal("1e-18").to_fixed(), Some(1));
    assert_eq!(decimal("-5e-19").to_fixed(), Some(-1), "halves away from zero");
    assert_eq!(decimal("4e-19").to_fixed(), Some(0));
    assert_eq!(decimal("9e-25").to_fixed(), Some(0));
    assert_eq!(decimal("1e20").to_fixed(), None);
    assert!(decimal("99999999999999990000").to_fixed().is_some());
    assert_eq!(failure("sum(result[]) == 1.6e20", &json!([8e19, 8e19])), "");
    assert!(failure("sum(result[]) == 1.8e20", &json!([9e19, 9e19])).contains("leaves the range"));
    assert!(failure("sum(result[]) == 0", &json!([1e20])).contains("leaves the range"));
}

#[test]
fn a_result_that_is_not_json_fails_whole() {
    for bytes in [&b""[..], b"{", b"nothing", b"1 2", b"\xff", "[".repeat(1000).as_bytes(), b"1e999"] {
        let report = asserts(&["result == 1"]).compile().unwrap().run(bytes, &Table);
        assert_eq!(report.outcomes.len(), 1);
        assert_eq!(report.outcomes[0].check.raw(), "result is JSON");
        assert!(!report.passed());
        assert_eq!(report.share(), 0);
    }
    let report = Checks::default().compile().unwrap().run(b"null", &Table);
    assert!(report.passed());
    assert_eq!(report.share(), 1000);
}

#[test]
fn the_share_counts_the_schema_as_one_check() {
    let mut checks = schema(json!({"type": "object", "required": ["rows"]}));
    checks.asserts = asserts(&["result.rows == 1", "result.rows == 820"]).asserts;
    let report = checks.compile().unwrap().run(table().to_string().as_bytes(), &Table);
    assert_eq!(report.outcomes.iter().map(|outcome| outcome.passed).collect::<Vec<_>>(), [true, false, true]);
    assert_eq!(report.outcomes[0].check.raw(), "schema");
    assert_eq!(report.share(), 666);
}

#[test]
fn a_schema_says_what_is_wrong_where() {
    let compiled = schema(json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "definitions": {"day": {"type": "string", "format": "date"}},
        "properties": {"a": {"items": {"$ref": "#/definitions/day"}}, "b": {"pattern": "^x+$"}},
    }));
    let compiled = compiled.compile().unwrap();
    let detail = |result: Value| compiled.run(result.to_string().as_bytes(), &Table).outcomes[0].detail.raw().clone();
    assert_eq!(detail(json!({"a": ["2024-02-29"], "b": "xx"})), "");
    assert!(detail(json!({"a": ["2024-02-30"]})).starts_with("at /a/0: "));
    assert!(detail(json!({"b": "xy\u{1b}[2J"})).starts_with("at /b: "));
    assert!(!detail(json!({"b": "xy\u{1b}[2J"})).contains('\u{1b}'));
    assert!(detail(json!({"b": "y".repeat(10_000)})).len() <= LINE);
    assert!(detail(json!({"b": "y".repeat(EXPLAINED)})).contains("too large to say where"));
}

#[test]
fn a_schema_outside_its_bounds_is_refused() {
    let nest = |levels: usize| (0..levels).fold(json!({}), |inner, _| json!({"items": inner}));
    let doubling: serde_json::Map<_, _> = (0..200)
        .map(|i| {
            let next = json!({"$ref": format!("#/$defs/d{}", i + 1)});
            (format!("d{i}"), if i == 199 { json!(true) } else { json!({"anyOf": [next, next]}) })
        })
        .collect();
    let defs = |a: Value| json!({"$ref": "#/$defs/a", "$defs": {"a": a}});
    let anchor = |reference: &str| Invalid::SchemaRef(reference.to_owned());
    let patterns: Vec<_> = (0..=SCHEMA_PATTERNS).map(|i| json!({"pattern": i.to_string()})).collect();
    for (json, error) in [
        (json!({"$ref": "http://example.com/s"}), anchor("http://example.com/s")),
        (json!({"items": {"$ref": "file:///etc/passwd"}}), anchor("file:///etc/passwd")),
        (
            json!({"$ref": "https://json-schema.org/draft/2020-12/schema"}),
            anchor("https://json-schema.org/draft/2020-12/schema"),
        ),
        (json!({"$ref": "#name"}), anchor("#name")),
        (json!({"$ref": "#/%24defs/a"}), anchor("#/%24defs/a")),
        (json!({"$ref": ""}), anchor("")),
        (json!({"$ref": "#/$defs/a"}), Invalid::SchemaRefMissing("#/$defs/a".to_owned())),
        (json!({"items": {"$ref": "#"}}), Invalid::SchemaRecursive("#".to_owned())),
        (defs(json!({"items": {"$ref": "#/$defs/a"}})), Invalid::SchemaRecursive("#/$defs/a".to_owned())),
        (
            defs(json!({"not": {"allOf": [{"$ref": "#/$defs/a/not"}]}})),
            Invalid::SchemaRecursive("#/$defs/a/not".to_owned()),
        ),
        (
            json!({"allOf": [{"unevaluatedProperties": false}]}),
            Invalid::SchemaKeyword("unevaluatedProperties", "anywhere"),
        ),
        (json!({"$dynamicRef": "#x"}), Invalid::SchemaKeyword("$dynamicRef", "anywhere")),
        (json!({"items": {"$id": "http://x/"}}), Invalid::SchemaKeyword("$id", "below the top")),
        (json!({"$schema": "http://json-schema.org/draft-04/schema#"}), Invalid::SchemaDraft),
        (json!({"$schema": 1}), Invalid::SchemaDraft),
        (nest(SCHEMA_DEPTH), Invalid::SchemaTooDeep),
        (json!({"$defs": doubling}), Invalid::SchemaTooDeep),
        (json!({"anyOf": patterns}), Invalid::SchemaPatterns),
        (json!({"pattern": "(?=a)"}), Invalid::SchemaPattern("(?=a)".to_owned())),
        (json!({"patternProperties": {"((a{99}){99}){99}": true}}), Invalid::SchemaTooHeavy),
        (json!({"enum": vec![1; SCHEMA_WEIGHT as usize]}), Invalid::SchemaTooHeavy),
        (json!({"const": "x".repeat(SCHEMA)}), Invalid::SchemaTooLong(SCHEMA + 12)),
    ] {
        assert_eq!(Schema::from_json(json.clone()), Err(error), "{json}");
    }
    let short: serde_json::Map<_, _> = (0..20)
        .map(|i| {
            let next = json!({"$ref": format!("#/$defs/d{}", i + 1)});
            (format!("d{i}"), if i == 19 { json!(true) } else { json!({"anyOf": [next, next]}) })
        })
        .collect();
    assert_eq!(Schema::from_json(json!({"$defs": short})), Err(Invalid::SchemaTooHeavy));
    assert!(Schema::from_json(nest(SCHEMA_DEPTH - 1)).is_ok());

    let refused = |json: Value| Schema::from_json(json).unwrap().compile().unwrap_err().to_string();
    assert!(refused(json!({"type": "text"})).starts_with("not a JSON Schema"));
    assert!(refused(json!(1)).starts_with("not a JSON Schema"));
    assert!(refused(json!({"pattern": "\\p{L}{50}"})).starts_with("not a JSON Schema"), "too much memory");
    assert!(Schema::parse("{").is_err());
}

#[test]
fn hostile_patterns_and_results_are_bounded() {
    // What is read anew for every escape is short and has few of them.
    for hostile in ["\\W".repeat(PATTERN_ESCAPES + 1), "\\cA".repeat(PATTERN_ESCAPES + 1), "a".repeat(PATTERN + 1)] {
        assert!(Schema::from_json(json!({"pattern": hostile})).is_err());
        assert!(format!("result matches /{hostile}/").parse::<Assert>().is_err());
    }
    asserts(&["result matches /^\\d\\d\\d\\d-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d(\\.\\d+)?Z$/"]);
    let nested = asserts(&["result matches /((a{99}){99}){99}/"]).compile().unwrap_err();
    assert!(matches!(nested, Invalid::Pattern { .. }), "{nested}");
    let catastrophe = "result matches /^(a*)*$/";
    assert!(!failure(catastrophe, &json!("a".repeat(1 << 16) + "b")).contains("too many"));
    // A window of a thousand places is what makes a linear engine slow: half as many bytes are too many.
    let slow = "result matches /[ab]*a[ab]{1023}c/";
    let text = |bytes: usize| json!("ab".repeat(bytes / 2));
    assert!(failure(slow, &text(1 << 13)).starts_with("result is"));
    assert!(failure(slow, &text(1 << 14)).contains("too many for this pattern"));

    let many = json!([vec![0; VISITED - 1], []]);
    assert!(failure("count(result[][]) == 0", &many).contains("more than the 100000"));
    assert_eq!(failure("count(result[0][]) == 99999", &many), "");

    let heavy = schema(json!({"items": {"anyOf": vec![json!({"type": "null"}); 850]}}));
    let heavy = heavy.compile().unwrap().run(json!(vec![1; 1 << 20]).to_string().as_bytes(), &Table);
    assert!(heavy.outcomes[0].detail.raw().contains("too much to check"));
}

/// Everything here recurses somewhere; a thread's usual stack must do, unoptimised.
#[test]
fn the_deepest_schema_over_the_deepest_result_fits_a_stack() {
    let run = || {
        let wrap = [
            |inner: Value| json!({"items": inner}),
            |inner: Value| json!({"not": {"not": inner}}),
            |inner: Value| json!({"if": inner, "then": true, "else": false}),
        ];
        for wrap in wrap {
            let mut deepest = json!({"type": "string"});
            while let Ok(schema) = Schema::from_json(wrap(deepest.clone())) {
                deepest = wrap(deepest);
                let compiled = Checks { schema: Some(schema), asserts: Vec::new() }.compile().unwrap();
                let result = "[".repeat(127) + &"]".repeat(127);
                let _ = compiled.run(result.as_bytes(), &Table);
            }
        }
    };
    std::thread::Builder::new().stack_size(1 << 20).spawn(run).unwrap().join().unwrap();
}

#[test]
fn compiled_checks_go_to_any_thread() {
    fn goes<T: Send + Sync>() {}
    goes::<Compiled>();
}

#[test]
fn the_wire_is_canonical_and_bounded() {
    let mut checks = schema(json!({"type": "object", "default": {"b": 1.5, "a": 1e-7}}));
    assert_eq!(checks.schema.as_ref().unwrap().as_str(), r#"{"default":{"a":1e-7,"b":1.5},"type":"object"}"#);
    checks.asserts = asserts(&["result.a == 1", "result matches /a\\/b/"]).asserts;
    assert_wire(&checks, &["schema", "asserts"]);
    assert_wire(&Checks::default(), &[]);
    assert_wire(&Sealed { salt: Bytes32([7; 32]), checks: checks.asserts.clone() }, &["salt", "checks"]);
    let report = checks.compile().unwrap().run(br#"{"a": 2}"#, &Table);
    assert_wire(&report, &["outcomes"]);
    assert_wire(&report.outcomes[1], &["check", "detail", "passed"]);

    for refused in [
        json!({"schema": "{ }"}),
        json!({"schema": r#"{"b":1,"a":1}"#}),
        json!({"asserts": ["rows == 1"]}),
        json!({"asserts": vec!["result == 1"; ASSERTS + 1]}),
        json!({"other": 1}),
    ] {
        assert!(ciborium::from_reader::<Checks, _>(&cbor(&refused)[..]).is_err(), "{refused}");
    }
    let outcome = |detail: &str| json!({"check": "schema", "detail": detail, "passed": false});
    let reports = |outcomes: Vec<Value>| ciborium::from_reader::<Report, _>(&cbor(&json!({"outcomes": outcomes}))[..]);
    assert!(reports(vec![outcome("x"); OUTCOMES]).is_ok());
    assert!(reports(vec![outcome("x"); OUTCOMES + 1]).is_err());
    assert!(reports(vec![outcome("\u{1b}")]).is_err());
    assert!(reports(vec![outcome(&"x".repeat(LINE + 1))]).is_err());
}

#[test]
fn a_commitment_is_of_the_salt_and_every_assertion() {
    let sealed = |salt, texts: &[&str]| Sealed { salt: Bytes32([salt; 32]), checks: asserts(texts).asserts };
    let one = sealed(1, &["result == 1", "result == 2"]);
    assert_eq!(
        one.commitment(),
        sha256(&[
            b"gigmesh/sealed\0",
            &[1; 32],
            &11u64.to_be_bytes(),
            b"result == 1",
            &11u64.to_be_bytes(),
            b"result == 2",
        ])
    );
    for other in [
        sealed(2, &["result == 1", "result == 2"]),
        sealed(1, &["result == 2", "result == 1"]),
        sealed(1, &["result == 1"]),
        sealed(1, &["result == 1", "result ==  2"]),
    ] {
        assert_ne!(one.commitment(), other.commitment());
    }
    let report = one.compile().unwrap().run(b"1", &Table);
    assert_eq!(report.share(), 500);
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "\\PC{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::btree_map("[a-c]", inner, 0..4)
                .prop_map(|map| Value::from(serde_json::Map::from_iter(map))),
        ]
    })
}

fn any_assert() -> impl Strategy<Value = String> {
    let path = "result(\\.[a-c]|\\[[0-2]\\]|\\[\"[a-c ]\"\\]){0,4}";
    let each = "result(\\.[a-c]){0,2}\\[\\](\\.[a-c]|\\[\\]){0,3}";
    let operand = prop_oneof![
        path.prop_map(String::from),
        path.prop_map(|path| format!("len({path})")),
        each.prop_map(|path| format!("count({path})")),
        each.prop_map(|path| format!("sum({path})")),
        Just("sha256(input.table)".to_owned()),
        Just("input.table.size".to_owned()),
    ];
    let literal = prop_oneof![
        any_json()
            .prop_filter("scalar", |json| !json.is_array() && !json.is_object())
            .prop_map(|json| json.to_string()),
        operand.clone(),
    ];
    prop_oneof![
        (operand.clone(), "==|!=|<|<=|>|>=", literal).prop_map(|(a, op, b)| format!("{a} {op} {b}")),
        (operand, -9.0..0.0, 0.0..9.0).prop_map(|(a, low, high)| format!("{a} in [{low}, {high}]")),
        (path, "[a-c.*\\\\/()]{0,6}").prop_map(|(path, pattern)| format!("{path} matches /{pattern}/")),
    ]
}

/// JSON that has the words of a schema in the places where they matter.
fn any_schema() -> impl Strategy<Value = Value> {
    let keyword = prop::sample::select(vec![
        "type",
        "items",
        "properties",
        "anyOf",
        "allOf",
        "oneOf",
        "not",
        "$ref",
        "$defs",
        "if",
        "then",
        "else",
        "enum",
        "const",
        "pattern",
        "format",
        "patternProperties",
        "additionalProperties",
        "prefixItems",
        "contains",
        "minContains",
        "uniqueItems",
        "multipleOf",
        "minimum",
        "maxLength",
        "required",
        "dependentSchemas",
        "propertyNames",
        "$anchor",
        "$id",
    ]);
    let leaf = prop_oneof![
        any::<bool>().prop_map(Value::from),
        (0..3_i64).prop_map(Value::from),
        prop::sample::select(vec![
            "string",
            "object",
            "#/$defs/a",
            "#/items",
            "#",
            "date",
            "regex",
            "^a",
            "email",
            "(a|b)*"
        ])
        .prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 40, 4, move |inner| {
        prop_oneof![
            2 => prop::collection::btree_map(keyword.clone().prop_map(String::from), inner.clone(), 0..4)
                .prop_map(|map| Value::from(serde_json::Map::from_iter(map))),
            1 => prop::collection::btree_map("[a-c]", inner.clone(), 0..3)
                .prop_map(|map| Value::from(serde_json::Map::from_iter(map))),
            1 => prop::collection::vec(inner, 0..3).prop_map(Value::from),
        ]
    })
}

proptest! {
    #[test]
    fn reading_an_assertion_never_panics(
        text in "\\PC{0,80}|(result|input|\\.[a-c]|\\[[0-2\"]?\\]| == | in | matches |[0-9/\\\\\"(),-]){0,12}"
    ) {
        if let Ok(assert) = text.parse::<Assert>() {
            prop_assert_eq!(assert.to_string(), text);
        }
    }

    #[test]
    fn running_assertions_never_panics_and_reports_stay_bounded(text in any_assert(), result in any_json()) {
        let Ok(assert) = text.parse() else { return Ok(()) };
        let checks = Checks { schema: None, asserts: vec![assert] };
        let Ok(compiled) = checks.compile() else { return Ok(()) };
        let report = compiled.run(result.to_string().as_bytes(), &Table);
        prop_assert_eq!(&report, &compiled.run(result.to_string().as_bytes(), &Table));
        prop_assert_eq!(ciborium::from_reader::<Report, _>(&cbor(&report)[..]).unwrap(), report);
        prop_assert_eq!(ciborium::from_reader::<Checks, _>(&cbor(&checks)[..]).unwrap(), checks);
    }

    #[test]
    fn any_schema_is_refused_or_runs(schema in any_schema(), result in any_json()) {
        let Ok(schema) = Schema::from_json(schema) else { return Ok(()) };
        prop_assert_eq!(&Schema::try_from(schema.as_str().to_owned()).unwrap(), &schema);
        let Ok(compiled) = (Checks { schema: Some(schema), asserts: Vec::new() }).compile() else { return Ok(()) };
        let report = compiled.run(result.to_string().as_bytes(), &Table);
        prop_assert_eq!(report.passed(), report.outcomes[0].detail.is_empty());
    }

    #[test]
    fn sums_and_order_agree_with_integers(numbers in prop::collection::vec(any::<i32>(), 0..20), other in any::<i32>()) {
        let sum: i64 = numbers.iter().map(|n| i64::from(*n)).sum();
        let result = json!({"n": numbers, "sum": sum, "other": other});
        prop_assert_eq!(failure("sum(result.n[]) == result.sum", &result), "");
        prop_assert_eq!(failure("result.sum < result.other", &result).is_empty(), sum < i64::from(other));
        prop_assert_eq!(failure("result.sum >= result.other", &result).is_empty(), sum >= i64::from(other));
    }

    #[test]
    fn a_line_is_bounded_plain_and_stays_as_it_is(text in "(\\PC|\\pC|é|…){0,400}") {
        let once = line(&text);
        prop_assert!(once.len() <= LINE && !once.chars().any(char::is_control));
        prop_assert_eq!(line(&once), once);
    }
}
