//! `gigmesh-bootstrap`: see the library.

use std::process::ExitCode;

use clap::Parser;
use gigmesh_bootstrap::{Args, contact_filter, run_cli};

/// A door into a gigmesh network.
#[derive(Parser)]
#[command(version)]
struct Cli {
    #[command(flatten)]
    args: Args,
}

#[tokio::main]
async fn main() -> ExitCode {
    run_cli(Cli::parse().args, contact_filter).await
}
