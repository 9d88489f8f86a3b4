//! unbroken-tungstenite, stepped: loops that poll descriptors and step, as a host of its own would, and wait for nothing
//! but what they were told to wait for.

use std::net::TcpListener;
use std::os::fd::AsFd;
use std::thread;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use unbroken_carriers::{self as carriers, Acceptor};
use unbroken_proto::{ClientConfig, ReconnectIntent, ServerConfig};
use unbroken_tungstenite::{Interest, PollRuntime, Stepper};

use crate::adapter::{Adapter, Pick, Server, Session};

/// unbroken-tungstenite, a loop for each client and server.
#[derive(Debug)]
pub struct Stepped;

/// Begins something in a loop, on a thread that ends when nothing is left to do there.
fn in_a_loop<T>(begin: impl FnOnce(PollRuntime) -> T) -> T {
    let mut stepper = Stepper::new().expect("because there are descriptors");
    let begun = begin(stepper.runtime());
    thread::spawn(move || {
        while stepper.tasks() > 0 {
            stepper.step();
            let interests = stepper.interests();
            let mut wanted: Vec<_> = interests.iter().map(wanted).collect();
            let limit = stepper.timeout().and_then(|limit| Timespec::try_from(limit).ok());
            match poll(&mut wanted, limit.as_ref()) {
                Err(Errno::INTR) => {}
                polled => drop(polled.expect("because these are sockets")),
            }
        }
    });
    begun
}

fn wanted(interest: &Interest) -> PollFd<'_> {
    let mut flags = PollFlags::empty();
    flags.set(PollFlags::IN, interest.is_readable());
    flags.set(PollFlags::OUT, interest.is_writable());
    PollFd::from_borrowed_fd(interest.as_fd(), flags)
}

impl Adapter for Stepped {
    fn connect(&self, mut pick: Pick, config: ClientConfig) -> Box<dyn Session> {
        let session = in_a_loop(|runtime| {
            let dialling = runtime.clone();
            let connector = move |intent: ReconnectIntent| {
                let (place, runtime) = (pick(&intent), dialling.clone());
                async move { carriers::dial(&runtime, &place).await }
            };
            carriers::connect_with(runtime, config, connector)
        });
        let session = session.expect("because the configuration is sound");
        Box::new(session)
    }

    fn serve(&self, config: ServerConfig) -> Box<dyn Server> {
        let server = in_a_loop(|runtime| unbroken_tungstenite::Server::with_runtime(runtime, config, |_: &_| Ok(())));
        Box::new(SteppedServer(server.expect("because the configuration is sound")))
    }
}

struct SteppedServer(unbroken_tungstenite::Server);

impl Server for SteppedServer {
    fn listen(&self, listener: TcpListener, acceptor: Acceptor) {
        Server::listen(&self.0, listener, acceptor);
    }

    fn stop_listening(&self) {
        self.0.stop_listening(None);
    }

    fn accept(&mut self) -> Box<dyn Session> {
        Server::accept(&mut self.0)
    }

    fn sessions(&self) -> usize {
        self.0.handle().sessions().len()
    }
}
