//! Packets over sockets that take little at a time, and peers that are not what they should be.

use std::future::poll_fn;
use std::io::Write;
use std::os::unix::net::UnixStream;
use std::thread;

use bytes::{Bytes, BytesMut};
use tungstenite::protocol::{CloseFrame, Message, Role, WebSocketContext};
use unbroken_tungstenite::driver::{BoxConnection, cause_of};
use unbroken_tungstenite::proto::Cause;
use unbroken_tungstenite::{Acceptor, Address, Framed, Socket, block_on};

use crate::common::{both, pair_of_sockets};

/// A packet as the machine would make it: typed, so that its length is believed.
fn packet(length: usize) -> Vec<u8> {
    let mut packet = vec![length as u8; length];
    packet[0] = 7;
    packet
}

const LENGTHS: [usize; 7] = [1, 2, 100, 8_000, 65_535, 1, 40_000];

/// Sends packets from one end to the other, and closes.
fn cross(mut local: BoxConnection, mut remote: BoxConnection) {
    let sending = thread::spawn(move || {
        block_on(async move {
            for _ in 0..20 {
                for length in LENGTHS {
                    poll_fn(|cx| local.as_mut().poll_ready(cx)).await.unwrap();
                    local.as_mut().start_send(Bytes::from(packet(length))).unwrap();
                }
            }
            poll_fn(|cx| local.as_mut().poll_close(cx)).await.unwrap();
            local
        })
    });
    block_on(async move {
        for _ in 0..20 {
            for length in LENGTHS {
                let read = poll_fn(|cx| remote.as_mut().poll_next(cx)).await.unwrap().unwrap();
                assert_eq!(read, packet(length)[..]);
            }
        }
        assert!(poll_fn(|cx| remote.as_mut().poll_next(cx)).await.is_none());
    });
    drop(sending.join().unwrap());
}

#[test]
fn packets_cross_sockets_of_any_room() {
    for room in [1, 100_000] {
        let (local, remote) = pair_of_sockets(room);
        cross(Box::pin(Framed::new(local)), Box::pin(Framed::accepted(remote)));
        let (local, remote) = pair_of_sockets(room);
        let address = Address::parse("ws://localhost/").unwrap();
        let mut accepting = Acceptor::websocket().accept(remote).connection;
        // The accepting end upgrades when it is first used.
        let local = block_on(both(
            address.connect(local),
            poll_fn(|cx| accepting.as_mut().poll_ready(cx)),
        ));
        cross(local.0.unwrap().connection, accepting);
    }
}

/// An upgraded peer that says `messages`; what the accepting end makes of the first `count` of them.
fn told(count: usize, messages: Vec<Message>) -> Vec<Result<BytesMut, Cause>> {
    let (mut local, remote) = UnixStream::pair().unwrap();
    let mut remote = Acceptor::websocket().accept(Socket::new(remote).unwrap()).connection;
    local
        .write_all(
            b"GET / HTTP/1.1\r\nhost: x\r\nupgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-version: 13\r\n\
          sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-protocol: other, unbroken.v1\r\n\r\n",
        )
        .unwrap();
    let saying = thread::spawn(move || {
        let mut context = WebSocketContext::new(Role::Client, None);
        for message in messages {
            // Who is not listened to any more need not be.
            let _gone = context.write(&mut local, message);
        }
        let _gone = context.flush(&mut local);
        local
    });
    let heard = block_on(async {
        let mut heard = Vec::new();
        for _ in 0..count {
            let next = poll_fn(|cx| remote.as_mut().poll_next(cx)).await;
            heard.extend(next.map(|packet| packet.map_err(|error| cause_of(&error))));
        }
        heard
    });
    drop(saying.join().unwrap());
    heard
}

// PROTOCOL R2.1
#[test]
fn websocket_messages_that_are_no_packets() {
    let binary = |length| Message::Binary(packet(length).into());
    let some = |length| Ok(BytesMut::from(&packet(length)[..]));
    let chatter = vec![
        Message::Ping("x".into()),
        binary(3),
        Message::Pong("y".into()),
        binary(4),
    ];
    assert_eq!(told(2, chatter), [some(3), some(4)]);
    let text = vec![binary(3), Message::Text("text".into())];
    assert_eq!(told(2, text), [some(3), Err(Cause::Protocol)]);
    // A stranger's first packet is short; once let in it may send longer ones.
    assert_eq!(told(1, vec![binary(9_000)]), [Err(Cause::Protocol)]);
    let longer = vec![binary(8_000), binary(65_535)];
    assert_eq!(told(2, longer), [some(8_000), some(65_535)]);
    let too_long = vec![binary(8_000), binary(65_536)];
    assert_eq!(told(2, too_long), [some(8_000), Err(Cause::Protocol)]);
    let closed = |code: u16| {
        let frame = CloseFrame {
            code: code.into(),
            reason: "".into(),
        };
        told(1, vec![Message::Close(Some(frame))])
    };
    assert_eq!(closed(1000), []);
    assert_eq!(closed(1001), [Err(Cause::ServerAsked)]);
    assert_eq!(closed(1008), [Err(Cause::Refused)]);
    assert_eq!(closed(3000), [Err(Cause::Denied)]);
}
