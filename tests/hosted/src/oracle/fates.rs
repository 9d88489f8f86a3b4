//! Whether what an end was told about what it sent is true.

use bytes::Bytes;
use unbroken_proto::event::{EndReason, Ended, StreamFate};

use super::conversation::{Conversation, Party};
use super::half::{Seen, Verdict, Written};

impl Conversation {
    /// Checks the fates that `writer` was told against what the other end really read.
    pub(super) fn check_fates(&self, writer: Party, ended: &Ended) -> Verdict {
        let broken = self.peek(writer).broken;
        if broken && (!self.strict || !ended.fates.all_delivered()) {
            // Its driver panicked or was dropped: not everything can be known, as long as nothing else is claimed.
            return Ok(());
        }
        let reader = match writer {
            Party::Client => self.peer(Party::Client).ok(),
            Party::Server(number) if Some(self.instances[number].id) == self.id => Some(Party::Client),
            Party::Server(_) => None,
        };
        // Read to its end: whoever has everything that it can have.
        let intact = reader.is_some_and(|reader| {
            let done = self.peek(reader);
            done.accepted_all && !done.deaf && !done.broken
        });
        let mut listed = Vec::new();
        for fate in &ended.fates.streams {
            if listed.contains(&fate.stream) {
                return Err(format!("{:?} has two fates", fate.stream));
            }
            listed.push(fate.stream);
            let Some((_, written)) = self.halves_of(writer).find(|(stream, _)| *stream == fate.stream) else {
                let nothing = fate.delivered.is_zero() && fate.unknown.is_zero() && fate.not_delivered.is_empty();
                match nothing || (self.told && writer != Party::Client) {
                    true => continue,
                    false => {
                        return Err(format!(
                            "a fate of {:?}, on which nothing was sent: {fate:?}",
                            fate.stream
                        ));
                    }
                }
            };
            let seen = self.seen(reader, writer, fate.stream);
            check(fate, written, &seen, &ended.reason, intact)
                .map_err(|what| format!("fates of {writer:?} on {:?}: {what}", fate.stream))?;
        }
        for (stream, written) in self.halves_of(writer) {
            let seen = self.seen(reader, writer, stream);
            let given_up = written.reset.is_some() || seen.given_up;
            if listed.contains(&stream) || given_up || written.count() == 0 {
                continue;
            }
            // Left out means delivered whole. If the reader was not in a state to read, nobody can check it,
            // unless nothing at all can have been sent.
            let never_there = writer == Party::Client && self.instances.is_empty() && self.id.is_none();
            let missing = written.count() - seen.count(written);
            let kept = written.kept && missing == 1;
            if (intact || never_there) && !seen.is_complete(written) && !kept {
                return Err(format!(
                    "fates of {writer:?} ({:?}) leave out {stream:?}, of which {} of {} were read",
                    ended.reason,
                    seen.count(written),
                    written.count()
                ));
            }
        }
        Ok(())
    }
}

fn check(fate: &StreamFate, written: &Written, seen: &Seen, reason: &EndReason, intact: bool) -> Verdict {
    let total = written.count();
    let (delivered, unknown) = match written.messages {
        true => (fate.delivered.messages, fate.unknown.messages),
        false => (fate.delivered.bytes, fate.unknown.bytes),
    };
    if delivered > total {
        return Err(format!("{delivered} delivered of {total}"));
    }
    if written.reset.is_some() || seen.given_up {
        return Ok(());
    }
    if fate.not_delivered.iter().any(|back| back.message != written.messages) {
        return Err("messages and bytes are mixed up".to_owned());
    }
    let payloads: Vec<Bytes> = fate.not_delivered.iter().map(|back| back.payload.clone()).collect();
    let back = match written.messages {
        true => payloads.len() as u64,
        false => payloads.iter().map(|payload| payload.len() as u64).sum(),
    };
    let sum = delivered + unknown + back;
    if written.kept && sum + 1 == total {
        return Ok(());
    }
    if sum != total {
        return Err(format!(
            "{delivered} + {unknown} unknown + {back} back is not {total}, {reason:?}"
        ));
    }
    written.check_returned(&payloads)?;
    let read = seen.count(written);
    if read > total - back {
        return Err(format!("{read} were read, though the last {back} of {total} came back"));
    }
    if intact && delivered > read {
        return Err(format!("{delivered} delivered, {read} were there to be read"));
    }
    if matches!(reason, EndReason::Closed { .. }) && unknown > 0 {
        return Err(format!("a close that both know of leaves {unknown} unknown"));
    }
    Ok(())
}
