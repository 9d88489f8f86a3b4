//! Listeners of a server, on a runtime that a test holds in its hands.

use std::io::{self, IoSlice};
use std::net::{IpAddr, SocketAddr};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use unbroken_carriers::{Acceptor, Server, StartError};
use unbroken_driver::proto::security::ServerAuth;
use unbroken_driver::proto::{Duration, Instant, ServerConfig};
use unbroken_driver::{Budget, ByteStream, Runtime};

use crate::common::{Ready, Wakes};

type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Tasks wait until the test polls them; time stands still.
#[derive(Clone, Default)]
struct Hands {
    tasks: Arc<Mutex<Vec<Task>>>,
    /// Durations that somebody asked to sleep for.
    sleeps: Arc<Mutex<Vec<Duration>>>,
}

/// A listener that accepts whenever it is asked, or always fails.
struct Gate {
    accepted: Arc<AtomicU32>,
    fails: bool,
    /// Of those that come, so many have gone before they are accepted.
    gone: AtomicU32,
    closed: Arc<AtomicBool>,
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.closed.store(true, Ordering::Relaxed);
    }
}

impl Runtime for Hands {
    type Stream = Ready<fn(&mut [u8]) -> usize>;
    type Listener = Gate;

    fn now(&self) -> Instant {
        Instant::ZERO
    }

    fn sleep(&self, duration: Duration) -> impl Future<Output = ()> + Send + 'static {
        self.sleeps.lock().unwrap().push(duration);
        std::future::pending()
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.tasks.lock().unwrap().push(Box::pin(task));
    }

    fn resolve(&self, _: &str, _: u16) -> impl Future<Output = io::Result<Vec<SocketAddr>>> + Send + 'static {
        std::future::pending()
    }

    fn connect(&self, _: SocketAddr) -> impl Future<Output = io::Result<Self::Stream>> + Send + 'static {
        std::future::pending()
    }

    async fn accept(&self, gate: &Gate) -> io::Result<(Self::Stream, Option<IpAddr>)> {
        if gate.fails {
            return Err(io::Error::other("out of file handles"));
        }
        let gone = gate
            .gone
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |gone| gone.checked_sub(1));
        if let Ok(gone) = gone {
            let kinds = [io::ErrorKind::ConnectionAborted, io::ErrorKind::Interrupted];
            return Err(kinds[gone as usize % 2].into());
        }
        gate.accepted.fetch_add(1, Ordering::Relaxed);
        let source: fn(&mut [u8]) -> usize = |_| 0;
        Ok((
            Ready {
                source,
                reads: Arc::default(),
            },
            None,
        ))
    }
}

struct World {
    hands: Hands,
    server: Server<Hands>,
    accepted: Arc<AtomicU32>,
    closed: Arc<AtomicBool>,
    /// The listener's task.
    task: Task,
    wakes: Arc<Wakes>,
}

impl World {
    fn new(fails: bool) -> World {
        World::with_gone(fails, 0)
    }

    fn with_gone(fails: bool, gone: u32) -> World {
        let hands = Hands::default();
        let config = ServerConfig::new(ServerAuth::anonymous());
        let authorise = |_| std::future::ready(Ok(()));
        let server = Server::with_runtime(hands.clone(), config, authorise).unwrap();
        let (accepted, closed) = (Arc::default(), Arc::default());
        server.listen_tcp(Gate {
            accepted: Arc::clone(&accepted),
            fails,
            gone: AtomicU32::new(gone),
            closed: Arc::clone(&closed),
        });
        let task = hands.tasks.lock().unwrap().pop().unwrap();
        World {
            hands,
            server,
            accepted,
            closed,
            task,
            wakes: Arc::default(),
        }
    }

    fn poll(&mut self) -> Poll<()> {
        let waker = Waker::from(Arc::clone(&self.wakes));
        self.task.as_mut().poll(&mut Context::from_waker(&waker))
    }

    fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Relaxed)
    }
}

#[test]
fn a_flood_of_connections_leaves_others_their_turn() {
    let mut world = World::new(false);
    for turn in 1..10 {
        assert!(world.poll().is_pending());
        assert_eq!(world.wakes.count(), turn, "it wakes itself");
        assert!(world.accepted.load(Ordering::Relaxed) <= turn * (Budget::STEPS + 1));
    }
    // The housekeeper, and a task for each connection.
    let tasks = world.hands.tasks.lock().unwrap().len();
    assert_eq!(tasks, 1 + world.accepted.load(Ordering::Relaxed) as usize);
}

#[test]
fn a_system_that_accepts_nothing_is_left_in_peace() {
    let mut world = World::new(true);
    for _ in 0..10 {
        assert!(world.poll().is_pending());
    }
    assert_eq!(*world.hands.sleeps.lock().unwrap(), [Duration::from_millis(50)]);
    assert_eq!(world.wakes.count(), 0);
}

/// Who connects and goes, again and again, keeps nobody waiting; and neither does a signal.
#[test]
fn a_connection_that_has_gone_costs_the_next_no_time() {
    let mut world = World::with_gone(false, 7);
    assert!(world.poll().is_pending());
    assert!(world.accepted.load(Ordering::Relaxed) > 0);
    assert!(world.hands.sleeps.lock().unwrap().is_empty());
}

/// Nor does it keep others from their turn.
#[test]
fn connections_that_have_gone_without_end_leave_others_their_turn() {
    let mut world = World::with_gone(false, u32::MAX);
    for turn in 1..10 {
        assert!(world.poll().is_pending());
        assert_eq!(world.wakes.count(), turn, "it wakes itself");
    }
}

#[test]
fn listeners_stop_when_they_are_told() {
    for fails in [false, true] {
        let mut world = World::new(fails);
        assert!(world.poll().is_pending());
        let wakes = world.wakes.count();
        let server = std::mem::replace(&mut world.server, World::new(false).server);
        let mut stopping = pin!(server.stop_listening());
        let cx = &mut Context::from_waker(Waker::noop());
        assert!(
            stopping.as_mut().poll(cx).is_pending(),
            "it waits until they are closed"
        );
        assert!(world.wakes.count() > wakes);
        assert!(!world.is_closed());
        assert!(world.poll().is_ready());
        assert!(world.is_closed());
        assert!(stopping.as_mut().poll(cx).is_ready());
    }
}

#[test]
fn listeners_stop_even_if_nobody_waits() {
    let mut world = World::new(true);
    assert!(world.poll().is_pending());
    let _given_up = pin!(world.server.stop_listening()).poll(&mut Context::from_waker(Waker::noop()));
    assert!(world.poll().is_ready() && world.is_closed());
}

#[test]
fn listeners_stop_with_their_server() {
    let mut world = World::new(true);
    assert!(world.poll().is_pending());
    drop(std::mem::replace(&mut world.server, World::new(false).server));
    assert!(world.poll().is_ready() && world.is_closed());
}

#[test]
fn a_configuration_that_cannot_work_is_said_so() {
    let mut config = ServerConfig::new(ServerAuth::anonymous());
    config.session.max_streams = 0;
    let authorise = |_| std::future::ready(Ok(()));
    let server = Server::with_runtime(Hands::default(), config, authorise);
    assert!(matches!(server, Err(StartError::Config(_))));
}

/// Takes and closes at once; whether it is there still is seen by its other end.
struct Open {
    _seen: Arc<()>,
}

impl ByteStream for Open {
    fn poll_read_slice(&mut self, _: &mut Context<'_>, _: &mut [u8]) -> Poll<io::Result<usize>> {
        Poll::Pending
    }

    fn poll_write(&mut self, _: &mut Context<'_>, parts: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(parts.iter().map(|part| part.len()).sum()))
    }

    fn poll_flush(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// A socket that is dropped with something unread is reset, which can destroy the last packet on its way to the peer.
#[test]
fn an_accepted_connection_is_read_on_when_it_was_closed() {
    let open = Arc::new(());
    let mut connection = Acceptor::tcp()
        .accept(Open {
            _seen: Arc::clone(&open),
        })
        .connection;
    let mut cx = Context::from_waker(Waker::noop());
    assert!(connection.as_mut().poll_ready(&mut cx).is_ready());
    assert!(connection.as_mut().poll_close(&mut cx).is_ready());
    assert!(connection.as_mut().poll_next(&mut cx).is_pending(), "it is over");
    assert_eq!(Arc::strong_count(&open), 2, "the socket is gone");
}
