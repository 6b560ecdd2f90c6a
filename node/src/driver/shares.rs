//! Nobody takes more than its share: how many requests of each peer are under way here.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use gigmesh_protocol::id::AgentId;

/// Counts by peer; only peers with something under way are in it. Cloning shares it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Shares(Arc<Mutex<HashMap<AgentId, usize>>>);

/// One request's place; given back when dropped.
#[derive(Debug)]
pub(crate) struct Share {
    of: Shares,
    who: AgentId,
}

impl Shares {
    /// A place for a request of `who`, if it has less than `limit`.
    pub fn take(&self, who: AgentId, limit: usize) -> Option<Share> {
        let mut counts = self.counts();
        let count = counts.entry(who).or_default();
        (*count < limit).then(|| {
            *count += 1;
            Share { of: self.clone(), who }
        })
    }

    fn counts(&self) -> MutexGuard<'_, HashMap<AgentId, usize>> {
        // Numbers, each changed in one step.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut counts = self.of.counts();
        if let Some(count) = counts.get_mut(&self.who) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.who);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_has_its_share_and_takes_nothing_from_others() {
        let (shares, greedy, modest) = (Shares::default(), AgentId([1; 32]), AgentId([2; 32]));
        let held: Vec<_> = (0..5).filter_map(|_| shares.take(greedy, 3)).collect();
        assert_eq!(held.len(), 3);
        assert!(shares.take(modest, 3).is_some());
        drop(held);
        assert!(shares.take(greedy, 3).is_some());
        assert!(shares.counts().is_empty(), "who has nothing under way costs nothing");
    }
}
