//! `gigmesh export`: the transcript of a hire, out of the running node into a file that `gigmesh verify` takes anywhere.

use std::io::Write as _;
use std::path::PathBuf;

use clap::Args;
use gigmesh_protocol::peer::io::Shown;
use gigmesh_protocol::transcript::{Fault, Transcript};
use serde_json::json;

use super::args::Door;
use super::failure::{Exit, Failure};
use super::hires::held_result;
use super::terminal::{emit, emit_json};
use crate::api::types::id_prefix;
use crate::store::disk::{At, write_new};

#[derive(Debug, Args)]
pub(super) struct ExportArgs {
    /// The hire
    #[arg(value_parser = id_prefix)]
    id: String,
    /// The file to be made; one that is there is never replaced
    file: PathBuf,
    /// Only what is public: who hired whom, for what kind of work, how it ended, the ratings
    #[arg(long, conflicts_with = "result")]
    public: bool,
    /// The result's bytes, too
    #[arg(long)]
    result: bool,
    #[command(flatten)]
    pub door: Door,
}

/// `gigmesh export`.
pub(super) async fn export(args: ExportArgs) -> Result<Exit, Failure> {
    let unfit = |fault: Fault| Failure::new(Exit::User, fault);
    let client = args.door.client()?;
    let mut transcript: Transcript = client.get(&format!("/v1/hires/{}/records", args.id)).await?;
    if args.public {
        transcript = transcript.public().map_err(unfit)?;
    }
    if args.result {
        let shown: Shown = client.get(&format!("/v1/hires/{}", args.id)).await?;
        let Some(result) = held_result(&shown) else {
            return Err(Failure::new(Exit::User, "its result is not here (yet); leave out --result"));
        };
        transcript = transcript.with_result(&client.blob(result.root).await?).map_err(unfit)?;
    }
    // Nothing leaves that whoever gets it would find wrong.
    let found = transcript.verify().map_err(|fault| {
        Failure::new(Exit::Ours, format!("what the node holds of this hire does not verify: {fault}"))
    })?;
    let json = serde_json::to_vec(&transcript).map_err(|error| Failure::new(Exit::Ours, error))?;
    write_new(&args.file, |out| out.write_all(&json).at(&args.file))?;
    if args.door.json {
        emit_json(&json!({ "hire": found.hire, "records": found.records.len(), "file": args.file }))?;
        return Ok(Exit::Done);
    }
    let (records, file) = (found.records.len(), args.file.display());
    let what = if args.public {
        "Only the public headers are in it."
    } else {
        "Price, terms and work are in it: `--public` leaves out what is between the two."
    };
    emit(&format!("{records} records of hire {} are in {file}\n{what}\n", found.hire))?;
    Ok(Exit::Done)
}
