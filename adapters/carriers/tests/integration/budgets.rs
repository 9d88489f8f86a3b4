//! Input that is always ready keeps nobody busy for longer than a bounded number of reads, and a stranger has a bounded
//! number of bytes.

use unbroken_carriers::{Acceptor, MAX_HEAD};
use unbroken_driver::proto::Cause;
use unbroken_driver::{Budget, cause_of};

use crate::common::{Watched, drip, flood, request};

/// A masked pong without a payload.
const PONG: &[u8] = &[0x8a, 0x80, 1, 2, 3, 4];
/// A masked ping of 4 bytes.
const PING: &[u8] = &[0x89, 0x84, 0, 0, 0, 0, 5, 6, 7, 8];
/// A masked fragment without a payload that continues a message.
const FRAGMENT: &[u8] = &[0x00, 0x80, 1, 2, 3, 4];

/// A masked binary message of one byte; it ends here if `last`.
fn binary(last: bool) -> Vec<u8> {
    vec![if last { 0x82 } else { 0x02 }, 0x81, 0, 0, 0, 0, 9]
}

#[test]
fn a_head_that_drips() {
    let head = request();
    let length = u32::try_from(head.len()).unwrap();
    let mut connection = Watched::accept(&Acceptor::websocket(), drip([head, binary(true)].concat()));
    let (packet, polls) = connection.next();
    assert_eq!(packet.unwrap().unwrap(), &[9][..]);
    assert!(polls > length / Budget::STEPS, "{polls}");
}

#[test]
fn a_head_without_an_end() {
    let mut connection = Watched::accept(&Acceptor::websocket(), flood(b"GET / HTTP/1.1\r\nx: ".to_vec(), b"y"));
    let (end, polls) = connection.next();
    let error = end.unwrap().unwrap_err();
    assert_eq!(cause_of(&error), Cause::Protocol, "{error}");
    assert!(error.to_string().contains(&MAX_HEAD.to_string()), "{error}");
    assert!(polls < 100, "{polls}");
    assert!(connection.next().0.is_none(), "that was its end");
}

#[test]
fn a_strangers_control_frames_are_bounded() {
    for frame in [PONG, PING] {
        let mut connection = Watched::accept(&Acceptor::websocket(), flood(request(), frame));
        let error = connection.next().0.unwrap().unwrap_err();
        assert_eq!(cause_of(&error), Cause::Protocol, "{error}");
    }
    // Sixteen are allowed.
    let friendly = [request(), PONG.repeat(16), binary(true)].concat();
    let mut connection = Watched::accept(&Acceptor::websocket(), drip(friendly));
    assert_eq!(connection.next().0.unwrap().unwrap(), &[9][..]);
    let loud = [request(), PONG.repeat(17), binary(true)].concat();
    let mut connection = Watched::accept(&Acceptor::websocket(), drip(loud));
    assert!(connection.next().0.unwrap().is_err());
}

#[test]
fn a_strangers_empty_fragments_are_its_bytes() {
    let begun = [request(), binary(false)].concat();
    let mut connection = Watched::accept(&Acceptor::websocket(), flood(begun, FRAGMENT));
    let (end, polls) = connection.next();
    let error = end.unwrap().unwrap_err();
    assert_eq!(cause_of(&error), Cause::Protocol, "{error}");
    assert!(polls < 100, "{polls}");
}

#[test]
fn control_frames_without_end_leave_others_their_turn() {
    for frame in [PONG, PING, FRAGMENT] {
        let known = [request(), binary(true), binary(false)].concat();
        let mut connection = Watched::accept(&Acceptor::websocket(), flood(known, frame));
        assert_eq!(connection.next().0.unwrap().unwrap(), &[9][..]);
        for _ in 0..30 {
            assert!(connection.poll().is_pending());
        }
    }
}
