//! What the operator wrote. In: `worker.toml` (module `worker`), the environment and the flags; a flag beats the environment,
//! the environment the file, the file the defaults. Out: a [`NodeConfig`], or one message that names the place and says
//! what to do. Reads only: nothing may be written before the whole of it is found good.

mod size;
mod source;
#[cfg(test)]
mod tests;
mod worker;

use std::env;
use std::path::{Path, PathBuf};

use gigmesh_protocol::peer::io::From as ServeFrom;

use crate::limits::BLOB_QUOTA;
use crate::node::NodeConfig;

pub use source::{FileError, Parsed, Source, explain, to_json, understood_schema};
pub use worker::ProposedSeed;

/// The market that nodes are part of unless told otherwise.
pub const DEFAULT_NETWORK: &str = "main";
/// Any free port, on every interface, over both transports.
pub const DEFAULT_LISTEN: [&str; 2] = ["/ip4/0.0.0.0/tcp/0", "/ip4/0.0.0.0/udp/0/quic-v1"];

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file.
    #[error(transparent)]
    File(#[from] FileError),
    /// Nothing says where data is kept.
    #[error("neither XDG_DATA_HOME nor HOME is set; say where the node keeps its data with --data-dir")]
    NoDataDir,
}

/// What flags and environment say: each beats the file. Empty lists say nothing.
#[derive(Debug, Clone, Default)]
pub struct Overrides {
    /// Where the node keeps its data.
    pub data_dir: Option<PathBuf>,
    /// The market network.
    pub network: Option<String>,
    /// Where to listen.
    pub listen: Vec<String>,
    /// Doors into the network.
    pub bootstrap: Vec<String>,
    /// Not to look for peers on the LAN.
    pub no_mdns: bool,
    /// To be reached through the doors in any case.
    pub relay: bool,
    /// The local API's socket.
    pub api: Option<PathBuf>,
}

/// A configuration that makes sense.
#[derive(Debug, Clone)]
pub struct Config {
    /// For the node.
    pub node: NodeConfig,
    /// The local API's socket, if it is not to be in the data directory.
    pub api: Option<PathBuf>,
    /// The first program of a skill that is not there to be started, and where it is named. A node could say what is
    /// served all the same, but every hire of it would fail.
    pub unrunnable: Option<FileError>,
    /// Whom the file proposes to pin. Nobody is pinned unasked.
    pub seeds: Vec<ProposedSeed>,
}

/// Reads the file, if there is one, and puts flags and environment on top.
///
/// # Errors
/// The first thing the operator has to put right.
pub fn load(file: Option<&Path>, over: Overrides) -> Result<Config, ConfigError> {
    let worker::Worker { node, peer, executors, unrunnable, seeds } =
        file.map(worker::read).transpose()?.unwrap_or_default();
    let list = |over: Vec<String>, file: Option<Vec<String>>, default: &[&str]| match (over, file) {
        (over, _) if !over.is_empty() => over,
        (_, Some(file)) => file,
        _ => default.iter().map(|text| (*text).to_owned()).collect(),
    };
    Ok(Config {
        node: NodeConfig {
            data_dir: over.data_dir.or(node.data_dir).or_else(default_data_dir).ok_or(ConfigError::NoDataDir)?,
            network: over.network.or(node.network).unwrap_or_else(|| DEFAULT_NETWORK.to_owned()),
            listen: list(over.listen, node.listen, &DEFAULT_LISTEN),
            bootstrap: list(over.bootstrap, node.bootstrap, &[]),
            mdns: !over.no_mdns && node.mdns.unwrap_or(true),
            relay: over.relay || node.relay.unwrap_or(false),
            peer,
            executors,
            blob_quota: node.blobs.map_or(BLOB_QUOTA, |size| size.0.0),
        },
        api: over.api.or(node.api),
        unrunnable,
        seeds,
    })
}

impl Config {
    /// The same, if the program of every skill is there to be started.
    ///
    /// # Errors
    /// One is not, with its place in the file.
    pub fn runnable(self) -> Result<Self, FileError> {
        self.unrunnable.clone().map_or(Ok(self), Err)
    }

    /// Whether anybody can hire this node.
    pub fn serves(&self) -> bool {
        !self.node.peer.skills.is_empty() && self.node.peer.from != ServeFrom::Nobody
    }

    /// What is allowed and probably not meant.
    pub fn doubt(&self) -> Option<&'static str> {
        match (self.node.peer.skills.is_empty(), &self.node.peer.from) {
            (false, ServeFrom::Nobody) => {
                Some("skills are offered and nobody may hire them: say who with `from` in [serve]")
            }
            (true, ServeFrom::Anyone | ServeFrom::Allowlist(_)) => {
                Some("[serve] says who may hire this agent, and it offers no [[skill]]")
            }
            _ => None,
        }
    }
}

/// `gigmesh` in `$XDG_DATA_HOME`, or in `~/.local/share`.
pub fn default_data_dir() -> Option<PathBuf> {
    let path = |name| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let base = path("XDG_DATA_HOME").or_else(|| Some(path("HOME")?.join(".local/share")))?;
    Some(base.join("gigmesh"))
}
