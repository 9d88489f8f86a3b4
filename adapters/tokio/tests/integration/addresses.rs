//! Hosts with several addresses, some of which are of no use, in virtual time.
#![allow(clippy::expect_used, clippy::panic, reason = "a test")]

use std::future::pending;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncWriteExt, DuplexStream};
use tokio::time::{self, Duration, Instant};
use unbroken_tokio::carriers::{Address, connector};
use unbroken_tokio::driver::{Connector, KnownAddresses, Unreachable, connect_host};
use unbroken_tokio::proto::security::Auth;
use unbroken_tokio::proto::{self, Cause, ClientConfig, ReconnectIntent, Session, config::Seed};
use unbroken_tokio::{Compat, ConnectError, Runtime, Tokio};

/// What an address does.
#[derive(Clone, Copy, Debug)]
enum Does {
    Swallow,
    Refuse,
    /// Connects, and says nothing.
    Tarpit,
    /// Connects after so many milliseconds.
    Connect(u64),
    /// Connects, and after so many milliseconds redirects to where nobody has been.
    Redirect(u64),
}

/// A runtime on which the name has these addresses.
#[derive(Clone)]
struct Hosts {
    addresses: Arc<Vec<(&'static str, Does)>>,
    /// Which were tried, and when.
    tried: Arc<Mutex<Vec<(String, u64)>>>,
    began: Instant,
    open: Arc<Mutex<Vec<DuplexStream>>>,
}

impl Hosts {
    fn new(addresses: &[(&'static str, Does)]) -> Hosts {
        Hosts {
            addresses: Arc::new(addresses.to_vec()),
            tried: Arc::default(),
            began: Instant::now(),
            open: Arc::default(),
        }
    }

    fn tried(&self) -> Vec<(String, u64)> {
        std::mem::take(&mut self.tried.lock().expect("because nothing panicked"))
    }

    async fn connected(&self, known: &KnownAddresses) -> Result<String, ConnectError> {
        let (_, address) = connect_host(self, "host", 7, known, Some(Duration::from_secs(9))).await?;
        Ok(address.ip().to_string())
    }
}

impl Runtime for Hosts {
    type Stream = Compat<DuplexStream>;
    type Listener = ();

    fn now(&self) -> proto::Instant {
        Tokio.now()
    }

    fn sleep(&self, duration: Duration) -> impl Future<Output = ()> + Send + 'static {
        time::sleep(duration)
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        tokio::spawn(task);
    }

    fn resolve(&self, host: &str, port: u16) -> impl Future<Output = io::Result<Vec<SocketAddr>>> + Send + 'static {
        let ip = |text: &&str| text.parse::<IpAddr>().expect("because it is one");
        let found = self.addresses.iter().map(|(text, _)| (ip(text), port).into()).collect();
        let is_slow = host == "slow";
        async move {
            if is_slow {
                pending::<()>().await;
            }
            Ok(found)
        }
    }

    fn connect(&self, address: SocketAddr) -> impl Future<Output = io::Result<Self::Stream>> + Send + 'static {
        let this = self.clone();
        async move {
            let ip = address.ip().to_string();
            let at = u64::try_from(this.began.elapsed().as_millis()).expect("because it is short");
            this.tried
                .lock()
                .expect("because nothing panicked")
                .push((ip.clone(), at));
            let (_, does) = this
                .addresses
                .iter()
                .find(|(text, _)| *text == ip)
                .expect("because it was found");
            let wait = match does {
                Does::Swallow => pending().await,
                Does::Refuse => return Err(io::ErrorKind::ConnectionRefused.into()),
                Does::Tarpit | Does::Redirect(_) => 0,
                Does::Connect(wait) => *wait,
            };
            time::sleep(Duration::from_millis(wait)).await;
            let (near, mut far) = tokio::io::duplex(1 << 16);
            if let Does::Redirect(wait) = *does {
                tokio::spawn(async move {
                    time::sleep(Duration::from_millis(wait)).await;
                    let answer = format!("HTTP/1.1 302 Found\r\nLocation: /{at}\r\n\r\n");
                    far.write_all(answer.as_bytes()).await
                });
                return Ok(Compat(near));
            }
            this.open.lock().expect("because nothing panicked").push(far);
            Ok(Compat(near))
        }
    }

    async fn accept(&self, (): &()) -> io::Result<(Self::Stream, Option<IpAddr>)> {
        pending().await
    }
}

fn at(tried: &[(&str, u64)]) -> Vec<(String, u64)> {
    tried.iter().map(|(ip, at)| ((*ip).to_owned(), *at)).collect()
}

#[tokio::test(start_paused = true)]
async fn one_address_that_swallows_everything_costs_a_quarter_of_a_second() {
    let hosts = Hosts::new(&[
        ("10.0.0.1", Does::Swallow),
        ("10.0.0.2", Does::Connect(20)),
        ("10.0.0.3", Does::Connect(0)),
    ]);
    let known = KnownAddresses::default();
    assert_eq!(hosts.connected(&known).await.expect("because one answers"), "10.0.0.2");
    assert_eq!(hosts.tried(), at(&[("10.0.0.1", 0), ("10.0.0.2", 250)]));
    // What worked comes first, and alone.
    known.worked("10.0.0.2".parse().expect("because it is one"));
    let before = hosts.began.elapsed();
    assert_eq!(hosts.connected(&known).await.expect("because one answers"), "10.0.0.2");
    assert_eq!(hosts.tried().len(), 1);
    assert!(hosts.began.elapsed() - before < Duration::from_millis(30));
}

#[tokio::test(start_paused = true)]
async fn families_take_turns_and_a_refusal_does_not_wait() {
    let hosts = Hosts::new(&[
        ("2001:db8::1", Does::Refuse),
        ("2001:db8::2", Does::Swallow),
        ("2001:db8::3", Does::Swallow),
        ("10.0.0.1", Does::Swallow),
        ("10.0.0.2", Does::Connect(0)),
    ]);
    let found = hosts.connected(&KnownAddresses::default()).await;
    assert_eq!(found.expect("because one answers"), "10.0.0.2");
    let order = [
        ("2001:db8::1", 0),
        ("10.0.0.1", 0),
        ("2001:db8::2", 250),
        ("10.0.0.2", 500),
    ];
    assert_eq!(hosts.tried(), at(&order));
}

#[tokio::test(start_paused = true)]
async fn what_was_refused_beside_a_winner_comes_last_next_time() {
    let hosts = Hosts::new(&[("10.0.0.1", Does::Refuse), ("10.0.0.2", Does::Connect(0))]);
    let known = KnownAddresses::default();
    assert_eq!(hosts.connected(&known).await.expect("because one answers"), "10.0.0.2");
    assert_eq!(hosts.tried().len(), 2);
    assert_eq!(hosts.connected(&known).await.expect("because one answers"), "10.0.0.2");
    assert_eq!(hosts.tried().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_error_says_what_each_address_did() {
    let hosts = Hosts::new(&[("10.0.0.1", Does::Swallow), ("10.0.0.2", Does::Refuse)]);
    let error = hosts
        .connected(&KnownAddresses::default())
        .await
        .expect_err("because none answers");
    assert_eq!(hosts.began.elapsed(), Duration::from_secs(9));
    assert_eq!(error.cause(), Cause::Timeout);
    assert_eq!(
        error.to_string(),
        "timeout: 10.0.0.2:7: connection refused, 10.0.0.1:7: no answer"
    );
    let source = std::error::Error::source(&error).and_then(|source| source.downcast_ref::<Unreachable>());
    assert_eq!(source.expect("because it is the source").tried().count(), 2);

    let hosts = Hosts::new(&[("10.0.0.1", Does::Refuse), ("2001:db8::1", Does::Refuse)]);
    let error = hosts
        .connected(&KnownAddresses::default())
        .await
        .expect_err("because none answers");
    assert_eq!((error.cause(), hosts.began.elapsed()), (Cause::Refused, Duration::ZERO));

    let none = Hosts::new(&[]);
    let error = none
        .connected(&KnownAddresses::default())
        .await
        .expect_err("because there is none");
    assert_eq!(error.to_string(), "network: host has no address");
    let (known, limit) = (KnownAddresses::default(), Some(Duration::from_secs(9)));
    let error = connect_host(&none, "slow", 7, &known, limit).await.err();
    assert_eq!(
        error.expect("because nothing was found").to_string(),
        "timeout: slow was not looked up in time"
    );
}

#[tokio::test(start_paused = true)]
async fn addresses_that_were_not_reached_in_time_come_first_next_time() {
    let dead = ["10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4"].map(|ip| (ip, Does::Swallow));
    let hosts = Hosts::new(&[&dead[..], &[("10.0.0.5", Does::Connect(0))]].concat());
    let (known, limit) = (KnownAddresses::default(), Some(Duration::from_millis(900)));
    let first = connect_host(&hosts, "host", 7, &known, limit).await.err();
    assert_eq!(first.expect("because time ran out").cause(), Cause::Timeout);
    assert_eq!(hosts.tried().len(), 4);
    assert_eq!(hosts.connected(&known).await.expect("because one answers"), "10.0.0.5");
    assert_eq!(hosts.tried().len(), 1);
}

/// An intent as a machine would have it, whose last attempt failed of `cause`.
fn intent(cause: Option<Cause>) -> ReconnectIntent {
    let now = Tokio.now();
    let session = Session::connect(ClientConfig::new(Auth::anonymous()), Seed([1; 32]), now);
    let wanted = session.expect("because it is sound").wanted_connection();
    let mut intent = wanted.expect("because it was never established");
    intent.cause = cause;
    intent
}

/// It takes connections and answers nothing: to whoever waits for an upgrade that shows in the dial, and else in the handshake.
#[tokio::test(start_paused = true)]
async fn an_address_that_takes_connections_and_says_nothing_comes_last_next_time() {
    // What a handshake that is not answered, is closed, and is refused end of.
    for (scheme, cause) in [
        ("ws", Cause::Timeout),
        ("tcp", Cause::Timeout),
        ("tcp", Cause::Network),
        ("tcp", Cause::Refused),
    ] {
        let hosts = Hosts::new(&[("10.0.0.1", Does::Tarpit), ("10.0.0.2", Does::Connect(0))]);
        let address = Address::parse(&format!("{scheme}://host:7")).expect("because it is one");
        let mut connector = connector(hosts.clone(), address);
        let first = connector.dial(intent(None)).await;
        assert_eq!(first.is_ok(), scheme == "tcp");
        if let Err(error) = first {
            assert_eq!(
                error.to_string(),
                "timeout: 10.0.0.1:7 took the connection and says nothing"
            );
        }
        assert_eq!(hosts.tried()[0].0, "10.0.0.1");
        let _next = connector.dial(intent(Some(cause))).await;
        assert_eq!(hosts.tried()[0].0, "10.0.0.2", "{scheme} {cause}");
    }
}

/// All of a chain of redirections is one dial, and ends with it.
#[tokio::test(start_paused = true)]
async fn redirections_have_the_time_of_one_dial() {
    let intent = intent(None);
    let limit = intent.deadline.saturating_since(Tokio.now());
    let wait = limit.as_millis() * 2 / 5;
    let hosts = Hosts::new(&[(
        "10.0.0.1",
        Does::Redirect(u64::try_from(wait).expect("because it is short")),
    )]);
    let address = Address::parse("ws://host:7").expect("because it is one");
    let failed = connector(hosts.clone(), address).dial(intent).await.err();
    let error = failed.expect("because the way has no end");
    assert_eq!(error.cause(), Cause::Timeout, "{error}");
    assert_eq!(hosts.tried().len(), 3);
    assert!(hosts.began.elapsed() < limit, "{:?}", hosts.began.elapsed());
}
