#![allow(clippy::unwrap_used, reason = "a test")]

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use proptest::prelude::*;

use crate::ssm::body::{RawJson, Size};
use crate::ssm::json::{self, BodyError, MAX_BODY, MAX_DEPTH, Value};

fn written(value: &impl Value) -> String {
    let mut out = Vec::new();
    value.write(&mut out);
    String::from_utf8(out).unwrap()
}

#[test]
fn strings_are_escaped_as_go_does() {
    let text = "a\"b\\c\n\r\t\u{8}\u{c}\0<>&\u{2028}\u{2029}é€😀\u{7f}".to_string();
    let expected = r#""a\"b\\c\n\r\t\u0008\u000c\u0000\u003c\u003e\u0026\u2028\u2029é€😀"#.to_string() + "\u{7f}\"";
    assert_eq!(written(&text), expected);
    assert_eq!(json::read(expected.as_bytes()), Ok(text));
}

#[test]
fn numbers_and_nothing() {
    assert_eq!(written(&i64::MIN), "-9223372036854775808");
    assert_eq!(written(&u32::MAX), "4294967295");
    assert_eq!(written(&Vec::<String>::new()), "null");
    assert_eq!(written(&["a".to_string(), "b".to_string()].to_vec()), r#"["a","b"]"#);
    assert_eq!(written(&RawJson::default()), "null");
}

#[test]
fn bodies_are_bounded() {
    let padded = |length: usize| {
        let mut body = br#"{"cols":1,"rows":2}"#.to_vec();
        body.resize(length, b' ');
        body
    };
    assert_eq!(Size::decode(&padded(MAX_BODY)), Ok(Size { cols: 1, rows: 2 }));
    let length = MAX_BODY + 1;
    assert_eq!(Size::decode(&padded(length)), Err(BodyError::TooLong { length }));

    let nested = |depth: usize| {
        let lists = depth - 1;
        ["{\"x\":", &"[".repeat(lists), "\"[[[{{\\\"[\"", &"]".repeat(lists), "}"].concat()
    };
    assert_eq!(Size::decode(nested(MAX_DEPTH).as_bytes()), Ok(Size::default()));
    assert_eq!(Size::decode(nested(MAX_DEPTH + 1).as_bytes()), Err(BodyError::TooDeep));
    let open = "[".repeat(MAX_BODY);
    assert_eq!(Size::decode(open.as_bytes()), Err(BodyError::TooDeep));
}

#[test]
fn errors_tell_json_from_other_json() {
    let decode = |text: &str| Size::decode(text.as_bytes());
    assert!(matches!(decode("{\"cols\":1,"), Err(BodyError::NotJson { .. })));
    assert!(matches!(decode(""), Err(BodyError::NotJson { line: 1, column: 0 })));
    assert!(matches!(decode("{}x"), Err(BodyError::NotJson { line: 1, column: 3 })));
    assert!(matches!(decode("{\"cols\":\"1\"}"), Err(BodyError::Mismatch { .. })));
    assert!(matches!(decode("{\"cols\":-1}"), Err(BodyError::Mismatch { .. })));
    assert!(matches!(decode("7"), Err(BodyError::Mismatch { .. })));
}

proptest! {
    #[test]
    fn any_text_is_written_and_read(text: String) {
        prop_assert_eq!(json::read(written(&text).as_bytes()), Ok(text));
    }

    #[test]
    fn any_bytes_are_a_value_or_an_error(bytes: Vec<u8>) {
        let _ = json::read::<RawJson>(&bytes);
    }
}
