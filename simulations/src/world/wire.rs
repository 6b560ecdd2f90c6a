//! The network between the peers of a world: how bad it is, and what is on its way.

use std::collections::BTreeMap;

use gigmesh_protocol::id::{AgentId, Bytes32, sha256};
use gigmesh_protocol::peer::io::Input;
use gigmesh_protocol::record::{Record, Refusal};
use gigmesh_protocol::time::Millis;
use gigmesh_protocol::wire::{Reply, Request};

use super::World;
use super::dice::Dice;
use super::node::network;

/// How long a message takes over a good link.
pub(super) const HOP: Millis = Millis(5);

/// How bad one way of a link is.
#[derive(Debug, Clone, Copy, Default)]
pub struct Link {
    /// Per cent of messages lost, and of messages that arrive twice.
    pub lost: u64,
    /// See [`Link::lost`].
    pub twice: u64,
    /// The longest delay.
    pub delay: Millis,
    /// Nothing arrives.
    pub cut: bool,
}

/// A bad network, by its own dice. Links that are not named are good.
pub struct Chaos {
    /// What decides of each message.
    pub dice: Dice,
    /// By sender and receiver.
    pub links: BTreeMap<(usize, usize), Link>,
}

/// What happens later.
#[derive(Clone)]
pub(super) enum Mail {
    Rise(usize),
    Input(usize, u8, Input),
    Request { from: usize, to: usize, ids: Vec<Bytes32>, bytes: Vec<u8> },
    Reply { to: usize, life: u8, from: usize, ids: Vec<Bytes32>, replies: Option<Vec<Reply>> },
}

impl World {
    pub(super) fn node_of(&self, agent: AgentId) -> Option<usize> {
        self.places.get(&agent).copied()
    }

    /// Whether the way from one peer to another is open.
    pub(super) fn reaches(&self, from: usize, to: usize) -> bool {
        let cut = self.chaos.as_ref().and_then(|chaos| chaos.links.get(&(from, to))).is_some_and(|link| link.cut);
        !self.cut && !cut && self.nodes[to].peer.is_some() && self.nodes[to].clock.held.is_none()
    }

    pub(super) fn admit(&self, envelope: &[u8], beside: Option<&[u8]>) -> Result<Record, Refusal> {
        let key = sha256(&[envelope, beside.unwrap_or(b"-")]);
        let mut admitted = self.admitted.borrow_mut();
        admitted.entry(key).or_insert_with(|| Record::admit(envelope, beside, &network())).clone()
    }

    /// Sends something over the network, such as it is.
    pub(super) fn transmit(&mut self, from: usize, to: usize, mail: Mail) {
        let Some(chaos) = &mut self.chaos else { return self.post(HOP, mail) };
        let link = chaos.links.get(&(from, to)).copied().unwrap_or_default();
        let lost = link.cut || chaos.dice.roll(100) < link.lost;
        let copies = 1 + usize::from(chaos.dice.roll(100) < link.twice);
        self.lost += usize::from(lost);
        self.doubled += copies - 1;
        let delays: Vec<Millis> = (0..copies).map(|_| Millis(1 + chaos.dice.roll(link.delay.0))).collect();
        match mail {
            // The sender of a request that is lost learns it from a timeout; a lost reply looks the same to it.
            Mail::Request { from, to, ids, .. } if lost => {
                let life = self.nodes[from].lives;
                self.post(Millis::secs(10), Mail::Reply { to: from, life, from: to, ids, replies: None });
            }
            Mail::Reply { to, life, from, ids, .. } if lost => {
                self.post(Millis::secs(10), Mail::Reply { to, life, from, ids, replies: None });
            }
            Mail::Input(..) if lost => {}
            mail => delays.into_iter().for_each(|delay| self.post(delay, mail.clone())),
        }
    }

    pub(super) fn post(&mut self, after: Millis, mail: Mail) {
        self.count += 1;
        self.queue.insert((self.now + after, self.count), mail);
    }

    pub(super) fn mail(&mut self, mail: Mail) {
        match mail {
            Mail::Rise(n) => {
                self.tell(|| format!("{n} comes up"));
                self.rise(n);
            }
            Mail::Input(n, life, input) => {
                if self.nodes[n].lives == life {
                    self.handle(n, input);
                }
            }
            Mail::Request { from, to, ids, bytes } => {
                let life = self.nodes[from].lives;
                if self.cut {
                    return self.post(HOP, Mail::Reply { to: from, life, from: to, ids, replies: None });
                }
                if !self.reaches(from, to) {
                    return self.post(Millis::secs(10), Mail::Reply { to: from, life, from: to, ids, replies: None });
                }
                self.delivered += 1;
                self.cut = self.cut_after.is_some_and(|after| self.delivered >= after);
                let Ok(Request::Parcel(items)) = Request::decode(&bytes) else { panic!("parcels survive the wire") };
                let items = items.iter().map(|item| self.admit(&item.record, item.beside.as_deref())).collect();
                self.count += 1;
                let token = self.count;
                self.tokens.insert((to, token), (from, life, ids));
                let from = self.id(from);
                self.handle(to, Input::Parcel { from, token, items });
            }
            Mail::Reply { to, life, from, ids, replies } => {
                if self.nodes[to].lives == life {
                    self.tell(|| format!("{to} hears from {from}: {replies:?}"));
                    let from = self.id(from);
                    self.handle(to, Input::Sent { to: from, ids, replies });
                }
            }
        }
    }
}
