//! Bounds of this crate, with their reasons. Those of the network are `gigmesh_net::Capacity::BOOTSTRAP`.

use std::time::Duration;

/// A key file is 65 bytes; whatever is longer is something else and is not read to its end.
pub const KEY_FILE_BYTES: u64 = 256;
/// A process id in decimal.
pub const PID_BYTES: u64 = 16;
/// Open files wanted: a socket for each TCP connection, and some for everything else.
pub const OPEN_FILES: u64 = gigmesh_net::Capacity::BOOTSTRAP.total as u64 + 256;
/// How often the log says how many peers there are.
pub const REPORT_INTERVAL: Duration = Duration::from_secs(60);
