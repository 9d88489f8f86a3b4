//! A transcript taken apart: the steps, and what came of them.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

use crate::config::SessionConfig;
use crate::id::Side;
use crate::security::{Auth, PublicKey, ServerAuth, SharedSecret, StaticKey, Suite};
use crate::wire::tests::show::unhex;

/// Lines that something may come of.
pub(super) const STEPS: [&str; 5] = ["time", "does", "cut", "release", "forged"];
const OTHERS_GIVEN: [&str; 5] = ["case", "nonces", "secret", "configured", "hold"];

/// `name=value …`
type Pairs = BTreeMap<String, String>;

pub(super) struct Script {
    /// The lines that are given, with comments and blank lines, in order.
    pub(super) lines: Vec<String>,
    pub(super) first_nonce: u64,
    secret: Option<Pairs>,
    configured: BTreeMap<String, Pairs>,
}

/// Whether such a line is given. All others are what comes of those.
fn is_given(key: &str) -> bool {
    STEPS.contains(&key) || OTHERS_GIVEN.contains(&key)
}

/// Whether such a line counts where places in a transcript are counted.
pub(super) fn counts(key: &str) -> bool {
    STEPS.contains(&key) || key == "packet" || key == "closes"
}

fn pairs(text: &str) -> Pairs {
    let pair = |word: &str| {
        let (name, value) = word.split_once('=').expect(word);
        (name.into(), value.into())
    };
    text.split(' ').map(pair).collect()
}

/// Byte strings are hex, or `-` for an empty one.
pub(super) fn bytes(text: &str) -> Vec<u8> {
    if text == "-" { Vec::new() } else { unhex(text) }
}

pub(super) fn number(text: &str) -> u64 {
    text.parse().expect(text)
}

pub(super) fn side(word: &str) -> Side {
    match word {
        "client" => Side::Client,
        "server" => Side::Server,
        other => panic!("{other} is neither end"),
    }
}

pub(super) fn name(side: Side) -> &'static str {
    match side {
        Side::Client => "client",
        Side::Server => "server",
    }
}

pub(super) fn other(side: Side) -> Side {
    match side {
        Side::Client => Side::Server,
        Side::Server => Side::Client,
    }
}

fn key(pairs: &Pairs, name: &str) -> [u8; 32] {
    bytes(&pairs[name]).try_into().expect("because a key has 32 bytes")
}

impl Script {
    pub(super) fn read(text: &str) -> Script {
        let given = |line: &&str| {
            let key = line.split(':').next().unwrap_or_default();
            line.is_empty() || line.starts_with('#') || is_given(key)
        };
        let mut script = Script {
            lines: text.lines().filter(given).map(Into::into).collect(),
            first_nonce: 0,
            secret: None,
            configured: BTreeMap::new(),
        };
        for line in &script.lines {
            match line.split_once(": ") {
                Some(("nonces", from)) => script.first_nonce = number(from),
                Some(("secret", secret)) => script.secret = Some(pairs(secret)),
                Some(("configured", end)) => {
                    let (end, values) = end.split_once(' ').expect(line);
                    script.configured.insert(end.into(), pairs(values));
                }
                _ => {}
            }
        }
        script
    }

    /// The end's own, and what the other knows of it.
    fn static_key(&self, side: Side) -> (StaticKey, Vec<PublicKey>) {
        let own = StaticKey::from_bytes(key(&self.configured[name(side)], "static"));
        let public = own.public();
        (own, [public].into())
    }

    fn secret(&self) -> Option<SharedSecret> {
        let secret = |pairs: &Pairs| SharedSecret::from_key(&bytes(&pairs["hint"]), key(pairs, "key"));
        self.secret
            .as_ref()
            .map(|pairs| secret(pairs).expect("because the hint is short"))
    }

    /// Each end trusts the other's static key and no other.
    pub(super) fn client_auth(&self) -> Auth {
        let auth = Auth::pinned(self.static_key(Side::Server).1).with_key(self.static_key(Side::Client).0);
        match self.secret() {
            Some(secret) => auth.with_secret(secret),
            None => auth,
        }
    }

    pub(super) fn server_auth(&self) -> ServerAuth {
        let auth = ServerAuth::key(self.static_key(Side::Server).0).with_clients(self.static_key(Side::Client).1);
        match self.secret() {
            Some(secret) => auth.with_secrets([secret].into()),
            None => auth,
        }
    }

    pub(super) fn value(&self, side: Side, of: &str) -> Option<&str> {
        self.configured[name(side)].get(of).map(String::as_str)
    }

    pub(super) fn suites(&self, side: Side) -> Vec<Suite> {
        let suites = bytes(self.value(side, "suites").expect("because it is configured"));
        let suite = |byte| Suite::from_byte(byte).expect("because there is such a suite");
        suites.into_iter().map(suite).collect()
    }

    /// The defaults, but for what is configured.
    pub(super) fn limits(&self, side: Side) -> SessionConfig {
        let mut config = SessionConfig::default();
        let value = |of, default: u64| self.value(side, of).map_or(default, number);
        config.stream_window = value("stream_window", config.stream_window);
        config.session_window = value("session_window", config.session_window);
        config
    }
}

/// A packet with all that is told of it, or something that an application hears, and the step that it belongs to.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Said {
    pub(super) step: usize,
    pub(super) lines: String,
}

/// What `side` says in a transcript.
pub(super) fn said_by(text: &str, side: Side) -> Vec<Said> {
    let mut all: Vec<(bool, Said)> = Vec::new();
    let mut step = 0;
    for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let (key, value) = line.split_once(": ").expect(line);
        step += usize::from(STEPS.contains(&key));
        let is_by = |word| value.split(' ').nth(word) == Some(name(side));
        let begins = match key {
            "packet" => Some(is_by(1)),
            "gets" | "closes" => Some(is_by(0)),
            key => is_given(key).then_some(false),
        };
        match (begins, all.last_mut()) {
            (None, Some((_, said))) => said.lines = [&said.lines, line].join("\n"),
            (begins, _) => {
                let lines = line.into();
                all.push((begins == Some(true), Said { step, lines }));
            }
        }
    }
    all.into_iter()
        .filter(|(ours, _)| *ours)
        .map(|(_, said)| said)
        .collect()
}
