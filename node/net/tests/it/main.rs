//! Nodes on loopback, in one process: what the crate promises, as a user of it sees it.

mod abuse;
mod dht;
mod doors;
mod exchange;
mod harness;
mod heartbeat;
mod limits;
mod relay;
mod rooms;
mod start;
