#![allow(clippy::unwrap_used, reason = "a test")]

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;

use proptest::prelude::*;

use crate::ssm::body::*;
use crate::ssm::kind::MessageType;
use crate::ssm::uuid::Uuid;

fn encoded(encode: impl FnOnce(&mut Vec<u8>)) -> String {
    let mut out = Vec::new();
    encode(&mut out);
    String::from_utf8(out).unwrap()
}

#[test]
fn unknown_keys_are_passed_over_and_null_is_nothing() {
    let text = br#"{"Future":{"a":[1,{"b":null}]},"HandshakeTimeToComplete":7,"CustomerMessage":null,"X":"\u00e9"}"#;
    let expected = HandshakeComplete {
        time_to_complete_nanos: 7,
        customer_message: String::new(),
    };
    assert_eq!(HandshakeComplete::decode(text), Ok(expected));
    assert_eq!(ChannelClosed::decode(b"{}"), Ok(ChannelClosed::default()));
    let response = HandshakeResponse::decode(br#"{"ProcessedClientActions":null,"Errors":null}"#);
    assert_eq!(response, Ok(HandshakeResponse::default()));
    let response =
        HandshakeResponse::decode(br#"{"ProcessedClientActions":[{"ActionType":"SessionType","Error":null}]}"#);
    let action = &response.unwrap().processed_client_actions[0];
    assert_eq!(action.action_status, ActionStatus::Unknown(0));
    assert!(action.action_result.is_null() && action.error.is_empty());
}

#[test]
fn an_acknowledgement_needs_a_number() {
    let decode = |text: &str| Acknowledge::decode(text.as_bytes());
    assert!(matches!(
        decode(r#"{"AcknowledgedMessageType":"input_stream_data"}"#),
        Err(BodyError::Mismatch { .. })
    ));
    // Nobody looks at the id.
    let odd = r#"{"AcknowledgedMessageType":"input_stream_data","AcknowledgedMessageId":"x","AcknowledgedMessageSequenceNumber":9}"#;
    let acknowledged = decode(odd).unwrap();
    assert_eq!(acknowledged.message_id, Uuid::NIL);
    assert_eq!(acknowledged.sequence_number, 9);
    assert!(!acknowledged.is_sequential);
    let long = odd.replace("input_stream_data", &"x".repeat(33));
    assert!(matches!(decode(&long), Err(BodyError::Mismatch { .. })));
    let unknown = odd.replace("input_stream_data", "agent_\\u006aob");
    let expected = MessageType::from_name(b"agent_job").unwrap();
    assert_eq!(decode(&unknown).unwrap().message_type, expected);
}

#[test]
fn texts_for_people_are_escaped() {
    let complete = HandshakeComplete {
        time_to_complete_nanos: -1,
        customer_message: "a <b> & \"c\"\n".to_string(),
    };
    let text = encoded(|out| complete.encode(out));
    let expected = r#"{"HandshakeTimeToComplete":-1,"CustomerMessage":"a \u003cb\u003e \u0026 \"c\"\n"}"#;
    assert_eq!(text, expected);
    assert_eq!(HandshakeComplete::decode(text.as_bytes()), Ok(complete));
}

#[test]
fn what_belongs_to_an_action_is_its_own_matter() {
    let request = |parameters: &str| {
        let text =
            format!(r#"{{"RequestedClientActions":[{{"ActionType":"SessionType","ActionParameters":{parameters}}}]}}"#);
        HandshakeRequest::decode(text.as_bytes())
            .unwrap()
            .requested_client_actions[0]
            .clone()
    };
    assert!(matches!(request("[1]").session_type(), Err(BodyError::Mismatch { .. })));
    assert!(matches!(
        request(r#"{"SessionType":"Port","Properties":[]}"#).session_type(),
        Err(BodyError::Malformed)
    ));
    let none = request("null").session_type().unwrap();
    assert_eq!(none.session_type, SessionType::Unknown(String::new()));
    let other = request(r#"{"SessionType":"Port","Properties":{"portNumber":22}}"#);
    assert!(matches!(
        other.session_type().unwrap().port(),
        Err(BodyError::Mismatch { .. })
    ));
    let nested = r#"{"Properties":{"a":{"b":["c<"]}},"SessionType":"Bogus"}"#;
    let odd = request(nested);
    assert_eq!(odd.action_parameters.as_str(), nested);
    let read = odd.session_type().unwrap();
    assert_eq!(read.session_type.as_str(), "Bogus");
    assert_eq!(read.properties.as_str(), r#"{"a":{"b":["c<"]}}"#);
}

#[test]
fn port_properties() {
    let properties = PortProperties {
        port_number: Some("22".into()),
        host: Some("db".into()),
        kind: Some(LOCAL_PORT_FORWARDING.into()),
        ..PortProperties::default()
    };
    assert!(properties.is_local_port_forwarding());
    let raw = properties.to_raw();
    assert_eq!(
        raw.as_str(),
        r#"{"portNumber":"22","host":"db","type":"LocalPortForwarding"}"#
    );
    let parameters = SessionTypeParameters {
        session_type: SessionType::Port,
        properties: raw,
    };
    assert_eq!(parameters.port(), Ok(properties));
}

#[test]
fn key_and_challenge() {
    let parameters = KmsParameters {
        kms_key_id: "alias/x".into(),
        challenge: None,
    };
    let action = RequestedClientAction::with_kms(&parameters);
    assert_eq!(action.action_parameters.as_str(), r#"{"KMSKeyId":"alias/x"}"#);
    assert_eq!(action.kms(), Ok(parameters));
    let result = KmsResult {
        cipher_text_key: Base64(vec![0xfb, 0xff]),
        cipher_text_hash: Base64::default(),
        challenge_acknowledgement: Some(true),
    };
    let text = r#"{"KMSCipherTextKey":"+/8=","KMSCipherTextHash":null,"ChallengeAcknowledgement":true}"#;
    assert_eq!(result.to_raw().as_str(), text);
    assert_eq!(format!("{:?}", result.cipher_text_key), "Base64(<2 bytes>)");
    for wrong in [
        r#"{"Challenge":"+/8"}"#,
        r#"{"Challenge":"-_8="}"#,
        r#"{"Challenge":[1]}"#,
    ] {
        let decoded = EncryptionChallenge::decode(wrong.as_bytes());
        assert!(matches!(decoded, Err(BodyError::Mismatch { .. })), "{wrong}");
    }
}

#[test]
fn flags_and_exit_codes() {
    for number in [0, 1, 2, 3, 99] {
        let bytes = u32::to_be_bytes(number);
        let flag = Flag::decode(&bytes).unwrap();
        assert_eq!(flag.number(), number);
        let mut out = Vec::new();
        flag.encode(&mut out);
        assert_eq!(out, bytes);
    }
    assert_eq!(Flag::decode(&[0, 0, 2]), Err(BodyError::Malformed));
    assert_eq!(Flag::decode(&[0, 0, 0, 2, 0]), Err(BodyError::Malformed));

    assert_eq!(encoded(|out| ExitCode(3).encode(out)), "EXIT_CODE: 3");
    assert_eq!(ExitCode::decode(b"EXIT_CODE: 3"), Ok(ExitCode(3)));
    assert_eq!(ExitCode::decode(b"\nEXIT_CODE:  -1\n"), Ok(ExitCode(-1)));
    for wrong in [
        "",
        "EXIT_CODE:",
        "EXIT_CODE: x",
        "exit_code: 1",
        "EXIT_CODE: 99999999999999999999",
    ] {
        assert_eq!(ExitCode::decode(wrong.as_bytes()), Err(BodyError::Malformed), "{wrong}");
    }
}

#[test]
fn a_resumed_session_or_none() {
    let grant = SessionGrant::decode(br#"{"SessionId":"s","TokenValue":"t","StreamUrl":"wss://x?a=1&b=2"}"#).unwrap();
    assert_eq!(grant.token_value.as_str(), "t");
    assert_eq!(grant.stream_url, "wss://x?a=1&b=2");
    assert!(
        SessionGrant::decode(br#"{"SessionId":"s"}"#)
            .unwrap()
            .token_value
            .is_empty()
    );
}

proptest! {
    #[test]
    fn any_acknowledgement(id: [u8; 16], sequence_number: i64, is_sequential: bool) {
        let body = Acknowledge { message_type: MessageType::OutputStreamData, message_id: Uuid(id), sequence_number, is_sequential };
        let text = encoded(|out| body.encode(out));
        prop_assert_eq!(Acknowledge::decode(text.as_bytes()), Ok(body));
    }

    #[test]
    fn any_end_of_a_channel(texts: [String; 6], schema_version: i64) {
        let [message_id, created_date, destination_id, session_id, message_type, output] = texts;
        let body = ChannelClosed { message_id, created_date, destination_id, session_id, message_type, schema_version, output };
        let text = encoded(|out| body.encode(out));
        prop_assert_eq!(ChannelClosed::decode(text.as_bytes()), Ok(body));
    }

    #[test]
    fn any_response(version: String, actions: Vec<(String, i64, String, Vec<u8>)>, errors: Vec<String>) {
        let actions = actions.into_iter().map(|(name, status, error, key)| {
            let result = KmsResult { cipher_text_key: Base64(key), ..KmsResult::default() };
            ProcessedClientAction {
                action_type: ActionType::from(name),
                action_status: ActionStatus::from_number(status % 5),
                action_result: result.to_raw(),
                error,
            }
        });
        let body = HandshakeResponse {
            client_version: version,
            processed_client_actions: actions.collect(),
            errors,
        };
        let text = encoded(|out| body.encode(out));
        if text.len() <= MAX_BODY {
            let read = HandshakeResponse::decode(text.as_bytes()).unwrap();
            prop_assert!(read.processed_client_actions.iter().all(|action| action.kms().is_ok()));
            prop_assert_eq!(read, body);
        }
    }

    #[test]
    fn any_bytes_are_a_body_or_an_error(bytes: Vec<u8>) {
        let _ = (Acknowledge::decode(&bytes), OpenDataChannel::decode(&bytes), Flag::decode(&bytes), ExitCode::decode(&bytes));
    }
}
