//! What two peers say to each other directly: one request, one response, both bounded.
//!
//! A request is answered at once. Whatever takes time (a bid, a piece of work, a verdict) is a later request of the
//! other side. The transport carries these as opaque bytes.

use serde::{Deserialize, Serialize};

use crate::codec::{self, Bytes, DecodeError, List, Text};
use crate::hire::HireId;
use crate::id::{AgentId, Bytes32};
use crate::limits;
use crate::market::Reason;
use crate::record::Record;

/// A record on its way, with its private part beside it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Item {
    /// The encoded private part, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub beside: Option<Bytes<{ limits::BESIDE }>>,
    /// The envelope, exactly as its issuer made it.
    pub record: Bytes<{ limits::RECORD }>,
}

impl Item {
    /// Wraps a record.
    pub fn of(record: &Record) -> Self {
        let fits = "records are bounded by `Record::admit` and `Signer`";
        let beside = record.beside().map(|bytes| bytes.to_vec().try_into().expect(fits));
        Self { beside, record: record.envelope().to_vec().try_into().expect(fits) }
    }
}

/// A question to a peer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Request {
    /// Take these records. Answered once what they justify is durable.
    Parcel(List<Item, { limits::PARCEL_ITEMS }>),
    /// What do you hold of this room, after this record?
    Page {
        /// The room.
        room: Text<{ limits::NAME }>,
        /// The cursor of the page before.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        after: Option<Bytes32>,
    },
    /// Ratings of one subject, in order of their ids, after this one.
    Ratings {
        /// Whom they are about.
        about: AgentId,
        /// The cursor of the answer before.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        after: Option<Bytes32>,
    },
    /// Ratings by one rater, in order of their ids, after this one.
    RatingsBy {
        /// Who gave them.
        by: AgentId,
        /// The cursor of the answer before.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        after: Option<Bytes32>,
    },
    /// These ratings.
    RatingsById(List<Bytes32, { limits::NEWS }>),
    /// The leaf hashes of a blob.
    Leaves {
        /// Within this hire.
        hire: HireId,
        /// The blob.
        root: Bytes32,
    },
    /// One chunk of a blob.
    Chunk {
        /// Within this hire.
        hire: HireId,
        /// The blob.
        root: Bytes32,
        /// Which chunk, from 0.
        index: u32,
    },
}

/// What became of a record that was sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Reply {
    /// It is held; durably, if it is a record of a hire. It need not be sent again.
    Kept,
    /// Something before it is missing, or there is no room at the moment: send again later.
    Later,
    /// It is of no use here and never will be.
    Ignored(Reason),
    /// It is wrong.
    Refused(Reason),
}

/// The answer to a [`Request`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Response {
    /// To a parcel, in its order.
    Replies(List<Reply, { limits::PARCEL_ITEMS }>),
    /// To a page request.
    Page {
        /// Where to go on; absent at the end.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        next: Option<Bytes32>,
        /// Envelopes of manifests, offers and contacts.
        records: List<Bytes<{ limits::GOSSIP_RECORD }>, { limits::ANSWER_ROWS }>,
    },
    /// To a request for ratings: what is held of them.
    Ratings {
        /// Where to go on; absent at the end.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        next: Option<Bytes32>,
        /// Envelopes.
        ratings: List<Bytes<{ limits::RATING_RECORD }>, { limits::STRANGERS }>,
    },
    /// Leaf hashes, 32 bytes each.
    Leaves(Bytes<{ limits::MESSAGE }>),
    /// A chunk.
    Chunk(Bytes<{ limits::MESSAGE }>),
    /// Not here, or not for you.
    No(Text<{ limits::SUMMARY }>),
}

macro_rules! message {
    ($($name:ident),*) => {$(
        impl $name {
            /// Its bytes.
            pub fn encode(&self) -> Vec<u8> {
                codec::encode(self)
            }
            /// Reads it strictly.
            pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
                codec::decode(bytes, limits::MESSAGE)
            }
        }
    )*};
}
message!(Request, Response);
