use super::*;
use proptest::prelude::*;
use serde_json::json;

fn properties(json: serde_json::Value) -> Properties {
    Properties::from_json(json.as_object().unwrap()).unwrap()
}

fn constraint(text: &str) -> Constraint {
    text.parse().unwrap()
}

fn cbor<T: Serialize>(value: &T) -> Vec<u8> {
    let mut bytes = Vec::new();
    ciborium::into_writer(value, &mut bytes).unwrap();
    bytes
}

#[test]
fn a_missing_property_is_unknown_and_any_contradiction_is_no() {
    let stated = properties(json!({"retention_days": 0, "region": "eu", "gpu": true, "languages": ["de", "fr"]}));
    let missing = |keys: &[&str]| Match::Unknown(keys.iter().map(|key| key.parse().unwrap()).collect());
    for (text, answer) in [
        (r#"retention_days = 0 and region = "eu" and gpu = true"#, Match::Yes),
        ("retention_days=0.0", Match::Yes),
        (r#"languages = "fr""#, Match::Yes),
        (r#"languages = ["de", "fr"]"#, Match::Yes),
        (r#"languages = ["fr", "de"]"#, Match::No(vec![r#"languages is ["de", "fr"], wanted ["fr", "de"]"#.into()])),
        ("gpu = true and audited = true and cores = 8 and audited = false", missing(&["audited", "cores"])),
        (r#"audited = true and region = "us""#, Match::No(vec![r#"region is "eu", wanted "us""#.into()])),
        (r#"gpu = "true""#, Match::No(vec![r#"gpu is true, wanted "true""#.into()])),
    ] {
        assert_eq!(constraint(text).evaluate(&stated), answer, "{text}");
    }
}

#[test]
fn an_error_points_at_its_column() {
    for (text, column, hint) in [
        ("", 1, "does not name a property"),
        ("and = 1", 1, "does not name a property"),
        ("Region = 1", 1, "does not name a property"),
        ("gpu", 4, "expected '='"),
        ("gpu == true", 6, "expected a value"),
        ("gpu = yes", 7, "expected a value"),
        ("gpu = true region = 1", 12, "expected `and`"),
        ("gpu = true or gpu = false", 12, "expected `and`"),
        ("gpu = true and", 15, "does not name a property"),
        ("a = \"é\" x", 9, "expected `and`"),
        ("a = \"never", 5, "never closed"),
        ("a = \"\\n\"", 6, "backslash"),
        ("a = \"\t\"", 5, "control characters"),
        ("a = 1e3", 5, "without exponent"),
        ("a = 0.1234567", 5, "six decimals"),
        ("a = 9223372036854775808", 5, "64 bits"),
        ("a = [1, [2]]", 9, "expected a value"),
        ("a = [1 2]", 8, "expected ','"),
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
    assert_eq!(many(CONSTRAINT_TERMS + 1), Err(Invalid::TooLong));
    assert_eq!(format!("a = 1{}", " ".repeat(CONSTRAINT)).parse::<Constraint>(), Err(Invalid::TooLong));

    let key = |i| format!("k{i}").parse::<Key>().unwrap();
    let map = |count| (0..count).map(|i| (key(i), Value::Int(i))).collect::<BTreeMap<_, _>>();
    assert!(Properties::try_from(map(32)).is_ok());
    assert_eq!(Properties::try_from(map(33)), Err(Invalid::TooMany));
    let of = |value: Value| Properties::try_from(BTreeMap::from([("k".parse().unwrap(), value)]));
    assert_eq!(of(Value::Text("x".repeat(129))), Err(Invalid::Text));
    assert_eq!(of(Value::List(vec![Value::Int(1); 17])), Err(Invalid::List));
    assert_eq!(of(Value::List(vec![Value::List(vec![])])), Err(Invalid::List));
    for json in [json!(null), json!({}), json!(1e30), json!([[1]]), json!("x".repeat(129)), json!(vec![1; 17])] {
        assert!(Value::from_json(&json).is_err(), "{json}");
    }
}

#[test]
fn the_wire_is_canonical() {
    let bytes = cbor(&properties(json!({"zz": 1, "aaa": 2, "b": [true, 0.5, "x"], "aa": -3})));
    let value: ciborium::Value = ciborium::from_reader(&bytes[..]).unwrap();
    let keys: Vec<_> = value.as_map().unwrap().iter().map(|(key, _)| key.as_text().unwrap()).collect();
    assert_eq!(keys, ["b", "aa", "zz", "aaa"], "RFC 8949 4.2.1: shorter first");

    let loose = cbor(&"gpu=true");
    let error = ciborium::from_reader::<Constraint, _>(&loose[..]).unwrap_err();
    assert!(error.to_string().contains("gpu = true"), "{error}");
}

fn any_key() -> impl Strategy<Value = Key> {
    "[a-z][a-z0-9_]{0,20}".prop_filter_map("reserved", |text| text.parse().ok())
}

fn any_value() -> impl Strategy<Value = Value> {
    let scalar = prop_oneof![
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::Int),
        any::<i64>().prop_map(Value::Dec),
        "\\PC{0,20}|[\"\\\\ ]{0,5}".prop_map(Value::Text),
    ];
    let list = prop::collection::vec(scalar.clone(), 0..4).prop_map(Value::List);
    prop_oneof![scalar, list]
}

proptest! {
    #[test]
    fn constraints_survive_text_and_wire(terms in prop::collection::vec((any_key(), any_value()), 1..4)) {
        let mut parts: Vec<_> = terms.into_iter().map(|(key, value)| Expr::Is { key, value }).collect();
        let built = Constraint(if parts.len() == 1 { parts.remove(0) } else { Expr::All(parts) });
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
            let demand = Constraint(Expr::Is { key: key.clone(), value: value.clone() });
            prop_assert_eq!(demand.evaluate(&stated), Match::Yes);
            prop_assert_eq!(demand.evaluate(&Properties::default()), Match::Unknown(vec![key.clone()]));
        }
    }

    #[test]
    fn reading_a_constraint_never_panics(text in "\\PC{0,60}|([a-c0-9=.\" \\[\\],\\\\-]|and ){0,30}") {
        if let Ok(constraint) = text.parse::<Constraint>() {
            prop_assert_eq!(constraint.to_string().parse::<Constraint>().unwrap(), constraint);
        }
    }
}
