//! What handles say when their driver is gone. No runtime.

use std::pin::pin;
use std::task::{Context, Poll, Waker};

use unbroken_driver::proto::config::Seed;
use unbroken_driver::proto::error::OpenError;
use unbroken_driver::proto::security::Auth;
use unbroken_driver::proto::stream::StreamOptions;
use unbroken_driver::proto::{ClientConfig, ReconnectIntent};
use unbroken_driver::{Connected, SleepTimer};

#[test]
fn a_stream_of_a_session_that_is_over_is_refused_at_once() {
    let timer = SleepTimer::new(|_| std::future::pending::<()>());
    let connector = |_: ReconnectIntent| std::future::pending::<std::io::Result<Connected>>();
    let config = ClientConfig::new(Auth::anonymous());
    let (session, driver) =
        unbroken_driver::connect(config, Seed([1; 32]), connector, timer).expect("because it is sound");
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
