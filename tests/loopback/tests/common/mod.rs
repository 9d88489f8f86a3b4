//! What the tests have in common.
#![allow(dead_code, reason = "not every test uses all of it")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use unbroken_loopback::Loopback;
use unbroken_ssm::api::{Api, ClientService, Http, StartSession, Started, Unsigned};
use unbroken_ssm::gateway::End;
use unbroken_ssm::proto::reconnect::Backoff;
use unbroken_ssm::proto::ssm::mux::MuxConfig;
use unbroken_ssm::proto::ssm::{ChannelConfig, ClientConfig};
use unbroken_ssm::{ClientSession, Tls};

/// A service, and who asks it.
pub(crate) struct Place {
    pub(crate) loopback: Arc<Loopback>,
    pub(crate) api: Api<Unsigned>,
}

/// As fast as the machine is, and without pauses between attempts that are longer than a test wants.
pub(crate) fn channel() -> ChannelConfig {
    let mut backoff = Backoff::default();
    backoff.first = Duration::from_millis(10);
    (backoff.base, backoff.cap) = (Duration::from_millis(10), Duration::from_millis(20));
    ChannelConfig::default()
        .with_frames_per_second(None)
        .with_backoff(backoff)
}

impl Place {
    pub(crate) async fn new() -> Place {
        let loopback = Loopback::start("127.0.0.1:0", channel()).await.unwrap();
        let http = Http::new(Tls::platform().unwrap());
        let api = Api::new(http, loopback.endpoint().parse().unwrap(), Unsigned);
        Place {
            loopback: Arc::new(loopback),
            api,
        }
    }

    pub(crate) async fn start(&self, request: &StartSession) -> Started {
        within(self.api.start_session(request)).await.unwrap()
    }

    pub(crate) async fn connect(&self, request: &StartSession) -> ClientSession {
        let started = self.start(request).await;
        self.connect_to(&started, |config| config)
    }

    pub(crate) fn connect_to(&self, started: &Started, with: impl Fn(ClientConfig) -> ClientConfig) -> ClientSession {
        let config = ClientConfig::new(started.session_id.clone(), started.token.clone()).with_channel(channel());
        let service = ClientService::new(self.api.clone());
        ClientSession::connect(with(config), &started.stream_url, service).unwrap()
    }
}

/// Cuts all connections again and again.
pub(crate) struct Cutter {
    cuts: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl Cutter {
    pub(crate) fn every(place: &Place, pause: Duration) -> Cutter {
        let (loopback, cuts) = (Arc::clone(&place.loopback), Arc::new(AtomicUsize::new(0)));
        let counted = Arc::clone(&cuts);
        let task = tokio::spawn(async move {
            loop {
                sleep(pause).await;
                counted.fetch_add(loopback.cut(), Ordering::Relaxed);
            }
        });
        Cutter { cuts, task }
    }

    /// How many connections were cut.
    pub(crate) fn stop(self) -> usize {
        self.task.abort();
        self.cuts.load(Ordering::Relaxed)
    }
}

/// Cuts the client of a session.
pub(crate) fn cutting(place: &Place, session_id: &str) -> bool {
    place.loopback.gateway().cut(session_id, End::Client)
}

pub(crate) fn unlimited() -> MuxConfig {
    MuxConfig::default()
}

/// A TCP server that sends back what it gets, and its port.
pub(crate) async fn echo() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut connection, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (mut reader, mut writer) = connection.split();
                drop(tokio::io::copy(&mut reader, &mut writer).await);
            });
        }
    });
    port
}

/// Bytes that differ wherever one looks.
pub(crate) fn pattern(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_u32 ^ u32::try_from(length).unwrap_or_default();
    let byte = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state.to_le_bytes()[0]
    };
    std::iter::repeat_with(byte).take(length).collect()
}

/// What takes longer hangs.
pub(crate) async fn within<T>(future: impl Future<Output = T>) -> T {
    timeout(Duration::from_secs(120), future).await.expect("it hangs")
}
