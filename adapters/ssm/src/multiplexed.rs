//! The streams of a session that has many, and the tasks that wait for them.

use std::collections::{BTreeMap, VecDeque};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use unbroken_proto::Instant;
use unbroken_proto::ssm::DataChannel;
use unbroken_proto::ssm::body::Flag;
use unbroken_proto::ssm::mux::{Mux, MuxConfig, MuxEvent, MuxRead};

use crate::end::End;

/// Stands under the session's lock.
pub(crate) struct Multiplexed {
    mux: Mux,
    readers: BTreeMap<u32, Waker>,
    writers: BTreeMap<u32, Waker>,
    /// Streams that the peer opened and nobody took yet.
    opened: VecDeque<u32>,
    acceptors: Vec<Waker>,
    /// Connections that the peer could not make, so far.
    refused: u64,
}

impl Multiplexed {
    pub(crate) fn new<R: End>(config: MuxConfig, now: Instant) -> Multiplexed {
        Multiplexed {
            mux: Mux::new(R::SIDE, config, now),
            readers: BTreeMap::new(),
            writers: BTreeMap::new(),
            opened: VecDeque::new(),
            acceptors: Vec::new(),
            refused: 0,
        }
    }

    /// Carries what there is between streams and session, and adds whom that wakes. Whether the session may have something to say because
    /// of it. A peer that does not speak smux ends the session.
    pub(crate) fn pump<R: End>(&mut self, now: Instant, machine: &mut DataChannel<R>, wakers: &mut Vec<Waker>) -> bool {
        let before = (
            machine.stats().queued_bytes,
            machine.poll_timeout(),
            machine.wants_input(),
        );
        if self.mux.pump(now, machine).is_err() {
            machine.abort(now);
        }
        while let Some(event) = self.mux.poll_event() {
            match event {
                MuxEvent::Opened(number) => {
                    self.opened.push_back(number);
                    wakers.append(&mut self.acceptors);
                }
                MuxEvent::Readable(number) => wakers.extend(self.readers.remove(&number)),
                MuxEvent::Writable(number) => wakers.extend(self.writers.remove(&number)),
                MuxEvent::Flag(Flag::ConnectToPortError) => self.refused += 1,
                _ => {}
            }
        }
        before
            != (
                machine.stats().queued_bytes,
                machine.poll_timeout(),
                machine.wants_input(),
            )
    }

    pub(crate) fn is_drained(&self) -> bool {
        self.mux.is_drained()
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.mux.poll_timeout()
    }

    pub(crate) fn wake_all(&mut self, wakers: &mut Vec<Waker>) {
        wakers.append(&mut self.acceptors);
        for waiting in [&mut self.readers, &mut self.writers] {
            wakers.extend(std::mem::take(waiting).into_values());
        }
    }

    pub(crate) fn refused(&self) -> u64 {
        self.refused
    }

    pub(crate) fn open(&mut self) -> Option<u32> {
        self.mux.open()
    }

    pub(crate) fn poll_opened(&mut self, cx: &Context<'_>) -> Poll<u32> {
        match self.opened.pop_front() {
            Some(number) => Poll::Ready(number),
            None => {
                if !self.acceptors.iter().any(|waker| waker.will_wake(cx.waker())) {
                    self.acceptors.push(cx.waker().clone());
                }
                Poll::Pending
            }
        }
    }

    /// What came next; empty: the stream is at its end.
    pub(crate) fn poll_read(&mut self, number: u32, cx: &Context<'_>) -> Poll<Bytes> {
        match self.mux.read(number) {
            MuxRead::Data(bytes) => Poll::Ready(bytes),
            MuxRead::End => Poll::Ready(Bytes::new()),
            MuxRead::Pending => {
                self.readers.insert(number, cx.waker().clone());
                Poll::Pending
            }
        }
    }

    /// How much was taken; 0: the stream is closed.
    pub(crate) fn poll_write(&mut self, number: u32, bytes: &Bytes, cx: &Context<'_>) -> Poll<usize> {
        match self.mux.write(number, bytes) {
            0 if !self.mux.is_closed(number) => {
                self.writers.insert(number, cx.waker().clone());
                Poll::Pending
            }
            taken => Poll::Ready(taken),
        }
    }

    /// Closes the stream, and forgets who waited for it.
    pub(crate) fn finish(&mut self, number: u32, wakers: &mut Vec<Waker>) {
        self.mux.finish(number);
        for waiting in [&mut self.readers, &mut self.writers] {
            wakers.extend(waiting.remove(&number));
        }
    }
}
