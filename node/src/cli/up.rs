//! `gigmesh up`: a node and its local door, until somebody stops it.

use tokio::signal::unix::{SignalKind, signal};

use super::args::UpArgs;
use super::failure::{Exit, Failure};
use super::terminal::{emit, emit_json};
use crate::api::server;
use crate::api::socket;
use crate::api::types::Identity;
use crate::config::{self, Config};
use crate::node;

/// Runs the node. Ends well on SIGINT and SIGTERM; a second one does not wait for what is under way.
pub(super) async fn up(args: UpArgs) -> Result<Exit, Failure> {
    let (file, json) = (args.config.clone(), args.json);
    let config = config::load(file.as_deref(), args.overrides())?.runnable()?;
    if let Some(doubt) = config.doubt() {
        tracing::warn!("{doubt}");
    }
    let mut stop = Stop::listen()?;
    let Config { node: config, api, .. } = config;
    let (data_dir, network, invited) = (config.data_dir.clone(), config.network.clone(), !config.bootstrap.is_empty());
    let node = tokio::select! {
        started = node::start(config) => started.map_err(|error| {
            Failure::new(if error.is_users() { Exit::User } else { Exit::Ours }, error)
        })?,
        () = stop.wanted() => return Ok(Exit::Done),
    };
    // The node holds the data directory now, so a socket in it is ours to replace.
    let (listener, door) = match socket::open(&data_dir, api.as_deref()) {
        Ok(opened) => opened,
        Err(error) => {
            node.shutdown();
            node.stopped().await;
            return Err(Failure::new(Exit::User, error));
        }
    };
    let identity = Identity {
        agent: node.agent(),
        network,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        listen: node.listen_addrs(),
        data_dir,
    };
    tracing::info!(socket = %door.path().display(), "the local API answers");
    let ready = serde_json::json!({ "ready": true, "agent": identity.agent, "listen": identity.listen });
    let line = format!("ready: agent {}, listening on {}\n", identity.agent, identity.listen.join(", "));
    let served = tokio::spawn(server::serve(listener, node.clone(), identity, invited));
    if json {
        emit_json(&ready)?
    } else {
        emit(&line)?
    }

    tokio::select! {
        () = stop.wanted() => {}
        () = node.stopped() => {}
    }
    tracing::info!("stopping");
    node.shutdown();
    let finished = async {
        node.stopped().await;
        served.await
    };
    tokio::select! {
        served = finished => {
            if let Ok(Err(error)) = served {
                tracing::warn!("the local API ended early: {error}");
            }
        }
        () = stop.wanted() => return Err(Failure::new(Exit::Ours, "stopped at once; what was under way goes on at the next start")),
    }
    drop(door);
    match node.ended() {
        Some(Err(error)) => Err(Failure::new(Exit::Ours, error)),
        _ => Ok(Exit::Done),
    }
}

/// The signals that end a program.
pub(super) struct Stop(tokio::signal::unix::Signal, tokio::signal::unix::Signal);

impl Stop {
    pub fn listen() -> Result<Self, Failure> {
        let failed = |error| Failure::new(Exit::Ours, format!("cannot listen for signals: {error}"));
        Ok(Self(signal(SignalKind::interrupt()).map_err(failed)?, signal(SignalKind::terminate()).map_err(failed)?))
    }

    pub async fn wanted(&mut self) {
        tokio::select! {
            _ = self.0.recv() => {}
            _ = self.1.recv() => {}
        }
    }
}
