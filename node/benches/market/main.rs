//! What a market costs on one machine: real processes of this very binary, on loopback, with their data on disk.
//! `cargo bench -p gigmesh --bench market`, on an otherwise quiet machine; with `-- throughput`, `held`, `memory` or `first`
//! one part of it alone.
//!
//! | part | question | beside |
//! |---|---|---|
//! | `throughput` | hires closed by both sides a second, through two nodes | bare journal commits on the same disk, bare runs of the agent |
//! | `held` | the same after so many hires | the same |
//! | `memory` | what an idle node takes, and one with 10,000 manifests | the bytes of the manifests |
//! | `first` | from `up` in an empty directory to the first accepted hire | the second hire; starting; the bid window |
//!
//! `MARKET_BENCH_HELD` and `MARKET_BENCH_MANIFESTS` set how far `held` and `memory` go; `MARKET_BENCH_AGENT` names
//! another program than `cat` that returns what it reads, such as the same by its path.

mod first;
mod memory;
mod processes;
mod throughput;

use std::error::Error;

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

#[tokio::main]
async fn main() -> Outcome<()> {
    let wanted: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    let wants = |part: &str| wanted.is_empty() || wanted.iter().any(|name| name == part);
    if wants("throughput") {
        throughput::fresh().await?;
    }
    if wants("held") {
        throughput::held(number("MARKET_BENCH_HELD", 5_000)).await?;
    }
    if wants("memory") {
        memory::measure(number("MARKET_BENCH_MANIFESTS", 10_000)).await?;
    }
    if wants("first") {
        first::measure().await?;
    }
    Ok(())
}

fn number(variable: &str, otherwise: usize) -> usize {
    std::env::var(variable).ok().and_then(|number| number.parse().ok()).unwrap_or(otherwise)
}

/// Median, lowest and highest.
fn spread(values: impl IntoIterator<Item = f64>, digits: usize) -> String {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    format!("{:.digits$} ({:.digits$}..{:.digits$})", values[values.len() / 2], values[0], values[values.len() - 1])
}
