//! A door into the network: a DHT server with a stable key and limits for thousands of peers.
//!
//! A node that knows one bootstrap's address finds everybody else through it; the bootstrap itself takes no part in
//! the market. Those who cannot be dialled are reached through it, within strict limits: it relays messages, not data.
//! It keeps nothing on disk but its key, because its address contains the key's name.
//!
//! [`run`] is the library's door, [`run_cli`] the command line's (`gigmesh-bootstrap`, `gigmesh bootstrap`).
//! [`identity`], [`lock`] and [`wall_clock`] are what every program with a data directory needs; the node uses them, too.

mod cli;
mod clock;
mod contacts;
pub mod identity;
pub mod limits;
pub mod lock;

use std::path::PathBuf;

use gigmesh_net::{Net, Role, StartError};
use tokio::time::{Instant, interval_at};

pub use cli::{Args, run_cli};
pub use clock::{file_age, wall_clock};
pub use contacts::contact_filter;
pub use gigmesh_net::ContactFilter;

use identity::IdentityError;
use lock::LockError;

/// What a bootstrap node needs to know.
#[derive(Clone)]
pub struct Config {
    /// Where to listen, as multiaddresses.
    pub listen: Vec<String>,
    /// Other bootstrap nodes of the network, as multiaddresses that end in `/p2p/` and the peer's id. May be empty.
    pub bootstrap: Vec<String>,
    /// Where the key is kept. Made if missing.
    pub data_dir: PathBuf,
    /// The network's name.
    pub network: String,
    /// Which contacts may be stored.
    pub contacts: ContactFilter,
}

/// Why a bootstrap node did not start, or stopped. Everything but [`Error::Stopped`] is for the operator to put right;
/// then nothing was written, except a first key if the network failed after its configuration had been found good.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The network's configuration.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The key.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The data directory.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The network's task ended by itself.
    #[error("the network stopped by itself; its log may say why")]
    Stopped,
}

/// Runs a bootstrap node until `shutdown` completes. `ready` is called once with its addresses, when they listen.
pub async fn run(
    config: Config,
    ready: impl FnOnce(&[String]),
    shutdown: impl Future<Output = ()>,
) -> Result<(), Error> {
    let network = |secret| gigmesh_net::Config {
        listen: config.listen.clone(),
        bootstrap: config.bootstrap.clone(),
        ..gigmesh_net::Config::new(Role::Bootstrap, config.network.clone(), secret, config.contacts.clone())
    };
    // Whatever can be wrong is found before anything is written. The key does not matter yet.
    lock::check(&config.data_dir)?;
    network([0; 32]).probe()?;
    let _lock = lock::lock(&config.data_dir)?;
    let secret = identity::load_or_create(&config.data_dir)?;

    let (net, mut events) = Net::start(network(secret)).await?;
    ready(&net.listen_addrs());
    let mut report = interval_at(Instant::now() + limits::REPORT_INTERVAL, limits::REPORT_INTERVAL);
    tokio::pin!(shutdown);
    loop {
        tokio::select! {
            () = &mut shutdown => break,
            event = events.recv() => match event {
                Some(event) => tracing::debug!(?event),
                None => return Err(Error::Stopped),
            },
            _ = report.tick() => report_on(&net).await,
        }
    }
    tracing::info!("shutting down");
    net.shutdown().await;
    Ok(())
}

async fn report_on(net: &Net) {
    let stats = net.stats().await;
    tracing::info!(
        links = stats.links,
        dht_peers = stats.dht_peers,
        contacts_stored = stats.contacts_stored,
        contacts_refused = stats.contacts_refused,
        providers_stored = stats.providers_stored,
        providers_refused = stats.providers_refused,
        connections_refused = stats.connections_refused,
        probes_made = stats.probes_made,
        probes_refused = stats.probes_refused,
    );
}
