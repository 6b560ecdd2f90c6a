//! The researchers' door: the market's own brain (`gigmesh-protocol`) under virtual time.
//!
//! The brain takes time, random bytes and messages as arguments, so a simulated peer runs the very code a node runs. The
//! integration tests of `gigmesh-protocol` (`tests/it/world.rs`) show how: a queue of messages by virtual time, a network
//! that can be cut, peers that fall and come back. Scenarios, attackers and reports are not here yet, and this crate
//! offers nothing until they are.
