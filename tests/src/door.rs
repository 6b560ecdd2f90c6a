//! A node's local door, without a command between: one request over its socket, which a kill may cut short anywhere.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::{fs, io};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::SOON;

/// Where a node on a data directory answers while it runs.
#[derive(Debug, Clone)]
pub struct Door(PathBuf);

impl Door {
    /// The door of whatever node runs on this data directory.
    pub(crate) fn of(data_dir: &Path) -> Self {
        Self(data_dir.to_owned())
    }

    /// A `GET`.
    ///
    /// # Errors
    /// Nobody answers, or not to the end, or the node says no: with its words.
    pub fn get<T: DeserializeOwned>(&self, path: &str) -> io::Result<T> {
        read(&self.send("GET", path, &[])?)
    }

    /// A `GET` of bytes.
    ///
    /// # Errors
    /// As [`Door::get`].
    pub fn bytes(&self, path: &str) -> io::Result<Vec<u8>> {
        self.send("GET", path, &[])
    }

    /// A `POST`.
    ///
    /// # Errors
    /// As [`Door::get`]; what was asked for may have been done all the same.
    pub fn post<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> io::Result<T> {
        read(&self.send("POST", path, &serde_json::to_vec(body)?)?)
    }

    fn send(&self, method: &str, path: &str, body: &[u8]) -> io::Result<Vec<u8>> {
        // A long path is written down where the socket would be.
        let socket = fs::read_to_string(self.0.join("api.path")).map_or_else(|_| self.0.join("api.sock"), Into::into);
        let mut stream = UnixStream::connect(socket)?;
        stream.set_read_timeout(Some(SOON))?;
        // HTTP/1.0: the answer comes in one piece and ends with the connection.
        let length = body.len();
        let head = format!(
            "{method} {path} HTTP/1.0\r\nHost: gigmesh\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
        );
        stream.write_all(head.as_bytes())?;
        stream.write_all(body)?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        let end = answer.windows(4).position(|four| four == b"\r\n\r\n").ok_or(io::ErrorKind::UnexpectedEof)?;
        let body = answer.split_off(end + 4);
        if answer.get(9) == Some(&b'2') {
            Ok(body)
        } else {
            Err(io::Error::other(format!("{path}: {}", String::from_utf8_lossy(&body))))
        }
    }
}

/// JSON that was cut short is an error like any other.
fn read<T: DeserializeOwned>(body: &[u8]) -> io::Result<T> {
    serde_json::from_slice(body).map_err(Into::into)
}
