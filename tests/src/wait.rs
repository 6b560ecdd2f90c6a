//! The only sleeping there is.

use std::thread;
use std::time::{Duration, Instant};

/// Long enough for anything that happens by itself on a slow machine under load. Nothing waits this long when all is well.
pub const SOON: Duration = Duration::from_secs(60);

/// Between two looks. Most looks start a process, so this is not shorter.
const PAUSE: Duration = Duration::from_millis(20);

/// Sleeps until `moment`: for a fall at a random time, before which nothing can be seen from outside.
pub fn sleep_until(moment: Instant) {
    thread::sleep(moment.saturating_duration_since(Instant::now()));
}

/// Looks until there is something to see, and returns it.
///
/// # Panics
/// After `deadline`, naming what was waited for.
pub fn wait_until<T>(what: &str, deadline: Duration, mut look: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(seen) = look() {
            return seen;
        }
        assert!(started.elapsed() < deadline, "waited {deadline:?} in vain for: {what}");
        thread::sleep(PAUSE);
    }
}
