//! What is on its way: the blobs that this node fetches and serves, and how far each has come. In: a word for each chunk.
//! Out: rows for whoever asks, and about once a second an event. Soft: it begins anew with the process, and nothing is
//! decided by it.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use gigmesh_protocol::hire::HireId;
use gigmesh_protocol::id::Bytes32;
use gigmesh_protocol::market::BlobRef;
use gigmesh_protocol::untrusted::Untrusted;
use serde::{Deserialize, Serialize};
use tokio::sync::broadcast;

use crate::limits::{TRANSFER_NEWS, TRANSFER_STALE, TRANSFER_TOLD, TRANSFERS};

/// Which way a blob goes, as this node sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Way {
    /// It comes here.
    Fetched,
    /// It goes to the other side of the hire.
    Served,
}

/// How far a blob has come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transfer {
    /// Within which hire.
    pub hire: HireId,
    /// Which blob.
    pub blob: Bytes32,
    /// Which way.
    pub way: Way,
    /// Bytes held, or served up to; verified, where they come here.
    pub done: u64,
    /// Bytes of all of it.
    pub size: u64,
    /// Bytes a second lately.
    pub per_second: u64,
    /// Why it stands still, if it does: the node tries again.
    pub trouble: Option<Trouble>,
}

/// Why a blob stands still.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Trouble {
    /// The peer does not give it, in its own words.
    Denied(Untrusted),
    /// What this node found.
    Failed(String),
}

impl Transfer {
    /// Per cent of it that have come.
    pub fn percent(&self) -> u64 {
        self.done.saturating_mul(100).checked_div(self.size).unwrap_or(100)
    }
}

type Key = (HireId, Bytes32, Way);

struct Row {
    shown: Transfer,
    /// When it moved last.
    moved: Instant,
    /// When it was last told, or begun.
    told: Instant,
    /// Whether it was ever told.
    known: bool,
    /// Bytes since `told`.
    lately: u64,
}

/// See the module.
pub(crate) struct Transfers {
    rows: Mutex<BTreeMap<Key, Row>>,
    news: broadcast::Sender<Transfer>,
}

impl std::fmt::Debug for Transfers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Transfers").finish_non_exhaustive()
    }
}

impl Default for Transfers {
    fn default() -> Self {
        Self { rows: Mutex::default(), news: broadcast::channel(TRANSFER_NEWS).0 }
    }
}

impl Transfers {
    /// `bytes` more have moved; `done` is what it comes to.
    pub fn moved(&self, hire: HireId, blob: BlobRef, way: Way, done: u64, bytes: u64) {
        self.change(hire, blob, way, |row| {
            row.shown.done = done.min(blob.size);
            row.shown.trouble = None;
            row.lately += bytes;
        });
    }

    /// A blob that comes here stands still.
    pub fn stuck(&self, hire: HireId, blob: BlobRef, why: Trouble) {
        self.change(hire, blob, Way::Fetched, |row| {
            (row.shown.trouble, row.shown.per_second, row.lately) = (Some(why), 0, 0);
        });
    }

    fn change(&self, hire: HireId, blob: BlobRef, way: Way, change: impl FnOnce(&mut Row)) {
        let (mut rows, now) = (self.rows(), Instant::now());
        if rows.len() >= TRANSFERS && !rows.contains_key(&(hire, blob.root, way)) {
            let idle = rows.iter().min_by_key(|(_, row)| row.moved).map(|(key, _)| *key);
            idle.and_then(|key| rows.remove(&key));
        }
        let row = rows.entry((hire, blob.root, way)).or_insert_with(|| {
            let BlobRef { root, size } = blob;
            let shown = Transfer { hire, blob: root, way, done: 0, size, per_second: 0, trouble: None };
            Row { shown, moved: now, told: now, known: false, lately: 0 }
        });
        row.moved = now;
        let stuck = row.shown.trouble.clone();
        change(row);
        let since = now.duration_since(row.told);
        let whole = row.shown.done == row.shown.size;
        if since >= TRANSFER_TOLD || (row.known && whole) || (row.shown.trouble.is_some() && row.shown.trouble != stuck)
        {
            let micros = since.as_micros().max(1);
            row.shown.per_second = u64::try_from(u128::from(row.lately) * 1_000_000 / micros).unwrap_or(u64::MAX);
            (row.told, row.known, row.lately) = (now, true, 0);
            // Nobody may be listening.
            let _ = self.news.send(row.shown.clone());
        }
        // A served blob is over with its last chunk; a fetched one when it has its name.
        if whole && way == Way::Served {
            rows.remove(&(hire, blob.root, way));
        }
    }

    /// It is here, or no longer wanted.
    pub fn over(&self, hire: HireId, root: Bytes32, way: Way) {
        self.rows().remove(&(hire, root, way));
    }

    /// All that is on its way.
    pub fn list(&self) -> Vec<Transfer> {
        let mut rows = self.rows();
        rows.retain(|_, row| row.moved.elapsed() < TRANSFER_STALE);
        rows.values().map(|row| row.shown.clone()).collect()
    }

    /// What moves from now on.
    pub fn news(&self) -> broadcast::Receiver<Transfer> {
        self.news.subscribe()
    }

    fn rows(&self) -> MutexGuard<'_, BTreeMap<Key, Row>> {
        // What a panic may have left half counted is shown, and no more.
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use gigmesh_protocol::id::Id;

    use super::*;

    fn blob(n: u8) -> BlobRef {
        BlobRef { root: Bytes32([n; 32]), size: 100 }
    }

    #[test]
    fn what_moves_is_listed_and_what_is_over_is_not() {
        let (transfers, hire) = (Transfers::default(), Id::from_bytes([1; 32]));
        transfers.moved(hire, blob(1), Way::Fetched, 25, 25);
        transfers.moved(hire, blob(2), Way::Served, 50, 50);
        let shown = |transfers: &Transfers| {
            transfers.list().iter().map(|row| (row.way, row.percent(), row.trouble.clone())).collect::<Vec<_>>()
        };
        assert_eq!(shown(&transfers), [(Way::Fetched, 25, None), (Way::Served, 50, None)]);
        transfers.moved(hire, blob(2), Way::Served, 100, 50);
        transfers.stuck(hire, blob(1), Trouble::Denied("away".into()));
        let away = Some(Trouble::Denied("away".into()));
        assert_eq!(shown(&transfers), [(Way::Fetched, 25, away)]);
        transfers.moved(hire, blob(1), Way::Fetched, 100, 75);
        assert_eq!(shown(&transfers), [(Way::Fetched, 100, None)]);
        transfers.over(hire, blob(1).root, Way::Fetched);
        assert_eq!(shown(&transfers), []);
    }

    #[test]
    fn trouble_is_told_at_once_and_once() {
        let (transfers, hire) = (Transfers::default(), Id::from_bytes([1; 32]));
        let mut news = transfers.news();
        transfers.moved(hire, blob(1), Way::Fetched, 1, 1);
        for _ in 0..2 {
            transfers.stuck(hire, blob(1), Trouble::Failed("away".to_owned()));
        }
        assert_eq!(news.try_recv().unwrap().trouble, Some(Trouble::Failed("away".to_owned())));
        assert!(news.try_recv().is_err(), "a transfer of moments, and a trouble told already, are no news");
    }

    #[test]
    fn more_than_can_be_shown_are_not_kept() {
        let transfers = Transfers::default();
        for n in 0..=TRANSFERS {
            let hire = Id::from_bytes(gigmesh_protocol::id::sha256(&[&n.to_be_bytes()]).0);
            transfers.moved(hire, blob(1), Way::Served, 1, 1);
        }
        assert_eq!(transfers.list().len(), TRANSFERS);
    }
}
