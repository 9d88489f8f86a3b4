//! The queues between a stream's halves and the driver: bounded, each behind a lock of its own.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Waker;

use bytes::{Bytes, BytesMut};
use unbroken_proto::config::FRAME_CHARGE;
use unbroken_proto::error::{RecvError, SendRefusal};
use unbroken_proto::stream::Chunk;
use unbroken_proto::{Duration, StreamId};

use crate::lock::{lock, wake};
use crate::shared::Shared;

/// What a sending half may hold before it waits, metadata included. One item is always let in.
pub(crate) const SEND_LIMIT: usize = 256 << 10;
/// What the driver puts before a receiving half, metadata included; the half may hold as much again.
pub(crate) const RECV_LIMIT: usize = 256 << 10;

/// One stream, between its halves and the driver.
pub(crate) struct StreamShared {
    pub(crate) id: StreamId,
    /// Of one message: more would not even fit the machine's empty outbox.
    pub(crate) largest_message: usize,
    /// Whether the driver has been told to look here.
    dirty: AtomicBool,
    send: Mutex<SendQueue>,
    recv: Mutex<RecvQueue>,
}

/// What waits to be given to the machine.
pub(crate) enum Outgoing {
    /// One whole message.
    Message(Bytes),
    /// Bytes of a byte stream.
    Bytes(Bytes),
    /// The same, still growing by small writes.
    Gathered(BytesMut),
}

impl Outgoing {
    pub(crate) fn charge(&self) -> usize {
        FRAME_CHARGE
            + match self {
                Outgoing::Message(bytes) | Outgoing::Bytes(bytes) => bytes.len(),
                Outgoing::Gathered(bytes) => bytes.len(),
            }
    }
}

#[derive(Default)]
pub(crate) struct SendQueue {
    pub(crate) items: VecDeque<Outgoing>,
    /// Charges of what was put in and the machine has not taken yet.
    pub(crate) held: usize,
    /// Messages ever put in.
    pub(crate) messages: u64,
    /// Of these, which are to be known to be the peer's within which time.
    pub(crate) watched: Vec<(u64, Duration)>,
    pub(crate) finish: bool,
    pub(crate) reset: Option<u64>,
    /// Why nothing more is taken.
    pub(crate) refusal: Option<SendRefusal>,
    pub(crate) waker: Option<Waker>,
}

impl SendQueue {
    /// Puts an item in; returns how many messages were so far.
    pub(crate) fn admit(&mut self, item: Outgoing) -> u64 {
        self.held += item.charge();
        self.messages += u64::from(matches!(item, Outgoing::Message(_)));
        self.items.push_back(item);
        self.messages
    }
}

#[derive(Default)]
pub(crate) struct RecvQueue {
    pub(crate) chunks: VecDeque<Chunk>,
    pub(crate) held: usize,
    /// The driver left something in the machine because this was full.
    pub(crate) starved: bool,
    pub(crate) stop: Option<u64>,
    /// What follows the chunks, if it is not more.
    pub(crate) failure: Option<RecvError>,
    pub(crate) waker: Option<Waker>,
}

pub(crate) fn chunk_charge(chunk: &Chunk) -> usize {
    match chunk {
        Chunk::Data { payload, .. } => FRAME_CHARGE + payload.len(),
        Chunk::End => FRAME_CHARGE,
    }
}

impl StreamShared {
    pub(crate) fn new(id: StreamId, largest_message: usize) -> StreamShared {
        StreamShared {
            id,
            largest_message,
            dirty: AtomicBool::new(false),
            send: Mutex::default(),
            recv: Mutex::default(),
        }
    }

    pub(crate) fn send<T>(&self, f: impl FnOnce(&mut SendQueue) -> T) -> T {
        f(&mut lock(&self.send))
    }

    pub(crate) fn recv<T>(&self, f: impl FnOnce(&mut RecvQueue) -> T) -> T {
        f(&mut lock(&self.recv))
    }

    /// For a half: makes the driver look here, once however often it is called before it does.
    pub(crate) fn touch(&self, shared: &Shared) {
        if !self.dirty.swap(true, Ordering::AcqRel) {
            shared.ask(|desk| desk.dirty.push(self.id));
        }
    }

    /// For the driver, before it looks.
    pub(crate) fn seen(&self) {
        self.dirty.store(false, Ordering::Release);
    }

    /// For the driver: nothing more is taken for sending.
    pub(crate) fn refuse(&self, refusal: SendRefusal) {
        wake(self.send(|queue| {
            queue.refusal.get_or_insert(refusal);
            queue.waker.take()
        }));
    }
}
