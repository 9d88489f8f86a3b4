//! Signals while a shell is shown: those that a key makes are passed on as that key, as the official plugin does.

use crate::failure::Failure;

#[cfg(unix)]
pub(super) use self::unix::Typed;

#[cfg(unix)]
mod unix {
    use tokio::signal::unix::{Signal, SignalKind, signal};

    use super::Failure;

    /// What Ctrl-C and Ctrl-\ send.
    const INTERRUPT: u8 = 0x03;
    const QUIT: u8 = 0x1c;

    /// Signals as keys.
    #[derive(Debug)]
    pub(in crate::ssm) struct Typed {
        interrupt: Signal,
        quit: Signal,
        terminate: Signal,
        hangup: Signal,
    }

    impl Typed {
        pub(in crate::ssm) fn new() -> Result<Typed, Failure> {
            let listen = |kind| signal(kind).map_err(Failure::unable("cannot listen to signals"));
            Ok(Typed {
                interrupt: listen(SignalKind::interrupt())?,
                quit: listen(SignalKind::quit())?,
                terminate: listen(SignalKind::terminate())?,
                hangup: listen(SignalKind::hangup())?,
            })
        }

        /// The next key; `None`: this process is to end.
        pub(in crate::ssm) async fn next(&mut self) -> Option<u8> {
            tokio::select! {
                Some(()) = self.interrupt.recv() => Some(INTERRUPT),
                Some(()) = self.quit.recv() => Some(QUIT),
                _ = self.terminate.recv() => None,
                _ = self.hangup.recv() => None,
            }
        }
    }
}

#[cfg(not(unix))]
#[derive(Debug)]
pub(super) struct Typed;

#[cfg(not(unix))]
impl Typed {
    pub(super) fn new() -> Result<Typed, Failure> {
        Ok(Typed)
    }

    /// The next key: Ctrl-C.
    pub(super) async fn next(&mut self) -> Option<u8> {
        match tokio::signal::ctrl_c().await {
            Ok(()) => Some(0x03),
            Err(_) => std::future::pending().await,
        }
    }
}
