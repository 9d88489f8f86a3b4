//! The gateway over sockets: its HTTP by hand, its WebSockets through another implementation's client, and both ends of a session through it.

mod common;
mod ends;
mod requests;
mod sockets;
