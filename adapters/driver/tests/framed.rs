//! Packets on byte streams that give and take as little as they like. No runtime.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use bytes::{Bytes, BytesMut};
use futures_core::Stream;
use futures_sink::Sink;
use unbroken_driver::{ByteStream, Framed};

/// Gives what it holds in pieces of `step`, and takes as much; blocks every other time.
struct Stingy {
    input: VecDeque<u8>,
    output: Vec<u8>,
    step: usize,
    turn: bool,
}

impl Stingy {
    fn new(step: usize) -> Stingy {
        Stingy {
            input: VecDeque::new(),
            output: Vec::new(),
            step,
            turn: false,
        }
    }

    fn blocks(&mut self) -> bool {
        self.turn = !self.turn;
        self.turn
    }
}

impl ByteStream for &mut Stingy {
    fn poll_read_slice(&mut self, _cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        if self.blocks() {
            return Poll::Pending;
        }
        let take = self.step.min(self.input.len()).min(buf.len());
        buf.iter_mut()
            .zip(self.input.drain(..take))
            .for_each(|(to, byte)| *to = byte);
        Poll::Ready(Ok(take))
    }

    fn poll_read(&mut self, _cx: &mut Context<'_>, buf: &mut BytesMut) -> Poll<io::Result<usize>> {
        if self.blocks() {
            return Poll::Pending;
        }
        let room = buf.capacity() - buf.len();
        assert!(room > 0, "asked to read into nothing");
        let piece = self.step.min(room).min(self.input.len());
        buf.extend(self.input.drain(..piece));
        Poll::Ready(Ok(piece))
    }

    fn poll_write(&mut self, _cx: &mut Context<'_>, parts: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        if self.blocks() {
            return Poll::Pending;
        }
        let step = self.step;
        let bytes: Vec<u8> = parts.iter().flat_map(|part| part.iter().copied()).take(step).collect();
        self.output.extend(&bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(&mut self, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(&mut self, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

fn now<T>(mut poll: impl FnMut(&mut Context<'_>) -> Poll<T>) -> T {
    let mut cx = Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(output) = poll(&mut cx) {
            return output;
        }
    }
}

/// Packets of many sizes, each beginning with the type of a sealed one.
fn packets() -> Vec<Bytes> {
    let sizes = [
        1, 2, 3, 100, 1_199, 2_048, 16_000, 65_535, 5, 65_535, 65_534, 1, 40_000, 40_000, 40_000, 7,
    ];
    sizes
        .iter()
        .enumerate()
        .map(|(i, size)| Bytes::from([vec![7], vec![i as u8; size - 1]].concat()))
        .collect()
}

fn write(io: &mut Stingy) {
    let mut framed = Framed::new(io);
    for packet in packets() {
        now(|cx| Pin::new(&mut framed).poll_ready(cx)).unwrap();
        Pin::new(&mut framed).start_send(packet).unwrap();
    }
    now(|cx| Pin::new(&mut framed).poll_flush(cx)).unwrap();
}

#[test]
fn what_is_written_is_read_however_it_is_cut() {
    let whole: Vec<u8> = packets()
        .iter()
        .flat_map(|p| [&(p.len() as u16).to_be_bytes()[..], p].concat())
        .collect();
    for step in [1, 2, 3, 7, 1_000, 4_096, 65_537, 1 << 20] {
        let mut io = Stingy::new(step);
        write(&mut io);
        assert!(io.output == whole, "step {step}");
        io.input = std::mem::take(&mut io.output).into();
        let mut framed = Framed::new(&mut io);
        for packet in packets() {
            let read = now(|cx| Pin::new(&mut framed).poll_next(cx)).unwrap().unwrap();
            assert!(read == packet, "step {step}");
        }
        assert!(now(|cx| Pin::new(&mut framed).poll_next(cx)).is_none());
    }
}

#[test]
fn an_end_inside_a_packet_is_an_error() {
    let mut io = Stingy::new(1_000);
    io.input = [0, 5, 7, 1].into();
    let mut framed = Framed::new(&mut io);
    let error = now(|cx| Pin::new(&mut framed).poll_next(cx)).unwrap().unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
}

#[test]
fn a_stranger_is_refused_by_his_first_length() {
    let mut io = Stingy::new(1_000);
    io.input = [0xff, 0xff].into();
    let mut framed = Framed::accepted(&mut io);
    let error = now(|cx| Pin::new(&mut framed).poll_next(cx)).unwrap().unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidData);
}

#[test]
fn a_small_packet_does_not_pin_the_buffer_it_came_in() {
    let mut io = Stingy::new(1 << 20);
    for len in [60_000u16, 60_000, 60_000, 60_000, 60_000, 9] {
        io.input.extend(len.to_be_bytes());
        io.input.extend(std::iter::repeat_n(7, usize::from(len)));
    }
    let mut framed = Framed::new(&mut io);
    let mut last = BytesMut::new();
    for _ in 0..6 {
        last = now(|cx| Pin::new(&mut framed).poll_next(cx)).unwrap().unwrap();
    }
    drop(framed);
    assert_eq!(last.len(), 9);
    assert!(!last.try_reclaim(4_096), "it holds on to a buffer of its own size only");
}
