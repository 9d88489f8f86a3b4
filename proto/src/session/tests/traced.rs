//! What the `tracing` feature says, and what it never says.

extern crate std;

use std::format;
use std::string::String;
use std::sync::{Arc, Mutex};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Metadata, Subscriber};

use super::*;

/// Every field of every span and event, in order.
#[derive(Clone, Default)]
struct Told(Arc<Mutex<String>>);

impl Told {
    fn note(&self, what: &str) {
        self.0.lock().expect("because no test panics here").push_str(what);
    }
}

impl Visit for Told {
    fn record_debug(&mut self, field: &Field, value: &dyn core::fmt::Debug) {
        self.note(&format!("{field}={value:?} "));
    }
}

impl Subscriber for Told {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, attributes: &Attributes<'_>) -> Id {
        self.note(attributes.metadata().name());
        attributes.record(&mut self.clone());
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, values: &Record<'_>) {
        values.record(&mut self.clone());
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &tracing::Event<'_>) {
        event.record(&mut self.clone());
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

#[test]
fn a_sessions_life_is_told_and_nothing_secret_is() {
    let told = Told::default();
    tracing::subscriber::with_default(told.clone(), || {
        let mut pair = Pair::with_client(|config| config.credential = Bytes::from_static(b"hunter2"));
        pair.dial();
        let now = pair.now;
        let stream = pair
            .client
            .open(now, StreamOptions::default())
            .expect("because there is room");
        pair.client
            .stream(stream)
            .send(now, Bytes::from_static(b"confidential"))
            .expect("because there is room");
        pair.cut();
        pair.client.abort(now);
    });
    let told = told.0.lock().expect("because no test panics here").clone();
    for word in [
        "session",
        "side=Client",
        "id=",
        "established",
        "Attached",
        "Detached",
        "reason=Aborted",
        "packet in",
        "packet out",
    ] {
        assert!(told.contains(word), "{word} is missing in {told}");
    }
    for secret in ["hunter2", "confidential"] {
        let bytes = format!("{:?}", secret.as_bytes());
        assert!(!told.contains(secret) && !told.contains(&bytes), "{secret} is told");
    }
}
