//! How `proto/vectors` writes frames and handshake payloads.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use crate::wire::frame::{Data, Frame, Offer, Parameters, Part, Verdict};
use crate::wire::handshake::Reject;

pub(crate) fn unhex(hex: &str) -> Vec<u8> {
    assert!(hex.len().is_multiple_of(2), "{hex}");
    (0..hex.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).expect(hex))
        .collect()
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    if bytes.is_empty() {
        "-".to_owned()
    } else {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

fn or_dash(number: Option<u64>) -> String {
    number.map_or("-".to_owned(), |number| format!("{number}"))
}

fn show_parameters(p: &Parameters) -> String {
    format!(
        "stream_window={} session_window={} max_streams={} packet_limit={} outbox_limit={} inbox_limit={} keepalive_interval={} detached_lifetime={}",
        p.stream_window,
        p.session_window,
        p.max_streams,
        p.packet_limit,
        p.outbox_limit,
        p.inbox_limit,
        p.keepalive_interval,
        p.detached_lifetime
    )
}

fn show_verdict(verdict: Option<&Verdict>) -> String {
    match verdict {
        None => "none".to_owned(),
        Some(Verdict::Resumed { position }) => format!("Resumed position={position}"),
        Some(Verdict::Expired { position }) => format!("Expired position={position}"),
        Some(Verdict::Superseded) => "Superseded".to_owned(),
        Some(Verdict::Unknown { reach }) => format!("Unknown reach={reach}"),
        Some(Verdict::StateLost { position }) => format!("StateLost position={position}"),
        Some(Verdict::Closed { position, code, reason }) => {
            format!("Closed position={position} code={code} reason={}", hex(reason))
        }
        Some(Verdict::Replaced { position }) => format!("Replaced position={position}"),
    }
}

/// Stream and flags.
fn show_head(data: &Data) -> String {
    let flag = |set: bool, name: &'static str| if set { name } else { "" };
    format!(
        "stream={}{}{}",
        data.stream.0,
        flag(data.message_end, " message_end"),
        flag(data.stream_end, " stream_end")
    )
}

pub(crate) fn show_frame(frame: &Frame) -> String {
    match frame {
        Frame::Data(data) => format!("DATA {} payload={}", show_head(data), hex(&data.payload)),
        Frame::Part(Part { data, offset, total }) => format!(
            "PART {} total={total} offset={offset} payload={}",
            show_head(data),
            hex(&data.payload)
        ),
        Frame::Open(open) => {
            format!(
                "OPEN stream={} priority={} fragment_size={} label={}",
                open.stream.0,
                open.priority,
                open.fragment_size,
                hex(&open.label)
            )
        }
        Frame::Reset { stream, code } => format!("RESET stream={} code={code}", stream.0),
        Frame::Stop { stream, code } => format!("STOP stream={} code={code}", stream.0),
        Frame::Credit { stream, limit } => format!("CREDIT stream={stream} limit={limit}"),
        Frame::Close(close) => format!(
            "CLOSE code={} reason={} position={}",
            close.code,
            hex(&close.reason),
            close.position
        ),
        Frame::Closed { position } => format!("CLOSED position={position}"),
        Frame::End(end) => format!(
            "END code={:?} reason={} position={} after={} alternate={}",
            end.code,
            hex(&end.reason),
            or_dash(end.position),
            or_dash(end.after),
            hex(&end.alternate)
        ),
        Frame::Ack { position } => format!("ACK position={position}"),
        Frame::From { position } => format!("FROM position={position}"),
        Frame::Resync { position } => format!("RESYNC position={position}"),
        Frame::Ping { id } => format!("PING id={id}"),
        Frame::Pong { id } => format!("PONG id={id}"),
        Frame::GoAway { within, alternate } => {
            format!("GOAWAY within={within} alternate={}", hex(alternate))
        }
        Frame::Rekey => "REKEY".to_owned(),
        Frame::Final(f) => {
            let verdict = show_verdict(f.verdict.as_ref());
            format!(
                "FINAL {} incarnation={} verdict={verdict}",
                show_parameters(&f.parameters),
                hex(&f.incarnation)
            )
        }
    }
}

pub(crate) fn show_offer(offer: &Offer) -> Vec<(&'static str, String)> {
    let predecessor = offer.predecessor.as_ref().map_or("-".to_owned(), |p| {
        format!(
            "id={} counter={} position={} mac={}",
            hex(&p.id),
            p.counter,
            p.position,
            hex(&p.mac)
        )
    });
    [
        ("versions", hex(&offer.versions)),
        ("suites", hex(&offer.suites)),
        ("parameters", show_parameters(&offer.parameters)),
        ("name", hex(&offer.name)),
        ("credential", hex(&offer.credential)),
        ("predecessor", predecessor),
    ]
    .into()
}

pub(crate) fn show_reject(reject: Reject) -> String {
    match reject {
        Reject::Retry { after } => format!("Retry after={after}"),
        other => format!("{other:?}"),
    }
}
