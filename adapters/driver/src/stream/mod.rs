//! Streams as applications hold them.

mod messages;
mod recv;
mod send;
#[cfg(feature = "tokio")]
mod tokio_io;
mod whole;

pub use recv::{RecvError, RecvHalf};
pub use send::SendHalf;
pub use whole::Stream;
