//! The door for agents that speak the Model Context Protocol: tools for a language model, over stdin and stdout.
//!
//! ```text
//!  client (an LLM's harness) ══ JSON-RPC lines ══► server ── arguments ──► calls ── HTTP over the Unix socket ──► node
//!                                                    │                       │
//!                                                  tools: what each says   documents: what is answered with
//! ```
//! A thin face of the local API: nothing is decided here, and nothing is kept but what a client was told last. No tool waits
//! for a hire: `hire` answers with an id at once, and `wait` takes a slice of time. What a caller has to put right is the
//! result of a tool (`isError`) that says what to do next; errors of the protocol are for what is no tool at all.
//!
//! What must never happen here: words of another agent that are not marked as such, a byte on stdout that is not the
//! protocol's, an approval of spending, which is for a person (`gigmesh approve`).

mod calls;
mod documents;
mod server;
mod tools;

pub use server::{Door, Home, Locate, NotMcp, serve};
