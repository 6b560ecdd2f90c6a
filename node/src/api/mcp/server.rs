//! The protocol's side: which tools there are, and each call with its bounds. In: JSON-RPC lines. Out: the same.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use hyper::StatusCode;
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, Implementation, ListToolsResult,
    PaginatedRequestParams, ServerCapabilities, ServerConfig, Tool,
};
use rmcp::service::{RequestContext, ServerInitializeError, ServiceExt};
use rmcp::transport::async_rw::AsyncRwTransport;
use rmcp::{ErrorData, RoleServer, ServerHandler};
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{Semaphore, watch};

use super::tools;
use crate::api::client::{Client, ClientError};
use crate::limits::{MCP_CALLS, MCP_LINE};

/// What is known of the node behind the door.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Home {
    /// It is somebody else's to start; a call finds out whether it runs.
    Foreign,
    /// It is being started.
    Starting,
    /// It runs.
    Here,
    /// It does not start, for this reason; it is tried again.
    Failed(String),
}

/// Finds the node's socket.
pub type Locate = Arc<dyn Fn() -> Client + Send + Sync>;

/// The server.
pub struct Door {
    locate: Locate,
    pub(super) home: watch::Receiver<Home>,
    /// Directories whose files may be sent as inputs.
    pub(super) allowed: Vec<PathBuf>,
    /// Where each offer or hire stood when the client was told last, by the id it was asked for with.
    pub(super) told: Mutex<BTreeMap<String, Value>>,
    calls: Semaphore,
}

/// What a call came to: a sentence of ours, and the whole as a document.
pub(super) struct Done {
    pub text: String,
    pub document: Value,
}

/// Why a call came to nothing, and what to do next.
#[derive(Debug)]
pub(super) struct Trouble {
    pub error: String,
    pub next: String,
    /// As in the node's answer: names the error to programs, and says where in the arguments it is.
    pub code: Option<String>,
    pub at: Option<String>,
}

impl Trouble {
    pub fn new(error: impl ToString, next: impl Into<String>) -> Self {
        Self { error: error.to_string(), next: next.into(), code: None, at: None }
    }
}

impl Door {
    /// For the node that `locate` finds.
    pub fn new(locate: Locate, home: watch::Receiver<Home>, allowed: Vec<PathBuf>) -> Self {
        Self { locate, home, allowed, told: Mutex::default(), calls: Semaphore::new(MCP_CALLS) }
    }

    pub(super) fn client(&self) -> Client {
        (self.locate)()
    }

    pub(super) fn trouble(&self, error: ClientError) -> Trouble {
        let next = match &error {
            ClientError::NoNode(_) if *self.home.borrow() == Home::Foreign => {
                "nothing was done. Ask the operator to start a node with `gigmesh up`, or to add --up to the arguments of \
                 `gigmesh mcp`, so that it starts one itself"
            }
            ClientError::NoNode(_) => "nothing was done. The node is being started: call again in some seconds",
            // Its hint names commands, which a model does not have.
            ClientError::Refused { code, .. } if matches!(&**code, "unknown_id" | "not_an_id") => LISTERS,
            ClientError::Refused { code, .. } if matches!(&**code, "nothing_waits" | "no_refusal") => {
                "nothing was done. inbox lists what waits for you"
            }
            ClientError::Refused { code, .. } if code == "result_missing" => {
                "nothing was done. Wait with this id until the result is here"
            }
            ClientError::Refused { hint: Some(hint), .. } => hint,
            ClientError::Refused { status, .. } if *status == StatusCode::NOT_FOUND => LISTERS,
            ClientError::Refused { status, .. } if status.is_client_error() => {
                "nothing was done. Put right what the error names, and call again"
            }
            ClientError::Refused { .. } => "the node failed: tell the operator, whose node has logged it",
            ClientError::File { .. } => "nothing was done. Give another file, or the content itself",
            ClientError::Lost(_) | ClientError::Stopped => {
                "whether it was done is not known: look with show before you call again, so that nothing is done twice"
            }
            ClientError::Malformed(_) => "tell the operator that node and `gigmesh mcp` are of different versions",
        };
        let trouble = Trouble::new(&error, next);
        match error {
            ClientError::Refused { code, at, .. } => Trouble { code: Some(code), at, ..trouble },
            _ => trouble,
        }
    }
}

/// What to do when an id is not known.
const LISTERS: &str = "nothing was done. show without an id lists the offers and hires, find_agents the agents";

impl ServerHandler for Door {
    fn get_info(&self) -> ServerConfig {
        let named = Implementation::new("gigmesh", env!("CARGO_PKG_VERSION")).with_title("gigmesh: a market of agents");
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
            .with_server_info(named)
            .with_instructions(tools::INSTRUCTIONS)
    }

    async fn list_tools(
        &self,
        _page: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        Ok(ListToolsResult::with_all_items(tools::all()))
    }

    fn get_tool(&self, name: &str) -> Option<Tool> {
        tools::all().into_iter().find(|tool| tool.name == name)
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let Some(tool) = self.get_tool(&request.name) else {
            return Err(ErrorData::invalid_params(format!("there is no tool {:?}", request.name), None));
        };
        let arguments = Value::Object(request.arguments.unwrap_or_default());
        let Ok(_place) = self.calls.try_acquire() else {
            let next = "wait for the answers of the calls under way, then call again";
            return Ok(told(Err(Trouble::new(format!("{MCP_CALLS} calls are under way"), next))).into());
        };
        // Nobody waits any more for a call that its client has cancelled, or whose client has gone.
        let done = tokio::select! {
            done = self.call(&tool.name, arguments) => done,
            () = context.ct.cancelled() => Err(Trouble::new("cancelled", "call again if it is still wanted")),
        };
        Ok(told(done).into())
    }
}

/// Clients show a model either the structured content or the text: both hold everything.
fn told(done: Result<Done, Trouble>) -> CallToolResult {
    match done {
        Ok(Done { text, document }) => {
            let json = document.to_string();
            with(CallToolResult::structured(document), [text, json])
        }
        Err(Trouble { error, next, code, at }) => {
            let text = format!("error: {error}");
            let advice = format!("next: {next}");
            let mut structured = json!({ "error": error, "next": next });
            for (key, value) in [("code", code), ("at", at)] {
                if let Some(value) = value {
                    structured[key] = json!(value);
                }
            }
            with(CallToolResult::structured_error(structured), [text, advice])
        }
    }
}

fn with(mut result: CallToolResult, texts: [String; 2]) -> CallToolResult {
    result.content = texts.into_iter().map(ContentBlock::text).collect();
    result
}

/// What came first was not the protocol.
#[derive(Debug, thiserror::Error)]
#[error("what is on stdin is not MCP: {0}")]
pub struct NotMcp(String);

/// Serves one client until it closes its side.
///
/// # Errors
/// What came first was not the protocol.
pub async fn serve<R, W>(door: Door, read: R, write: W) -> Result<(), NotMcp>
where
    R: AsyncRead + Send + Unpin + 'static,
    W: AsyncWrite + Send + Unpin + 'static,
{
    let transport = AsyncRwTransport::new_server(read, write).with_max_line_length(MCP_LINE);
    match door.serve(transport).await {
        Ok(running) => {
            // It ends with its input; how a task ended is of no use to anybody then.
            let _ = running.waiting().await;
            Ok(())
        }
        // A client that leaves before it has said anything has done nothing wrong.
        Err(ServerInitializeError::ConnectionClosed(_)) => Ok(()),
        Err(ServerInitializeError::ExpectedInitializeRequest(_)) => {
            Err(NotMcp("the first message is no `initialize` request".to_owned()))
        }
        Err(error) => Err(NotMcp(error.to_string())),
    }
}
