//! How far an address reaches, and which addresses a peer's word may be taken for.
//!
//! A peer tells us all its addresses; one that only works on its own machine or network would poison our tables and,
//! through them, everybody's. What it may tell is judged by where it really is: the remote address of its connection.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use libp2p::Multiaddr;
use libp2p::PeerId;
use libp2p::multiaddr::Protocol;

/// How far an address reaches. Ordered: wider is greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// This machine.
    Loopback,
    /// A private or link-local network.
    Private,
    /// Everywhere. DNS names count as such: nobody publishes a name for a private address by accident.
    Global,
}

/// Whether it leads through a relay. A peer that came to us through one shows its name alone.
pub fn is_relayed(address: &Multiaddr) -> bool {
    matches!(address.iter().next(), Some(Protocol::P2p(_))) || address.iter().any(|part| part == Protocol::P2pCircuit)
}

/// The scope of an address, or of the relay it leads through; none if it can be nobody's (unspecified, multicast, not IP
/// or DNS).
pub fn scope_of(address: &Multiaddr) -> Option<Scope> {
    match address.iter().next()? {
        Protocol::Ip4(ip) => ip_scope(IpAddr::V4(ip)),
        Protocol::Ip6(ip) => ip_scope(IpAddr::V6(ip)),
        Protocol::Dns(_) | Protocol::Dns4(_) | Protocol::Dns6(_) => Some(Scope::Global),
        _ => None,
    }
}

fn ip_scope(ip: IpAddr) -> Option<Scope> {
    match ip.to_canonical() {
        ip if ip.is_unspecified() || ip.is_multicast() => None,
        IpAddr::V4(Ipv4Addr::BROADCAST) => None,
        ip if ip.is_loopback() => Some(Scope::Loopback),
        IpAddr::V4(ip) if ip.is_private() || ip.is_link_local() || is_carrier_nat(ip) => Some(Scope::Private),
        IpAddr::V6(ip) if is_local_v6(ip) => Some(Scope::Private),
        _ => Some(Scope::Global),
    }
}

/// RFC 6598, 100.64.0.0/10: addresses between a carrier's NAT and its customers.
fn is_carrier_nat(ip: Ipv4Addr) -> bool {
    ip.octets()[0] == 100 && ip.octets()[1] & 0xc0 == 64
}

/// RFC 4193 unique local (fc00::/7) and RFC 4291 link local (fe80::/10).
fn is_local_v6(ip: Ipv6Addr) -> bool {
    ip.is_unique_local() || ip.is_unicast_link_local()
}

/// Of the addresses a peer claims, those that reach at least as far as where we see it.
///
/// Loopback is believed of a peer on this machine only, a private address of one on a private network or this machine.
pub fn plausible<'a>(
    peer: PeerId,
    claimed: impl IntoIterator<Item = &'a Multiaddr>,
    seen_at: &Multiaddr,
) -> impl Iterator<Item = Multiaddr> {
    let seen = scope_of(seen_at);
    claimed
        .into_iter()
        .filter_map(move |address| without_peer(address, &peer))
        .filter(move |address| seen.is_some() && scope_of(address) >= seen)
}

/// The address without its `/p2p/` end; none if that names another peer.
pub fn without_peer(address: &Multiaddr, peer: &PeerId) -> Option<Multiaddr> {
    let mut address = address.clone();
    match address.iter().last() {
        Some(Protocol::P2p(named)) if named == *peer => {
            address.pop();
            Some(address)
        }
        Some(Protocol::P2p(_)) | None => None,
        Some(_) => Some(address),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope(text: &str) -> Option<Scope> {
        scope_of(&text.parse().unwrap())
    }

    #[test]
    fn addresses_have_the_scope_their_registries_give_them() {
        assert_eq!(scope("/ip4/127.0.0.1/tcp/1"), Some(Scope::Loopback));
        assert_eq!(scope("/ip6/::1/udp/1/quic-v1"), Some(Scope::Loopback));
        assert_eq!(scope("/ip6/::ffff:127.0.0.1/tcp/1"), Some(Scope::Loopback));
        for private in ["10.1.2.3", "172.16.0.1", "192.168.0.1", "169.254.1.1", "100.64.0.1", "100.127.255.255"] {
            assert_eq!(scope(&format!("/ip4/{private}/tcp/1")), Some(Scope::Private), "{private}");
        }
        assert_eq!(scope("/ip6/fe80::1/tcp/1"), Some(Scope::Private));
        assert_eq!(scope("/ip6/fd00::1/tcp/1"), Some(Scope::Private));
        assert_eq!(scope("/ip4/100.128.0.1/tcp/1"), Some(Scope::Global));
        assert_eq!(scope("/dns4/door.example/tcp/1"), Some(Scope::Global));
        for nobody in ["/ip4/0.0.0.0/tcp/1", "/ip4/224.0.0.1/tcp/1", "/memory/1"] {
            assert_eq!(scope(nobody), None, "{nobody}");
        }
    }

    #[test]
    fn a_peer_is_believed_only_about_addresses_that_reach_us() {
        let peer = PeerId::random();
        let claimed: Vec<Multiaddr> =
            ["/ip4/127.0.0.1/tcp/1", "/ip4/10.0.0.1/tcp/1", "/ip4/8.8.8.8/tcp/1", "/ip4/0.0.0.0/tcp/1"]
                .map(|text| text.parse().unwrap())
                .to_vec();
        let believed =
            |seen: &str| plausible(peer, &claimed, &seen.parse().unwrap()).map(|a| a.to_string()).collect::<Vec<_>>();
        assert_eq!(believed("/ip4/127.0.0.1/tcp/9").len(), 3);
        assert_eq!(believed("/ip4/192.168.1.1/tcp/9"), ["/ip4/10.0.0.1/tcp/1", "/ip4/8.8.8.8/tcp/1"]);
        assert_eq!(believed("/ip4/9.9.9.9/tcp/9"), ["/ip4/8.8.8.8/tcp/1"]);
        assert!(believed("/memory/9").is_empty());
    }

    #[test]
    fn an_address_that_names_another_peer_is_dropped() {
        let (peer, other) = (PeerId::random(), PeerId::random());
        let own: Multiaddr = format!("/ip4/8.8.8.8/tcp/1/p2p/{peer}").parse().unwrap();
        assert_eq!(without_peer(&own, &peer).unwrap().to_string(), "/ip4/8.8.8.8/tcp/1");
        assert_eq!(without_peer(&own, &other), None);
    }
}
