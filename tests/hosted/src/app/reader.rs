//! Reads a stream to its end, by each of the ways there are.

use std::future::poll_fn;
use std::pin::Pin;

use futures_core::Stream;
use futures_io::AsyncRead;
use unbroken_driver::{RecvError, RecvHalf, Session};
use unbroken_proto::StreamId;

use super::task::{Task, insist};
use crate::oracle::{Party, Seen, Verdict, Written};
use crate::shared::{Wish, Working};

const MS: u64 = 1_000_000;

/// How a half is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Message,
    Stream,
    Chunk,
    Bytes,
}

/// What was read.
enum Got {
    Message(bytes::Bytes),
    Chunk(bytes::Bytes, bool),
    Bytes(Vec<u8>),
    End,
    Failed(RecvError),
}

/// Reads until the end, or until somebody wants it to stop.
pub(super) async fn read(mut task: Task, handle: Session, mut half: RecvHalf, _working: Working) {
    let (end, id) = (task.app.end, half.id());
    task.with(|state| state.readers.insert((end, id), None));
    let mut way = None;
    loop {
        if task.rng.chance(task.app.work.dawdles) {
            task.rest(500 * MS).await;
        }
        let from = task.with(|state| state.reads_from.get(&end).copied().unwrap_or(0));
        task.rest_until(from).await;
        if let Some(code) = wish(&task, id) {
            stop(&task, &mut half, code);
            break;
        }
        let way = match way {
            Some(way) => way,
            None => {
                if !begun(&mut task, &handle, &mut half).await {
                    break;
                }
                *way.insert(draw(&mut task, id))
            }
        };
        let Some(got) = next(&mut task, &mut half, way).await else {
            continue;
        };
        let over = matches!(got, Got::End | Got::Failed(_));
        take(&task, &handle, id, got);
        if over {
            break;
        }
    }
    task.with(|state| state.readers.remove(&(end, id)));
}

/// Waits until the session is established: before, nothing can be read. False if it never was.
async fn begun(task: &mut Task, handle: &Session, half: &mut RecvHalf) -> bool {
    let id = insist!(task, 60_000 * MS, handle.established());
    match id {
        Ok(id) => {
            task.known(Some(id));
            true
        }
        Err(_) => {
            let failed = insist!(task, 60_000 * MS, half.recv());
            match failed {
                Err(RecvError::SessionEnded) => {}
                other => task.demand("recv of a session that never was", Err(format!("{other:?}"))),
            }
            false
        }
    }
}

fn draw(task: &mut Task, id: StreamId) -> Way {
    let (number, end) = task.app.end;
    // Whichever server session it is.
    let writer = if end == Party::Client {
        Party::Server(0)
    } else {
        Party::Client
    };
    let messages = task.with(|state| state.oracle.conversations[number].has_messages(writer, id));
    match messages {
        true => *task.rng.pick(&[Way::Message, Way::Message, Way::Stream, Way::Chunk]),
        false => *task.rng.pick(&[Way::Bytes, Way::Chunk]),
    }
}

fn wish(task: &Task, id: StreamId) -> Option<u64> {
    match task.with(|state| state.readers.get(&(task.app.end, id)).copied().flatten()) {
        Some(Wish::Stop(code)) if !task.is_healed() => Some(code),
        _ => None,
    }
}

fn stop(task: &Task, half: &mut RecvHalf, code: u64) {
    let (number, end) = task.app.end;
    task.with(|state| state.oracle.conversations[number].stop(end, half.id()));
    task.hit("app: told the peer to stop");
    if code > 0 {
        half.stop(code).expect("because the code fits");
    }
}

async fn next(task: &mut Task, half: &mut RecvHalf, way: Way) -> Option<Got> {
    match way {
        Way::Message => task.patient(5_000 * MS, half.recv()).await.map(|got| match got {
            Ok(Some(message)) => Got::Message(message),
            Ok(None) => Got::End,
            Err(failure) => Got::Failed(failure),
        }),
        Way::Stream => {
            let reading = poll_fn(|cx| Stream::poll_next(Pin::new(&mut *half), cx));
            task.patient(5_000 * MS, reading).await.map(|got| match got {
                Some(Ok(message)) => Got::Message(message),
                None => Got::End,
                Some(Err(failure)) => Got::Failed(failure),
            })
        }
        Way::Chunk => task.patient(5_000 * MS, half.recv_chunk()).await.map(|got| match got {
            Ok(Some((payload, end))) => Got::Chunk(payload, end),
            Ok(None) => Got::End,
            Err(failure) => Got::Failed(failure),
        }),
        Way::Bytes => {
            let mut buffer = vec![0; usize::try_from(task.rng.scaled(1, 20_000)).unwrap_or(1)];
            let reading = poll_fn(|cx| AsyncRead::poll_read(Pin::new(&mut *half), cx, &mut buffer));
            let got = task.patient(5_000 * MS, reading).await?;
            Some(match got {
                Ok(0) => Got::End,
                Ok(read) => Got::Bytes(buffer[..read].to_vec()),
                Err(error) => match error.get_ref().and_then(|inner| inner.downcast_ref()) {
                    Some(failure) => Got::Failed(*failure),
                    None => {
                        task.demand("read", Err(format!("{error:?}")));
                        return None;
                    }
                },
            })
        }
    }
}

fn take(task: &Task, handle: &Session, id: StreamId, got: Got) {
    let end = task.app.end.1;
    task.known(handle.id());
    let read = |what: &str, judge: &dyn Fn(&Written, &mut Seen) -> Verdict| {
        task.hit(what);
        task.judge(&format!("{what} on {id:?}"), |conversation| {
            let (written, seen) = conversation.reading(end, id)?;
            judge(written, seen)
        });
    };
    match got {
        Got::Message(message) => read("app: a message read", &|written, seen| seen.message(written, &message)),
        Got::Chunk(payload, last) => read("app: a chunk read", &|written, seen| {
            seen.chunk(written, &payload, last)
        }),
        Got::Bytes(payload) => read("app: bytes read", &|written, seen| seen.chunk(written, &payload, false)),
        Got::End => read("app: an end read", &|written, seen| seen.end(written)),
        Got::Failed(failure) => {
            let ended = failure == RecvError::SessionEnded;
            if ended && handle.ended().is_none() {
                task.demand(
                    "recv",
                    Err(format!(
                        "{failure:?}, and the session has not ended: {:?}",
                        handle.state()
                    )),
                );
            }
            task.hit(if ended {
                "app: a session's end read"
            } else {
                "app: a reset read"
            });
            task.judge(&format!("reading {id:?}"), |conversation| {
                conversation.failed(end, id, failure)
            });
        }
    }
}
