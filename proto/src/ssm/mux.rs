//! Many TCP streams over one port session: what [`Established::is_multiplexed`](crate::ssm::event::Established::is_multiplexed) says is
//! wanted. smux version 1, over a [`DataChannel`].
//!
//! Version 1 has no credit for a stream: who does not read one holds up all of them, once [`MuxConfig::receive_buffer`] is full. A stream is
//! closed both ways at once, with what was written before it.

mod config;

use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;

use bytes::Bytes;

use crate::id::Side;
use crate::ssm::data_channel::DataChannel;
use crate::ssm::event::Chunk;
use crate::ssm::role::Role;
use crate::ssm::smux::{Command, Decoder, HEADER_SIZE, Header, Item, MAX_DATA, SmuxError};
use crate::time::{Duration, Instant};

pub use self::config::{MuxConfig, MuxEvent, MuxRead};

/// What a piece of a stream costs beyond its bytes while it is kept.
const PIECE: usize = 64;
/// While so many events wait, nothing more is read of the session.
const MOST_EVENTS: usize = 4_096;

#[derive(Debug, Default)]
struct Stream {
    /// To be sent; the bytes of it.
    outgoing: VecDeque<Bytes>,
    waiting: usize,
    unread: VecDeque<Bytes>,
    /// We have closed it: behind `outgoing` there is the end.
    is_finished: bool,
    /// The peer has.
    is_ended: bool,
    wants_readable: bool,
    wants_writable: bool,
}

impl Stream {
    /// What waits to be sent counts for so much.
    fn charge(&self) -> usize {
        self.waiting + self.outgoing.len() * PIECE
    }
}

/// The streams of one session. A host calls [`pump`](Self::pump) whenever something happened to the session, or here.
#[derive(Debug)]
pub struct Mux {
    config: MuxConfig,
    decoder: Decoder,
    streams: BTreeMap<u32, Stream>,
    /// The number that our next stream has.
    next: u32,
    /// Streams that have something to send, in the order of their turns.
    turns: VecDeque<u32>,
    /// On its way into the session.
    unsent: Bytes,
    /// Headers that wait for nothing.
    control: VecDeque<Header>,
    unread: usize,
    next_keepalive: Option<Instant>,
    events: VecDeque<MuxEvent>,
}

impl Mux {
    /// No streams yet. The client opens 3, 5, 7 and so on, the other side even ones.
    #[must_use]
    pub fn new(side: Side, config: MuxConfig, now: Instant) -> Mux {
        Mux {
            config,
            decoder: Decoder::new(),
            streams: BTreeMap::new(),
            next: match side {
                Side::Client => 3,
                Side::Server => 2,
            },
            turns: VecDeque::new(),
            unsent: Bytes::new(),
            control: VecDeque::new(),
            unread: 0,
            next_keepalive: config.keepalive.map(|interval| now + interval),
            events: VecDeque::new(),
        }
    }

    /// A new stream. `None`: there are too many.
    pub fn open(&mut self) -> Option<u32> {
        let following = self.next.checked_add(2)?;
        if self.streams.len() >= self.config.max_streams {
            return None;
        }
        let number = core::mem::replace(&mut self.next, following);
        self.streams.insert(number, Stream::default());
        self.control.push_back(Header::new(Command::Syn, number));
        Some(number)
    }

    /// Hands over as much of `bytes` as there is room for, and says how much; 0 for a stream that is closed.
    pub fn write(&mut self, number: u32, bytes: &Bytes) -> usize {
        let Some(stream) = self.streams.get_mut(&number) else {
            return 0;
        };
        if stream.is_finished || stream.is_ended {
            return 0;
        }
        let taken = self.config.send_buffer.saturating_sub(stream.charge()).min(bytes.len());
        stream.wants_writable |= taken < bytes.len();
        if taken > 0 {
            if stream.outgoing.is_empty() {
                self.turns.push_back(number);
            }
            stream.waiting += taken;
            stream.outgoing.push_back(bytes.slice(..taken));
        }
        taken
    }

    /// Whether nothing that is written to a stream will ever be taken: it is closed from either side, or there is none of this number.
    #[must_use]
    pub fn is_closed(&self, number: u32) -> bool {
        let stream = self.streams.get(&number);
        stream.is_none_or(|stream| stream.is_finished || stream.is_ended)
    }

    /// What came next on a stream.
    pub fn read(&mut self, number: u32) -> MuxRead {
        let Some(stream) = self.streams.get_mut(&number) else {
            return MuxRead::End;
        };
        if let Some(bytes) = stream.unread.pop_front() {
            self.unread -= charge(&bytes);
            return MuxRead::Data(bytes);
        }
        if stream.is_ended {
            self.forget(number);
            return MuxRead::End;
        }
        stream.wants_readable = true;
        MuxRead::Pending
    }

    /// Closes a stream, behind what was written. What comes on it is not kept any more.
    pub fn finish(&mut self, number: u32) {
        let Some(stream) = self.streams.get_mut(&number) else {
            return;
        };
        self.unread -= stream.unread.drain(..).map(|bytes| charge(&bytes)).sum::<usize>();
        if core::mem::replace(&mut stream.is_finished, true) {
            return;
        }
        if stream.is_ended {
            self.forget(number);
        } else if stream.outgoing.is_empty() {
            self.close(number);
        }
    }

    /// Whether the session has taken all that was said on streams, so that [`DataChannel::finish`] would come behind it.
    #[must_use]
    pub fn is_drained(&self) -> bool {
        self.turns.is_empty() && self.control.is_empty() && self.unsent.is_empty()
    }

    /// Something the host may want to know.
    pub fn poll_event(&mut self) -> Option<MuxEvent> {
        self.events.pop_front()
    }

    /// When [`pump`](Self::pump) is to be called at the latest.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.next_keepalive
    }

    /// How many streams there are.
    #[must_use]
    pub fn streams(&self) -> usize {
        self.streams.len()
    }

    /// Carries what there is between streams and session.
    ///
    /// # Errors
    /// What the peer sends is no smux: the session is of no use any more.
    pub fn pump<R: Role>(&mut self, now: Instant, channel: &mut DataChannel<R>) -> Result<(), SmuxError> {
        while self.unread < self.config.receive_buffer
            && self.events.len() < MOST_EVENTS
            // Streams that the peer opens and we close leave a header each, which waits as long as the peer takes nothing.
            && self.control.len() < MOST_EVENTS
            && let Some(chunk) = channel.read(now)
        {
            match chunk {
                Chunk::Output(bytes) => self.handle_input(bytes)?,
                Chunk::Flag(flag) => self.events.push_back(MuxEvent::Flag(flag)),
                // Nothing else belongs to a port session.
                _ => {}
            }
        }
        if let Some(due) = self.next_keepalive.filter(|due| *due <= now) {
            let interval = self.config.keepalive.unwrap_or_default();
            self.next_keepalive = Some(due.max(now) + interval.max(Duration::from_millis(1)));
            if self.control.is_empty() && self.unsent.is_empty() {
                self.control.push_back(Header::new(Command::Nop, 0));
            }
        }
        loop {
            if self.unsent.is_empty() {
                self.unsent = self.next_frame();
            }
            if self.unsent.is_empty() {
                return Ok(());
            }
            let taken = channel.write(now, &self.unsent);
            bytes::Buf::advance(&mut self.unsent, taken);
            if !self.unsent.is_empty() {
                return Ok(());
            }
        }
    }

    /// The frame that goes next; empty if there is none.
    fn next_frame(&mut self) -> Bytes {
        let mut out = Vec::new();
        if let Some(header) = self.control.pop_front() {
            header.encode(&mut out);
            return Bytes::from(out);
        }
        let Some(number) = self.turns.pop_front() else {
            return Bytes::new();
        };
        let Some(stream) = self.streams.get_mut(&number) else {
            return Bytes::new();
        };
        let most = self.config.frame_bytes.clamp(1, MAX_DATA).min(stream.waiting);
        out.reserve(HEADER_SIZE + most);
        Header::push(number, u16::try_from(most).unwrap_or(u16::MAX)).encode(&mut out);
        let mut left = most;
        while left > 0
            && let Some(piece) = stream.outgoing.front_mut()
        {
            let part = piece.split_to(left.min(piece.len()));
            out.extend_from_slice(&part);
            left -= part.len();
            if piece.is_empty() {
                stream.outgoing.pop_front();
            }
        }
        stream.waiting -= most;
        if stream.wants_writable && stream.charge() <= self.config.send_buffer / 2 {
            stream.wants_writable = false;
            self.events.push_back(MuxEvent::Writable(number));
        }
        if !stream.outgoing.is_empty() {
            self.turns.push_back(number);
        } else if stream.is_finished {
            self.close(number);
        }
        Bytes::from(out)
    }

    fn close(&mut self, number: u32) {
        self.control.push_back(Header::new(Command::Fin, number));
        self.forget(number);
    }

    fn forget(&mut self, number: u32) {
        if let Some(stream) = self.streams.remove(&number) {
            self.unread -= stream.unread.iter().map(charge).sum::<usize>();
            self.turns.retain(|turn| *turn != number);
        }
    }

    fn handle_input(&mut self, mut bytes: Bytes) -> Result<(), SmuxError> {
        while let Some(item) = self.decoder.next_item(&mut bytes)? {
            match item {
                Item::Syn { stream } => self.on_opened(stream),
                Item::Fin { stream } => self.on_ended(stream),
                Item::Data { stream, data, .. } => self.on_data(stream, data),
                Item::Nop { .. } => {}
            }
        }
        Ok(())
    }

    fn on_opened(&mut self, number: u32) {
        if self.streams.contains_key(&number) {
            return;
        }
        if self.streams.len() >= self.config.max_streams {
            // No more of these wait than there are streams.
            if self.control.len() < self.config.max_streams {
                self.control.push_back(Header::new(Command::Fin, number));
            }
            return;
        }
        self.streams.insert(number, Stream::default());
        self.events.push_back(MuxEvent::Opened(number));
    }

    fn on_data(&mut self, number: u32, data: Bytes) {
        // What comes on a stream that we have closed was on its way then.
        let Some(stream) = self.streams.get_mut(&number).filter(|stream| !stream.is_finished) else {
            return;
        };
        if data.is_empty() || stream.is_ended {
            return;
        }
        self.unread += charge(&data);
        stream.unread.push_back(data);
        if core::mem::take(&mut stream.wants_readable) {
            self.events.push_back(MuxEvent::Readable(number));
        }
    }

    fn on_ended(&mut self, number: u32) {
        let Some(stream) = self.streams.get_mut(&number) else {
            return;
        };
        stream.is_ended = true;
        stream.outgoing.clear();
        stream.waiting = 0;
        self.turns.retain(|turn| *turn != number);
        if stream.is_finished {
            return self.forget(number);
        }
        // A write finds that, too: nothing is taken any more.
        if core::mem::take(&mut stream.wants_writable) {
            self.events.push_back(MuxEvent::Writable(number));
        }
        // A read finds the end, and forgets it.
        if core::mem::take(&mut stream.wants_readable) {
            self.events.push_back(MuxEvent::Readable(number));
        }
    }
}

fn charge(bytes: &Bytes) -> usize {
    bytes.len() + PIECE
}

#[cfg(test)]
mod tests;
