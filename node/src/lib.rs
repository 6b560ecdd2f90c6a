//! node

pub mod demo_agent;
pub mod demo_files;
pub mod limits;
pub mod store;
pub mod work;
