//! How a command ends when it does not end well: an exit code, one message, and what to do about it.

use std::fmt;
use std::process::ExitCode;

use hyper::StatusCode;
use serde_json::json;

use super::terminal::{of_own_node, runnable};
use crate::api::client::ClientError;
use crate::config::{ConfigError, FileError};

/// What the process tells its caller. `gigmesh --help` lists them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Done.
    Done = 0,
    /// A failure of ours.
    Ours = 1,
    /// Something for the user to put right.
    User = 2,
    /// A hire ended otherwise than accepted.
    NotAccepted = 3,
    /// No node is running.
    NoNode = 4,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Why a command was not carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Failure {
    pub exit: Exit,
    pub error: String,
    hint: Option<String>,
    /// Whether a node that had run before may be started again after a while.
    pub passes: bool,
}

impl Failure {
    pub fn new(exit: Exit, error: impl fmt::Display) -> Self {
        Self { exit, error: error.to_string(), hint: None, passes: false }
    }

    /// What to do, in a literal: its commands are made runnable.
    pub fn hint(self, hint: &'static str) -> Self {
        self.advise(runnable(hint))
    }

    /// What to do, in words that are printed as they are. Commands in them come from [`super::terminal::command`].
    pub fn advise(mut self, hint: String) -> Self {
        self.hint = Some(hint);
        self
    }

    /// The same, said of something.
    pub fn of(mut self, what: impl fmt::Display) -> Self {
        self.error = format!("{what}: {}", self.error);
        self
    }

    pub fn has_hint(&self) -> bool {
        self.hint.is_some()
    }

    pub fn passing(mut self, passes: bool) -> Self {
        self.passes = passes;
        self
    }

    /// For stderr, without a final newline.
    pub fn text(&self, as_json: bool) -> String {
        let (error, hint) = (&self.error, &self.hint);
        match (hint, as_json) {
            (hint, true) => json!({ "error": error, "hint": hint, "exit": self.exit as u8 }).to_string(),
            (Some(hint), false) => format!("error: {error}\nhint: {hint}"),
            (None, false) => format!("error: {error}"),
        }
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        let text = error.to_string();
        match error {
            ClientError::NoNode(_) => Self::new(Exit::NoNode, text).hint("start one with `gigmesh up`"),
            ClientError::Refused { status, hint, .. } => {
                // Room is the operator's to make.
                let users = status.is_client_error() || status == StatusCode::INSUFFICIENT_STORAGE;
                let exit = if users { Exit::User } else { Exit::Ours };
                // The node's hints are literals (`ApiError::hint`), so no other agent's words are in them.
                Self { hint: hint.as_deref().map(of_own_node), ..Self::new(exit, text) }
            }
            ClientError::File { .. } => Self::new(Exit::User, text),
            ClientError::Stopped => Self::new(Exit::Ours, text).hint("`gigmesh up`, then `gigmesh show`"),
            ClientError::Lost(_) | ClientError::Malformed(_) => Self::new(Exit::Ours, text),
        }
    }
}

impl From<FileError> for Failure {
    fn from(error: FileError) -> Self {
        Self::new(Exit::User, error)
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self::new(Exit::User, error)
    }
}
