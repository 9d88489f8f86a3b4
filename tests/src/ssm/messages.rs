//! Any bytes as what arrives in a session of AWS Session Manager: for the fuzzer, the corpus replay and the random tests. Whatever comes,
//! nothing panics, and what was read is the same when it is written and read again.

use bytes::Bytes;
use unbroken_proto::ssm::body::{
    Acknowledge, AgentSessionState, ChannelClosed, CreateDataChannel, EncryptionChallenge, ExitCode, Flag,
    HandshakeComplete, HandshakeRequest, HandshakeResponse, OpenDataChannel, PortProperties, RawJson, ResumeSession,
    SessionGrant, Size,
};
use unbroken_proto::ssm::frame::Frame;
use unbroken_proto::ssm::kms::{DataKey, Direction};
use unbroken_proto::ssm::smux::{Command, Decoder, Header, Item, SmuxError};
use unbroken_proto::ssm::text;

/// A message: a frame or none, and what stands in it (or in all of it) as every kind of body, as smux, as a control word, and as
/// something sealed.
///
/// # Panics
/// Something was taken that does not survive being written and read again.
pub fn decode(data: &[u8]) {
    let message = Bytes::copy_from_slice(data);
    payload(&message);
    if let Ok(received) = Frame::decode(message) {
        let _ = received.digest_matches();
        let mut again = Vec::new();
        received.frame.encode(&mut again);
        let reread = Frame::decode(again.into()).expect("because it was written as a frame");
        assert_eq!(reread.frame, received.frame, "a frame changes");
        assert!(reread.digest_matches(), "a digest that we wrote does not match");
        payload(&received.frame.payload);
    }
}

fn payload(payload: &Bytes) {
    bodies(payload);
    if let Ok(text) = core::str::from_utf8(payload) {
        let _ = text::control_word(text);
    }
    smux(payload);
    sealed(payload);
}

/// Reads a body; what was read must be read again when it is written.
macro_rules! again {
    ($payload:expr; $($body:ty),*) => {
        $(if let Ok(body) = <$body>::decode($payload) {
            let mut again = Vec::new();
            body.encode(&mut again);
            // Escapes make some texts longer than may be read.
            if again.len() <= unbroken_proto::ssm::body::MAX_BODY {
                assert_eq!(<$body>::decode(&again).as_ref(), Ok(&body), "a body changes");
            }
        })*
    };
}

fn bodies(payload: &[u8]) {
    again!(payload; Acknowledge, AgentSessionState, ChannelClosed, CreateDataChannel, EncryptionChallenge, ExitCode, Flag);
    again!(payload; HandshakeComplete, HandshakeRequest, HandshakeResponse, OpenDataChannel, PortProperties, ResumeSession);
    again!(payload; SessionGrant, Size);
    if let Ok(request) = HandshakeRequest::decode(payload) {
        for action in request.requested_client_actions {
            let _ = action.kms();
            if let Ok(session) = action.session_type() {
                let _ = session.port();
            }
        }
    }
    if let Ok(response) = HandshakeResponse::decode(payload) {
        for action in response.processed_client_actions {
            let _ = action.kms();
        }
    }
    if let Ok(text) = core::str::from_utf8(payload)
        && let Ok(raw) = RawJson::new(text)
    {
        assert_eq!(RawJson::new(raw.as_str()), Ok(raw), "a value changes");
    }
}

/// The same items whatever the cuts, and the bytes again that made them.
fn smux(stream: &Bytes) {
    let (whole, ended) = items([stream.clone()]);
    for size in [1, 7, 1_024] {
        let pieces = stream.chunks(size).map(Bytes::copy_from_slice);
        assert_eq!(items(pieces), (whole.clone(), ended), "pieces of {size}");
    }
    assert!(stream.starts_with(&whole), "smux changes");
}

/// The items written again, as far as their frames are whole, and how it ended.
fn items(pieces: impl IntoIterator<Item = Bytes>) -> (Vec<u8>, Option<SmuxError>) {
    let (mut decoder, mut out, mut begun) = (Decoder::new(), Vec::new(), Vec::new());
    for mut piece in pieces {
        loop {
            match decoder.next_item(&mut piece) {
                Ok(Some(Item::Syn { stream })) => Header::new(Command::Syn, stream).encode(&mut out),
                Ok(Some(Item::Fin { stream })) => Header::new(Command::Fin, stream).encode(&mut out),
                Ok(Some(Item::Nop { stream })) => Header::new(Command::Nop, stream).encode(&mut out),
                Ok(Some(Item::Data { stream, data, is_last })) => {
                    begun.extend_from_slice(&data);
                    if is_last {
                        let length = begun.len().try_into().expect("because a length has 16 bits");
                        Header::push(stream, length).encode(&mut out);
                        out.append(&mut begun);
                    }
                }
                Ok(Some(other)) => panic!("{other:?} is new here"),
                Ok(None) => break,
                Err(error) => return (out, Some(error)),
            }
        }
    }
    (out, None)
}

fn sealed(payload: &[u8]) {
    // Some other key than that of the recordings.
    let key = DataKey::new([7; 64]).direction(Direction::ClientToAgent);
    assert!(key.open(payload).is_err(), "it was sealed by nobody");
    let mut again = Vec::new();
    key.seal([1; 12], payload, &mut again).expect("because it is short");
    assert_eq!(key.open(&again).as_deref(), Ok(payload));
}
