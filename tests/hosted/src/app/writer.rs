//! Writes a stream, by each of the ways there are.

use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::Poll;

use bytes::Bytes;
use futures_io::AsyncWrite;
use futures_sink::Sink;
use unbroken_driver::{SendHalf, Session};
use unbroken_proto::error::{SendError, SendRefusal};
use unbroken_proto::session::SessionState;
use unbroken_proto::{Duration, StreamId};

use super::task::{Task, insist};
use crate::oracle::Written;
use crate::shared::{Wish, Working};

const MS: u64 = 1_000_000;

/// How a half is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Plain,
    Within,
    Try,
    Sink,
    Vectored,
}

/// Why nothing more is written.
enum Stop {
    Wished(u64),
    Refused,
    Closed,
}

/// Writes `messages` messages, or so many stretches of bytes, and ends the half in one of the ways there are.
pub(super) async fn write(mut task: Task, handle: Session, mut half: SendHalf, messages: u64, _working: Working) {
    let key = (task.app.end, half.id());
    task.with(|state| state.writers.insert(key, None));
    let way = *task
        .rng
        .pick(&[Way::Plain, Way::Plain, Way::Within, Way::Try, Way::Sink, Way::Vectored]);
    let mut stopped = None;
    for _ in 0..messages {
        let pause = task.app.work.pause;
        task.rest(pause).await;
        if let Err(stop) = put(&mut task, &handle, &mut half, way).await {
            stopped = Some(stop);
            break;
        }
    }
    if stopped.is_none() && task.rng.chance(300) {
        // Stays open for a while; what was sent must arrive all the same.
        let pause = 3_000 * MS;
        task.rest(pause).await;
    }
    match stopped {
        Some(Stop::Wished(code)) => give_up(&task, &mut half, code),
        Some(Stop::Refused) => task.written(key.1, |written| written.reset = written.reset.or(Some(0))),
        Some(Stop::Closed) if task.rng.chance(300) => give_up(&task, &mut half, 0),
        // What was sent before goes out behind the close, if nobody abandons it.
        Some(Stop::Closed) => drop(insist!(task, 60_000 * MS, handle.closed())),
        None => finish(&mut task, &mut half).await,
    }
    task.with(|state| state.writers.remove(&key));
}

impl Task {
    /// The message that is counted next was kept for a while.
    fn kept(&self, stream: StreamId, length: usize) {
        self.written(stream, |written| {
            written.sent(length);
            written.kept = true;
        });
    }

    fn written<T>(&self, stream: StreamId, act: impl FnOnce(&mut Written) -> T) -> T {
        let (number, end) = self.app.end;
        self.with(|state| act(state.oracle.conversations[number].written(end, stream)))
    }
}

/// Abandons the half with `code`; 0: by letting go of it.
fn give_up(task: &Task, half: &mut SendHalf, code: u64) {
    task.written(half.id(), |written| written.reset = written.reset.or(Some(code)));
    task.hit("app: a half abandoned");
    if code > 0 {
        half.reset(code).expect("because the code fits");
    }
}

async fn finish(task: &mut Task, half: &mut SendHalf) {
    // The word stands even if the session is over: then there is nobody to read it.
    task.written(half.id(), |written| written.finished = true);
    if task.rng.chance(500) {
        half.finish();
    } else {
        let closed = poll_fn(|cx| AsyncWrite::poll_close(Pin::new(&mut *half), cx)).await;
        task.demand("poll_close", closed.map_err(|error| error.to_string()));
    }
    task.hit("app: a half finished");
}

/// Puts in one more, whole.
async fn put(task: &mut Task, handle: &Session, half: &mut SendHalf, way: Way) -> Result<(), Stop> {
    let id = half.id();
    let size = usize::try_from(task.rng.scaled(0, task.app.work.size)).unwrap_or(0);
    let (payload, messages, before) = task.written(id, |written| {
        (
            written.next(size),
            written.messages,
            (written.taken, written.ends.len()),
        )
    });
    if !messages {
        return put_bytes(task, handle, half, way, payload).await;
    }
    loop {
        let wish = wish(task, id);
        if let Some(code) = wish {
            return Err(Stop::Wished(code));
        }
        let sent = match way {
            Way::Within => {
                let within = Duration::from_millis(task.rng.between(1, 3_000));
                let sent = task
                    .patient(2_000 * MS, half.send_within(payload.clone(), within))
                    .await;
                if let Some(Ok(number)) = &sent {
                    let expected = task.written(id, |written| written.ends.len() as u64 + 1);
                    if *number != expected {
                        task.demand("send_within", Err(format!("message {number} is the {expected}th")));
                    }
                }
                sent.map(|sent| sent.map(drop))
            }
            Way::Try => match half.try_send(payload.clone()) {
                Err(error) if matches!(error.reason, SendRefusal::Full | SendRefusal::Unread) => {
                    task.hit("app: no room at once");
                    task.rest(200 * MS).await;
                    None
                }
                sent => Some(sent),
            },
            Way::Sink => feed(task, half, payload.clone()).await,
            Way::Plain | Way::Vectored => task.patient(2_000 * MS, half.send(payload.clone())).await,
        };
        match sent {
            None => {}
            Some(Ok(())) => {
                // Unless the sink, which keeps some, has counted it.
                task.written(id, |written| {
                    if (written.taken, written.ends.len()) == before {
                        written.sent(size);
                    }
                });
                task.hit("app: a message sent");
                return Ok(());
            }
            Some(Err(error)) => return refused(task, handle, id, &payload, error),
        }
    }
}

/// Through the sink: a message that it took is the session's once it is flushed. `None` if it took nothing.
async fn feed(task: &mut Task, half: &mut SendHalf, payload: Bytes) -> Option<Result<(), SendError>> {
    let ready = poll_fn(|cx| Sink::poll_ready(Pin::new(&mut *half), cx));
    match task.patient(2_000 * MS, ready).await? {
        Ok(()) => {}
        Err(error) => return Some(Err(error)),
    }
    if let Err(error) = Pin::new(&mut *half).start_send(payload.clone()) {
        return Some(Err(error));
    }
    let mut polls = 0;
    let flushed = insist!(
        task,
        2_000 * MS,
        poll_fn(|cx| {
            polls += 1;
            Sink::poll_flush(Pin::new(&mut *half), cx)
        })
    );
    if polls > 1 {
        task.hit("app: a message kept by a sink");
        return Some(flushed.map(|()| task.kept(half.id(), payload.len())));
    }
    Some(flushed)
}

fn wish(task: &Task, stream: StreamId) -> Option<u64> {
    let wish = task.with(|state| state.writers.get(&(task.app.end, stream)).copied().flatten());
    match wish {
        Some(Wish::Reset(code)) if !task.is_healed() => Some(code),
        _ => None,
    }
}

fn refused(task: &Task, handle: &Session, id: StreamId, payload: &Bytes, error: SendError) -> Result<(), Stop> {
    if error.payload != *payload {
        task.demand("a refused payload", Err("came back changed".to_owned()));
    }
    refusal(task, handle, id, error.reason)
}

fn refusal(task: &Task, handle: &Session, id: StreamId, reason: SendRefusal) -> Result<(), Stop> {
    match reason {
        SendRefusal::TooLarge => {
            task.hit("app: a message too large");
            Ok(())
        }
        SendRefusal::Stopped(_) => {
            task.hit("app: told to stop");
            Err(Stop::Refused)
        }
        SendRefusal::SessionClosed | SendRefusal::UnknownStream => {
            task.hit("app: the session takes no more");
            let stopped = task.with(|state| {
                let conversation = &state.oracle.conversations[task.app.end.0];
                reason == SendRefusal::UnknownStream && conversation.is_stopped(task.app.end.1, id)
            });
            if stopped {
                // Both halves are over, and the machine has forgotten why.
                task.hit("app: told that the stream is gone");
                return Err(Stop::Refused);
            }
            may_be_closed(task, handle, &format!("{reason:?} on {id:?}"));
            Err(Stop::Closed)
        }
        other => {
            task.demand("send", Err(format!("{other:?} on {id:?}")));
            Err(Stop::Refused)
        }
    }
}

/// Fails if nothing has happened that would close the session.
pub(super) fn may_be_closed(task: &Task, handle: &Session, what: &str) {
    let over = handle.ended().is_some() || matches!(handle.state(), SessionState::Closing | SessionState::Ended);
    let closing = task.with(|state| {
        state
            .closing
            .iter()
            .any(|((number, _), closing)| *number == task.app.end.0 && *closing)
    });
    if !over && !closing {
        task.demand(what, Err(format!("closed, though nobody closes: {:?}", handle.state())));
    }
}

fn reason_of(error: &io::Error) -> Option<SendRefusal> {
    error.get_ref()?.downcast_ref().copied()
}

async fn put_bytes(
    task: &mut Task,
    handle: &Session,
    half: &mut SendHalf,
    way: Way,
    payload: Bytes,
) -> Result<(), Stop> {
    let id = half.id();
    let mut rest = payload;
    while !rest.is_empty() {
        if let Some(code) = wish(task, id) {
            return Err(Stop::Wished(code));
        }
        let wrote = match way {
            Way::Within | Way::Try => {
                // Dropped before it is ready, it would not say how much it gave the session.
                task.written(id, |written| written.offered = written.taken + rest.len() as u64);
                let wrote = half.write_bytes(rest.clone()).await;
                let left = wrote.as_ref().err().map_or(0, |error| error.payload.len());
                if left < rest.len() {
                    task.written(id, |written| written.wrote(rest.len() - left));
                    rest = rest.slice(rest.len() - left..);
                }
                match wrote {
                    Ok(()) => break,
                    Err(error) => Some(Err(error.reason)),
                }
            }
            _ => {
                let parts = rest.split_at(rest.len() / 2);
                let writing = poll_fn(|cx| {
                    let half = Pin::new(&mut *half);
                    let wrote = match way {
                        Way::Vectored => half.poll_write_vectored(cx, &[IoSlice::new(parts.0), IoSlice::new(parts.1)]),
                        _ => half.poll_write(cx, &rest),
                    };
                    match wrote {
                        Poll::Ready(Err(error)) => {
                            Poll::Ready(Err(reason_of(&error).unwrap_or(SendRefusal::UnknownStream)))
                        }
                        Poll::Ready(Ok(wrote)) => Poll::Ready(Ok(wrote)),
                        Poll::Pending => Poll::Pending,
                    }
                });
                task.patient(2_000 * MS, writing).await
            }
        };
        match wrote {
            None => {}
            Some(Ok(0)) => task.demand("write", Err("took nothing, and is ready".to_owned())),
            Some(Ok(wrote)) => {
                task.written(id, |written| written.wrote(wrote));
                rest = rest.slice(wrote..);
                task.hit("app: bytes written");
            }
            Some(Err(reason)) => return refusal(task, handle, id, reason),
        }
    }
    Ok(())
}
