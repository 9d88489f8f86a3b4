//! A place where connections are accepted.

use std::fmt;
use std::io;
use std::path::PathBuf;

use tokio::net::{TcpListener, TcpStream};

use super::spec::Bind;
use crate::failure::Failure;
use crate::unix::{UnixListener, UnixStream};

/// One place. A socket at a path is removed with it.
#[derive(Debug)]
pub(crate) enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener, PathBuf),
}

/// What was accepted.
#[derive(Debug)]
pub(crate) enum Accepted {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Listener {
    pub(crate) async fn bind(bind: &Bind) -> Result<Listener, Failure> {
        match bind {
            Bind::Tcp(host, port) => {
                let listener = TcpListener::bind((host.as_str(), *port)).await;
                listener
                    .map(Listener::Tcp)
                    .map_err(Failure::unable(format_args!("cannot listen at {host}:{port}")))
            }
            Bind::Unix(path) => {
                let listener = UnixListener::bind(path);
                let listener =
                    listener.map_err(Failure::unable(format_args!("cannot listen at {}", path.display())))?;
                Ok(Listener::Unix(listener, path.clone()))
            }
        }
    }

    pub(crate) async fn accept(&self) -> io::Result<Accepted> {
        match self {
            Listener::Tcp(listener) => {
                let (socket, _) = listener.accept().await?;
                let _as_well_as_without = socket.set_nodelay(true);
                Ok(Accepted::Tcp(socket))
            }
            Listener::Unix(listener, _) => Ok(Accepted::Unix(listener.accept().await?.0)),
        }
    }
}

impl fmt::Display for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Listener::Tcp(listener) => match listener.local_addr() {
                Ok(address) => write!(f, "{address}"),
                Err(_) => f.write_str("a port"),
            },
            Listener::Unix(_, path) => write!(f, "{}", path.display()),
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Listener::Unix(_, path) = self {
            let _gone_already = std::fs::remove_file(path);
        }
    }
}
