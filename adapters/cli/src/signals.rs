//! What the system, or a person, asks of a process that runs on.

use crate::failure::Failure;

/// Requests to end (SIGTERM, SIGINT: Ctrl-C) and to read files again (SIGHUP). Where there are no signals, Ctrl-C alone.
#[derive(Debug)]
pub(crate) struct Signals(system::Signals);

impl Signals {
    pub(crate) fn new() -> Result<Signals, Failure> {
        system::Signals::new()
            .map(Signals)
            .map_err(Failure::unable("cannot listen to signals"))
    }

    /// Waits until the process is to end.
    pub(crate) async fn end(&mut self) {
        self.0.end().await;
    }

    /// Waits until the process is to end, or whoever started it is gone (SIGHUP): for what reads no files again.
    pub(crate) async fn end_or_hangup(&mut self) {
        self.0.end_or_hangup().await;
    }

    /// Waits until files are to be read again.
    pub(crate) async fn reload(&mut self) {
        self.0.reload().await;
    }
}

#[cfg(unix)]
mod system {
    use std::io;

    use tokio::signal::unix::{Signal, SignalKind, signal};

    #[derive(Debug)]
    pub(super) struct Signals {
        terminate: Signal,
        interrupt: Signal,
        hangup: Signal,
    }

    impl Signals {
        pub(super) fn new() -> io::Result<Signals> {
            Ok(Signals {
                terminate: signal(SignalKind::terminate())?,
                interrupt: signal(SignalKind::interrupt())?,
                hangup: signal(SignalKind::hangup())?,
            })
        }

        pub(super) async fn end(&mut self) {
            tokio::select! {
                _ = self.terminate.recv() => {}
                _ = self.interrupt.recv() => {}
            }
        }

        pub(super) async fn end_or_hangup(&mut self) {
            tokio::select! {
                _ = self.terminate.recv() => {}
                _ = self.interrupt.recv() => {}
                _ = self.hangup.recv() => {}
            }
        }

        pub(super) async fn reload(&mut self) {
            self.hangup.recv().await;
        }
    }
}

#[cfg(not(unix))]
mod system {
    use std::io;

    #[derive(Debug)]
    pub(super) struct Signals;

    impl Signals {
        pub(super) fn new() -> io::Result<Signals> {
            Ok(Signals)
        }

        pub(super) async fn end(&mut self) {
            if tokio::signal::ctrl_c().await.is_err() {
                std::future::pending().await
            }
        }

        pub(super) async fn end_or_hangup(&mut self) {
            self.end().await;
        }

        pub(super) async fn reload(&mut self) {
            std::future::pending().await
        }
    }
}
