//! Work on every processor there is. What comes out is in the order of what went in, and does not depend on how many there
//! are.

use std::sync::atomic::{AtomicUsize, Ordering};

use crate::progress;

/// What `work` makes of each item; `what` is told to whoever waits.
pub fn each<T: Sync, R: Send>(what: &str, items: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get).min(items.len());
    let (next, step) = (AtomicUsize::new(0), progress::step(what, items.len()));
    let run = || {
        let mut done = Vec::new();
        while let Some((at, item)) =
            Some(next.fetch_add(1, Ordering::Relaxed)).and_then(|at| Some((at, items.get(at)?)))
        {
            done.push((at, work(item)));
            step.tick();
        }
        done
    };
    let mut all: Vec<(usize, R)> = std::thread::scope(|scope| {
        let spawned: Vec<_> = (0..threads).map(|_| scope.spawn(run)).collect();
        spawned.into_iter().flat_map(|thread| thread.join().expect("arithmetic does not panic")).collect()
    });
    all.sort_unstable_by_key(|(at, _)| *at);
    all.into_iter().map(|(_, made)| made).collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn what_comes_out_is_in_the_order_of_what_went_in() {
        let items: Vec<u64> = (0..500).collect();
        let slow_first = |item: &u64| (0..(500 - item) * 50).fold(*item, |sum, n| sum ^ n ^ n) * 2;
        assert_eq!(super::each("doubling", &items, slow_first), items.iter().map(|item| item * 2).collect::<Vec<_>>());
        assert!(super::each("nothing", &[], |item: &u64| *item).is_empty());
    }
}
