//! The two machines and the registry, made for a test.

use unbroken_proto::config::{ClientConfig, Seed, ServerConfig};
use unbroken_proto::event::{Ended, Event};
use unbroken_proto::reconnect::Backoff;
use unbroken_proto::security::{Auth, ServerAuth, SharedSecret, StaticKey, Suite};
use unbroken_proto::server::Registry;
use unbroken_proto::time::{Duration, Instant};
use unbroken_proto::{Session, SessionConfig, Side};

use super::wire::Wire;
use crate::model::Ledger;

/// What the two are made of.
#[derive(Clone, Debug)]
pub struct Setup {
    /// Seeds everything.
    pub seed: u8,
    /// What they speak.
    pub suite: Suite,
    /// The client's limits.
    pub client: SessionConfig,
    /// The server's.
    pub server: SessionConfig,
    /// When to dial again; by default at once.
    pub backoff: Backoff,
}

impl Default for Setup {
    fn default() -> Self {
        let backoff = Backoff {
            first: Duration::ZERO,
            base: Duration::from_millis(1),
            ..Backoff::default()
        };
        Setup {
            seed: 1,
            suite: Suite::ChaChaPoly,
            client: SessionConfig::default(),
            server: SessionConfig::default(),
            backoff,
        }
    }
}

/// See [`crate::duo`].
pub struct Duo {
    /// Nanoseconds.
    pub now: u64,
    /// The dialling machine.
    pub client: Session,
    /// Knows the server's session.
    pub registry: Registry,
    /// The accepting machine, once there is one. A client that begins again gets a new one.
    pub server: Option<Session>,
    /// Server machines that were replaced.
    pub former: Vec<Session>,
    /// All connections ever dialled, in order.
    pub wires: Vec<Wire>,
    /// Events in the order they were read.
    pub events: Vec<(Side, Event)>,
    /// The client's and the server's end.
    pub ended: [Option<Ended>; 2],
    /// What was written and read.
    pub ledger: Ledger,
    pub(super) answered: u64,
}

fn seed(n: u8) -> Seed {
    Seed([n; 32])
}

impl Duo {
    /// Nothing happened yet.
    ///
    /// # Panics
    /// When the setup is out of range.
    #[must_use]
    pub fn new(setup: &Setup) -> Duo {
        let now = Instant::from_millis(1_000);
        let key = StaticKey::from_bytes([9; 32]);
        let secret = SharedSecret::from_key(b"duo", [7; 32]).expect("because the hint is short");
        let mut auth = Auth::pinned(vec![key.public()]);
        let mut server_auth = ServerAuth::key(key);
        if setup.suite.has_secret() {
            auth = auth.with_secret(secret.clone());
            server_auth = server_auth.with_secrets(vec![secret]);
        }
        let mut config = ClientConfig::new(auth);
        config.session = setup.client.clone();
        config.suites = vec![setup.suite];
        config.backoff = setup.backoff.clone();
        let client = Session::connect(config, seed(setup.seed), now).expect("because the setup is in range");
        let mut config = ServerConfig::new(server_auth);
        config.session = setup.server.clone();
        // The server was up before, so that its word on sessions it does not know has weight.
        let registry =
            Registry::new(config, seed(setup.seed ^ 0x80), Instant::ZERO).expect("because the setup is in range");
        Duo {
            now: now.as_nanos(),
            client,
            registry,
            server: None,
            former: Vec::new(),
            wires: Vec::new(),
            events: Vec::new(),
            ended: [None, None],
            ledger: Ledger::new(u64::from(setup.seed)),
            answered: 0,
        }
    }

    /// The machines' word for now.
    #[must_use]
    pub fn instant(&self) -> Instant {
        Instant::from_nanos(self.now)
    }

    /// One of the two machines.
    pub fn machine(&mut self, side: Side) -> Option<&mut Session> {
        if side == Side::Client {
            Some(&mut self.client)
        } else {
            self.server.as_mut()
        }
    }
}
