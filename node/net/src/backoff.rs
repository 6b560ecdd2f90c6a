//! Pauses that double, with jitter, so that many nodes with one cause do not act in one moment.

use std::time::Duration;

/// The next pause: between half and all of a value that doubles from `first` to `last`.
#[derive(Debug, Clone)]
pub struct Backoff {
    first: Duration,
    last: Duration,
    current: Duration,
}

impl Backoff {
    /// Starts at `first`.
    pub fn new(first: Duration, last: Duration) -> Self {
        Self { first, last, current: first }
    }

    /// The pause to make now; the next will be twice as long, up to the last.
    pub fn pause(&mut self) -> Duration {
        let whole = self.current;
        self.current = (whole * 2).min(self.last);
        // A system without randomness only loses the jitter.
        let share = f64::from(getrandom::u32().unwrap_or(u32::MAX)) / f64::from(u32::MAX);
        whole.mul_f64(0.5 + 0.5 * share)
    }

    /// Back to `first`.
    pub fn reset(&mut self) {
        self.current = self.first;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_within_their_bounds() {
        let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(4));
        for whole in [1, 2, 4, 4, 4] {
            let pause = backoff.pause();
            assert!(pause <= Duration::from_secs(whole) && pause * 2 >= Duration::from_secs(whole), "{pause:?}");
        }
        backoff.reset();
        assert!(backoff.pause() <= Duration::from_secs(1));
    }
}
