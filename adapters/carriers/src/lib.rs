//! WebSocket and TLS for unbroken sessions, over any runtime's byte streams.
//!
//! What a runtime gives is a socket; [`Address`] (dialling) and [`Acceptor`] (accepting) make a
//! [`Connected`](unbroken_driver::Connected) of it for the driver, the same way on every runtime. They take
//! anything that is a [`ByteStream`](unbroken_driver::ByteStream), such as
//! [`FuturesIo`](unbroken_driver::FuturesIo) of a futures `AsyncRead + AsyncWrite`.
//!
//! The HTTP upgrade itself does no I/O ([`Upgrade`], [`answer`]): an HTTP server that upgrades connections can
//! mount sessions with [`answer`] and [`upgrading`].
//!
//! Feature `tls`: `wss://` and `tls://` through rustls.

mod acceptor;
mod address;
mod pollable;
#[cfg(feature = "tls")]
mod tls;
mod upgrade;
mod websocket;

pub use acceptor::{Acceptor, upgrading};
pub use address::Address;
#[cfg(feature = "tls")]
pub use rustls;
#[cfg(feature = "tls")]
pub use tls::{Tls, TlsServer, TlsStream};
pub use tungstenite::http;
pub use upgrade::{
    MAX_HEAD, SUBPROTOCOL, Upgrade, answer, cause_of_status, encode_refusal, encode_response, parse_request,
};
pub use websocket::{WebSocket, cause_of_close};
