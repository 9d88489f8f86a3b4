//! One accepted connection: TLS, one request, and the WebSocket that may follow.

use std::convert::Infallible;
use std::sync::Arc;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use unbroken_tokio::carriers::http::StatusCode;
use unbroken_tokio::carriers::http::header::{CONNECTION, HeaderValue};

use super::routes::{Upgrading, answer};
use super::shared::Shared;
use super::websocket::converse;

/// Longest head of a request, in bytes, more or less: hyper reads no further.
const MAX_HEAD: usize = 32 << 10;

/// Serves one connection until it is closed, in one way or another.
pub(super) async fn serve(shared: Arc<Shared>, stream: TcpStream) {
    // It costs latency where it cannot be set, and nothing else.
    let _set = stream.set_nodelay(true);
    let Ok(address) = stream.local_addr() else {
        return;
    };
    let settings = &shared.settings;
    let scheme = if settings.tls.is_some() { "wss" } else { "ws" };
    let base = settings.public_url.clone();
    let base = base.unwrap_or_else(|| format!("{scheme}://{address}"));
    let patience = settings.request_timeout;
    match &settings.tls {
        Some(tls) => {
            if let Ok(Ok(stream)) = timeout(patience, tls.accept(stream)).await {
                converse_http(&shared, &base, stream).await;
            }
        }
        None => converse_http(&shared, &base, stream).await,
    }
}

async fn converse_http<S>(shared: &Arc<Shared>, base: &str, stream: S)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let upgrading = Upgrading::default();
    let service = service_fn(async |request| {
        let mut answer = answer(shared, base, &upgrading, request).await;
        if answer.status() != StatusCode::SWITCHING_PROTOCOLS {
            // One request is all, so that the time limit holds for it. (hyper's own `keep_alive` would say so in an upgrade, too.)
            answer
                .headers_mut()
                .insert(CONNECTION, HeaderValue::from_static("close"));
        }
        Ok::<_, Infallible>(answer)
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .max_buf_size(MAX_HEAD)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    let Ok(Ok(())) = timeout(shared.settings.request_timeout, served).await else {
        return;
    };
    if let Some((on_upgrade, attached)) = upgrading.take()
        && let Ok(upgraded) = on_upgrade.await
    {
        converse(TokioIo::new(upgraded), &attached).await;
    }
}
