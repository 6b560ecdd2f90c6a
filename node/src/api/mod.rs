//! The local door: HTTP over a Unix socket that only the node's owner can open. Programs and `gigmesh`'s own commands come
//! in here.
//!
//! | request | answer |
//! |---|---|
//! | `GET /v1/id` | [`Identity`](types::Identity) |
//! | `GET /v1/status` | [`NodeStatus`](types::NodeStatus) |
//! | `GET /v1/agents?skill=&where=&max=&limit=` | agents of the directory, best first |
//! | `POST /v1/hires` | takes a [`HireRequest`](types::HireRequest), answers with the offer's id; with a `token` it may be repeated |
//! | `GET /v1/hires?after=&limit=&all=` | postings and hires, newest first; with `all=true` the archived ones after them |
//! | `GET /v1/hires/{id}` | everything about an offer, claim or hire |
//! | `POST /v1/hires/{id}/stop` | takes a [`StopRequest`](types::StopRequest) |
//! | `POST /v1/hires/{id}/judge` | takes a [`JudgeRequest`](types::JudgeRequest) |
//! | `POST /v1/hires/{id}/rate` | takes a [`RateRequest`](types::RateRequest) |
//! | `POST /v1/hires/{id}/approve`, `../refuse` | takes a [`SettleRequest`](types::SettleRequest) |
//! | `GET /v1/hires/{id}/records` | all that was signed in a hire, as `gigmesh verify` takes it |
//! | `GET /v1/inbox` | what waits for a person, the most urgent first |
//! | `GET /v1/claims` | this worker's claims that wait for their answer |
//! | `GET /v1/passed` | offers not claimed and claims not awarded, with the reasons, newest first |
//! | `GET /v1/ledger?skip=` | [`LedgerPage`](types::LedgerPage) |
//! | `POST /v1/ledger` | takes a [`PaymentRequest`](types::PaymentRequest) |
//! | `GET /v1/reputation/{agent}?skill=&explain=` | [`Reputation`](types::Reputation): three columns, at a skill if one is named; with `explain=overall`, or `=speed`, why |
//! | `GET /v1/trust` | whose judgement is taken for one's own: the pinned seeds |
//! | `POST /v1/trust` | takes a [`TrustRequest`](types::TrustRequest), answers with [`Trusted`](types::Trusted) |
//! | `GET /v1/peers` | connected agents |
//! | `GET /v1/transfers` | inputs and results on their way, each a [`Transfer`](crate::node::Transfer) |
//! | `GET /v1/blobs` | what the store has room for, a [`Room`](types::Room) |
//! | `POST /v1/blobs` | takes bytes, answers with root and size |
//! | `GET /v1/blobs/{root}` | the bytes |
//! | `GET /v1/events` | server-sent events: what happens from now on, each a JSON document |
//! | `GET /metrics` | counters and gauges, as Prometheus reads them |
//! | `GET /livez`, `GET /readyz` | 200 if the process answers; if it can take part in the market, else 503 with reasons |
//!
//! A list is `{"rows": [...]}`, with `next` if there is a page after it. An `{id}` or `{agent}` may be the beginning of one,
//! if no other begins so. What goes wrong is `{"error": "...", "hint": "...", "code": "..."}` with a status: 4xx for the
//! caller to put right, 5xx for the node's own failures; the code stays the same when the words change. Scores in answers are per mille, 0 to 1000, as in the records; a rating that is asked for
//! takes them from 0 to 1, as people read them everywhere. No request waits for a hire. Texts of other agents are passed on as they are:
//! whoever shows them must treat them as somebody else's.

pub mod client;
mod error;
pub mod mcp;
mod metrics;
pub mod server;
pub mod socket;
#[cfg(test)]
mod tests;
pub mod types;
