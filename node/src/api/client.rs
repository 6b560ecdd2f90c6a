//! The other side of the local door, for `gigmesh`'s own commands and for programs in Rust. One connection a request: it
//! is a local socket, and nothing is left half open.

pub mod follow;

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use axum::body::{Body, Bytes};
use gigmesh_protocol::hire::task::{Task, TaskFault};
use gigmesh_protocol::id::Bytes32;
use gigmesh_protocol::limits::BLOB;
use gigmesh_protocol::market::{BlobRef, Input};
use gigmesh_protocol::merkle::CHUNK_BYTES;
use gigmesh_protocol::untrusted::Untrusted;
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::{Method, Request, Response, StatusCode, header};
use hyper_util::rt::TokioIo;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::net::UnixStream;
use tokio::time::timeout;
use tokio_util::io::ReaderStream;

use super::error::{Code, ErrorBody, TASK_INVALID};
use super::types::Room;
use crate::limits::{API_ANSWER_WAIT, API_UPLOAD_PACE, MAX_API_ANSWER, MAX_API_EVENT};
use crate::task::{Content, TaskFile, TaskInput};
use crate::words;

/// Why a request came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nobody listens at the socket.
    #[error("no node is running here (nothing answers at {socket})", socket = .0.display())]
    NoNode(PathBuf),
    /// The node refused it; the status tells whose fault it is.
    #[error("{}{error}", at.as_ref().map_or_else(String::new, |at| format!("{at}: ")))]
    Refused {
        /// Of the answer.
        status: StatusCode,
        /// What is wrong.
        error: String,
        /// What to do about it.
        hint: Option<String>,
        /// Names the error to programs.
        code: String,
        /// Where in the task it is, as a JSON pointer.
        at: Option<String>,
    },
    /// The connection failed.
    #[error("the node did not answer: {0}")]
    Lost(String),
    /// The connection to the node's events has ended.
    #[error("the node stopped; its hires go on when it runs again")]
    Stopped,
    /// The answer is not what this version of the program understands.
    #[error("the node's answer is not understood ({0}); is it of another version?")]
    Malformed(String),
    /// A file to be sent cannot be read.
    #[error("cannot read {path}: {source}", path = path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl From<hyper::Error> for ClientError {
    fn from(error: hyper::Error) -> Self {
        Self::Lost(error.to_string())
    }
}

/// Talks to the node behind one socket.
#[derive(Debug, Clone)]
pub struct Client {
    socket: PathBuf,
}

impl Client {
    /// For the node behind this socket; see [`super::socket::locate`].
    pub fn new(socket: PathBuf) -> Self {
        Self { socket }
    }

    /// A `GET`.
    ///
    /// # Errors
    /// See [`ClientError`]; the same for all requests.
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        json(self.send(Method::GET, path, None, Body::empty()).await?).await
    }

    /// A `GET` of something that is no JSON.
    pub async fn text(&self, path: &str) -> Result<String, ClientError> {
        let answer = self.send(Method::GET, path, None, Body::empty()).await?;
        Ok(String::from_utf8_lossy(&whole(answer.into_body()).await?).into_owned())
    }

    /// A `GET` with parameters.
    pub async fn get_with<T: DeserializeOwned>(&self, path: &str, params: &impl Serialize) -> Result<T, ClientError> {
        let query = serde_urlencoded::to_string(params).map_err(|error| ClientError::Malformed(error.to_string()))?;
        self.get(&format!("{path}?{query}")).await
    }

    /// A `POST` of JSON.
    pub async fn post<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<T, ClientError> {
        let body = serde_json::to_vec(body).map_err(|error| ClientError::Malformed(error.to_string()))?;
        json(self.send(Method::POST, path, Some("application/json"), body.into()).await?).await
    }

    /// Puts a file into the node's store.
    pub async fn put_blob(&self, path: &Path) -> Result<BlobRef, ClientError> {
        let file = tokio::fs::File::open(path).await;
        let file = file.map_err(|source| ClientError::File { path: path.to_owned(), source })?;
        self.put_open(file).await
    }

    async fn put_open(&self, file: tokio::fs::File) -> Result<BlobRef, ClientError> {
        // Only of a file that is one: of a pipe it says nothing.
        let size = file.metadata().await.ok().filter(|told| told.is_file()).map_or(0, |told| told.len());
        self.put(Body::from_stream(ReaderStream::with_capacity(file, CHUNK_BYTES)), size).await
    }

    /// Finds out whether inputs fit into the node's store, before the first byte of them is sent.
    async fn make_sure_of_room(&self, inputs: &[TaskInput]) -> Result<(), ClientError> {
        let size = |input: &TaskInput| match &input.content {
            Content::Path(path) => std::fs::metadata(path).map(|told| told.len()).unwrap_or_default(),
            Content::Open(file) => file.metadata().map(|told| told.len()).unwrap_or_default(),
            Content::Bytes(bytes) => bytes.len() as u64,
        };
        let wanted = inputs.iter().map(size).fold(0, u64::saturating_add);
        if wanted <= CHUNK_BYTES as u64 {
            // What is found out on the way costs nothing.
            return Ok(());
        }
        if wanted > BLOB {
            let error = TaskFault::TooLarge { given: wanted, most: BLOB }.at("/brief/inputs");
            let (status, code) = (StatusCode::PAYLOAD_TOO_LARGE, TASK_INVALID.to_owned());
            let (error, at) = (words::task(&error), Some(error.at.to_string()));
            return Err(ClientError::Refused { status, error, hint: None, code, at });
        }
        let Room { used, quota, room } = self.get("/v1/blobs").await?;
        if wanted <= room {
            return Ok(());
        }
        let error = format!(
            "the inputs have {wanted} bytes, and the node has room for {room}: {used} of the {quota} that inputs and results \
             may take are used"
        );
        let hint = Some("raise `blobs` in [node], or free some of the disk; nothing was sent".to_owned());
        let (status, code) = (StatusCode::INSUFFICIENT_STORAGE, Code::NoRoom.as_str().to_owned());
        Err(ClientError::Refused { status, error, hint, code, at: None })
    }

    /// Puts what becomes the inputs of a task into the node's store.
    pub async fn put_inputs(&self, file: TaskFile) -> Result<Task, ClientError> {
        let TaskFile { mut task, inputs } = file;
        self.make_sure_of_room(&inputs).await?;
        for input in &inputs {
            task.inputs.push(self.put_input(input).await?);
        }
        Ok(task)
    }

    /// Puts what becomes one input of a task into the node's store. A file that is open already is read from where it is.
    pub async fn put_input(&self, input: &TaskInput) -> Result<Input, ClientError> {
        let blob = match &input.content {
            Content::Path(path) => self.put_blob(path).await?,
            Content::Open(file) => {
                let lost = |error: io::Error| ClientError::Lost(format!("an open input: {error}"));
                let file = tokio::fs::File::from_std(file.try_clone().map_err(lost)?);
                self.put_open(file).await?
            }
            Content::Bytes(bytes) => self.put(bytes.clone().into(), 0).await?,
        };
        Ok(Input { blob, name: input.name.clone(), media: input.media.clone() })
    }

    /// `size`: how much it is, as far as that is known.
    async fn put(&self, body: Body, size: u64) -> Result<BlobRef, ClientError> {
        let wait = API_ANSWER_WAIT + Duration::from_secs(size / API_UPLOAD_PACE);
        json(self.send_within(wait, Method::POST, "/v1/blobs", Some("application/octet-stream"), body).await?).await
    }

    /// Bytes from the node's store, whole in memory: a result is at most 16 MiB.
    pub async fn blob(&self, root: Bytes32) -> Result<Untrusted<Bytes>, ClientError> {
        let answer = self.send(Method::GET, &format!("/v1/blobs/{root}"), None, Body::empty()).await?;
        whole(answer.into_body()).await.map(Untrusted::new)
    }

    /// Everything that happens from now on.
    pub async fn events(&self) -> Result<Events, ClientError> {
        let answer = self.send(Method::GET, "/v1/events", None, Body::empty()).await?;
        Ok(Events { body: answer.into_body(), read: Vec::new() })
    }

    /// Sends a request and waits for the head of an answer that says it was carried out.
    async fn send(
        &self,
        method: Method,
        path: &str,
        media: Option<&str>,
        body: Body,
    ) -> Result<Response<Incoming>, ClientError> {
        self.send_within(API_ANSWER_WAIT, method, path, media, body).await
    }

    async fn send_within(
        &self,
        wait: Duration,
        method: Method,
        path: &str,
        media: Option<&str>,
        body: Body,
    ) -> Result<Response<Incoming>, ClientError> {
        let stream = UnixStream::connect(&self.socket).await.map_err(|error| match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => ClientError::NoNode(self.socket.clone()),
            _ => ClientError::Lost(format!("{}: {error}", self.socket.display())),
        })?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        // Ends when the answer has been read or dropped.
        tokio::spawn(connection);
        let mut request = Request::builder().method(method).uri(path).header(header::HOST, "gigmesh");
        if let Some(media) = media {
            request = request.header(header::CONTENT_TYPE, media);
        }
        let request = request.body(body).map_err(|error| ClientError::Malformed(error.to_string()))?;
        let late = |_| ClientError::Lost(format!("no answer within {wait:?}"));
        let answer = timeout(wait, sender.send_request(request)).await.map_err(late)??;
        let status = answer.status();
        if status.is_success() {
            return Ok(answer);
        }
        let body = whole(answer.into_body()).await?;
        let ErrorBody { error, hint, code, at } = serde_json::from_slice(&body).unwrap_or_else(|_| ErrorBody {
            error: String::from_utf8_lossy(&body).into_owned(),
            ..ErrorBody::default()
        });
        Err(ClientError::Refused { status, error, hint, code: code.into_owned(), at })
    }
}

async fn whole(body: Incoming) -> Result<Bytes, ClientError> {
    let read = Limited::new(body, MAX_API_ANSWER).collect().await;
    Ok(read.map_err(|error| ClientError::Lost(error.to_string()))?.to_bytes())
}

async fn json<T: DeserializeOwned>(answer: Response<Incoming>) -> Result<T, ClientError> {
    let bytes = whole(answer.into_body()).await?;
    serde_json::from_slice(&bytes).map_err(|error| ClientError::Malformed(error.to_string()))
}

/// A stream of events, as `text/event-stream` has them.
#[derive(Debug)]
pub struct Events {
    body: Incoming,
    read: Vec<u8>,
}

impl Events {
    /// The next event; `None` when the node has stopped. Cancelling this loses nothing.
    pub async fn next(&mut self) -> Result<Option<Value>, ClientError> {
        loop {
            while let Some(end) = self.read.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.read.drain(..=end).collect();
                // The node writes each event on one line; comments keep the connection alive.
                if let Some(data) = line.strip_prefix(b"data:") {
                    let event = serde_json::from_slice(data);
                    return event.map(Some).map_err(|error| ClientError::Malformed(error.to_string()));
                }
            }
            if self.read.len() > MAX_API_EVENT {
                return Err(ClientError::Malformed("an event without end".to_owned()));
            }
            match self.body.frame().await {
                None => return Ok(None),
                Some(frame) => self.read.extend_from_slice(frame?.data_ref().map_or(&[][..], |data| data)),
            }
        }
    }
}
