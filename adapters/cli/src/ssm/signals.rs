//! Signals while a session is carried, from its beginning on, so that none falls between two that listen. A shell is passed those that a key
//! makes, as that key, as the official plugin does; everything else ends with them.

use crate::failure::Failure;

pub(super) use self::system::Signals;

#[cfg(unix)]
mod system {
    use tokio::signal::unix::{Signal, SignalKind, signal};

    use super::Failure;

    /// What Ctrl-C and Ctrl-\ send.
    const INTERRUPT: u8 = 0x03;
    const QUIT: u8 = 0x1c;

    /// What came and was not asked for yet waits.
    #[derive(Debug)]
    pub(in crate::ssm) struct Signals {
        interrupt: Signal,
        quit: Signal,
        terminate: Signal,
        hangup: Signal,
    }

    impl Signals {
        pub(in crate::ssm) fn new() -> Result<Signals, Failure> {
            let listen = |kind| signal(kind).map_err(Failure::unable("cannot listen to signals"));
            Ok(Signals {
                interrupt: listen(SignalKind::interrupt())?,
                quit: listen(SignalKind::quit())?,
                terminate: listen(SignalKind::terminate())?,
                hangup: listen(SignalKind::hangup())?,
            })
        }

        /// The next key; `None`: this process is to end, or whoever started it is gone.
        pub(in crate::ssm) async fn next_key(&mut self) -> Option<u8> {
            tokio::select! {
                Some(()) = self.interrupt.recv() => Some(INTERRUPT),
                Some(()) = self.quit.recv() => Some(QUIT),
                _ = self.terminate.recv() => None,
                _ = self.hangup.recv() => None,
            }
        }

        /// Waits until this process is to end. Any of them says so where there is no program to which keys go.
        pub(in crate::ssm) async fn end(&mut self) {
            let _whichever = self.next_key().await;
        }
    }
}

#[cfg(not(unix))]
mod system {
    use super::Failure;

    #[derive(Debug)]
    pub(in crate::ssm) struct Signals;

    impl Signals {
        pub(in crate::ssm) fn new() -> Result<Signals, Failure> {
            Ok(Signals)
        }

        /// The next key: Ctrl-C.
        pub(in crate::ssm) async fn next_key(&mut self) -> Option<u8> {
            match tokio::signal::ctrl_c().await {
                Ok(()) => Some(0x03),
                Err(_) => std::future::pending().await,
            }
        }

        pub(in crate::ssm) async fn end(&mut self) {
            let _whichever = self.next_key().await;
        }
    }
}
