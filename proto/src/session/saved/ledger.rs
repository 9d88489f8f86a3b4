//! The account with the peer in a snapshot, and what of it a journal has.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::num::NonZeroU64;

use bytes::Bytes;

use crate::durable::fields::{
    Read, put, put_bytes, put_flag, put_frame, put_len, put_option, take, take_bytes, take_flag, take_frame, take_len,
    take_option,
};
use crate::error::ProtocolError;
use crate::reliability::{Committed, Outbox};
use crate::session::ledger::{Ledger, PeerClose};
use crate::wire::frame::Frame;

impl Ledger {
    /// The peer's frame at the next position, as a journal has it.
    pub(crate) fn accept_again(&mut self, frame: Frame) -> Result<Option<PeerClose>, ProtocolError> {
        self.check_last(self.expected, &frame)?;
        self.accept(frame)
    }

    /// All that is committed may be sent, and none of it was packed in this process.
    pub(crate) fn on_restored(&mut self) {
        let (acked, bytes) = (self.acked(), self.outbox.bytes());
        if let Some(journal) = &mut self.journal {
            journal.packed = acked;
            journal.unpacked = bytes;
        }
    }

    pub(crate) fn save(&self, buf: &mut Vec<u8>) {
        put(buf, self.expected);
        put_option(buf, self.frozen, put);
        // What is ahead of its turn is not saved, and neither is what a CLOSE there says, unless it acts.
        let acts = |end: &NonZeroU64| self.frozen.is_some() || end.get() <= self.expected;
        put_option(buf, self.last.filter(acts), |buf, end| put(buf, end.get()));
        put_outbox(buf, &self.outbox);
        self.streams.save(buf);
    }

    /// Reads into a fresh ledger what was saved.
    pub(crate) fn load(&mut self, rest: &mut Bytes) -> Read<()> {
        self.expected = take(rest)?;
        self.frozen = take_option(rest, take)?;
        self.last = take_option(rest, take)?.and_then(NonZeroU64::new);
        self.outbox = take_outbox(rest)?;
        self.streams.load(rest, &self.outbox)
    }
}

fn put_outbox(buf: &mut Vec<u8>, outbox: &Outbox) {
    put(buf, outbox.base());
    put(buf, outbox.next() - outbox.base());
    let kept = (outbox.base()..outbox.next()).filter_map(|position| outbox.get(position));
    for committed in kept {
        put_frame(buf, &committed.frame);
        put_len(buf, committed.release);
        put_flag(buf, committed.message);
        put_option(buf, committed.whole.as_deref(), |buf, whole| put_bytes(buf, whole));
    }
}

fn take_outbox(rest: &mut Bytes) -> Read<Outbox> {
    let mut outbox = Outbox::beginning_at(take(rest)?);
    for _ in 0..take(rest)? {
        outbox.commit(Committed {
            frame: take_frame(rest)?,
            release: take_len(rest)?,
            message: take_flag(rest)?,
            whole: take_option(rest, take_bytes)?.map(Box::new),
        });
    }
    Ok(outbox)
}
