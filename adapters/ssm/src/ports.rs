//! Port sessions: local connections into a session, and a session's to where it leads.
//!
//! | session | streams | who begins |
//! |---|---|---|
//! | port forwarding between current programs | many, multiplexed with smux | [`listen`] and [`serve`] |
//! | port forwarding with an end that has no smux ("basic") | one after the other | the same |
//! | ssh, and all else that is not `LocalPortForwarding` | one, as long as the session | [`pump`] and [`serve`] |

mod client;
mod listener;
mod serve;

pub use client::{listen, pump};
pub use listener::Listener;
pub use serve::serve;
