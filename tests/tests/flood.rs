//! Strangers who say HELLO and RESUME without end, from many addresses, to a server with live sessions.
//! What they cost is bounded, and those who are there, who come and who come back notice nothing.
//!
//! Every day it is a million packets. The long run: `FLOOD=10000000 cargo test --profile sim -p
//! unbroken-tests --test flood -- --nocapture` (some minutes).

use bytes::{Bytes, BytesMut};
use unbroken_proto::config::{ClientConfig, Rate, Seed};
use unbroken_proto::reconnect::{Cause, Outcome};
use unbroken_proto::security::{Auth, ServerAuth};
use unbroken_proto::server::{Incoming, Refused, Route};
use unbroken_proto::{Carrier, Instant, PeerKey, ServerConfig, Session, SessionId};
use unbroken_tests::population::{Conditions, MS, Population, Reader, SECOND};
use unbroken_tests::rng::Rng;

const LIVE: usize = 40;
/// Packets of the flood in a millisecond.
const DENSITY: u64 = 100;
/// Addresses they come from.
const PEERS: u64 = 3_000;

fn packets() -> u64 {
    let given = std::env::var("FLOOD").ok().and_then(|text| text.parse().ok());
    given.unwrap_or(1_000_000)
}

fn config() -> ServerConfig {
    let mut config = ServerConfig::new(ServerAuth::anonymous());
    (config.max_silent, config.max_handshakes, config.max_limited) = (256, 256, 1_024);
    (config.hello_rate, config.resume_rate) = (200, 10_000);
    config.peer_hellos = Some(Rate {
        per_second: 2,
        burst: 4,
    });
    config
}

/// Says what strangers say.
struct Stranger {
    rng: Rng,
    hello: Vec<u8>,
    /// Sessions that are held, whose ids it overheard.
    known: Vec<SessionId>,
    /// Handshakes it has begun and may go on with.
    begun: Vec<Incoming>,
    /// How many it ever began.
    handshakes: u64,
}

impl Stranger {
    fn new(seed: u64, known: Vec<SessionId>) -> Stranger {
        let now = Instant::from_millis(1);
        let config = ClientConfig::new(Auth::anonymous());
        let mut client = Session::connect(config, Seed([3; 32]), now).expect("because it is valid");
        let epoch = client.attach(now, Carrier::ordered()).expect("because it is wanted");
        let mut hello = Vec::new();
        assert!(client.poll_transmit(now, epoch, &mut hello));
        Stranger {
            rng: Rng::new(seed),
            hello,
            known,
            begun: Vec::new(),
            handshakes: 0,
        }
    }

    fn noise(&mut self, packet: &mut [u8]) {
        packet
            .iter_mut()
            .for_each(|byte| *byte = self.rng.number().to_le_bytes()[0]);
    }

    /// A packet that begins a connection.
    fn packet(&mut self) -> BytesMut {
        let mut packet = self.hello.clone();
        match self.rng.below(8) {
            // A HELLO as good as any.
            0 | 1 => {}
            // One with a byte changed, anywhere.
            2 => {
                let at = usize::try_from(self.rng.below(packet.len() as u64)).unwrap_or(0);
                packet[at] ^= 1 << self.rng.below(8);
            }
            // A RESUME of nobody's session, or of one that is held; it proves nothing.
            3..=5 => {
                let known = self.rng.chance(300) && !self.known.is_empty();
                let mut id = [0; 16];
                if known {
                    id = self.rng.pick(&self.known).0;
                } else {
                    self.noise(&mut id);
                }
                packet = vec![0; 84];
                self.noise(&mut packet);
                packet[..3].copy_from_slice(&[4, 1, self.hello[2]]);
                packet[3..19].copy_from_slice(&id);
            }
            // Anything, of any first byte and length.
            _ => {
                let len = usize::try_from(self.rng.scaled(0, 1_400)).unwrap_or(0);
                packet = vec![0; len];
                self.noise(&mut packet);
            }
        }
        BytesMut::from(&packet[..])
    }

    /// One connection more: silent, or with a first packet, or going on with a handshake.
    fn strike(&mut self, population: &mut Population) {
        let now = population.instant();
        let peer = PeerKey::opaque(&self.rng.below(PEERS).to_le_bytes());
        let carrier = Carrier::ordered().from_peer(peer);
        let connection = population.server.registry.connection_accepted(now, carrier);
        if self.rng.chance(50) {
            return population.tidy();
        }
        let packet = self.packet();
        match population.server.registry.first_packet(now, connection, packet) {
            Route::Handshake(incoming) => {
                self.begun.push(incoming);
                self.handshakes += 1;
            }
            Route::Resume { session, incoming } => {
                let owner = population.server.owners.get_mut(&session).expect("because it is held");
                assert!(
                    owner.session.adopt(now, incoming).is_err(),
                    "a forged RESUME was adopted"
                );
            }
            Route::Lookup { .. } => panic!("nothing is looked up"),
            Route::Reject(_) => {}
        }
        if self.begun.len() > 64 {
            let mut incoming = self.begun.swap_remove(0);
            let mut proof = [0; 200];
            self.noise(&mut proof);
            proof[0] = 3;
            assert!(incoming.handle_input(now, BytesMut::from(&proof[..])).is_err());
            // Half of the hosts would see the connection go, the others not.
            if self.rng.chance(500) {
                population.server.registry.connection_closed(now, incoming.connection());
            }
        }
        population.tidy();
    }
}

fn total(refused: Refused) -> u64 {
    refused.senseless
        + refused.unsupported
        + refused.hello_rate
        + refused.resume_rate
        + refused.peer_limit
        + refused.unknown
}

#[test]
fn a_flood_costs_little_and_disturbs_nobody() {
    let seed = 0xf100d;
    let count = packets();
    println!("seed {seed:#x}, {count} packets");
    let mut population = Population::new(seed, config(), Conditions::default());
    for _ in 0..LIVE {
        population.add(ClientConfig::new(Auth::anonymous()), Reader::Eager);
    }
    assert!(population.run_until(20, |population| {
        population.clients.iter().all(|client| client.is_attached())
    }));
    population.run(SECOND);
    let attaches = population.server.attaches.len();
    let mut stranger = Stranger::new(seed, population.server.admitted.clone());
    let (mut said, begin) = (0, population.now);
    let mut peaks = Vec::new();
    let began = std::time::Instant::now();
    // Ten parts: memory must not grow from one to the next.
    for _ in 0..10 {
        let part = allocation_counter::measure(|| {
            for step in 0..count / 10 / DENSITY {
                (0..DENSITY).for_each(|_| stranger.strike(&mut population));
                if step % 100 == 0 {
                    let client = usize::try_from(population.rng.below(LIVE as u64)).expect("small");
                    said += u64::from(population.say(client, Bytes::from_static(b"I am still here")));
                }
                population.run(MS);
            }
        });
        peaks.push(part.bytes_max);
    }
    let seconds = (population.now - begin) / SECOND;
    let snapshot = population.server.registry.snapshot();
    let begun = stranger.handshakes;
    println!(
        "{} ns a packet, all told; most bytes above the level before, by tenths: {peaks:?}; {snapshot:?}",
        began.elapsed().as_nanos() / u128::from(count),
    );
    assert!(peaks.iter().all(|peak| *peak < 4 << 20), "{peaks:?}");
    assert!(snapshot.silent <= 256 && snapshot.handshakes <= 256, "{snapshot:?}");
    assert_eq!((snapshot.connected, snapshot.admitted), (LIVE, LIVE as u64));
    // What was not turned away was silent, begun within the rate, or forged and known.
    assert!(total(snapshot.refused) > count / 2, "{snapshot:?}");
    for refused in [
        snapshot.refused.hello_rate,
        snapshot.refused.peer_limit,
        snapshot.refused.unknown,
    ] {
        assert!(refused > 0, "{snapshot:?}");
    }
    assert!(begun <= 200 * (seconds + 1), "{begun} handshakes in {seconds} s");
    // The live ones never lost a connection, and all they said was heard.
    population.run(SECOND);
    assert_eq!(
        (population.server.attaches.len(), population.server.heard),
        (attaches, said)
    );
    assert!(said > 0);

    // All come back in the midst of it. A newcomer is one stranger among thousands; he is told when to
    // come again, each time, and gets in when it is over.
    population.cut_all();
    let newcomer = population.add(ClientConfig::new(Auth::anonymous()), Reader::Eager);
    population.run(1);
    let back = |population: &Population| population.clients.iter().filter(|client| client.is_attached()).count();
    let mut waited = 0;
    while back(&population) < LIVE {
        (0..DENSITY).for_each(|_| stranger.strike(&mut population));
        population.run(MS);
        waited += 1;
        assert!(waited < 30_000, "shut out: {:?}", population.server.registry.snapshot());
    }
    println!("all back after {waited} ms in the flood");
    let history: Vec<_> = population.clients[newcomer]
        .session
        .reconnecting()
        .history()
        .map(|attempt| attempt.outcome)
        .collect();
    let told = |outcome: &Outcome| !matches!(outcome, Outcome::Failed(Cause::Timeout));
    assert!(history.iter().all(told), "left hanging: {history:?}");
    assert!(population.run_until(60, |population| back(population) == LIVE + 1));
}
