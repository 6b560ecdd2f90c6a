//! `gigmesh mcp`: the tools of the market on stdin and stdout, and with `--up` a node behind them.
//!
//! A client may start several of these on one data directory: the first one's node serves all, and when its client has
//! gone, another one starts it again. stdout is the protocol's; everything else goes to stderr.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::sync::{oneshot, watch};

use super::args::McpArgs;
use super::failure::{Exit, Failure};
use super::up::{Running, Stop};
use crate::api::client::Client;
use crate::api::mcp::{self, Door, Home, Locate};
use crate::api::socket;
use crate::config::{self, Config};
use crate::limits::MCP_START_PAUSE;

/// Serves until stdin closes or a signal comes; then the node stops that was started here.
pub(super) async fn mcp(args: McpArgs) -> Result<Exit, Failure> {
    let McpArgs { up, allow_dir, node } = args;
    let allowed = allow_dir.iter().map(|dir| directory(dir)).collect::<Result<Vec<_>, _>>()?.concat();
    let file = node.config.clone();
    let config = config::load(file.as_deref(), node.overrides())?.runnable()?;
    let (api, data_dir) = (config.api.clone(), config.node.data_dir.clone());
    // Looked up each time: a node that starts may have to choose another place.
    let locate: Locate = Arc::new(move || Client::new(api.clone().unwrap_or_else(|| socket::locate(&data_dir))));

    let mut stop = Stop::listen()?;
    let (tell, home) = watch::channel(if up { Home::Starting } else { Home::Foreign });
    let (end, ended) = oneshot::channel();
    let keeper = up.then(|| tokio::spawn(keep(config, Arc::clone(&locate), tell, ended)));
    let served = tokio::select! {
        served = mcp::serve(Door::new(locate, home, allowed), tokio::io::stdin(), tokio::io::stdout()) => served,
        () = stop.wanted() => Ok(()),
    };
    // Without a keeper nobody listens.
    let _ = end.send(());
    if let Some(keeper) = keeper {
        tokio::select! {
            stopped = keeper => stopped.map_err(|error| Failure::new(Exit::Ours, error))??,
            () = stop.wanted() => return Err(Failure::new(Exit::Ours, "stopped at once; what was under way goes on at the next start")),
        }
    }
    match served {
        Ok(()) => Ok(Exit::Done),
        Err(error) => Err(Failure::new(Exit::User, error).hint(
            "an agent's program starts `gigmesh mcp` and speaks with it; people use `gigmesh find` and `gigmesh hire`",
        )),
    }
}

/// The directory as it was given and as it is, both absolute: a path below it may be written either way.
fn directory(dir: &Path) -> Result<Vec<PathBuf>, Failure> {
    let wrong = |error| Failure::new(Exit::User, format!("--allow-dir {}: {error}", dir.display()));
    let real = dir.canonicalize().map_err(wrong)?;
    if !real.is_dir() {
        return Err(wrong(std::io::ErrorKind::NotADirectory.into()));
    }
    Ok(vec![std::path::absolute(dir).map_err(wrong)?, real])
}

/// Sees to it that a node runs: somebody's, or else one started here, which ends when this does.
async fn keep(
    config: Config,
    locate: Locate,
    tell: watch::Sender<Home>,
    mut ended: oneshot::Receiver<()>,
) -> Result<(), Failure> {
    let mut failures = 0_u32;
    loop {
        let client = locate();
        let running = tokio::select! {
            running = found_or_started(&config, &client, &tell) => running,
            _ = &mut ended => return Ok(()),
        };
        let over = match running {
            Ok(running) => {
                failures = 0;
                tell.send_replace(Home::Here);
                let wanted = tokio::select! {
                    () = running.node.stopped() => false,
                    _ = &mut ended => true,
                };
                let stopped = running.stop().await;
                if wanted {
                    return stopped;
                }
                stopped
            }
            Err(failure) => Err(failure),
        };
        // Of several that start one at once, all but the first fail and then find it.
        failures += 1;
        let now = match over {
            Err(failure) if failures > 1 => Home::Failed(failure.error),
            _ => Home::Starting,
        };
        // Said once, however often it is tried.
        if let (Home::Failed(why), true) = (&now, tell.send_replace(now.clone()) != now) {
            tracing::warn!("no node runs: {why}");
        }
        tokio::select! {
            () = tokio::time::sleep(MCP_START_PAUSE) => {}
            _ = &mut ended => return Ok(()),
        }
    }
}

/// Stays with a node that runs already until it stops; then starts one.
async fn found_or_started(config: &Config, client: &Client, tell: &watch::Sender<Home>) -> Result<Running, Failure> {
    // Whatever is wrong with the door, starting a node finds out better: only one can hold the directory.
    if let Ok(mut events) = client.events().await {
        tracing::info!("a node runs already: it is used as it is");
        tell.send_replace(Home::Here);
        // What happens is of no interest here, only that nothing can happen any more.
        while let Ok(Some(_)) = events.next().await {}
        tell.send_replace(Home::Starting);
    }
    Running::start(config.clone()).await
}
