//! Where a dialling session begins.

use unbroken_proto::Session;
use unbroken_proto::config::{ClientConfig, Seed};
use unbroken_proto::error::ConfigError;

use crate::clock::Timer;
use crate::connector::Connector;
use crate::dialling::Dialling;
use crate::driver::{Driver, Source};
use crate::handle::SessionHandle;
#[cfg(feature = "trace")]
use crate::machine::Machine;
use crate::machine::plain;

/// A dialling session: its handle, and the driver to spawn.
///
/// `seed` is 32 fresh random bytes.
///
/// # Errors
/// The configuration cannot work.
pub fn connect(
    config: ClientConfig,
    seed: Seed,
    connector: impl Connector + 'static,
    timer: impl Timer + 'static,
) -> Result<(SessionHandle, Driver), ConfigError> {
    let limits = config.session.clone();
    let session = plain(Session::connect(config, seed, timer.now())?);
    let source = Source::Dial(Dialling::new(Box::new(connector)));
    Ok(Driver::new(session, &limits, Box::new(timer), source))
}

/// [`connect`], with a record of all that the session is told and says: see [`unbroken_trace`]. **What is written is a secret.**
///
/// The driver writes as it goes; `writer` should buffer, and not block for long.
///
/// # Errors
/// As [`connect`].
#[cfg(feature = "trace")]
pub fn connect_traced(
    config: ClientConfig,
    seed: Seed,
    connector: impl Connector + 'static,
    timer: impl Timer + 'static,
    writer: impl std::io::Write + Send + 'static,
) -> Result<(SessionHandle, Driver), ConfigError> {
    let limits = config.session.clone();
    let session = Machine::connect(config, seed, timer.now(), writer)?;
    let source = Source::Dial(Dialling::new(Box::new(connector)));
    Ok(Driver::new(session, &limits, Box::new(timer), source))
}
