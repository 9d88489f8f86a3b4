//! The applications: what they send, what they read, and the mark that each keeps beside what it made of the messages.

use std::collections::VecDeque;

use unbroken_proto::Session;
use unbroken_proto::durable::Mark;
use unbroken_proto::event::{Place, Tally};
use unbroken_proto::stream::{Chunk, StreamOptions};

use crate::world::{STREAM, World, index, side};

/// Bytes of each message.
const LENGTH: usize = 3;

/// The application at one end.
#[derive(Debug, Default)]
pub(crate) struct App {
    /// It has the stream, in this process.
    pub(crate) has_stream: bool,
    /// Its own mark: all below is dealt with.
    pub(crate) place: Place,
    /// Messages handed to the session.
    pub(crate) sent: u64,
    /// It decided to close.
    pub(crate) wants_close: bool,
    /// It did, in this process.
    pub(crate) has_closed: bool,
    /// What it is certain that a restart leaves of what it sent.
    certain: Tally,
    unsure: VecDeque<(Mark, Tally)>,
    /// Where the session stood when it last looked.
    looked: Option<(u64, u64)>,
}

impl App {
    pub(crate) fn has_nothing(&self) -> bool {
        self.place == Place::default() && self.certain == Tally::default() && self.unsure.is_empty()
    }

    /// What is kept now is certain.
    pub(crate) fn on_kept(&mut self, session: &Session) {
        while let Some((mark, taken)) = self.unsure.front().copied() {
            if !session.has_persisted(mark) {
                break;
            }
            self.unsure.pop_front();
            self.certain = taken;
        }
    }

    /// Nothing is kept of its session, because there was nothing yet or it is over.
    pub(crate) fn on_lost(&mut self, is_over: bool) {
        self.unsure.clear();
        self.has_stream = false;
        self.looked = None;
        assert!(is_over || self.has_nothing(), "a session is lost: {self:?}");
    }
}

impl World {
    /// The client's application opens the stream.
    pub(crate) fn open(&mut self) {
        let (now, options) = (self.pair.instant(), StreamOptions::default());
        if self.pair.client.open(now, options.clone()).is_ok_and(|id| id == STREAM) {
            self.pair.ledger.opened(STREAM, &options);
            self.apps[0].has_stream = true;
        }
    }

    /// An application begins again: it goes on sending behind what was taken, and hands back its mark.
    pub(crate) fn resume(&mut self, client: bool) {
        let (us, now) = (index(client), self.pair.instant());
        let app = &mut self.apps[us];
        app.unsure.clear();
        app.has_stream = false;
        app.has_closed = false;
        app.looked = None;
        let Some(session) = self.pair.machine(side(client)) else {
            return;
        };
        let restored = session.streams().into_iter().find(|stream| stream.id == STREAM);
        let app = &mut self.apps[us];
        let mut taken = Tally::default();
        if let Some(stream) = restored {
            taken = stream.taken;
            app.has_stream = true;
            assert!(
                stream.consumed <= app.place,
                "{:?} is dealt with: {app:?}",
                stream.consumed
            );
            let place = app.place;
            let session = self.pair.machine(side(client)).expect("because it has the stream");
            let handed = session.stream(STREAM).consumed(now, place);
            assert_eq!(handed, Ok(()), "the mark {place:?} is refused");
        }
        let half = self.pair.ledger.half(STREAM, side(client));
        let (read, app) = (half.has(), &mut self.apps[us]);
        let least = |least: Tally| taken.messages >= least.messages && taken.bytes >= least.bytes;
        assert!(least(app.certain), "{taken:?} is left: {app:?}");
        assert!(least(read), "{taken:?} is left, and {read:?} was read by the peer");
        half.rewind(taken);
        app.sent = if half.messages {
            taken.messages
        } else {
            taken.bytes / LENGTH as u64
        };
        if client && !app.has_stream {
            self.open();
        }
    }

    /// The next message.
    pub(crate) fn send(&mut self, client: bool) -> bool {
        let us = index(client);
        if !self.may_send(client) || !self.pair.put(side(client), STREAM, LENGTH) {
            return false;
        }
        let taken = self.pair.ledger.half(STREAM, side(client)).accepted();
        if let Some(session) = self.pair.machine(side(client)) {
            let mark = session.mark();
            self.apps[us].unsure.push_back((mark, taken));
            self.apps[us].sent += 1;
        }
        true
    }

    pub(crate) fn may_send(&self, client: bool) -> bool {
        let us = index(client);
        let app = &self.apps[us];
        let running = self.pair.ended[us].is_none() && !app.wants_close;
        running && app.has_stream && app.sent < self.left.messages[us]
    }

    pub(crate) fn close(&mut self, client: bool) -> bool {
        let (us, now) = (index(client), self.pair.instant());
        if self.apps[us].has_closed || self.pair.ended[us].is_some() {
            return false;
        }
        let Some(session) = self.pair.machine(side(client)) else {
            return false;
        };
        session
            .close(now, 5, bytes::Bytes::new())
            .expect("because the code fits");
        self.apps[us].wants_close = true;
        self.apps[us].has_closed = true;
        true
    }

    /// Whether an application that looks may find something.
    pub(crate) fn may_read(&self, client: bool) -> bool {
        let session = if client {
            Some(&self.pair.client)
        } else {
            self.pair.server.as_ref().filter(|_| self.is_established())
        };
        let stands = session
            .map(|session| session.inspect())
            .map(|seen| (seen.expected, seen.stated));
        stands.is_some() && stands != self.apps[index(client)].looked
    }

    /// Accepts and reads everything there is, and deals with it.
    ///
    /// # Panics
    /// When what is read is not what was written.
    pub(crate) fn read(&mut self, client: bool) -> bool {
        if !self.may_read(client) {
            return false;
        }
        let (us, now) = (index(client), self.pair.instant());
        let pair = &mut self.pair;
        let session = if client {
            Some(&mut pair.client)
        } else {
            pair.server.as_mut()
        };
        let Some(session) = session else { return false };
        let seen = session.inspect();
        let app = &mut self.apps[us];
        app.looked = Some((seen.expected, seen.stated));
        while let Some(stream) = session.accept(now) {
            assert!(
                stream.id == STREAM && !app.has_stream,
                "a stream that nobody opened: {stream:?}"
            );
            app.has_stream = true;
            let handed = session.stream(STREAM).consumed(now, app.place);
            assert_eq!(handed, Ok(()), "the mark {:?} is refused", app.place);
        }
        while let Ok(Some(chunk)) = session.stream(STREAM).recv(now) {
            let verdict = pair.ledger.read(side(client), STREAM, &chunk);
            assert_eq!(verdict, Ok(()));
            if chunk == Chunk::End {
                break;
            }
        }
        let place = session.stream(STREAM).place().filter(|place| *place > app.place);
        if let Some(place) = place {
            app.place = place;
            let dealt = session.stream(STREAM).consumed(now, place);
            assert_eq!(dealt, Ok(()));
        }
        true
    }
}
