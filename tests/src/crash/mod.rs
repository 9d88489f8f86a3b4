//! Every order of events of a small world of durable sessions in which processes die: packets that arrive or are lost,
//! records that are written and kept or not, connections that break, and a kill at any step, followed by a restart with what was
//! kept by then. The real machines and the real registry.
//!
//! - [`Budget`]: how much may happen.
//! - [`explore`]: the search; what it looks at in each state is in `checks`.

mod acts;
mod app;
mod checks;
mod disk;
mod explore;
mod heal;
mod world;

pub use acts::Act;
pub use explore::{Explored, explore};
pub use world::Budget;
