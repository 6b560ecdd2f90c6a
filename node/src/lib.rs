//! node

pub mod api;
pub mod cli;
pub mod config;
pub mod demo_agent;
pub mod demo_files;
pub mod driver;
pub mod identity;
pub mod limits;
pub mod node;
pub mod store;
pub mod task;
pub mod work;
