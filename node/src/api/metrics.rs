//! `GET /metrics`: the node's counters and gauges for Prometheus.

use axum::http::header;
use axum::response::IntoResponse;
use gigmesh_protocol::peer::query::GetStatus;

use super::error::ApiError;
use crate::node::NodeHandle;

/// Version 0.0.4 of the text format.
const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// All of them, as they are now.
pub(super) async fn metrics(node: NodeHandle) -> Result<impl IntoResponse, ApiError> {
    let market = node.query(GetStatus).await?;
    let net = node.network_stats().await;
    Ok(([(header::CONTENT_TYPE, TEXT)], node.metrics().render(&market, &net)))
}
