//! A process of the pair dies, and another one takes its place with what was kept.

use bytes::Bytes;
use unbroken_proto::config::Seed;
use unbroken_proto::durable::RestoreError;
use unbroken_proto::server::Registry;
use unbroken_proto::{Session, Side};

use super::setup::{Pair, Setup};

impl Pair {
    /// The client's process dies and begins again with `journal`. False: nothing was kept, so that it begins anew.
    ///
    /// # Panics
    /// When what was kept is not restored.
    pub fn restart_client(&mut self, setup: &Setup, journal: &[Bytes], seed: Seed) -> bool {
        let now = self.instant();
        let config = setup.client_config();
        let (restored, session) = match Session::restore(config.clone(), journal, None, Seed(seed.0), now) {
            Ok(session) => (true, session),
            Err(RestoreError::Empty) => (
                false,
                Session::connect(config, seed, now).expect("because the setup is in range"),
            ),
            Err(error) => panic!("the client is not restored: {error:?}"),
        };
        self.client = session;
        self.answered = 0;
        self.ended[0] = None;
        self.die(Side::Client);
        restored
    }

    /// The server's process dies and begins again with `journal`. False: nothing was kept, and it has no session.
    ///
    /// # Panics
    /// When what was kept is not restored.
    pub fn restart_server(&mut self, setup: &Setup, journal: &[Bytes], seed: Seed) -> bool {
        let now = self.instant();
        self.registry = Registry::new(setup.server_config(), seed, now).expect("because the setup is in range");
        self.former.clear();
        self.server = match self.registry.restore(now, journal, None) {
            Ok((session, _)) => Some(session),
            Err(RestoreError::Empty) => None,
            Err(error) => panic!("the server is not restored: {error:?}"),
        };
        self.die(Side::Server);
        self.pass_report();
        self.server.is_some()
    }

    /// Its connections go with a process: what it said is still on its way, what was said to it is lost.
    fn die(&mut self, side: Side) {
        let is_client = side == Side::Client;
        for wire in 0..self.wires.len() {
            self.close(wire, side);
            self.wires[wire].cut([!is_client, is_client]);
        }
    }
}
