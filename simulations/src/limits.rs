//! Every bound of this crate, with its reason.

/// The longest data file, in bytes: thirty times the largest network of this kind in the literature (Epinions, 4.8 million
/// edges of some 20 bytes would still fit), and still nothing that fills a laptop's memory.
pub const FILE: u64 = 256 << 20;

/// Resamples of a bootstrap at most: past this the ends of an interval move by less than what is printed.
pub const RESAMPLES: u32 = 100_000;

/// Iterations after which a fixed point that was not reached is an error of ours: the slowest here (restart 0.15) gains a
/// digit in fifteen.
pub const ITERATIONS: usize = 1_000;
