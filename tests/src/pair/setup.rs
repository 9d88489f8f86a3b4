//! The two machines and the registry, made for a test.

use std::collections::VecDeque;

use unbroken_proto::config::{ClientConfig, Seed, ServerConfig};
use unbroken_proto::event::{Ended, Event};
use unbroken_proto::reconnect::{Backoff, ReconnectIntent, Strategies};
use unbroken_proto::security::{Auth, ServerAuth, SharedSecret, StaticKey, Suite};
use unbroken_proto::server::{Refusal, Registry};
use unbroken_proto::time::{Duration, Instant};
use unbroken_proto::{Cause, Session, SessionConfig, Side};

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
    /// What the client does about each cause.
    pub strategies: Strategies,
    /// Attempts it remembers.
    pub history_limit: usize,
}

impl Default for Setup {
    fn default() -> Self {
        let backoff = Backoff::default()
            .with_first(Duration::ZERO)
            .with_base(Duration::from_millis(10));
        Setup {
            seed: 1,
            suite: Suite::ChaChaPoly,
            client: SessionConfig::default(),
            server: SessionConfig::default(),
            backoff,
            strategies: Strategies::default(),
            history_limit: 64,
        }
    }
}

/// See [`crate::pair`].
#[derive(Debug)]
pub struct Pair {
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
    /// What becomes of the next dials; those beyond are connections.
    pub dials: VecDeque<DialFate>,
    /// Every dial there was.
    pub dialled: Vec<Dialled>,
    /// What the accepting host answers the next clients; those beyond are let in.
    pub refusals: VecDeque<Refusal>,
    pub(super) answered: u64,
}

/// What becomes of a dial.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DialFate {
    /// A connection.
    Up,
    /// A connection on which nothing ever passes.
    Dead,
    /// Nothing, ever.
    Hangs,
    /// It fails of this.
    Fails(Cause),
    /// Somebody on the way says "later".
    Postponed(Duration),
}

/// A dial, as the host made it.
#[derive(Clone, Debug)]
pub struct Dialled {
    /// When.
    pub at: u64,
    /// What was asked for.
    pub intent: ReconnectIntent,
    /// What became of it.
    pub fate: DialFate,
}

fn secret() -> SharedSecret {
    SharedSecret::from_key(b"pair", [7; 32]).expect("because the hint is short")
}

fn client_auth(setup: &Setup) -> Auth {
    let auth = Auth::pinned(vec![StaticKey::from_bytes([9; 32]).public()]);
    if setup.suite.has_secret() {
        auth.with_secret(secret())
    } else {
        auth
    }
}

fn client_config(setup: &Setup, auth: Auth) -> ClientConfig {
    let mut config = ClientConfig::new(auth);
    config.session = setup.client.clone();
    config.suites = vec![setup.suite];
    config.backoff = setup.backoff.clone();
    config.strategies = setup.strategies.clone();
    config.history_limit = setup.history_limit;
    config
}

impl Setup {
    /// The client's configuration.
    #[must_use]
    pub fn client_config(&self) -> ClientConfig {
        client_config(self, client_auth(self))
    }

    /// The server's.
    #[must_use]
    pub fn server_config(&self) -> ServerConfig {
        server_config(self)
    }
}

fn server_config(setup: &Setup) -> ServerConfig {
    let mut auth = ServerAuth::key(StaticKey::from_bytes([9; 32]));
    if setup.suite.has_secret() {
        auth = auth.with_secrets(vec![secret()]);
    }
    let mut config = ServerConfig::new(auth);
    config.session = setup.server.clone();
    config
}

fn seed(n: u8) -> Seed {
    Seed([n; 32])
}

impl Pair {
    /// Nothing happened yet.
    ///
    /// # Panics
    /// When the setup is out of range.
    #[must_use]
    pub fn new(setup: &Setup) -> Pair {
        let now = Instant::from_millis(1_000);
        let config = client_config(setup, client_auth(setup));
        let client = Session::connect(config, seed(setup.seed), now).expect("because the setup is in range");
        let config = server_config(setup);
        // The server was up before, so that its word on sessions it does not know has weight.
        let registry =
            Registry::new(config, seed(setup.seed ^ 0x80), Instant::ZERO).expect("because the setup is in range");
        Pair {
            now: now.as_nanos(),
            client,
            registry,
            server: None,
            former: Vec::new(),
            wires: Vec::new(),
            events: Vec::new(),
            ended: [None, None],
            ledger: Ledger::new(u64::from(setup.seed)),
            dials: VecDeque::new(),
            dialled: Vec::new(),
            refusals: VecDeque::new(),
            answered: 0,
        }
    }

    /// The client's session is over and a fresh one takes its place, with what it leaves. What the server has of the
    /// old one is nobody's any more.
    ///
    /// # Panics
    /// When the setup is out of range.
    pub fn follow(&mut self, setup: &Setup) {
        let mut config = client_config(setup, client_auth(setup));
        config.handover = self.client.reconnecting().handover().map(Box::new);
        let heir = Session::connect(config, seed(setup.seed), self.instant()).expect("because the setup is in range");
        self.client = heir;
        self.former.extend(self.server.take());
        self.wires.clear();
        self.ended = [None, None];
        self.ledger = Ledger::new(u64::from(setup.seed));
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
