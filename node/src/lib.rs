//! A gigmesh node: the market's brain ([`gigmesh_protocol::peer`]) with a body. IO, and nothing that decides anything about
//! the market.
//!
//! ```text
//!  cli ── api (HTTP over a Unix socket) ──► node::NodeHandle ──► driver ──► brain
//!                                                                  │
//!                                    gigmesh_net (libp2p) ◄────────┼────────► store (journal, ratings, blobs)
//!                                                                  └────────► work (the operator's agent)
//! ```
//! The front door for a program is [`node::start`]; for an operator, the binary.

pub mod api;
pub mod cli;
pub mod config;
pub mod demo_agent;
pub mod demo_files;
pub mod driver;
#[cfg(test)]
mod forged;
pub mod identity;
pub mod limits;
pub(crate) mod metrics;
pub mod node;
pub mod store;
pub mod task;
pub mod trial;
#[cfg(test)]
mod wait;
pub(crate) mod words;
pub mod work;
