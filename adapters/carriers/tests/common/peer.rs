//! A peer of an accepted connection, and what it is answered.
#![allow(clippy::expect_used, reason = "a test")]

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use unbroken_carriers::{Acceptor, SUBPROTOCOL};
use unbroken_driver::ByteStream;

/// A socket whose peer says `input`, then ends, or goes on for ever.
#[derive(Clone, Default)]
pub(crate) struct Peer(pub(crate) Arc<Mutex<Said>>);

#[derive(Default)]
pub(crate) struct Said {
    pub(crate) input: VecDeque<u8>,
    pub(crate) goes_on: bool,
    pub(crate) answered: Vec<u8>,
    pub(crate) is_closed: bool,
    pub(crate) read_behind: usize,
    pub(crate) saw_the_end: bool,
}

impl ByteStream for Peer {
    fn poll_read_slice(&mut self, _: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut said = self.0.lock().expect("because nothing panics");
        let mut read = 0;
        while read < buf.len()
            && let Some(byte) = said.input.pop_front()
        {
            buf[read] = byte;
            read += 1;
        }
        if read == 0 && said.goes_on {
            read = buf.len();
        }
        said.saw_the_end |= read == 0;
        if said.is_closed {
            said.read_behind += read;
        }
        Poll::Ready(Ok(read))
    }

    fn poll_write(&mut self, _: &mut Context<'_>, parts: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let mut said = self.0.lock().expect("because nothing panics");
        assert!(!said.is_closed, "it writes behind its end");
        parts.iter().for_each(|part| said.answered.extend_from_slice(part));
        Poll::Ready(Ok(parts.iter().map(|part| part.len()).sum()))
    }

    fn poll_flush(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.lock().expect("because nothing panics").is_closed = true;
        Poll::Ready(Ok(()))
    }
}

/// What `acceptor` does to a peer that says `input`, until that connection is over.
pub(crate) fn meet(acceptor: &Acceptor, input: &[u8], goes_on: bool) -> Said {
    let peer = Peer::default();
    {
        let mut said = peer.0.lock().expect("because nothing panics");
        said.input = input.iter().copied().collect();
        said.goes_on = goes_on;
    }
    let mut connection = acceptor.accept(peer.clone()).connection;
    let mut cx = Context::from_waker(Waker::noop());
    for _ in 0..10_000 {
        if connection.as_mut().poll_next(&mut cx).is_ready() {
            drop(connection);
            return std::mem::take(&mut peer.0.lock().expect("because nothing panics"));
        }
    }
    panic!("it never ends")
}

pub(crate) fn answered(acceptor: &Acceptor, input: &[u8]) -> String {
    let said = meet(acceptor, input, false);
    String::from_utf8(said.answered).expect("because it is text")
}

/// An upgrade's headers, with the first `line`.
pub(crate) fn upgrade(line: &str) -> String {
    format!(
        "{line}\r\nHost: here\r\nConnection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: {SUBPROTOCOL}\r\n\r\n"
    )
}
