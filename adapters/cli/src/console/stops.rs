//! Stops of this process, as a shell's job control has them: SIGTSTP and SIGCONT.

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// This process is to stop.
    Asked,
    /// It was stopped by something that cannot be caught, and goes on.
    #[cfg(unix)]
    Over,
}

pub(crate) use self::system::Stops;

#[cfg(unix)]
mod system {
    use std::io;

    use rustix::process::{Signal, getpid, kill_process};
    use tokio::signal::unix::{Signal as Signals, SignalKind, signal};

    use super::Stop;

    /// As long as the process lives the system does not stop it for SIGTSTP any more.
    pub(crate) struct Stops {
        asked: Signals,
        goes_on: Signals,
    }

    impl Stops {
        pub(crate) fn new() -> io::Result<Stops> {
            let signals = |which: Signal| signal(SignalKind::from_raw(which.as_raw()));
            Ok(Stops {
                asked: signals(Signal::TSTP)?,
                goes_on: signals(Signal::CONT)?,
            })
        }

        pub(crate) async fn next(&mut self) -> Stop {
            tokio::select! {
                Some(()) = self.asked.recv() => Stop::Asked,
                Some(()) = self.goes_on.recv() => Stop::Over,
                else => std::future::pending().await,
            }
        }

        /// Stops this process until it is to go on.
        pub(crate) async fn stop(&mut self) {
            // What came before does not count.
            tokio::select! {
                biased;
                _ = self.goes_on.recv() => {}
                () = std::future::ready(()) => {}
            }
            if kill_process(getpid(), Signal::STOP).is_ok() {
                self.goes_on.recv().await;
            }
        }
    }
}

#[cfg(not(unix))]
mod system {
    use std::io;

    use super::Stop;

    /// Nothing of the kind.
    pub(crate) struct Stops;

    impl Stops {
        pub(crate) fn new() -> io::Result<Stops> {
            Ok(Stops)
        }

        pub(crate) async fn next(&mut self) -> Stop {
            std::future::pending().await
        }

        pub(crate) async fn stop(&mut self) {}
    }
}
