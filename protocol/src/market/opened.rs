//! News that ratings have opened. Gossiped in place of the ratings, which are ten times as long: whoever is interested in
//! their subjects asks the rater for them.

use serde::{Deserialize, Serialize};

use crate::codec::{Ext, List};
use crate::id::{AgentId, Id};
use crate::limits;
use crate::market::rating::Rating;
use crate::record::{Invalid, Network, Nothing, Payload, ensure};
use crate::time::Timestamp;

/// A rating that can be had from the issuer of the news.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct News {
    /// Its id.
    pub rating: Id<Rating>,
    /// Whom it is about.
    pub subject: AgentId,
}

/// Ratings that their issuer has opened. Of no use after `limits::NEWS_LIFE`; it supersedes nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Opened {
    /// When it was made.
    pub at: Timestamp,
    /// What later releases add.
    #[serde(default, skip_serializing_if = "Ext::is_empty")]
    pub ext: Ext,
    /// At least one.
    pub ratings: List<News, { limits::NEWS }>,
}

impl Payload for Opened {
    const KIND: &'static str = "opened/1";
    const MAX: usize = limits::SMALL;
    type Private = Nothing;
    fn check(&self, _: &AgentId, _: &Network) -> Result<(), Invalid> {
        ensure(!self.ratings.is_empty(), "news of nothing")
    }
}
