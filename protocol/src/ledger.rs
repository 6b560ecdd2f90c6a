//! Who owes whom, as agreed closes and noted payments say.
//!
//! In: entries, in the order in which they were journalled. Out: a balance for each counterparty and currency, and the
//! newest entries. Nothing moves it but a receipt that both have signed, the word of an arbiter both had agreed to, and the
//! operator's own note of a payment made outside: no money moves through this node.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};

use crate::hire::HireId;
use crate::id::AgentId;
use crate::limits;
use crate::market::price::{Amount, Currency};
use crate::time::Timestamp;

/// Which way an entry moves the balance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// I owe them more, or they have paid me.
    Debit,
    /// They owe me more, or I have paid them.
    Credit,
}

/// What an entry is of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Subject {
    /// An agreed close.
    Hire(HireId),
    /// What it comes to less than was booked, since another decision of its arbiter counts.
    Correction(HireId),
    /// A payment outside, as the operator noted it.
    Payment(String),
}

/// One line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// When it was booked.
    pub at: Timestamp,
    /// The counterparty.
    pub with: AgentId,
    /// How much; never nothing.
    pub amount: Amount,
    /// Which way.
    pub direction: Direction,
    /// Of what.
    pub subject: Subject,
}

/// What one counterparty and I owe each other in one currency.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Balance {
    /// The counterparty.
    pub with: AgentId,
    /// The currency.
    pub currency: Currency,
    /// Millionths: positive if they owe me, negative if I owe them.
    pub micros: i64,
}

/// See the module.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ledger {
    entries: VecDeque<Entry>,
    balances: BTreeMap<(AgentId, Currency), i64>,
}

impl Ledger {
    /// Books an entry. The newest `limits::LEDGER` are held; the balances count all.
    pub fn book(&mut self, entry: Entry) {
        let Some(currency) = entry.amount.currency() else { return };
        // An amount is at most a billion units, which is far within an i64.
        let micros = i64::try_from(entry.amount.micros()).unwrap_or(i64::MAX);
        let balance = self.balances.entry((entry.with, currency.clone())).or_default();
        *balance = match entry.direction {
            Direction::Debit => balance.saturating_sub(micros),
            Direction::Credit => balance.saturating_add(micros),
        };
        self.entries.push_back(entry);
        if self.entries.len() > limits::LEDGER {
            self.entries.pop_front();
        }
    }

    /// What `with` owes me in a currency (negative: I owe it), in millionths.
    pub fn balance(&self, with: &AgentId, currency: &Currency) -> i64 {
        self.balances.get(&(*with, currency.clone())).copied().unwrap_or(0)
    }

    /// Every balance, by counterparty and currency; those that are settled too.
    pub fn balances(&self) -> impl Iterator<Item = Balance> {
        self.balances.iter().map(|((with, currency), micros)| Balance {
            with: *with,
            currency: currency.clone(),
            micros: *micros,
        })
    }

    /// The entries held, newest first.
    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter().rev()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::Id;

    fn entry(with: u8, amount: &str, direction: Direction) -> Entry {
        Entry {
            at: Timestamp(1),
            with: AgentId([with; 32]),
            amount: amount.parse().unwrap(),
            direction,
            subject: Subject::Hire(Id::from_bytes([9; 32])),
        }
    }

    #[test]
    fn balances_are_kept_by_counterparty_and_currency_and_outlive_the_entries() {
        let mut ledger = Ledger::default();
        ledger.book(entry(1, "0.05 USD", Direction::Credit));
        ledger.book(entry(1, "0.02 USD", Direction::Debit));
        ledger.book(entry(1, "7 EUR", Direction::Debit));
        ledger.book(entry(2, "1 USD", Direction::Debit));
        ledger.book(entry(2, "free", Direction::Debit));
        let usd = "USD".parse().unwrap();
        assert_eq!(ledger.balance(&AgentId([1; 32]), &usd), 30_000);
        assert_eq!(ledger.balance(&AgentId([2; 32]), &usd), -1_000_000);
        assert_eq!(ledger.balances().count(), 3);
        assert_eq!(ledger.entries().count(), 4);
        for _ in 0..limits::LEDGER {
            ledger.book(entry(3, "0.000001 USD", Direction::Credit));
        }
        assert_eq!(ledger.entries().count(), limits::LEDGER);
        assert_eq!(ledger.balance(&AgentId([1; 32]), &usd), 30_000, "what left the list still counts");
    }
}
