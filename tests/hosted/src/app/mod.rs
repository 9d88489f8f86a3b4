//! Applications: what they do with sessions and streams, with every waiting future dropped at any point and tried again.

mod reader;
mod session;
mod task;
mod watch;
mod writer;

pub(crate) use session::BROADCAST;
pub use session::{abort, close, probe, run};
pub(crate) use task::insist;
pub use task::{App, Task};
pub use watch::{drain_probed, watch};
