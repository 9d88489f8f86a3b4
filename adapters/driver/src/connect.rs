//! Where a dialling session begins.

use std::sync::Arc;

use unbroken_proto::config::{ClientConfig, Seed};
use unbroken_proto::error::ConfigError;

use crate::clock::Clock;
use crate::connecting::Attempts;
use crate::connector::Connector;
use crate::driver::{Driver, Source};
use crate::machine::{Machine, plain};
use crate::runtime::Runtime;
use crate::session::Session;
use crate::state::Shared;

/// A dialling session on `runtime`: its handle, and the driver to spawn there.
///
/// `seed` is 32 fresh random bytes ([`fresh_seed`](crate::fresh_seed)).
///
/// # Errors
/// The configuration cannot work: it says that the session is durable, say, which is for [`connect_durable`](crate::connect_durable).
pub fn connect<R: Runtime>(
    runtime: &R,
    config: ClientConfig,
    seed: Seed,
    connector: impl Connector + 'static,
) -> Result<(Session, Driver), ConfigError> {
    check_kept_nowhere(&config)?;
    let clock = Clock::new(runtime);
    let session = unbroken_proto::Session::connect(config, seed, clock.now())?;
    Ok(drive(clock, plain(session), connector))
}

/// [`connect`], with a record of all that the session is told and says: see [`unbroken_trace`]. **What is written is a secret.**
///
/// The driver writes as it goes; `writer` should buffer, and not block for long.
///
/// # Errors
/// As [`connect`].
#[cfg(feature = "trace")]
pub fn connect_traced<R: Runtime>(
    runtime: &R,
    config: ClientConfig,
    seed: Seed,
    connector: impl Connector + 'static,
    writer: impl std::io::Write + Send + 'static,
) -> Result<(Session, Driver), ConfigError> {
    let clock = Clock::new(runtime);
    check_kept_nowhere(&config)?;
    let session = Machine::connect(config, seed, clock.now(), writer)?;
    Ok(drive(clock, session, connector))
}

/// Nobody would keep what a durable session waits for.
fn check_kept_nowhere(config: &ClientConfig) -> Result<(), ConfigError> {
    match config.session.durable {
        Some(_) => Err(ConfigError::NoStore),
        None => Ok(()),
    }
}

pub(crate) fn drive(clock: Clock, machine: Machine, connector: impl Connector + 'static) -> (Session, Driver) {
    let timer = clock.timer();
    let shared = Shared::new(machine, clock);
    let source = Source::Dial(Attempts::new(Box::new(connector)));
    let session = Session::new(Arc::clone(&shared));
    (session, Driver::new(shared, timer, source))
}
