//! What the host makes of a clock that goes back.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::future::Future;
use std::io::{self, IoSlice};
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Poll};

use unbroken_driver::proto::config::Seed;
use unbroken_driver::proto::security::ServerAuth;
use unbroken_driver::proto::server::Placement;
use unbroken_driver::proto::{Duration, Instant, ServerConfig};
use unbroken_driver::{ByteStream, Runtime, ServerHandle, Verdict};

/// Its clock shows seconds that somebody sets, and it has nothing else.
#[derive(Clone, Default)]
struct Settable(Arc<AtomicU64>);

struct NoStream;

impl ByteStream for NoStream {
    fn poll_read_slice(&mut self, _: &mut Context<'_>, _: &mut [u8]) -> Poll<io::Result<usize>> {
        Poll::Pending
    }
    fn poll_write(&mut self, _: &mut Context<'_>, _: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        Poll::Pending
    }
    fn poll_flush(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Pending
    }
    fn poll_close(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Pending
    }
}

impl Runtime for Settable {
    type Stream = NoStream;
    type Listener = ();

    fn now(&self) -> Instant {
        Instant::from_millis(self.0.load(Relaxed) * 1_000)
    }
    fn sleep(&self, _: Duration) -> impl Future<Output = ()> + Send + 'static {
        std::future::pending()
    }
    fn spawn(&self, _: impl Future<Output = ()> + Send + 'static) {}
    fn connect(&self, _: &str, _: u16) -> impl Future<Output = io::Result<NoStream>> + Send + 'static {
        std::future::pending()
    }
    async fn accept(&self, (): &()) -> io::Result<(NoStream, Option<IpAddr>)> {
        std::future::pending().await
    }
}

#[test]
fn a_clock_that_goes_back_goes_on_from_where_it_stood() {
    let runtime = Settable::default();
    let config = ServerConfig::new(ServerAuth::anonymous());
    let authorise = Box::new(|_| -> Verdict { Box::pin(std::future::ready(Ok(Placement::default()))) });
    let server = ServerHandle::new(&runtime, config, Seed([1; 32]), authorise).unwrap();
    let shows = |seconds| {
        runtime.0.store(seconds, Relaxed);
        server.registry(|_, now| now.as_nanos() / 1_000_000_000)
    };
    assert_eq!((shows(100), shows(10), shows(15)), (100, 100, 105));
    // Again, and forward, which is time that has passed.
    assert_eq!((shows(5), shows(6), shows(1_000)), (105, 106, 1_100));
}
