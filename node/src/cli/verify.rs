//! `gigmesh verify`: a hire's transcript, checked by anybody, offline and without a data directory.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use clap::Args;
use gigmesh_protocol::market::{Outcome, Scores};
use gigmesh_protocol::transcript::{Findings, Seal, Transcript};

use super::failure::{Exit, Failure};
use super::terminal::{Screen, Table, Tone, emit, emit_json, rough, score, short};
use crate::limits::{MAX_TRANSCRIPT_FILE, QUOTE};
use crate::store::disk::At;
use crate::words;

#[derive(Debug, Args)]
pub(super) struct VerifyArgs {
    /// What `gigmesh export` wrote
    file: PathBuf,
    /// Answer, and complain, in JSON
    #[arg(long)]
    pub json: bool,
}

/// `gigmesh verify`.
pub(super) fn verify(args: &VerifyArgs) -> Result<Exit, Failure> {
    let path = &args.file;
    let unfit = |why: String| Failure::new(Exit::User, format!("{}: {why}", path.display()));
    let findings = Transcript::from_json(&read(path)?)
        .and_then(|transcript| transcript.verify())
        .map_err(|fault| unfit(fault.to_string()))?;
    if args.json {
        let mut document = serde_json::to_value(&findings).map_err(|error| Failure::new(Exit::Ours, error))?;
        document["valid"] = true.into();
        emit_json(&document)?;
    } else {
        emit(&text(&findings, &Screen::stdout()))?;
    }
    Ok(Exit::Done)
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    File::open(path).and_then(|file| file.take(MAX_TRANSCRIPT_FILE + 1).read_to_end(&mut bytes)).at(path)?;
    if bytes.len() as u64 > MAX_TRANSCRIPT_FILE {
        let text = format!("{} has over {MAX_TRANSCRIPT_FILE} bytes: it is no hire's transcript", path.display());
        return Err(Failure::new(Exit::User, text));
    }
    Ok(bytes)
}

fn text(found: &Findings, screen: &Screen) -> String {
    let mut table = Table::new(["PROVEN", ""]);
    let mut row = |what: &str, tone: Tone, text: String| table.row([(Tone::Plain, what.to_owned()), (tone, text)]);
    row("hire", Tone::Plain, found.hire.to_string());
    row("hired by", Tone::Plain, found.requester.to_string());
    row("worker", Tone::Plain, found.worker.to_string());
    row("for", Tone::Plain, found.skill.to_string());
    if let Some(summary) = &found.summary {
        row("asked", Tone::Plain, summary.quoted(QUOTE));
    }
    match &found.terms {
        Some(terms) => {
            row("price", Tone::Plain, terms.price.to_string());
            row("awarded", Tone::Plain, terms.at.to_string());
        }
        None => row("price", Tone::Plain, bucket(found.value)),
    }
    row("begun", Tone::Plain, if found.begun { "by the worker's signature" } else { "no" }.to_owned());
    let tone = match found.outcome {
        Some(Outcome::Accepted) => Tone::Good,
        Some(_) => Tone::Bad,
        None => Tone::Quiet,
    };
    row("end", tone, words::records_end(found.state));
    if let Some(took) = found.took {
        row("took", Tone::Plain, rough(took));
    }
    if let Some(result) = found.result {
        let held = if found.held { "its bytes are here" } else { "its bytes are not here" };
        row("result", Tone::Plain, format!("{} bytes, {}; {held}", result.size, result.root));
    }
    let mut out = table.render(screen);

    let mut table = Table::new(["RATING BY", "OF", "ACCURACY", "QUALITY", "SPEED", "COMMUNICATION", "SEAL", "COUNTS"]);
    for rated in &found.ratings {
        let Scores { accuracy, quality, speed, communication } = rated.scores;
        let given = |given: Option<u16>| (Tone::Plain, given.map_or_else(|| "-".to_owned(), score));
        let seal = match rated.seal {
            Seal::Opened => (Tone::Good, "opened"),
            Seal::None => (Tone::Quiet, "none"),
            Seal::Unopened => (Tone::Bad, "another was sealed"),
        };
        table.row([
            (Tone::Plain, short(Some(rated.by))),
            (Tone::Plain, short(Some(rated.subject))),
            given(accuracy),
            given(quality),
            given(speed),
            given(communication),
            (seal.0, seal.1.to_owned()),
            (Tone::Plain, if rated.counts { "yes" } else { "no" }.to_owned()),
        ]);
    }
    if !table.is_empty() {
        out.push_str(&format!("\n{}", table.render(screen)));
    }

    out.push_str(&format!(
        "\n{} signed records, each verified and in its place.\n\nNot proven:\n",
        found.records.len()
    ));
    let full = found.terms.is_some();
    for (holds, what) in [
        (!full, "anything between the two but these headers: terms, work and result were left out (a public export)"),
        (!found.agreed, "that the two agree how it ended"),
        (full && !found.held, "what the result was, beyond its hash and size"),
        (true, "that nothing was signed after the last of these records, and that dates are right"),
        (true, "who stands behind the two keys"),
    ] {
        if holds {
            out.push_str(&format!("- {what}\n"));
        }
    }
    out
}

/// What the number of binary digits of a price in millionths tells.
fn bucket(value: u8) -> String {
    match value {
        0 => "free".to_owned(),
        bits => {
            let below = 2f64.powi(i32::from(bits)) / 1e6;
            format!("from {} to below {below} of its currency", below / 2.0)
        }
    }
}

#[cfg(test)]
mod tests {
    use gigmesh_protocol::id::{AgentId, Id};

    use super::*;
    use crate::cli::terminal::PIPE;
    use crate::forged;

    #[test]
    fn a_price_is_told_as_far_as_it_is_public() {
        assert_eq!(bucket(0), "free");
        // 0.02 is 20000 millionths: 15 binary digits.
        assert_eq!(bucket(15), "from 0.016384 to below 0.032768 of its currency");
    }

    #[test]
    fn what_the_requester_asked_for_is_quoted() {
        let found = Findings {
            hire: Id::from_bytes([1; 32]),
            requester: AgentId([2; 32]),
            worker: AgentId([3; 32]),
            skill: "a/b".parse().unwrap(),
            value: 0,
            begun: true,
            terms: None,
            summary: Some(forged::words()),
            outcome: None,
            agreed: false,
            state: gigmesh_protocol::transcript::End::Open,
            took: None,
            records: Vec::new(),
            ratings: Vec::new(),
            result: None,
            held: false,
            contested: false,
            ends: Default::default(),
        };
        forged::assert_quoted(&text(&found, &PIPE), 1);
    }
}
