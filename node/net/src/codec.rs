//! Requests and answers on a stream: four bytes of length, then that many bytes. Nothing about their meaning.
//!
//! A length above the limit is an error before anything is allocated; a stream that ends early is an error, never a
//! short message. An answer is awaited *here*, on the connection's own task: whoever holds the other end of its
//! channel wakes that task directly, without a detour through the event loop.

use std::io;
use std::sync::Arc;

use futures::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use libp2p::{StreamProtocol, request_response};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use crate::limits::{EXCHANGE_BYTES, INBOUND_REQUEST_BYTES};

/// The unit in which memory for inbound requests is rationed.
const RATION: usize = 1024;
/// What is set aside before the first byte of a body arrives; the rest grows as bytes come.
const FIRST_ALLOCATION: usize = 16 * 1024;

/// The codec; clones share one ration of memory for inbound requests.
#[derive(Clone)]
pub struct Codec {
    inbound: Arc<Semaphore>,
}

/// A request, ours or a peer's.
#[derive(Debug)]
pub struct Request {
    /// What is asked.
    pub bytes: Vec<u8>,
    /// The memory a peer's request holds until it is answered.
    pub ration: Option<OwnedSemaphorePermit>,
}

/// An answer: read from a peer, or still to come from our side.
#[derive(Debug)]
pub enum Answer {
    /// A peer's answer.
    Here(Vec<u8>),
    /// Ours, when it is ready. A dropped sender ends the stream without an answer.
    Coming(oneshot::Receiver<Vec<u8>>),
}

impl Default for Codec {
    fn default() -> Self {
        Self { inbound: Arc::new(Semaphore::new(INBOUND_REQUEST_BYTES / RATION)) }
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
        let length = read_length(io).await?;
        let rations = u32::try_from(length / RATION + 1).map_err(|_| too_large(length))?;
        let ration = Arc::clone(&self.inbound)
            .try_acquire_many_owned(rations)
            .map_err(|_| io::Error::other("too many unanswered requests"))?;
        Ok(Request { bytes: read_body(io, length).await?, ration: Some(ration) })
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
    use super::*;
    use futures::executor::block_on;
    use futures::io::Cursor;
    use request_response::Codec as _;

    const PROTOCOL: StreamProtocol = StreamProtocol::new("/t");

    fn read(bytes: &[u8]) -> io::Result<Request> {
        block_on(Codec::default().read_request(&PROTOCOL, &mut Cursor::new(bytes)))
    }

    fn written(bytes: Vec<u8>) -> io::Result<Vec<u8>> {
        let mut out = Cursor::new(Vec::new());
        block_on(Codec::default().write_request(&PROTOCOL, &mut out, Request { bytes, ration: None }))?;
        Ok(out.into_inner())
    }

    #[test]
    fn what_is_written_is_read_up_to_the_limit() {
        for length in [0, 1, FIRST_ALLOCATION + 1, EXCHANGE_BYTES] {
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
    fn unanswered_requests_share_one_ration_of_memory() {
        let mut codec = Codec { inbound: Arc::new(Semaphore::new(2)) };
        let message = written(vec![7; RATION]).unwrap();
        let first = block_on(codec.read_request(&PROTOCOL, &mut Cursor::new(&message))).unwrap();
        assert!(block_on(codec.read_request(&PROTOCOL, &mut Cursor::new(&message))).is_err());
        drop(first);
        assert!(block_on(codec.read_request(&PROTOCOL, &mut Cursor::new(&message))).is_ok());
    }
}
