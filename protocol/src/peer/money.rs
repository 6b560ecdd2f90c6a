//! What this peer may spend, and what it is owed: budgets before an award, the ledger after a close.

use std::collections::BTreeMap;

use super::Peer;
use super::event::Event;
use super::hiring::Posting;
use super::io::{Answer, Outbox, Refused};
use crate::hire::chain::Entry;
use crate::hire::selection::Over;
use crate::hire::stage::Stage;
use crate::hire::{Hire, HireId, Side};
use crate::id::AgentId;
use crate::ledger::{self, Direction};
use crate::market::price::{Amount, Currency, Price};
use crate::time::Timestamp;

/// What the budgets say to an award.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Budget {
    /// Go on.
    Within,
    /// Only if a person says so.
    Ask,
    /// Not now, or not at all.
    Over(Over),
}

/// Millionths of each currency.
pub(super) type Spent = BTreeMap<Currency, u64>;

/// The limit that applies to an amount: none if there are none at all or it is nothing, an error if there are limits in
/// other currencies only.
fn limit<'a>(limits: &'a [Amount], amount: &Amount) -> Result<Option<&'a Amount>, ()> {
    if limits.is_empty() || amount.micros() == 0 {
        return Ok(None);
    }
    limits.iter().find(|limit| limit.currency() == amount.currency()).map(Some).ok_or(())
}

impl Peer {
    /// Whether the budgets allow to award `posting` at `price`.
    pub(super) fn budget(&self, posting: &Posting, price: &Price, spent: &Spent) -> Budget {
        let (buy, amount) = (&self.config.buy, price.amount());
        let other = |per_day| Budget::Over(Over::Currency { price: price.clone(), per_day });
        match limit(&buy.per_hire, &amount) {
            Ok(Some(most)) if amount.micros() > most.micros() => {
                return Budget::Over(Over::PerHire { price: price.clone(), most: most.clone() });
            }
            Ok(_) => {}
            Err(()) => return other(false),
        }
        match limit(&buy.per_day, &amount) {
            Ok(Some(most)) => {
                let spent = amount.currency().and_then(|currency| spent.get(currency)).copied().unwrap_or(0);
                if spent.saturating_add(amount.micros()) > most.micros() {
                    let spent = amount.currency().and_then(|currency| Amount::new(spent, currency.clone()).ok());
                    let spent = spent.unwrap_or(Amount::NOTHING);
                    return Budget::Over(Over::PerDay { price: price.clone(), most: most.clone(), spent });
                }
            }
            Ok(None) => {}
            Err(()) => return other(true),
        }
        let asks = match limit(&buy.ask_above, &amount) {
            Ok(most) => most.is_some_and(|most| amount.micros() > most.micros()),
            Err(()) => true,
        };
        if asks && !posting.approved.as_ref().is_some_and(|up_to| price.within(up_to)) {
            Budget::Ask
        } else {
            Budget::Within
        }
    }

    /// What the hires awarded today cost or may still cost; nothing where no budget asks.
    pub(super) fn spent_today(&self, now: Timestamp) -> Spent {
        let mut spent = Spent::new();
        if self.config.buy.per_day.is_empty() {
            return spent;
        }
        let costs = |hire: &&Hire| hire.side == Side::Requester && hire.terms().at.day() == now.day();
        let cost = |hire: &Hire| match hire.closed {
            // Until both have signed, a delivery that was made in time may still come. A begin may too: see `overtaken`.
            Some(closed) if closed.agreed || hire.facts().begin.is_none() => hire.owed(),
            _ => hire.terms().price.amount().micros(),
        };
        for hire in self.durable.hires().values().filter(costs) {
            if let Some(currency) = hire.terms().price.amount().currency() {
                let sum = spent.entry(currency.clone()).or_default();
                *sum = sum.saturating_add(cost(hire));
            }
        }
        spent
    }

    /// Whether a begin came so late that what it was to have is another's: its slot, or what was left of the day's budget.
    pub(super) fn overtaken(&self, now: Timestamp, hire: &Hire) -> bool {
        let Some(posting) = self.durable.posting(&hire.offer.id()) else { return false };
        if now <= hire.terms().until + crate::limits::GRACE {
            return false;
        }
        let mut hires = posting.hires.iter().filter_map(|id| self.durable.hires().get(id));
        let over = |most: &Amount| {
            most.currency().and_then(|currency| self.spent_today(now).get(currency).copied()) > Some(most.micros())
        };
        let amount = hire.terms().price.amount();
        let limit = limit(&self.config.buy.per_day, &amount).ok().flatten();
        hires.any(|other| other.chain.award().replaces == Some(hire.id())) || limit.is_some_and(over)
    }

    /// Whether one more hire at `price` would let `requester` owe more than it has credit for: then, its credit.
    pub(super) fn over_credit(&self, requester: &AgentId, price: &Price) -> Option<Amount> {
        let amount = price.amount();
        let most = self.config.credit.iter().find(|most| most.currency() == amount.currency())?;
        let currency = amount.currency()?;
        // Work that was accepted and whose close it never signed is in no ledger, and owed for.
        let unpaid = |hire: &Hire| match hire.closed {
            Some(closed) => !closed.agreed && hire.owed() > 0,
            None => true,
        };
        let mine = |hire: &&Hire| hire.side == Side::Worker && hire.requester() == *requester && unpaid(hire);
        let at_work = self
            .durable
            .hires()
            .values()
            .filter(mine)
            .filter(|hire| hire.terms().price.amount().currency() == Some(currency));
        let claimed = self.durable.bids().values().filter(|bid| bid.claim.requester == *requester);
        let claimed = claimed.filter(|bid| bid.claim.price.amount().currency() == Some(currency));
        let pending = at_work.map(|hire| hire.terms().price.amount().micros());
        let pending = pending.chain(claimed.map(|bid| bid.claim.price.amount().micros()));
        let owed =
            i128::from(self.durable.ledger().balance(requester, currency)) + pending.map(i128::from).sum::<i128>();
        let after = owed + i128::from(amount.micros());
        (after > i128::from(most.micros())).then(|| most.clone())
    }

    /// Books an agreed close, once: not again if the worker's last record is replaced by another of its own. If a decision
    /// takes the place of another, what that changes.
    pub(super) fn book_close(&mut self, now: Timestamp, id: HireId, out: &mut Outbox) {
        let Some(hire) = self.durable.hire(&id) else { return };
        if !hire.closed.is_some_and(|closed| closed.agreed) {
            return;
        }
        let signed = hire.chain.of(Side::Requester).iter().rev().find_map(|entry| match entry {
            Entry::Receipt(receipt) => receipt.private(),
            _ => None,
        });
        let micros = match (hire.facts().stage, signed) {
            // Both had agreed to be bound by it, so no receipt is needed.
            (Stage::Decided(_), _) => hire.owed(),
            (_, Some(terms)) => terms.amount,
            (_, None) => return,
        };
        let Some(currency) = hire.terms().price.amount().currency().cloned() else { return };
        let Ok(amount) = Amount::new(micros.abs_diff(hire.booked), currency) else { return };
        if amount.micros() == 0 {
            return;
        }
        let less = micros < hire.booked;
        let direction = match hire.side {
            Side::Requester if !less => Direction::Debit,
            Side::Worker if less => Direction::Debit,
            Side::Requester | Side::Worker => Direction::Credit,
        };
        let subject = if less { ledger::Subject::Correction(id) } else { ledger::Subject::Hire(id) };
        let with = hire.other();
        self.commit(now, Event::Booked { entry: ledger::Entry { at: now, with, amount, direction, subject } }, out);
    }

    /// Notes a payment made outside.
    pub(super) fn book_payment(
        &mut self,
        now: Timestamp,
        with: AgentId,
        amount: Amount,
        direction: Direction,
        note: String,
        out: &mut Outbox,
    ) -> Result<Answer, Refused> {
        if amount.micros() == 0 {
            return Err(Refused::NoAmount);
        }
        if note.len() > crate::limits::SUMMARY {
            return Err(Refused::NoteTooLong);
        }
        let subject = ledger::Subject::Payment(note);
        self.commit(now, Event::Booked { entry: ledger::Entry { at: now, with, amount, direction, subject } }, out);
        // Credit may be free again.
        self.hungry = true;
        Ok(Answer::Done)
    }
}
