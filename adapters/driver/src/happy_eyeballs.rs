//! Connects to a host that may have several addresses, some of which may swallow all that is sent there.

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use unbroken_proto::{Cause, Duration};

use crate::budget::Budget;
use crate::connect_error::{ConnectError, cause_of};
use crate::runtime::Runtime;
use crate::sync::lock;

/// So long the attempt at one address is waited for before the next one's begins beside it (the "Connection Attempt Delay" of
/// RFC 8305, section 8).
const ATTEMPT_DELAY: Duration = Duration::from_millis(250);
/// Addresses that failed and are remembered.
const FAILED: usize = 64;

/// A socket connected to `host` (a name, or an IP address without brackets) at `port`, and which of its addresses that is:
/// Happy Eyeballs (RFC 8305).
///
/// Its addresses are tried in the system's order, the families taking turns, what worked last before all others and what failed
/// last behind them, by what is `known`; each 250 ms after the one before it, or as soon as that failed. The first that connects wins, and
/// the others are given up. The look-up is the runtime's, which asks for both families at once, so that what section 3 says of
/// answers that come one by one does not apply.
///
/// # Errors
/// The name has no address, or was not looked up; all its addresses failed, of the cause of the last failure; or none answered within
/// `limit`, which is [`Cause::Timeout`]. Where addresses were tried, the error's source is an [`Unreachable`].
pub async fn connect_host<R: Runtime>(
    runtime: &R,
    host: &str,
    port: u16,
    known: &KnownAddresses,
    limit: Option<Duration>,
) -> Result<(R::Stream, SocketAddr), ConnectError> {
    let mut limit = pin!(async {
        match limit {
            Some(limit) => runtime.sleep(limit).await,
            None => std::future::pending().await,
        }
    });
    let found = uninterrupted(|| runtime.resolve(host, port));
    let Some(found) = unless(limit.as_mut(), found).await else {
        return Err(ConnectError::new(Cause::Timeout).with_source(format!("{host} was not looked up in time")));
    };
    let mut race = Race {
        runtime,
        waiting: known.order(found?).into_iter(),
        under_way: Vec::new(),
        delay: None,
        failed: Unreachable::default(),
    };
    let won = unless(limit, poll_fn(|cx| race.poll(cx))).await;
    let silent = race.under_way.drain(..).map(|(address, _)| (address, None));
    match won {
        // Whoever was slower than the winner may be well.
        Some(Some(_)) => drop(silent),
        None => race.failed.0.extend(silent),
        Some(None) => return Err(race.failed.error(host)),
    }
    for (address, _) in &race.failed.0 {
        known.failed(address.ip());
    }
    won.flatten().ok_or_else(|| race.failed.error(host))
}

/// What comes of `call`, which is made again when a signal interrupted it.
async fn uninterrupted<T, F: Future<Output = io::Result<T>>>(call: impl Fn() -> F) -> io::Result<T> {
    let mut budget = Budget::new();
    loop {
        budget.step().await;
        match call().await {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            done => return done,
        }
    }
}

/// `future`'s output, or `None` once `limit` is ready.
async fn unless<T>(mut limit: Pin<&mut impl Future<Output = ()>>, future: impl Future<Output = T>) -> Option<T> {
    let mut future = pin!(future);
    poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Pending => limit.as_mut().poll(cx).map(|()| None),
        output => output.map(Some),
    })
    .await
}

/// What is known of a host's addresses from earlier connections; clones share it.
#[derive(Clone, Debug, Default)]
pub struct KnownAddresses(Arc<Mutex<Known>>);

#[derive(Debug, Default)]
struct Known {
    worked: Option<IpAddr>,
    /// Those that failed since they worked, if they ever did; what failed last comes last.
    failed: Vec<IpAddr>,
}

impl KnownAddresses {
    /// A connection to `address` is of use: it comes first from now on.
    pub fn worked(&self, address: IpAddr) {
        let mut known = lock(&self.0);
        known.failed.retain(|failed| *failed != address);
        known.worked = Some(address);
    }

    /// `address` could not be connected to, or the connection was of no use: it comes last from now on.
    pub fn failed(&self, address: IpAddr) {
        let mut known = lock(&self.0);
        known.worked = known.worked.filter(|worked| *worked != address);
        known.failed.retain(|failed| *failed != address);
        known.failed.push(address);
        if known.failed.len() > FAILED {
            known.failed.remove(0);
        }
    }

    /// The families take turns, beginning with that of the first (section 4).
    fn order(&self, found: Vec<SocketAddr>) -> Vec<SocketAddr> {
        let is_v4 = found.first().is_some_and(SocketAddr::is_ipv4);
        let (same, other): (Vec<_>, Vec<_>) = found.into_iter().partition(|address| address.is_ipv4() == is_v4);
        let [mut same, mut other] = [same, other].map(Vec::into_iter);
        let mut ordered = Vec::new();
        loop {
            let pair = [same.next(), other.next()];
            if pair == [None, None] {
                break;
            }
            ordered.extend(pair.into_iter().flatten());
        }
        let known = lock(&self.0);
        ordered.sort_by_key(|address| {
            let ip = address.ip();
            let failed = known.failed.iter().position(|failed| *failed == ip);
            (failed.map_or(0, |at| at + 1), known.worked != Some(ip))
        });
        ordered
    }
}

type Attempt<S> = Pin<Box<dyn Future<Output = io::Result<S>> + Send>>;

struct Race<'a, R: Runtime> {
    runtime: &'a R,
    waiting: std::vec::IntoIter<SocketAddr>,
    under_way: Vec<(SocketAddr, Attempt<R::Stream>)>,
    /// Until the next address's turn.
    delay: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
    failed: Unreachable,
}

impl<R: Runtime> Race<'_, R> {
    /// Ready when it is over: with a socket, or when all addresses failed.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<(R::Stream, SocketAddr)>> {
        loop {
            let mut has_failed = false;
            let mut at = 0;
            while let Some((address, attempt)) = self.under_way.get_mut(at) {
                let address = *address;
                match attempt.as_mut().poll(cx) {
                    Poll::Pending => at += 1,
                    Poll::Ready(Ok(stream)) => return Poll::Ready(Some((stream, address))),
                    Poll::Ready(Err(error)) => {
                        drop(self.under_way.remove(at));
                        self.failed.0.push((address, Some(error)));
                        has_failed = true;
                    }
                }
            }
            let is_due = match &mut self.delay {
                Some(delay) => delay.as_mut().poll(cx).is_ready(),
                None => true,
            };
            if !is_due && !has_failed {
                return Poll::Pending;
            }
            let Some(address) = self.waiting.next() else {
                self.delay = None;
                return match self.under_way.is_empty() {
                    true => Poll::Ready(None),
                    false => Poll::Pending,
                };
            };
            let runtime = self.runtime.clone();
            let attempt = async move { uninterrupted(|| runtime.connect(address)).await };
            self.under_way.push((address, Box::pin(attempt)));
            self.delay = Some(Box::pin(self.runtime.sleep(ATTEMPT_DELAY)));
        }
    }
}

/// What became of each address of a host that was tried in vain.
#[derive(Debug, Default)]
pub struct Unreachable(Vec<(SocketAddr, Option<io::Error>)>);

impl Unreachable {
    /// Each address that was tried, and its error; `None`: it did not answer in time.
    pub fn tried(&self) -> impl Iterator<Item = (SocketAddr, Option<&io::Error>)> {
        self.0.iter().map(|(address, error)| (*address, error.as_ref()))
    }

    fn error(self, host: &str) -> ConnectError {
        let cause = match &self.0[..] {
            [] => return ConnectError::new(Cause::Network).with_source(format!("{host} has no address")),
            tried if tried.iter().any(|(_, error)| error.is_none()) => Cause::Timeout,
            [.., (_, error)] => error.as_ref().map_or(Cause::Timeout, cause_of),
        };
        ConnectError::new(cause).with_source(self)
    }
}

impl fmt::Display for Unreachable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, (address, error)) in self.0.iter().enumerate() {
            let comma = if at == 0 { "" } else { ", " };
            match error {
                Some(error) => write!(f, "{comma}{address}: {error}")?,
                None => write!(f, "{comma}{address}: no answer")?,
            }
        }
        Ok(())
    }
}

impl std::error::Error for Unreachable {}
