//! The kernel as a runtime of the driver.

use std::collections::VecDeque;
use std::future::{pending, poll_fn};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use unbroken_driver::Runtime;
use unbroken_proto::Instant;
use unbroken_proto::config::Seed;

use crate::kernel::core::{Core, Event};
use crate::kernel::{Kernel, ProcessId};
use crate::net::{Dialled, SimListener, SimStream};

/// One process's view of a kernel.
#[derive(Debug, Clone)]
pub struct SimRuntime {
    kernel: Arc<Kernel>,
    process: ProcessId,
    name: Arc<str>,
    /// Of the next tasks, before `name` holds.
    names: Arc<Mutex<VecDeque<String>>>,
    hostile: bool,
}

impl SimRuntime {
    /// `name`: of the tasks that are spawned.
    #[must_use]
    pub fn new(kernel: &Arc<Kernel>, process: ProcessId, name: &str) -> SimRuntime {
        SimRuntime {
            kernel: Arc::clone(kernel),
            process,
            name: name.into(),
            names: Arc::default(),
            hostile: false,
        }
    }

    /// The same, dialling as an attacker whom no fault disturbs.
    #[must_use]
    pub fn hostile(self) -> SimRuntime {
        SimRuntime { hostile: true, ..self }
    }

    /// The next task that is spawned has this name.
    pub fn name_next(&self, name: &str) {
        let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        names.push_back(name.to_owned());
    }

    /// The kernel.
    #[must_use]
    pub fn kernel(&self) -> &Arc<Kernel> {
        &self.kernel
    }

    /// Its process.
    #[must_use]
    pub fn process(&self) -> ProcessId {
        self.process
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// The name of the simulated server.
pub(crate) const SERVER: &str = "server";

impl Runtime for SimRuntime {
    type Stream = SimStream;
    type Listener = SimListener;

    fn now(&self) -> Instant {
        Instant::from_nanos(self.kernel.with(|core| core.clock(self.process)))
    }

    fn seed(&self) -> io::Result<Seed> {
        Ok(self.kernel.with(|core| core.rng.seed()))
    }

    fn sleep(&self, duration: Duration) -> impl Future<Output = ()> + Send + 'static {
        self.kernel.sleep(self.process, nanos(duration))
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let next = self.names.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        self.kernel
            .spawn(self.process, next.as_deref().unwrap_or(&self.name), task);
    }

    /// The one name has an address, and now and then a second one that swallows everything.
    fn resolve(&self, host: &str, port: u16) -> impl Future<Output = io::Result<Vec<SocketAddr>>> + Send + 'static {
        let interrupted = self.kernel.with(Core::is_interrupted);
        let dead = !interrupted && self.kernel.with(|core| core.rng.chance(100));
        let dead = dead.then(|| SocketAddr::from((Ipv6Addr::LOCALHOST, port)));
        let found = dead.into_iter().chain([(Ipv4Addr::LOCALHOST, port).into()]).collect();
        let is_known = host == SERVER;
        async move {
            if interrupted {
                Err(io::ErrorKind::Interrupted.into())
            } else if is_known {
                Ok(found)
            } else {
                Err(io::ErrorKind::NotFound.into())
            }
        }
    }

    fn connect(&self, address: SocketAddr) -> impl Future<Output = io::Result<SimStream>> + Send + 'static {
        let (this, port) = (self.clone(), (SERVER.to_owned(), address.port()));
        async move {
            if address.is_ipv6() {
                pending::<()>().await;
            }
            if !this.hostile && this.kernel.with(Core::is_interrupted) {
                return Err(io::ErrorKind::Interrupted.into());
            }
            let dialled = this.kernel.with(|core| {
                let now = core.now;
                let (dialled, knock) = core.net.dial(now, &port, this.hostile);
                if let Some(at) = knock {
                    core.plan(at, Event::Knock(port));
                }
                dialled
            });
            match dialled {
                Dialled::Hangs => pending().await,
                Dialled::Refused(after) => {
                    this.kernel.sleep(this.process, after).await;
                    Err(io::ErrorKind::ConnectionRefused.into())
                }
                Dialled::Up(conn, after) => {
                    let stream = SimStream::new(Arc::clone(&this.kernel), conn, 0);
                    this.kernel.sleep(this.process, after).await;
                    Ok(stream)
                }
            }
        }
    }

    fn accept(&self, listener: &SimListener) -> impl Future<Output = io::Result<(SimStream, Option<IpAddr>)>> + Send {
        poll_fn(|cx| {
            let accepted = listener.poll_accept(cx);
            accepted.map_ok(|stream| (stream, Some(IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1)))))
        })
    }
}
