//! Everything in a data directory, read again: checksums, signatures, hashes, and a replay. Changes nothing, but that sled
//! may tidy up after itself.

use gigmesh_protocol::id::AgentId;
use gigmesh_protocol::peer::Peer;
use gigmesh_protocol::peer::query::GetStatus;
use gigmesh_protocol::record::{Signer, Verified};
use gigmesh_protocol::time::Timestamp;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use serde::Serialize;

use super::{Offline, OfflineError, Tell, owner, short};
use crate::identity::{self, IdentityError};
use crate::limits::FAULTS_LISTED;
use crate::store::blobs::BlobError;
use crate::store::journal::Journal;
use crate::store::traits::{LogError, Ratings as _, RatingsError};

/// What was found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Whose it is, by its key.
    pub agent: Option<AgentId>,
    /// Live events of the journal.
    pub events: u64,
    /// Archived events.
    pub archived: u64,
    /// Hires that are open, by a replay.
    pub hires_open: usize,
    /// Hires that are closed and still in the live journal.
    pub hires_closed: usize,
    /// Ratings kept.
    pub ratings: u64,
    /// Inputs and results kept.
    pub blobs: u64,
    /// What they take.
    pub blob_bytes: u64,
    /// What is no fault, and good to know.
    pub notes: Vec<String>,
    /// What is wrong.
    pub faults: Vec<Fault>,
    /// Faults beyond those listed.
    pub more_faults: u64,
}

/// Something wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// What.
    pub what: String,
    /// What to do about it.
    pub remedy: &'static str,
}

impl Report {
    fn fault(&mut self, what: impl ToString, remedy: &'static str) {
        if self.faults.len() < FAULTS_LISTED {
            self.faults.push(Fault { what: what.to_string(), remedy });
        } else {
            self.more_faults += 1;
        }
    }
}

const RESTORE: &str =
    "restore the journal directory from a backup, or `gigmesh store import` an export into an empty one";
const CHANGED: &str = "if --network names the right network, the journal was changed: restore it from a backup";

impl Offline {
    /// Reads everything and reports.
    ///
    /// # Errors
    /// What keeps it from reading at all: a disk that refuses, a database in use.
    pub fn check(&self, now: Timestamp, tell: Tell<'_>) -> Result<Report, OfflineError> {
        let mut report = Report::default();
        let secret = match identity::load(&self.dir) {
            Ok(secret) => Some(secret),
            Err(IdentityError::Missing(_)) => None,
            Err(error) => {
                report.fault(error, "without its key the node does not start");
                None
            }
        };
        report.agent = secret.map(|secret| Signer::new(&secret, self.network).agent());
        let events = self.check_journal(&mut report, tell)?;
        if secret.is_none() && report.events > 0 && report.faults.is_empty() {
            report.fault(
                "there is a journal and no identity.key",
                "bring the key: `gigmesh id restore`, or put the file back",
            );
        }
        let ratings = self.check_ratings(&mut report, tell)?;
        // Without the right key and a sound journal a replay would tell nothing true.
        let peer = match events.filter(|_| report.faults.is_empty()) {
            Some(events) => self.replay(&mut report, secret, now, events, ratings),
            None => None,
        };
        self.check_blobs(&mut report, peer.as_ref(), now, tell)?;
        Ok(report)
    }

    /// The live events, if all of them are as they were written.
    fn check_journal(&self, report: &mut Report, tell: Tell<'_>) -> Result<Option<Vec<Vec<u8>>>, OfflineError> {
        let (key, dir) = (report.agent, self.journal_dir());
        let mut events = Vec::new();
        let mut wrong: Vec<(String, &'static str)> = Vec::new();
        let mut judge = |name: &str, number: u64, bytes: &[u8]| match self.event(bytes) {
            Err(refusal) => wrong.push((format!("{name} {number} of the journal: {refusal}"), CHANGED)),
            Ok(logged) => {
                if let (Some(key), Some(owner)) = (key, owner(&logged.event))
                    && key != owner
                {
                    let what = format!("{name} {number} of the journal is of agent {owner}, and the key is of {key}");
                    wrong.push((what, "put the key and the journal of one agent together"));
                }
            }
        };
        let read = Journal::read(&dir, |number, bytes| {
            tell("events checked", number);
            judge("event", number, bytes);
            events.push(bytes.to_owned());
            Ok(())
        });
        let whole = match read {
            Ok(read) => {
                report.events = read.events;
                if let Some(cut) = read.cut {
                    report.notes.push(format!(
                        "the journal ends with {} bytes of a write that a crash cut short; the next start removes them",
                        cut.bytes
                    ));
                }
                true
            }
            Err(error) => {
                damaged(report, error)?;
                false
            }
        };
        let archive = Journal::read_archive_in(&dir, |number, bytes| {
            tell("archived events checked", number);
            judge("archived event", number, bytes);
            report.archived = number;
            Ok(())
        });
        if let Err(error) = archive {
            damaged(report, error)?;
        }
        let sound = whole && wrong.is_empty();
        wrong.into_iter().for_each(|(what, remedy)| report.fault(what, remedy));
        Ok(Some(events).filter(|_| sound))
    }

    /// The ratings that verify.
    fn check_ratings(
        &self,
        report: &mut Report,
        tell: Tell<'_>,
    ) -> Result<Vec<Verified<gigmesh_protocol::market::Rating>>, OfflineError> {
        const REBUILD: &str = "run `gigmesh store rebuild`";
        let mut sound = Vec::new();
        let ratings = match self.ratings() {
            Ok(Some(ratings)) => ratings,
            Ok(None) => return Ok(sound),
            Err(RatingsError::Store(why)) => {
                report.fault(format!("the database of ratings cannot be read: {why}"), REBUILD);
                return Ok(sound);
            }
            Err(error) => return Err(error.into()),
        };
        for (number, entry) in (1..).zip(ratings.iter()) {
            tell("ratings checked", number);
            report.ratings = number;
            let (id, envelope) = match entry {
                Ok(entry) => entry,
                Err(error) => {
                    report.fault(error, REBUILD);
                    break;
                }
            };
            match self.rating(&id, &envelope) {
                Ok(rating) => sound.push(rating),
                Err(why) => report.fault(format!("rating {}: {why}", short(&id)), REBUILD),
            }
        }
        Ok(sound)
    }

    fn replay(
        &self,
        report: &mut Report,
        secret: Option<[u8; 32]>,
        now: Timestamp,
        events: Vec<Vec<u8>>,
        ratings: Vec<Verified<gigmesh_protocol::market::Rating>>,
    ) -> Option<Peer> {
        // What the journal says is looked at, not what would follow from it.
        let signer = Signer::new(&secret.unwrap_or_default(), self.network);
        let rng = Box::new(ChaCha20Rng::from_seed([0; 32]));
        match Peer::replay(Default::default(), signer, rng, events, ratings) {
            Ok((peer, _)) => {
                let status = peer.query(now, GetStatus);
                (report.hires_open, report.hires_closed) = (status.hires_open, status.hires_closed);
                Some(peer)
            }
            Err(error) => {
                report.fault(error, RESTORE);
                None
            }
        }
    }

    fn check_blobs(
        &self,
        report: &mut Report,
        peer: Option<&Peer>,
        now: Timestamp,
        tell: Tell<'_>,
    ) -> Result<(), OfflineError> {
        let wanted = peer.map(|peer| peer.live_blobs(now)).unwrap_or_default();
        let mut missing = wanted;
        if let Some(blobs) = self.blobs()? {
            for root in blobs.roots()? {
                tell("inputs and results checked", report.blobs + 1);
                missing.remove(&root);
                report.blobs += 1;
                report.blob_bytes += blobs.open(root)?.metadata().map_or(0, |metadata| metadata.len());
                match blobs.leaves(root) {
                    Ok(_) => {}
                    Err(BlobError::Mismatch(..)) => {
                        let path = blobs.path_of(root).unwrap_or_default();
                        report.fault(
                            format!("{} does not hold what its name says", path.display()),
                            "remove it; what is still wanted of another agent is fetched again",
                        );
                    }
                    Err(error) => return Err(error.into()),
                }
            }
        }
        for root in missing {
            report.fault(
                format!("input or result {} is wanted by a hire and not here", root.short()),
                "bring it with a `gigmesh store export --blobs` of where it is; without it the hire cannot be served",
            );
        }
        Ok(())
    }
}

/// Damage is a fault to be reported; a disk that refuses ends the check.
fn damaged(report: &mut Report, error: LogError) -> Result<(), OfflineError> {
    match error {
        LogError::Disk(error) => Err(error.into()),
        error => {
            report.fault(error, RESTORE);
            Ok(())
        }
    }
}
