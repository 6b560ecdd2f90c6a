//! Which contacts are kept in the DHT and believed. The node judges by the same rule.

use std::sync::Arc;

use gigmesh_net::ContactFilter;
use gigmesh_protocol::limits::AHEAD;
use gigmesh_protocol::record::{Network, Record};

use crate::wall_clock;

/// Takes contact records of `network` that are signed by the agent they are filed under and live now, and gives their
/// addresses.
pub fn contact_filter(network: &str) -> ContactFilter {
    let network = Network::new(network);
    Arc::new(move |agent, bytes| {
        let Ok(Record::Contact(contact)) = Record::admit(bytes, None, &network) else { return None };
        // Before 1970 nothing is believed.
        let now = wall_clock();
        let good = contact.issuer() == *agent && contact.at <= now + AHEAD && now < contact.expires;
        good.then(|| contact.addrs.iter().map(ToString::to_string).collect())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use gigmesh_protocol::codec::{Ext, List, Text};
    use gigmesh_protocol::market::Contact;
    use gigmesh_protocol::record::Signer;
    use gigmesh_protocol::time::{Millis, Timestamp};

    #[test]
    fn a_contact_counts_for_its_own_agent_in_its_own_network_and_time() {
        let now = wall_clock();
        let address = "/ip4/127.0.0.1/tcp/4001";
        let contact = |at: Timestamp, life| Contact {
            at,
            ext: Ext::default(),
            seq: at.0,
            addrs: List::fit([Text::fit(address)]),
            expires: at + life,
        };
        let (hour, signer) = (Millis::hours(1), Signer::new(&[7; 32], Network::new("here")));
        let other = Signer::new(&[8; 32], Network::new("here")).agent();
        let (here, elsewhere) = (contact_filter("here"), contact_filter("elsewhere"));
        let good = signer.sign(&contact(now, hour));
        assert_eq!(here(&signer.agent(), good.envelope()), Some(vec![address.to_owned()]));
        assert_eq!(here(&other, good.envelope()), None, "filed under another agent");
        assert_eq!(elsewhere(&signer.agent(), good.envelope()), None, "made for another network");
        for (why, stale) in [("expired", contact(now - hour, hour)), ("not yet", contact(now + hour, hour))] {
            assert_eq!(here(&signer.agent(), signer.sign(&stale).envelope()), None, "{why}");
        }
        assert_eq!(here(&signer.agent(), b"noise"), None);
    }
}
