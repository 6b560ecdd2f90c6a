//! Requests and answers on a stream: four bytes of length, then that many bytes. Nothing about their meaning.
//!
//! A length above the limit is an error before anything is allocated; a stream that ends early is an error, never a
//! short message. Memory is taken as bytes arrive, never on a peer's word; of it, of time and of requests under way each
//! peer has a share, so that none can keep the others from being heard. An answer is awaited *here*, on the connection's
//! own task: whoever holds the other end of its channel wakes that task directly, without a detour through the event loop.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use futures::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use libp2p::{StreamProtocol, request_response};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::time::timeout;

use crate::limits::{EXCHANGE_BYTES, INBOUND_REQUEST_BYTES, PEER_REQUEST_BYTES, REQUEST_TIMEOUT, REQUESTS_PER_AGENT};

/// The unit in which memory for inbound requests is rationed, and what a request takes before its first byte.
const RATION: usize = 1024;
/// What is set aside before the first byte of an answer arrives; the rest grows as bytes come.
const FIRST_ALLOCATION: usize = 16 * 1024;

/// The codec of one peer's connections.
#[derive(Clone)]
pub struct Codec {
    account: Arc<Account>,
}

/// What all peers share.
#[derive(Debug)]
pub struct Inbound {
    memory: Arc<Semaphore>,
    stalled: AtomicU64,
    broken: AtomicU64,
}

impl Default for Inbound {
    fn default() -> Self {
        let memory = Arc::new(Semaphore::new(INBOUND_REQUEST_BYTES / RATION));
        Self { memory, stalled: AtomicU64::new(0), broken: AtomicU64::new(0) }
    }
}

impl Inbound {
    /// Requests that had not come whole when their time was over.
    pub fn stalled(&self) -> u64 {
        self.stalled.load(Ordering::Relaxed)
    }

    /// Requests refused before they had come whole: malformed, cut short, or too much for their peer's share or for all.
    pub fn broken(&self) -> u64 {
        self.broken.load(Ordering::Relaxed)
    }
}

/// What one peer has under way with us, over all its connections.
#[derive(Debug)]
pub struct Account {
    inbound: Arc<Inbound>,
    memory: Arc<Semaphore>,
    /// Places for requests that have not come whole yet.
    unread: Semaphore,
    abuse: AtomicBool,
}

impl Account {
    /// Nothing is under way.
    pub fn new(inbound: &Arc<Inbound>) -> Arc<Self> {
        Arc::new(Self {
            inbound: Arc::clone(inbound),
            memory: Arc::new(Semaphore::new(PEER_REQUEST_BYTES / RATION)),
            unread: Semaphore::new(REQUESTS_PER_AGENT),
            abuse: AtomicBool::new(false),
        })
    }

    /// Whether a request has timed out, or there was one too many, since this was last asked.
    pub fn take_abuse(&self) -> bool {
        self.abuse.swap(false, Ordering::Relaxed)
    }

    fn ration(&self, bytes: usize) -> io::Result<Ration> {
        let units = u32::try_from(bytes.div_ceil(RATION)).map_err(|_| too_large(bytes))?;
        let take = |from: &Arc<Semaphore>| {
            let taken = Arc::clone(from).try_acquire_many_owned(units);
            taken.map_err(|_| io::Error::other("too many unanswered requests"))
        };
        Ok(Ration { of_peer: take(&self.memory)?, of_all: take(&self.inbound.memory)? })
    }

    async fn read<T: AsyncRead + Unpin>(&self, io: &mut T) -> io::Result<Request> {
        let Ok(_place) = self.unread.try_acquire() else {
            // We ourselves have no more requests than that under way to anybody.
            self.abuse.store(true, Ordering::Relaxed);
            return Err(io::Error::other("too many requests that do not come whole"));
        };
        let reading = async {
            let length = read_length(io).await?;
            let mut ration = self.ration(RATION)?;
            let (mut bytes, mut filled) = (Vec::new(), 0);
            while filled < length {
                if filled == bytes.len() {
                    // As much again as has come, so that what is held for a peer follows what it has sent.
                    let more = filled.max(RATION).min(length - filled);
                    if filled > 0 {
                        ration.merge(self.ration(more)?);
                    }
                    bytes.reserve_exact(more);
                    bytes.resize(filled + more, 0);
                }
                match io.read(&mut bytes[filled..]).await? {
                    0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                    came => filled += came,
                }
            }
            Ok(Request { bytes, ration: Some(ration) })
        };
        timeout(REQUEST_TIMEOUT, reading).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
    }
}

/// A request, ours or a peer's.
#[derive(Debug)]
pub struct Request {
    /// What is asked.
    pub bytes: Vec<u8>,
    /// The memory a peer's request holds until it is answered.
    pub ration: Option<Ration>,
}

/// Memory that a request holds.
#[derive(Debug)]
pub struct Ration {
    of_peer: OwnedSemaphorePermit,
    of_all: OwnedSemaphorePermit,
}

impl Ration {
    fn merge(&mut self, more: Self) {
        self.of_peer.merge(more.of_peer);
        self.of_all.merge(more.of_all);
    }
}

/// An answer: read from a peer, or still to come from our side.
#[derive(Debug)]
pub enum Answer {
    /// A peer's answer.
    Here(Vec<u8>),
    /// Ours, when it is ready. A dropped sender ends the stream without an answer.
    Coming(oneshot::Receiver<Vec<u8>>),
}

impl Codec {
    /// A codec that reads for this account.
    pub fn new(account: Arc<Account>) -> Self {
        Self { account }
    }
}

impl request_response::Codec for Codec {
    type Protocol = StreamProtocol;
    type Request = Request;
    type Response = Answer;

    async fn read_request<T>(&mut self, _: &StreamProtocol, io: &mut T) -> io::Result<Request>
    where
        T: AsyncRead + Unpin + Send,
    {
        let account = &self.account;
        account.read(io).await.inspect_err(|error| {
            let stalled = error.kind() == io::ErrorKind::TimedOut;
            if stalled {
                account.abuse.store(true, Ordering::Relaxed);
            }
            let counter = if stalled { &account.inbound.stalled } else { &account.inbound.broken };
            counter.fetch_add(1, Ordering::Relaxed);
        })
    }

    async fn read_response<T>(&mut self, _: &StreamProtocol, io: &mut T) -> io::Result<Answer>
    where
        T: AsyncRead + Unpin + Send,
    {
        let length = read_length(io).await?;
        Ok(Answer::Here(read_body(io, length).await?))
    }

    async fn write_request<T>(&mut self, _: &StreamProtocol, io: &mut T, request: Request) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        write(io, &request.bytes).await
    }

    async fn write_response<T>(&mut self, _: &StreamProtocol, io: &mut T, answer: Answer) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        let bytes = match answer {
            Answer::Here(bytes) => bytes,
            Answer::Coming(bytes) => bytes.await.map_err(|_| io::Error::other("left without an answer"))?,
        };
        write(io, &bytes).await
    }
}

async fn read_length<T: AsyncRead + Unpin>(io: &mut T) -> io::Result<usize> {
    let mut length = [0; 4];
    io.read_exact(&mut length).await?;
    let length = u32::from_be_bytes(length) as usize;
    if length > EXCHANGE_BYTES { Err(too_large(length)) } else { Ok(length) }
}

/// What we have asked for is read without a ration: our own requests are few enough.
async fn read_body<T: AsyncRead + Unpin>(io: &mut T, length: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(length.min(FIRST_ALLOCATION));
    io.take(length as u64).read_to_end(&mut bytes).await?;
    if bytes.len() == length { Ok(bytes) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}

async fn write<T: AsyncWrite + Unpin>(io: &mut T, bytes: &[u8]) -> io::Result<()> {
    let length = u32::try_from(bytes.len()).ok().filter(|_| bytes.len() <= EXCHANGE_BYTES);
    let length = length.ok_or_else(|| too_large(bytes.len()))?;
    // One write makes one frame of a small message.
    let mut framed = Vec::with_capacity(4 + bytes.len());
    framed.extend_from_slice(&length.to_be_bytes());
    framed.extend_from_slice(bytes);
    io.write_all(&framed).await?;
    io.flush().await
}

fn too_large(length: usize) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("{length} bytes, at most {EXCHANGE_BYTES} are allowed"))
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::pin::Pin;
    use std::task::{Context, Poll};

    use super::*;
    use futures::executor::block_on;
    use futures::future::poll_immediate;
    use futures::io::Cursor;
    use request_response::Codec as _;

    const PROTOCOL: StreamProtocol = StreamProtocol::new("/t");

    /// Reads as a connection's task does, until there is nothing to do but wait.
    fn read_for(account: &Arc<Account>, bytes: &[u8]) -> io::Result<Request> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(Codec::new(Arc::clone(account)).read_request(&PROTOCOL, &mut Cursor::new(bytes)))
    }

    fn read(bytes: &[u8]) -> io::Result<Request> {
        read_for(&Account::new(&Arc::default()), bytes)
    }

    fn written(bytes: Vec<u8>) -> io::Result<Vec<u8>> {
        let mut out = Cursor::new(Vec::new());
        let mut codec = Codec::new(Account::new(&Arc::default()));
        block_on(codec.write_request(&PROTOCOL, &mut out, Request { bytes, ration: None }))?;
        Ok(out.into_inner())
    }

    #[test]
    fn what_is_written_is_read_up_to_the_limit() {
        for length in [0, 1, RATION, RATION + 1, EXCHANGE_BYTES] {
            let bytes = vec![7; length];
            assert_eq!(read(&written(bytes.clone()).unwrap()).unwrap().bytes, bytes);
        }
        assert_eq!(written(vec![0; EXCHANGE_BYTES + 1]).unwrap_err().kind(), io::ErrorKind::InvalidData);
    }

    #[test]
    fn a_length_above_the_limit_is_refused_before_the_body() {
        let length = u32::try_from(EXCHANGE_BYTES + 1).unwrap().to_be_bytes();
        assert_eq!(read(&length).unwrap_err().kind(), io::ErrorKind::InvalidData);
    }

    #[test]
    fn a_cut_message_is_an_error_not_a_short_message() {
        let whole = written(vec![7; 100]).unwrap();
        for cut in 0..whole.len() {
            assert_eq!(read(&whole[..cut]).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
        }
    }

    #[test]
    fn unanswered_requests_hold_memory_of_their_peer_and_of_all() {
        let inbound = Arc::new(Inbound::default());
        let peers: Vec<_> = (0..=INBOUND_REQUEST_BYTES / PEER_REQUEST_BYTES).map(|_| Account::new(&inbound)).collect();
        let largest = written(vec![7; EXCHANGE_BYTES]).unwrap();
        let (last, others) = peers.split_last().unwrap();
        let mut held = Vec::new();
        for peer in others {
            held.extend((0..PEER_REQUEST_BYTES / EXCHANGE_BYTES).map(|_| read_for(peer, &largest).unwrap()));
            assert!(read_for(peer, &largest).is_err());
        }
        assert!(read_for(last, &written(vec![7]).unwrap()).is_err());
        held.pop();
        assert!(read_for(last, &largest).is_ok());
        assert_eq!((inbound.broken(), inbound.stalled()), (peers.len() as u64, 0));
    }

    #[tokio::test]
    async fn requests_that_stall_hold_what_has_come_of_them_and_there_are_not_many() {
        let inbound = Arc::new(Inbound::default());
        let (peer, other) = (Account::new(&inbound), Account::new(&inbound));
        let mut declared = u32::try_from(EXCHANGE_BYTES).unwrap().to_be_bytes().to_vec();
        declared.extend([7; 2 * RATION]);
        let stall = async || {
            let mut io = SilentAfter(declared.clone().into());
            Codec::new(Arc::clone(&peer)).read_request(&PROTOCOL, &mut io).await
        };
        let mut stalled: Vec<_> = (0..=REQUESTS_PER_AGENT).map(|_| Box::pin(stall())).collect();
        let mut ended = 0;
        for reading in &mut stalled {
            ended += usize::from(poll_immediate(reading).await.is_some());
        }
        let rations = INBOUND_REQUEST_BYTES / RATION - inbound.memory.available_permits();
        assert_eq!(rations, REQUESTS_PER_AGENT * 4);
        assert_eq!((ended, inbound.broken()), (1, 1), "one too many");
        assert!(peer.take_abuse() && !peer.take_abuse() && !other.take_abuse());
        assert!(read_whole(&peer).await.is_err() && read_whole(&other).await.is_ok());
        drop(stalled);
        assert_eq!(inbound.memory.available_permits(), INBOUND_REQUEST_BYTES / RATION);
        assert!(read_whole(&peer).await.is_ok());
    }

    async fn read_whole(account: &Arc<Account>) -> io::Result<Request> {
        let message = written(vec![7]).unwrap();
        Codec::new(Arc::clone(account)).read_request(&PROTOCOL, &mut Cursor::new(message)).await
    }

    /// Gives these bytes, and then nothing for ever.
    struct SilentAfter(VecDeque<u8>);

    impl AsyncRead for SilentAfter {
        fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, to: &mut [u8]) -> Poll<io::Result<usize>> {
            let count = io::Read::read(&mut self.0, to)?;
            if count == 0 { Poll::Pending } else { Poll::Ready(Ok(count)) }
        }
    }
}
