#![doc = include_str!("../README.md")]

mod acceptor;
mod address;
pub mod causes;
mod connect;
mod deferred;
mod durable;
mod error;
mod following;
mod head;
#[cfg(all(feature = "network", target_os = "linux"))]
mod network;
mod on_runtime;
mod origin;
mod pollable;
mod proxies;
mod redirect;
mod request;
mod response;
mod server;
mod socket;
#[cfg(feature = "tls")]
mod tls;
mod upgrade;
mod websocket;

pub use acceptor::{Acceptor, upgrading};
pub use address::Address;
pub use bytes;
#[cfg(feature = "trace")]
pub use connect::connect_traced;
pub use connect::{connect, connect_after, connect_tcp, connect_with, connect_ws, connector, dial};
pub use durable::{connect_durable, import};
pub use error::{AddressError, StartError};
pub use ipnet;
#[cfg(all(feature = "network", target_os = "linux"))]
pub use network::NetworkWatcher;
pub use proxies::{ForwardingHeader, MAX_PROXY_HEADER, ProxyProtocolError, TrustedProxies};
pub use redirect::{Credentials, MAX_REDIRECTS, RedirectError};
pub use request::{answer, encode_refusal, encode_response, parse_request};
pub use response::{Upgrade, retry_after};
#[cfg(feature = "tls")]
pub use rustls;
pub use server::Server;
pub use socket::prepare;
#[cfg(feature = "tls")]
pub use tls::{Tls, TlsServer, TlsStream};
pub use tungstenite::http;
pub use unbroken_driver as driver;
pub use upgrade::{MAX_HEAD, MAX_HEADERS, SUBPROTOCOL, UpgradeError};
pub use websocket::WebSocket;
