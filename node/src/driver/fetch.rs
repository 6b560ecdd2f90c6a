//! Fetches the blobs of a hire. In: who has them. Out: whole, durable blobs, or why there are none.
//!
//! The leaf hashes come first, so that every chunk is verified as it arrives; what has arrived stays for the next try,
//! also across restarts. Chunks are asked for ahead, as many as come back quickly: so a slow link is not clogged, and
//! what else is on its way over it need not wait. It goes on for as long as something comes; a few tries that bring nothing
//! are made here, and whether it is worth more is the brain's to say. It ends with the hire.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};

use gigmesh_net::limits::RELAYED_BLOB_BYTES;
use gigmesh_net::{RequestError, Severity};
use gigmesh_protocol::codec;
use gigmesh_protocol::hire::HireId;
use gigmesh_protocol::id::AgentId;
use gigmesh_protocol::limits;
use gigmesh_protocol::market::BlobRef;
use gigmesh_protocol::merkle::CHUNK_BYTES;
use gigmesh_protocol::peer::io::Input;
use gigmesh_protocol::untrusted::Untrusted;
use gigmesh_protocol::wire::{Request, Response};
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::transfers::{Trouble, Way};
use super::{Body, blocking};
use crate::limits::{CHUNK_QUICK, CHUNK_SLOW, CHUNKS_AHEAD, CHUNKS_FIRST, FETCH_PAUSE, FETCH_TRIES, FETCH_TURN, QUOTE};
use crate::metrics::Count;
use crate::store::blobs::{BlobError, Download};

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
    #[error("the peer does not give it: {}", .0.quoted(QUOTE))]
    Denied(Untrusted),
    #[error("the peer answered something else")]
    Nonsense,
    #[error(transparent)]
    Blob(#[from] BlobError),
    #[error("the hire is over")]
    Over,
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

    fn trouble(&self) -> Trouble {
        match self {
            Self::Denied(why) => Trouble::Denied(why.clone()),
            error => Trouble::Failed(error.to_string()),
        }
    }

    /// Whether no honest peer would have caused it.
    fn blames(&self) -> bool {
        matches!(self, Self::Nonsense | Self::Blob(BlobError::Mismatch(..)))
    }
}

/// Always ends with [`Input::Fetched`], unless the node stops. Ends early when the other end of `wanted` is dropped.
pub(super) async fn fetch(
    body: Arc<Body>,
    hire: HireId,
    source: Source,
    blobs: Vec<BlobRef>,
    wanted: oneshot::Receiver<Infallible>,
) {
    let fetch = Fetch { body: &body, hire, source };
    let result = tokio::select! {
        result = fetch.all(&blobs) => result,
        _ = wanted => Err(FetchError::Over),
    };
    if let Err(error) = &result {
        let from = fetch.source.from;
        tracing::info!(%hire, %from, %error, "blobs could not be fetched");
        if error.blames() {
            body.queue.metrics().count(Count::BlamedBlob);
            let _ = body.net.penalize(from, Severity::High);
        }
    }
    if matches!(result, Ok(()) | Err(FetchError::Over)) {
        blobs.iter().for_each(|blob| body.queue.transfers().over(hire, blob.root, Way::Fetched));
    }
    let roots = blobs.iter().map(|blob| blob.root).collect();
    let result = result.map(|()| roots).map_err(|error| error.to_string());
    body.queue.deliver(Input::Fetched { hire, result }).await;
}

/// How many chunks are asked for ahead.
#[derive(Debug)]
struct Window {
    size: usize,
    /// Arrivals that were asked for before it was last halved, and so say nothing of what it is now.
    stale: usize,
}

impl Window {
    fn new() -> Self {
        Self { size: CHUNKS_FIRST, stale: 0 }
    }

    fn arrived(&mut self, took: Duration) {
        if self.stale > 0 {
            self.stale -= 1;
        } else if took > CHUNK_SLOW {
            self.stale = self.size;
            self.size = (self.size / 2).max(1);
        } else if took < CHUNK_QUICK {
            self.size = (self.size + 1).min(CHUNKS_AHEAD);
        }
    }
}

struct Fetch<'a> {
    body: &'a Arc<Body>,
    hire: HireId,
    source: Source,
}

impl Fetch<'_> {
    async fn all(&self, blobs: &[BlobRef]) -> Result<(), FetchError> {
        let turn = || async { self.body.rations.fetches.acquire().await.map_err(|_| FetchError::Stopping) };
        let mut held = turn().await?;
        let mut ends = Instant::now() + FETCH_TURN;
        for blob in blobs {
            let (mut left, mut pause) = (FETCH_TRIES, FETCH_PAUSE);
            let mut came = 0;
            loop {
                match self.one(*blob, ends, &mut came).await {
                    Ok(true) => break,
                    Ok(false) => {
                        drop(held);
                        held = turn().await?;
                        ends = Instant::now() + FETCH_TURN;
                    }
                    Err(error) => {
                        if came > 0 {
                            (left, pause, came) = (FETCH_TRIES, FETCH_PAUSE, 0);
                        }
                        left -= 1;
                        self.body.queue.transfers().stuck(self.hire, *blob, error.trouble());
                        if !error.passes() || left == 0 {
                            return Err(error);
                        }
                        sleep(pause).await;
                        pause *= 2;
                    }
                }
            }
        }
        Ok(())
    }

    /// Gets one blob, or as much of it as comes before the turn is over and others wait; whether it is whole. `came` counts
    /// its chunks.
    async fn one(&self, blob: BlobRef, ends: Instant, came: &mut usize) -> Result<bool, FetchError> {
        let store = Arc::clone(&self.body.blobs);
        // A relay carries messages; whoever runs it pays for every byte.
        let direct = blob.size > RELAYED_BLOB_BYTES;
        let mut download = disk(move || store.download(blob)).await?;
        if download.needs_leaves() {
            // The root of a single chunk is its leaf.
            let leaves = if blob.size <= CHUNK_BYTES as u64 {
                vec![blob.root.0]
            } else {
                let request = Request::Leaves { hire: self.hire, root: blob.root };
                match ask(self.body, &self.source, request, direct).await? {
                    Response::Leaves(bytes) => bytes.as_chunks().0.to_vec(),
                    other => return Err(refusal(other)),
                }
            };
            download = disk(move || download.set_leaves(leaves).map(|()| download)).await?;
        }

        let missing: Vec<u64> = download.missing().collect();
        let (mut missing, mut coming, mut window) = (missing.into_iter(), JoinSet::new(), Window::new());
        let mut failed = None;
        loop {
            let yields = Instant::now() >= ends && self.body.rations.fetches.available_permits() == 0;
            let more = if failed.is_some() || yields { 0 } else { window.size.saturating_sub(coming.len()) };
            for index in missing.by_ref().take(more) {
                coming.spawn(chunk(Arc::clone(self.body), self.hire, self.source.clone(), blob, index));
            }
            let Some(arrived) = coming.join_next().await else { break };
            match arrived.map_err(|_| FetchError::Stopping)? {
                Ok((index, bytes, took)) => {
                    window.arrived(took);
                    download = self.keep(download, blob, index, bytes).await?;
                    *came += 1;
                }
                Err(error) if error.blames() => return Err(error),
                // What else is on its way may still come.
                Err(error) => failed = Some(error),
            }
        }
        if let Some(error) = failed {
            return Err(error);
        }
        if download.missing().next().is_some() {
            return Ok(false);
        }
        disk(move || download.finish()).await.map(|_| true)
    }

    async fn keep(
        &self,
        mut download: Download,
        blob: BlobRef,
        index: u64,
        bytes: Chunk,
    ) -> Result<Download, FetchError> {
        let count = bytes.len() as u64;
        let download = disk(move || download.put_chunk(index, &bytes).map(|()| download)).await?;
        self.body.queue.metrics().count(Count::FetchedChunk);
        if blob.size > CHUNK_BYTES as u64 {
            let done = download.held();
            self.body.queue.transfers().moved(self.hire, blob, Way::Fetched, done, count);
        }
        Ok(download)
    }
}

/// Bytes as they came.
type Chunk = codec::Bytes<{ limits::MESSAGE }>;

/// One chunk, and how long it took.
async fn chunk(
    body: Arc<Body>,
    hire: HireId,
    source: Source,
    blob: BlobRef,
    index: u64,
) -> Result<(u64, Chunk, Duration), FetchError> {
    let number = u32::try_from(index).map_err(|_| FetchError::Nonsense)?;
    let _place = body.rations.chunks.acquire().await.map_err(|_| FetchError::Stopping)?;
    let asked = Instant::now();
    let request = Request::Chunk { hire, root: blob.root, index: number };
    match ask(&body, &source, request, blob.size > RELAYED_BLOB_BYTES).await? {
        Response::Chunk(bytes) => Ok((index, bytes, asked.elapsed())),
        other => Err(refusal(other)),
    }
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
        Response::No(why) => FetchError::Denied(Untrusted::from(&why)),
        _ => FetchError::Nonsense,
    }
}

async fn disk<T: Send + 'static>(run: impl FnOnce() -> Result<T, BlobError> + Send + 'static) -> Result<T, FetchError> {
    Ok(blocking(run).await.ok_or(FetchError::Stopping)??)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quick_link_is_asked_for_more_and_a_slow_one_for_less() {
        let mut window = Window::new();
        for _ in 0..100 {
            window.arrived(CHUNK_QUICK / 2);
        }
        assert_eq!(window.size, CHUNKS_AHEAD);
        for _ in 0..CHUNKS_AHEAD {
            window.arrived(CHUNK_SLOW * 2);
        }
        assert_eq!(window.size, CHUNKS_AHEAD / 2, "what was asked for at once counts once");
        for _ in 0..100 {
            window.arrived(CHUNK_SLOW * 2);
        }
        assert_eq!(window.size, 1);
        window.arrived((CHUNK_QUICK + CHUNK_SLOW) / 2);
        assert_eq!(window.size, 1);
    }
}
