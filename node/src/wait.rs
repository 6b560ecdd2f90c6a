//! For tests: the only sleeping in this package's tests. A loop that yields instead would take the
//! processor from what it waits for.

use std::thread;
use std::time::{Duration, Instant};

/// Longer than anything takes by itself on a slow machine under load.
pub(crate) const SOON: Duration = Duration::from_secs(20);

const PAUSE: Duration = Duration::from_millis(2);

/// Blocks this thread until the condition holds.
///
/// # Panics
/// After [`SOON`], naming what was waited for.
pub(crate) fn wait_until(what: &str, holds: impl Fn() -> bool) {
    let started = Instant::now();
    while !holds() {
        assert!(started.elapsed() < SOON, "waited {SOON:?} in vain for: {what}");
        thread::sleep(PAUSE);
    }
}
