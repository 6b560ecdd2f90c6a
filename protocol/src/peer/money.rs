//! What this peer may spend, and what it is owed: budgets before an award, the ledger after a close.

use super::Peer;
use super::event::Event;
use super::hiring::Posting;
use super::io::{Answer, Outbox, Refused};
use crate::hire::chain::Entry;
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
    /// Not now, or not at all; the reason says which budget.
    Over(String),
}

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
    pub(super) fn budget(&self, now: Timestamp, posting: &Posting, price: &Price) -> Budget {
        let (buy, amount) = (&self.config.buy, price.amount());
        let other = |which: &str| Budget::Over(format!("{price}: there is no `{which}` budget in that currency"));
        match limit(&buy.per_hire, &amount) {
            Ok(Some(most)) if amount.micros() > most.micros() => {
                return Budget::Over(format!("{price} is more than the budget of {most} for one hire"));
            }
            Ok(_) => {}
            Err(()) => return other("per_hire"),
        }
        match limit(&buy.per_day, &amount) {
            Ok(Some(most)) => {
                let spent = amount.currency().map_or(0, |currency| self.spent_today(now, currency));
                if spent.saturating_add(amount.micros()) > most.micros() {
                    let spent = amount.currency().and_then(|currency| Amount::new(spent, currency.clone()).ok());
                    let spent = spent.map_or_else(String::new, |spent| format!(", of which {spent} are spent"));
                    return Budget::Over(format!("{price} is more than is left of the day's budget of {most}{spent}"));
                }
            }
            Ok(None) => {}
            Err(()) => return other("per_day"),
        }
        let asks = match limit(&buy.ask_above, &amount) {
            Ok(most) => most.is_some_and(|most| amount.micros() > most.micros()),
            Err(()) => true,
        };
        let approved = |up_to: &Price| price.compare(up_to).is_some_and(std::cmp::Ordering::is_le);
        if asks && !posting.approved.as_ref().is_some_and(approved) { Budget::Ask } else { Budget::Within }
    }

    /// What the hires awarded today cost or may still cost, in millionths.
    fn spent_today(&self, now: Timestamp, currency: &Currency) -> u64 {
        let costs = |hire: &&Hire| hire.side == Side::Requester && hire.terms().at.day() == now.day();
        let same = |hire: &&Hire| hire.terms().price.amount().currency() == Some(currency);
        self.hires.values().filter(costs).filter(same).map(Hire::owed).fold(0, u64::saturating_add)
    }

    /// Whether one more hire at `price` would let `requester` owe more than it has credit for: then, how much it owes.
    pub(super) fn over_credit(&self, requester: &AgentId, price: &Price) -> Option<String> {
        let amount = price.amount();
        let most = self.config.credit.iter().find(|most| most.currency() == amount.currency())?;
        let currency = amount.currency()?;
        let mine = |hire: &&Hire| hire.side == Side::Worker && hire.requester() == *requester && hire.closed.is_none();
        let at_work =
            self.hires.values().filter(mine).filter(|hire| hire.terms().price.amount().currency() == Some(currency));
        let claimed = self.bids.values().filter(|bid| bid.claim.requester == *requester);
        let claimed = claimed.filter(|bid| bid.claim.price.amount().currency() == Some(currency));
        let pending = at_work.map(|hire| hire.terms().price.amount().micros());
        let pending = pending.chain(claimed.map(|bid| bid.claim.price.amount().micros()));
        let owed = i128::from(self.ledger.balance(requester, currency)) + pending.map(i128::from).sum::<i128>();
        let after = owed + i128::from(amount.micros());
        (after > i128::from(most.micros())).then(|| format!("its credit with me is {most}, and it is used up"))
    }

    /// Books an agreed close, once.
    pub(super) fn book_close(&mut self, now: Timestamp, id: HireId, out: &mut Outbox) {
        let Some(hire) = self.hires.get(&id).filter(|hire| !hire.booked) else { return };
        let signed = hire.chain.of(Side::Requester).iter().rev().find_map(|entry| match entry {
            Entry::Receipt(receipt) => receipt.private(),
            _ => None,
        });
        let (Some(terms), Some(currency)) = (signed, hire.terms().price.amount().currency().cloned()) else { return };
        let Ok(amount) = Amount::new(terms.amount, currency) else { return };
        if amount.micros() == 0 {
            return;
        }
        let direction = match hire.side {
            Side::Requester => Direction::Debit,
            Side::Worker => Direction::Credit,
        };
        let (with, subject) = (hire.other(), ledger::Subject::Hire(id));
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
            return Err(Refused::Invalid("a payment is of something; name an amount like \"5 USD\"".to_owned()));
        }
        if note.len() > crate::limits::SUMMARY {
            return Err(Refused::Invalid("the note is too long; 500 bytes are kept".to_owned()));
        }
        let subject = ledger::Subject::Payment(note);
        self.commit(now, Event::Booked { entry: ledger::Entry { at: now, with, amount, direction, subject } }, out);
        // Credit may be free again.
        self.hungry = true;
        Ok(Answer::Done)
    }
}
