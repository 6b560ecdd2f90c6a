//! What a caller is told when a request was not carried out: `{"error": "...", "hint": "..."}`.

use axum::Json;
use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use gigmesh_protocol::peer::io::Refused;
use serde::{Deserialize, Serialize};

use crate::node::CallError;
use crate::store::blobs::BlobError;

/// The body of an error.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ErrorBody {
    pub error: String,
    /// What to do about it, where the error does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

/// An error and its status.
#[derive(Debug)]
pub(super) struct ApiError {
    status: StatusCode,
    body: ErrorBody,
}

impl ApiError {
    pub fn new(status: StatusCode, error: impl ToString) -> Self {
        Self { status, body: ErrorBody { error: error.to_string(), hint: None } }
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
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        if self.status.is_server_error() {
            tracing::warn!(status = self.status.as_u16(), error = self.body.error, "a request failed");
        }
        (self.status, Json(self.body)).into_response()
    }
}

impl From<CallError> for ApiError {
    fn from(error: CallError) -> Self {
        let status = match &error {
            CallError::Refused(Refused::Invalid(_)) => StatusCode::BAD_REQUEST,
            CallError::Refused(Refused::Unknown(_)) => StatusCode::NOT_FOUND,
            CallError::Refused(Refused::Full(_)) => StatusCode::TOO_MANY_REQUESTS,
            CallError::Clock(_) | CallError::Stopped => StatusCode::SERVICE_UNAVAILABLE,
            CallError::Storage(_) => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Self::new(status, error)
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
