//! Money as the market speaks of it: exact amounts, and prices that always name what they are per.
//!
//! In come `0.02 USD per task`, `1.5 USD per 1000 rows`, `free`; out come integers of a millionth of the currency. No
//! float is involved anywhere, no amount is rounded in the payer's favour, and amounts of two currencies never meet.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use crate::limits::{AMOUNT, CURRENCY, UNIT_NAME};
use serde::{Deserialize, Serialize};

/// A price is written with six decimals at most: an amount counts millionths.
pub const MICROS_PER_UNIT: u64 = 1_000_000;

/// Three to eight uppercase ASCII letters, `USD`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Currency(String);

/// An exact sum of money: nothing at all, or a positive number of millionths of one currency.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "RawAmount")]
pub struct Amount {
    micros: u64,
    /// Absent exactly when the amount is nothing: zero dollars are zero euros.
    #[serde(skip_serializing_if = "Option::is_none")]
    currency: Option<Currency>,
}

/// What a price is per: `task`, `1000 rows`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "RawUnit")]
pub struct Unit {
    name: String,
    count: u32,
}

/// What something costs per unit of it. `free` is nothing per task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "RawPrice")]
pub struct Price {
    per: Unit,
    micros: u64,
    /// As in [`Amount`].
    #[serde(skip_serializing_if = "Option::is_none")]
    currency: Option<Currency>,
}

/// Why a text or a decoded value is not an amount or a price.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Invalid {
    /// Not a currency code.
    #[error("{0:?} is not a currency; write three to {CURRENCY} capital letters, like USD")]
    Currency(String),
    /// Not a plain decimal.
    #[error("{0:?} is not an amount; write digits with an optional point, like 0.02")]
    Number(String),
    /// Finer than a millionth.
    #[error("{0:?} has more than six decimals; name a larger unit, like \"per 1000 rows\"")]
    TooFine(String),
    /// More than [`AMOUNT`].
    #[error("an amount is at most a billion")]
    TooLarge,
    /// Zero with a currency, or with a unit of its own.
    #[error("an amount of zero is written \"free\"")]
    Zero,
    /// Something, but of no currency.
    #[error("an amount needs its currency, like \"0.02 USD\"")]
    NoCurrency,
    /// Not a unit.
    #[error(
        "{0:?} is not a unit; write lowercase words of at most {UNIT_NAME} letters together, like \
         \"task\" or \"1000 rows\""
    )]
    Unit(String),
    /// The words are not in the shape of a price.
    #[error("{0:?} is not a price; write it like \"0.02 USD per task\", \"1.5 USD per 1000 rows\" or \"free\"")]
    Shape(String),
}

impl Currency {
    /// The code.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Amount {
    /// Nothing, in any currency.
    pub const NOTHING: Self = Self { micros: 0, currency: None };

    /// `micros` millionths of `currency`; zero is [`Amount::NOTHING`].
    pub fn new(micros: u64, currency: Currency) -> Result<Self, Invalid> {
        match micros {
            0 => Ok(Self::NOTHING),
            1..=AMOUNT => Ok(Self { micros, currency: Some(currency) }),
            _ => Err(Invalid::TooLarge),
        }
    }

    /// Millionths of the currency.
    pub fn micros(&self) -> u64 {
        self.micros
    }

    /// The currency, unless the amount is nothing.
    pub fn currency(&self) -> Option<&Currency> {
        self.currency.as_ref()
    }

    /// Which is more. Nothing compares with everything; two currencies do not compare.
    pub fn compare(&self, other: &Self) -> Option<Ordering> {
        one_currency(&self.currency, &other.currency)?;
        Some(self.micros.cmp(&other.micros))
    }

    /// The sum, if it is in one currency and within [`AMOUNT`].
    pub fn checked_add(&self, other: &Self) -> Option<Self> {
        let currency = one_currency(&self.currency, &other.currency)?.cloned();
        let micros = self.micros.checked_add(other.micros).filter(|sum| *sum <= AMOUNT)?;
        Some(Self { micros, currency })
    }
}

impl Unit {
    /// `count` of `name`, `1000` of `rows`.
    pub fn new(count: u32, name: &str) -> Result<Self, Invalid> {
        let words = || name.split(' ').all(|word| !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase()));
        if count == 0 || name.len() > UNIT_NAME || !words() {
            return Err(Invalid::Unit(excerpt(&format!("{count} {name}"))));
        }
        Ok(Self { name: name.to_owned(), count })
    }

    /// One task: the unit of a price that names none.
    pub fn task() -> Self {
        Self { name: "task".to_owned(), count: 1 }
    }

    /// How many of [`Unit::name`] one price buys.
    pub fn count(&self) -> u32 {
        self.count
    }

    /// What is counted.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl Price {
    /// `amount` for every `per`. Nothing is free, whatever it is per.
    pub fn new(amount: Amount, per: Unit) -> Self {
        let Amount { micros, currency } = amount;
        if micros == 0 { Self::free() } else { Self { per, micros, currency } }
    }

    /// No money.
    pub fn free() -> Self {
        Self { per: Unit::task(), micros: 0, currency: None }
    }

    /// Whether no money is asked.
    pub fn is_free(&self) -> bool {
        self.micros == 0
    }

    /// What the price is per.
    pub fn per(&self) -> &Unit {
        &self.per
    }

    /// What one [`Price::per`] costs.
    pub fn amount(&self) -> Amount {
        Amount { micros: self.micros, currency: self.currency.clone() }
    }

    /// Which costs more for the same quantity: `2 USD per 1000 rows` is less than `0.003 USD per rows`. None if
    /// they count different things or in different currencies. Free is below everything.
    pub fn compare(&self, other: &Self) -> Option<Ordering> {
        if self.is_free() || other.is_free() {
            return Some(self.micros.cmp(&other.micros));
        }
        one_currency(&self.currency, &other.currency)?;
        (self.per.name == other.per.name).then_some(())?;
        let scaled = |a: &Self, b: &Self| u128::from(a.micros) * u128::from(b.per.count);
        Some(scaled(self, other).cmp(&scaled(other, self)))
    }

    /// Whether a hire at this price costs no more than one at `most`. A close is owed the amount once, whatever it is per:
    /// `90 USD per 1000000 rows` is a lower price than `1 USD per 1000 rows`, and not within it.
    pub fn within(&self, most: &Self) -> bool {
        self.is_free() || (self.per == most.per && self.compare(most).is_some_and(Ordering::is_le))
    }

    /// What `n` of the unit's name cost, rounded up to the next millionth; none beyond [`AMOUNT`].
    pub fn for_quantity(&self, n: u64) -> Option<Amount> {
        let micros = (u128::from(self.micros) * u128::from(n)).div_ceil(u128::from(self.per.count));
        let micros = u64::try_from(micros).ok().filter(|micros| *micros <= AMOUNT)?;
        let currency = self.currency.clone().filter(|_| micros > 0);
        Some(Amount { micros, currency })
    }
}

/// The currency two amounts share, where one that is nothing shares any.
fn one_currency<'a>(a: &'a Option<Currency>, b: &'a Option<Currency>) -> Option<Option<&'a Currency>> {
    match (a, b) {
        (Some(a), Some(b)) => (a == b).then_some(Some(a)),
        _ => Some(a.as_ref().or(b.as_ref())),
    }
}

/// The beginning of a text, for an error that must not grow with its input.
fn excerpt(text: &str) -> String {
    text.chars().take(40).collect()
}

fn digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn parse_micros(text: &str) -> Result<u64, Invalid> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    if !digits(whole) || !digits(fraction) {
        return Err(Invalid::Number(excerpt(text)));
    }
    if fraction.len() > 6 {
        return Err(Invalid::TooFine(excerpt(text)));
    }
    // Only too many digits are left to fail, and a fraction of six always fits.
    let whole: u64 = whole.parse().map_err(|_| Invalid::TooLarge)?;
    let fraction: u64 = format!("{fraction:0<6}").parse().map_err(|_| Invalid::TooLarge)?;
    let micros = whole.checked_mul(MICROS_PER_UNIT).and_then(|micros| micros.checked_add(fraction));
    micros.filter(|micros| *micros <= AMOUNT).ok_or(Invalid::TooLarge)
}

/// An amount people wrote: positive, with its currency.
fn parse_amount(number: &str, currency: &str) -> Result<Amount, Invalid> {
    match parse_micros(number)? {
        0 => Err(Invalid::Zero),
        micros => Amount::new(micros, currency.parse()?),
    }
}

impl FromStr for Currency {
    type Err = Invalid;
    fn from_str(text: &str) -> Result<Self, Invalid> {
        let fits = (3..=CURRENCY).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_uppercase());
        if fits { Ok(Self(text.to_owned())) } else { Err(Invalid::Currency(excerpt(text))) }
    }
}
impl TryFrom<String> for Currency {
    type Error = Invalid;
    fn try_from(text: String) -> Result<Self, Invalid> {
        text.parse()
    }
}
impl From<Currency> for String {
    fn from(currency: Currency) -> Self {
        currency.0
    }
}

impl FromStr for Amount {
    type Err = Invalid;
    fn from_str(text: &str) -> Result<Self, Invalid> {
        match text.split_whitespace().collect::<Vec<_>>()[..] {
            ["free"] => Ok(Self::NOTHING),
            [number, currency] => parse_amount(number, currency),
            [number] if parse_micros(number).is_ok() => Err(Invalid::NoCurrency),
            _ => Err(Invalid::Shape(excerpt(text))),
        }
    }
}

impl FromStr for Unit {
    type Err = Invalid;
    fn from_str(text: &str) -> Result<Self, Invalid> {
        match text.split_once(' ') {
            Some((count, name)) if digits(count) => {
                Self::new(count.parse().map_err(|_| Invalid::Unit(excerpt(text)))?, name)
            }
            _ => Self::new(1, text).map_err(|_| Invalid::Unit(excerpt(text))),
        }
    }
}

/// `0.02 USD per task`; without a unit it is per task, with the zero amount it is `free`.
impl FromStr for Price {
    type Err = Invalid;
    fn from_str(text: &str) -> Result<Self, Invalid> {
        match text.split_whitespace().collect::<Vec<_>>()[..] {
            [number, currency, "per", ref unit @ ..] => {
                let amount = parse_amount(number, currency)?;
                Ok(Self::new(amount, unit.join(" ").parse()?))
            }
            _ => Ok(Self::new(text.parse()?, Unit::task())),
        }
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(currency) = &self.currency else { return f.write_str("free") };
        let (whole, fraction) = (self.micros / MICROS_PER_UNIT, self.micros % MICROS_PER_UNIT);
        if fraction == 0 {
            return write!(f, "{whole} {currency}");
        }
        let fraction = format!("{fraction:06}");
        write!(f, "{whole}.{} {currency}", fraction.trim_end_matches('0'))
    }
}
impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.count == 1 { f.write_str(&self.name) } else { write!(f, "{} {}", self.count, self.name) }
    }
}
impl fmt::Display for Price {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_free() { f.write_str("free") } else { write!(f, "{} per {}", self.amount(), self.per) }
    }
}

// The wire forms before they are known to make sense. Field order is the order of the bytes.

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawAmount {
    micros: u64,
    #[serde(default)]
    currency: Option<Currency>,
}
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawUnit {
    name: String,
    count: u32,
}
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawPrice {
    per: Unit,
    micros: u64,
    #[serde(default)]
    currency: Option<Currency>,
}

impl TryFrom<RawAmount> for Amount {
    type Error = Invalid;
    fn try_from(RawAmount { micros, currency }: RawAmount) -> Result<Self, Invalid> {
        match currency {
            None if micros == 0 => Ok(Self::NOTHING),
            None => Err(Invalid::NoCurrency),
            Some(_) if micros == 0 => Err(Invalid::Zero),
            Some(currency) => Self::new(micros, currency),
        }
    }
}
impl TryFrom<RawUnit> for Unit {
    type Error = Invalid;
    fn try_from(RawUnit { name, count }: RawUnit) -> Result<Self, Invalid> {
        Self::new(count, &name)
    }
}
impl TryFrom<RawPrice> for Price {
    type Error = Invalid;
    fn try_from(RawPrice { per, micros, currency }: RawPrice) -> Result<Self, Invalid> {
        let amount = Amount::try_from(RawAmount { micros, currency })?;
        if micros == 0 && per != Unit::task() {
            return Err(Invalid::Zero);
        }
        Ok(Self::new(amount, per))
    }
}

#[cfg(test)]
mod tests;
