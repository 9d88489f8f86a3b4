//! This project's client and agent, each a machine and a few lines of tokio, with a session through the gateway while connections are cut.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::{Buf, Bytes};
use futures_util::{SinkExt, StreamExt};
use serde_json::json;
use tokio::time::{sleep, timeout};
use tokio_tungstenite::tungstenite::Message as WsMessage;
use unbroken_ssm::gateway::{End, Gateway, Settings};
use unbroken_ssm::proto::config::Seed;
use unbroken_ssm::proto::reconnect::{Answer, Cause};
use unbroken_ssm::proto::ssm::body::Token;
use unbroken_ssm::proto::ssm::event::{Chunk, EndReason, Event};
use unbroken_ssm::proto::ssm::{Agent, AgentConfig, ChannelConfig, Client, ClientConfig, DataChannel, Message, Role};
use unbroken_ssm::proto::{Epoch, Instant};

use super::common::{Socket, call, dial, gateway, request};

const BYTES: usize = 1 << 20;

fn pattern(salt: usize) -> Bytes {
    (0..BYTES)
        .map(|at| (at ^ (at >> 8) ^ (at >> 16) ^ salt) as u8)
        .collect()
}

fn channel() -> ChannelConfig {
    ChannelConfig::default().with_frames_per_second(None)
}

/// One end and its connection.
struct Runner<R> {
    end: DataChannel<R>,
    which: End,
    address: SocketAddr,
    begun: std::time::Instant,
    link: Option<(Epoch, Socket)>,
    to_say: Bytes,
    heard: Vec<u8>,
    /// It is to end the session when it has heard all.
    finishes: bool,
    ended: Option<EndReason>,
}

impl<R: Role> Runner<R> {
    fn now(&self) -> Instant {
        Instant::from_nanos(u64::try_from(self.begun.elapsed().as_nanos()).expect("a short test"))
    }

    async fn run(mut self) -> (Vec<u8>, Option<EndReason>) {
        while self.ended.is_none() {
            self.reconnect().await;
            let now = self.now();
            let taken = self.end.write(now, &self.to_say);
            self.to_say.advance(taken);
            if self.end.poll_timeout().is_some_and(|due| due <= now) {
                self.end.handle_timeout(now);
            }
            self.carry().await;
            let now = self.now();
            while let Some(chunk) = self.end.read(now) {
                if let Chunk::Output(bytes) = chunk {
                    self.heard.extend_from_slice(&bytes);
                }
            }
            if self.finishes && self.to_say.is_empty() && self.heard.len() == BYTES {
                self.end.finish(now);
            }
            while let Some(event) = self.end.poll_event() {
                if let Event::Ended(ended) = event {
                    self.ended = Some(ended.reason);
                }
            }
        }
        (self.heard, self.ended)
    }

    async fn reconnect(&mut self) {
        let now = self.now();
        let Some(intent) = self.end.wanted_connection().filter(|intent| intent.not_before <= now) else {
            return;
        };
        let session_id = self.end.session_id().to_owned();
        if intent.refresh_credential {
            match token(self.address, &session_id, self.which).await {
                Some(token) => self.end.handle_token(now, intent.attempt, token, None),
                None => self.end.handle_answer(now, intent.attempt, Answer::NoCredential),
            }
        } else {
            let socket = dial(self.address, &session_id).await;
            let now = self.now();
            self.link = self.end.attach(now).map(|epoch| (epoch, socket));
        }
    }

    /// Sends all there is, and takes what comes within a millisecond.
    async fn carry(&mut self) {
        let now = self.now();
        let Some((epoch, mut socket)) = self.link.take() else {
            return sleep(Duration::from_millis(1)).await;
        };
        let mut is_up = true;
        while let Some(message) = self.end.poll_transmit(now, epoch) {
            let message = match message {
                Message::Text(text) => WsMessage::Text(text.into()),
                Message::Binary(bytes) => WsMessage::Binary(bytes),
                Message::Ping(bytes) => WsMessage::Ping(bytes),
                Message::Pong(bytes) => WsMessage::Pong(bytes),
            };
            is_up &= socket.feed(message).await.is_ok();
        }
        is_up &= socket.flush().await.is_ok();
        while let Ok(came) = timeout(Duration::from_millis(1), socket.next()).await {
            let now = self.now();
            match came {
                Some(Ok(WsMessage::Binary(bytes))) => self.end.handle_input(now, epoch, Message::Binary(bytes)),
                Some(Ok(WsMessage::Pong(bytes))) => self.end.handle_input(now, epoch, Message::Pong(bytes)),
                Some(Ok(_)) => {}
                Some(Err(_)) | None => {
                    is_up = false;
                    break;
                }
            }
        }
        let now = self.now();
        match is_up && self.end.is_wanted(epoch) {
            true => self.link = Some((epoch, socket)),
            false => self.end.detach(now, epoch, Cause::Network),
        }
    }
}

async fn token(address: SocketAddr, session_id: &str, which: End) -> Option<Token> {
    if which == End::Client {
        let (_, answer) = call(address, "ResumeSession", &json!({ "SessionId": session_id })).await;
        return answer["TokenValue"].as_str().map(Token::from);
    }
    let head = format!("POST /v1/data-channel/{session_id} HTTP/1.1");
    let body = br#"{"MessageSchemaVersion":"1.0","RequestId":"r","ClientId":"i-1"}"#;
    let (_, answer) = request(address, &head, body).await;
    let (_, rest) = answer.split_once("<TokenValue>")?;
    rest.split_once("</TokenValue>").map(|(token, _)| Token::from(token))
}

fn runner<R: Role>(end: DataChannel<R>, which: End, address: SocketAddr, begun: std::time::Instant) -> Runner<R> {
    let (salt, finishes) = match which {
        End::Client => (1, false),
        End::Agent => (2, true),
    };
    Runner {
        end,
        which,
        address,
        begun,
        link: None,
        to_say: pattern(salt),
        heard: Vec::new(),
        finishes,
        ended: None,
    }
}

/// Cuts one end after the other, ten times, whenever another 100,000 bytes went through.
async fn cut(gateway: Gateway, session_id: String) -> u64 {
    let mut cuts = 0;
    let mut ends = [End::Client, End::Agent].into_iter().cycle();
    while cuts < 10 {
        sleep(Duration::from_millis(1)).await;
        let sessions = gateway.sessions();
        let Some((_, stats)) = sessions.first() else {
            return cuts;
        };
        if stats.client.passed_bytes + stats.agent.passed_bytes > 100_000 * (cuts + 1)
            && let Some(end) = ends.next()
        {
            cuts += u64::from(gateway.cut(&session_id, end));
        }
    }
    cuts
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_outlives_its_connections() {
    let (gateway, address) = gateway(Settings::default()).await;
    let (_, started) = call(address, "StartSession", &json!({"Target": "i-1"})).await;
    let session_id = started["SessionId"].as_str().expect("an id").to_owned();
    let token = Token::from(started["TokenValue"].as_str().expect("a token"));
    let (begun, unix_millis) = (std::time::Instant::now(), 1_795_000_000_000);
    let config = ClientConfig::new(session_id.clone(), token).with_channel(channel());
    let client = Client::new(config, Seed([1; 32]), Instant::ZERO, unix_millis).expect("it works");
    let config = AgentConfig::new(session_id.clone(), "i-1").with_channel(channel());
    let agent = Agent::new(config, Seed([2; 32]), Instant::ZERO, unix_millis).expect("it works");
    let client = tokio::spawn(runner(client, End::Client, address, begun).run());
    let agent = tokio::spawn(runner(agent, End::Agent, address, begun).run());
    let cutting = tokio::spawn(cut(gateway.clone(), session_id));
    let all = async { (client.await, agent.await, cutting.await) };
    let (client, agent, cuts) = timeout(Duration::from_secs(60), all).await.expect("it ends");
    let ((at_client, client), (at_agent, agent)) = (client.expect("no panic"), agent.expect("no panic"));
    assert!(at_agent == pattern(1), "{} of {BYTES} bytes", at_agent.len());
    assert!(at_client == pattern(2), "{} of {BYTES} bytes", at_client.len());
    assert_eq!(agent, Some(EndReason::Finished));
    assert!(
        matches!(client, Some(EndReason::Closed { .. } | EndReason::Gone)),
        "{client:?}"
    );
    assert_eq!(cuts.expect("no panic"), 10);
    assert!(gateway.sessions().is_empty());
}
