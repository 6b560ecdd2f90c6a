//! Tasks that the stories share.

use std::path::PathBuf;

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
/// `more` is TOML that goes at its end; `review` and `bids` are as in the file.
pub fn task(market: &Market, review: &str, bids: &str, more: &str) -> PathBuf {
    market.file("input.txt", "one two three\n");
    let text = format!(
        "skill = {SKILL:?}\nsummary = \"Count the words\"\n\
         [accept]\nchecks = [\"result.words >= 1\", \"result.note == \\\"counted\\\"\"]\nsealed = [\"result.words == 3\"]\n\
         review = {review:?}\n[price]\nmax = \"0.05 USD\"\n\
         [time]\nbids = {bids:?}\ndone = \"5m\"\nexpires = \"5m\"\n\
         [brief]\nparams = {{ unit = \"word\" }}\ninputs = {{ text = \"input.txt\" }}\n{more}"
    );
    market.file("task.toml", text)
}

/// A task with a short bid window that is judged by its checks.
pub fn quick(market: &Market) -> PathBuf {
    task(market, "auto", "500ms", "")
}
