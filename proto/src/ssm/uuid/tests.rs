#![allow(clippy::unwrap_used, reason = "a test")]

use alloc::format;
use alloc::string::ToString;

use proptest::prelude::*;

use crate::ssm::uuid::Uuid;

const TEXT: &str = "8f58e0cd-88f4-4093-a29d-85d88db48671";

#[test]
fn text_is_lower_case_with_hyphens() {
    let id = Uuid::parse(TEXT).unwrap();
    assert_eq!(id.0[..4], [0x8f, 0x58, 0xe0, 0xcd]);
    assert_eq!(id.to_string(), TEXT);
    assert_eq!(Uuid::parse(&TEXT.to_uppercase()), Some(id));
    assert_eq!(format!("{id:?}"), format!("Uuid({TEXT})"));
}

#[test]
fn what_is_no_uuid_text_is_none() {
    let longer = format!("{TEXT}0");
    let wrong = [
        "",
        "client-1",
        "8f58e0cd88f44093a29d85d88db48671",
        "8f58e0cd-88f4-4093-a29d-85d88db4867",
        "8f58e0cd-88f4-4093-a29d-85d88db4867g",
        "8f58e0cd-88f4-4093-a29d+85d88db48671",
        &longer,
    ];
    for text in wrong {
        assert_eq!(Uuid::parse(text), None, "{text}");
    }
}

proptest! {
    #[test]
    fn text_and_back(bytes: [u8; 16]) {
        prop_assert_eq!(Uuid::parse(&Uuid(bytes).to_string()), Some(Uuid(bytes)));
        let v4 = Uuid::v4(bytes).to_string();
        prop_assert_eq!(&v4[14..15], "4");
        prop_assert!(matches!(&v4[19..20], "8" | "9" | "a" | "b"));
    }

    #[test]
    fn any_text_is_a_uuid_or_none(text in "\\PC{0,40}") {
        if let Some(id) = Uuid::parse(&text) {
            prop_assert_eq!(id.to_string(), text.to_lowercase());
        }
    }
}
