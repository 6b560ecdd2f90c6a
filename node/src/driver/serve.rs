//! Answers peers that ask for what we hold: a room's records, ratings, and blobs of a hire to those the brain lets read them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use gigmesh_net::ResponseToken;
use gigmesh_protocol::codec::{List, Text};
use gigmesh_protocol::hire::HireId;
use gigmesh_protocol::id::{AgentId, Bytes32, Id};
use gigmesh_protocol::market::{BlobRef, Rating};
use gigmesh_protocol::merkle::CHUNK_BYTES;
use gigmesh_protocol::peer::io::Page;
use gigmesh_protocol::peer::query::{MayRead, Query, RoomPage};
use gigmesh_protocol::wire::Response;

use super::shares::Share;
use super::transfers::Way;
use super::{Body, blocking};
use crate::limits::{LEAVE_FOR, LEAVES_GIVEN};
use crate::metrics::Count;
use crate::store::blobs::{BlobError, BlobStore};

/// Works out an answer and sends it, if not too many are being worked out already.
pub(super) fn answer(
    body: &Arc<Body>,
    answer: impl Future<Output = Response> + Send + 'static,
    token: ResponseToken,
    share: Share,
) {
    let Ok(permit) = Arc::clone(&body.rations.serves).try_acquire_owned() else {
        return body.queue.metrics().count(Count::DroppedServe);
    };
    let net = body.net.clone();
    body.spawn(async move {
        // An error means that the asker has gone.
        let _ = net.respond(token, answer.await.encode());
        drop((permit, share));
    });
}

/// A page of a room's records.
pub(super) async fn page(body: Arc<Body>, room: String, after: Option<Bytes32>) -> Response {
    let Some(Page { rows, next }) = body.queue.ask(RoomPage { room, after }).await else {
        return no("no page of that room");
    };
    Response::Page { next, records: List::fit(rows.into_iter().filter_map(|record| record.try_into().ok())) }
}

/// Ratings of one subject, or by one rater.
pub(super) async fn ratings<Q>(body: Arc<Body>, which: Q) -> Response
where
    Q: Query<Answer = Page<Id<Rating>, Id<Rating>>>,
{
    let Some(Page { rows, next }) = body.queue.ask(which).await else { return no("no ratings") };
    ratings_by_id(body, rows.iter().map(Id::untyped).collect(), next.map(|next| next.untyped())).await
}

/// These ratings, as far as they are held.
pub(super) async fn ratings_by_id(body: Arc<Body>, ids: Vec<Bytes32>, next: Option<Bytes32>) -> Response {
    let store = Arc::clone(&body.ratings);
    let found = blocking(move || ids.iter().map(|id| store.get(id.0)).collect::<Result<Vec<_>, _>>()).await;
    match found {
        Some(Ok(found)) => {
            let ratings = found.into_iter().flatten().filter_map(|envelope| envelope.try_into().ok());
            Response::Ratings { next, ratings: List::fit(ratings) }
        }
        Some(Err(error)) => {
            tracing::warn!(%error, "ratings cannot be served");
            no("no ratings")
        }
        None => no("no ratings"),
    }
}

/// The leaf hashes of a blob.
pub(super) async fn leaves(body: Arc<Body>, who: AgentId, hire: HireId, root: Bytes32) -> Response {
    match read(&body, who, hire, root, move |blobs| blobs.check(root)).await {
        Some((leaves, _)) => leaves.concat().try_into().map_or_else(|_| no("the blob is too large"), Response::Leaves),
        None => not_yours(),
    }
}

/// A chunk of a blob.
pub(super) async fn chunk(body: Arc<Body>, who: AgentId, hire: HireId, root: Bytes32, index: u32) -> Response {
    match read(&body, who, hire, root, move |blobs| blobs.read_chunk(root, index.into())).await {
        Some((chunk, size)) => {
            let (count, end) = (chunk.len() as u64, (u64::from(index) + 1) * CHUNK_BYTES as u64);
            if size > CHUNK_BYTES as u64 {
                // They are asked for in order, what was held before left out: so the last tells how far it is.
                body.queue.transfers().moved(hire, BlobRef { root, size }, Way::Served, end, count);
            }
            chunk.try_into().map_or_else(|_| no("the chunk is too large"), Response::Chunk)
        }
        None => not_yours(),
    }
}

/// Who may read what, as the brain said a moment ago, and how long that is: or each chunk would wait its turn among claims,
/// and claims among chunks.
#[derive(Default)]
pub(super) struct Granted(Mutex<BTreeMap<Ask, (u64, Instant)>>);

/// Who asks for which blob within which hire.
type Ask = (HireId, AgentId, Bytes32);

impl Granted {
    async fn size(&self, body: &Body, hire: HireId, who: AgentId, root: Bytes32) -> Option<u64> {
        let given = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((size, at)) = given().get(&(hire, who, root))
            && at.elapsed() < LEAVE_FOR
        {
            return Some(*size);
        }
        let size = body.queue.ask(MayRead { hire, who, root }).await??;
        let mut given = given();
        given.retain(|_, (_, at)| at.elapsed() < LEAVE_FOR);
        if given.len() < LEAVES_GIVEN {
            given.insert((hire, who, root), (size, Instant::now()));
        }
        Some(size)
    }
}

/// Reads from a blob if the brain allows it. With how long the blob is.
async fn read<T: Send + 'static>(
    body: &Body,
    who: AgentId,
    hire: HireId,
    root: Bytes32,
    read: impl FnOnce(&BlobStore) -> Result<T, BlobError> + Send + 'static,
) -> Option<(T, u64)> {
    let size = body.granted.size(body, hire, who, root).await?;
    let blobs = Arc::clone(&body.blobs);
    let read = blocking(move || read(&blobs)).await?;
    Some((read.inspect_err(|error| tracing::warn!(%error, "a blob cannot be served")).ok()?, size))
}

/// One answer for what is not here and what is not for the asker: whoever has no part in a hire learns nothing of it.
fn not_yours() -> Response {
    no("not here, or not for you")
}

fn no(why: &str) -> Response {
    Response::No(Text::fit(why))
}
