//! What can be chosen about a store in NATS.

use std::time::Duration;

use unbroken_driver::store::StoreError;

use super::errors::failed;

/// What can be chosen about a [`NatsStore`](super::NatsStore). The nodes of a fleet share `name` and `lease`.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct NatsConfig {
    /// What the stream is called, and its subjects begin with: 1 to 32 letters, digits, hyphens and underscores.
    /// `unbroken` if nothing else is said. Each fleet that shares an account has its own.
    pub name: String,
    /// How many servers keep each journal, 1 to 5, when the stream is created. An odd number; 1 if nothing else is said,
    /// which is for development: one server that loses its disk loses all.
    pub replicas: usize,
    /// How many bytes the stream may have, when it is created; `None`: as many as the account. An eighth of it is kept for
    /// taking over, replacing and removing, so that a full store can become less full.
    pub max_bytes: Option<u64>,
    /// How long a node that says nothing is thought to live; at least 100 ms, 10 s if nothing else is said. It says so at each
    /// third of it. No correctness rests on it, only how soon the journals of a node that died are taken over.
    pub lease: Duration,
    /// How long an owner that lives has to give up a journal that another node opens. 5 s if nothing else is said.
    pub handover: Duration,
    /// How long a server has to answer. 5 s if nothing else is said.
    pub timeout: Duration,
    /// How often this node looks for journals that may be deleted, give or take a quarter. 10 min if nothing else is said.
    pub sweep: Duration,
    /// The JetStream domain, if it is not the one of the server that is connected to.
    pub domain: Option<String>,
}

impl Default for NatsConfig {
    fn default() -> NatsConfig {
        NatsConfig {
            name: "unbroken".to_owned(),
            replicas: 1,
            max_bytes: None,
            lease: Duration::from_secs(10),
            handover: Duration::from_secs(5),
            timeout: Duration::from_secs(5),
            sweep: Duration::from_secs(600),
            domain: None,
        }
    }
}

impl NatsConfig {
    /// Refuses what no server would take, or would take for something else.
    pub(super) fn check(&self) -> Result<(), StoreError> {
        let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        if self.name.is_empty() || self.name.len() > 32 || !self.name.bytes().all(is_allowed) {
            return Err(failed(
                "the name of a store has 1 to 32 letters, digits, hyphens and underscores",
            ));
        }
        if !(1..=5).contains(&self.replicas) {
            return Err(failed("a stream has 1 to 5 replicas"));
        }
        if self.lease < Duration::from_millis(100) {
            return Err(failed("a lease has at least 100 ms"));
        }
        if self.timeout.is_zero() || self.sweep.is_zero() {
            return Err(failed("a time in which something must happen is not zero"));
        }
        Ok(())
    }
}
