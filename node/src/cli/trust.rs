//! `gigmesh trust`: whose judgement is taken for one's own.

use clap::{Args, Subcommand};
use gigmesh_protocol::limits::SEEDS;
use gigmesh_protocol::peer::io::SeedRow;

use super::args::Door;
use super::failure::{Exit, Failure};
use super::terminal::{Screen, Table, Tone, command, emit, emit_json, runnable, short, wrapped};
use crate::api::types::{Rows, TrustRequest, Trusted, id_prefix};
use crate::limits::QUOTE;

/// What a node without history is told.
pub(super) const NO_HISTORY: &str = "\
no view yet of anybody: this node has rated nobody and pinned nobody. Hire and see, or pin whom you trust: `gigmesh trust add AGENT`
";

#[derive(Debug, Subcommand)]
pub(super) enum TrustCommand {
    /// Pin an agent: what it found of others counts as if you had found it. It need not be connected
    Add(PinArgs),
    /// Take that back
    Remove(PinArgs),
    /// List whom you have pinned
    List(Door),
}

#[derive(Debug, Args)]
pub(super) struct PinArgs {
    /// Whom: its whole id, or the first digits if it is known here
    #[arg(value_parser = id_prefix)]
    agent: String,
    #[command(flatten)]
    door: Door,
}

impl TrustCommand {
    pub fn json(&self) -> bool {
        match self {
            Self::Add(args) | Self::Remove(args) => args.door.json,
            Self::List(door) => door.json,
        }
    }
}

/// `gigmesh trust`.
pub(super) async fn trust(command: TrustCommand) -> Result<Exit, Failure> {
    match command {
        TrustCommand::Add(args) => pin(args, true).await,
        TrustCommand::Remove(args) => pin(args, false).await,
        TrustCommand::List(door) => list(door).await,
    }
}

async fn pin(PinArgs { agent, door }: PinArgs, pinned: bool) -> Result<Exit, Failure> {
    let trusted: Trusted = door.client()?.post("/v1/trust", &TrustRequest { agent, pinned }).await?;
    if door.json {
        emit_json(&trusted)?;
    } else {
        emit(&told(&trusted, &Screen::stdout()))?;
    }
    Ok(Exit::Done)
}

fn told(trusted: &Trusted, screen: &Screen) -> String {
    let Trusted { seed: SeedRow { agent, name, ratings }, pinned, seeds } = trusted;
    let (id, name) =
        (short(Some(*agent)), name.as_ref().map(|name| format!(" {}", name.quoted(QUOTE))).unwrap_or_default());
    if !pinned {
        let left = match seeds {
            0 => "Nobody is pinned now: you choose by your own view alone.".to_owned(),
            seeds => format!("{seeds} of at most {SEEDS} are still pinned."),
        };
        return format!("no longer pinned: {id}{name}\n{}", wrapped(&left, screen));
    }
    let held = match ratings {
        0 => format!(
            "No rating by it is held yet: this node asks it for them within a minute, if it can be reached. Check the whole \
             id: {agent}"
        ),
        1 => "1 rating by it is held.".to_owned(),
        n => format!("{n} ratings by it are held."),
    };
    let means = format!(
        "You take its judgement for your own from now on. Every agent is shown as you see it yourself and, beside that, as \
         seen through whom you have pinned ({seeds} of at most {SEEDS}): there, half of the weight starts with you and half \
         with them, and goes on to whom they have found good. Workers are chosen by that view. If it is fooled, so are you. \
         {} takes it back.",
        command(format_args!("trust remove {id}"))
    );
    format!("pinned: {id}{name}\n{}{}", wrapped(&held, screen), wrapped(&means, screen))
}

async fn list(door: Door) -> Result<Exit, Failure> {
    let seeds: Rows<SeedRow> = door.client()?.get("/v1/trust").await?;
    if door.json {
        emit_json(&seeds)?;
        return Ok(Exit::Done);
    }
    emit(&listed(&seeds.rows, &Screen::stdout()))?;
    Ok(Exit::Done)
}

fn listed(seeds: &[SeedRow], screen: &Screen) -> String {
    let mut table = Table::new(["AGENT", "RATINGS BY IT", "NAME"]).yielding(["NAME"]);
    for SeedRow { agent, name, ratings } in seeds {
        let name = name.as_ref().map(|name| name.quoted(QUOTE)).unwrap_or_default();
        table.row([(Tone::Plain, short(Some(*agent))), (Tone::Plain, ratings.to_string()), (Tone::Plain, name)]);
    }
    if table.is_empty() {
        let nobody = "nobody is pinned; `gigmesh trust add AGENT` takes over the judgement of somebody you trust";
        wrapped(&runnable(nobody), screen)
    } else {
        table.render(screen)
    }
}

#[cfg(test)]
mod tests {
    use gigmesh_protocol::id::AgentId;

    use super::*;
    use crate::cli::terminal::{PIPE, columns};
    use crate::forged;

    fn seed(ratings: usize) -> SeedRow {
        SeedRow { agent: AgentId([0xab; 32]), name: Some("desk\u{1b}[2J".into()), ratings }
    }

    #[test]
    fn whoever_pins_is_told_what_that_means_and_how_to_take_it_back() {
        for (width, ratings) in [(60, 0), (80, 3)] {
            let trusted = Trusted { seed: seed(ratings), pinned: true, seeds: 2 };
            let text = told(&trusted, &columns(width));
            let line = text.replace('\n', " ");
            for words in ["pinned: abababab \"desk\\u{1b}[2J\"", "2 of at most 16", "`gigmesh trust remove abababab`"] {
                assert!(line.contains(words), "{words:?} is not in\n{text}");
            }
            assert_eq!(line.contains(&"ab".repeat(32)), ratings == 0, "a mistyped id would be pinned as well: {text}");
            let whole_id = |line: &str| line.contains(&"ab".repeat(32));
            assert!(text.lines().all(|line| line.chars().count() <= width || whole_id(line)), "{text}");
        }
        let text = told(&Trusted { seed: seed(3), pinned: false, seeds: 0 }, &PIPE);
        assert!(text.starts_with("no longer pinned: abababab ") && text.contains("Nobody is pinned now"), "{text}");
    }

    #[test]
    fn whom_i_have_pinned_is_listed() {
        assert_eq!(
            listed(&[seed(3)], &PIPE),
            "AGENT     RATINGS BY IT  NAME\nabababab  3              \"desk\\u{1b}[2J\"\n"
        );
        assert!(listed(&[], &PIPE).contains("gigmesh trust add"));
    }

    #[test]
    fn the_name_of_a_pinned_agent_is_quoted() {
        let seed = SeedRow { name: Some(forged::words()), ..seed(3) };
        forged::assert_quoted(&listed(std::slice::from_ref(&seed), &PIPE), 1);
        for pinned in [true, false] {
            forged::assert_quoted(&told(&Trusted { seed: seed.clone(), pinned, seeds: 1 }, &PIPE), 1);
        }
    }
}
