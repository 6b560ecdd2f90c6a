//! Exact decimals: what the numbers of assertions and results are compared as.
//!
//! In come JSON numbers and counts, out come values with a total order, or a fixed-point form that sums are kept in. No
//! comparison rounds: the digits are those of the shortest decimal that reads back as the same double.

use std::cmp::Ordering;
use std::fmt;

use serde_json::Number;

/// Sums are kept in this many decimals; finer addends are rounded to it. Leaves twenty digits before the point.
const SUM_DECIMALS: i32 = 18;
pub(super) const SUM_DIGITS: i32 = 20;

/// `0.DIGITS x 10^exponent`, exactly. No digits is zero; neither the first nor the last is `0`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Decimal {
    negative: bool,
    digits: String,
    exponent: i32,
}

impl Decimal {
    /// None for what no double can be: without serde_json's `arbitrary_precision` there is no such number.
    pub(super) fn from_number(number: &Number) -> Option<Self> {
        let text = number.to_string();
        let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((&text, "0"));
        let exponent: i32 = exponent.parse().ok().filter(|exponent: &i32| exponent.unsigned_abs() <= 400)?;
        let (negative, unsigned) = mantissa.strip_prefix('-').map_or((false, mantissa), |unsigned| (true, unsigned));
        let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
        Some(Self::new(negative, &format!("{whole}{fraction}"), exponent + i32::try_from(whole.len()).ok()?))
    }

    pub(super) fn from_whole(number: u64) -> Self {
        let digits = number.to_string();
        Self::new(false, &digits, i32::try_from(digits.len()).unwrap_or(i32::MAX))
    }

    fn new(negative: bool, digits: &str, exponent: i32) -> Self {
        let significant = digits.trim_start_matches('0');
        // A text of digits is a handful; the difference of two of its lengths fits.
        let exponent = exponent.saturating_sub(i32::try_from(digits.len() - significant.len()).unwrap_or(i32::MAX));
        match significant.trim_end_matches('0') {
            "" => Self { negative: false, digits: String::new(), exponent: 0 },
            digits => Self { negative, digits: digits.to_owned(), exponent },
        }
    }

    pub(super) fn from_fixed(fixed: i128) -> Self {
        let digits = fixed.unsigned_abs().to_string();
        let whole = i32::try_from(digits.len()).unwrap_or(i32::MAX) - SUM_DECIMALS;
        Self::new(fixed < 0, &digits, whole)
    }

    /// In units of `10^-SUM_DECIMALS`, halves away from zero. None if it is too large.
    pub(super) fn to_fixed(&self) -> Option<i128> {
        if self.exponent > SUM_DIGITS {
            return None;
        }
        let Ok(kept) = usize::try_from(self.exponent + SUM_DECIMALS) else { return Some(0) };
        let digits = format!("{:0<kept$}", self.digits);
        let whole: i128 = if kept == 0 { 0 } else { digits[..kept].parse().ok()? };
        let rounded = whole + i128::from(digits.as_bytes().get(kept).is_some_and(|digit| *digit >= b'5'));
        Some(if self.negative { -rounded } else { rounded })
    }
}

impl Ord for Decimal {
    fn cmp(&self, other: &Self) -> Ordering {
        let sign = |decimal: &Self| match (decimal.digits.is_empty(), decimal.negative) {
            (true, _) => 0,
            (false, negative) => {
                if negative {
                    -1
                } else {
                    1
                }
            }
        };
        let magnitude = || self.exponent.cmp(&other.exponent).then_with(|| self.digits.cmp(&other.digits));
        sign(self).cmp(&sign(other)).then_with(|| if self.negative { magnitude().reverse() } else { magnitude() })
    }
}
impl PartialOrd for Decimal {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.negative { "-" } else { "" };
        let digits = &self.digits;
        match usize::try_from(self.exponent) {
            _ if digits.is_empty() => f.write_str("0"),
            Ok(whole) if whole >= digits.len() && whole <= 21 => write!(f, "{sign}{digits:0<whole$}"),
            Ok(whole) if (1..digits.len()).contains(&whole) => {
                write!(f, "{sign}{}.{}", &digits[..whole], &digits[whole..])
            }
            _ if (-5..=0).contains(&self.exponent) => {
                let zeros = self.exponent.unsigned_abs() as usize;
                write!(f, "{sign}0.{:0<zeros$}{digits}", "")
            }
            _ => {
                let point = if digits.len() > 1 { "." } else { "" };
                write!(f, "{sign}{}{point}{}e{}", &digits[..1], &digits[1..], self.exponent - 1)
            }
        }
    }
}
