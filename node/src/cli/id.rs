//! `gigmesh id`: who this agent is, and its key kept and brought back. What must never happen: the key or a passphrase on a
//! screen, in an argument or in a log.

use std::fs::File;
use std::io::{Read, Write as _};
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use gigmesh_bootstrap::lock::{self, LockError};
use gigmesh_protocol::id::AgentId;
use serde_json::json;

use super::args::Door;
use super::failure::{Exit, Failure};
use super::find;
use super::terminal::{command, emit, emit_json, runnable};
use crate::config::{self, ConfigError};
use crate::identity::backup::{Backup, BackupError};
use crate::identity::{self, IdentityError};
use crate::limits::{MAX_BACKUP_FILE, PASSPHRASE_MAX};
use crate::store::disk::{At, DiskError, must_be_new, write_new};
use crate::store::offline::owner_of;

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct IdArgs {
    #[command(subcommand)]
    command: Option<IdCommand>,
    #[command(flatten)]
    pub door: Door,
}

#[derive(Debug, Subcommand)]
enum IdCommand {
    /// Write the key into a new file, sealed with a passphrase; the node may run
    Backup(KeyArgs),
    /// Put a key from its backup into a data directory that has none
    Restore(KeyArgs),
}

#[derive(Debug, Args)]
struct KeyArgs {
    /// The backup
    file: PathBuf,
    /// The passphrase is the one line in this file; without it the terminal is asked
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
    /// Where the node keeps its key and data [default: gigmesh in $XDG_DATA_HOME or ~/.local/share]
    #[arg(long, value_name = "DIR", env = "GIGMESH_DATA_DIR")]
    data_dir: Option<PathBuf>,
    /// Answer, and complain, in JSON
    #[arg(long)]
    json: bool,
}

impl IdArgs {
    pub fn json(&self) -> bool {
        match &self.command {
            None => self.door.json,
            Some(IdCommand::Backup(args) | IdCommand::Restore(args)) => args.json,
        }
    }
}

impl From<BackupError> for Failure {
    fn from(error: BackupError) -> Self {
        let exit = if matches!(error, BackupError::System(..)) { Exit::Ours } else { Exit::User };
        Self::new(exit, error)
    }
}

impl From<IdentityError> for Failure {
    fn from(error: IdentityError) -> Self {
        Self::new(Exit::User, error)
    }
}

impl From<LockError> for Failure {
    fn from(error: LockError) -> Self {
        Self::new(Exit::User, error)
    }
}

impl From<DiskError> for Failure {
    fn from(error: DiskError) -> Self {
        Self::new(Exit::User, error)
    }
}

/// `gigmesh id`.
pub(super) async fn id(args: IdArgs) -> Result<Exit, Failure> {
    match args.command {
        None => find::id(args.door).await,
        Some(IdCommand::Backup(args)) => backup(&args),
        Some(IdCommand::Restore(args)) => restore(&args),
    }
}

impl KeyArgs {
    fn dir(&self) -> Result<PathBuf, Failure> {
        Ok(self.data_dir.clone().or_else(config::default_data_dir).ok_or(ConfigError::NoDataDir)?)
    }

    /// The passphrase; a new one is asked for twice.
    fn passphrase(&self, new: bool) -> Result<String, Failure> {
        if let Some(file) = &self.passphrase_file {
            return read_line(file);
        }
        let ask = |prompt: &str| {
            rpassword::prompt_password(prompt).map_err(|error| {
                Failure::new(Exit::User, format!("cannot ask for a passphrase: {error}"))
                    .hint("without a terminal, name a file that holds it with --passphrase-file")
            })
        };
        let passphrase = ask("passphrase: ")?;
        if new && ask("the same again: ")? != passphrase {
            return Err(Failure::new(Exit::User, "the two are not the same; nothing was written"));
        }
        Ok(passphrase)
    }

    fn told(&self, agent: AgentId, text: &str) -> Result<Exit, Failure> {
        if self.json {
            emit_json(&json!({ "agent": agent }))?
        } else {
            emit(text)?
        }
        Ok(Exit::Done)
    }
}

/// A file of one line.
fn read_line(path: &Path) -> Result<String, Failure> {
    let mut bytes = Vec::new();
    File::open(path).and_then(|file| file.take(PASSPHRASE_MAX as u64 + 3).read_to_end(&mut bytes)).at(path)?;
    let unfit = || Failure::new(Exit::User, format!("{} does not hold one line of text", path.display()));
    let text = String::from_utf8(bytes).map_err(|_| unfit())?;
    let line = text.strip_suffix('\n').unwrap_or(&text);
    let line = line.strip_suffix('\r').unwrap_or(line);
    if line.contains('\n') { Err(unfit()) } else { Ok(line.to_owned()) }
}

fn backup(args: &KeyArgs) -> Result<Exit, Failure> {
    // Before anybody types a passphrase.
    must_be_new(&args.file)?;
    let secret = identity::load(&args.dir()?)?;
    let backup = Backup::seal(&secret, &args.passphrase(true)?)?;
    let json = serde_json::to_string_pretty(&backup).map_err(|error| Failure::new(Exit::Ours, error))?;
    write_new(&args.file, |out| writeln!(out, "{json}").at(&args.file))?;
    let text = format!(
        "the key of agent {} is in {}\nWithout its passphrase it is of no use to anybody. The hires are not in it: \
         {} is for those.\n",
        backup.agent,
        args.file.display(),
        command("store export")
    );
    args.told(backup.agent, &text)
}

fn restore(args: &KeyArgs) -> Result<Exit, Failure> {
    let (dir, file) = (args.dir()?, &args.file);
    let mut json = Vec::new();
    File::open(file).and_then(|file| file.take(MAX_BACKUP_FILE).read_to_end(&mut json)).at(file)?;
    let named = |error: BackupError| {
        let failure = Failure::from(error);
        Failure::new(failure.exit, format!("{}: {}", file.display(), failure.error))
    };
    let backup = Backup::from_json(&json).map_err(named)?;
    // Known before anybody types a passphrase, and again under the lock.
    lock::check(&dir)?;
    match identity::load(&dir) {
        Err(IdentityError::Missing(_)) => {}
        _ => return Err(IdentityError::Present(dir.join("identity.key")).into()),
    }
    let secret = backup.open(&args.passphrase(false)?).map_err(named)?;
    let _lock = lock::lock(&dir)?;
    let owner = owner_of(&dir).map_err(|error| Failure::new(Exit::User, error))?;
    if let Some(owner) = owner.filter(|owner| *owner != backup.agent) {
        let text = format!("{} holds the journal of agent {owner}, and this key is of {}", dir.display(), backup.agent);
        return Err(Failure::new(Exit::User, text).hint("name another data directory with --data-dir"));
    }
    identity::install(&dir, &secret)?;
    let journal = match owner {
        Some(_) => "Its journal is here.".to_owned(),
        None => runnable(
            "Its hires are not here yet: bring them with `gigmesh store import` before the node is started, or it may \
             contradict what it signed.",
        ),
    };
    let text = format!(
        "agent {} is at home in {}\n{journal}\nNever run two nodes with one key: make sure that the other is stopped for \
         good.\n",
        backup.agent,
        dir.display()
    );
    args.told(backup.agent, &text)
}
