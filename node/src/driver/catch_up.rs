//! Asks a room's member for what it holds. In: one page of its records. Out: those that are new and verify, then the word
//! that the page is done.

use std::sync::Arc;

use gigmesh_net::Severity;
use gigmesh_protocol::codec::Text;
use gigmesh_protocol::id::{AgentId, Bytes32};
use gigmesh_protocol::peer::io::{Input, Origin};
use gigmesh_protocol::wire::{Request, Response};

use super::{Body, blocking};
use crate::metrics::{Count, Way};

/// Always ends with [`Input::Page`], unless the node stops.
pub(super) async fn ask(body: Arc<Body>, from: AgentId, room: String, after: Option<Bytes32>) {
    let next = page(&body, from, &room, after).await.flatten();
    body.queue.deliver(Input::Page { from, room, next }).await;
}

/// Where to go on; `None` if there was no page.
async fn page(body: &Arc<Body>, from: AgentId, room: &str, after: Option<Bytes32>) -> Option<Option<Bytes32>> {
    let request = Request::Page { room: Text::try_from(room).ok()?, after };
    let answer = body.net.request(from, Vec::new(), request.encode()).await.ok()?;
    let _core = body.rations.crunches.acquire().await.ok()?;
    let edge = Arc::clone(body);
    let (records, forged, next) = blocking(move || {
        let Ok(Response::Page { next, records }) = Response::decode(&answer) else { return None };
        let metrics = edge.queue.metrics();
        let (mut admitted, mut forged) = (Vec::new(), 0);
        for envelope in &*records {
            match edge.edge.admit_once(envelope) {
                Ok(Some(new)) => {
                    metrics.record(Way::Page, Ok(&new.0));
                    admitted.push(new);
                }
                Ok(None) => metrics.known(Way::Page),
                Err(refusal) => {
                    metrics.record(Way::Page, Err(&refusal));
                    forged += usize::from(!refusal.is_innocent());
                }
            }
        }
        Some((admitted, forged, next))
    })
    .await??;
    if forged > 0 {
        tracing::warn!(%from, forged, "a page holds records that do not verify");
        body.queue.metrics().count(Count::BlamedPage);
        // Not taken means that it gets away with it this once.
        let _ = body.net.penalize(from, Severity::Mid);
    }
    for (record, hash) in records {
        body.queue.deliver(Input::Record { from, origin: Origin::Page, record }).await;
        body.edge.remember(hash);
    }
    Some(next)
}
