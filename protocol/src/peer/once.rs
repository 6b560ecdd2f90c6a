//! Orders to which the user gave a token: each is carried out once, however often it is given. In: what was posted under a
//! token. Out: the offer, to whoever gives the same order again, though everything else about it may be archived by then.
//!
//! What must never happen: memory without a bound (`limits::ORDERS`), or one token that stands for two tasks.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::io::{OrderToken, Refused};
use crate::codec;
use crate::hire::task::Task;
use crate::id::{AgentId, Bytes32, Id, sha256};
use crate::limits::{ORDER_LIFE, ORDERS};
use crate::market::Offer;
use crate::time::Timestamp;

/// An order with a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// SHA-256 of the token.
    pub token: Bytes32,
    /// SHA-256 of what was ordered: the task and whom it is for.
    pub asked: Bytes32,
    /// When.
    pub at: Timestamp,
}

impl Order {
    pub(super) fn new(token: &OrderToken, task: &Task, to: Option<AgentId>, at: Timestamp) -> Result<Self, Refused> {
        if token.is_empty() {
            return Err(Refused::EmptyToken);
        }
        Ok(Self { token: sha256(&[token.as_bytes()]), asked: sha256(&[&codec::encode(&(task, to))]), at })
    }
}

/// The orders that are remembered.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Orders {
    by_token: BTreeMap<Bytes32, (Order, Id<Offer>)>,
    by_age: BTreeSet<(Timestamp, Bytes32)>,
}

impl Orders {
    /// What was posted for this order, if it was given before.
    pub fn find(&self, order: &Order) -> Result<Option<Id<Offer>>, Refused> {
        match self.by_token.get(&order.token) {
            Some((known, offer)) if known.asked == order.asked => Ok(Some(*offer)),
            Some((_, offer)) => Err(Refused::TokenTaken(*offer)),
            None => Ok(None),
        }
    }

    /// Remembers an order, and forgets what is too old by `now` or too many.
    pub fn remember(&mut self, now: Timestamp, order: Order, offer: Id<Offer>) {
        if self.by_token.insert(order.token, (order, offer)).is_none() {
            self.by_age.insert((order.at, order.token));
        }
        let over = |orders: &Self| {
            let old = |(at, _): &(Timestamp, Bytes32)| *at + ORDER_LIFE < now;
            orders.by_age.len() > ORDERS || orders.by_age.first().is_some_and(old)
        };
        while over(self) {
            if let Some((_, token)) = self.by_age.pop_first() {
                self.by_token.remove(&token);
            }
        }
    }

    /// Whether this order is remembered.
    pub fn holds(&self, order: &Order) -> bool {
        self.by_token.get(&order.token).is_some_and(|(known, _)| known == order)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Millis;

    fn order(n: u64) -> Order {
        Order { token: sha256(&[&n.to_be_bytes()]), asked: Bytes32([1; 32]), at: Timestamp(n) }
    }

    fn offer(n: u8) -> Id<Offer> {
        Id::from_bytes([n; 32])
    }

    #[test]
    fn the_newest_are_remembered_and_no_more_than_there_is_room_for() {
        let mut orders = Orders::default();
        let most = ORDERS as u64;
        for n in 0..=most {
            orders.remember(Timestamp(n), order(n), offer(1));
        }
        assert_eq!((orders.by_token.len(), orders.by_age.len()), (ORDERS, ORDERS));
        assert_eq!(orders.find(&order(0)), Ok(None), "the oldest went first");
        assert_eq!(orders.find(&order(1)), Ok(Some(offer(1))));
        let late = Timestamp(most) + ORDER_LIFE;
        orders.remember(late, Order { at: late, ..order(most + 1) }, offer(2));
        assert_eq!(orders.by_token.len(), 2, "what is older than its life is forgotten");
        assert!(orders.holds(&order(most)) && !orders.holds(&order(most - 1)));
    }

    #[test]
    fn a_token_stands_for_one_task() {
        let mut orders = Orders::default();
        orders.remember(Timestamp(1), order(1), offer(1));
        // Told twice, as by a replay: remembered once.
        orders.remember(Timestamp(1) + Millis(5), order(1), offer(1));
        assert_eq!(orders.by_age.len(), 1);
        let other = Order { asked: Bytes32([2; 32]), ..order(1) };
        assert_eq!(orders.find(&other), Err(Refused::TokenTaken(offer(1))));
        assert!(!orders.holds(&other));
    }
}
