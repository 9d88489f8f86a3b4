//! What the host makes of a clock that goes back.
#![allow(clippy::unwrap_used, reason = "a test")]

mod common;

use std::collections::VecDeque;
use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex};
use std::task::{Context, Waker};

use common::NoStream;
use unbroken_driver::proto::config::Seed;
use unbroken_driver::proto::security::ServerAuth;
use unbroken_driver::proto::server::Placement;
use unbroken_driver::proto::{Duration, Instant, ServerConfig};
use unbroken_driver::{Connected, Framed, Runtime, ServerHandle, Verdict};

/// Its clock shows seconds that somebody sets, and it has nothing else.
#[derive(Clone, Default)]
struct Settable {
    seconds: Arc<AtomicU64>,
    /// What happens between the next readings of the clock and the return of what they read.
    meanwhile: Arc<Mutex<VecDeque<Meanwhile>>>,
}

type Meanwhile = Box<dyn FnOnce() + Send>;

impl Runtime for Settable {
    type Stream = NoStream;
    type Listener = ();

    fn now(&self) -> Instant {
        let shown = Instant::from_millis(self.seconds.load(Relaxed) * 1_000);
        let meanwhile = self.meanwhile.lock().unwrap().pop_front();
        if let Some(meanwhile) = meanwhile {
            meanwhile();
        }
        shown
    }
    fn sleep(&self, _: Duration) -> impl Future<Output = ()> + Send + 'static {
        std::future::pending()
    }
    fn spawn(&self, _: impl Future<Output = ()> + Send + 'static) {}
    fn resolve(&self, _: &str, _: u16) -> impl Future<Output = io::Result<Vec<SocketAddr>>> + Send + 'static {
        std::future::pending()
    }

    fn connect(&self, _: SocketAddr) -> impl Future<Output = io::Result<NoStream>> + Send + 'static {
        std::future::pending()
    }
    async fn accept(&self, (): &()) -> io::Result<(NoStream, Option<IpAddr>)> {
        std::future::pending().await
    }
}

fn server() -> (Settable, Arc<ServerHandle>) {
    let runtime = Settable::default();
    let config = ServerConfig::new(ServerAuth::anonymous());
    let authorise = Box::new(|_| -> Verdict { Box::pin(std::future::ready(Ok(Placement::default()))) });
    let server = ServerHandle::new(&runtime, config, Seed([1; 32]), authorise).unwrap();
    (runtime, server)
}

/// The time that `server` has when the clock of `runtime` shows `seconds`.
fn shows(runtime: &Settable, server: &ServerHandle, seconds: u64) -> u64 {
    runtime.seconds.store(seconds, Relaxed);
    server.registry(|_, now| now.as_nanos() / 1_000_000_000)
}

#[test]
fn a_clock_that_goes_back_goes_on_from_where_it_stood() {
    let (runtime, server) = server();
    let shows = |seconds| shows(&runtime, &server, seconds);
    assert_eq!((shows(100), shows(10), shows(15)), (100, 100, 105));
    // Again, and forward, which is time that has passed.
    assert_eq!((shows(5), shows(6), shows(1_000)), (105, 106, 1_100));
}

/// Found by reading: a thread that was interrupted when it had read the clock took what another saw since for a clock that
/// went back, and time was ahead by as much for good.
#[test]
fn a_thread_that_is_interrupted_while_it_reads_the_clock_puts_nothing_ahead() {
    let (runtime, server) = server();
    assert_eq!(shows(&runtime, &server, 100), 100);
    let mut cx = Context::from_waker(Waker::noop());
    // A silent connection, which the registry has a timer for.
    let silent = Connected::ordered(Framed::accepted(NoStream));
    let mut serving = pin!(Arc::clone(&server).serve(silent));
    assert!(serving.as_mut().poll(&mut cx).is_pending());
    let (interrupted, other) = (runtime.clone(), Arc::clone(&server));
    let meanwhile = move || assert_eq!(shows(&interrupted, &other, 102), 102);
    // The first reading is under the server's lock, the second the timer's.
    let readings: [Meanwhile; 2] = [Box::new(|| {}), Box::new(meanwhile)];
    runtime.meanwhile.lock().unwrap().extend(readings);
    let mut timers = pin!(Arc::clone(&server).run_timers());
    assert!(timers.as_mut().poll(&mut cx).is_pending());
    assert!(runtime.meanwhile.lock().unwrap().is_empty());
    assert_eq!(shows(&runtime, &server, 103), 103);
}
