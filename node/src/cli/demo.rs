//! `gigmesh demo`.

use std::process::ExitCode;

/// Arguments of the demo.
#[derive(Debug, clap::Args)]
pub struct DemoArgs {}

/// Says that there is nothing to see yet.
pub async fn run(_: DemoArgs) -> ExitCode {
    eprintln!("error: this build has no demo");
    ExitCode::FAILURE
}
