//! The dialling end.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

use bytes::BytesMut;

use super::end::{End, act, gets};
use super::script::{Script, bytes, number};
use crate::config::{ClientConfig, Seed};
use crate::id::{Carrier, Epoch, Side};
use crate::reconnect::{Answer, Cause};
use crate::session::Session;
use crate::time::Instant;

pub(super) struct Client {
    session: Session,
    connections: BTreeMap<u64, Epoch>,
}

impl Client {
    pub(super) fn new(script: &Script) -> Client {
        let value = |of| bytes(script.value(Side::Client, of).unwrap_or("-"));
        let name = String::from_utf8(value("name")).expect("because a name is UTF-8");
        let config = ClientConfig::new(script.client_auth())
            .with_suites(script.suites(Side::Client))
            .with_name(name)
            .with_credential(value("credential").into())
            .with_session(script.limits(Side::Client));
        let session = Session::connect(config, Seed([2; 32]), Instant::from_millis(0));
        Client {
            session: session.expect("because the configuration is sound"),
            connections: BTreeMap::new(),
        }
    }

    fn wanted(&self) -> u64 {
        self.session
            .wanted_connection()
            .expect("because it is detached")
            .attempt
    }
}

impl End for Client {
    fn does(&mut self, now: Instant, step: &[&str]) {
        match step {
            ["dials", connection] => {
                let epoch = self.session.attach(now, Carrier::ordered());
                let epoch = epoch.expect("because a connection is wanted and it is time");
                self.connections.insert(number(connection), epoch);
            }
            ["hurries"] => self.session.reconnect().at_once(now),
            // As if its state were restored from an old copy.
            ["counts", counter] => {
                let ticket = self.session.identity.ticket.as_mut();
                ticket.expect("because its handshake is over").counter = number(counter);
            }
            ["shows", credential] => {
                let attempt = self.wanted();
                let credential = Answer::Credential(bytes(credential).into());
                self.session.handle_answer(now, attempt, credential);
            }
            step => act(&mut self.session, now, step),
        }
    }

    fn wait(&mut self, now: Instant) {
        self.session.handle_timeout(now);
    }

    fn poll(&mut self, now: Instant, connection: u64, _: usize) -> Option<Vec<u8>> {
        let epoch = *self.connections.get(&connection)?;
        let mut packet = Vec::new();
        self.session.poll_transmit(now, epoch, &mut packet).then_some(packet)
    }

    fn input(&mut self, now: Instant, connection: u64, packet: &[u8]) {
        if let Some(epoch) = self.connections.get(&connection) {
            let _closes = self.session.handle_input(now, *epoch, BytesMut::from(packet));
        }
    }

    fn lose(&mut self, now: Instant, connection: u64) {
        if let Some(epoch) = self.connections.remove(&connection) {
            self.session.detach(now, epoch, Cause::Network);
        }
    }

    fn closes(&mut self, connection: u64, _: usize) -> bool {
        let done = |epoch: &Epoch| !self.session.is_wanted(*epoch);
        let closes = self.connections.get(&connection).is_some_and(done);
        closes && self.connections.remove(&connection).is_some()
    }

    fn gets(&mut self, now: Instant) -> Vec<String> {
        gets(&mut self.session, now)
    }
}
