//! The harness of the whole-system tests: real processes of the real binary, over real libp2p, on loopback.
//!
//! In: what a test wants of a market. Out: processes that end with their test however that ends, what they printed, and
//! what the command line says of them. When a test fails, the last lines of every process it had are in its output.
//!
//! ```text
//!  Market -- Bootstrap, Node (requester), Node (worker) ...      market.rs, node.rs
//!                 |          |                |
//!              Process    Process          Process -- agent      process.rs, agent.rs
//! ```
//!
//! A [`hostile::Hostile`] peer lives in the test program itself and attacks the processes over the network.
//!
//! Rules: there is no sleeping but in [`wait_until`] and [`sleep_until`]; a port is taken by the process that listens on
//! it, not before (except where the test is about a known port); nothing outside the market's own temporary directory is
//! written. What must never happen: a process that outlives its test, a test that waits without an end.
//!
//! The environment: `GIGMESH_BIN` names a binary to test instead of a fresh build; `GIGMESH_REQUIRE=python3,...` makes a
//! test fail that would be skipped because the tool is missing (`nft`: there are no NATs; `namespaces`: the system makes
//! none); `GIGMESH_KILLS` and `GIGMESH_SEED` say how many hires are done among kills, and by which seed.
//!
//! `cargo test` runs as many tests at once as there are cores. A market at rest costs next to nothing, so no test needs
//! to wait for another.

mod agent;
mod binary;
mod door;
mod files;
pub mod hostile;
mod lan;
mod market;
mod nat;
mod node;
mod process;
mod require;
mod under;
mod wait;

pub use agent::{Agent, Does, is_running};
pub use binary::binary;
pub use door::Door;
pub use files::{Snapshot, snapshot};
pub use lan::{Apart, Host, Lan};
pub use market::{Market, Transport, free_port, home, temp_dir};
pub use nat::{Nats, Ports, Side};
pub use node::{Bootstrap, Node, Setup};
pub use process::{Output, Process, Signal, run};
pub use require::{namespaces, python_with, tool};
pub use under::{Call, calls, failing_sync, faked_clock, traced};
pub use wait::{SOON, sleep_until, wait_until};
