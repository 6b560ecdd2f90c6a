use super::*;
use proptest::prelude::*;
use serde::de::DeserializeOwned;

fn price(text: &str) -> Price {
    text.parse().unwrap()
}

fn cbor<T: Serialize>(value: &T) -> Vec<u8> {
    let mut bytes = Vec::new();
    ciborium::into_writer(value, &mut bytes).unwrap();
    bytes
}

fn from_json<T: DeserializeOwned>(json: serde_json::Value) -> Result<T, String> {
    serde_json::from_value(json).map_err(|error| error.to_string())
}

#[test]
fn a_price_reads_as_people_write_it() {
    for (text, micros, per) in [
        ("0.02 USD per task", 20_000, "task"),
        ("1.5 USD per 1000 rows", 1_500_000, "1000 rows"),
        ("0.000001 USDC per input token", 1, "input token"),
        ("1000000000 EUR per task", AMOUNT, "task"),
        ("free", 0, "task"),
    ] {
        let price = price(text);
        assert_eq!((price.micros, price.per.to_string().as_str()), (micros, per), "{text}");
        assert_eq!(price.to_string(), text);
    }
    assert_eq!(price(" 0.050  USD "), price("0.05 USD per 1 task"), "no unit is per task");
}

#[test]
fn what_is_not_a_price_says_what_to_write_instead() {
    for (text, hint) in [
        ("", "write it like"),
        ("0.02", "needs its currency"),
        ("0.02 usd", "capital letters"),
        ("0.02 US", "capital letters"),
        ("0.0000001 USD per task", "per 1000 rows"),
        ("-1 USD", "write digits"),
        ("+1 USD", "write digits"),
        ("1e3 USD", "write digits"),
        ("1,5 USD", "write digits"),
        (".5 USD", "write digits"),
        ("5. USD", "write digits"),
        ("٣ USD", "write digits"),
        ("0 USD per task", "written \"free\""),
        ("1000000000.000001 USD", "at most a billion"),
        ("99999999999999999999999 USD", "at most a billion"),
        ("1 USD per", "lowercase words"),
        ("1 USD per 0 rows", "lowercase words"),
        ("1 USD per 4294967296 rows", "lowercase words"),
        ("1 USD per Row", "lowercase words"),
        ("1 USD per abcdefghijklmnopqrstuvwxy", "lowercase words"),
        ("1 USD each row", "write it like"),
        ("free per task", "write it like"),
    ] {
        let error = text.parse::<Price>().unwrap_err().to_string();
        assert!(error.contains(hint), "{text:?}: {error}");
    }
}

#[test]
fn prices_compare_only_in_one_currency_and_of_one_thing() {
    use Ordering::{Equal, Greater, Less};
    for (a, b, order) in [
        ("0.02 USD", "0.05 USD", Some(Less)),
        ("1.5 USD per 1000 rows", "0.0015 USD per rows", Some(Equal)),
        ("1.5 USD per 1000 rows", "0.001499 USD per rows", Some(Greater)),
        ("1 USD", "1 EUR", None),
        ("1 USD per task", "1 USD per rows", None),
        ("free", "0.000001 EUR per rows", Some(Less)),
        ("free", "free", Some(Equal)),
    ] {
        assert_eq!(price(a).compare(&price(b)), order, "{a} {b}");
        assert_eq!(price(b).compare(&price(a)), order.map(Ordering::reverse), "{b} {a}");
    }
}

#[test]
fn totals_round_up_and_never_wrap() {
    let rows = price("1.5 USD per 1000 rows");
    assert_eq!(rows.for_quantity(1), Some("0.0015 USD".parse().unwrap()));
    assert_eq!(price("0.000001 USD per 1000 rows").for_quantity(1001), Some("0.000002 USD".parse().unwrap()));
    assert_eq!(rows.for_quantity(0), Some(Amount::NOTHING));
    assert_eq!(rows.for_quantity(u64::MAX), None);
    assert_eq!(Price::free().for_quantity(u64::MAX), Some(Amount::NOTHING));

    let (dollar, euro): (Amount, Amount) = ("1 USD".parse().unwrap(), "1 EUR".parse().unwrap());
    assert_eq!(dollar.checked_add(&dollar), Some("2 USD".parse().unwrap()));
    assert_eq!(dollar.checked_add(&Amount::NOTHING), Some(dollar.clone()));
    assert_eq!(dollar.checked_add(&euro), None);
    assert_eq!(dollar.checked_add(&"1000000000 USD".parse().unwrap()), None);
    assert_eq!(dollar.compare(&euro), None);
}

#[test]
fn the_wire_has_one_form_for_each_price() {
    let bytes = cbor(&price("1.5 USD per 1000 rows"));
    let keys: ciborium::Value = ciborium::from_reader(&bytes[..]).unwrap();
    let keys: Vec<_> = keys.as_map().unwrap().iter().map(|(key, _)| key.as_text().unwrap()).collect();
    assert_eq!(keys, ["per", "micros", "currency"], "RFC 8949 4.2.1: shorter first");

    let task = serde_json::json!({"name": "task", "count": 1});
    for (micros, currency, per, hint) in [
        (0, Some("USD"), task.clone(), "written \"free\""),
        (1, None, task.clone(), "needs its currency"),
        (0, None, serde_json::json!({"name": "rows", "count": 1}), "written \"free\""),
        (AMOUNT + 1, Some("USD"), task.clone(), "at most a billion"),
        (1, Some("USD"), serde_json::json!({"name": "a  b", "count": 1}), "lowercase words"),
    ] {
        let mut json = serde_json::json!({"per": per, "micros": micros});
        if let Some(currency) = currency {
            json["currency"] = currency.into();
        }
        let error = from_json::<Price>(json).unwrap_err();
        assert!(error.contains(hint), "{error}");
    }
    assert!(from_json::<Amount>(serde_json::json!({"micros": 0, "extra": 1})).is_err());
}

prop_compose! {
    fn any_price()(
        micros in 0..=AMOUNT,
        currency in "[A-Z]{3,8}",
        count in 1..=u32::MAX,
        name in "[a-z]{1,11}( [a-z]{1,12})?",
    ) -> Price {
        let amount = Amount::new(micros, currency.parse().unwrap()).unwrap();
        Price::new(amount, Unit::new(count, &name).unwrap())
    }
}

proptest! {
    #[test]
    fn prices_survive_text_and_wire(price in any_price()) {
        prop_assert_eq!(&price.to_string().parse::<Price>().unwrap(), &price);
        let bytes = cbor(&price);
        let back: Price = ciborium::from_reader(&bytes[..]).unwrap();
        prop_assert_eq!(cbor(&back), bytes);
        prop_assert_eq!(&back, &price);
        let amount = price.amount();
        prop_assert_eq!(&amount.to_string().parse::<Amount>().unwrap(), &amount);
        prop_assert_eq!(ciborium::from_reader::<Amount, _>(&cbor(&amount)[..]).unwrap(), amount);
    }

    #[test]
    fn reading_a_price_never_panics(text in "\\PC{0,60}|[0-9.]{0,30} [A-Z]{0,9}( per [0-9]{0,12} [a-z ]{0,30})?") {
        let _ = text.parse::<Price>();
    }
}
