//! `gigmesh up`: a node and its local door, until somebody stops it.

use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinHandle;

use super::args::UpArgs;
use super::failure::{Exit, Failure};
use super::terminal::{emit, emit_json};
use crate::api::server;
use crate::api::socket;
use crate::api::types::Identity;
use crate::config::{self, Config};
use crate::node::{self, NodeHandle};

/// Runs the node. Ends well on SIGINT and SIGTERM; a second one does not wait for what is under way.
pub(super) async fn up(args: UpArgs) -> Result<Exit, Failure> {
    let (file, json) = (args.config.clone(), args.json);
    let config = config::load(file.as_deref(), args.overrides())?.runnable()?;
    if let Some(doubt) = config.doubt() {
        tracing::warn!("{doubt}");
    }
    let invited = !config.node.bootstrap.is_empty();
    let mut stop = Stop::listen()?;
    let running = tokio::select! {
        started = Running::start(config) => started?,
        () = stop.wanted() => return Ok(Exit::Done),
    };
    let (agent, listen) = (running.node.agent(), running.node.listen_addrs());
    let mdns = running.node.network_stats().await.mdns;
    if json {
        emit_json(&serde_json::json!({ "ready": true, "agent": agent, "listen": listen, "mdns": mdns }))?
    } else {
        let lan = if mdns { "on" } else { "off" };
        emit(&format!("ready: agent {agent}, listening on {}, mDNS {lan}\n", listen.join(", ")))?
    }
    if !invited && !mdns {
        tracing::warn!(
            "no bootstrap node is known (--bootstrap) and mDNS is off: others must be told this node's address"
        );
    }

    tokio::select! {
        () = stop.wanted() => {}
        () = running.node.stopped() => {}
    }
    tokio::select! {
        ended = running.stop() => ended.map(|()| Exit::Done),
        () = stop.wanted() => Err(Failure::new(Exit::Ours, "stopped at once; what was under way goes on at the next start")),
    }
}

/// A node with its local door open.
pub(super) struct Running {
    pub node: NodeHandle,
    served: JoinHandle<std::io::Result<()>>,
    door: socket::Door,
}

impl Running {
    /// Starts a node, then opens its door.
    pub async fn start(config: Config) -> Result<Self, Failure> {
        let Config { node: config, api, .. } = config;
        let (data_dir, network) = (config.data_dir.clone(), config.network.clone());
        let invited = !config.bootstrap.is_empty();
        let node = node::start(config)
            .await
            .map_err(|error| Failure::new(if error.is_users() { Exit::User } else { Exit::Ours }, error))?;
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
        let served = tokio::spawn(server::serve(listener, node.clone(), identity, invited));
        Ok(Self { node, served, door })
    }

    /// Stops it, unless it has stopped by itself; returns when all is finished, with why it stopped if that was not asked
    /// for.
    pub async fn stop(self) -> Result<(), Failure> {
        tracing::info!("stopping");
        let Self { node, served, door } = self;
        node.shutdown();
        node.stopped().await;
        if let Ok(Err(error)) = served.await {
            tracing::warn!("the local API ended early: {error}");
        }
        drop(door);
        match node.ended() {
            Some(Err(error)) => Err(Failure::new(Exit::Ours, error)),
            _ => Ok(()),
        }
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
