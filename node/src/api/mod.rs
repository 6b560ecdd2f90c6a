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
//! caller to put right, 5xx for the node's own failures. Scores in answers are per mille, 0 to 1000, as in the records; a rating that
//! is asked for takes them from 0 to 1, as people read them everywhere. No request waits for a hire. Texts of other agents are passed
//! on as they are: a program that shows them must mark them as somebody else's.
//!
//! The code of an error stays the same when its words change. A later release may add codes.
//!
//! | code | when |
//! |---|---|
//! | `no_such_path` | There is no such path |
//! | `no_such_method` | The path has no such method |
//! | `invalid_body` | The body is not the JSON that the request takes, or too long |
//! | `invalid_query` | The query is not what the request takes |
//! | `invalid_field` | A field is not what it should be; the error names it |
//! | `not_an_id` | The text is no id, nor the beginning of one |
//! | `unknown_id` | Nothing has this id |
//! | `ambiguous_id` | Several ids begin so |
//! | `no_hire` | The offer has no hire yet |
//! | `several_hires` | The offer has several hires |
//! | `not_pinned` | No pinned agent has this id |
//! | `clock_right` | The system's clock was not set, so there is nothing to confirm |
//! | `clock_unclear` | The system's clock was set, and nothing is dated until it is confirmed |
//! | `blob_too_large` | The input or result is larger than any may be |
//! | `no_room` | The store has no room for it |
//! | `unknown_blob` | The bytes are not here |
//! | `stopped` | The node is shutting down |
//! | `storage` | The node's data cannot be read or written |
//! | `internal` | The node failed |
//! | `task_invalid` | No offer can be made of the task; `at` has the place |
//! | `offers_full` | As many offers are open as may be |
//! | `hires_full` | As many hires are open as may be |
//! | `rooms_full` | As many rooms are followed as may be |
//! | `empty_token` | The token of the order is empty |
//! | `token_taken` | The token of the order was given with another task, which is this offer |
//! | `pin_self` | An agent cannot pin itself |
//! | `pins_full` | As many agents are pinned as may be |
//! | `not_stoppable` | Only what is still at work can be stopped |
//! | `no_scores` | There is no score, or one above 1 |
//! | `rating_sealed` | The rating is sealed, which is final |
//! | `not_begun` | The hire has not begun |
//! | `closed` | The hire is closed |
//! | `nothing_waits` | Nothing of the offer waits for a person |
//! | `no_refusal` | There is no refusal to agree to or to contest |
//! | `not_working` | Only a worker asks, and only while it works |
//! | `questions_full` | No more questions can be asked in the hire |
//! | `no_question` | There is no question to answer |
//! | `no_delivery` | There is no delivery under review here |
//! | `review_over` | The review clock has ended |
//! | `result_missing` | The result has not arrived, or its checks have not been run |
//! | `changes_past` | Changes are wanted by a time that is past |
//! | `changes_full` | Changes were wanted as often as may be |
//! | `result_here` | The result is here, so it cannot be judged as never served |
//! | `invalid_words` | The words cannot be sent as they are |
//! | `no_amount` | A payment is of nothing |
//! | `note_too_long` | The note is longer than is kept |
//! | `not_contested` | The hire is not contested |
//! | `no_arbiter` | The hire has no arbiter |
//! | `arbiter_late` | The arbiter's time is over |
//! | `arbiter_called` | The arbiter is called already |

pub mod client;
mod error;
pub mod mcp;
mod metrics;
pub mod server;
pub mod socket;
#[cfg(test)]
mod tests;
pub mod types;
