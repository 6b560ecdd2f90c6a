//! Who owes whom: `balance`, `ledger`, its export, and payments made outside. No money moves here.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use gigmesh_bootstrap::wall_clock;
use gigmesh_protocol::ledger::{Balance, Direction, Entry, Subject};
use gigmesh_protocol::limits::LEDGER;
use gigmesh_protocol::market::price::Amount;
use gigmesh_protocol::time::Timestamp;
use serde_json::json;

use super::args::{Door, at_least_one, payment, remark};
use super::failure::{Exit, Failure};
use super::hires::{may_write, told, write};
use super::terminal::{Screen, Table, Tone, clock, emit, emit_json, runnable, short};
use crate::api::client::Client;
use crate::api::types::{LedgerPage, LedgerParams, PaymentRequest, id_prefix};
use crate::limits::EXPORT_TRIES;

#[derive(Debug, Args)]
pub(super) struct BalanceArgs {
    /// With this agent only
    #[arg(value_parser = id_prefix)]
    agent: Option<String>,
    #[command(flatten)]
    pub door: Door,
}

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct LedgerArgs {
    #[command(subcommand)]
    command: Option<LedgerCommand>,
    /// How many lines at most
    #[arg(long, value_name = "N", value_parser = at_least_one, allow_negative_numbers = true)]
    limit: Option<usize>,
    #[command(flatten)]
    door: Door,
}

#[derive(Debug, Subcommand)]
enum LedgerCommand {
    /// Write all lines, oldest first
    Export(ExportArgs),
    /// Note that I have paid an agent, outside
    Paid(PaymentArgs),
    /// Note that an agent has paid me, outside
    Received(PaymentArgs),
}

#[derive(Debug, Args)]
struct ExportArgs {
    /// Into this file; on stdout without it
    file: Option<PathBuf>,
    /// Replace the file if it is there
    #[arg(long, requires = "file")]
    force: bool,
    /// As a table or as JSON [default: csv]
    #[arg(long, conflicts_with = "json")]
    format: Option<Format>,
    #[command(flatten)]
    door: Door,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Csv,
    Json,
}

#[derive(Debug, Args)]
struct PaymentArgs {
    /// Whom, or by whom
    #[arg(value_parser = id_prefix)]
    agent: String,
    /// How much, as in '5 USD'
    #[arg(value_parser = payment)]
    amount: Amount,
    /// For yourself
    #[arg(long, default_value = "", value_parser = remark)]
    note: String,
    #[command(flatten)]
    door: Door,
}

impl LedgerArgs {
    pub fn json(&self) -> bool {
        match &self.command {
            None => self.door.json,
            Some(LedgerCommand::Export(args)) => args.door.json,
            Some(LedgerCommand::Paid(args) | LedgerCommand::Received(args)) => args.door.json,
        }
    }
}

/// `gigmesh balance`.
pub(super) async fn balance(args: BalanceArgs) -> Result<Exit, Failure> {
    let page = page(&args.door.client()?, 0).await?;
    let wanted = |balance: &Balance| {
        args.agent.as_ref().is_none_or(|agent| balance.with.to_string().starts_with(agent.as_str()))
    };
    let balances: Vec<Balance> = page.balances.into_iter().filter(wanted).collect();
    if args.door.json {
        emit_json(&json!({ "rows": balances }))?;
        return Ok(Exit::Done);
    }
    let table = balances_table(&balances);
    let nothing = "all is settled; `gigmesh ledger` lists what was booked\n";
    emit(&if table.is_empty() { runnable(nothing) } else { table.render(&Screen::stdout()) })?;
    Ok(Exit::Done)
}

fn balances_table(balances: &[Balance]) -> Table {
    let mut table = Table::new(["AGENT", "BALANCE"]);
    for balance in balances {
        let amount = match Amount::new(balance.micros.unsigned_abs(), balance.currency.clone()) {
            Ok(amount) => amount.to_string(),
            // More than any amount may be.
            Err(_) => format!("{} millionths of {}", balance.micros.unsigned_abs(), balance.currency.as_str()),
        };
        let (tone, text) = match balance.micros {
            ..0 => (Tone::Plain, format!("you owe {amount}")),
            _ => (Tone::Good, format!("owes you {amount}")),
        };
        table.row([(Tone::Plain, short(Some(balance.with))), (tone, text)]);
    }
    table
}

/// `gigmesh ledger`.
pub(super) async fn ledger(args: LedgerArgs) -> Result<Exit, Failure> {
    match args.command {
        None => list(args.door, args.limit).await,
        Some(LedgerCommand::Export(args)) => export(args).await,
        Some(LedgerCommand::Paid(args)) => book(args, Direction::Credit).await,
        Some(LedgerCommand::Received(args)) => book(args, Direction::Debit).await,
    }
}

async fn list(door: Door, limit: Option<usize>) -> Result<Exit, Failure> {
    let client = door.client()?;
    let mut all = page(&client, 0).await?;
    while let (Some(skip), true) = (all.next, limit.is_some_and(|limit| all.rows.len() < limit)) {
        let more = page(&client, skip).await?;
        all.rows.extend(more.rows);
        all.next = more.next;
    }
    if let Some(limit) = limit.filter(|limit| all.rows.len() > *limit) {
        all.rows.truncate(limit);
        all.next = Some(limit);
    }
    if door.json {
        emit_json(&all)?;
        return Ok(Exit::Done);
    }
    if all.rows.is_empty() {
        emit(&runnable(
            "nothing is booked yet: a close that both sides have signed is, and what `gigmesh ledger paid` notes\n",
        ))?;
        return Ok(Exit::Done);
    }
    let mut text = entries_table(&all.rows, wall_clock()).render(&Screen::stdout());
    if all.next.is_some() {
        text.push_str(&runnable("there are older lines: --limit N lists more, `gigmesh ledger export` writes all\n"));
    }
    emit(&text)?;
    Ok(Exit::Done)
}

fn entries_table(entries: &[Entry], now: Timestamp) -> Table {
    let mut table = Table::new(["AT (UTC)", "WITH", "AMOUNT", "WHAT"]).yielding(["WHAT"]);
    for entry in entries {
        let note = |what: &str, note: &str| {
            if note.is_empty() { what.to_owned() } else { format!("{what}: {note:?}") }
        };
        let what = match (&entry.subject, entry.direction) {
            (Subject::Hire(hire), Direction::Debit) => format!("bought, hire {}", hire.short()),
            (Subject::Hire(hire), Direction::Credit) => format!("sold, hire {}", hire.short()),
            (Subject::Correction(hire), _) => format!("decided anew, hire {}", hire.short()),
            (Subject::Payment(text), Direction::Credit) => note("you paid", text),
            (Subject::Payment(text), Direction::Debit) => note("you were paid", text),
        };
        table.row([
            (Tone::Quiet, clock(entry.at, now)),
            (Tone::Plain, short(Some(entry.with))),
            (Tone::Plain, format!("{}{}", sign(entry), entry.amount)),
            (Tone::Plain, what),
        ]);
    }
    table
}

/// Which way an entry moves what they owe me.
fn sign(entry: &Entry) -> &'static str {
    match entry.direction {
        Direction::Credit => "+",
        Direction::Debit => "-",
    }
}

async fn page(client: &Client, skip: usize) -> Result<LedgerPage, Failure> {
    Ok(client.get_with("/v1/ledger", &LedgerParams { skip }).await?)
}

async fn export(args: ExportArgs) -> Result<Exit, Failure> {
    let ExportArgs { file, force, format, door } = args;
    file.as_deref().map_or(Ok(()), |file| may_write(file, force))?;
    let entries = everything(&door.client()?).await?;
    let text = if format == Some(Format::Json) || door.json {
        serde_json::to_string(&json!({ "rows": entries })).map_err(|error| Failure::new(Exit::Ours, error))? + "\n"
    } else {
        csv(&entries)?
    };
    let Some(file) = file else {
        emit(&text)?;
        return Ok(Exit::Done);
    };
    write(&file, text.as_bytes(), force)?;
    if door.json {
        emit_json(&json!({ "file": file, "rows": entries.len() }))?;
    } else {
        let all = if entries.len() < LEDGER { "" } else { ", the newest; older ones are not held" };
        emit(&format!("{} lines written to {}{all}\n", entries.len(), file.display()))?;
    }
    Ok(Exit::Done)
}

/// All lines, oldest first. Pages are counted from the newest line: if one was booked meanwhile, they are read again.
async fn everything(client: &Client) -> Result<Vec<Entry>, Failure> {
    for _ in 0..EXPORT_TRIES {
        let first = page(client, 0).await?;
        let (newest, mut next, mut entries) = (first.rows.first().cloned(), first.next, first.rows);
        while let Some(skip) = next {
            let more = page(client, skip).await?;
            entries.extend(more.rows);
            next = more.next;
        }
        if page(client, 0).await?.rows.first() == newest.as_ref() {
            entries.reverse();
            return Ok(entries);
        }
    }
    Err(Failure::new(Exit::Ours, "lines are booked faster than they are read").hint("try again in a quieter moment"))
}

fn csv(entries: &[Entry]) -> Result<String, Failure> {
    let failed = |error: &dyn std::fmt::Display| Failure::new(Exit::Ours, format!("cannot write the table: {error}"));
    let mut out = csv::Writer::from_writer(Vec::new());
    out.write_record(["at", "with", "amount", "currency", "kind", "subject"]).map_err(|error| failed(&error))?;
    for entry in entries {
        let (kind, subject) = match &entry.subject {
            Subject::Hire(hire) => ("hire", hire.to_string()),
            Subject::Correction(hire) => ("correction", hire.to_string()),
            Subject::Payment(note) => ("payment", note.clone()),
        };
        let amount = entry.amount.to_string();
        let (number, currency) = amount.split_once(' ').unwrap_or((&amount, ""));
        let number = format!("{}{number}", if entry.direction == Direction::Debit { "-" } else { "" });
        let fields = [&entry.at.to_string(), &entry.with.to_string(), &number, currency, kind, &subject];
        out.write_record(fields).map_err(|error| failed(&error))?;
    }
    let bytes = out.into_inner().map_err(|error| failed(&error))?;
    String::from_utf8(bytes).map_err(|error| failed(&error))
}

async fn book(args: PaymentArgs, direction: Direction) -> Result<Exit, Failure> {
    let PaymentArgs { agent, amount, note, door } = args;
    let request = PaymentRequest { with: agent, amount: amount.to_string(), direction, note };
    let done = door.client()?.post("/v1/ledger", &request).await?;
    told(door.json, done, "booked; `gigmesh balance` tells where that leaves you")
}

#[cfg(test)]
mod tests {
    use gigmesh_protocol::id::{AgentId, Id};

    use super::*;
    use crate::cli::terminal::PIPE;

    fn entry(amount: &str, direction: Direction, subject: Subject) -> Entry {
        Entry { at: Timestamp(1_000), with: AgentId([7; 32]), amount: amount.parse().unwrap(), direction, subject }
    }

    #[test]
    fn lines_are_told_from_where_i_stand_and_balances_by_who_owes() {
        let hire = || Subject::Hire(Id::from_bytes([9; 32]));
        let entries = [
            entry("0.02 USD", Direction::Debit, hire()),
            entry("1 USD", Direction::Credit, hire()),
            entry("5 USD", Direction::Credit, Subject::Payment("by bank".to_owned())),
            entry("5 USD", Direction::Debit, Subject::Payment(String::new())),
        ];
        let text = entries_table(&entries, Timestamp(2_000)).render(&PIPE);
        let rows: Vec<&str> = text.lines().skip(1).collect();
        assert_eq!(rows[0], "00:00:01  07070707  -0.02 USD  bought, hire 09090909");
        assert_eq!(rows[1], "00:00:01  07070707  +1 USD     sold, hire 09090909");
        assert_eq!(rows[2], "00:00:01  07070707  +5 USD     you paid: \"by bank\"");
        assert_eq!(rows[3], "00:00:01  07070707  -5 USD     you were paid");
        let balance = |micros| Balance { with: AgentId([7; 32]), currency: "USD".parse().unwrap(), micros };
        let text = balances_table(&[balance(-20_000), balance(1_500_000)]).render(&PIPE);
        assert!(text.contains("07070707  you owe 0.02 USD\n07070707  owes you 1.5 USD\n"), "{text}");
    }

    #[test]
    fn an_export_is_a_table_that_any_program_reads() {
        let note = "bank, \"Tuesday\"\nlate".to_owned();
        let text = csv(&[entry("0.02 USD", Direction::Debit, Subject::Payment(note.clone()))]).unwrap();
        let mut reader = csv::Reader::from_reader(text.as_bytes());
        let rows: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
        let agent = "07".repeat(32);
        assert_eq!(rows[0], ["1970-01-01T00:00:01.000Z", &agent, "-0.02", "USD", "payment", &note][..]);
    }
}
