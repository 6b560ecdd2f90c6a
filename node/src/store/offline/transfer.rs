//! Moving a store: out of a data directory into one file, and from there into another directory.
//!
//! An import is into a directory without a journal, and then it brings everything; or it merges only the ratings. The file
//! is read twice: first everything in it is verified, then it is written. The journal comes last and by one rename,
//! so it is there whole or not at all; ratings and blobs are each right by themselves, and a second import adds
//! what is missing.

use std::fs::File;
use std::io::{BufReader, Read, Write as _};
use std::path::Path;

use gigmesh_protocol::codec::Text;
use gigmesh_protocol::id::{AgentId, Bytes32};
use gigmesh_protocol::market::Rating;
use gigmesh_protocol::merkle::{self, CHUNK_BYTES, RootBuilder};
use gigmesh_protocol::peer::event::Logged;
use gigmesh_protocol::record::{Record, Verified};
use gigmesh_protocol::time::Timestamp;

use super::{Offline, OfflineError, Tell, owner, owner_of};
use crate::limits::EXPORT_BUFFER;
use crate::store::blobs::BlobStore;
use crate::store::bundle::{self, Head, Part, Writer};
use crate::store::disk::{At, DiskError, names, write_new};
use crate::store::journal::{Importer, Journal};
use crate::store::ratings::SledRatings;
use crate::store::traits::{BoxError, Ratings as _};

/// What was moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moved {
    /// Whose it is.
    pub agent: AgentId,
    /// Events of the journal.
    pub events: u64,
    /// Archived events.
    pub archived: u64,
    /// Ratings; in an import those that were new.
    pub ratings: u64,
    /// Inputs and results.
    pub blobs: u64,
}

impl Moved {
    fn of(agent: AgentId) -> Self {
        Self { agent, events: 0, archived: 0, ratings: 0, blobs: 0 }
    }
}

/// What is to be taken of an export.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Take {
    /// All of it, into a directory that has no journal.
    Everything,
    /// The ratings, beside what is there.
    Ratings,
}

impl Offline {
    /// Writes journal and ratings, and blobs if wanted, into a new file. The key is not in it.
    ///
    /// # Errors
    /// A part that is damaged, a file that is there, a disk that refuses; then there is no file.
    pub fn export(&self, file: &Path, with_blobs: bool, now: Timestamp, tell: Tell<'_>) -> Result<Moved, OfflineError> {
        let agent = match self.key()? {
            Some(agent) => agent,
            None => owner_of(&self.dir)?.ok_or_else(|| OfflineError::Nothing(self.dir.clone()))?,
        };
        let network = Text::try_from(self.name.as_str())
            .map_err(|error| OfflineError::Unfit(format!("the network's name is {error}")))?;
        let mut moved = Moved::of(agent);
        write_new(file, |out| {
            let mut writer = Writer::new(out, &Head { agent, at: now, network }).at(file)?;
            let sound = |number, bytes: &[u8]| match self.event(bytes) {
                Ok(_) => Ok(()),
                Err(refusal) => Err(BoxError::from(format!("event {number}: {refusal}"))),
            };
            Journal::read_archive_in(&self.journal_dir(), |number, bytes| {
                tell("archived events written", number);
                moved.archived = number;
                sound(number, bytes)?;
                Ok(writer.archived(bytes)?)
            })?;
            Journal::read(&self.journal_dir(), |number, bytes| {
                moved.events += 1;
                tell("events written", moved.events);
                sound(number, bytes)?;
                Ok(writer.event(bytes)?)
            })?;
            for entry in self.ratings()?.iter().flat_map(|ratings| ratings.iter()) {
                let (id, envelope) = entry?;
                self.rating(&id, &envelope)
                    .map_err(|why| OfflineError::Unfit(format!("rating {}: {why}", super::short(&id))))?;
                moved.ratings += 1;
                tell("ratings written", moved.ratings);
                writer.rating(&envelope).at(file)?;
            }
            if let Some(blobs) = self.blobs()?.filter(|_| with_blobs) {
                for root in blobs.roots()? {
                    // Hashed before, so that nothing is carried that its name does not fit.
                    blobs.leaves(root)?;
                    let mut content = blobs.open(root)?;
                    let size = content.metadata().at(file)?.len();
                    writer.blob(&root, size, &mut content).at(file)?;
                    moved.blobs += 1;
                    tell("inputs and results written", moved.blobs);
                }
            }
            writer.finish().at(file)?.flush().at(file)?;
            Ok(moved)
        })
    }

    /// Verifies all of an export, then takes it in.
    ///
    /// # Errors
    /// A file that is not whole, of another network or agent, or with something in it that its issuer did not sign: then
    /// nothing has changed. A journal that is there. A disk that refuses: then there is no journal, as before.
    pub fn import(&self, file: &Path, take: Take, tell: Tell<'_>) -> Result<Moved, OfflineError> {
        let open = || Ok::<_, DiskError>(BufReader::with_capacity(EXPORT_BUFFER, File::open(file).at(file)?));
        let head = self.verify(open()?, take, tell)?;
        let mut moved = Moved::of(head.agent);
        let ratings = SledRatings::open_whole(&self.ratings_dir())?;
        let mut journal = match take {
            Take::Everything => Some(Importer::new(&self.journal_dir())?),
            Take::Ratings => None,
        };
        // What the operator moves here is not asked whether it fits the quota; the disk is.
        let blobs = BlobStore::open_dir(&self.dir.join("blobs"), u64::MAX)?;
        bundle::read(
            open()?,
            |_| Ok(()),
            |_, part| {
                match (part, &mut journal) {
                    (Part::Rating(envelope), _) => {
                        let rating = self.imported(envelope)?;
                        let new = ratings.put(*rating.id().as_bytes(), rating.judgement.subject.0, envelope)?;
                        moved.ratings += u64::from(new);
                        tell("ratings taken in", moved.ratings);
                    }
                    (Part::Archived(event), Some(journal)) => {
                        // It could be read when all of it was verified.
                        let filed = Logged::decode(event, &self.network).map(|logged| logged.event.filed());
                        journal.archived(event, &filed.unwrap_or_default())?;
                        moved.archived += 1;
                    }
                    (Part::Event(event), Some(journal)) => {
                        journal.live(event)?;
                        moved.events += 1;
                        tell("events taken in", moved.events);
                    }
                    (Part::Blob(root, content), Some(_)) => {
                        // The root was found right at the first reading; under a wrong one nothing is kept anyway.
                        if blobs.put_reader(content)?.root != root {
                            return Err(OfflineError::Unfit(format!("input or result {} is another", root.short())));
                        }
                        moved.blobs += 1;
                        tell("inputs and results taken in", moved.blobs);
                    }
                    (Part::Archived(_) | Part::Event(_) | Part::Blob(..), None) => {}
                }
                Ok::<_, OfflineError>(())
            },
        )?;
        ratings.flush()?;
        journal.map_or(Ok(()), Importer::finish)?;
        Ok(moved)
    }

    /// Reads all of an export and changes nothing.
    fn verify(&self, from: impl Read, take: Take, tell: Tell<'_>) -> Result<Head, OfflineError> {
        let unfit = |why: String| Err(OfflineError::Unfit(why));
        let mut number = 0;
        bundle::read(
            from,
            |head| self.admits(head, take),
            |head, part| {
                number += 1;
                tell("parts verified", number);
                match part {
                    Part::Rating(envelope) => drop(self.imported(envelope)?),
                    Part::Archived(event) | Part::Event(event) => match self.event(event) {
                        Ok(logged) if owner(&logged.event).is_some_and(|owner| owner != head.agent) => {
                            return unfit(format!("part {number} is an event of another agent"));
                        }
                        Ok(_) => {}
                        Err(refusal) => return unfit(format!("part {number}, an event: {refusal}")),
                    },
                    Part::Blob(root, content) => {
                        if hash(content)? != root {
                            return unfit(format!("part {number} does not hold what its name says"));
                        }
                    }
                }
                Ok::<_, OfflineError>(())
            },
        )
    }

    /// Whether an export of this agent and network may come here.
    fn admits(&self, head: &Head, take: Take) -> Result<(), OfflineError> {
        let unfit = |why: String| Err(OfflineError::Unfit(why));
        if *head.network != *self.name {
            let (theirs, ours) = (&*head.network, &self.name);
            return unfit(format!("it is of network {theirs:?}, not {ours:?}; say which with --network"));
        }
        if take == Take::Ratings {
            return Ok(());
        }
        let journal = self.journal_dir();
        if journal.is_dir() && !names(&journal)?.is_empty() {
            return unfit(format!(
                "{} has a journal already, and no journal is ever overwritten; import into an empty data directory, or \
                 only the ratings with --ratings-only",
                self.dir.display()
            ));
        }
        match self.key()? {
            Some(key) if key != head.agent => {
                unfit(format!("it is of agent {}, and the key here is of {key}", head.agent))
            }
            _ => Ok(()),
        }
    }

    fn imported(&self, envelope: &[u8]) -> Result<Verified<Rating>, OfflineError> {
        match Record::admit(envelope, None, &self.network) {
            Ok(Record::Rating(rating)) => Ok(rating),
            Ok(record) => Err(OfflineError::Unfit(format!("a {} is where a rating should be", record.kind()))),
            Err(refusal) => Err(OfflineError::Unfit(format!("a rating: {refusal}"))),
        }
    }
}

/// The Merkle root of what a reader gives.
fn hash(mut content: impl Read) -> Result<Bytes32, OfflineError> {
    let (mut builder, mut chunk) = (RootBuilder::default(), Vec::with_capacity(CHUNK_BYTES));
    loop {
        chunk.clear();
        let read = (&mut content).take(CHUNK_BYTES as u64).read_to_end(&mut chunk);
        if read.map_err(bundle::BundleError::from)? == 0 {
            return Ok(Bytes32(builder.root()));
        }
        builder.push(merkle::leaf(&chunk));
    }
}
