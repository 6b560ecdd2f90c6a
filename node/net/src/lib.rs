//! node/net
