//! The page names every code that goes over the wire, and no other.

use std::collections::BTreeSet;

use gigmesh_protocol::hire::rule::Rule;
use gigmesh_protocol::market::Reason;
use gigmesh_protocol::peer::io::Refused;

fn of_page(mark: &str) -> BTreeSet<&'static str> {
    let page = include_str!("../../README.md");
    let (_, table) = page.split_once(&format!("<!-- {mark}: checked by tests/it/codes.rs -->")).unwrap();
    let (table, _) = table.split_once("<!-- end -->").unwrap();
    table.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next()).collect()
}

#[test]
fn the_page_names_every_reason() {
    let (plain, with) = Reason::CODES;
    assert_eq!(of_page("reasons"), plain.iter().chain(with).copied().collect());
}

#[test]
fn the_page_names_every_rule() {
    assert_eq!(of_page("rules"), Rule::ALL.iter().map(|rule| rule.code()).collect());
}

#[test]
fn every_refusal_has_a_code_of_its_own() {
    let codes: BTreeSet<_> = Refused::CODES.iter().collect();
    assert_eq!(codes.len(), Refused::CODES.len());
    assert!(codes.iter().all(|code| code.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')));
}
