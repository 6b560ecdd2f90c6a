//! Powers between 0 and 1 in whole numbers: for decay and for the discount within a pair.
//!
//! `powf` and `exp` come from the system's library and differ from machine to machine in the last bit, so none is used: a
//! power is a product of square roots, which are whole numbers here and the same everywhere.

/// Bits behind the point of a power.
pub(super) const ONE: u64 = 1 << 63;
/// Bits behind the point of an exponent.
const FRACTION: u32 = 32;
/// From this exponent on a power is zero.
const END: u32 = 64;

/// Powers of one base.
#[derive(Debug, Clone)]
pub(super) struct Powers {
    /// `base^(2^-k)` for k = 0..=32.
    roots: Vec<u64>,
    /// `base^(2^k)` for k = 0..=5.
    squares: Vec<u64>,
}

fn times(a: u64, b: u64) -> u64 {
    // Below 2^63 each, so the product is below 2^126.
    ((u128::from(a) * u128::from(b)) >> 63) as u64
}

impl Powers {
    /// Of a base between 0 and 1.
    pub(super) fn new(base: f64) -> Self {
        let base = (base.clamp(0.0, 1.0) * ONE as f64) as u64;
        let root = |of: &u64| Some((u128::from(*of) << 63).isqrt() as u64);
        let roots = std::iter::successors(Some(base), root).take(FRACTION as usize + 1).collect();
        let squares = std::iter::successors(Some(base), |of| Some(times(*of, *of))).take(6).collect();
        Self { roots, squares }
    }

    /// `base^x`, `x` in units of 2^-32.
    pub(super) fn at(&self, x: u64) -> u64 {
        if x >> FRACTION >= u64::from(END) {
            return 0;
        }
        let whole = self.squares.iter().enumerate().filter(|(k, _)| x >> (FRACTION as usize + k) & 1 == 1);
        let part = self.roots.iter().enumerate().skip(1).filter(|(k, _)| x >> (FRACTION as usize - k) & 1 == 1);
        whole.chain(part).fold(ONE, |power, (_, factor)| times(power, *factor))
    }
}

/// `max(least, 2^(-age / half life))` for every age in days, as exact binary fractions.
#[derive(Debug, Clone)]
pub(super) struct Decay {
    half: Powers,
    /// Days in which half is lost; 0 for never.
    half_life: u32,
    /// What is never lost.
    least: f64,
    /// The first ages, made once.
    table: Vec<f64>,
}

impl Decay {
    /// Ages that are looked up: eleven years.
    const TABLE: u32 = 4096;

    pub(super) fn new(half_life: Option<u32>, least: f64) -> Self {
        let half_life = half_life.unwrap_or(0);
        let mut decay = Self { half: Powers::new(0.5), half_life, least: least.clamp(0.0, 1.0), table: Vec::new() };
        decay.table = (0..Self::TABLE).map(|age| decay.compute(age)).collect();
        decay
    }

    fn compute(&self, age: u32) -> f64 {
        match self.half_life {
            0 => 1.0,
            days => {
                let left = self.half.at((u64::from(age) << FRACTION) / u64::from(days));
                (left as f64 / ONE as f64).max(self.least)
            }
        }
    }

    pub(super) fn at(&self, age: u32) -> f64 {
        self.table.get(age as usize).copied().unwrap_or_else(|| self.compute(age))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn powers_are_what_they_should_be() {
        for base in [0.5, 0.7, 0.9, 0.05] {
            let powers = Powers::new(base);
            for x in [0.0, 0.25, 1.0 / 3.0, 1.0, 1.5, 7.77, 20.0] {
                let found = powers.at((x * 4_294_967_296.0) as u64) as f64 / ONE as f64;
                assert!((found - base.powf(x)).abs() < 1e-9, "{base}^{x}: {found}");
            }
        }
        assert_eq!(Powers::new(0.5).at(3 << 32), ONE / 8);
        assert_eq!(Powers::new(1.0).at(u64::from(u32::MAX)), ONE);
        assert_eq!(Powers::new(0.5).at(64 << 32), 0);
    }

    #[test]
    fn half_is_left_after_a_half_life_and_nothing_is_ever_gained() {
        let decay = Decay::new(Some(180), 0.0);
        assert_eq!([decay.at(0), decay.at(180), decay.at(360)], [1.0, 0.5, 0.25]);
        assert!((0..9_000).all(|age| decay.at(age + 1) <= decay.at(age)));
        assert!((decay.at(90) - 0.5f64.sqrt()).abs() < 1e-9);
        assert_eq!(Decay::new(None, 0.0).at(99_999), 1.0);
        let kept = Decay::new(Some(180), 0.05);
        assert_eq!([kept.at(360), kept.at(99_999)], [0.25, 0.05]);
    }
}
