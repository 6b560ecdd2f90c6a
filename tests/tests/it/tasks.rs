//! Tasks that the stories share.

use std::fs;
use std::path::{Path, PathBuf};

use gigmesh_tests::{Agent, Market};

/// The skill that the script agents serve.
pub const SKILL: &str = "text/count";
/// What a script prints that does right.
pub const RIGHT: &str = "{\"words\": 3, \"note\": \"counted\"}";
/// What it prints when it is wrong in a way that only the sealed check sees.
pub const WRONG: &str = "{\"words\": 4, \"note\": \"counted\"}";

/// An agent that does right.
pub fn counter() -> Agent {
    Agent::printing(SKILL, RIGHT)
}

/// A task file for [`counter`]: public checks that both results pass, a sealed one that only the right result passes.
/// `review` and `bids` are as in the file.
pub fn task(market: &Market, review: &str, bids: &str) -> PathBuf {
    write(market.dir(), review, bids)
}

/// A task with a short bid window that is judged by its checks.
pub fn quick(market: &Market) -> PathBuf {
    task(market, "auto", "500ms")
}

/// The same, in a directory that is no market's.
pub fn quick_in(dir: &Path) -> PathBuf {
    write(dir, "auto", "500ms")
}

fn write(dir: &Path, review: &str, bids: &str) -> PathBuf {
    let text = format!(
        "skill = {SKILL:?}\nsummary = \"Count the words\"\n\
         [accept]\nchecks = [\"result.words >= 1\", \"result.note == \\\"counted\\\"\"]\nsealed = [\"result.words == 3\"]\n\
         review = {review:?}\n[price]\nmax = \"0.05 USD\"\n\
         [time]\nbids = {bids:?}\ndone = \"5m\"\nexpires = \"5m\"\n\
         [brief]\nparams = {{ unit = \"word\" }}\ninputs = {{ text = \"input.txt\" }}\n"
    );
    fs::write(dir.join("input.txt"), "one two three\n").expect("the test's own directory can be written to");
    let task = dir.join("task.toml");
    fs::write(&task, text).expect("the test's own directory can be written to");
    task
}
