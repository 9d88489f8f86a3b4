//! The bare machine: two sessions in one process, no sockets. Packets per message, records and bytes
//! per second with every packet sealed and opened, and allocations per message, over message size.
//!
//! `cargo bench -p unbroken-tests --bench machine`. Both ends run on one core, so a real end does about
//! twice as much. The baseline in the same run is the cipher alone over the same bytes.

use std::time::{Duration as Wall, Instant as Clock};

use bytes::{Bytes, BytesMut};
use unbroken_proto::config::{ClientConfig, Seed, ServerConfig};
use unbroken_proto::security::{Auth, ServerAuth, SharedSecret, Suite};
use unbroken_proto::server::{Admission, Registry, Route};
use unbroken_proto::stream::{Chunk, StreamOptions};
use unbroken_proto::{Carrier, Epoch, Instant, Session, StreamId};

struct Pair {
    client: Session,
    server: Session,
    epochs: (Epoch, Epoch),
    stream: StreamId,
    nanos: u64,
    packet: Vec<u8>,
}

impl Pair {
    fn new(suite: Suite) -> Pair {
        let secret = SharedSecret::from_key(b"bench", [7; 32]).expect("because the hint is short");
        let now = Instant::from_millis(1);
        let config = ServerConfig::new(ServerAuth::secrets(vec![secret.clone()]));
        let mut registry = Registry::new(config, Seed([1; 32]), now).expect("because the defaults are valid");
        let mut config = ClientConfig::new(Auth::secret(secret));
        config.suites = vec![suite];
        let mut client = Session::connect(config, Seed([2; 32]), now).expect("because the defaults are valid");
        let ours = client.attach(now, Carrier::ordered()).expect("because it is wanted");
        let connection = registry.connection_accepted(now, Carrier::ordered());
        let mut packet = Vec::new();
        client.poll_transmit(now, ours, &mut packet);
        let Route::Handshake(mut incoming) = registry.first_packet(now, connection, BytesMut::from(&packet[..])) else {
            panic!("because HELLO leads to a handshake")
        };
        packet.clear();
        incoming.poll_transmit(&mut packet);
        client
            .handle_input(now, ours, BytesMut::from(&packet[..]))
            .expect("because it is honest");
        packet.clear();
        client.poll_transmit(now, ours, &mut packet);
        incoming
            .handle_input(now, BytesMut::from(&packet[..]))
            .expect("because it is honest");
        let Admission::New {
            session: server,
            epoch: theirs,
        } = registry.admit(now, incoming)
        else {
            panic!("because there is room")
        };
        let stream = client
            .open(now, StreamOptions::default())
            .expect("because there is room");
        let mut pair = Pair {
            client,
            server,
            epochs: (ours, theirs),
            stream,
            nanos: 1_000_000,
            packet: Vec::new(),
        };
        pair.settle();
        assert!(pair.server.accept(pair.now()).is_some());
        pair
    }

    fn now(&self) -> Instant {
        Instant::from_nanos(self.nanos)
    }

    /// Carries packets both ways until there are none; returns how many went to the server.
    fn settle(&mut self) -> u64 {
        let mut forth = 0;
        loop {
            self.nanos += 1_000;
            let now = self.now();
            let (ours, theirs) = self.epochs;
            let mut moved = false;
            while carry(now, &mut self.client, ours, &mut self.server, theirs, &mut self.packet) {
                forth += 1;
                moved = true;
            }
            while carry(now, &mut self.server, theirs, &mut self.client, ours, &mut self.packet) {
                moved = true;
            }
            if !moved {
                return forth;
            }
        }
    }

    /// Reads all that has arrived; returns messages and bytes.
    fn read(&mut self) -> (u64, u64) {
        let (mut messages, mut bytes) = (0, 0);
        let now = self.now();
        while let Ok(Some(Chunk::Data { payload, message_end })) = self.server.stream(self.stream).recv(now) {
            bytes += payload.len() as u64;
            messages += u64::from(message_end);
        }
        (messages, bytes)
    }

    /// Sends and reads `count` messages; returns packets used.
    fn run(&mut self, message: &Bytes, count: u64) -> u64 {
        let (mut sent, mut got, mut packets) = (0, 0, 0);
        while got < count {
            let now = self.now();
            while sent < count && self.client.stream(self.stream).send(now, message.clone()).is_ok() {
                sent += 1;
            }
            packets += self.settle();
            got += self.read().0;
            // Credit and late acknowledgements.
            self.nanos += 25_000_000;
            let now = self.now();
            self.client.handle_timeout(now);
            self.server.handle_timeout(now);
            while self.client.poll_event().is_some() || self.server.poll_event().is_some() {}
        }
        packets
    }
}

fn carry(now: Instant, from: &mut Session, a: Epoch, to: &mut Session, b: Epoch, packet: &mut Vec<u8>) -> bool {
    packet.clear();
    // A host's read buffer: one allocation a packet, as a WebSocket library makes it.
    from.poll_transmit(now, a, packet)
        && to
            .handle_input(now, b, BytesMut::from(&packet[..]))
            .map(|()| true)
            .expect("because both are honest")
}

fn main() {
    println!(
        "{:<18}{:>9}{:>12}{:>11}{:>14}{:>14}",
        "suite", "message", "msg/s", "MiB/s", "msg/packet", "alloc/msg"
    );
    for suite in [Suite::Aes256GcmPsk, Suite::ChaChaPolyPsk] {
        for size in [64usize, 256, 1 << 10, 4 << 10, 16 << 10, 64 << 10, 256 << 10] {
            let mut pair = Pair::new(suite);
            let message = Bytes::from(vec![0xa5; size]);
            let batch = (8u64 << 20) / (size as u64 + 64);
            pair.run(&message, batch / 4 + 1);
            let (mut count, mut packets) = (0, 0);
            let started = Clock::now();
            while started.elapsed() < Wall::from_millis(600) {
                packets += pair.run(&message, batch);
                count += batch;
            }
            let seconds = started.elapsed().as_secs_f64();
            let allocations = allocation_counter::measure(|| {
                pair.run(&message, batch);
            });
            #[allow(clippy::cast_precision_loss)] // Reporting only.
            let (count, packets, size, allocated) = (
                count as f64,
                packets as f64,
                size as f64,
                allocations.count_total as f64 / batch as f64,
            );
            let mib = count * size / seconds / f64::from(1 << 20);
            println!(
                "{:<18}{:>9}{:>12.0}{:>11.1}{:>14.2}{:>14.3}",
                format!("{suite:?}"),
                size,
                count / seconds,
                mib,
                count / packets,
                allocated
            );
        }
    }
}
