//! A place where connections are accepted.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use tokio::net::TcpListener;

use crate::failure::Failure;
use crate::socket::Socket;
use crate::target::{Target, host_and_port};
use crate::unix::UnixListener;

/// Where connections are to be accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Bind {
    /// On an address and a port; 0: any that is free.
    Tcp(String, u16),
    /// At a path.
    Unix(PathBuf),
}

impl Bind {
    /// The same, as what may be allowed or not.
    pub(crate) fn as_target(&self) -> Target {
        match self {
            Bind::Tcp(host, port) => Target::Tcp {
                host: host.clone(),
                port: *port,
            },
            Bind::Unix(path) => Target::Unix(path.display().to_string()),
        }
    }
}

impl fmt::Display for Bind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_target().fmt(f)
    }
}

impl FromStr for Bind {
    type Err = String;

    /// `[BIND:]PORT`, `*:PORT`, `/PATH` or `unix:/PATH`; on loopback if nothing else is said.
    fn from_str(text: &str) -> Result<Bind, String> {
        let number = |port: &str| {
            port.parse()
                .map_err(|_| String::from("a port is a number from 0 to 65535"))
        };
        if let Some(path) = text
            .strip_prefix("unix:")
            .or(Some(text))
            .filter(|path| path.starts_with('/'))
        {
            return Ok(Bind::Unix(path.into()));
        }
        match text.rsplit_once(':') {
            None => Ok(Bind::Tcp("127.0.0.1".into(), number(text)?)),
            Some(("*", port)) => Ok(Bind::Tcp("0.0.0.0".into(), number(port)?)),
            // The host is judged as that of a target, which has no port 0.
            Some((host, "0")) => Ok(Bind::Tcp(host_and_port(&format!("{host}:1"))?.0, 0)),
            Some(_) => host_and_port(text).map(|(host, port)| Bind::Tcp(host, port)),
        }
    }
}

/// One place. A socket at a path is removed with it.
#[derive(Debug)]
pub(crate) enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener, PathBuf),
}

impl Listener {
    pub(crate) async fn bind(bind: &Bind) -> io::Result<Listener> {
        match bind {
            Bind::Tcp(host, port) => TcpListener::bind((host.as_str(), *port)).await.map(Listener::Tcp),
            Bind::Unix(path) => UnixListener::bind(path).map(|listener| Listener::Unix(listener, path.clone())),
        }
    }

    /// The same for a command that cannot go on without.
    pub(crate) async fn bind_or_fail(bind: &Bind) -> Result<Listener, Failure> {
        let listener = Listener::bind(bind).await;
        listener.map_err(Failure::unable(format_args!("cannot listen at {bind}")))
    }

    /// The next connection; tries again when the system cannot accept, being out of files.
    pub(crate) async fn next(&self) -> Socket {
        loop {
            match self.accept().await {
                Ok(accepted) => return accepted,
                Err(error) => {
                    eprintln!("unbroken: cannot accept at {self}: {error}");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
        }
    }

    async fn accept(&self) -> io::Result<Socket> {
        match self {
            Listener::Tcp(listener) => Ok(Socket::tcp(listener.accept().await?.0)),
            Listener::Unix(listener, _) => Ok(Socket::Unix(listener.accept().await?.0)),
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
            Listener::Unix(_, path) => write!(f, "unix:{}", path.display()),
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
