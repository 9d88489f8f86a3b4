//! Durable sessions: what waits for the disk, and what is restored from it. The simulator of the `unbroken-tests` crate kills
//! processes at any step; here each effect has a test of its own.

mod alone;
mod copies;
mod overrun;
mod seen;

use super::*;
use crate::durable::{Op, Record, RestoreError};
use crate::event::Place;
use crate::security::AtRest;
use crate::session::StoreFailure;

/// What is kept of one end.
#[derive(Clone, Default)]
pub(super) struct Disk {
    pub(super) records: Vec<Record>,
}

impl Disk {
    /// Takes what the session has for it, and does not say that it is kept.
    fn take(&mut self, session: &mut Session) -> Option<u64> {
        let mut last = None;
        while let Some(record) = session.poll_record() {
            last = Some(record.number);
            if record.is_snapshot {
                self.records.clear();
            }
            self.records.push(record);
        }
        last
    }

    pub(super) fn keep(&mut self, session: &mut Session, now: Instant) -> bool {
        let Some(through) = self.take(session) else {
            return false;
        };
        session.handle_persisted(now, through);
        true
    }

    pub(super) fn pieces(&self) -> Vec<Bytes> {
        self.records.iter().map(|record| record.bytes.clone()).collect()
    }
}

pub(super) struct Durable {
    pub(super) pair: Pair,
    pub(super) client: Disk,
    pub(super) server: Disk,
}

fn at_rest() -> AtRest {
    AtRest::sealed([9; 32])
}

fn make_durable(client: &mut ClientConfig, server: &mut ServerConfig) {
    client.session.durable = Some(at_rest());
    server.session.durable = Some(at_rest());
}

fn client_config() -> ClientConfig {
    let secret = SharedSecret::from_key(b"test", [7; 32]).expect("because the hint is short");
    let mut config = ClientConfig::new(Auth::secret(secret));
    config.session.durable = Some(at_rest());
    config
}

pub(super) fn server_config() -> ServerConfig {
    let secret = SharedSecret::from_key(b"test", [7; 32]).expect("because it is honest");
    let mut config = ServerConfig::new(ServerAuth::secrets(alloc::vec![secret]));
    config.session.durable = Some(at_rest());
    config
}

impl Durable {
    pub(super) fn new() -> Durable {
        Durable {
            pair: Pair::with_configs(make_durable),
            client: Disk::default(),
            server: Disk::default(),
        }
    }

    /// As [`Pair::dial`], with disks that answer at once.
    pub(super) fn dial(&mut self) {
        self.connect();
        self.settle();
    }

    /// Up to where the server has answered.
    pub(super) fn connect(&mut self) -> (Epoch, Epoch) {
        let due = self
            .pair
            .client
            .wanted_connection()
            .expect("because it is lost")
            .not_before;
        self.pair.now = self.pair.now.max(due);
        let now = self.pair.now;
        let ours = self
            .pair
            .client
            .attach(now, Carrier::ordered())
            .expect("because it is due");
        self.client.keep(&mut self.pair.client, now);
        let connection = self.pair.registry.connection_accepted(now, Carrier::ordered());
        let mut packet = Vec::new();
        assert!(self.pair.client.poll_transmit(now, ours, &mut packet));
        let theirs = match self
            .pair
            .registry
            .first_packet(now, connection, BytesMut::from(&packet[..]))
        {
            Route::Handshake(mut incoming) => {
                packet.clear();
                incoming.poll_transmit(&mut packet);
                let client = &mut self.pair.client;
                client
                    .handle_input(now, ours, BytesMut::from(&packet[..]))
                    .expect("because it is honest");
                packet.clear();
                client.poll_transmit(now, ours, &mut packet);
                incoming
                    .handle_input(now, BytesMut::from(&packet[..]))
                    .expect("because it is honest");
                match self.pair.registry.admit(now, incoming) {
                    Admission::New { session, epoch } => {
                        self.pair.server = Some(session);
                        epoch
                    }
                    Admission::Resume { incoming, .. } => {
                        let adopted = self.pair.server().adopt(now, incoming);
                        adopted.expect("because the proof is good")
                    }
                    Admission::Lookup { .. } => panic!("nothing is looked up"),
                    Admission::Reject(_) => panic!("not admitted"),
                }
            }
            Route::Resume { incoming, .. } => self.pair.server().adopt(now, incoming).expect("because it is honest"),
            Route::Lookup { .. } => panic!("nothing is looked up"),
            Route::Reject(rejection) => panic!("rejected: {rejection:?}"),
        };
        self.pair.links.push((ours, Some(theirs)));
        (ours, theirs)
    }

    /// As [`Pair::redial`], with a disk that answers at once.
    fn redial(&mut self) {
        let due = self.pair.client.wanted_connection().map(|intent| intent.not_before);
        self.pair.now = self.pair.now.max(due.expect("because it is lost"));
        let now = self.pair.now;
        let ours = self
            .pair
            .client
            .attach(now, Carrier::ordered())
            .expect("because it is due");
        self.client.keep(&mut self.pair.client, now);
        self.pair.answer(ours);
    }

    pub(super) fn settle(&mut self) {
        loop {
            self.pair.settle();
            let now = self.pair.now;
            let kept = self.client.keep(&mut self.pair.client, now);
            if !self.server.keep(self.pair.server(), now) && !kept {
                return;
            }
        }
    }

    /// The present connection, as either end calls it.
    fn connection(&self) -> (Epoch, Epoch) {
        let (ours, theirs) = self.pair.links.last().copied().expect("because it was dialled");
        (ours, theirs.expect("because it was answered"))
    }

    /// What the client says on that connection.
    fn client_says(&mut self, epoch: Epoch) -> Vec<Vec<u8>> {
        packets(&mut self.pair.client, &mut self.client, self.pair.now, epoch)
    }

    /// What the client says on the present connection arrives, and nothing comes back there, or ever will.
    fn client_says_last(&mut self) -> (Epoch, Epoch) {
        let (ours, theirs) = self.connection();
        let (now, said) = (self.pair.now, self.client_says(ours));
        arrive(self.pair.server(), now, theirs, said);
        self.pair.links.clear();
        (ours, theirs)
    }

    /// Both processes die, and are started again.
    fn restart(&mut self) {
        self.pair.cut();
        self.restart_client();
        self.restart_server();
    }

    fn restart_client(&mut self) {
        let now = self.pair.now;
        let seed = Seed([now.as_nanos() as u8 ^ 0x5a; 32]);
        self.pair.client =
            Session::restore(client_config(), &self.client.pieces(), None, seed, now).expect("because it is honest");
    }

    fn restart_server(&mut self) {
        let now = self.pair.now;
        self.pair.registry = Registry::new(server_config(), Seed([77; 32]), now).expect("because it is honest");
        let (server, _) = self
            .pair
            .registry
            .restore(now, &self.server.pieces(), None)
            .expect("because it is honest");
        self.pair.server = Some(server);
        self.pair.settle_registry();
    }
}

fn messages(session: &mut Session, now: Instant, stream: StreamId) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    while let Ok(Some(Chunk::Data { payload, .. })) = session.stream(stream).recv(now) {
        all.push(payload.to_vec());
    }
    all
}

/// All that it has for that connection: what is committed goes out once that is kept.
fn packets(session: &mut Session, disk: &mut Disk, now: Instant, epoch: Epoch) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    loop {
        all.extend(core::iter::from_fn(|| packet_of(session, now, epoch)));
        if !disk.keep(session, now) {
            return all;
        }
    }
}

fn arrive(session: &mut Session, now: Instant, epoch: Epoch, packets: Vec<Vec<u8>>) {
    for packet in packets {
        let taken = session.handle_input(now, epoch, BytesMut::from(&packet[..]));
        taken.expect("because it is honest");
    }
}

#[test]
fn a_conversation_goes_on_after_both_ends_died() {
    let mut durable = Durable::new();
    durable.dial();
    let now = durable.pair.now;
    let stream = queue(&mut durable.pair.client, now, "one".into());
    durable.settle();
    let server = durable.pair.server();
    assert_eq!(server.accept(now).expect("because it is honest").id, stream);
    assert_eq!(messages(server, now, stream), [b"one"]);
    send(server, now, stream, "answer");
    // Nobody has a connection when this is said.
    durable.settle();
    durable.pair.cut();
    send(&mut durable.pair.client, now, stream, "two");
    durable.settle();
    for _ in 0..3 {
        durable.restart();
        let now = durable.pair.now;
        durable.dial();
        // What was read and not dealt with comes again.
        assert_eq!(messages(durable.pair.server(), now, stream), [&b"one"[..], b"two"]);
        assert_eq!(messages(&mut durable.pair.client, now, stream), [b"answer"]);
        assert_eq!(durable.pair.client.streams()[0].taken.messages, 2);
    }
    let place = Place { messages: 1, bytes: 0 };
    let now = durable.pair.now;
    durable
        .pair
        .server()
        .stream(stream)
        .consumed(now, place)
        .expect("because it is honest");
    durable.settle();
    durable.restart();
    durable.dial();
    let now = durable.pair.now;
    assert_eq!(messages(durable.pair.server(), now, stream), [b"two"]);
}

/// Found by random schedules: what had arrived before the restart counted for good as what was still to be sent, which there was enough of, so that
/// nothing more ever was.
#[test]
fn what_had_arrived_before_a_restart_makes_room() {
    let mut durable = Durable::new();
    durable.dial();
    let now = durable.pair.now;
    let streams: Vec<StreamId> = (0..3)
        .map(|_| queue(&mut durable.pair.client, now, "first".into()))
        .collect();
    durable.settle();
    let long = Bytes::from(alloc::vec![7; 48 << 10]);
    for stream in streams.repeat(2) {
        send(&mut durable.pair.client, now, stream, long.clone());
    }
    durable.pair.lift();
    durable.client_says_last();
    durable.server.keep(durable.pair.server(), now);
    durable.restart_client();
    durable.pair.narrow = true;
    send(&mut durable.pair.client, now, streams[0], "later");
    durable.dial();
    assert_eq!(durable.pair.client.ledger.acked(), durable.pair.client.ledger.next());
    assert!(durable.pair.server().accept(now).is_some());
    let read = messages(durable.pair.server(), now, streams[0]);
    assert!(
        read.last().is_some_and(|last| last == b"later"),
        "{} messages",
        read.len()
    );
}

#[test]
fn a_session_that_was_never_established_keeps_what_was_queued() {
    let mut durable = Durable::new();
    let now = durable.pair.now;
    let stream = queue(&mut durable.pair.client, now, "early".into());
    durable.client.keep(&mut durable.pair.client, now);
    durable.restart_client();
    durable.dial();
    assert_eq!(
        durable.pair.server().accept(now).expect("because it is honest").id,
        stream
    );
    assert_eq!(messages(durable.pair.server(), now, stream), [b"early"]);
}

// PROTOCOL R17.8
#[test]
fn a_journal_cut_at_any_byte_is_the_state_before() {
    let mut durable = Durable::new();
    durable.dial();
    let now = durable.pair.now;
    let stream = queue(&mut durable.pair.client, now, "first".into());
    durable.client.keep(&mut durable.pair.client, now);
    let whole: usize = durable.client.records.iter().map(|record| record.bytes.len()).sum();
    let place = durable.pair.client.streams()[0].taken.messages;
    send(&mut durable.pair.client, now, stream, "second");
    durable.client.keep(&mut durable.pair.client, now);
    let all: Vec<u8> = durable
        .client
        .pieces()
        .iter()
        .flat_map(|piece| piece.to_vec())
        .collect();
    assert_eq!(place, 1);
    let restore = |bytes: &[u8]| {
        Session::restore(
            client_config(),
            &[Bytes::copy_from_slice(bytes)],
            None,
            Seed([3; 32]),
            now,
        )
    };
    for cut in whole..all.len() {
        let restored = restore(&all[..cut]).expect("because it is honest");
        assert_eq!(restored.streams()[0].taken.messages, 1, "cut at {cut}");
        let mut torn = all.clone();
        torn[cut] ^= 0x40;
        assert_eq!(
            restore(&torn).expect("because it is honest").streams()[0]
                .taken
                .messages,
            1,
            "torn at {cut}"
        );
    }
    assert_eq!(
        restore(&all).expect("because it is honest").streams()[0].taken.messages,
        2
    );
    let first = durable.client.records[0].bytes.len();
    for cut in 0..first {
        assert_eq!(restore(&all[..cut]).err(), Some(RestoreError::Empty), "cut at {cut}");
    }
    for damaged in first..whole {
        let mut bytes = all.clone();
        bytes[damaged] ^= 0x40;
        let error = restore(&bytes).expect_err("because a record is damaged");
        assert!(matches!(error, RestoreError::Damaged { .. }), "{damaged}: {error}");
    }
}

// PROTOCOL R17.8
#[test]
fn a_whole_snapshot_stands_for_what_was_torn_before_it() {
    let mut durable = Durable::new();
    durable.dial();
    let now = durable.pair.now;
    let stream = queue(&mut durable.pair.client, now, "first".into());
    durable.settle();
    let mut pieces = durable.client.pieces();
    let torn = {
        send(&mut durable.pair.client, now, stream, "second");
        let record = durable
            .pair
            .client
            .poll_record()
            .expect("because there is something to keep");
        durable.pair.client.handle_persisted(now, record.number);
        record.bytes.slice(..record.bytes.len() - 1)
    };
    send(&mut durable.pair.client, now, stream, "third");
    let snapshot = durable.pair.client.snapshot().expect("because it is durable");
    pieces.extend([torn, snapshot.bytes]);
    let restored = Session::restore(client_config(), &pieces, None, Seed([3; 32]), now).expect("because it is whole");
    assert_eq!(restored.streams()[0].taken.messages, 3);
}

/// A RESUME that was refused because there were too many is no good after a restart, either.
#[test]
fn the_counter_of_a_newcomer_that_was_sent_away_is_kept() {
    let mut durable = Durable::new();
    durable.dial();
    let mut refused = None;
    for _ in 0..8 {
        durable.pair.cut();
        let due = durable
            .pair
            .client
            .wanted_connection()
            .expect("because it is lost")
            .not_before;
        let now = durable.pair.now.max(due);
        let ours = durable
            .pair
            .client
            .attach(now, Carrier::ordered())
            .expect("because it is due");
        durable.client.keep(&mut durable.pair.client, now);
        let resume = packet_of(&mut durable.pair.client, now, ours).expect("because it is kept");
        durable.pair.client.detach(now, ours, Cause::Network);
        let connection = durable.pair.registry.connection_accepted(now, Carrier::ordered());
        let route = durable
            .pair
            .registry
            .first_packet(now, connection, BytesMut::from(&resume[..]));
        let Route::Resume { incoming, .. } = route else {
            panic!("it is not routed")
        };
        if durable.pair.server().adopt(now, incoming).is_err() {
            refused = Some(resume);
            break;
        }
    }
    let resume = refused.expect("because too many come too soon");
    let now = durable.pair.now;
    durable.server.keep(durable.pair.server(), now);
    durable.restart_server();
    let connection = durable.pair.registry.connection_accepted(now, Carrier::ordered());
    let route = durable
        .pair
        .registry
        .first_packet(now, connection, BytesMut::from(&resume[..]));
    if let Route::Resume { incoming, .. } = route {
        assert!(
            durable.pair.server().adopt(now, incoming).is_err(),
            "its counter was used"
        );
    }
}

/// Its client is told to come later, and goes on where the session does.
#[test]
fn nothing_final_is_said_of_a_session_that_goes_on_elsewhere() {
    for failure in [StoreFailure::Failed, StoreFailure::Superseded, StoreFailure::Released] {
        let mut durable = Durable::new();
        durable.dial();
        durable.pair.cut();
        durable.settle();
        let now = durable.pair.now;
        durable.pair.server().handle_store_failed(now, failure);
        durable.pair.settle_registry();
        for _ in 0..5 {
            durable.redial();
            assert!(durable.pair.client.end_reason().is_none(), "{failure:?}");
        }
        durable.restart_server();
        durable.dial();
        assert!(durable.pair.client.inspect().links[1], "{failure:?}");
    }
}

// PROTOCOL R17.8
#[test]
fn a_record_of_another_process_is_none() {
    let mut durable = Durable::new();
    let now = durable.pair.now;
    let stream = queue(&mut durable.pair.client, now, "kept".into());
    durable.client.keep(&mut durable.pair.client, now);
    let kept = durable.client.pieces();
    let restored = |seed| Session::restore(client_config(), &kept, None, Seed([seed; 32]), now);
    let [mut one, mut other] = [1, 2].map(|seed| restored(seed).expect("because it is whole"));
    let [snapshot, of_other] = [&mut one, &mut other].map(|session| {
        let snapshot = session.poll_record().expect("because it begins with one");
        session.handle_persisted(now, snapshot.number);
        send(session, now, stream, "said by one of two");
        [snapshot, session.poll_record().expect("because something was said")]
    });
    let [snapshot, own] = snapshot;
    let taken = |record: &Record| {
        let pieces = [snapshot.bytes.clone(), record.bytes.clone()];
        let session = Session::restore(client_config(), &pieces, None, Seed([3; 32]), now);
        session.expect("because the snapshot is whole").streams()[0]
            .taken
            .messages
    };
    assert_eq!(own.number, of_other[1].number);
    assert_eq!((taken(&own), taken(&of_other[1])), (2, 1));
}

// PROTOCOL R17.1
#[test]
fn nothing_is_acknowledged_that_is_not_kept() {
    let mut durable = Durable::new();
    durable.dial();
    let now = durable.pair.now;
    queue(&mut durable.pair.client, now, "one".into());
    // The server's disk does not answer.
    for _ in 0..10 {
        durable.client.keep(&mut durable.pair.client, now);
        durable.pair.settle();
    }
    durable.pair.sleep(Duration::from_millis(100));
    durable.pair.settle();
    let client = durable.pair.client.inspect();
    assert_eq!((client.acked, client.next), (0, 2));
    assert_eq!(durable.pair.server().inspect().expected, 2);
    durable.settle();
    assert_eq!(durable.pair.client.inspect().acked, 2);
}

// PROTOCOL R17.2
#[test]
fn nothing_is_sent_whose_commit_is_not_kept() {
    let mut durable = Durable::new();
    durable.dial();
    let now = durable.pair.now;
    queue(&mut durable.pair.client, now, "one".into());
    durable.pair.settle();
    assert_eq!(durable.pair.server().inspect().expected, 0);
    assert_eq!(durable.pair.client.inspect().next, 2, "it is committed all the same");
    durable.settle();
    assert_eq!(durable.pair.server().inspect().expected, 2);
}

#[test]
fn a_store_that_failed_ends_the_session_without_a_word() {
    for (failure, reason) in [
        (StoreFailure::Failed, EndReason::StorageFailed),
        (StoreFailure::Superseded, EndReason::Superseded),
        (StoreFailure::Released, EndReason::Moved),
    ] {
        let mut durable = Durable::new();
        durable.dial();
        let now = durable.pair.now;
        queue(&mut durable.pair.client, now, "one".into());
        durable.pair.client.handle_store_failed(now, failure);
        let ended = events(&mut durable.pair.client).pop();
        let Some(Event::Ended(ended)) = ended else {
            panic!("{ended:?}")
        };
        assert_eq!(ended.reason, reason);
        assert_eq!(ended.fates.streams[0].unknown.messages, 1, "it may go on elsewhere");
        let ours = durable.pair.links[0].0;
        assert!(!durable.pair.client.poll_transmit(now, ours, &mut Vec::new()));
    }
}

#[test]
fn a_half_that_was_stopped_may_be_stopped_again() {
    let mut durable = Durable::new();
    durable.dial();
    let now = durable.pair.now;
    let stream = queue(&mut durable.pair.client, now, "one".into());
    durable.settle();
    let server = durable.pair.server();
    server.accept(now).expect("because it is honest");
    server.stream(stream).stop(now, 7).expect("because it is honest");
    durable.settle();
    for _ in 0..3 {
        durable.restart();
        let now = durable.pair.now;
        durable.server.keep(durable.pair.server(), now);
        let server = durable.pair.server();
        server
            .stream(stream)
            .consumed(now, Place::default())
            .expect("because it is honest");
        server.stream(stream).stop(now, 7).expect("because it is honest");
        durable.server.keep(durable.pair.server(), now);
    }
}

#[test]
fn a_session_is_packed_up_and_goes_on_elsewhere() {
    for (is_durable, is_attached) in [(false, false), (false, true), (true, false), (true, true)] {
        let mut durable = Durable::new();
        if !is_durable {
            durable.pair = Pair::with_configs(|client, server| {
                make_durable(client, server);
                client.session.durable = None;
            });
        }
        durable.dial();
        let now = durable.pair.now;
        let stream = queue(&mut durable.pair.client, now, "one".into());
        durable.settle();
        assert!(durable.pair.server().accept(now).is_some());
        send(durable.pair.server(), now, stream, "unread");
        durable.settle();
        if !is_attached {
            durable.pair.cut();
        }
        send(&mut durable.pair.client, now, stream, "two");
        let key = AtRest::sealed([4; 32]);
        let ticket = durable
            .pair
            .client
            .export(now, &key)
            .expect("because it is established");
        assert_eq!(durable.pair.client.end_reason(), Some(&EndReason::Moved));
        assert!(durable.pair.client.export(now, &key).is_none() && durable.pair.client.wanted_connection().is_none());
        let ours = durable.pair.links.first().map(|link| link.0);
        assert!(ours.is_none_or(|ours| !durable.pair.client.poll_transmit(now, ours, &mut Vec::new())));
        durable.pair.cut();
        let mut config = client_config();
        config.session.durable = is_durable.then(at_rest);
        let other = AtRest::sealed([5; 32]);
        let wrong = Session::import(config.clone(), ticket.clone(), &other, None, Seed([6; 32]), now);
        assert_eq!(wrong.err(), Some(RestoreError::Sealed));
        let session = Session::import(config, ticket, &key, None, Seed([6; 32]), now);
        durable.pair.client = session.expect("because it is whole");
        durable.client = Disk::default();
        durable.dial();
        let now = durable.pair.now;
        assert_eq!(messages(durable.pair.server(), now, stream), [&b"one"[..], b"two"]);
        assert_eq!(messages(&mut durable.pair.client, now, stream), [b"unread"]);
    }
}

/// Asks an end for a packet before and after what it has to keep is kept.
fn says(disk: &mut Disk, session: &mut Session, now: Instant, epoch: Epoch) -> [bool; 2] {
    let before = session.poll_transmit(now, epoch, &mut Vec::new());
    disk.keep(session, now);
    [before, session.poll_transmit(now, epoch, &mut Vec::new())]
}

// PROTOCOL R17.4
#[test]
fn a_client_hears_of_its_session_once_that_is_kept() {
    let mut pair = Pair::with_configs(|_, server| server.session.durable = Some(at_rest()));
    let mut disk = Disk::default();
    let now = pair.now;
    let ours = pair.client.attach(now, Carrier::ordered()).expect("because it is due");
    let connection = pair.registry.connection_accepted(now, Carrier::ordered());
    let mut packet = Vec::new();
    pair.client.poll_transmit(now, ours, &mut packet);
    let Route::Handshake(mut incoming) = pair.registry.first_packet(now, connection, BytesMut::from(&packet[..]))
    else {
        panic!("no handshake");
    };
    packet.clear();
    incoming.poll_transmit(&mut packet);
    pair.client
        .handle_input(now, ours, BytesMut::from(&packet[..]))
        .expect("because it is honest");
    packet.clear();
    pair.client.poll_transmit(now, ours, &mut packet);
    incoming
        .handle_input(now, BytesMut::from(&packet[..]))
        .expect("because it is honest");
    let Admission::New { mut session, epoch } = pair.registry.admit(now, incoming) else {
        panic!("not admitted");
    };
    assert_eq!(says(&mut disk, &mut session, now, epoch), [false, true]);
}

/// The client has FINAL, and what it said behind it was lost with the server's process.
#[test]
fn a_session_that_was_not_confirmed_waits_for_its_client_after_a_restart() {
    let mut durable = Durable::new();
    durable.pair.confirm_lost = true;
    durable.dial();
    durable.pair.confirm_lost = false;
    durable.pair.cut();
    durable.settle();
    durable.restart_server();
    durable.pair.sleep(Duration::from_secs(60));
    assert!(durable.pair.server().end_reason().is_none());
    durable.dial();
    let now = durable.pair.now;
    let stream = queue(&mut durable.pair.client, now, "late".into());
    durable.settle();
    assert_eq!(
        durable.pair.server().accept(now).map(|accepted| accepted.id),
        Some(stream)
    );
}

// PROTOCOL R17.6
#[test]
fn last_words_wait_for_what_they_say_to_be_kept() {
    let mut durable = Durable::new();
    durable.dial();
    let now = durable.pair.now;
    queue(&mut durable.pair.client, now, "one".into());
    durable.client.keep(&mut durable.pair.client, now);
    durable.pair.settle();
    durable.client.keep(&mut durable.pair.client, now);
    durable.pair.settle();
    let server = durable.pair.server.as_mut().expect("because dialled");
    assert_eq!(server.inspect().expected, 2, "it has what it has not kept");
    server.abort(now);
    assert!(server.poll_report().is_none(), "nobody is told where it stood");
    let theirs = durable.pair.links[0].1.expect("because it is attached");
    assert_eq!(says(&mut durable.server, server, now, theirs), [false, true]);
    assert!(server.poll_report().is_some());
}

// PROTOCOL R17.7
#[test]
fn no_two_processes_seal_or_say_the_same() {
    let mut durable = Durable::new();
    durable.dial();
    durable.pair.cut();
    durable.settle();
    let now = durable.pair.now + Duration::from_secs(60);
    let mut said = Vec::new();
    for seed in 0..8 {
        let pieces = durable.client.pieces();
        let session = Session::restore(client_config(), &pieces, None, Seed([seed; 32]), now);
        let mut session = session.expect("because it is whole");
        let record = session.poll_record().expect("because it begins with a snapshot");
        let nonce = record.bytes.slice(5..37);
        assert!(record.is_snapshot);
        session.handle_persisted(now, record.number);
        let epoch = session
            .attach(now, Carrier::ordered())
            .expect("because it dials at once");
        Disk::default().keep(&mut session, now);
        let mut resume = Vec::new();
        assert!(session.poll_transmit(now, epoch, &mut resume));
        assert!(!said.contains(&(nonce.clone(), resume.clone())) && said.iter().all(|(other, _)| *other != nonce));
        assert!(said.iter().all(|(_, other)| *other != resume), "another ephemeral key");
        said.push((nonce, resume));
    }
}

#[test]
fn what_is_not_kept_stays_so_when_the_store_failed() {
    let mut durable = Durable::new();
    durable.dial();
    let now = durable.pair.now;
    queue(&mut durable.pair.client, now, "kept".into());
    durable.settle();
    let kept = durable.pair.client.mark();
    queue(&mut durable.pair.client, now, "not kept".into());
    let unkept = durable.pair.client.mark();
    durable.pair.client.handle_store_failed(now, StoreFailure::Failed);
    let client = &durable.pair.client;
    assert!(client.has_persisted(kept) && !client.has_persisted(unkept));
    assert!(!client.has_persisted(client.mark()), "nothing more will be");
}

/// Whether the client has a packet on that connection.
fn packet_of(session: &mut Session, now: Instant, epoch: Epoch) -> Option<Vec<u8>> {
    let mut packet = Vec::new();
    session.poll_transmit(now, epoch, &mut packet).then_some(packet)
}

// PROTOCOL R10.21 R17.3 R17.4 R17.5
#[test]
fn each_step_of_a_resume_waits_for_what_it_promises_to_be_kept() {
    let mut durable = Durable::new();
    durable.dial();
    durable.pair.cut();
    let due = durable
        .pair
        .client
        .wanted_connection()
        .expect("because it is honest")
        .not_before;
    durable.pair.now = durable.pair.now.max(due);
    let now = durable.pair.now;
    let pair = &mut durable.pair;
    let ours = pair
        .client
        .attach(now, Carrier::ordered())
        .expect("because it is honest");
    assert!(
        packet_of(&mut pair.client, now, ours).is_none(),
        "its counter is not kept"
    );
    durable.client.keep(&mut pair.client, now);
    let resume = packet_of(&mut pair.client, now, ours).expect("because it is kept");
    let connection = pair.registry.connection_accepted(now, Carrier::ordered());
    let Route::Resume { incoming, .. } = pair.registry.first_packet(now, connection, BytesMut::from(&resume[..]))
    else {
        panic!("it is not routed");
    };
    let theirs = pair.server().adopt(now, incoming).expect("because it is honest");
    assert!(
        packet_of(pair.server(), now, theirs).is_none(),
        "its secret is not kept"
    );
    durable.server.keep(pair.server(), now);
    let resumed = packet_of(pair.server(), now, theirs).expect("because it is kept");
    pair.client
        .handle_input(now, ours, BytesMut::from(&resumed[..]))
        .expect("because it is honest");
    assert!(
        packet_of(&mut pair.client, now, ours).is_none(),
        "the new secret is not kept"
    );
    durable.client.keep(&mut pair.client, now);
    assert!(packet_of(&mut pair.client, now, ours).is_some());
    // The server dies before it hears that; it knows the secret that it promised.
    durable.pair.links.clear();
    durable.pair.client.detach(now, ours, Cause::Network);
    durable.restart_server();
    durable.dial();
}

#[test]
fn neither_a_counter_nor_a_nonce_is_used_by_two_processes() {
    let mut durable = Durable::new();
    durable.dial();
    durable.pair.cut();
    let mut counters = Vec::new();
    let mut runs = Vec::new();
    for _ in 0..3 {
        let due = durable
            .pair
            .client
            .wanted_connection()
            .expect("because it is honest")
            .not_before;
        durable.pair.now = durable.pair.now.max(due) + Duration::from_millis(7);
        let now = durable.pair.now;
        let ours = durable
            .pair
            .client
            .attach(now, Carrier::ordered())
            .expect("because it is honest");
        durable.client.keep(&mut durable.pair.client, now);
        let resume = packet_of(&mut durable.pair.client, now, ours).expect("because it is honest");
        counters.push(resume[19..27].to_vec());
        runs.push(
            durable
                .client
                .records
                .last()
                .expect("because it is honest")
                .bytes
                .slice(21..37),
        );
        durable.restart_client();
    }
    assert!(counters.is_sorted_by(|before, after| before < after), "{counters:?}");
    assert!(runs[0] != runs[1] && runs[1] != runs[2]);
}

#[test]
fn that_a_close_has_arrived_is_said_when_it_is_kept() {
    let mut durable = Durable::new();
    durable.dial();
    let now = durable.pair.now;
    durable
        .pair
        .client
        .close(now, 0, "bye".into())
        .expect("because it is honest");
    for _ in 0..10 {
        durable.client.keep(&mut durable.pair.client, now);
        durable.pair.settle();
    }
    assert!(durable.pair.client.end_reason().is_none());
    durable.settle();
    assert!(durable.pair.client.end_reason().is_some());
}

/// What of an end outlives its process.
fn saved(session: &mut Session, now: Instant) -> Vec<u8> {
    if let Some(ticket) = &mut session.identity.ticket {
        // How old it is, is known no better than within a record.
        ticket.set_age(now, None);
    }
    let mut state = Vec::new();
    session.save(now, &mut state);
    state
}

/// Whatever changes what outlives the process is noted, and done again alike.
#[test]
fn a_restored_session_is_the_one_that_died() {
    let mut durable = Durable::new();
    durable.dial();
    let now = durable.pair.now;
    let options = StreamOptions {
        label: "shared".into(),
        priority: 7,
        fragment_size: Some(1_000),
    };
    let opened: Vec<StreamId> = (0..5)
        .map(|_| {
            durable
                .pair
                .client
                .open(now, options.clone())
                .expect("because there is room")
        })
        .collect();
    for stream in &opened {
        send(&mut durable.pair.client, now, *stream, alloc::vec![1; 2_500]);
    }
    durable.settle();
    check_restored(&mut durable);
    let [whole, reset, stopped, bytes, later] = opened[..] else {
        panic!("five")
    };
    for _ in 0..4 {
        durable.pair.server().accept(now).expect("because it was opened");
    }
    assert_eq!(messages(durable.pair.server(), now, whole).len(), 3);
    let place = Place {
        messages: 0,
        bytes: 1_500,
    };
    durable
        .pair
        .server()
        .stream(whole)
        .consumed(now, place)
        .expect("because it was read");
    durable.settle();
    check_restored(&mut durable);
    durable
        .pair
        .client
        .stream(reset)
        .reset(now, 5)
        .expect("because it is open");
    durable
        .pair
        .server()
        .stream(stopped)
        .stop(now, 6)
        .expect("because it is open");
    let client = &mut durable.pair.client;
    client
        .stream(bytes)
        .write(now, &mut &[3; 700][..])
        .expect("because there is room");
    client
        .stream(bytes)
        .write(now, &mut &[4; 9_000][..])
        .expect("because there is room");
    client.stream(whole).finish(now).expect("because it is open");
    durable.settle();
    check_restored(&mut durable);
    let server = durable.pair.server();
    let _ = messages(server, now, whole);
    let place = Place { messages: 1, bytes: 0 };
    server.stream(whole).consumed(now, place).expect("because it was read");
    server.stream(whole).finish(now).expect("because it is open");
    server.set_detached_lifetime(now, Duration::from_secs(77));
    durable.settle();
    check_restored(&mut durable);
    // What was said while nobody was there, and after.
    durable.pair.cut();
    send(&mut durable.pair.client, now, later, "late");
    durable.settle();
    durable.dial();
    check_restored(&mut durable);
    let now = durable.pair.now;
    durable
        .pair
        .client
        .close(now, 9, "bye".into())
        .expect("because the code is small");
    durable.client.keep(&mut durable.pair.client, now);
    durable.pair.settle();
    check_restored(&mut durable);
}

fn check_restored(durable: &mut Durable) {
    let now = durable.pair.now;
    // What was acknowledged is noted with something else.
    for session in [
        &mut durable.pair.client,
        durable.pair.server.as_mut().expect("because dialled"),
    ] {
        let counter = session.inspect().counter;
        session.ledger.note(|| Op::Counter(counter));
    }
    durable.client.keep(&mut durable.pair.client, now);
    durable.server.keep(durable.pair.server(), now);
    let client = Session::restore(client_config(), &durable.client.pieces(), None, Seed([3; 32]), now);
    let mut client = client.expect("because it is whole");
    assert_eq!(
        saved(&mut client, now),
        saved(&mut durable.pair.client, now),
        "the client"
    );
    let mut registry = Registry::new(server_config(), Seed([77; 32]), now).expect("because the limits are valid");
    let restored = registry.restore(now, &durable.server.pieces(), None);
    let (mut server, _) = restored.expect("because it is whole");
    assert_eq!(saved(&mut server, now), saved(durable.pair.server(), now), "the server");
}

/// What is kept later than the acknowledgement before it is acknowledged then, and not with whatever is said next.
#[test]
fn what_is_kept_later_is_acknowledged_then() {
    let mut durable = Durable::new();
    durable.dial();
    let now = durable.pair.now;
    let stream = queue(&mut durable.pair.client, now, "one".into());
    durable.client.keep(&mut durable.pair.client, now);
    durable.pair.settle();
    durable.client.keep(&mut durable.pair.client, now);
    durable.pair.settle();
    let first = durable.server.take(durable.pair.server()).expect("because it arrived");
    send(&mut durable.pair.client, now, stream, "two");
    durable.client.keep(&mut durable.pair.client, now);
    durable.pair.settle();
    durable.client.keep(&mut durable.pair.client, now);
    durable.pair.settle();
    durable.pair.sleep(Duration::from_millis(100));
    let now = durable.pair.now;
    durable.pair.server().handle_persisted(now, first);
    durable.pair.settle();
    let acked = durable.pair.client.inspect().acked;
    durable.server.keep(durable.pair.server(), now);
    durable.pair.settle();
    assert_eq!((acked, durable.pair.client.inspect().acked), (2, 3));
}

/// The peer was told of limits that the configuration does not have any more.
#[test]
fn what_the_peer_was_told_holds_after_a_restart() {
    let mut durable = Durable::new();
    durable.dial();
    durable.pair.cut();
    durable.settle();
    let now = durable.pair.now;
    let mut config = client_config();
    (config.session.stream_window, config.session.session_window) = (256, 256);
    config.session.max_streams = 1;
    let session = Session::restore(config, &durable.client.pieces(), None, Seed([3; 32]), now);
    durable.pair.client = session.expect("because it is whole");
    durable.dial();
    let now = durable.pair.now;
    for _ in 0..3 {
        queue(durable.pair.server(), now, alloc::vec![1; 50_000].into());
        durable.settle();
    }
    let client = &mut durable.pair.client;
    let accepted: Vec<_> = core::iter::from_fn(|| client.accept(now)).collect();
    assert_eq!((accepted.len(), client.end_reason()), (3, None));
}

/// A server that does not know the session proves something by that only if it is known how old the session is.
#[test]
fn how_old_a_session_is_may_be_unknown_after_a_restart() {
    for (away, begins_again) in [
        (Some(Duration::from_secs(1)), true),
        (Some(Duration::from_secs(100 * 86_400)), false),
        (None, false),
    ] {
        let mut durable = Durable::new();
        durable.pair.confirm_lost = true;
        let now = durable.pair.now;
        queue(&mut durable.pair.client, now, "early".into());
        let (ours, _) = durable.connect();
        durable.settle();
        // What the client says to it goes lost.
        let now = durable.pair.now;
        let mut lost = Vec::new();
        while durable.pair.client.poll_transmit(now, ours, &mut lost)
            || durable.client.keep(&mut durable.pair.client, now)
        {
            lost.clear();
        }
        assert!(durable.pair.client.inspect().next > 0, "committed");
        durable.pair.confirm_lost = false;
        durable.pair.cut();
        durable.settle();
        // The server never hears of it again.
        durable.pair.now = durable.pair.now + Duration::from_secs(30);
        let now = durable.pair.now;
        durable.pair.server().handle_timeout(now);
        durable.settle();
        let pieces = durable.client.pieces();
        let session = Session::restore(client_config(), &pieces, away, Seed([5; 32]), now);
        durable.pair.client = session.expect("because it is whole");
        for _ in 0..4 {
            if durable.pair.client.wanted_connection().is_some() {
                durable.redial();
                durable.client.keep(&mut durable.pair.client, now);
            }
        }
        let is_unknown = durable.pair.client.end_reason() == Some(&EndReason::Unknown);
        assert_eq!(!is_unknown, begins_again, "{away:?}");
    }
}
