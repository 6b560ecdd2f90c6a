//! How long somebody waits who starts a node for the first time: from `gigmesh up` in an empty directory to a hire that both
//! sides have closed. The bootstrap node and the worker run already; all three are minutes old at most, as in a trial.
//!
//! Beside it: a second hire by the same node, which has all the links it needs, and what is known to be waited for: the
//! start of the process, and the bid window.

use std::time::Instant;

use gigmesh_protocol::time::Millis;
use tokio::time::timeout;

use super::processes::{Process, STUCK, directory, is_closed, request};
use super::{Outcome, spread};

const ROUNDS: usize = 5;
/// Time for claims to come in.
const BIDS: Millis = Millis::secs(1);

/// Prints it all.
pub async fn measure() -> Outcome<()> {
    let mut rounds = Vec::new();
    for _ in 0..ROUNDS {
        rounds.push(round().await?);
    }
    println!("from `up` in an empty directory to the first hire, ms; {ROUNDS} rounds, bid window {} ms", BIDS.0);
    let row = |name: &str, digits, value: &dyn Fn(&[f64; 3]) -> f64| {
        println!("  {name:34} {}", spread(rounds.iter().map(value), digits));
    };
    row("`up` to the first hire", 0, &|[first, ..]| *first);
    row("of which until it is ready", 0, &|[_, ready, _]| *ready);
    row("a second hire", 0, &|[.., second]| *second);
    row("first / (ready + second)", 2, &|[first, ready, second]| first / (ready + second));
    row("first / (ready + bid window)", 2, &|[first, ready, _]| first / (ready + BIDS.0 as f64));
    Ok(())
}

/// Until the first hire, until ready, and for a second hire, in milliseconds.
async fn round() -> Outcome<[f64; 3]> {
    let dir = directory()?;
    let home = |name: &str| dir.path().join(name);
    let door = Process::bootstrap(&home("door")).await?;
    let worker = Process::worker(&home("worker"), Some(&door.address)).await?;
    let begun = Instant::now();
    let requester = Process::requester(&home("requester"), &door.address).await?;
    hire(&requester).await?;
    let first = begun.elapsed();
    requester.rest().await?;
    worker.rest().await?;
    let begun = Instant::now();
    hire(&requester).await?;
    let second = begun.elapsed();
    let ready = requester.ready_after;
    for process in [requester, worker, door] {
        process.stop().await?;
    }
    Ok([first, ready, second].map(|time| time.as_secs_f64() * 1e3))
}

/// Posts a task on the market and waits until it is done.
async fn hire(requester: &Process) -> Outcome<()> {
    let mut events = requester.client.events().await?;
    requester.post(&request(None, BIDS)?).await?;
    let closed = async {
        while !is_closed(&events.next().await?.ok_or("the requester has stopped")?)? {}
        Outcome::Ok(())
    };
    timeout(STUCK, closed).await.map_err(|_| "the hire does not come to an end")?
}
