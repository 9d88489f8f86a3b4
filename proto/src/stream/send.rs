//! The sending half of a stream: what waits to be committed, and what became of the rest.

use alloc::boxed::Box;
use alloc::collections::VecDeque;

use bytes::{Buf, BufMut, Bytes, BytesMut};

use super::credit::SendCredit;
use crate::event::{Tally, Undelivered};
use crate::id::StreamId;
use crate::limits::FRAME_CHARGE;
use crate::reliability::Committed;
use crate::wire::frame::{Data, Frame};

/// A fragment cut short is not worth less than this.
pub(super) const LEAST_FRAGMENT: usize = 512;
/// Unacknowledged frames of a stream from which on small remainders of credit are not spent: a peer that grants
/// little and acknowledges nothing would have the outbox full of frames of a byte.
pub(super) const CRUMBS: usize = 8;

/// Longer writes are items of their own: copying them once more would cost more than their frames.
const LARGEST_GATHERED: usize = 4 << 10;

/// What the outbox is charged for an item of `len` bytes cut into fragments.
pub(super) fn item_charge(len: usize, fragment: usize) -> usize {
    len.saturating_add(FRAME_CHARGE.saturating_mul(pieces(len, fragment)))
}

/// How many frames that makes, if none is cut short.
fn pieces(len: usize, fragment: usize) -> usize {
    if len <= fragment { 1 } else { len.div_ceil(fragment) }
}

/// Payloads accepted by `send` or `write`, until their last fragment is committed.
#[derive(Debug)]
pub(super) struct Item {
    /// What is left to commit.
    pub(super) rest: Bytes,
    /// A message of which a part is committed already: the whole, for the case that it never arrives.
    pub(super) whole: Option<Box<Bytes>>,
    pub(super) message: bool,
    pub(super) charge: usize,
    /// A part is committed.
    pub(super) started: bool,
}

/// How this half ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// It goes on.
    Open,
    /// `finish` was called; the end goes behind what is queued.
    Finishing,
    /// `reset` was called, or the peer asked for it; what was queued is dropped.
    Resetting { code: u64 },
    /// The end or RESET is committed.
    Committed,
}

#[derive(Debug)]
pub(super) struct SendHalf {
    pub(super) queue: VecDeque<Item>,
    /// The bytes of the last item while small writes are gathered in it.
    pub(super) gathered: Option<BytesMut>,
    /// What is left to commit is charged this much; what it will take of the peer's grant, if no piece is cut short.
    pub(super) queued_charge: usize,
    /// Of it, what was last counted as held up; see [`held_up`](Self::held_up).
    pub(super) waiting: usize,
    pub(super) end: End,
    pub(super) fragment: usize,
    pub(super) credit: SendCredit,
    /// Frames committed and not yet acknowledged.
    pub(super) in_flight: usize,
    /// Charge of an item that was abandoned when a part of it was committed, until that is acknowledged.
    pub(super) stranded: usize,
    pub(super) delivered: Tally,
    /// Messages ever queued.
    pub(super) messages: u64,
    /// Bytes ever queued that are no part of a message.
    pub(super) bytes: u64,
    /// The peer's STOP.
    pub(super) stopped: Option<u64>,
    /// The scheduler knows of it.
    pub(super) scheduled: bool,
    /// It was abandoned: whether everything arrived is no longer a question.
    pub(super) was_reset: bool,
}

impl SendHalf {
    pub(super) fn new(fragment: usize, credit: u64) -> SendHalf {
        SendHalf {
            queue: VecDeque::new(),
            gathered: None,
            queued_charge: 0,
            waiting: 0,
            end: End::Open,
            fragment,
            credit: SendCredit::new(credit),
            in_flight: 0,
            stranded: 0,
            delivered: Tally::default(),
            messages: 0,
            bytes: 0,
            stopped: None,
            scheduled: false,
            was_reset: false,
        }
    }

    /// Queues `take` bytes of a byte stream; returns their charge. Small writes that follow each other become one item, so that
    /// they share a frame and its charge.
    pub(super) fn push_bytes(&mut self, data: &mut impl Buf, take: usize) -> usize {
        if take > LARGEST_GATHERED.min(self.fragment) {
            return self.push(data.copy_to_bytes(take), false);
        }
        let room = self.fragment - take;
        if self.gathered.as_ref().is_some_and(|gathered| gathered.len() <= room) {
            return self.gather(data, take);
        }
        let charge = self.push(Bytes::new(), false);
        self.gathered = Some(BytesMut::with_capacity(take));
        charge + self.gather(data, take)
    }

    /// Adds to the last item, which stays within a fragment; returns what that is charged.
    fn gather(&mut self, data: &mut impl Buf, take: usize) -> usize {
        if let (Some(gathered), Some(last)) = (&mut self.gathered, self.queue.back_mut()) {
            gathered.put(data.take(take));
            last.charge += take;
        }
        self.queued_charge += take;
        self.bytes += take as u64;
        take
    }

    /// Nothing more is gathered in the last item.
    fn end_gathering(&mut self) {
        if let (Some(gathered), Some(last)) = (self.gathered.take(), self.queue.back_mut()) {
            last.rest = gathered.freeze();
        }
    }

    /// Queues an item; returns its charge.
    pub(super) fn push(&mut self, payload: Bytes, message: bool) -> usize {
        self.end_gathering();
        let charge = item_charge(payload.len(), self.fragment);
        match message {
            true => self.messages += 1,
            false => self.bytes += payload.len() as u64,
        }
        self.queued_charge += charge;
        self.queue.push_back(Item {
            rest: payload,
            whole: None,
            message,
            charge,
            started: false,
        });
        charge
    }

    /// Whether something waits that only credit can hold up.
    pub(super) fn has_work(&self) -> bool {
        match self.end {
            End::Open => !self.queue.is_empty(),
            End::Finishing => true,
            End::Resetting { .. } | End::Committed => false,
        }
    }

    /// Whether the stream's own credit allows the next frame.
    pub(super) fn has_credit(&self) -> bool {
        let least = if self.in_flight < CRUMBS { 1 } else { LEAST_FRAGMENT };
        self.credit.left() >= (FRAME_CHARGE + self.front_len().min(least)) as u64
    }

    /// Commits the next fragment of at most `most` payload bytes; the caller has seen to credit. What the frame costs
    /// that nobody was charged for yet is at most `spare`; see [`Fragment`].
    pub(super) fn next_fragment(&mut self, stream: StreamId, most: usize, spare: usize) -> Option<Fragment> {
        if self.queue.len() == 1 {
            self.end_gathering();
        }
        let Some(item) = self.queue.front_mut() else {
            let ends = self.end == End::Finishing && spare >= FRAME_CHARGE;
            let committed = ends.then(|| Fragment {
                committed: bare_end(stream),
                uncharged: FRAME_CHARGE,
            });
            if committed.is_some() {
                self.end = End::Committed;
                self.in_flight += 1;
                self.credit.spend(FRAME_CHARGE);
            }
            return committed;
        };
        let take = item.rest.len().min(most).min(self.fragment);
        if take < item.rest.len() && take == 0 {
            return None;
        }
        let last = take == item.rest.len();
        let left = item.rest.len() - take;
        let uncharged = if last {
            0
        } else {
            // A piece cut short leaves as many to come as before.
            FRAME_CHARGE * (1 + pieces(left, self.fragment) - pieces(item.rest.len(), self.fragment))
        };
        if uncharged > spare {
            return None;
        }
        if item.message && !last && item.whole.is_none() {
            item.whole = Some(Box::new(item.rest.clone()));
        }
        item.started = true;
        let payload = item.rest.split_to(take);
        let message = item.message;
        let (release, whole) = if last {
            (item.charge, item.whole.take())
        } else {
            (uncharged, None)
        };
        self.queued_charge -= take + FRAME_CHARGE - uncharged;
        if last {
            self.queue.pop_front();
        }
        let stream_end = self.end == End::Finishing && self.queue.is_empty();
        if stream_end {
            self.end = End::Committed;
        }
        self.in_flight += 1;
        self.credit.spend(FRAME_CHARGE + payload.len());
        let frame = Frame::Data(Data {
            stream,
            payload,
            message_end: message && last,
            stream_end,
        });
        Some(Fragment {
            committed: Committed {
                frame,
                release,
                message,
                whole,
            },
            uncharged,
        })
    }

    /// How many payload bytes wait at the front.
    pub(super) fn front_len(&self) -> usize {
        match (&self.gathered, self.queue.len()) {
            (Some(gathered), 1) => gathered.len(),
            _ => self.queue.front().map_or(0, |item| item.rest.len()),
        }
    }

    /// How many items are not wholly committed.
    pub(super) fn queued(&self) -> usize {
        self.queue.len()
    }

    /// Of what is queued, and `more` with it, what lies beyond the peer's grant: only the peer's
    /// application can move it.
    pub(super) fn held_up(&self, opened: bool, more: usize) -> usize {
        let queued = self.queued_charge + more;
        if opened {
            queued.saturating_sub(self.granted())
        } else {
            queued
        }
    }

    fn granted(&self) -> usize {
        usize::try_from(self.credit.left()).unwrap_or(usize::MAX)
    }

    /// How much more may be queued before the peer's grant is used up.
    pub(super) fn within_grant(&self, opened: bool) -> usize {
        let granted = if opened { self.granted() } else { 0 };
        granted.saturating_sub(self.queued_charge)
    }

    /// Drops what is queued; returns the charge that this sets free now.
    pub(super) fn clear(&mut self) -> usize {
        let started = self.queue.front().filter(|item| item.started && self.in_flight > 0);
        let stranded = started.map_or(0, |item| item.charge);
        self.stranded += stranded;
        self.queued_charge = 0;
        self.gathered = None;
        self.queue.drain(..).map(|item| item.charge).sum::<usize>() - stranded
    }

    /// A frame was acknowledged. Returns the charge that was waiting for the last of them.
    pub(super) fn on_acked(&mut self) -> usize {
        self.in_flight -= 1;
        if self.in_flight == 0 {
            core::mem::take(&mut self.stranded)
        } else {
            0
        }
    }

    /// What was never committed whole, to be handed back.
    pub(super) fn take_queued(&mut self) -> impl Iterator<Item = Undelivered> + '_ {
        self.end_gathering();
        self.queued_charge = 0;
        self.waiting = 0;
        self.queue.drain(..).map(|item| Undelivered {
            payload: item.whole.map_or(item.rest, |whole| *whole),
            message: item.message,
        })
    }

    /// Whether this half is over: nothing is left to send, and no acknowledgement is waited for.
    pub(super) fn is_over(&self) -> bool {
        self.end == End::Committed && self.in_flight == 0
    }
}

/// A DATA frame that was cut off what waits.
pub(super) struct Fragment {
    pub(super) committed: Committed,
    /// What the account owes for it beyond what its item was charged: a frame of its own for a piece cut short, and for
    /// the bare end of a stream. It comes back with the frame's acknowledgement.
    pub(super) uncharged: usize,
}

/// The end of a stream with no data before it.
fn bare_end(stream: StreamId) -> Committed {
    let data = Data {
        stream,
        payload: Bytes::new(),
        message_end: false,
        stream_end: true,
    };
    Committed {
        frame: Frame::Data(data),
        release: FRAME_CHARGE,
        message: false,
        whole: None,
    }
}
