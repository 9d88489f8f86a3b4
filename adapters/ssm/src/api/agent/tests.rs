use super::{segment, token_of, uuid};

fn token(answer: &str) -> String {
    token_of(answer.as_bytes()).expect("XML").0
}

#[test]
fn a_token_is_found_under_any_root() {
    let answer = "<?xml version=\"1.0\"?><CreateDataChannelResponse xmlns=\"urn:x\"><MessageSchemaVersion>1.0</MessageSchemaVersion>\
                  <TokenValue> AAE+/w== </TokenValue></CreateDataChannelResponse>";
    assert_eq!(token(answer), "AAE+/w==");
    assert_eq!(token("<a><TokenValue>1&amp;2</TokenValue></a>"), "1&2");
}

#[test]
fn an_answer_without_a_token_has_an_empty_one() {
    for answer in [
        "<a/>",
        "<a><TokenValue/></a>",
        "<a><b><TokenValue>deep</TokenValue></b></a>",
    ] {
        assert_eq!(token(answer), "", "{answer}");
    }
}

#[test]
fn what_is_no_xml_is_an_error() {
    for answer in ["", "{}", "<a>", "<a><TokenValue></a>"] {
        assert!(token_of(answer.as_bytes()).is_err(), "{answer}");
    }
    let long = format!("<a>{}</a>", " ".repeat(1 << 16));
    assert!(token_of(long.as_bytes()).is_err());
}

#[test]
fn entities_are_not_multiplied() {
    let bomb = "<!DOCTYPE a [<!ENTITY b \"bbbb\"><!ENTITY c \"&b;&b;\">]><a><TokenValue>&c;</TokenValue></a>";
    assert!(token_of(bomb.as_bytes()).is_err());
}

#[test]
fn an_id_stays_one_segment_of_the_path() {
    assert_eq!(segment("first.last@corp-0a1b"), "first.last@corp-0a1b");
    assert_eq!(segment("../a?b#c d%é"), "..%2Fa%3Fb%23c%20d%25%C3%A9");
}

#[test]
fn request_ids_are_new_uuids() {
    let (one, other) = (uuid().expect("entropy"), uuid().expect("entropy"));
    assert_ne!(one, other);
    assert_eq!((one.len(), one.as_bytes()[14]), (36, b'4'));
}
