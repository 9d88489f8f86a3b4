//! A client and an agent through the gateway, in virtual time, while sockets die and lose what is in them.

extern crate std;

use alloc::collections::VecDeque;
use alloc::format;
use alloc::vec::Vec;
use std::env;

use bytes::{Buf, Bytes};

use super::{End, Gateway, GatewayConfig, NOW};
use crate::config::Seed;
use crate::id::Epoch;
use crate::reconnect::{Answer, Cause};
use crate::rng::Rng;
use crate::ssm::event::{Chunk, EndReason, Event};
use crate::ssm::gateway::ConnectionId;
use crate::ssm::testing::{UNIX_MILLIS, pattern};
use crate::ssm::{Agent, AgentConfig, AgentRole, Client, ClientConfig, ClientRole, DataChannel, Message, Role};
use crate::time::{Duration, Instant, earliest};

/// Messages that a socket holds, each way.
const SOCKET: usize = 16;

struct Side<R> {
    end: DataChannel<R>,
    link: Option<(Epoch, ConnectionId)>,
    /// To the gateway, and from it, with when they are there.
    up: VecDeque<(Instant, Message)>,
    down: VecDeque<(Instant, Message)>,
    to_say: Bytes,
    heard: Vec<u8>,
    ended: Option<EndReason>,
}

impl<R: Role> Side<R> {
    fn new(end: DataChannel<R>, to_say: &[u8]) -> Side<R> {
        Side {
            end,
            link: None,
            up: VecDeque::new(),
            down: VecDeque::new(),
            to_say: Bytes::copy_from_slice(to_say),
            heard: Vec::new(),
            ended: None,
        }
    }

    fn cut(&mut self, now: Instant, gateway: &mut Gateway, cause: Cause) {
        if let Some((epoch, id)) = self.link.take() {
            self.end.detach(now, epoch, cause);
            gateway.detach(now, id);
        }
        self.up.clear();
        self.down.clear();
    }

    /// Does what is to be done now. Whether anything was.
    fn step(&mut self, now: Instant, gateway: &mut Gateway, which: End, delay: Duration) -> bool {
        let mut moved = false;
        if let Some(intent) = self.end.wanted_connection().filter(|intent| intent.not_before <= now) {
            moved = true;
            if !intent.refresh_credential {
                self.dial(now, gateway, intent.attempt);
            } else if let Some(token) = gateway.token("s-1", which) {
                self.end.handle_token(now, intent.attempt, token, None);
            } else {
                self.end.handle_answer(now, intent.attempt, Answer::NoCredential);
            }
        }
        if self.end.poll_timeout().is_some_and(|due| due <= now) {
            self.end.handle_timeout(now);
            moved = true;
        }
        let taken = self.end.write(now, &self.to_say);
        self.to_say.advance(taken);
        moved |= taken > 0;
        if let Some((epoch, id)) = self.link {
            moved |= self.carry(now, gateway, epoch, id, delay);
            if !gateway.is_wanted(id) && self.down.is_empty() || !self.end.is_wanted(epoch) {
                self.cut(now, gateway, Cause::Network);
                moved = true;
            }
        }
        while let Some(chunk) = self.end.read(now) {
            if let Chunk::Output(bytes) = chunk {
                self.heard.extend_from_slice(&bytes);
            }
            moved = true;
        }
        while let Some(event) = self.end.poll_event() {
            if let Event::Ended(ended) = event {
                self.ended = Some(ended.reason);
            }
        }
        moved
    }

    fn dial(&mut self, now: Instant, gateway: &mut Gateway, attempt: u64) {
        match gateway.attach(now, "s-1") {
            Ok(id) => self.link = self.end.attach(now).map(|epoch| (epoch, id)),
            Err(_) => self.end.handle_answer(now, attempt, Answer::Failed(Cause::Refused)),
        }
    }

    fn carry(&mut self, now: Instant, gateway: &mut Gateway, epoch: Epoch, id: ConnectionId, delay: Duration) -> bool {
        let mut moved = false;
        while gateway.wants_input(id) && self.up.front().is_some_and(|(at, _)| *at <= now) {
            if let Some((_, message)) = self.up.pop_front() {
                gateway.handle_input(now, id, message);
                moved = true;
            }
        }
        while self.end.wants_input() && self.down.front().is_some_and(|(at, _)| *at <= now) {
            if let Some((_, message)) = self.down.pop_front() {
                self.end.handle_input(now, epoch, message);
                moved = true;
            }
        }
        while self.up.len() < SOCKET
            && let Some(message) = self.end.poll_transmit(now, epoch)
        {
            self.up.push_back((now + delay, message));
            moved = true;
        }
        while self.down.len() < SOCKET
            && let Some(message) = gateway.poll_transmit(now, id)
        {
            self.down.push_back((now + delay, message));
            moved = true;
        }
        moved
    }

    fn next(&self, now: Instant) -> Option<Instant> {
        let dial = self.end.wanted_connection().map(|intent| intent.not_before);
        let up = self.up.front().map(|(at, _)| *at).filter(|at| *at > now);
        let down = self.down.front().map(|(at, _)| *at).filter(|at| *at > now);
        let own = earliest(dial, self.end.poll_timeout());
        earliest(own, earliest(up, down))
    }
}

struct Hall {
    now: Instant,
    gateway: Gateway,
    client: Side<ClientRole>,
    agent: Side<AgentRole>,
    delay: Duration,
}

impl Hall {
    fn new(config: GatewayConfig, delay: Duration, sizes: (usize, usize)) -> Hall {
        let mut gateway = Gateway::new(config, Seed([3; 32]), NOW, UNIX_MILLIS).expect("a configuration that works");
        gateway.start(NOW, "s-1").expect("there is room");
        let token = gateway.token("s-1", End::Client).expect("it lives");
        let client = Client::new(ClientConfig::new("s-1", token), Seed([1; 32]), NOW, UNIX_MILLIS);
        let agent = Agent::new(AgentConfig::new("s-1", "i-1"), Seed([2; 32]), NOW, UNIX_MILLIS);
        Hall {
            now: NOW,
            gateway,
            client: Side::new(client.expect("it works"), &pattern(sizes.0)),
            agent: Side::new(agent.expect("it works"), &pattern(sizes.1)),
            delay,
        }
    }

    fn run_until(&mut self, limit: Instant) {
        loop {
            for _ in 0..100_000 {
                let client = self.client.step(self.now, &mut self.gateway, End::Client, self.delay);
                let agent = self.agent.step(self.now, &mut self.gateway, End::Agent, self.delay);
                if !client && !agent {
                    break;
                }
            }
            if self.gateway.poll_timeout().is_some_and(|due| due <= self.now) {
                self.gateway.handle_timeout(self.now);
            }
            let ends = earliest(self.client.next(self.now), self.agent.next(self.now));
            match earliest(ends, self.gateway.poll_timeout()).filter(|next| *next <= limit) {
                Some(next) => self.now = next.max(self.now + Duration::from_nanos(1)),
                None => {
                    self.now = limit;
                    return;
                }
            }
        }
    }

    fn run(&mut self, duration: Duration) {
        self.run_until(self.now + duration);
    }
}

/// The seeds of a test, or the one that is asked for.
fn seeds(count: u64) -> Vec<u64> {
    let one = env::var("UNBROKEN_SEED").ok().and_then(|seed| seed.parse().ok());
    one.map_or_else(|| (1..=count).collect(), |seed| [seed].into())
}

#[test]
fn connections_that_die_at_random_lose_nothing() {
    for seed in seeds(60) {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&seed.to_le_bytes());
        let mut rng = Rng::new(&Seed(key));
        let mut below = |bound: u64| rng.next_u64() % bound;
        let config = GatewayConfig::default().with_held_bytes(1 << (10 + below(9)));
        let sizes = (below(200_000) as usize, below(400_000) as usize);
        let mut hall = Hall::new(config, Duration::from_millis(below(100)), sizes);
        for _ in 0..1 + below(12) {
            hall.run(Duration::from_millis(below(700)));
            let (now, whom) = (hall.now, below(3));
            if whom != 0 {
                hall.client.cut(now, &mut hall.gateway, Cause::Network);
            }
            if whom != 1 {
                hall.agent.cut(now, &mut hall.gateway, Cause::Network);
            }
        }
        let limit = hall.now + Duration::from_secs(300);
        while hall.now < limit && (hall.agent.heard.len() < sizes.0 || hall.client.heard.len() < sizes.1) {
            hall.run(Duration::from_secs(1));
        }
        let why = format!("UNBROKEN_SEED={seed}");
        assert!(
            hall.agent.heard == pattern(sizes.0),
            "{why}: {} of {}",
            hall.agent.heard.len(),
            sizes.0
        );
        assert!(
            hall.client.heard == pattern(sizes.1),
            "{why}: {} of {}",
            hall.client.heard.len(),
            sizes.1
        );
        // A client that is away while its session ends learns no more than that there is none.
        hall.run(Duration::from_secs(30));
        hall.agent.end.finish(hall.now);
        hall.run(Duration::from_secs(30));
        assert_eq!(hall.agent.ended, Some(EndReason::Finished), "{why}");
        let output = Default::default();
        assert_eq!(hall.client.ended, Some(EndReason::Closed { output }), "{why}");
        assert_eq!(hall.gateway.sessions().count(), 0, "{why}");
    }
}

#[test]
fn nothing_overflows_while_both_are_there() {
    let mut hall = Hall::new(
        GatewayConfig::default().with_held_bytes(2_000),
        Duration::from_millis(20),
        (100_000, 300_000),
    );
    hall.run(Duration::from_millis(200));
    // From here on both are there.
    let before = hall
        .gateway
        .sessions()
        .next()
        .map(|(_, stats)| stats)
        .expect("it lives");
    hall.run(Duration::from_secs(60));
    let (_, stats) = hall.gateway.sessions().next().expect("it lives");
    assert_eq!((hall.agent.heard.len(), hall.client.heard.len()), (100_000, 300_000));
    assert_eq!(stats.client.overflowed_frames, before.client.overflowed_frames);
    assert_eq!(stats.agent.overflowed_frames, before.agent.overflowed_frames);
    assert_eq!((stats.client.connections, stats.agent.connections), (1, 1));
}

#[test]
fn a_client_whose_session_was_terminated_while_it_was_away_hears_so() {
    let mut hall = Hall::new(GatewayConfig::default(), Duration::from_millis(5), (10, 10));
    hall.run(Duration::from_secs(1));
    hall.client.cut(hall.now, &mut hall.gateway, Cause::Network);
    assert!(hall.gateway.terminate(hall.now, "s-1", ""));
    hall.run(Duration::from_secs(10));
    assert_eq!(hall.client.ended, Some(EndReason::Gone));
    let output = Default::default();
    assert_eq!(hall.agent.ended, Some(EndReason::Closed { output }));
}
