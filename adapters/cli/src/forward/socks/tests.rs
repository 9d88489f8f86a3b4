use super::*;

fn connect(kind: u8, host: &[u8], port: u16) -> Vec<u8> {
    [&[5, 1, 0, kind][..], host, &port.to_be_bytes()].concat()
}

fn named(name: &str) -> Vec<u8> {
    let length = u8::try_from(name.len()).unwrap();
    [&[length][..], name.as_bytes()].concat()
}

#[test]
fn a_greeting_is_whole_at_its_last_byte_and_not_before() {
    for (message, without) in [
        (&[5, 1, 0][..], true),
        (&[5, 3, 2, 1, 0], true),
        (&[5, 2, 1, 2], false),
        (&[5, 0], false),
    ] {
        for end in 0..message.len() {
            assert_eq!(greeting(&message[..end]), Ok(None), "{message:?}, {end}");
        }
        let more = [message, &[1, 2, 3]].concat();
        assert_eq!(greeting(&more), Ok(Some((without, message.len()))));
    }
}

#[test]
fn a_greeting_of_another_protocol_is_known_by_its_first_byte() {
    for first in (0..=255).filter(|first| *first != 5) {
        assert_eq!(greeting(&[first]), Err(()));
        assert_eq!(greeting(&[first, 1, 0]), Err(()));
    }
}

#[test]
fn a_request_is_whole_at_its_last_byte_and_not_before() {
    for (message, target) in [
        (connect(1, &[192, 0, 2, 1], 80), "192.0.2.1:80"),
        (connect(3, &named("db.internal"), 5_432), "db.internal:5432"),
        (connect(3, &named("192.0.2.1"), 80), "192.0.2.1:80"),
        (connect(3, &named("2001:db8::1"), 80), "[2001:db8::1]:80"),
        (
            connect(3, &named(&"a".repeat(200)), 1),
            &format!("{}:1", "a".repeat(200)),
        ),
        (connect(4, &Ipv6Addr::LOCALHOST.octets(), 65_535), "[::1]:65535"),
    ] {
        for end in 0..message.len() {
            assert_eq!(request(&message[..end]), Ok(None), "{target}, {end}");
        }
        let (length, more) = (message.len(), [&message[..], b"GET /"].concat());
        assert_eq!(request(&more), Ok(Some((target.parse().unwrap(), length))));
    }
}

#[test]
fn what_is_no_request_is_answered_so_as_soon_as_that_is_certain() {
    let bad_name = |name: &[u8]| {
        let length = u8::try_from(name.len()).unwrap();
        [&[5, 1, 0, 3, length], name].concat()
    };
    for (message, reply) in [
        (vec![4], Reply::Failure),
        (vec![5, 2], Reply::NoSuchCommand),
        (vec![5, 3], Reply::NoSuchCommand),
        (vec![5, 0], Reply::NoSuchCommand),
        (vec![5, 1, 1], Reply::Failure),
        (vec![5, 1, 0, 0], Reply::NoSuchAddress),
        (vec![5, 1, 0, 2], Reply::NoSuchAddress),
        (vec![5, 1, 0, 5], Reply::NoSuchAddress),
        (vec![5, 1, 0, 3, 0], Reply::Failure),
        (bad_name(b"\xff"), Reply::Failure),
        (bad_name(b"a:22"), Reply::Failure),
        (bad_name(b"unix:/run/x"), Reply::Failure),
        (connect(1, &[192, 0, 2, 1], 0), Reply::Failure),
        (connect(3, &named("a b"), 1), Reply::Failure),
        (connect(3, &named("a\nb"), 1), Reply::Failure),
        (connect(3, &named(&"a".repeat(255)), 1), Reply::Failure),
    ] {
        for end in 0..message.len() {
            assert_eq!(request(&message[..end]), Ok(None), "{message:?}, {end}");
        }
        assert_eq!(request(&message), Err(reply), "{message:?}");
        assert_eq!(request(&[&message[..], &[0; 300]].concat()), Err(reply), "{message:?}");
    }
}

/// No message is so long that more of it is waited for without end.
#[test]
fn whatever_comes_is_decided_within_its_longest_length() {
    let longest = 4 + 1 + 255 + 2;
    for byte in 0..=255 {
        assert_ne!(greeting(&[5, byte].repeat(129)), Ok(None));
        assert_ne!(request(&vec![byte; longest]), Ok(None));
        let message = [&[5, 1, 0, byte][..], &vec![byte; longest]].concat();
        assert_ne!(request(&message), Ok(None));
    }
}

#[test]
fn replies_have_the_codes_of_the_rfc() {
    for (reason, code) in [
        (Some(Reason::NotAllowed), 2),
        (Some(Reason::Unreachable), 4),
        (Some(Reason::Refused), 5),
        (Some(Reason::TimedOut), 6),
        (Some(Reason::Unknown), 1),
        (None, 1),
    ] {
        assert_eq!(Reply::of_reason(reason).bytes(), [5, code, 0, 1, 0, 0, 0, 0, 0, 0]);
    }
    assert_eq!(Reply::Succeeded.bytes()[1], 0);
    assert_eq!(Reply::NoSuchCommand.bytes()[1], 7);
    assert_eq!(Reply::NoSuchAddress.bytes()[1], 8);
}
