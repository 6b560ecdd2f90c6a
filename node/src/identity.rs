//! The key of this node: made once, never silently replaced. The bootstrap's is kept the same way, so the code is there.

pub mod backup;

pub use gigmesh_bootstrap::identity::{IdentityError, install, load, load_or_create};
