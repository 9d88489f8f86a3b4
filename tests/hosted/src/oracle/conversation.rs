//! One client session and whatever server sessions answered it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use unbroken_driver::RecvError;
use unbroken_proto::event::Ended;
use unbroken_proto::{SessionId, Side, StreamId};
use unbroken_tests::rng::mix;

use super::half::{Seen, Verdict, Written};

/// One end: the client's, or one of the server's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Party {
    /// The client's.
    Client,
    /// The server's, by number.
    Server(usize),
}

/// What was done to one end, as far as it can justify how the session ended.
#[derive(Clone, Debug, Default)]
pub struct Done {
    /// Its application called `close`, or let go of all handles.
    pub closed: bool,
    /// It called `abort`.
    pub aborted: bool,
    /// Its driver was dropped or panicked.
    pub broken: bool,
    /// Its application let go of the session and all its streams.
    pub let_go: bool,
    /// Its application was killed, so that it did not read to the end.
    pub deaf: bool,
    /// How it ended, as everybody was told.
    pub ended: Option<Arc<Ended>>,
    /// Its acceptor of streams was told that there are no more.
    pub accepted_all: bool,
    /// Streams it was handed, in order.
    pub accepted: Vec<StreamId>,
    /// When it was last known to be attached.
    pub attached_at: u64,
}

/// A server's end.
#[derive(Clone, Debug)]
pub struct Instance {
    /// The server's generation.
    pub server: u64,
    /// Its session.
    pub id: SessionId,
    /// What was done to it.
    pub done: Done,
    /// Its server's process died.
    pub server_died: bool,
}

/// See the module.
#[derive(Clone, Debug)]
pub struct Conversation {
    /// Its number.
    pub number: usize,
    key: u64,
    /// The client's end.
    pub client: Done,
    /// The server's ends, the newest last.
    pub instances: Vec<Instance>,
    written: BTreeMap<(Party, StreamId), Written>,
    seen: BTreeMap<(Party, Party, StreamId), Seen>,
    /// Readers that asked the writer to stop.
    stops: BTreeSet<(Party, StreamId)>,
    /// How streams were opened.
    opened: BTreeMap<(Party, StreamId), (Vec<u8>, u8)>,
    /// The same, by what the other end was handed, by who opened it.
    handed: BTreeMap<(Party, StreamId), (Vec<u8>, u8)>,
    /// The client's id, once it had one.
    pub id: Option<SessionId>,
    /// The host refused the client for good.
    pub refused: bool,
    /// Something happened that may let the session expire, or be forgotten, on either side.
    pub may_expire: bool,
    /// The backoff has an end.
    pub may_give_up: bool,
    /// Nothing is forgiven that is known to be wrong.
    pub strict: bool,
    /// Somebody wanted more than a new connection.
    pub forced: bool,
    /// The server closed or aborted all sessions that there were, among them some that nobody had accepted.
    pub commanded: bool,
    /// The server told all sessions something, over streams of its own.
    pub told: bool,
}

impl Conversation {
    pub(super) fn new(number: usize, key: u64) -> Conversation {
        Conversation {
            number,
            key,
            client: Done::default(),
            instances: Vec::new(),
            written: BTreeMap::new(),
            seen: BTreeMap::new(),
            stops: BTreeSet::new(),
            opened: BTreeMap::new(),
            handed: BTreeMap::new(),
            id: None,
            refused: false,
            may_expire: false,
            may_give_up: false,
            strict: false,
            forced: false,
            commanded: false,
            told: false,
        }
    }

    pub(super) fn established(&mut self, server: u64, id: SessionId) -> Result<usize, String> {
        let number = self.instances.len();
        if let Some(before) = number.checked_sub(1) {
            let before = Party::Server(before);
            let touched = self.seen.iter().find(|((reader, writer, _), seen)| {
                (*reader == before || *writer == before) && (seen.bytes > 0 || seen.messages > 0 || seen.end)
            });
            if let Some(((reader, _, stream), seen)) = touched {
                return Err(format!(
                    "a second server session, yet {reader:?} had read {stream:?} of the first: {seen:?}"
                ));
            }
        }
        self.instances.push(Instance {
            server,
            id,
            done: Done::default(),
            server_died: false,
        });
        Ok(number)
    }

    /// What was done to an end.
    pub fn done(&mut self, end: Party) -> &mut Done {
        match end {
            Party::Client => &mut self.client,
            Party::Server(number) => &mut self.instances[number].done,
        }
    }

    pub(super) fn peek(&self, end: Party) -> &Done {
        match end {
            Party::Client => &self.client,
            Party::Server(number) => &self.instances[number].done,
        }
    }

    /// The other end of what `end` reads: for the client, the server session that has its id.
    ///
    /// # Errors
    /// There is none.
    pub fn peer(&self, end: Party) -> Result<Party, String> {
        match end {
            Party::Server(_) => Ok(Party::Client),
            Party::Client => {
                let known = self.instances.iter().position(|instance| Some(instance.id) == self.id);
                known.map(Party::Server).ok_or_else(|| {
                    format!(
                        "the client of {:?} has no peer among {:?}",
                        self.id,
                        self.instances.len()
                    )
                })
            }
        }
    }

    /// What `writer` has written on a stream.
    pub fn written(&mut self, writer: Party, stream: StreamId) -> &mut Written {
        let salt = match writer {
            Party::Client => 0,
            Party::Server(number) => number as u64 + 1,
        };
        let key = mix(self.key ^ mix(stream.0 << 8 | salt));
        let messages = self.has_messages(writer, stream);
        self.written
            .entry((writer, stream))
            .or_insert_with(|| Written::new(key, messages))
    }

    /// Whether `writer` sends messages on a stream, or bytes.
    #[must_use]
    pub fn has_messages(&self, writer: Party, stream: StreamId) -> bool {
        let chance = mix(self.key ^ mix(stream.0 << 1 | u64::from(writer == Party::Client)));
        !chance.is_multiple_of(3)
    }

    /// `reader` asks its peer to stop.
    pub fn stop(&mut self, reader: Party, stream: StreamId) {
        self.stops.insert((reader, stream));
    }

    /// Whether whoever reads what `writer` sends on a stream asked to stop, or let go of it.
    #[must_use]
    pub fn is_stopped(&self, writer: Party, stream: StreamId) -> bool {
        let others = self.stops.iter().any(|(reader, of)| *of == stream && *reader != writer);
        let readers = (0..self.instances.len()).map(Party::Server).chain([Party::Client]);
        others
            || readers
                .filter(|reader| *reader != writer)
                .any(|reader| self.has_let_go(reader))
            || self.is_given_up(writer, None, stream)
    }

    fn has_let_go(&self, end: Party) -> bool {
        match end {
            Party::Client => self.client.let_go,
            Party::Server(number) => self.instances.get(number).is_some_and(|instance| instance.done.let_go),
        }
    }

    /// Whether what `writer` sends to `reader` need not arrive: one of them gave it up, or nobody ever held the stream.
    #[must_use]
    pub fn is_given_up(&self, writer: Party, reader: Option<Party>, stream: StreamId) -> bool {
        let client = stream.opener() == Side::Client;
        let opener = if (writer == Party::Client) == client {
            Some(writer)
        } else {
            reader
        };
        let written = self.written.get(&(writer, stream));
        let reset = written.is_some_and(|written| written.reset.is_some());
        // An application that let go of everything abandoned what it had not finished.
        let let_go = reader.is_some_and(|reader| self.has_let_go(reader))
            || self.has_let_go(writer) && !written.is_some_and(|written| written.finished);
        let stopped = reader.is_some_and(|reader| self.stops.contains(&(reader, stream)));
        let held = opener.is_none_or(|opener| self.opened.contains_key(&(opener, stream)));
        reset || let_go || stopped || !held
    }

    /// What `reader` has seen of a stream, beside what was written.
    ///
    /// # Errors
    /// It has no peer.
    pub fn reading(&mut self, reader: Party, stream: StreamId) -> Result<(&Written, &mut Seen), String> {
        let writer = self.peer(reader)?;
        self.written(writer, stream);
        let given_up = self.is_given_up(writer, Some(reader), stream);
        let seen = self.seen.entry((reader, writer, stream)).or_default();
        seen.given_up = given_up;
        let written = self.written.get(&(writer, stream)).ok_or("it was just put there")?;
        Ok((written, seen))
    }

    /// `end` was handed a stream of its own making.
    ///
    /// # Errors
    /// The peer, which may have it already, was told something else about it.
    pub fn opened(&mut self, end: Party, stream: StreamId, label: &[u8], priority: u8) -> Verdict {
        let told = (label.to_vec(), priority);
        let heard = self.handed.get(&(end, stream)).filter(|heard| **heard != told);
        if let Some(heard) = heard {
            return Err(format!("{stream:?} was opened as {told:?}, accepted as {heard:?}"));
        }
        match self.opened.insert((end, stream), told) {
            Some(_) => Err(format!("{stream:?} was handed out twice")),
            None => Ok(()),
        }
    }

    /// `end` was handed a stream that its peer opened. One whose opener gave up waiting was opened all the same.
    ///
    /// # Errors
    /// It was not opened like that, or handed out before.
    pub fn accepted(&mut self, end: Party, stream: StreamId, label: &[u8], priority: u8) -> Verdict {
        let ours = if end == Party::Client {
            Side::Client
        } else {
            Side::Server
        };
        if stream.opener() == ours {
            return Err(format!("{end:?} accepted {stream:?}, its own"));
        }
        let peer = self.peer(end)?;
        let done = self.done(end);
        if done.accepted.last().is_some_and(|last| *last >= stream) {
            return Err(format!("{stream:?} was accepted after {:?}", done.accepted.last()));
        }
        done.accepted.push(stream);
        let heard = (label.to_vec(), priority);
        let told = self.opened.get(&(peer, stream)).filter(|told| **told != heard);
        if let Some(told) = told {
            return Err(format!("{stream:?} was opened as {told:?}, accepted as {heard:?}"));
        }
        self.handed.insert((peer, stream), heard);
        Ok(())
    }

    /// The application of `end` lets go of everything: what it did not finish is abandoned.
    pub fn let_go(&mut self, end: Party) {
        let done = self.done(end);
        done.closed = true;
        done.deaf = true;
        done.let_go = true;
    }

    /// A half whose writer has closed it, or a session that is over: reading it failed.
    ///
    /// # Errors
    /// Nothing justifies it.
    pub fn failed(&mut self, reader: Party, stream: StreamId, failure: RecvError) -> Verdict {
        if self.peer(reader).is_err() {
            // It never had a peer: its session ended before it began.
            return Ok(());
        }
        let (written, seen) = self.reading(reader, stream)?;
        seen.failed(written, failure)
    }

    /// What an end was told about its end: everybody the same.
    ///
    /// # Errors
    /// Somebody was told something else.
    pub fn ended(&mut self, end: Party, ended: &Arc<Ended>) -> Verdict {
        match &self.done(end).ended {
            Some(known) if known.as_ref() != ended.as_ref() => Err(format!("{end:?} was told {known:?} and {ended:?}")),
            Some(_) => Ok(()),
            None => {
                self.done(end).ended = Some(Arc::clone(ended));
                Ok(())
            }
        }
    }

    /// All halves that `writer` wrote.
    pub(super) fn halves_of(&self, writer: Party) -> impl Iterator<Item = (StreamId, &Written)> {
        let own = self.written.iter().filter(move |((of, _), _)| *of == writer);
        own.map(|((_, stream), written)| (*stream, written))
    }

    pub(super) fn seen(&self, reader: Option<Party>, writer: Party, stream: StreamId) -> Seen {
        let seen = reader.and_then(|reader| self.seen.get(&(reader, writer, stream)).cloned());
        Seen {
            given_up: self.is_given_up(writer, reader, stream),
            ..seen.unwrap_or_default()
        }
    }

    /// Messages and bytes read, both ends together.
    #[must_use]
    pub fn totals(&self) -> (u64, u64) {
        let all = self.seen.values();
        all.fold((0, 0), |(messages, bytes), seen| {
            (messages + seen.messages, bytes + seen.bytes)
        })
    }

    /// A half that is not wholly read, of those that should be: both ends are well, nobody gave it up.
    #[must_use]
    pub fn unsettled(&self) -> Option<String> {
        for ((writer, stream), written) in &self.written {
            let reader = match writer {
                Party::Server(number) if Some(self.instances[*number].id) == self.id => Party::Client,
                Party::Server(_) => continue,
                Party::Client => match self.peer(Party::Client) {
                    Ok(reader) => reader,
                    Err(_) => continue,
                },
            };
            let seen = self.seen(Some(reader), *writer, *stream);
            if !seen.given_up && !(seen.is_complete(written) && (!written.finished || seen.end)) {
                return Some(format!(
                    "{stream:?} from {writer:?} to {reader:?}: {written:?}, {seen:?}"
                ));
            }
        }
        None
    }
}
