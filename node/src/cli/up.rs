//! `gigmesh up`: a node and its local door, until somebody stops it. If its disk is full or fails meanwhile, it ends, with
//! nothing said that is not on disk, and is started again from there when there is room.

use std::io::IsTerminal as _;
use std::time::Instant;

use gigmesh_protocol::peer::query::{GetStatus, Seeds};
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinHandle;

use super::args::UpArgs;
use super::failure::{Exit, Failure};
use super::offer;
use super::terminal::{emit, emit_json, runnable};
use super::trust::NO_HISTORY;
use crate::api::server;
use crate::api::socket;
use crate::api::types::Identity;
use crate::config::{self, Config};
use crate::limits::{RECOVER_PAUSE, RECOVER_PAUSE_MAX, RECOVER_ROOM};
use crate::node::{self, NodeHandle, StopError};
use crate::store::disk;

/// What a node says that nobody can hire.
const ONLY_SHOPS: &str = "\
it only shops: nobody can hire it. To be hired, name what it does under [[skill]] and who may hire it with `from` under [serve],
like from = \"anyone\", in a file for --config; `gigmesh try` tries that file on a task
";

/// The same, if it offers skills.
const SERVES_NOBODY: &str = "\
nobody can hire it: what it does is named under [[skill]], and for whom is not. Say it with `from` under [serve], like
from = \"anyone\"
";

/// Runs the node. Ends well on SIGINT and SIGTERM; a second one does not wait for what is under way.
pub(super) async fn up(args: UpArgs) -> Result<Exit, Failure> {
    let (file, json) = (args.config.clone(), args.json);
    let config = config::load(file.as_deref(), args.overrides())?.runnable()?;
    if let Some(doubt) = config.doubt() {
        tracing::warn!("{doubt}");
    }
    let mut stop = Stop::listen()?;
    let running = tokio::select! {
        started = Running::start(config.clone()) => started?,
        () = stop.wanted() => return Ok(Exit::Done),
    };
    let mut over = stay(running, &config, json, &mut stop).await;
    let mut pause = RECOVER_PAUSE;
    while let Err(Failure { error, passes: true, .. }) = &over {
        tracing::error!("{error}; nobody is told anything until it can be written again. The next try is in {pause:?}");
        let recovered = async {
            tokio::time::sleep(pause).await;
            recover(&config).await
        };
        let recovered = tokio::select! {
            recovered = recovered => recovered,
            () = stop.wanted() => return Ok(Exit::Done),
        };
        pause = RECOVER_PAUSE_MAX.min(2 * pause);
        over = match recovered {
            Ok(running) => {
                tracing::info!("the node is up again, from what its disk holds");
                let since = Instant::now();
                let over = stay(running, &config, json, &mut stop).await;
                if since.elapsed() > RECOVER_PAUSE_MAX {
                    pause = RECOVER_PAUSE;
                }
                over
            }
            Err(failure) => Err(failure),
        };
    }
    over
}

/// Starts a node whose store had failed, if there is room now. What it held in memory was ahead of its disk, so it begins
/// with what is there.
async fn recover(config: &Config) -> Result<Running, Failure> {
    let journal = config.node.data_dir.join("journal");
    let room = tokio::task::spawn_blocking(move || disk::probe(&journal, RECOVER_ROOM)).await;
    room.map_err(|error| Failure::new(Exit::Ours, error))?.map_err(|error| {
        Failure::new(Exit::User, format!("the node's data cannot be written: {error}")).passing(true)
    })?;
    Running::start(config.clone()).await
}

/// Says that the node is ready, and stays with it until it ends or is to be stopped.
async fn stay(running: Running, config: &Config, json: bool, stop: &mut Stop) -> Result<Exit, Failure> {
    let (invited, serves) = (!config.node.bootstrap.is_empty(), config.serves());
    let offers = !config.node.peer.skills.is_empty();
    let (agent, listen) = (running.node.agent(), running.node.listen_addrs());
    let mdns = running.node.network_stats().await.mdns;
    if json {
        emit_json(
            &serde_json::json!({ "ready": true, "agent": agent, "listen": listen, "mdns": mdns, "serves": serves }),
        )?
    } else {
        let lan = if mdns { "on" } else { "off" };
        emit(&format!("ready: agent {agent}, listening on {}, mDNS {lan}\n", listen.join(", ")))?;
        if !serves {
            emit(if offers { SERVES_NOBODY } else { ONLY_SHOPS })?;
        }
        // For a person who starts it: a service has nobody who would pin anyone.
        let asked = tokio::select! {
            asked = offer::to(&running.node, &config.seeds, &config.node.data_dir) => asked,
            // Nobody is pinned, and the question is asked again.
            () = stop.wanted() => return running.stop().await.map(|()| Exit::Done),
            () = running.node.stopped() => Ok(true),
        };
        let asked = asked.unwrap_or_else(|failure| {
            tracing::warn!("who was offered as a seed cannot be noted: {}", failure.error);
            true
        });
        if !asked && std::io::stdout().is_terminal() && has_no_history(&running.node).await {
            emit(&runnable(NO_HISTORY))?;
        }
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

/// Whether this node holds no rating and has pinned nobody: it can have a view of no one.
async fn has_no_history(node: &NodeHandle) -> bool {
    let empty = node.query(GetStatus).await.is_ok_and(|status| status.ratings == 0);
    empty && node.query(Seeds).await.is_ok_and(|seeds| seeds.is_empty())
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
        if let Some(api) = &api {
            let unfit = |error| Failure::new(Exit::User, format!("the local API's socket (--api): {error}"));
            socket::probe(&data_dir, api).map_err(unfit)?;
        }
        let invited = !config.bootstrap.is_empty();
        let node = node::start(config).await.map_err(|error| {
            let exit = if error.is_users() { Exit::User } else { Exit::Ours };
            Failure::new(exit, &error).passing(error.passes())
        })?;
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
            Some(Err(error)) => {
                let passes = matches!(error, StopError::Storage(_));
                Err(Failure::new(Exit::Ours, error).passing(passes))
            }
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
