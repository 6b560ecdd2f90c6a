//! The body of an error: `{"error": "...", "hint": "...", "code": "..."}`, and with
//! the code `task_invalid` the place in the task as a JSON pointer, `"at": "/time/bids"`.

use std::borrow::Cow;

use axum::Json;
use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use gigmesh_protocol::peer::io::Refused;
use gigmesh_protocol::peer::query::Missing;
use serde::{Deserialize, Serialize};

use crate::driver::CONFIRM;
use crate::node::CallError;
use crate::store::blobs::BlobError;
use crate::words;

/// The code of an error in a task.
pub(super) const TASK_INVALID: &str = "task_invalid";

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $status:ident;)*) => {
        /// The errors that the API itself makes; those of the brain are the codes of [`Refused`].
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(super) enum Code { $($(#[$doc])* $name,)* }

        impl Code {
            /// The stable name.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $code,)* }
            }

            /// The status it comes with.
            pub fn status(self) -> StatusCode {
                match self { $(Self::$name => StatusCode::$status,)* }
            }

            #[cfg(test)]
            const ALL: &[&str] = &[$($code),*];
        }
    };
}

codes! {
    /// There is no such path.
    NoSuchPath = "no_such_path", NOT_FOUND;
    /// The path has no such method.
    NoSuchMethod = "no_such_method", METHOD_NOT_ALLOWED;
    /// The body is not the JSON that the request takes, or too long.
    InvalidBody = "invalid_body", BAD_REQUEST;
    /// The query is not what the request takes.
    InvalidQuery = "invalid_query", BAD_REQUEST;
    /// A field is not what it should be; the error names it.
    InvalidField = "invalid_field", BAD_REQUEST;
    /// The text is no id, nor the beginning of one.
    NotAnId = "not_an_id", BAD_REQUEST;
    /// Nothing has this id.
    UnknownId = "unknown_id", NOT_FOUND;
    /// Several ids begin so.
    AmbiguousId = "ambiguous_id", BAD_REQUEST;
    /// The offer has no hire yet.
    NoHire = "no_hire", BAD_REQUEST;
    /// The offer has several hires.
    SeveralHires = "several_hires", BAD_REQUEST;
    /// No pinned agent has this id.
    NotPinned = "not_pinned", NOT_FOUND;
    /// The system's clock was not set, so there is nothing to confirm.
    ClockRight = "clock_right", BAD_REQUEST;
    /// The system's clock was set, and nothing is dated until it is confirmed.
    ClockUnclear = "clock_unclear", SERVICE_UNAVAILABLE;
    /// The input or result is larger than any may be.
    BlobTooLarge = "blob_too_large", PAYLOAD_TOO_LARGE;
    /// The store has no room for it.
    NoRoom = "no_room", INSUFFICIENT_STORAGE;
    /// The bytes are not here.
    UnknownBlob = "unknown_blob", NOT_FOUND;
    /// The node is shutting down.
    Stopped = "stopped", SERVICE_UNAVAILABLE;
    /// The node's data cannot be read or written.
    Storage = "storage", INTERNAL_SERVER_ERROR;
    /// The node failed.
    Internal = "internal", INTERNAL_SERVER_ERROR;
}

/// The body of an error.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ErrorBody {
    pub error: String,
    /// What to do about it, where the error does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// Names the error to programs, and stays the same when its words change.
    #[serde(default)]
    pub code: Cow<'static, str>,
    /// Where in the task it is, as a JSON pointer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
}

/// An error and its status.
#[derive(Debug)]
pub(super) struct ApiError {
    status: StatusCode,
    body: ErrorBody,
}

impl ApiError {
    pub fn new(code: Code, error: impl ToString) -> Self {
        let body = ErrorBody { error: error.to_string(), hint: None, code: code.as_str().into(), at: None };
        Self { status: code.status(), body }
    }

    /// A field that is not what it should be.
    pub fn field(error: impl ToString) -> Self {
        Self::new(Code::InvalidField, error)
    }

    /// A failure of the node itself.
    pub fn ours(error: impl ToString) -> Self {
        Self::new(Code::Internal, error)
    }

    /// What to do, in a literal: the command line changes the commands in it, so no other agent's words may be there.
    pub fn hint(mut self, hint: &'static str) -> Self {
        self.body.hint = Some(hint.into());
        self
    }

    fn status(self, status: StatusCode) -> Self {
        Self { status, ..self }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        if self.status.is_server_error() {
            tracing::warn!(status = self.status.as_u16(), error = self.body.error, "a request failed");
        }
        (self.status, Json(self.body)).into_response()
    }
}

impl From<&Refused> for ApiError {
    fn from(refused: &Refused) -> Self {
        let status = match refused {
            Refused::Unknown(_) => StatusCode::NOT_FOUND,
            Refused::OffersFull | Refused::HiresFull | Refused::RoomsFull => StatusCode::TOO_MANY_REQUESTS,
            _ => StatusCode::BAD_REQUEST,
        };
        let (error, hint) = words::refused(refused);
        let code = refused.code().into();
        let at = match refused {
            Refused::Task(fault) => Some(fault.at.to_string()),
            _ => None,
        };
        Self { status, body: ErrorBody { error, hint: hint.map(str::to_owned), code, at } }
    }
}

impl From<CallError> for ApiError {
    fn from(error: CallError) -> Self {
        let code = match &error {
            CallError::Refused(refused) => return refused.into(),
            CallError::Clock(_) => return Self::new(Code::ClockUnclear, error).hint(CONFIRM),
            CallError::Stopped => Code::Stopped,
            CallError::Storage(_) => Code::Storage,
        };
        Self::new(code, error)
    }
}

impl From<Missing> for ApiError {
    fn from(missing: Missing) -> Self {
        let code = match &missing {
            Missing::NotAnId { .. } => Code::NotAnId,
            Missing::Unknown { .. } => Code::UnknownId,
            Missing::Ambiguous { .. } => Code::AmbiguousId,
        };
        let (error, hint) = words::missing(&missing);
        Self::new(code, error).hint(hint)
    }
}

impl From<BlobError> for ApiError {
    fn from(error: BlobError) -> Self {
        let code = match &error {
            BlobError::TooLarge(_) => Code::BlobTooLarge,
            BlobError::Quota { .. } | BlobError::Full { .. } => Code::NoRoom,
            BlobError::Missing(_) => Code::UnknownBlob,
            _ => Code::Storage,
        };
        Self::new(code, error)
    }
}

impl From<JsonRejection> for ApiError {
    fn from(rejection: JsonRejection) -> Self {
        Self::new(Code::InvalidBody, rejection.body_text()).status(rejection.status())
    }
}

impl From<QueryRejection> for ApiError {
    fn from(rejection: QueryRejection) -> Self {
        Self::new(Code::InvalidQuery, rejection.body_text()).status(rejection.status())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// A program goes by the codes: one that is renamed is noticed here.
    #[test]
    fn the_page_of_the_api_lists_every_code() {
        let page = include_str!("mod.rs");
        let listed = page.lines().skip_while(|line| *line != "//! | code | when |").skip(2);
        let listed = listed.map_while(|line| line.strip_prefix("//! | `")?.split('`').next());
        let made: BTreeSet<&str> = Code::ALL.iter().chain(Refused::CODES).copied().collect();
        assert_eq!(listed.collect::<BTreeSet<_>>(), made);
    }
}
