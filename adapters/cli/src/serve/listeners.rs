//! Where a server listens.

use tokio::net::TcpListener;
use unbroken_tokio::carriers::http::{Response, StatusCode};
use unbroken_tokio::{Acceptor, Address};

use crate::failure::Failure;
use crate::options::endpoints::Serve;
use crate::tls;

/// Binds every address before one of them is served.
pub(crate) async fn bind(options: &Serve) -> Result<Vec<(TcpListener, Acceptor, String)>, Failure> {
    let tls = match (&options.tls_cert, &options.tls_key) {
        (Some(chain), Some(key)) => Some(tls::server(chain, key)?),
        _ => None,
    };
    let mut listeners = Vec::new();
    for url in &options.listen {
        let address = Address::parse(url).map_err(Failure::unable(url))?;
        let mut acceptor = if address.is_websocket() {
            at_path(Acceptor::websocket(), url)
        } else {
            Acceptor::tcp()
        };
        if address.is_secure() {
            let missing = || Failure::Unable(format!("{url}: --tls-cert and --tls-key are missing"));
            acceptor = acceptor.tls(tls.clone().ok_or_else(missing)?);
        }
        let listener = TcpListener::bind(address.host_port()).await;
        let listener = listener.map_err(Failure::unable(format_args!("cannot listen at {url}")))?;
        let bound = listener.local_addr().map_err(Failure::unable(url))?;
        let scheme = url.split_once("://").map_or("tcp", |(scheme, _)| scheme);
        listeners.push((listener, acceptor, format!("{scheme}://{bound}{}", path(url))));
    }
    Ok(listeners)
}

fn path(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.find('/').map_or("", |at| &rest[at..])
}

/// Only requests for the address's path are upgraded, if it has one.
fn at_path(acceptor: Acceptor, url: &str) -> Acceptor {
    let path = path(url).to_owned();
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
