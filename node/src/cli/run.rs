//! From the arguments to the exit code: logs, runtime, one command.

use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;
use std::time::Duration;

use clap::{CommandFactory, Parser};
use tracing_subscriber::EnvFilter;

use super::args::{Cli, ClockCommand, Command, ConfigCommand};
use super::failure::{Exit, Failure};
use super::terminal::emit;
use super::{
    check, demo, export, find, hire, hires, id, inbox, ledger, mcp, reputation, show, store, trial, trust, up, verify,
    watch, work,
};
use crate::demo_agent::{self, Reading};

/// The program.
pub fn main() -> ExitCode {
    demo::end_with_parent();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) if error.use_stderr() && std::env::args().any(|argument| argument == "--json") => {
            return end(Failure::new(Exit::User, error.to_string().trim_end()), true).into();
        }
        Err(error) => {
            // A closed pipe leaves nobody to tell; the exit code still says it.
            let _ = error.print();
            return if error.use_stderr() { Exit::User } else { Exit::Done }.into();
        }
    };
    let json = cli.command.json();
    if let Err(failure) = start_log(cli.log.as_deref().unwrap_or_else(|| cli.command.log())) {
        return end(failure, json).into();
    }
    // Reads and writes like any filter: no runtime, no threads.
    if let Command::DemoAgent { skill, slow, wrong } = &cli.command {
        let reading = if *wrong { Reading::Skimmed } else { Reading::Whole };
        return demo_agent::main_stdio(skill, reading, Duration::from_millis(*slow));
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return end(Failure::new(Exit::Ours, format!("cannot start threads: {error}")), json).into(),
    };
    let reads_stdin = matches!(cli.command, Command::Mcp(_));
    let code = runtime.block_on(async {
        match cli.command {
            Command::Bootstrap(args) => gigmesh_bootstrap::run_cli(args, gigmesh_bootstrap::contact_filter).await,
            Command::Demo(args) => demo::run(args).await,
            command => run(command).await.unwrap_or_else(|failure| end(failure, json)).into(),
        }
    });
    if reads_stdin {
        // Its thread may be in a read that nobody will answer, and the runtime's end would wait for that.
        runtime.shutdown_background();
    }
    code
}

async fn run(command: Command) -> Result<Exit, Failure> {
    match command {
        Command::Up(args) => up::up(args).await,
        Command::Mcp(args) => mcp::mcp(args).await,
        Command::Try(args) => trial::trial(args).await,
        Command::Find(args) => find::find(args).await,
        Command::Hire(args) => hire::hire(args).await,
        Command::Hires(args) => hires::list(args).await,
        Command::Show(args) => show::show(args).await,
        Command::Inbox(door) => inbox::inbox(door).await,
        Command::Approve(args) => inbox::approve(args).await,
        Command::Refuse(args) => inbox::refuse(args).await,
        Command::Rate(args) => inbox::rate(args).await,
        Command::Ask(args) => inbox::ask(args).await,
        Command::Reply(args) => inbox::reply(args).await,
        Command::Contest(args) => inbox::contest(args).await,
        Command::Appeal(args) => inbox::appeal(args).await,
        Command::Work(args) => work::work(args).await,
        Command::Balance(args) => ledger::balance(args).await,
        Command::Ledger(args) => ledger::ledger(args).await,
        Command::Watch(door) => watch::watch(door).await,
        Command::Completions { shell } => completions(shell),
        Command::Judge(args) => hires::judge(args).await,
        Command::Stop(args) => hires::stop(args).await,
        Command::Reputation(args) => reputation::reputation(args).await,
        Command::Trust(command) => trust::trust(command).await,
        Command::Peers(door) => find::peers(door).await,
        Command::Id(args) => id::id(args).await,
        Command::Store(command) => store::store(command),
        Command::Export(args) => export::export(args).await,
        Command::Verify(args) => verify::verify(&args),
        Command::Status(args) => find::status(args).await,
        Command::Clock(ClockCommand::Confirm(door)) => hires::confirm_clock(door).await,
        Command::Config(ConfigCommand::Check { file, json }) => check::check(&file, json),
        Command::Bootstrap(_) | Command::Demo(_) | Command::DemoAgent { .. } => Ok(Exit::Done),
    }
}

fn completions(shell: clap_complete::Shell) -> Result<Exit, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "gigmesh", &mut script);
    emit(&String::from_utf8_lossy(&script))?;
    Ok(Exit::Done)
}

fn end(failure: Failure, json: bool) -> Exit {
    let _ = writeln!(io::stderr(), "{}", failure.text(json));
    failure.exit
}

fn start_log(filter: &str) -> Result<(), Failure> {
    let filter = EnvFilter::try_new(filter)
        .map_err(|error| Failure::new(Exit::User, format!("--log {filter:?}: {error}")).hint("try `--log info`"))?;
    let colour = io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    tracing_subscriber::fmt().with_env_filter(filter).with_ansi(colour).with_writer(io::stderr).init();
    Ok(())
}
