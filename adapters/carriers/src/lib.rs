#![doc = include_str!("../README.md")]

mod acceptor;
mod address;
pub mod causes;
mod connect;
mod error;
mod head;
mod on_runtime;
mod origin;
mod pollable;
mod proxies;
mod server;
mod socket;
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
pub use ipnet;
pub use proxies::{ForwardingHeader, MAX_PROXY_HEADER, ProxyProtocolError, TrustedProxies};
#[cfg(feature = "tls")]
pub use rustls;
pub use server::Server;
pub use socket::prepare;
#[cfg(feature = "tls")]
pub use tls::{Tls, TlsServer, TlsStream};
pub use tungstenite::http;
pub use unbroken_driver as driver;
pub use upgrade::{
    MAX_HEAD, SUBPROTOCOL, Upgrade, UpgradeError, answer, encode_refusal, encode_response, parse_request,
};
pub use websocket::WebSocket;
