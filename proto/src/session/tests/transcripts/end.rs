//! What the two ends of an exchange have in common.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::script::{bytes, number};
use crate::error::RecvError;
use crate::event::{EndReason, Ended, Event, StreamFate, Tally};
use crate::id::StreamId;
use crate::session::Session;
use crate::stream::{Chunk, StreamOptions};
use crate::time::{Duration, Instant};
use crate::wire::tests::show::hex;

/// An end as its host sees it. Connections are numbered as in the transcript; `at` counts what came before there.
pub(super) trait End {
    /// Carries a step out.
    fn does(&mut self, now: Instant, step: &[&str]);

    /// Time has come to `now`.
    fn wait(&mut self, now: Instant);

    /// The next packet on this connection.
    fn poll(&mut self, now: Instant, connection: u64, at: usize) -> Option<Vec<u8>>;

    /// A packet arrives.
    fn input(&mut self, now: Instant, connection: u64, packet: &[u8]);

    /// The connection is gone, if it was still there.
    fn lose(&mut self, now: Instant, connection: u64);

    /// Whether it closes the connection, to be asked when there is no packet for it; said once.
    fn closes(&mut self, connection: u64, at: usize) -> bool;

    /// What its application hears, and reads at once.
    fn gets(&mut self, now: Instant) -> Vec<String>;
}

/// What either end's application may do.
pub(super) fn act(session: &mut Session, now: Instant, step: &[&str]) {
    match step {
        ["opens", stream, options @ ..] => {
            let options = options.iter().fold(StreamOptions::default(), option);
            let opened = session.open(now, options).expect("because there is room");
            assert_eq!(opened, StreamId(number(stream)));
            // So that it is told when there is something to read.
            assert_eq!(session.stream(opened).recv(now), Ok(None));
        }
        ["sends", stream, message] => {
            let sent = session.stream(id(stream)).send(now, bytes(message).into());
            sent.expect("because there is room");
        }
        ["writes", stream, data] => {
            let data = bytes(data);
            let written = session.stream(id(stream)).write(now, &mut &data[..]);
            assert_eq!(written, Ok(data.len()));
        }
        ["finishes", stream] => session.stream(id(stream)).finish(now).expect("because it is open"),
        ["resets", stream, code] => {
            let reset = session.stream(id(stream)).reset(now, number(code));
            reset.expect("because it is open");
        }
        ["stops", stream, code] => {
            let stopped = session.stream(id(stream)).stop(now, number(code));
            stopped.expect("because it is open");
        }
        ["closes", code, reason] => {
            let closed = session.close(now, number(code), bytes(reason).into());
            closed.expect("because the code is small");
        }
        // What a broken end does, or one whose state was restored from an old copy.
        ["states", position] => {
            let acked = session.ledger.acked();
            session.ledger.fast_forward(acked, number(position));
        }
        ["aborts"] => session.abort(now),
        ["migrates", within] => session.migrate(now, Duration::from_millis(number(within)), Vec::new().into()),
        other => panic!("{other:?} is nothing that can be done"),
    }
}

fn id(stream: &str) -> StreamId {
    StreamId(number(stream))
}

fn option(options: StreamOptions, word: &&str) -> StreamOptions {
    match word.split_once('=') {
        Some(("label", label)) => options.with_label(bytes(label).into()),
        Some(("priority", priority)) => options.with_priority(number(priority) as u8),
        Some(("fragment_size", size)) => options.with_fragment_size(Some(number(size) as usize)),
        _ => panic!("{word} is no option of a stream"),
    }
}

/// What the application hears, and reads at once.
pub(super) fn gets(session: &mut Session, now: Instant) -> Vec<String> {
    let mut heard = Vec::new();
    while let Some(event) = session.poll_event() {
        match event {
            Event::Incoming => {
                while let Some(stream) = session.accept(now) {
                    let label = hex(&stream.label);
                    heard.push(format!(
                        "stream {} priority={} label={label}",
                        stream.id.0, stream.priority
                    ));
                    read(session, now, stream.id, &mut heard);
                }
            }
            Event::Readable(stream) => read(session, now, stream, &mut heard),
            Event::Ended(ended) => heard.extend(show_end(&ended)),
            other => heard.extend(show(&other)),
        }
    }
    heard
}

fn read(session: &mut Session, now: Instant, stream: StreamId, heard: &mut Vec<String>) {
    loop {
        let what = match session.stream(stream).recv(now) {
            Ok(Some(Chunk::Data { payload, message_end })) => {
                let end = if message_end { " message_end" } else { "" };
                format!("data {}{end} payload={}", stream.0, hex(&payload))
            }
            Ok(Some(Chunk::End)) => format!("end {}", stream.0),
            Err(RecvError::Reset(code)) => format!("reset {} code={code}", stream.0),
            Ok(None) | Err(RecvError::UnknownStream | RecvError::SessionEnded) => return,
        };
        heard.push(what);
    }
}

/// None: it says nothing of the exchange.
fn show(event: &Event) -> Option<String> {
    Some(match event {
        Event::Established { id } => format!("established id={}", hex(&id.0)),
        Event::Attached { swap, replayed, .. } => format!("attached swap={swap:?} replayed={replayed}"),
        Event::Detached { cause } => format!("detached cause={cause:?}"),
        Event::Closing { by } => format!("closing by={by:?}"),
        Event::GoAway { within, alternate } => {
            format!("go-away within={} alternate={}", within.as_millis(), hex(alternate))
        }
        Event::Stopped { stream, code } => format!("stopped {} code={code}", stream.0),
        Event::CredentialNeeded => "credential-needed".to_owned(),
        _ => return None,
    })
}

fn show_end(ended: &Ended) -> Vec<String> {
    let reason = match &ended.reason {
        EndReason::Closed { code, reason, by } => format!("Closed code={code} reason={} by={by:?}", hex(reason)),
        EndReason::ProtocolError { reason, by } => format!("ProtocolError reason={} by={by:?}", hex(reason)),
        EndReason::GaveUp { cause } => format!("GaveUp cause={cause:?}"),
        EndReason::Fresh { cause } => format!("Fresh cause={cause:?}"),
        other => format!("{other:?}"),
    };
    let fates = ended.fates.streams.iter().map(show_fate);
    [format!("ended {reason}")].into_iter().chain(fates).collect()
}

fn show_fate(fate: &StreamFate) -> String {
    let tally = |tally: Tally| format!("{}/{}", tally.messages, tally.bytes);
    let back: Vec<String> = fate.not_delivered.iter().map(|back| hex(&back.payload)).collect();
    let back = if back.is_empty() {
        "-".to_owned()
    } else {
        back.join(",")
    };
    format!(
        "fate {} delivered={} unknown={} not_delivered={back}",
        fate.stream.0,
        tally(fate.delivered),
        tally(fate.unknown)
    )
}
