//! Fetches the blobs of a hire. In: who has them. Out: whole, durable blobs, or why there are none.
//!
//! The leaf hashes come first, so that every chunk is verified as it arrives; what has arrived stays for the next try,
//! also across restarts. A few tries are made here; whether it is worth more is the brain's to say.

use std::sync::Arc;

use gigmesh_net::limits::RELAYED_BLOB_BYTES;
use gigmesh_net::{RequestError, Severity};
use gigmesh_protocol::hire::HireId;
use gigmesh_protocol::id::AgentId;
use gigmesh_protocol::market::BlobRef;
use gigmesh_protocol::merkle::CHUNK_BYTES;
use gigmesh_protocol::peer::io::Input;
use gigmesh_protocol::wire::{Request, Response};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::{Body, blocking};
use crate::limits::{FETCH_AHEAD, FETCH_PAUSE, FETCH_TIME, FETCH_TRIES};
use crate::metrics::Count;
use crate::store::blobs::{self, BlobError};

/// Whom to ask, and where it may be.
#[derive(Debug, Clone)]
pub(super) struct Source {
    pub from: AgentId,
    pub hints: Vec<String>,
}

/// Why a blob did not come.
#[derive(Debug, thiserror::Error)]
enum FetchError {
    #[error(transparent)]
    Request(#[from] RequestError),
    #[error("the peer does not give it: {0}")]
    Denied(String),
    #[error("the peer answered something else")]
    Nonsense,
    #[error(transparent)]
    Blob(#[from] BlobError),
    #[error("it takes too long; what has come is kept for the next try")]
    Slow,
    #[error("the node is stopping")]
    Stopping,
}

impl FetchError {
    /// Whether another try in a moment may go better.
    fn passes(&self) -> bool {
        match self {
            Self::Request(error) => *error != RequestError::Relayed,
            Self::Blob(error) => matches!(error, BlobError::Busy(_)),
            _ => false,
        }
    }

    /// Whether no honest peer would have caused it.
    fn blames(&self) -> bool {
        matches!(self, Self::Nonsense | Self::Blob(BlobError::Mismatch(..)))
    }
}

/// Always ends with [`Input::Fetched`], unless the node stops.
pub(super) async fn fetch(body: Arc<Body>, hire: HireId, source: Source, blobs: Vec<BlobRef>) {
    let result = in_turn(&body, hire, &source, &blobs).await;
    if let Err(error) = &result {
        tracing::info!(%hire, from = %source.from, %error, "blobs could not be fetched");
        if error.blames() {
            body.queue.metrics().count(Count::BlamedBlob);
            let _ = body.net.penalize(source.from, Severity::High);
        }
    }
    let roots = blobs.iter().map(|blob| blob.root).collect();
    let result = result.map(|()| roots).map_err(|error| error.to_string());
    body.queue.deliver(Input::Fetched { hire, result }).await;
}

/// Waits for a turn, and gives it up in time: a peer that trickles must not keep others waiting.
async fn in_turn(body: &Arc<Body>, hire: HireId, source: &Source, blobs: &[BlobRef]) -> Result<(), FetchError> {
    let _turn = body.rations.fetches.acquire().await.map_err(|_| FetchError::Stopping)?;
    timeout(FETCH_TIME, all(body, hire, source, blobs)).await.unwrap_or(Err(FetchError::Slow))
}

async fn all(body: &Arc<Body>, hire: HireId, source: &Source, blobs: &[BlobRef]) -> Result<(), FetchError> {
    for blob in blobs {
        let mut pause = FETCH_PAUSE;
        for left in (0..FETCH_TRIES).rev() {
            match one(body, hire, source, *blob).await {
                Err(error) if error.passes() && left > 0 => sleep(pause).await,
                done => {
                    done?;
                    break;
                }
            }
            pause *= 2;
        }
    }
    Ok(())
}

async fn one(body: &Arc<Body>, hire: HireId, source: &Source, blob: BlobRef) -> Result<(), FetchError> {
    let (store, wanted) = (Arc::clone(&body.blobs), blobs::BlobRef { root: blob.root, size: blob.size });
    // A relay carries messages; whoever runs it pays for every byte.
    let direct = blob.size > RELAYED_BLOB_BYTES;
    let mut download = disk(move || store.download(wanted)).await?;
    if download.needs_leaves() {
        // The root of a single chunk is its leaf.
        let leaves = if blob.size <= CHUNK_BYTES as u64 {
            vec![blob.root.0]
        } else {
            match ask(body, source, Request::Leaves { hire, root: blob.root }, direct).await? {
                Response::Leaves(bytes) => bytes.as_chunks().0.to_vec(),
                other => return Err(refusal(other)),
            }
        };
        download = disk(move || download.set_leaves(leaves).map(|()| download)).await?;
    }

    let missing: Vec<u64> = download.missing().collect();
    let mut missing = missing.into_iter();
    let mut coming = JoinSet::new();
    loop {
        for index in missing.by_ref().take(FETCH_AHEAD - coming.len()) {
            let (body, source) = (Arc::clone(body), source.clone());
            coming.spawn(async move {
                let number = u32::try_from(index).map_err(|_| FetchError::Nonsense)?;
                let request = Request::Chunk { hire, root: blob.root, index: number };
                match ask(&body, &source, request, direct).await? {
                    Response::Chunk(bytes) => Ok((index, bytes)),
                    other => Err(refusal(other)),
                }
            });
        }
        let Some(arrived) = coming.join_next().await else { break };
        let (index, bytes) = arrived.map_err(|_| FetchError::Stopping)??;
        download = disk(move || download.put_chunk(index, &bytes).map(|()| download)).await?;
    }
    disk(move || download.finish()).await.map(drop)
}

async fn ask(body: &Body, source: &Source, request: Request, direct: bool) -> Result<Response, FetchError> {
    let (to, hints, request) = (source.from, source.hints.clone(), request.encode());
    let answer = if direct {
        body.net.request_direct(to, hints, request).await?
    } else {
        body.net.request(to, hints, request).await?
    };
    Response::decode(&answer).map_err(|_| FetchError::Nonsense)
}

fn refusal(response: Response) -> FetchError {
    match response {
        Response::No(why) => FetchError::Denied(why.into()),
        _ => FetchError::Nonsense,
    }
}

async fn disk<T: Send + 'static>(run: impl FnOnce() -> Result<T, BlobError> + Send + 'static) -> Result<T, FetchError> {
    Ok(blocking(run).await.ok_or(FetchError::Stopping)??)
}
