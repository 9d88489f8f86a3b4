//! Where a forwarded port is accepted here.

use tokio::io::{AsyncRead, AsyncWrite};
use unbroken_ssm::ports::Listener as Accepts;
use unbroken_ssm::proto::ssm::body::{PortProperties, UNIX};

use crate::failure::Failure;
use crate::listener::{Bind, Listener};
use crate::socket::Socket;

/// What the document asks for: a port, any that is free where it names none, or a Unix socket.
pub(super) fn asked(port: &PortProperties, session_id: &str) -> Result<Bind, Failure> {
    if port.local_connection_type.as_deref() == Some(UNIX) {
        let path = port.local_unix_socket.clone().filter(|path| !path.is_empty());
        let usual = || std::env::temp_dir().join(format!("{session_id}_session_manager.sock"));
        return Ok(Bind::Unix(path.map_or_else(usual, Into::into)));
    }
    let number = match port.local_port_number.as_deref() {
        None | Some("") => 0,
        Some(text) => text
            .parse()
            .map_err(|_| Failure::Unable(format!("localPortNumber is a number from 0 to 65535, not {text:?}")))?,
    };
    Ok(Bind::Tcp("127.0.0.1".into(), number))
}

/// What a [`Listener`] accepts.
pub(super) trait Io: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

/// Connections of a [`Listener`].
pub(super) struct Local<'a>(pub(super) &'a Listener);

impl Accepts for Local<'_> {
    type Io = Box<dyn Io>;

    async fn accept(&self) -> std::io::Result<Box<dyn Io>> {
        Ok(match self.0.next().await {
            Socket::Tcp(socket) => Box::new(socket),
            Socket::Unix(socket) => Box::new(socket),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_a_port_is_accepted() {
        let port = |number: Option<&str>| PortProperties {
            local_port_number: number.map(Into::into),
            ..PortProperties::default()
        };
        let loopback = |number| Bind::Tcp("127.0.0.1".into(), number);
        for (number, expected) in [(None, 0), (Some(""), 0), (Some("0"), 0), (Some("8080"), 8_080)] {
            let bind = asked(&port(number), "s").expect("a port");
            assert_eq!(bind, loopback(expected), "{number:?}");
        }
        for wrong in ["http", "-1", "65536"] {
            assert!(asked(&port(Some(wrong)), "s").is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_unix_socket_has_a_usual_place() {
        let unix = |path: Option<&str>| PortProperties {
            local_connection_type: Some(UNIX.into()),
            local_unix_socket: path.map(Into::into),
            ..PortProperties::default()
        };
        let at = |path: Option<&str>| asked(&unix(path), "s-1").expect("a path");
        assert_eq!(at(Some("/run/x")), Bind::Unix("/run/x".into()));
        let usual = std::env::temp_dir().join("s-1_session_manager.sock");
        assert_eq!(at(None), Bind::Unix(usual));
    }
}
