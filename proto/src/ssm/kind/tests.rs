#![allow(clippy::unwrap_used, reason = "a test")]

use alloc::format;
use alloc::vec::Vec;

use proptest::prelude::*;

use crate::ssm::kind::{MAX_NAME, MessageType, PayloadType};

#[test]
fn names_are_read_with_either_padding() {
    for (kind, name) in MessageType::KNOWN {
        assert_eq!(MessageType::from_name(name.as_bytes()), Some(kind));
        assert_eq!(kind.name(), name.as_bytes());
        for padded in [
            format!("{name:32}"),
            format!("\0\0{name} \t\r\n\0"),
            format!(" \0{name} \x0b\0 "),
        ] {
            assert_eq!(MessageType::from_name(padded.as_bytes()), Some(kind), "{padded:?}");
        }
    }
}

#[test]
fn an_unknown_name_is_kept() {
    let kind = MessageType::from_name(b"agent_job     ").unwrap();
    assert_eq!(kind.name(), b"agent_job");
    assert_eq!(format!("{kind:?}"), "Unknown(\"agent_job\")");
    assert!(!kind.is_sequenced());
    assert_eq!(MessageType::from_name(&[b'x'; MAX_NAME + 1]), None);
    assert_eq!(
        MessageType::from_name(&[b'x'; MAX_NAME]).unwrap().name(),
        [b'x'; MAX_NAME]
    );
    assert_eq!(MessageType::from_name(b"").unwrap().name(), b"");
}

#[test]
fn payload_types_have_their_numbers() {
    for number in (0..20).chain([u32::MAX]) {
        let kind = PayloadType::from_number(number);
        assert_eq!(kind.number(), number);
        let known = (1..=12).contains(&number);
        assert_eq!(matches!(kind, PayloadType::Unknown(_)), !known);
    }
    assert_eq!(PayloadType::from_number(0), PayloadType::NONE);
}

proptest! {
    #[test]
    fn any_name_is_read_and_written(name: Vec<u8>) {
        if let Some(kind) = MessageType::from_name(&name) {
            prop_assert!(kind.name().len() <= MAX_NAME);
            prop_assert_eq!(MessageType::from_name(kind.name()), Some(kind));
        }
    }
}
