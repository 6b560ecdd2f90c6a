//! libp2p behind a plain interface: links, rooms, requests, contacts. Moves bytes; knows nothing of the market.
//!
//! ```text
//!   any thread                      one task                            a task per connection
//!  ┌──────────┐  commands (1024)  ┌───────────────────────────┐       ┌──────────────────────┐
//!  │   Net    ├──────────────────►│ driver: Swarm<Behaviour>  │◄─────►│ TCP or QUIC, noise,  │
//!  └──────────┘                   │  links   gossip  dht      │       │ yamux; codec         │
//!  ┌──────────┐  events (1024)    │  announce search exchange │       └──────────▲───────────┘
//!  │ receiver │◄──────────────────┤                           │                  │
//!  └────┬─────┘                   └───────────────────────────┘                  │
//!       └── ResponseToken: the answer goes straight to the connection's task ────┘
//! ```
//!
//! Both channels are bounded. The loop never waits for either: what finds the event channel full is dropped and
//! counted ([`Stats`]), gossip as ignored, requests as refused; link events have places reserved.
//!
//! * **Rooms** are gossipsub topics. A room's members are found through the DHT, where each member is listed.
//! * **Requests** go to an [`AgentId`](gigmesh_protocol::id::AgentId), which is the peer's key; whoever is not
//!   connected is looked for at hinted and remembered addresses, then by its contact record in the DHT.
//! * **Contacts** are opaque; a [`ContactFilter`] given at start decides which are valid.
//!
//! Nothing of libp2p appears in this interface.

mod backoff;
mod behaviour;
mod book;
mod callers;
mod claims;
mod codec;
mod config;
mod connections;
mod doors;
mod driver;
mod exchange;
mod handle;
mod lan;
pub mod limits;
mod names;
mod penalties;
mod reach;
mod scope;

pub use config::{Config, ContactFilter, Role, StartError};
pub use handle::{
    CommandError, Door, Event, GossipToken, Net, PeerInfo, Reach, RequestError, ResponseToken, Severity, Stats,
};
pub use limits::Capacity;
