//! The oracle: what the applications said and read, what is certain of it, and what was seen on wires and disks.

use std::collections::BTreeMap;

use unbroken_proto::event::{Fates, Place, Tally};

use super::plan::{Half, Last, Plan};
use crate::tally::hash_bytes;

/// What one end said on a stream, and dealt with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Account {
    /// It is open.
    pub opened: bool,
    /// What was handed to the session.
    pub sent: Tally,
    /// Nothing more will be.
    pub ended: bool,
    /// What was said to be dealt with.
    pub consumed: Place,
}

impl Account {
    /// What either says.
    fn and(self, other: Account) -> Account {
        Account {
            opened: self.opened || other.opened,
            sent: Tally {
                messages: self.sent.messages.max(other.sent.messages),
                bytes: self.sent.bytes.max(other.sent.bytes),
            },
            ended: self.ended || other.ended,
            consumed: self.consumed.max(other.consumed),
        }
    }
}

/// Which application.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct At {
    /// Which end: 0 the client, 1 the server.
    pub end: usize,
    /// The disk beside which it keeps what it keeps.
    pub place: usize,
}

#[derive(Clone, Copy, Debug, Default)]
struct Line {
    /// What is known to be kept.
    certain: Account,
    /// All that the last process did.
    said: Account,
    /// How far it ever read.
    read: Place,
    /// It read the end.
    ended: bool,
}

/// See the module.
#[derive(Debug, Default)]
pub struct Truth {
    /// By disk, since that is where an application's memory is, and stream.
    lines: BTreeMap<(usize, u64), Line>,
    /// Ends of which an earlier state was restored, or two processes run: of them less is certain.
    loose: [bool; 2],
    /// Ends of which an older process goes on saying things that nobody keeps.
    shared: [bool; 2],
    plans: Vec<Plan>,
    resumes: BTreeMap<Vec<u8>, u64>,
    nonces: BTreeMap<([u8; 16], u64), u64>,
}

/// The clear part of a RESUME: type, version, suite, session, counter.
const RESUME: (u8, usize) = (4, 27);

impl Truth {
    /// Of a schedule with these streams.
    #[must_use]
    pub fn new(plans: Vec<Plan>) -> Truth {
        Truth {
            plans,
            ..Truth::default()
        }
    }

    fn line(&mut self, at: At, key: u64) -> &mut Line {
        self.lines.entry((at.place, key)).or_default()
    }

    /// Of this end less is certain from now on.
    pub fn loosen(&mut self, end: usize) {
        self.loose[end] = true;
    }

    /// Two processes say things at this end; what is certain stays so.
    pub fn share(&mut self, end: usize) {
        self.shared[end] = true;
    }

    /// Whether what is kept of this end is what was kept last.
    #[must_use]
    pub fn is_strict(&self, end: usize) -> bool {
        !self.loose[end]
    }

    /// Whether the session of this end has all that its application's own marks are about: it was not restored from an older copy, and
    /// no other process moves the same marks, as the successor of one does that does not know it yet.
    #[must_use]
    pub fn has_marks(&self, end: usize) -> bool {
        self.is_strict(end) && !self.shared[end]
    }

    /// The application of `end` did something. Of two processes the one that was left behind knows less than was said since.
    pub fn said(&mut self, at: At, key: u64, account: Account) {
        let shared = self.shared[at.end];
        let said = &mut self.line(at, key).said;
        *said = if shared { account.and(*said) } else { account };
    }

    /// What it did is kept.
    pub fn certain(&mut self, at: At, key: u64, account: Account) {
        let shared = self.shared[at.end];
        let certain = &mut self.line(at, key).certain;
        *certain = if shared { account.and(*certain) } else { account };
    }

    /// A stream of the peer's was taken.
    pub fn accepted(&mut self, at: At, key: u64) {
        self.line(at, key).said.opened = true;
    }

    /// What a session has of a stream after a restart.
    pub fn restored(&mut self, at: At, key: u64, (taken, is_sending): (Tally, bool), consumed: Place) {
        let end = at.end;
        let strict = self.is_strict(end);
        let shared = self.shared[end];
        let line = self.line(at, key);
        let (least, most) = (line.certain, line.said);
        if strict {
            let lost = taken.messages < least.sent.messages || taken.bytes < least.sent.bytes;
            assert!(
                !lost,
                "end {end} stream {key}: {taken:?} is left of {:?} that were kept",
                least.sent
            );
            let more = taken.messages > most.sent.messages || taken.bytes > most.sent.bytes;
            assert!(
                !more || shared,
                "end {end} stream {key}: {taken:?} of the {:?} that were said",
                most.sent
            );
            assert!(!(least.ended && is_sending), "end {end} stream {key}: its end is lost");
            let undone = consumed < least.consumed;
            assert!(
                !undone,
                "end {end} stream {key}: {consumed:?} is left of {:?}",
                least.consumed
            );
        }
        let now = Account {
            opened: true,
            sent: taken,
            ended: !is_sending,
            consumed,
        };
        line.certain = now;
        line.said = now;
    }

    /// Streams that a session does not have after a restart.
    pub fn absent(&mut self, at: At, present: &[u64]) {
        let end = at.end;
        let strict = self.is_strict(end);
        let shared = self.shared[end];
        let stops: BTreeMap<u64, bool> = self
            .plans
            .iter()
            .map(|plan| (plan.key, plan.halves[end].stop_after.is_some()))
            .collect();
        for ((_, key), line) in self.lines.iter_mut().filter(|((place, _), _)| *place == at.place) {
            if present.contains(key) {
                continue;
            }
            // What a process says that was superseded may be less than what is kept.
            let over = shared && line.certain.ended || line.said.ended || stops.get(key).copied().unwrap_or(false);
            assert!(
                !strict || !line.certain.opened || over,
                "end {end} stream {key} is lost: {line:?}"
            );
            if !line.certain.opened {
                line.said = Account::default();
            }
        }
    }

    /// All that was at that end is gone, as it may be where nothing is durable.
    pub fn forget(&mut self, at: At) {
        self.lines.retain(|(place, _), _| *place != at.place);
    }

    /// An application read up to there.
    pub fn read(&mut self, at: At, key: u64, place: Place) {
        let line = self.line(at, key);
        line.read = line.read.max(place);
    }

    /// It read the end.
    pub fn read_end(&mut self, at: At, key: u64, half: &Half, place: Place) {
        let end = at.end;
        self.line(at, key).ended = true;
        assert_eq!(half.last, Last::Finish, "end {end} stream {key}: it was never finished");
        let read = if half.messages { place.messages } else { place.bytes };
        assert_eq!(read, half.count, "end {end} stream {key}: it ended early");
    }

    /// How far a stream was ever read, by the application beside that disk.
    #[must_use]
    pub fn read_of(&self, place: usize, key: u64) -> Place {
        self.lines.get(&(place, key)).map_or(Place::default(), |line| line.read)
    }

    /// A packet goes on a wire. `honest`: its sender is the only process of its session.
    pub fn packet(&mut self, packet: &[u8], honest: bool) {
        let (kind, clear) = RESUME;
        if packet.first() != Some(&kind) || !honest {
            return;
        }
        let Some(name) = packet.get(..clear) else { return };
        let hash = hash_bytes(packet);
        let before = self.resumes.insert(name.to_vec(), hash);
        assert!(
            before.is_none_or(|before| before == hash),
            "two RESUMEs under one counter"
        );
    }

    /// A record was sealed.
    pub fn record(&mut self, bytes: &[u8]) {
        let number = bytes
            .get(5..13)
            .and_then(|field| field.try_into().ok())
            .map(u64::from_be_bytes);
        let run = bytes.get(21..37).and_then(|field| <[u8; 16]>::try_from(field).ok());
        let (Some(number), Some(run)) = (number, run) else {
            panic!("a record without a header")
        };
        let hash = hash_bytes(bytes);
        let before = self.nonces.insert((run, number), hash);
        assert!(
            before.is_none_or(|before| before == hash),
            "two records under one nonce"
        );
    }

    /// What an end was told about the fate of what it sent is true. `peer`: the disk of the other end.
    pub fn fates(&self, end: usize, peer: usize, keys: &BTreeMap<u64, u64>, fates: &Fates) {
        for fate in &fates.streams {
            let Some(plan) = keys
                .get(&fate.stream.0)
                .and_then(|key| self.plans.iter().find(|plan| plan.key == *key))
            else {
                continue;
            };
            let half = &plan.halves[end];
            let read = self.read_of(peer, plan.key);
            let count = |tally: Tally| if half.messages { tally.messages } else { tally.bytes };
            let arrived = if half.messages { read.messages } else { read.bytes };
            let least = count(fate.delivered);
            let most = least + count(fate.unknown);
            let what = format!("end {end} stream {}: {fate:?}, and {read:?} was read", plan.key);
            assert!(arrived <= most, "more arrived than may have. {what}");
            assert!(
                arrived >= least || half.stop_after.is_some() || half.last == Last::Reset,
                "less arrived than is said. {what}"
            );
            let mut at = most;
            for undelivered in &fate.not_delivered {
                assert_eq!(undelivered.message, half.messages, "{what}");
                let len = undelivered.payload.len() as u64;
                let expected = if half.messages {
                    half.bytes(at, 0, half.len(at))
                } else {
                    half.bytes(0, at, len)
                };
                assert!(undelivered.payload == expected, "another payload comes back. {what}");
                at += if half.messages { 1 } else { len };
            }
        }
    }
}
