//! One end of a session: opens streams, accepts the peer's, closes.

use bytes::Bytes;
use unbroken_driver::{Session, Stream};
use unbroken_proto::error::OpenError;
use unbroken_proto::stream::StreamOptions;

use super::reader::read;
use super::task::{App, Task, insist};
use super::watch::{answers, closed, established, events};
use super::writer::{may_be_closed, write};
use crate::oracle::Party;
use crate::shared::Working;

const MS: u64 = 1_000_000;
/// What the label of a broadcaster's streams begins with.
pub(crate) const BROADCAST: &[u8] = b"broadcast";

/// Runs everything that one end's application does. Its tasks end with the session.
pub fn run(app: &App, handle: &Session) {
    app.shared.with(|state| state.handles.insert(app.end, handle.clone()));
    let opener = Working::new(&app.shared, app.end);
    app.spawn("opens", |task| open(task, handle.clone(), opener));
    app.spawn("accepts", |task| accept(task, handle.clone()));
    app.spawn("waits for the end", |task| closed(task, handle.clone()));
    app.spawn("waits for the beginning", |task| established(task, handle.clone()));
    app.spawn("watches", |task| events(task, handle.clone()));
    if app.end.1 == Party::Client && app.end.0 % 2 == 1 {
        app.spawn("answers", |task| answers(task, handle.clone()));
    }
}

async fn open(mut task: Task, handle: Session, _working: Working) {
    let work = task.app.work;
    if task.app.peer_streams < work.streams {
        // Streams beyond the peer's limit wait in the outbox if they are opened before it is known.
        if insist!(task, 60_000 * MS, handle.established()).is_err() {
            return;
        }
    }
    for number in 0..work.streams {
        task.rest(work.pause / 4).await;
        let label = Bytes::from(format!("{:?} {number}", task.app.end.1));
        let options = StreamOptions::default()
            .with_label(label.clone())
            .with_priority(*task.rng.pick(&[128, 0, 255]))
            .with_fragment_size(*task.rng.pick(&[None, Some(1_000), Some(64_000)]));
        let opened = insist!(task, 60_000 * MS, handle.open(options.clone()));
        match opened {
            Ok(stream) => {
                task.hit("app: a stream opened");
                let id = stream.id();
                task.judge("open", |conversation| {
                    conversation.opened(task.app.end.1, id, &label, options.priority)
                });
                use_stream(&mut task, &handle, stream, work.messages);
            }
            Err(OpenError::SessionClosed) => {
                may_be_closed(&task, &handle, "open");
                return;
            }
            Err(error) => task.demand("open", Err(error.to_string())),
        }
    }
}

fn use_stream(task: &mut Task, handle: &Session, stream: Stream, messages: u64) {
    let id = stream.id();
    let (send, recv) = stream.split();
    let app = &task.app;
    let working = [(); 2].map(|()| Working::new(&app.shared, app.end));
    let [writing, reading] = working;
    app.spawn(&format!("writes {}", id.0), |task| {
        write(task, handle.clone(), send, messages, writing)
    });
    app.spawn(&format!("reads {}", id.0), |task| {
        read(task, handle.clone(), recv, reading)
    });
}

async fn accept(mut task: Task, handle: Session) {
    let end = task.app.end;
    while let Some(stream) = insist!(task, 60_000 * MS, handle.accept()) {
        if stream.label().starts_with(BROADCAST) {
            task.app.spawn("hears", |task| read_broadcast(task, stream));
            continue;
        }
        task.known(handle.id());
        task.hit("app: a stream accepted");
        let (id, label, priority) = (stream.id(), stream.label().clone(), stream.priority());
        task.judge("accept", |conversation| {
            conversation.accepted(end.1, id, &label, priority)
        });
        let messages = if task.app.work.answers {
            task.app.work.messages
        } else {
            0
        };
        use_stream(&mut task, &handle, stream, messages);
    }
    task.with(|state| state.oracle.conversations[end.0].done(end.1).accepted_all = true);
    if handle.ended().is_none() {
        task.demand("accept", Err("no more streams, and the session goes on".to_owned()));
    }
}

/// Hears a broadcaster: what it hears comes in order, each once.
async fn read_broadcast(mut task: Task, stream: Stream) {
    let (_send, mut recv) = stream.split();
    let mut last = 0;
    while let Ok(Some(message)) = insist!(task, 60_000 * MS, recv.recv()) {
        let number = message
            .get(..8)
            .and_then(|bytes| bytes.try_into().ok())
            .map_or(0, u64::from_be_bytes);
        if number <= last {
            task.demand("a broadcast", Err(format!("{number} after {last}")));
        }
        last = number;
        task.hit("app: a broadcast message heard");
    }
}

/// Closes, and says what must be true from then on.
pub async fn close(mut task: Task, handle: Session, code: u64) {
    let end = task.app.end;
    task.with(|state| {
        state.closing.insert(end, true);
        state.oracle.conversations[end.0].done(end.1).closed = true;
    });
    let reason = Bytes::from(format!("code {code}"));
    let mut asked = false;
    let ended = loop {
        if let Some(ended) = task.patient(60_000 * MS, handle.close(code, reason.clone())).await {
            break ended.expect("because the code fits");
        }
        if !std::mem::replace(&mut asked, true) {
            let opened = insist!(task, 60_000 * MS, handle.open(StreamOptions::default()));
            match opened {
                Err(OpenError::SessionClosed) => task.hit("check: open after close"),
                other => may_differ(&task, &handle, other),
            }
        }
    };
    task.told("close", &ended);
}

/// Aborts.
pub async fn abort(mut task: Task, handle: Session) {
    let end = task.app.end;
    task.with(|state| {
        state.closing.insert(end, true);
        state.oracle.conversations[end.0].done(end.1).aborted = true;
    });
    let ended = insist!(task, 60_000 * MS, handle.abort());
    task.told("abort", &ended);
}

/// Asks whether the peer is there; an answer or a verdict comes within seconds, however late the host may wake.
pub async fn probe(mut task: Task, handle: Session) {
    insist!(task, 60_000 * MS, handle.probe());
}

/// What is known to be wrong is a failure where everything is to be right.
fn may_differ(task: &Task, handle: &Session, opened: Result<Stream, OpenError>) {
    if task.app.strict {
        task.demand(
            "open after close",
            Err(format!("{:?}, {:?}", opened.as_ref().map(Stream::id), handle.state())),
        );
    }
    if let Ok(stream) = opened {
        let (end, id) = (task.app.end.1, stream.id());
        task.judge("open after close", |conversation| {
            conversation.written(end, id).reset = Some(0);
            conversation.stop(end, id);
            conversation.opened(end, id, &[], StreamOptions::default().priority)
        });
        task.hit("known: open after close");
    }
}
