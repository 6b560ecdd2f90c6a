//! The command line: arguments, logs on stderr, addresses on stdout, signals, exit codes.
//!
//! Exit code 0: stopped by SIGINT or SIGTERM. 2: something for the operator to put right, said in one message. 1: the
//! node failed while running.

use std::env;
use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use gigmesh_net::ContactFilter;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

use crate::{Config, Error, limits, run};

/// What is logged unless `RUST_LOG` says otherwise. kad warns of knowing nobody, as the first bootstrap always does, autonat
/// of whatever those who ask do wrong.
const LOGS: &str = "info,libp2p_swarm=warn,libp2p_kad=error,libp2p_autonat=error";

/// Arguments of a bootstrap node.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// Where to listen, as a multiaddress; may be repeated
    #[arg(long, value_name = "MULTIADDR", env = "GIGMESH_BOOTSTRAP_LISTEN", value_delimiter = ',',
        default_values = ["/ip4/0.0.0.0/tcp/4747", "/ip4/0.0.0.0/udp/4747/quic-v1"])]
    pub listen: Vec<String>,
    /// Where the key is kept [default: gigmesh/bootstrap in $XDG_DATA_HOME or ~/.local/share]
    #[arg(long, value_name = "DIR", env = "GIGMESH_BOOTSTRAP_DATA_DIR")]
    pub data_dir: Option<PathBuf>,
    /// The network's name
    #[arg(long, env = "GIGMESH_NETWORK", default_value = "main")]
    pub network: String,
    /// Another bootstrap node of the network, as /ip4/../tcp/../p2p/..; may be repeated
    #[arg(long, value_name = "MULTIADDR", env = "GIGMESH_BOOTSTRAP", value_delimiter = ',')]
    pub bootstrap: Vec<String>,
    /// Print addresses, and what is wrong, as JSON
    #[arg(long)]
    pub json: bool,
}

/// Runs a bootstrap node until SIGINT or SIGTERM. Once it listens, prints one line for each address on stdout.
pub async fn run_cli(args: Args, contacts: impl FnOnce(&str) -> ContactFilter) -> ExitCode {
    let json = args.json;
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(LOGS));
    let logs = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
    // Whoever called us may have set up logs already.
    let _ = logs.with_ansi(io::stderr().is_terminal()).try_init();
    let Some(data_dir) = args.data_dir.or_else(default_data_dir) else {
        return refuse(json, &"neither XDG_DATA_HOME nor HOME is set; say where the key is kept with --data-dir");
    };
    let mut stop = match (signal(SignalKind::interrupt()), signal(SignalKind::terminate())) {
        (Ok(interrupt), Ok(terminate)) => (interrupt, terminate),
        (Err(error), _) | (_, Err(error)) => return refuse(json, &error),
    };
    let shutdown = async move {
        tokio::select! {
            _ = stop.0.recv() => {}
            _ = stop.1.recv() => {}
        }
    };
    raise_open_files();
    let contacts = contacts(&args.network);
    let config = Config { listen: args.listen, bootstrap: args.bootstrap, data_dir, network: args.network, contacts };
    match run(config, |addresses| print_addresses(json, addresses), shutdown).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error @ Error::Stopped) => {
            tracing::error!("{error}");
            ExitCode::FAILURE
        }
        Err(error) => refuse(json, &error),
    }
}

fn refuse(json: bool, error: &dyn std::fmt::Display) -> ExitCode {
    // Not a log line: the one message must be seen whatever the log's level.
    let _ = if json {
        writeln!(io::stderr(), "{}", serde_json::json!({ "error": error.to_string(), "exit": 2 }))
    } else {
        writeln!(io::stderr(), "error: {error}")
    };
    ExitCode::from(2)
}

fn print_addresses(json: bool, addresses: &[String]) {
    let mut out = io::stdout().lock();
    // A closed stdout is no reason to stop serving.
    if json {
        let _ = writeln!(out, "{}", serde_json::json!({ "listening": addresses }));
    } else {
        for address in addresses {
            let _ = writeln!(out, "listening on {address}");
        }
    }
    let _ = out.flush();
}

fn default_data_dir() -> Option<PathBuf> {
    let path = |name| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let base = path("XDG_DATA_HOME").or_else(|| Some(path("HOME")?.join(".local/share")))?;
    Some(base.join("gigmesh/bootstrap"))
}

/// Systems give a process 1,024 open files unless it asks for more, which is the most it may serve over TCP.
fn raise_open_files() {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let wanted = limits::OPEN_FILES.min(maximum.unwrap_or(u64::MAX));
    if current.is_some_and(|current| current < wanted) {
        let raised = setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum });
        if raised.is_err() || wanted < limits::OPEN_FILES {
            tracing::warn!(wanted = limits::OPEN_FILES, maximum, "fewer files may be open than connections are served");
        }
    }
}
