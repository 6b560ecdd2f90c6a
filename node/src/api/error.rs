//! What a caller is told when a request was not carried out: `{"error": "...", "hint": "...", "code": "..."}`, and with
//! the code `task_invalid` the place in the task as a JSON pointer, `"at": "/time/bids"`.

use std::borrow::Cow;

use axum::Json;
use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use gigmesh_protocol::peer::io::Refused;
use gigmesh_protocol::peer::query::{IdKind, Missing};
use serde::{Deserialize, Serialize};

use crate::node::CallError;
use crate::store::blobs::BlobError;
use crate::words;

/// The code of an error in a task.
pub(super) const TASK_INVALID: &str = "task_invalid";

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
    pub fn new(status: StatusCode, error: impl ToString) -> Self {
        let code = match status {
            StatusCode::NOT_FOUND => "not_found",
            StatusCode::METHOD_NOT_ALLOWED => "method_not_allowed",
            StatusCode::PAYLOAD_TOO_LARGE => "too_large",
            StatusCode::TOO_MANY_REQUESTS => "too_many",
            StatusCode::SERVICE_UNAVAILABLE => "unavailable",
            StatusCode::INSUFFICIENT_STORAGE => "no_room",
            status if status.is_server_error() => "internal",
            _ => "invalid",
        };
        Self { status, body: ErrorBody { error: error.to_string(), hint: None, code: code.into(), at: None } }
    }

    pub fn bad(error: impl ToString) -> Self {
        Self::new(StatusCode::BAD_REQUEST, error)
    }

    pub fn missing(error: impl ToString) -> Self {
        Self::new(StatusCode::NOT_FOUND, error)
    }

    /// A failure of the node itself.
    pub fn ours(error: impl ToString) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, error)
    }

    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.body.hint = Some(hint.into());
        self
    }

    /// A code that says more than the status does.
    pub fn code(mut self, code: &'static str) -> Self {
        self.body.code = code.into();
        self
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
        let mut error = Self::new(status, words::refused(refused)).code(refused.code());
        if let Refused::Task(fault) = refused {
            error.body.at = Some(fault.at.to_string());
        }
        words::refused_hint(refused).into_iter().fold(error, Self::hint)
    }
}

impl From<CallError> for ApiError {
    fn from(error: CallError) -> Self {
        let status = match &error {
            CallError::Refused(refused) => return refused.into(),
            CallError::Clock(_) | CallError::Stopped => StatusCode::SERVICE_UNAVAILABLE,
            CallError::Storage(_) => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Self::new(status, error)
    }
}

impl From<Missing> for ApiError {
    fn from(missing: Missing) -> Self {
        let lister = |kind| match kind {
            IdKind::Agent => "`gigmesh find` lists them",
            IdKind::Hire | IdKind::OfferOrHire | IdKind::OfferClaimOrHire => "`gigmesh hires` lists them",
        };
        match missing {
            Missing::NotAnId { kind } => {
                let error = Self::bad("an id is 64 hexadecimal digits, or at least its first four");
                error.hint(lister(kind)).code("not_an_id")
            }
            Missing::Unknown { kind, text } => {
                let what = match kind {
                    IdKind::Agent => "agent",
                    IdKind::Hire => "hire",
                    IdKind::OfferOrHire => "offer or hire",
                    IdKind::OfferClaimOrHire => "offer, claim or hire",
                };
                Self::missing(format!("no {what} {text} here")).hint(lister(kind)).code("unknown_id")
            }
            Missing::Ambiguous { text, count, longer } => {
                let more = if count > longer.len() { ", ..." } else { "" };
                let error = format!("{count} ids begin with {text}: {}{more}", longer.join(", "));
                Self::bad(error).hint("give more digits").code("ambiguous_id")
            }
        }
    }
}

impl From<BlobError> for ApiError {
    fn from(error: BlobError) -> Self {
        let status = match &error {
            BlobError::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            BlobError::Quota { .. } | BlobError::Full { .. } => StatusCode::INSUFFICIENT_STORAGE,
            BlobError::Missing(_) => StatusCode::NOT_FOUND,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Self::new(status, error)
    }
}

impl From<JsonRejection> for ApiError {
    fn from(rejection: JsonRejection) -> Self {
        Self::new(rejection.status(), rejection.body_text())
    }
}

impl From<QueryRejection> for ApiError {
    fn from(rejection: QueryRejection) -> Self {
        Self::new(rejection.status(), rejection.body_text())
    }
}
