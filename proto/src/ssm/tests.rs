//! Every captured message, held against the manifest: read, field by field, and written again to the same bytes.
#![allow(clippy::unwrap_used, reason = "a test")]

extern crate std;

use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use std::fs;
use std::path::PathBuf;

use bytes::Bytes;
use serde_json::Value;

use crate::ssm::body::{
    Acknowledge, ActionType, AgentSessionState, ChannelClosed, CreateDataChannel, EncryptionChallenge, Flag,
    HandshakeComplete, HandshakeRequest, HandshakeResponse, OpenDataChannel, ResumeSession, SessionType, Size,
};
use crate::ssm::frame::{Frame, HEADER_LENGTH, Received};
use crate::ssm::kms::{Challenge, DataKey, Direction, NONCE_SIZE};
use crate::ssm::smux;
use crate::ssm::{MessageType, PayloadType, Uuid};

const MANIFEST: &str = include_str!("fixtures/manifest.json");

fn folder() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/src/ssm/fixtures"))
}

/// What the manifest says of a file.
struct Entry(Value);

impl Entry {
    fn text(&self, key: &str) -> &str {
        self.0[key].as_str().unwrap_or_else(|| panic!("{key}: {:?}", self.0))
    }

    fn number(&self, key: &str) -> u64 {
        self.0[key].as_u64().unwrap_or_else(|| panic!("{key}: {:?}", self.0))
    }

    fn file(&self) -> &str {
        self.text("file")
    }

    fn is_text(&self) -> bool {
        self.0.get("kind").is_some_and(|kind| kind == "text")
    }

    /// What the file holds, comments aside.
    fn content(&self) -> String {
        let text = fs::read_to_string(folder().join(self.file())).unwrap();
        let lines: Vec<&str> = text.lines().skip_while(|line| line.starts_with('#')).collect();
        lines.join("\n")
    }

    fn message(&self) -> Vec<u8> {
        hex(&self.content())
    }
}

fn entries() -> Vec<Entry> {
    let all: Vec<Value> = serde_json::from_str(MANIFEST).unwrap();
    all.into_iter().map(Entry).collect()
}

fn entry(file: &str) -> Entry {
    let found = entries().into_iter().find(|entry| entry.file() == file);
    found.unwrap_or_else(|| panic!("{file} is not in the manifest"))
}

fn decoded(file: &str) -> Received {
    Frame::decode(entry(file).message().into()).unwrap()
}

pub(super) fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    assert!(digits.len().is_multiple_of(2), "{text}");
    let byte = |pair: &[u8]| u8::from_str_radix(core::str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.chunks(2).map(byte).collect()
}

/// Every binary message of the recordings.
pub(super) fn messages() -> Vec<(String, Bytes)> {
    let frames = entries().into_iter().filter(|entry| !entry.is_text());
    frames
        .map(|entry| (entry.file().to_string(), entry.message().into()))
        .collect()
}

#[test]
fn manifest_and_folder_agree() {
    let listed: BTreeSet<String> = entries().iter().map(|entry| entry.file().to_string()).collect();
    let there = fs::read_dir(folder()).unwrap();
    let there = there.map(|file| file.unwrap().file_name().into_string().unwrap());
    let there: BTreeSet<String> = there
        .filter(|name| name != "README.md" && name != "manifest.json")
        .collect();
    assert_eq!(listed, there);
    assert_eq!(listed.len(), 43);
    assert_eq!(messages().len(), 37);
}

#[test]
fn frames_decode_to_what_the_manifest_says() {
    for entry in entries().iter().filter(|entry| !entry.is_text()) {
        let message = Bytes::from(entry.message());
        let received = Frame::decode(message.clone()).unwrap();
        let file = entry.file();
        let mut compared = BTreeSet::from(["file", "origin", "note"]);
        let header = &received.frame.header;
        let numbers = [
            ("length", message.len() as u64),
            ("header_length", received.header_length.into()),
            ("schema_version", header.schema_version.into()),
            ("created_date", header.created_date),
            ("sequence_number", header.sequence_number.try_into().unwrap()),
            ("flags", header.flags),
            ("payload_type", header.payload_type.number().into()),
            ("payload_length", received.payload_length.into()),
        ];
        for (key, value) in numbers {
            assert_eq!(value, entry.number(key), "{file}: {key}");
            compared.insert(key);
        }
        let payload = &received.frame.payload;
        let texts = [
            (
                "message_type",
                String::from_utf8(header.message_type.name().to_vec()).unwrap(),
            ),
            ("message_id", header.message_id.to_string()),
            ("digest", to_hex(&received.digest)),
        ];
        for (key, value) in texts {
            assert_eq!(value, entry.text(key), "{file}: {key}");
            compared.insert(key);
        }
        // The manifest has no hex of long payloads, and no text of those that are none; the digest covers them all.
        let (as_text, as_hex) = (entry.0["payload_utf8"].as_str(), entry.0["payload_hex"].as_str());
        assert!(as_text.is_none_or(|text| payload == text.as_bytes()), "{file}");
        assert!(as_hex.is_none_or(|digits| to_hex(payload) == digits), "{file}");
        assert!(
            as_text.is_some() || as_hex.is_some() || file == "p14_input_full_1024.hex",
            "{file}"
        );
        compared.extend(["payload_utf8", "payload_hex"]);
        let keys: BTreeSet<&str> = entry.0.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(keys, compared, "{file}: a field of the manifest is not compared");

        assert!(received.digest_matches(), "{file}");
        assert_eq!(received.header_length, HEADER_LENGTH);
        // The payload is a slice of the message, not a copy.
        assert!(payload.is_empty() || payload.as_ptr() == message[120..].as_ptr());
    }
}

fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn frames_encode_to_the_same_bytes() {
    for (file, message) in messages() {
        let received = Frame::decode(message.clone()).unwrap();
        let mut again = b"before".to_vec();
        received.frame.encode(&mut again);
        assert_eq!(again[6..], message, "{file}");
    }
}

/// Reads a body and writes it again.
macro_rules! again {
    ($body:ty, $payload:expr) => {{
        let mut again = Vec::new();
        <$body>::decode($payload).unwrap().encode(&mut again);
        again
    }};
}

/// The payload as it is written after it was read; `None` for payloads that are bytes to us.
fn body_again(received: &Received) -> Option<Vec<u8>> {
    let payload: &[u8] = &received.frame.payload;
    let header = &received.frame.header;
    Some(match (header.message_type, header.payload_type) {
        (MessageType::Acknowledge, _) => again!(Acknowledge, payload),
        (MessageType::ChannelClosed, _) => again!(ChannelClosed, payload),
        (MessageType::AgentSessionState, _) => again!(AgentSessionState, payload),
        (_, PayloadType::Size) => again!(Size, payload),
        (_, PayloadType::HandshakeRequest) => request_again(payload),
        (_, PayloadType::HandshakeResponse) => response_again(payload),
        (_, PayloadType::HandshakeComplete) => again!(HandshakeComplete, payload),
        (_, PayloadType::EncChallengeRequest | PayloadType::EncChallengeResponse) => {
            again!(EncryptionChallenge, payload)
        }
        (_, PayloadType::Flag) => again!(Flag, payload),
        _ => return None,
    })
}

/// With the parameters of each action read and written, too.
fn request_again(payload: &[u8]) -> Vec<u8> {
    let mut request = HandshakeRequest::decode(payload).unwrap();
    for action in &mut request.requested_client_actions {
        *action = match action.action_type {
            ActionType::SessionType => {
                let mut parameters = action.session_type().unwrap();
                if parameters.session_type == SessionType::Port {
                    parameters.properties = parameters.port().unwrap().to_raw();
                }
                super::body::RequestedClientAction::with_session_type(&parameters)
            }
            ActionType::KmsEncryption => super::body::RequestedClientAction::with_kms(&action.kms().unwrap()),
            ActionType::Unknown(_) => continue,
        };
    }
    let mut again = Vec::new();
    request.encode(&mut again);
    again
}

/// With the result of each action read and written, too.
fn response_again(payload: &[u8]) -> Vec<u8> {
    let mut response = HandshakeResponse::decode(payload).unwrap();
    for action in &mut response.processed_client_actions {
        if action.action_type == ActionType::KmsEncryption {
            action.action_result = action.kms().unwrap().to_raw();
        }
    }
    let mut again = Vec::new();
    response.encode(&mut again);
    again
}

#[test]
fn bodies_encode_to_the_same_bytes() {
    // Those whose payload is bytes: keys, terminal output, smux, and nothing.
    let mut bytes = Vec::new();
    for (file, message) in messages() {
        let received = Frame::decode(message).unwrap();
        match body_again(&received) {
            Some(again) => assert_eq!(
                String::from_utf8_lossy(&again),
                String::from_utf8_lossy(&received.frame.payload),
                "{file}"
            ),
            None => bytes.push(file.split('_').next().unwrap().to_string()),
        }
    }
    bytes.sort();
    let expected = "a04 a07 a11 a15 h03 h04 h05 h08 k06 p05 p06 p07 p10 p12 p14";
    assert_eq!(bytes.join(" "), expected);
}

#[test]
fn texts_encode_to_the_same_bytes() {
    let mut compared = 0;
    for entry in entries().iter().filter(|entry| entry.is_text()) {
        let (file, content) = (entry.file(), entry.content());
        assert_eq!(content, entry.text("text"), "{file}");
        // The head of an HTTP request is none of ours.
        let body = content.lines().last().unwrap_or_default().as_bytes();
        let again = match &file[..3] {
            "p01" | "p18" | "a02" => again!(OpenDataChannel, body),
            "a01" => again!(CreateDataChannel, body),
            "p17" => again!(ResumeSession, body),
            // Notes on the key, which no program sends: `sealed_messages_open_and_seal_again` uses it.
            "k00" => continue,
            other => panic!("{other}"),
        };
        assert_eq!(again, body, "{file}");
        compared += 1;
    }
    assert_eq!(compared, 5);
}

#[test]
fn each_end_is_known_by_its_first_message() {
    let open = |file| OpenDataChannel::decode(entry(file).content().as_bytes()).unwrap();
    let (first, second) = (
        open("p01_open_data_channel.txt"),
        open("p18_open_data_channel_after_resume.txt"),
    );
    assert!(!first.is_agent() && !second.is_agent());
    assert_eq!(first.client_version.as_deref(), Some("1.2.677.0"));
    assert_ne!(first.request_id, second.request_id);
    assert!(Uuid::parse(&first.request_id).is_some());
    let agent = open("a02_open_data_channel.txt");
    assert!(agent.is_agent());
    assert_eq!(agent.client_instance_id.as_deref(), Some("i-0123456789abcdef0"));
    assert_eq!(agent.token_value.as_str(), "agent-token");
    assert!(!format!("{agent:?}").contains("agent-token"));

    let made = OpenDataChannel::client(
        first.request_id.clone(),
        "token-initial".into(),
        first.client_id.clone(),
        "1.2.677.0".into(),
    );
    assert_eq!(made, first);
    let made = OpenDataChannel::agent(
        agent.request_id.clone(),
        "agent-token".into(),
        "client-1".into(),
        "i-0123456789abcdef0".into(),
    );
    assert_eq!(made, agent);
}

#[test]
fn smux_inside_of_output() {
    let cases = [
        ("p10_mux_syn.hex", smux::Item::Syn { stream: 3 }, smux::Command::Syn),
        ("p12_mux_fin.hex", smux::Item::Fin { stream: 3 }, smux::Command::Fin),
        ("a15_mux_fin.hex", smux::Item::Fin { stream: 3 }, smux::Command::Fin),
    ];
    for (file, item, command) in cases {
        let payload = decoded(file).frame.payload;
        assert_eq!(payload, smux::Header::new(command, 3).to_bytes().as_slice(), "{file}");
        let mut piece = payload;
        let mut decoder = smux::Decoder::new();
        assert_eq!(decoder.next_item(&mut piece), Ok(Some(item)), "{file}");
        assert_eq!(decoder.next_item(&mut piece), Ok(None));
    }
}

#[test]
fn flag_inside_of_a_frame() {
    let payload = decoded("p13_flag_terminate_session.hex").frame.payload;
    assert_eq!(Flag::decode(&payload), Ok(Flag::TerminateSession));
}

/// The recorded key, and what the manifest says of it.
fn data_key() -> (DataKey, Value) {
    let notes: Value = serde_json::from_str(entry("k00_kms_key.txt").text("text")).unwrap();
    let key = DataKey::from_slice(&hex(notes["plaintext_key_hex"].as_str().unwrap())).unwrap();
    (key, notes)
}

#[test]
fn sealed_messages_open_and_seal_again() {
    let (key, notes) = data_key();
    let (client, agent) = (
        key.direction(Direction::ClientToAgent),
        key.direction(Direction::AgentToClient),
    );

    let sealed = decoded("k06_encrypted_input.hex").frame;
    assert_eq!(client.open(&sealed.payload).unwrap(), b"roundtrip\n");
    assert!(agent.open(&sealed.payload).is_err());
    let nonce: [u8; NONCE_SIZE] = sealed.payload[..NONCE_SIZE].try_into().unwrap();
    let mut again = Vec::new();
    let done = sealed
        .header
        .try_encode_with(&mut again, |out| client.seal(nonce, b"roundtrip\n", out));
    assert_eq!(done, Ok(()));
    assert_eq!(again, entry("k06_encrypted_input.hex").message());

    let challenge = |file| EncryptionChallenge::decode(&decoded(file).frame.payload).unwrap();
    let (asked, answered) = (
        challenge("k03_enc_challenge_request.hex"),
        challenge("k04_enc_challenge_response.hex"),
    );
    let plain = Challenge::open(&agent, &asked).unwrap();
    assert_eq!(Challenge::open(&client, &answered), Ok(plain.clone()));
    assert!(Challenge::open(&client, &asked).is_err());
    let nonce_of = |body: &EncryptionChallenge| body.challenge.0[..NONCE_SIZE].try_into().unwrap();
    assert_eq!(plain.seal(&agent, nonce_of(&asked)), Ok(asked));
    assert_eq!(plain.seal(&client, nonce_of(&answered)), Ok(answered));

    // The halves, and the encrypted key that the client hands on.
    let halves = [
        notes["agent_encrypt_key_hex"].as_str().unwrap(),
        notes["client_encrypt_key_hex"].as_str().unwrap(),
    ];
    assert_eq!(halves.concat(), notes["plaintext_key_hex"].as_str().unwrap());
    let response = HandshakeResponse::decode(&decoded("k02_handshake_response_kms.hex").frame.payload).unwrap();
    let result = response.processed_client_actions[1].kms().unwrap();
    assert_eq!(result.challenge_acknowledgement, None);
    let encoded = response.processed_client_actions[1].action_result.as_str();
    assert!(encoded.contains(notes["ciphertext_key_b64"].as_str().unwrap()));

    // The size stays in the clear.
    let clear = decoded("k08_size_is_not_encrypted.hex").frame.payload;
    assert_eq!(Size::decode(&clear), Ok(Size { cols: 80, rows: 24 }));
}
