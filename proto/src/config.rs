//! What a host chooses, with limits and defaults. Every buffer's bound is here.
//!
//! A configuration is made by `new` or `default`; its fields can be assigned, or changed one by one with the `with_…` that
//! each has. As fields may be added, none can be written as a literal:
//!
//! ```
//! use std::time::Duration;
//! use unbroken_proto::SessionConfig;
//! let config = SessionConfig::default().with_linger(Duration::from_secs(3)).with_max_streams(16);
//! assert!(config.validate().is_ok());
//! ```

mod client;
mod patience;
mod seed;
mod server;
mod session;

pub use self::client::ClientConfig;
pub use self::patience::{Heartbeat, Stuck};
pub use self::seed::Seed;
pub use self::server::{Rate, SameName, ServerConfig, WhenDetachedFull};
pub use self::session::SessionConfig;
pub use crate::budget::WindowBudget;
pub use crate::limits::{
    FRAME_CHARGE, MAX_CODE, MAX_CREDENTIAL, MAX_LABEL, MAX_LABELS, MAX_NAME, MAX_PACKET, MAX_PRESERVED, MAX_REASON,
};
