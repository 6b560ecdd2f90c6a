//! The page names every code that goes over the wire, and no other.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

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

/// The faces make the words for people, in the terms of their commands and files.
#[test]
fn no_command_line_and_no_word_of_a_file_stands_in_this_crate() {
    let words = [
        "gigmesh ",
        "--",
        "[serve]",
        "[buy]",
        "[arbiter]",
        "serve.",
        "buy.",
        "`where`",
        "`bids`",
        "`slots`",
        "`expires`",
        "`agree`",
        "ask_above",
        "per_hire",
        "per_day",
    ];
    let mut found = Vec::new();
    for file in files(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src"))) {
        let text = fs::read_to_string(&file).unwrap();
        let code = text.split("#[cfg(test)]\nmod ").next().unwrap_or_default();
        for (number, line) in (1..).zip(code.lines()).filter(|(_, line)| !line.trim_start().starts_with("//")) {
            // Every second part of a line is within quotes, as no string here goes over several lines.
            let quoted = line.split('"').skip(1).step_by(2);
            if quoted.into_iter().any(|literal| words.iter().any(|word| literal.contains(word))) {
                found.push(format!("{}:{number}: {line}", file.display()));
            }
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let under = |path: PathBuf| if path.is_dir() { files(&path) } else { vec![path] };
    let tests =
        |path: &PathBuf| path.ends_with("tests.rs") || path.components().any(|part| part.as_os_str() == "tests");
    entries.flat_map(under).filter(|path| !tests(path)).collect()
}
