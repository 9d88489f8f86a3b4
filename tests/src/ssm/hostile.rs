//! A peer that may send anything, against either of our ends: for the fuzzer, the corpus replay and the random tests. Whatever comes, nothing
//! panics, what is kept is bounded, and deadlines tell the truth.

use bytes::Bytes;
use unbroken_proto::ssm::body::{Acknowledge, Flag, HandshakeComplete, HandshakeRequest, HandshakeResponse, Token};
use unbroken_proto::ssm::event::Event;
use unbroken_proto::ssm::frame::Header;
use unbroken_proto::ssm::kms::DataKey;
use unbroken_proto::ssm::{
    AgentConfig, ChannelConfig, ClientConfig, DataChannel, Message, MessageType, PayloadType, Role, Uuid,
};
use unbroken_proto::{Cause, Duration, Epoch, Instant};

use crate::rng::Rng;
use crate::ssm::ours;

/// What an end keeps of what it received.
const RECEIVE_BUFFER: usize = 64 << 10;
/// What it keeps of what it is to send, and of what is on its way.
const SEND_BUFFER: usize = 16 << 10;

/// Plays `data` to a client and to an agent.
///
/// # Panics
/// An end keeps more than it says, or asks to be called at the same time again.
pub fn play(data: &[u8]) {
    let mut rng = Rng::from_tape(data);
    let channel = ChannelConfig::default()
        .with_receive_buffer(RECEIVE_BUFFER)
        .with_send_buffer(SEND_BUFFER)
        .with_window(SEND_BUFFER);
    let mut seeds = Rng::new(7);
    match rng.below(4) {
        0 | 1 => {
            let config = ClientConfig::new("s", Token::from("t")).with_channel(channel.with_check_digest(false));
            let mut game = Game::new(ours::client(config, &mut seeds).end, MessageType::OutputStreamData);
            game.run(&mut rng, |client, now| {
                client.data_key(now, Ok((DataKey::new([3; 64]), vec![1, 2, 3])));
            });
        }
        kind => {
            let config = AgentConfig::new("s", "i").with_kms_key_id((kind == 3).then(|| "k".into()));
            let config = config.with_channel(channel);
            let mut game = Game::new(ours::agent(config, &mut seeds).end, MessageType::InputStreamData);
            game.run(&mut rng, |agent, now| agent.data_key(now, Ok(DataKey::new([3; 64]))));
        }
    }
}

struct Game<R> {
    end: DataChannel<R>,
    theirs: MessageType,
    now: Instant,
    epoch: Option<Epoch>,
    next: i64,
}

impl<R: Role> Game<R> {
    fn new(end: DataChannel<R>, theirs: MessageType) -> Game<R> {
        Game {
            end,
            theirs,
            now: Instant::ZERO,
            epoch: None,
            next: 0,
        }
    }

    fn run(&mut self, rng: &mut Rng, mut data_key: impl FnMut(&mut DataChannel<R>, Instant)) {
        for _ in 0..2_000 {
            if rng.is_exhausted() {
                return;
            }
            match rng.below(10) {
                0 => self.connect(),
                1 => self.pass(rng),
                2 => {
                    let bytes = vec![b'x'; usize::try_from(rng.below(40_000)).unwrap_or(0)];
                    let _ = self.end.write(self.now, &Bytes::from(bytes));
                }
                3 => while self.end.read(self.now).is_some() {},
                4 => self.lose(),
                5 if rng.below(8) == 0 => self.end.finish(self.now),
                _ => {
                    let message = self.message(rng);
                    if let Some(epoch) = self.epoch {
                        self.end.handle_input(self.now, epoch, message);
                    }
                }
            }
            self.look(&mut data_key);
        }
    }

    fn connect(&mut self) {
        if let Some(intent) = self.end.wanted_connection() {
            self.now = self.now.max(intent.not_before);
            if intent.refresh_credential {
                self.end.handle_token(self.now, intent.attempt, Token::from("t"), None);
            }
            self.epoch = self.end.attach(self.now).or(self.epoch);
        }
    }

    fn lose(&mut self) {
        if let Some(epoch) = self.epoch.take() {
            self.end.detach(self.now, epoch, Cause::Network);
        }
    }

    /// Time goes by, up to the next deadline or some way.
    fn pass(&mut self, rng: &mut Rng) {
        let some = self.now + Duration::from_millis(rng.below(20_000));
        self.now = match self.end.poll_timeout() {
            Some(due) if rng.below(2) == 0 => due.max(self.now),
            _ => some,
        };
        if self.end.poll_timeout().is_some_and(|due| due <= self.now) {
            self.end.handle_timeout(self.now);
            let next = self.end.poll_timeout();
            assert!(next.is_none_or(|next| next > self.now), "it is due again at {next:?}");
        }
    }

    fn message(&mut self, rng: &mut Rng) -> Message {
        let kind = match rng.below(8) {
            0 => return Message::Text("pause_publication".into()),
            1 => MessageType::Acknowledge,
            2 if rng.below(16) == 0 => MessageType::ChannelClosed,
            3 => MessageType::StartPublication,
            _ => self.theirs,
        };
        let mut payload = Vec::new();
        let mut payload_type = PayloadType::from_number(u32::try_from(rng.below(14)).unwrap_or(0));
        if kind == MessageType::Acknowledge {
            let number = i64::try_from(rng.below(64)).unwrap_or(0) - 1;
            Acknowledge::new(MessageType::InputStreamData, Uuid::NIL, number).encode(&mut payload);
            payload_type = PayloadType::NONE;
        } else {
            match (payload_type, rng.below(3)) {
                (PayloadType::HandshakeRequest, 0) => handshake_request().encode(&mut payload),
                (PayloadType::HandshakeResponse, 0) => HandshakeResponse::default().encode(&mut payload),
                (PayloadType::HandshakeComplete, 0) => HandshakeComplete::default().encode(&mut payload),
                (PayloadType::Flag, 0) => {
                    Flag::from_number(u32::try_from(rng.below(4)).unwrap_or(0)).encode(&mut payload)
                }
                _ => payload.resize(usize::try_from(rng.below(9_000)).unwrap_or(0), b'{'),
            }
        }
        let number = match rng.below(4) {
            0 => i64::try_from(rng.below(300)).unwrap_or(0) - 2,
            1 => i64::MAX - i64::try_from(rng.below(3)).unwrap_or(0),
            _ => {
                self.next += 1;
                self.next - 1
            }
        };
        let header = Header {
            sequence_number: number,
            payload_type,
            ..Header::new(kind, Uuid::v4([u8::try_from(number & 0x7f).unwrap_or(0); 16]), 1)
        };
        let mut message = Vec::new();
        header.encode(&payload, &mut message);
        if rng.below(16) == 0 {
            let length = usize::try_from(rng.below(130)).unwrap_or(0);
            message.truncate(length);
        }
        Message::Binary(Bytes::from(message))
    }

    fn look(&mut self, data_key: &mut impl FnMut(&mut DataChannel<R>, Instant)) {
        let mut events = 0;
        while let Some(event) = self.end.poll_event() {
            events += 1;
            if matches!(event, Event::DataKeyNeeded(_)) {
                data_key(&mut self.end, self.now);
            }
        }
        assert!(events <= 300, "{events} events");
        let stats = self.end.stats();
        assert!(stats.unread_bytes <= RECEIVE_BUFFER + 10_000, "{stats:?}");
        assert!(
            stats.queued_bytes + stats.unacknowledged_bytes <= 3 * SEND_BUFFER,
            "{stats:?}"
        );
        if let Some(epoch) = self.epoch {
            let mut sent = 0;
            while self.end.poll_transmit(self.now, epoch).is_some() {
                sent += 1;
                assert!(sent < 20_000, "it sends for ever");
            }
            if !self.end.is_wanted(epoch) {
                self.lose();
            }
        }
    }
}

fn handshake_request() -> HandshakeRequest {
    let text = br#"{"AgentVersion":"3.3.0.0","RequestedClientActions":[{"ActionType":"KMSEncryption","ActionParameters":{"KMSKeyId":"k","Challenge":"AA=="}},{"ActionType":"SessionType","ActionParameters":{"SessionType":"Standard_Stream","Properties":null}}]}"#;
    HandshakeRequest::decode(text).unwrap_or_default()
}
