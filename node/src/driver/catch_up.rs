//! Asks a peer for what it holds of a room, or of ratings. In: one page of records. Out: those that are new and verify, and
//! the word that the page is done.

use std::sync::Arc;

use gigmesh_net::Severity;
use gigmesh_protocol::codec::{List, Text};
use gigmesh_protocol::id::{AgentId, Bytes32};
use gigmesh_protocol::market::Rating;
use gigmesh_protocol::peer::io::{Input, Origin, Wanted};
use gigmesh_protocol::record::{Record, Verified};
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
                    edge.queue.clock().heard(&new.0);
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

/// Always ends with [`Input::Ratings`], unless the node stops.
pub(super) async fn ask_ratings(body: Arc<Body>, from: AgentId, hints: Vec<String>, wanted: Wanted) {
    let request = match &wanted {
        Wanted::About(about, after) => Request::Ratings { about: *about, after: *after },
        Wanted::By(by, after) => Request::RatingsBy { by: *by, after: *after },
        Wanted::These(ids) => Request::RatingsById(List::fit(ids.iter().map(|id| id.untyped()))),
    };
    let (ratings, next) = ratings(&body, from, hints, request).await.unwrap_or_default();
    body.queue.deliver(Input::Ratings { from, wanted, ratings, next }).await;
}

/// What came and verifies, and where to go on.
async fn ratings(
    body: &Arc<Body>,
    from: AgentId,
    hints: Vec<String>,
    request: Request,
) -> Option<(Vec<Verified<Rating>>, Option<Bytes32>)> {
    let answer = body.net.request(from, hints, request.encode()).await.ok()?;
    let _core = body.rations.crunches.acquire().await.ok()?;
    let edge = Arc::clone(body);
    let (ratings, forged, next) = blocking(move || {
        let Ok(Response::Ratings { next, ratings }) = Response::decode(&answer) else { return None };
        let (mut admitted, mut forged) = (Vec::new(), 0);
        for envelope in &*ratings {
            let admission = edge.edge.admit_bare(envelope);
            edge.queue.metrics().record(Way::Ratings, admission.as_ref());
            match admission {
                Ok(Record::Rating(rating)) => admitted.push(rating),
                Ok(_) => forged += 1,
                Err(refusal) => forged += usize::from(!refusal.is_innocent()),
            }
        }
        Some((admitted, forged, next))
    })
    .await??;
    if forged > 0 {
        tracing::warn!(%from, forged, "an answer holds ratings that do not verify");
        body.queue.metrics().count(Count::BlamedRatings);
        // Not taken means that it gets away with it this once.
        let _ = body.net.penalize(from, Severity::Mid);
    }
    Some((ratings, next))
}
