//! Where a server listens.

use tokio::net::TcpListener;
use unbroken_tokio::Acceptor;
use unbroken_tokio::carriers::http::{Response, StatusCode};

use crate::failure::Failure;
use crate::options::endpoints::Serve;
use crate::tls;

/// `ws://HOST:PORT[/PATH]`, `wss://…`, `tcp://HOST:PORT`, `tls://HOST:PORT`. Port 0 is any that is free.
#[derive(Debug, PartialEq, Eq)]
struct Place<'a> {
    scheme: &'a str,
    host: &'a str,
    port: u16,
    /// With its slash; empty: any.
    path: &'a str,
}

impl<'a> Place<'a> {
    fn parse(url: &'a str) -> Result<Place<'a>, &'static str> {
        let expected = "expected ws://, wss://, tcp:// or tls://, an address and a port";
        let (scheme, rest) = url.split_once("://").ok_or(expected)?;
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let (host, port) = authority.rsplit_once(':').ok_or("expected an address and a port")?;
        let v6 = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let path = match (scheme, path) {
            ("ws" | "wss", path) => path,
            ("tcp" | "tls", "" | "/") => "",
            ("tcp" | "tls", _) => return Err("only WebSockets have a path"),
            _ => return Err(expected),
        };
        if host.is_empty() || v6.is_none() && host.contains([':', '[', ']']) || path.contains(['?', '#']) {
            return Err(expected);
        }
        Ok(Place {
            scheme,
            host: v6.unwrap_or(host),
            port: port.parse().map_err(|_| "a port is a number from 0 to 65535")?,
            path,
        })
    }

    fn acceptor(&self) -> Acceptor {
        match self.scheme {
            "ws" | "wss" => at_path(Acceptor::websocket(), self.path.to_owned()),
            _ => Acceptor::tcp(),
        }
    }

    fn is_secure(&self) -> bool {
        matches!(self.scheme, "wss" | "tls")
    }
}

/// Binds every address before one of them is served.
pub(crate) async fn bind(options: &Serve) -> Result<Vec<(TcpListener, Acceptor, String)>, Failure> {
    let tls = match (&options.tls_cert, &options.tls_key) {
        (Some(chain), Some(key)) => Some(tls::server(chain, key)?),
        (None, None) => None,
        _ => return Err(Failure::Unable("--tls-cert and --tls-key belong together".into())),
    };
    if options.listen.is_empty() {
        return Err(Failure::Unable("nowhere to listen: see --listen".into()));
    }
    let mut listeners = Vec::new();
    for url in &options.listen {
        let place = Place::parse(url).map_err(Failure::unable(url))?;
        let mut acceptor = place.acceptor();
        if place.is_secure() {
            let missing = || Failure::Unable(format!("{url}: --tls-cert and --tls-key are missing"));
            acceptor = acceptor.tls(tls.clone().ok_or_else(missing)?);
        }
        let listener = TcpListener::bind((place.host, place.port)).await;
        let listener = listener.map_err(Failure::unable(format_args!("cannot listen at {url}")))?;
        let bound = listener.local_addr().map_err(Failure::unable(url))?;
        listeners.push((listener, acceptor, format!("{}://{bound}{}", place.scheme, place.path)));
    }
    Ok(listeners)
}

/// Only requests for this path are upgraded, if there is one.
fn at_path(acceptor: Acceptor, path: String) -> Acceptor {
    if path.is_empty() {
        return acceptor;
    }
    acceptor.checking(move |request| {
        if request.uri().path() == path {
            return Ok(());
        }
        let mut refusal = Response::new(String::from("there is nothing here\n"));
        *refusal.status_mut() = StatusCode::NOT_FOUND;
        Err(refusal.into())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_read() {
        let place = |scheme, host, port, path| {
            Ok(Place {
                scheme,
                host,
                port,
                path,
            })
        };
        assert_eq!(Place::parse("tcp://127.0.0.1:0"), place("tcp", "127.0.0.1", 0, ""));
        assert_eq!(Place::parse("wss://[::]:443/a/b"), place("wss", "::", 443, "/a/b"));
        assert_eq!(Place::parse("ws://localhost:80"), place("ws", "localhost", 80, ""));
        for url in [
            "",
            "localhost:80",
            "http://localhost:80",
            "tcp://localhost",
            "tcp://:80",
            "tcp://::1:80",
            "tcp://localhost:99999",
            "tcp://localhost:80/x",
            "ws://localhost:80/x?y",
        ] {
            assert!(Place::parse(url).is_err(), "{url}");
        }
    }
}
