//! Packets over streams that take a byte at a time, and peers that are not what they should be.
#![allow(clippy::unwrap_used, reason = "a test")]

mod common;

use std::io::{self, ErrorKind, Write};

use bytes::BytesMut;
use common::pipe::{self, End};
use tungstenite::protocol::{Message, Role, WebSocketContext};
use unbroken_tungstenite::proto::Cause;
use unbroken_tungstenite::tungstenite::{self, ClientRequestBuilder};
use unbroken_tungstenite::{Connection, Framed, WebSocket, cause_of};

/// A packet as the machine would make it: typed, so that its length is believed.
fn packet(length: usize) -> Vec<u8> {
    let mut packet = vec![length as u8; length];
    packet[0] = 7;
    packet
}

fn blocked<T>(result: io::Result<T>) -> Option<T> {
    match result {
        Err(error) if error.kind() == ErrorKind::WouldBlock => None,
        done => Some(done.unwrap()),
    }
}

/// Sends packets from one end to the other, reading while the writer is blocked, and closes.
fn cross(near: &mut impl Connection, far: &mut impl Connection) {
    let lengths = [1, 2, 100, 8_000, 65_535, 1, 40_000];
    let (mut sent, mut received, mut closed, mut over) = (0, 0, false, false);
    while !over {
        let open = [blocked(near.open()), blocked(far.open())].iter().all(Option::is_some);
        if open && near.is_ready() && sent < lengths.len() {
            near.send(packet(lengths[sent])).unwrap();
            sent += 1;
        }
        let flushed = open && blocked(near.flush()).is_some();
        assert_eq!(
            near.wants_write(),
            open && !flushed,
            "what a poll loop has to look out for"
        );
        if flushed && sent == lengths.len() {
            closed = closed || blocked(near.close()).is_some();
        }
        match blocked(far.read()) {
            Some(Some(read)) => {
                assert_eq!(read, packet(lengths[received])[..]);
                received += 1;
            }
            Some(None) => over = true,
            None => {}
        }
    }
    assert_eq!((sent, received), (lengths.len(), lengths.len()));
}

fn websockets(near: End, far: End) -> (WebSocket<End>, WebSocket<End>) {
    let request = ClientRequestBuilder::new("ws://localhost/".parse().unwrap());
    (WebSocket::dialled(near, request).unwrap(), WebSocket::accepted(far))
}

#[test]
fn packets_cross_streams_of_any_room() {
    // An upgrade that arrives in pieces of less than 128 bytes is taken for an attack.
    for room in [1, 7, 1_000, usize::MAX] {
        let (near, far, _) = pipe::pair(room);
        cross(&mut Framed::new(near), &mut Framed::accepted(far));
        let (near, far, left) = pipe::pair(usize::MAX);
        let (mut near, mut far) = websockets(near, far);
        while blocked(near.open()).is_none() | blocked(far.open()).is_none() {}
        left.set(room);
        cross(&mut near, &mut far);
    }
}

#[test]
fn framed_bytes_that_are_none() {
    for (bytes, kind) in [
        (&[0, 0][..], ErrorKind::InvalidData),
        (&[0, 1, 200], ErrorKind::InvalidData),
        // Longer than a stranger may be.
        (&[255, 255], ErrorKind::InvalidData),
        // Cut off.
        (&[0, 9, 7], ErrorKind::UnexpectedEof),
    ] {
        let (mut near, far, _) = pipe::pair(usize::MAX);
        let mut far = Framed::accepted(far);
        near.write_all(bytes).unwrap();
        unbroken_tungstenite::ByteStream::finish(&mut near).unwrap();
        assert_eq!(far.read().unwrap_err().kind(), kind, "{bytes:?}");
    }
}

/// An upgraded peer that says `messages`; what the accepting end makes of them.
fn told(messages: Vec<Message>) -> Vec<Result<BytesMut, Cause>> {
    let (mut near, far, _) = pipe::pair(usize::MAX);
    let mut far = WebSocket::accepted(far);
    near.write_all(
        b"GET / HTTP/1.1\r\nhost: x\r\nupgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-version: 13\r\n\
          sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-protocol: other, unbroken.v1\r\n\r\n",
    )
    .unwrap();
    far.open().unwrap();
    let mut context = WebSocketContext::new(Role::Client, None);
    for message in messages {
        context.write(&mut near, message).unwrap();
    }
    context.flush(&mut near).unwrap();
    let mut heard = Vec::new();
    loop {
        match far.read() {
            Ok(Some(packet)) => heard.push(Ok(packet)),
            Ok(None) => return heard,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return heard,
            Err(error) => {
                heard.push(Err(cause_of(&error)));
                return heard;
            }
        }
    }
}

#[test]
fn websocket_messages_that_are_no_packets() {
    let binary = |length| Message::Binary(packet(length).into());
    let some = |length| Ok(BytesMut::from(&packet(length)[..]));
    assert_eq!(
        told(vec![
            Message::Ping("x".into()),
            binary(3),
            Message::Pong("y".into()),
            binary(4)
        ]),
        [some(3), some(4)]
    );
    assert_eq!(
        told(vec![binary(3), Message::Text("text".into())]),
        [some(3), Err(Cause::Protocol)]
    );
    // A stranger's first packet is short; once let in it may send longer ones.
    assert_eq!(told(vec![binary(9_000)]), [Err(Cause::Protocol)]);
    assert_eq!(told(vec![binary(8_000), binary(65_535)]), [some(8_000), some(65_535)]);
    assert_eq!(
        told(vec![binary(8_000), binary(65_536)]),
        [some(8_000), Err(Cause::Protocol)]
    );
    let closed = |code: u16| {
        told(vec![Message::Close(Some(tungstenite::protocol::CloseFrame {
            code: code.into(),
            reason: "".into(),
        }))])
    };
    assert_eq!(closed(1000), []);
    assert_eq!(closed(1001), [Err(Cause::ServerAsked)]);
    assert_eq!(closed(1008), [Err(Cause::Refused)]);
    assert_eq!(closed(3000), [Err(Cause::Authentication)]);
}
