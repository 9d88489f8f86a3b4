//! WebSocket and TLS for unbroken sessions, and their two ends, on any runtime.
//!
//! What a runtime gives is the trait [`Runtime`](unbroken_driver::Runtime) of the driver: time, tasks and sockets. On top of it
//! stand the two ends of sessions: [`connect`] and its relatives dial, a [`Server`] accepts. The adapters of a runtime
//! (`unbroken-tokio`, `unbroken-smol`, `unbroken-async-std`) name it and pass these on.
//!
//! Between the two, [`Address`] (dialling) and [`Acceptor`] (accepting) make a [`Connected`](unbroken_driver::Connected)
//! of any [`ByteStream`](unbroken_driver::ByteStream), the same way on every runtime.
//!
//! The HTTP upgrade itself does no I/O ([`Upgrade`], [`answer`]): an HTTP server that upgrades connections can
//! mount sessions with [`answer`] and [`upgrading`].
//!
//! Feature `tls`: `wss://` and `tls://` through rustls. [`causes`] has the table of what errors mean.

mod acceptor;
mod address;
pub mod causes;
mod connect;
mod error;
mod head;
mod on_runtime;
mod pollable;
mod server;
#[cfg(feature = "tls")]
mod tls;
mod upgrade;
mod websocket;

pub use acceptor::{Acceptor, upgrading};
pub use address::Address;
#[cfg(feature = "trace")]
pub use connect::connect_traced;
pub use connect::{connect, connect_after, connect_tcp, connect_with, connect_ws, connector, dial};
pub use error::{AddressError, StartError};
#[cfg(feature = "tls")]
pub use rustls;
pub use server::Server;
#[cfg(feature = "tls")]
pub use tls::{Tls, TlsServer, TlsStream};
pub use tungstenite::http;
pub use unbroken_driver as driver;
pub use upgrade::{
    MAX_HEAD, SUBPROTOCOL, Upgrade, UpgradeError, answer, encode_refusal, encode_response, parse_request,
};
pub use websocket::WebSocket;
