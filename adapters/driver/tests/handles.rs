//! What handles say when their driver is gone. No runtime.

use std::pin::pin;
use std::task::{Context, Poll, Waker};

use unbroken_driver::proto::Instant;
use unbroken_driver::proto::config::Seed;
use unbroken_driver::proto::error::OpenError;
use unbroken_driver::proto::security::Auth;
use unbroken_driver::proto::stream::StreamOptions;
use unbroken_driver::proto::{ClientConfig, ReconnectIntent};
use unbroken_driver::{ConnectError, Connected, Timer};

/// Time stands still, and nobody is woken.
struct Never;

impl Timer for Never {
    fn now(&self) -> Instant {
        Instant::ZERO
    }

    fn poll_until(&mut self, _cx: &mut Context<'_>, _deadline: Instant) -> Poll<()> {
        Poll::Pending
    }
}

#[test]
fn a_stream_of_a_session_that_is_over_is_refused_at_once() {
    let connector = |_: ReconnectIntent| std::future::pending::<Result<Connected, ConnectError>>();
    let config = ClientConfig::new(Auth::anonymous());
    let (session, driver) =
        unbroken_driver::connect(config, Seed([1; 32]), connector, Never).expect("because it is sound");
    let mut early = pin!(session.open(StreamOptions::default()));
    let mut cx = Context::from_waker(Waker::noop());
    assert!(early.as_mut().poll(&mut cx).is_pending());
    drop(driver);
    let closed = |poll| matches!(poll, Poll::Ready(Err(OpenError::SessionClosed)));
    assert!(closed(early.as_mut().poll(&mut cx)), "asked before the end");
    assert!(session.ended().is_some());
    let mut late = pin!(session.open(StreamOptions::default()));
    assert!(closed(late.as_mut().poll(&mut cx)), "asked behind it");
}
