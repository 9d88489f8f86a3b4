//! Sessions of a loop, in calls that block.

use std::io::{self, Read, Write};
use std::sync::Arc;

use bytes::{Buf, Bytes, BytesMut};
use unbroken_driver::{RecvError as HostRecvError, Session as SessionHandle};
use unbroken_proto::error::{OpenError, RecvError, SendError, SendRefusal};
use unbroken_proto::event::Ended;
use unbroken_proto::stats::Stats;
use unbroken_proto::stream::{Chunk, StreamOptions};
use unbroken_proto::{self as proto, Duration, Event, Instant, SessionId, StreamId};
use unbroken_tungstenite::uptime;

use super::host::{Heard, Host, Loop};
use crate::adapter::{Receiver, Sender, Session};
use crate::block::eventually;

/// One session of a loop. The last one closes it.
pub(super) struct Life<H: Host> {
    home: Arc<Loop<H>>,
    id: SessionId,
}

impl<H: Host> Life<H> {
    fn call<T>(&self, call: impl FnOnce(&mut proto::Session, &mut Heard, Instant) -> T) -> T {
        self.home.with(|host| {
            let (session, heard) = host.session(self.id).expect("because it is never removed");
            call(session, heard, uptime())
        })
    }

    /// Asks until there is an answer.
    #[track_caller]
    fn ask<T>(&self, what: &str, mut question: impl FnMut(&mut proto::Session, &mut Heard, Instant) -> Option<T>) -> T {
        let mut answer = None;
        eventually(what, || {
            answer = self.call(&mut question);
            answer.is_some()
        });
        answer.expect("because it is there")
    }
}

impl<H: Host> Drop for Life<H> {
    fn drop(&mut self) {
        self.call(|session, _, now| session.close(now, 0, Bytes::new()));
    }
}

pub(super) struct Handle<H: Host>(Arc<Life<H>>);

impl<H: Host> Handle<H> {
    pub(super) fn new(home: Arc<Loop<H>>, id: SessionId) -> Handle<H> {
        Handle(Arc::new(Life { home, id }))
    }

    fn halves(&self, id: StreamId) -> (Box<dyn Sender>, Box<dyn Receiver>) {
        let send = Tx {
            life: Arc::clone(&self.0),
            id,
            over: false,
        };
        let recv = Rx {
            life: Arc::clone(&self.0),
            id,
            partial: BytesMut::new(),
            rest: Bytes::new(),
            over: false,
        };
        (Box::new(send), Box::new(recv))
    }
}

impl<H: Host> Session for Handle<H> {
    fn another(&self) -> Box<dyn Session> {
        Box::new(Handle(Arc::clone(&self.0)))
    }

    fn established(&self) -> Result<SessionId, Arc<Ended>> {
        self.0.ask("an established session", |_, heard, _| {
            match (heard.established, &heard.ended) {
                (Some(id), _) => Some(Ok(id)),
                (None, ended) => ended.clone().map(Err),
            }
        })
    }

    fn open(&self) -> Option<(Box<dyn Sender>, Box<dyn Receiver>)> {
        let opened = self.0.ask("a stream", |session, _, now| {
            match session.open(now, StreamOptions::default()) {
                Err(OpenError::TooMany | OpenError::Full) => None,
                done => Some(done),
            }
        });
        opened.ok().map(|id| self.halves(id))
    }

    fn accept(&self) -> Option<(Box<dyn Sender>, Box<dyn Receiver>)> {
        let accepted = self.0.ask("the peer's stream", |session, heard, now| {
            let accepted = session.accept(now);
            (accepted.is_some() || heard.ended.is_some()).then_some(accepted)
        });
        accepted.map(|stream| self.halves(stream.id))
    }

    fn events(&self) -> Box<dyn FnMut() -> Option<Event> + Send> {
        let life = Arc::clone(&self.0);
        let mut next = life.call(|_, heard, _| heard.events.len());
        Box::new(move || {
            let event = life.ask("an event", |_, heard, _| {
                let event = heard.events.get(next).cloned();
                (event.is_some() || heard.ended.is_some()).then_some(event)
            });
            next += 1;
            event
        })
    }

    fn close(&self, code: u64) -> Arc<Ended> {
        self.0.call(|session, _, now| session.close(now, code, Bytes::new()));
        self.closed()
    }

    fn abort(&self) -> Arc<Ended> {
        self.0.call(|session, _, now| session.abort(now));
        self.closed()
    }

    fn closed(&self) -> Arc<Ended> {
        self.0.ask("the end", |_, heard, _| heard.ended.clone())
    }

    fn migrate(&self, within: Duration) {
        self.0
            .call(|session, _, now| session.migrate(now, within, Bytes::new()));
    }

    fn stats(&self) -> Stats {
        self.0.call(|session, _, _| session.stats())
    }

    fn connect_error(&self) -> Option<String> {
        self.0.home.with(|host| host.connect_error())
    }

    fn handle(&self) -> Option<SessionHandle> {
        None
    }
}

fn is_want_of_room(reason: SendRefusal) -> bool {
    matches!(reason, SendRefusal::Full | SendRefusal::Unread)
}

struct Tx<H: Host> {
    life: Arc<Life<H>>,
    id: StreamId,
    over: bool,
}

impl<H: Host> Sender for Tx<H> {
    fn send(&mut self, message: Bytes) -> Result<(), SendError> {
        let id = self.id;
        self.life.ask("room to send", |session, _, now| {
            match session.send(now, id, message.clone()) {
                Err(refused) if is_want_of_room(refused.reason) => None,
                done => Some(done),
            }
        })
    }

    fn try_send(&mut self, message: Bytes) -> Result<(), SendError> {
        let sent = self.life.call(|session, _, now| session.send(now, self.id, message));
        sent.map_err(|SendError { payload, reason }| match reason {
            SendRefusal::Unread => SendError {
                payload,
                reason: SendRefusal::Full,
            },
            reason => SendError { payload, reason },
        })
    }

    fn finish(&mut self) {
        self.over = true;
        let _over = self.life.call(|session, _, now| session.finish(now, self.id));
    }

    fn reset(&mut self, code: u64) {
        self.over = true;
        let _over = self.life.call(|session, _, now| session.reset(now, self.id, code));
    }
}

impl<H: Host> Write for Tx<H> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        let id = self.id;
        let mut bytes = Bytes::copy_from_slice(buf);
        let written = self.life.ask("room to write", |session, _, now| {
            match session.write(now, id, &mut bytes) {
                Err(reason) if is_want_of_room(reason) => None,
                done => Some(done),
            }
        });
        written.map_err(|_| io::ErrorKind::BrokenPipe.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<H: Host> Drop for Tx<H> {
    fn drop(&mut self) {
        if !self.over {
            self.reset(0);
        }
    }
}

struct Rx<H: Host> {
    life: Arc<Life<H>>,
    id: StreamId,
    partial: BytesMut,
    rest: Bytes,
    over: bool,
}

impl<H: Host> Rx<H> {
    fn chunk(&mut self) -> Result<Chunk, RecvError> {
        let id = self.id;
        if self.over {
            return Ok(Chunk::End);
        }
        let chunk = self
            .life
            .ask("bytes", |session, _, now| session.recv(now, id).transpose());
        self.over = !matches!(chunk, Ok(Chunk::Data { .. }));
        chunk
    }
}

impl<H: Host> Receiver for Rx<H> {
    fn recv(&mut self) -> Result<Option<Bytes>, HostRecvError> {
        loop {
            match self.chunk().map_err(HostRecvError::from)? {
                Chunk::Data { payload, message_end } => {
                    self.partial.extend_from_slice(&payload);
                    if message_end {
                        return Ok(Some(self.partial.split().freeze()));
                    }
                }
                Chunk::End if self.partial.is_empty() => return Ok(None),
                Chunk::End => return Err(HostRecvError::Truncated),
            }
        }
    }

    fn stop(&mut self, code: u64) {
        self.over = true;
        let _over = self.life.call(|session, _, now| session.stop(now, self.id, code));
    }
}

impl<H: Host> Read for Rx<H> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        while self.rest.is_empty() {
            match self.chunk() {
                Ok(Chunk::Data { payload, .. }) => self.rest = payload,
                Ok(Chunk::End) => return Ok(0),
                Err(_) => return Err(io::ErrorKind::ConnectionReset.into()),
            }
        }
        let take = self.rest.len().min(buf.len());
        self.rest.copy_to_slice(&mut buf[..take]);
        Ok(take)
    }
}

impl<H: Host> Drop for Rx<H> {
    fn drop(&mut self) {
        if !self.over {
            self.stop(0);
        }
    }
}
