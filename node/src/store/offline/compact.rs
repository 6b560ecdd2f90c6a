//! A journal made shorter while no node writes to it: closed hires go to the archive, where `show`, `export` and `hires --all` find
//! them. A node does the same by itself, beside its work, once it is worth it.

use gigmesh_protocol::peer::io::Config;
use gigmesh_protocol::peer::{Peer, Retain};
use gigmesh_protocol::record::Signer;
use gigmesh_protocol::time::Timestamp;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng as _;

use super::{Offline, OfflineError, Tell};
use crate::identity;
use crate::store::journal::{Compacted, Journal, Keep};

impl Offline {
    /// Archives all closed hires that both sides are done with but the newest `kept`. `config` tells what budgets count.
    ///
    /// # Errors
    /// A journal or a key that cannot be read: then nothing has changed. A disk that refuses.
    pub fn compact(
        &self,
        config: Config,
        kept: usize,
        now: Timestamp,
        tell: Tell<'_>,
    ) -> Result<Compacted, OfflineError> {
        let secret = identity::load(&self.dir)?;
        let mut events = Vec::new();
        let (mut journal, _) = Journal::open(&self.journal_dir(), |number, event| {
            tell("events read", number);
            events.push(event.to_owned());
            Ok(())
        })?;
        let rng = Box::new(ChaCha20Rng::from_seed([0; 32]));
        let replayed = Peer::replay(config, Signer::new(&secret, self.network), rng, events, []);
        let (peer, _) =
            replayed.map_err(|error| OfflineError::Unfit(format!("the journal cannot be replayed: {error}")))?;
        let retention = peer.retention(&peer.past_but(now, kept));
        journal.close_segment()?;
        let mut number = 0;
        let keep = |event: &[u8]| {
            number += 1;
            tell("events sorted", number);
            match retention.of(event) {
                Retain::Live => Keep::Live,
                Retain::Archive(filed) => Keep::Archive(filed),
            }
        };
        Ok(journal.compact(keep)?)
    }
}
