//! A host of two addresses, the first of which swallows every packet, on each runtime's own sockets.
#![cfg(target_os = "linux")]
#![allow(clippy::expect_used, reason = "a test")]

use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use unbroken_carriers::{Address, connect};
use unbroken_conformance::block::soon;
use unbroken_conformance::{Carrier, World, adapters, world};
use unbroken_driver::Runtime;

/// A listener whose queue is full: Linux drops what would open further connections.
struct Hole {
    listener: TcpListener,
    _queued: Vec<TcpStream>,
}

impl Hole {
    fn new() -> Hole {
        let listener = TcpListener::bind("127.0.0.2:0").expect("because ports are free");
        rustix::net::listen(&listener, 0).expect("because it listens already");
        let address = listener.local_addr().expect("because it is bound");
        let mut queued = Vec::new();
        while let Ok(stream) = TcpStream::connect_timeout(&address, Duration::from_millis(50)) {
            queued.push(stream);
        }
        Hole {
            listener,
            _queued: queued,
        }
    }
}

/// A runtime on which every name has these two addresses.
#[derive(Clone)]
struct Two<R> {
    runtime: R,
    addresses: [SocketAddr; 2],
}

impl<R: Runtime> Runtime for Two<R> {
    type Stream = R::Stream;
    type Listener = R::Listener;

    fn now(&self) -> unbroken_proto::Instant {
        self.runtime.now()
    }

    fn sleep(&self, duration: Duration) -> impl Future<Output = ()> + Send + 'static {
        self.runtime.sleep(duration)
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.runtime.spawn(task);
    }

    fn resolve(&self, _: &str, _: u16) -> impl Future<Output = io::Result<Vec<SocketAddr>>> + Send + 'static {
        let addresses = self.addresses.to_vec();
        async move { Ok(addresses) }
    }

    fn connect(&self, address: SocketAddr) -> impl Future<Output = io::Result<Self::Stream>> + Send + 'static {
        self.runtime.connect(address)
    }

    fn accept(
        &self,
        listener: &Self::Listener,
    ) -> impl Future<Output = io::Result<(Self::Stream, Option<IpAddr>)>> + Send {
        self.runtime.accept(listener)
    }
}

fn an_address_that_swallows_packets_is_no_obstacle(runtime: impl Runtime) {
    let hole = Hole::new();
    let world = World {
        client: &adapters::Blocking,
        server: &adapters::Blocking,
        carrier: Carrier::Ws,
    };
    let (_server, well) = world.serve();
    let runtime = Two {
        runtime,
        addresses: [hole.listener.local_addr().expect("because it is bound"), well],
    };
    // An attempt that waited for the first address would end with this.
    let mut config = world::client_config();
    config.backoff.attempts = Some(1);
    let address = Address::parse("ws://two.invalid/").expect("because it is one");
    let session = connect(runtime, address, config).expect("because the configuration is sound");
    soon("a session", session.established()).expect("because one address answers");
}

#[test]
fn tokio() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build();
    let runtime = runtime.expect("because threads can be had");
    let _in_the_runtime = runtime.enter();
    an_address_that_swallows_packets_is_no_obstacle(unbroken_tokio::Tokio);
}

#[test]
fn smol() {
    an_address_that_swallows_packets_is_no_obstacle(unbroken_smol::Smol);
}

#[test]
fn async_std() {
    an_address_that_swallows_packets_is_no_obstacle(unbroken_async_std::AsyncStd);
}

#[test]
fn plain_threads() {
    an_address_that_swallows_packets_is_no_obstacle(unbroken_tungstenite::PollRuntime::default());
}
