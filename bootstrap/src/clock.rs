//! The wall clock. Every program of this repository reads it here.
//!
//! It is in this crate because the protocol must not read a clock, and every program depends on
//! this crate. `clippy.toml` forbids other readings.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use gigmesh_protocol::time::Timestamp;

/// Milliseconds since the Unix epoch. A clock set before 1970 is taken for 1970.
pub fn wall_clock() -> Timestamp {
    let since = now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// How long ago a file was modified. A time ahead of the clock is taken for now.
pub fn file_age(modified: SystemTime) -> Duration {
    now().duration_since(modified).unwrap_or_default()
}

#[expect(clippy::disallowed_methods, reason = "the one place that reads the wall clock")]
fn now() -> SystemTime {
    SystemTime::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_the_future_is_young() {
        assert_eq!(file_age(now() + Duration::from_secs(60)), Duration::ZERO);
        assert!(file_age(now() - Duration::from_secs(60)) >= Duration::from_secs(60));
    }
}
