use super::expr::{Op, Test};
use super::*;
use crate::limits::{CONSTRAINT_DEPTH, CONSTRAINT_TERMS};
use crate::time::Timestamp;
use proptest::prelude::*;
use serde_json::json;
use std::collections::BTreeMap;

mod naive;

fn properties(json: serde_json::Value) -> Properties {
    Properties::from_json(json.as_object().unwrap()).unwrap()
}

fn constraint(text: &str) -> Constraint {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn cbor<T: Serialize>(value: &T) -> Vec<u8> {
    let mut bytes = Vec::new();
    ciborium::into_writer(value, &mut bytes).unwrap();
    bytes
}

fn stated() -> Properties {
    properties(json!({
        "retention_days": 0, "region": "eu", "gpu": true, "cores": 8, "load": 0.5, "languages": ["de", "fr"],
        "runtime": "v1.10.0", "audited": "2026-03-01T12:00:00Z", "licence": "MIT",
    }))
}

fn missing(keys: &[&str]) -> Match {
    Match::Unknown(keys.iter().map(|key| key.parse().unwrap()).collect())
}

#[test]
fn every_operator_on_its_own_kinds() {
    for (text, holds) in [
        ("retention_days = 0", true),
        ("retention_days=0.0", true),
        ("retention_days != 0", false),
        ("cores < 8", false),
        ("cores <= 8", true),
        ("cores > 7.5", true),
        ("cores >= 8.000001", false),
        ("load < 1", true),
        ("load = 0.5", true),
        ("load > -1", true),
        ("region = \"eu\"", true),
        ("region != \"us\"", true),
        ("region < \"us\"", true),
        ("region > \"eu\"", false),
        ("licence < \"eu\"", true), // Capitals come first.
        ("gpu = true", true),
        ("gpu != true", false),
        ("gpu = false", false),
        ("runtime >= v1.9.3", true), // Not as text would be.
        ("runtime < v1.10.1", true),
        ("runtime < v2.0.0", true),
        ("runtime = v1.10.0", true),
        ("audited >= 2026-03-01", true),
        ("audited < 2026-03-01T13:00:00+01:00", false),
        ("audited = 2026-03-01T13:00:00+01:00", true),
        ("audited < 2026-03-01T12:00:00.001Z", true),
        ("languages = [\"de\", \"fr\"]", true),
        ("languages = [\"fr\", \"de\"]", false),
        ("languages != [\"fr\", \"de\"]", true),
        ("languages != [\"de\", \"fr\"]", false),
        ("languages has \"fr\"", true),
        ("languages has \"f\"", false),
        ("region has \"eu\"", true), // Alone it is like a list of one.
        ("region has \"e\"", false),
        ("cores has 8.0", true),
        ("region in [\"ch\", \"eu\"]", true),
        ("region in [\"ch\", 8]", false),
        ("cores in [4, 8.0]", true),
        ("cores in [4, 16]", false), // Values, not a range.
        ("languages in [\"de\", \"fr\"]", false),
        ("licence prefix \"M\"", true),
        ("licence prefix \"\"", true),
        ("licence prefix \"m\"", false),
        ("exists gpu", true),
        ("exists gps", false),
        ("not exists gps", true),
        ("not gpu = false", true),
    ] {
        assert_eq!(constraint(text).holds(&stated()), Some(holds), "{text}");
        assert_eq!(constraint(text).evaluate(&stated()) == Match::Yes, holds, "{text}");
    }
}

#[test]
fn values_of_different_kinds_never_hold_and_the_reason_names_them() {
    for (text, reason) in [
        ("region < 5", r#"region is "eu" (a text), wanted < 5 (a number)"#),
        ("region != 5", r#"region is "eu" (a text), wanted != 5 (a number)"#),
        ("gpu = \"true\"", r#"gpu is true (a truth), wanted = "true" (a text)"#),
        ("runtime >= \"v1.0.0\"", r#"runtime is v1.10.0 (a version), wanted >= "v1.0.0" (a text)"#),
        ("runtime > 1.0", "runtime is v1.10.0 (a version), wanted > 1.0 (a number)"),
        ("audited > 2026", "audited is 2026-03-01T12:00:00Z (a time), wanted > 2026 (a number)"),
        ("languages = \"fr\"", r#"languages is ["de", "fr"] (a list: ask it with `has`), wanted = "fr" (a text)"#),
        ("cores != [8]", "cores is 8 (a number), wanted != [8] (a list)"),
        ("cores prefix \"8\"", "cores is 8, wanted prefix \"8\""),
        ("cores has \"8\"", "cores is 8, wanted has \"8\""),
        ("cores in [\"8\", v8.0.0]", "cores is 8, wanted in [\"8\", v8.0.0]"),
    ] {
        assert_eq!(constraint(text).evaluate(&stated()), Match::No(vec![reason.into()]), "{text}");
        // A plain no, that `not` makes a yes.
        assert_eq!(constraint(&format!("not {text}")).evaluate(&stated()), Match::Yes, "not {text}");
    }
}

#[test]
fn a_missing_property_is_unknown_unless_something_else_settles_it() {
    let no = |reasons: &[&str]| Match::No(reasons.iter().map(|reason| (*reason).into()).collect());
    for (text, answer) in [
        ("zone = 1", missing(&["zone"])),
        ("not zone = 1", missing(&["zone"])),
        ("zone != 1", missing(&["zone"])),
        ("zone in [1] and gpu = true", missing(&["zone"])),
        ("exists zone", no(&["zone is not stated"])),
        ("not exists gpu", no(&["gpu is stated, and wanted not to be"])),
        ("not exists zone or zone = 1", Match::Yes),
        ("exists zone and zone = 1", no(&["zone is not stated"])),
        ("zone = 1 and region = \"us\"", no(&[r#"region is "eu", wanted = "us""#])),
        ("zone = 1 or region = \"eu\"", Match::Yes),
        ("zone = 1 or region = \"us\"", missing(&["zone"])),
        // What is settled no longer matters, what is asked twice is named once, in the order of the text.
        ("zone = 1 and (rack = 2 or gpu = true) and zone = 2 and shelf = 3", missing(&["zone", "shelf"])),
        ("zone = 1 and (rack = 2 or gpu = false)", missing(&["zone", "rack"])),
        ("not (zone = 1 and gpu = false) and rack = 2", missing(&["rack"])),
        ("not (zone = 1 or rack has 2)", missing(&["zone", "rack"])),
        // Every part that says no is a reason; under `not`, what holds is.
        ("cores > 8 and load > 1 and zone = 1", no(&["cores is 8, wanted > 8", "load is 0.5, wanted > 1"])),
        ("cores > 8 or load > 1", no(&["cores is 8, wanted > 8", "load is 0.5, wanted > 1"])),
        ("not gpu = true", no(&["gpu is true, wanted not = true"])),
        (
            "not (cores > 8 or load < 1 or gpu = true)",
            no(&["load is 0.5, wanted not < 1", "gpu is true, wanted not = true"]),
        ),
        ("not not cores > 8", no(&["cores is 8, wanted > 8"])),
        ("not (not cores > 8 and not zone = 1) and zone = 1", missing(&["zone"])),
    ] {
        assert_eq!(constraint(text).evaluate(&stated()), answer, "{text}");
    }
}

#[test]
fn a_constraint_is_printed_in_one_way() {
    for (written, printed) in [
        ("a=1", "a = 1"),
        ("  a  =  1  and b=2 ", "a = 1 and b = 2"),
        ("a=1 or b=2 and c=3", "a = 1 or b = 2 and c = 3"),
        ("(a=1 or b=2) and c=3", "(a = 1 or b = 2) and c = 3"),
        ("a=1 or (b=2 and c=3)", "a = 1 or b = 2 and c = 3"),
        ("(a=1 and b=2)and(c=3 and d=4)", "a = 1 and b = 2 and c = 3 and d = 4"),
        ("(a=1 or (b=2 or (c=3)))", "a = 1 or b = 2 or c = 3"),
        ("not(a=1)", "not a = 1"),
        ("not(a=1)and b=2", "not a = 1 and b = 2"),
        ("not(a=1 and b=2)", "not (a = 1 and b = 2)"),
        ("not(not(a=1))", "not not a = 1"),
        ("a!=1 and not a=1", "a != 1 and not a = 1"),
        ("((((((((a=1))))))))", "a = 1"),
        ("a<-1.50 and b<=-0.0 and c>007 and d>=0.000001", "a < -1.5 and b <= 0.0 and c > 7 and d >= 0.000001"),
        ("exists  a", "exists a"),
        ("a in[1,\"x\",true,v1.0.0,2026-11-21]", "a in [1, \"x\", true, v1.0.0, 2026-11-21]"),
        ("a has 1 and b prefix\"x y\"", "a has 1 and b prefix \"x y\""),
        ("a = []", "a = []"),
        ("a > 2026-11-21T01:00:00+01:00", "a > 2026-11-21"),
        ("a > 2026-11-21T00:00:01.500Z", "a > 2026-11-21T00:00:01.500Z"),
        ("android = 1 and nothing = 2 or ordinal = 3", "android = 1 and nothing = 2 or ordinal = 3"),
    ] {
        let read = constraint(written);
        assert_eq!(read.to_string(), printed, "{written}");
        assert_eq!(constraint(printed), read, "{written}");
        assert_eq!(Constraint::try_from(printed.to_owned()), Ok(read), "{printed}");
        if written != printed {
            assert_eq!(Constraint::try_from(written.to_owned()), Err(Invalid::NotCanonical(printed.to_owned())));
        }
    }
}

#[test]
fn an_error_points_at_its_column_and_says_what_to_do() {
    let operators =
        "expected = != < <= > >= `in`, `has` or `prefix` after gpu; alone it is `exists gpu` or `gpu = true`";
    let name = "expected the name of a property, `not`, `exists` or '('";
    let more = "expected `and`, `or` or the end";
    for (text, column, hint) in [
        ("", 1, name),
        ("()", 2, name),
        ("gpu = true and", 15, name),
        ("not", 4, name),
        ("exists", 7, name),
        ("= 1", 1, name),
        ("and = 1", 1, "'(', and not `and`"),
        ("a = 1 and or b = 2", 11, "'(', and not `or`"),
        ("exists not", 8, "no word of the constraint language"),
        ("Region = 1", 1, "\"Region\" does not name a property"),
        ("a.b = 1", 1, "\"a.b\" does not name a property"),
        ("NOT a = 1", 1, "write `not` in lower case"),
        ("Exists a", 1, "write `exists` in lower case"),
        ("!gpu = true", 1, "write `not`, not '!'"),
        ("! (gpu = true)", 1, "write `not`, not '!'"),
        ("5 < cores", 1, "a property comes first"),
        ("\"eu\" = region", 1, "a property comes first"),
        ("exists(gpu)", 7, "`exists gpu`"),
        ("exists (gpu)", 8, "`exists gpu`"),
        ("gpu", 4, operators),
        ("gpu and cores = 8", 5, operators),
        ("(gpu)", 5, operators),
        ("gpu ~ 1", 5, operators),
        ("gpu == true", 5, "write '=', not '=='"),
        ("gpu is true", 5, "write '=', not `is`"),
        ("gpu <> true", 5, "write '!=', not '<>'"),
        ("gpu =< 1", 5, "write '<=', not '=<'"),
        ("gpu => 1", 5, "write '>=', not '=>'"),
        ("gpu contains 1", 5, "write `has`, not `contains`"),
        ("gpu startswith \"a\"", 5, "write `prefix`, not `startswith`"),
        ("gpu LIKE \"a\"", 5, "write `prefix`, not `LIKE`"),
        ("gpu IN [1]", 5, "write `in` in lower case"),
        ("gpu not in [1]", 5, "`not gpu in [...]`"),
        ("gpu exists", 5, "`exists gpu`"),
        ("gpu =", 6, "expected a value: true, false"),
        ("gpu = , ", 7, "expected a value: true, false"),
        ("gpu = yes", 7, "a text stands in double quotes: \"yes\""),
        ("gpu = eu-west", 7, "a text stands in double quotes: \"eu-west\""),
        ("gpu = 'yes'", 7, "a text stands in double quotes"),
        ("gpu = True", 7, "write `true` in lower case"),
        ("gpu != null", 8, "asked with `exists`"),
        ("gpu < true", 7, "have an order"),
        ("gpu >= [1]", 8, "have an order"),
        ("gpu in \"a\"", 8, "`in` takes a list"),
        ("gpu in (1, 2)", 8, "`in` takes a list"),
        ("gpu in []", 8, "empty list"),
        ("gpu has [1]", 9, "`has` takes one value"),
        ("gpu prefix 1", 12, "only a text has a prefix"),
        ("a = 1 && b = 2", 7, "write `and`, not '&&'"),
        ("a = 1&b = 2", 6, "write `and`, not '&&'"),
        ("a = 1 || b = 2", 7, "write `or`, not '||'"),
        ("a = 1 AND b = 2", 7, "write `and` in lower case"),
        ("a = 1, b = 2", 6, "joined by `and` or `or`"),
        ("a = 1; b = 2", 6, "joined by `and` or `or`"),
        ("a = 1\nand b = 2", 6, "one line"),
        ("a = 1) and b = 2", 6, "never opened"),
        ("(a = 1", 7, "expected `and`, `or` or ')'"),
        ("(a = 1 b = 2)", 8, "expected `and`, `or` or ')'"),
        ("gpu = true region = 1", 12, more),
        ("a = \"é\" x", 9, more),
        ("a = 1 andb = 2", 7, more),
        ("a = \"never", 5, "never closed"),
        ("a = \"\\n\"", 6, "backslash"),
        ("a = \"\t\"", 5, "control characters"),
        ("a = 1e3", 5, "without exponent"),
        ("a = 0.1234567", 5, "six decimals"),
        ("a = 9223372036854775808", 5, "64 bits"),
        ("a = +1", 5, "not a value"),
        ("a = .5", 5, "not a value"),
        ("a = 1.4.0", 5, "1.4.0 is not a version; write three numbers without leading zeros, like v1.4.0"),
        ("a = v1.4", 5, "v1.4 is not a version"),
        ("a = v1.04.0", 5, "not a version"),
        ("a = V1.4.0", 5, "not a version"),
        ("a = v1.4.0-rc.1", 5, "no pre-release"),
        ("a = v1.4.4294967296", 5, "not a version"),
        ("a > 2026-02-30", 5, "2026-02-30 is not a time; write 2026-11-21"),
        ("a > 2026-11-21T10:00:00", 5, "not a time"),
        ("a > 1969-12-31", 5, "from 1970"),
        ("a = [1, [2]]", 9, "a list holds no lists"),
        ("a = [1 2]", 8, "expected ',' or ']'"),
        ("a = [1, 2", 10, "expected ',' or ']'"),
        ("a = [1,]", 8, "expected a value"),
        ("a = [1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17]", 5, "at most 16 values"),
    ] {
        match text.parse::<Constraint>() {
            Err(Invalid::Syntax(error)) => {
                assert_eq!(error.column, column, "{text:?}: {error}");
                assert!(error.message.contains(hint), "{text:?}: {error}");
            }
            other => panic!("{text:?}: {other:?}"),
        }
    }
}

#[test]
fn sizes_are_bounded() {
    let many = |count| vec!["a = 1"; count].join(" and ").parse::<Constraint>();
    assert!(many(CONSTRAINT_TERMS).is_ok());
    let message = format!("a constraint has at most {CONSTRAINT_TERMS} terms");
    let column = CONSTRAINT_TERMS * "a = 1 and ".len() + 1;
    assert_eq!(many(CONSTRAINT_TERMS + 1), Err(SyntaxError { column, message }.into()));
    let spread = format!("a = 1 or not ({} or exists b)", vec!["exists a"; CONSTRAINT_TERMS - 1].join(" or "));
    assert!(spread.parse::<Constraint>().is_err(), "wherever they stand");
    assert_eq!(format!("a = 1{}", " ".repeat(CONSTRAINT)).parse::<Constraint>(), Err(Invalid::TooLong));
    // Within the bound as it is written, beyond it as it is printed.
    let written = |last: usize| format!("a=[{}\"{}\"]", "\"x\",".repeat(14), "x".repeat(last));
    let tight: Vec<_> = (0..11).map(|_| written(20)).collect();
    assert!(tight[..9].join(" and ").parse::<Constraint>().is_ok());
    assert!(tight.join(" and ").len() <= CONSTRAINT);
    assert_eq!(tight.join(" and ").parse::<Constraint>(), Err(Invalid::TooLong));

    let key = |i| format!("k{i}").parse::<Key>().unwrap();
    let map = |count| (0..count).map(|i| (key(i), Value::Int(i))).collect::<BTreeMap<_, _>>();
    assert!(Properties::try_from(map(32)).is_ok());
    assert_eq!(Properties::try_from(map(33)), Err(Invalid::TooMany));
    let of = |value: Value| Properties::try_from(BTreeMap::from([("k".parse().unwrap(), value)]));
    assert_eq!(of(Value::Text("x".repeat(129))), Err(Invalid::Text));
    assert_eq!(of(Value::List(vec![Value::Int(1); 17])), Err(Invalid::List));
    assert_eq!(of(Value::List(vec![Value::List(vec![])])), Err(Invalid::List));
    assert!(of(Value::Time(moment::LAST)).is_ok());
    assert!(matches!(of(Value::Time(Timestamp(moment::LAST.0 + 1))), Err(Invalid::Time(_))));
    assert!(matches!(of(Value::List(vec![Value::Time(Timestamp(u64::MAX))])), Err(Invalid::Time(_))));
    for json in [json!(null), json!({}), json!(1e30), json!([[1]]), json!("x".repeat(129)), json!(vec![1; 17])] {
        assert!(Value::from_json(&json).is_err(), "{json}");
    }
}

#[test]
fn nesting_is_bounded_before_the_stack_is() {
    let nested = |open: &str, close: &str, depth| {
        format!("{}a = 1{}", open.repeat(depth), close.repeat(depth)).parse::<Constraint>()
    };
    // What is repeated, how deep that leads, and where in it the depth is counted.
    for (open, close, levels, place) in
        [("(", ")", 1, 1), ("not ", "", 1, 1), ("not(", ")", 2, 1), ("exists b or (", ")", 1, 13)]
    {
        let most = CONSTRAINT_DEPTH / levels;
        let held = nested(open, close, most).unwrap();
        assert_eq!(constraint(&held.to_string()), held);
        let message = "`not` and parentheses nest at most 8 deep".to_owned();
        let error = SyntaxError { column: most * open.len() + place, message };
        assert_eq!(nested(open, close, most + 1), Err(error.into()), "{open}");
    }
    // As much of it as may come at all.
    for text in ["(", "not ", "not(", "[", "a=[", "a in [", "exists ", "\"", "a=\"\\", "a=-", "((a=1)or", "a=1 or("] {
        let flood = text.repeat(CONSTRAINT / text.len());
        assert!(flood.parse::<Constraint>().is_err(), "{text}");
    }
    // Side by side they are many and not deep.
    assert!(vec!["(a = 1)"; CONSTRAINT_TERMS].join(" or ").parse::<Constraint>().is_ok());
}

#[test]
fn json_has_versions_and_times_where_a_string_is_exactly_one() {
    for (json, value) in [
        (json!("v1.4.0"), Value::Version(Version(1, 4, 0))),
        (json!("2026-11-21"), Value::Time(Timestamp(1_795_219_200_000))),
        (json!("2026-11-21T10:00:00Z"), Value::Time(Timestamp(1_795_255_200_000))),
        (json!("1.4.0"), Value::Text("1.4.0".into())),
        (json!("v1.4"), Value::Text("v1.4".into())),
        (json!("v1.4.0 "), Value::Text("v1.4.0 ".into())),
        (json!("2026-11"), Value::Text("2026-11".into())),
        (json!("2026-02-30"), Value::Text("2026-02-30".into())),
        (json!(0.5), Value::Dec(500_000)),
        (json!(["v0.0.1", "x"]), Value::List(vec![Value::Version(Version(0, 0, 1)), Value::Text("x".into())])),
    ] {
        assert_eq!(Value::from_json(&json), Ok(value.clone()), "{json}");
        // What JSON gave, a constraint can ask for as it is printed.
        let stated = Properties::try_from(BTreeMap::from([("k".parse().unwrap(), value.clone())])).unwrap();
        assert_eq!(constraint(&format!("k = {value}")).evaluate(&stated), Match::Yes, "{value}");
    }
}

#[test]
fn the_wire_is_canonical() {
    let bytes = cbor(&properties(json!({"zz": 1, "aaa": 2, "b": [true, 0.5, "x"], "aa": -3})));
    let value: ciborium::Value = ciborium::from_reader(&bytes[..]).unwrap();
    let keys: Vec<_> = value.as_map().unwrap().iter().map(|(key, _)| key.as_text().unwrap()).collect();
    assert_eq!(keys, ["b", "aa", "zz", "aaa"], "RFC 8949 4.2.1: shorter first");

    // Frozen: {"a": {"version": [1, 4, 300]}, "b": {"time": 1795219200000}}.
    let bytes = cbor(&properties(json!({"a": "v1.4.300", "b": "2026-11-21"})));
    assert_eq!(
        bytes,
        b"\xa2\x61a\xa1\x67version\x83\x01\x04\x19\x01\x2c\x61b\xa1\x64time\x1b\x00\x00\x01\xa1\xfb\x67\x18\x00"
    );
    assert_eq!(crate::codec::decode::<Properties>(&bytes, 100).map(|stated| cbor(&stated)), Ok(bytes));
    for bad in [
        &b"\xa1\x61a\xa1\x67version\x82\x01\x04"[..],
        b"\xa1\x61a\xa1\x67version\x84\x01\x04\x00\x00",
        b"\xa1\x61a\xa1\x67version\x83\x01\x20\x00",
        b"\xa1\x61a\xa1\x67version\x83\x01\x00\x1b\x00\x00\x00\x01\x00\x00\x00\x00",
        b"\xa1\x61a\xa1\x64time\x1b\xff\xff\xff\xff\xff\xff\xff\xff",
        b"\xa1\x61a\xa1\x64time\x20",
    ] {
        assert!(crate::codec::decode::<Properties>(bad, 100).is_err(), "{bad:x?}");
    }

    let loose = cbor(&"gpu=true");
    let error = ciborium::from_reader::<Constraint, _>(&loose[..]).unwrap_err();
    assert!(error.to_string().contains("gpu = true"), "{error}");
}

fn any_key() -> impl Strategy<Value = Key> {
    "[a-z][a-z0-9_]{0,20}".prop_filter_map("reserved", |text| text.parse().ok())
}

fn any_scalar() -> impl Strategy<Value = Value> + Clone {
    prop_oneof![
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::Int),
        any::<i64>().prop_map(Value::Dec),
        "\\PC{0,20}|[\"\\\\ ]{0,5}".prop_map(Value::Text),
        any::<(u32, u32, u32)>().prop_map(|(major, minor, patch)| Value::Version(Version(major, minor, patch))),
        (0..=moment::LAST.0).prop_map(|ms| Value::Time(Timestamp(ms))),
        (0..=moment::LAST.0 / 86_400_000).prop_map(|day| Value::Time(Timestamp(day * 86_400_000))),
    ]
}

fn any_list() -> impl Strategy<Value = Vec<Value>> {
    prop::collection::vec(any_scalar(), 0..4)
}

fn any_value() -> impl Strategy<Value = Value> {
    prop_oneof![any_scalar(), any_list().prop_map(Value::List)]
}

fn any_test() -> impl Strategy<Value = Test> {
    let equality = prop_oneof![Just(Op::Equal), Just(Op::NotEqual)];
    let order = prop_oneof![Just(Op::Less), Just(Op::AtMost), Just(Op::Greater), Just(Op::AtLeast)];
    let ordered = any_scalar().prop_filter("no order", |value| !matches!(value, Value::Bool(_)));
    prop_oneof![
        (equality, any_value()).prop_map(|(op, value)| Test::Compare(op, value)),
        (order, ordered).prop_map(|(op, value)| Test::Compare(op, value)),
        any_list().prop_filter("empty", |values| !values.is_empty()).prop_map(Test::In),
        any_scalar().prop_map(Test::Has),
        "\\PC{0,20}".prop_map(Test::Prefix),
    ]
}

/// Trees as the parser makes them, within its bounds.
fn any_constraint() -> impl Strategy<Value = Constraint> {
    let term = prop_oneof![
        any_key().prop_map(Expr::Exists),
        (any_key(), any_test()).prop_map(|(key, test)| Expr::Is { key, test }),
    ];
    let tree = term.prop_recursive(3, 10, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 1..4).prop_map(Expr::all),
            prop::collection::vec(inner.clone(), 1..4).prop_map(Expr::any),
            inner.prop_map(|inner| Expr::Not(Box::new(inner))),
        ]
    });
    fn terms(expr: &Expr) -> usize {
        match expr {
            Expr::All(parts) | Expr::Any(parts) => parts.iter().map(terms).sum(),
            Expr::Not(inner) => terms(inner),
            Expr::Exists(_) | Expr::Is { .. } => 1,
        }
    }
    tree.prop_filter("too long", |expr| terms(expr) <= CONSTRAINT_TERMS && expr.to_string().len() <= CONSTRAINT)
        .prop_map(Constraint)
}

proptest! {
    #[test]
    fn constraints_survive_text_and_wire(built in any_constraint()) {
        prop_assert_eq!(&built.to_string().parse::<Constraint>().unwrap(), &built);
        let bytes = cbor(&built);
        let back: Constraint = ciborium::from_reader(&bytes[..]).unwrap();
        prop_assert_eq!(cbor(&back), bytes);
        prop_assert_eq!(back, built);
    }

    #[test]
    fn properties_survive_the_wire_and_satisfy_themselves(
        map in prop::collection::btree_map(any_key(), any_value(), 1..6)
    ) {
        let stated = Properties::try_from(map).unwrap();
        let bytes = cbor(&stated);
        let back: Properties = ciborium::from_reader(&bytes[..]).unwrap();
        prop_assert_eq!(cbor(&back), bytes);
        prop_assert_eq!(&back, &stated);
        for (key, value) in stated.iter() {
            let test = Test::Compare(Op::Equal, value.clone());
            let demand = Constraint(Expr::Is { key: key.clone(), test });
            prop_assert_eq!(demand.evaluate(&stated), Match::Yes);
            prop_assert_eq!(demand.evaluate(&Properties::default()), Match::Unknown(vec![key.clone()]));
        }
    }

    #[test]
    fn any_demand_of_anything_is_answered(demand in any_constraint(), value in any_value()) {
        let mut stated = Properties::default();
        for key in demand.to_string().split(|c: char| !c.is_ascii_alphanumeric() && c != '_') {
            if let Ok(key) = key.parse() {
                let _ = stated.insert(key, value.clone());
            }
        }
        let answer = demand.evaluate(&stated);
        prop_assert_eq!(demand.holds(&stated), match answer {
            Match::Yes => Some(true),
            Match::No(reasons) => {
                prop_assert!(!reasons.is_empty());
                Some(false)
            }
            Match::Unknown(missing) => {
                prop_assert!(!missing.is_empty());
                None
            }
        });
    }

    #[test]
    fn reading_a_constraint_never_panics(
        text in "\\PC{0,60}|([a-c0-9=.\" \\[\\],\\\\-]|and ){0,30}\
                 |(not |and |or |exists |in |has |prefix |[()<>!=]|[ab] |1|v1\\.2\\.3|2026-01-0[1-9]|\\[1, \"x\"\\]){0,20}"
    ) {
        if let Ok(constraint) = text.parse::<Constraint>() {
            prop_assert_eq!(constraint.to_string().parse::<Constraint>().unwrap(), constraint);
        }
    }
}
