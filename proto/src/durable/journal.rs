//! What a durable session writes down, and how much of it its host is known to have kept.

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;

use super::news::News;
use super::op::{self, Op};
use super::record::{Header, Kind, Record};
use super::registered::Registered;
use super::taken::Taken;
use crate::event::Place;
use crate::id::StreamId;
use crate::rng::Rng;
use crate::security::{AtRest, JournalSeal};
use crate::time::Instant;
use crate::wire::frame::Frame;

/// A journal may be as long as this, or twice its last snapshot, before a new snapshot takes its place.
const LEAST_COMPACTED: usize = 256 << 10;

/// For how many news there is room in any case, once there were some.
const LEAST_NEWS: usize = 64;

/// How many operations a session had done when something was decided: what depends on them may be seen outside once that many
/// are kept. Zero: it depends on none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mark(u64);

impl Mark {
    /// Of what will not be kept.
    pub(crate) const NEVER: Mark = Mark(u64::MAX);
}

/// The positions that a record leaves behind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Positions {
    /// The peer's next one.
    pub(crate) expected: u64,
    /// Ours.
    pub(crate) next: u64,
}

/// Operations of a durable session that are to be kept, until its host has kept them. What waits is bounded by what it
/// tells of: what the application may queue, and what the peer may say before the session leaves the connection ([`Taken`]).
pub(crate) struct Journal {
    name: [u8; 16],
    run: [u8; 16],
    seal: JournalSeal,
    is_sealed: bool,
    /// Operations that are in no record yet.
    pending: Vec<u8>,
    /// What of them the peer said, and what was in records before.
    taken: Taken,
    /// How many there were, those included.
    done: Mark,
    /// What is written at its latest value only.
    acked: Option<u64>,
    consumed: BTreeMap<StreamId, Place>,
    /// The number of the last record.
    last: u64,
    /// Records that the host has not said to be kept.
    unkept: VecDeque<Stage>,
    kept: Stage,
    /// What the application does not see yet, and what has to be kept first.
    news: VecDeque<(Mark, News)>,
    /// Bytes of records since the last snapshot, whose length follows; `None`: there was none yet.
    since_snapshot: usize,
    snapshot: Option<usize>,
    /// Its host said that nothing more is kept.
    is_given_up: bool,
    /// As what the registry knows the session (accepting side).
    pub(crate) registered: Option<Box<Registered>>,
    /// The position behind the highest that was packed in this process, and the charge of what is committed and was not.
    pub(crate) packed: u64,
    pub(crate) unpacked: usize,
}

/// What is kept with a record.
#[derive(Clone, Copy, Debug, Default)]
struct Stage {
    number: u64,
    done: Mark,
    positions: Positions,
    taken: Taken,
}

impl Journal {
    /// Of a session that begins, or begins again behind what a journal of that name had up to record `last`. The first record is
    /// a snapshot.
    pub(crate) fn new(at_rest: &AtRest, name: Option<[u8; 16]>, last: u64, rng: &mut Rng) -> Journal {
        let (mut fresh, mut run) = ([0; 16], [0; 16]);
        rng.fill(&mut fresh);
        rng.fill(&mut run);
        let name = name.unwrap_or(fresh);
        Journal {
            name,
            run,
            seal: at_rest.journal(&name),
            is_sealed: at_rest.is_sealed(),
            pending: Vec::new(),
            taken: Taken::default(),
            // That there is a session is to be kept, too.
            done: Mark(1),
            acked: None,
            consumed: BTreeMap::new(),
            last,
            unkept: VecDeque::new(),
            news: VecDeque::new(),
            kept: Stage {
                number: last,
                ..Stage::default()
            },
            since_snapshot: 0,
            snapshot: None,
            is_given_up: false,
            registered: None,
            packed: 0,
            unpacked: 0,
        }
    }

    /// What depends on all that was done so far waits for this.
    pub(crate) fn mark(&self) -> Mark {
        self.done
    }

    /// Whether what waits for `mark` may be seen. Where nothing more is kept, nothing is waited for.
    pub(crate) fn has_kept(&self, mark: Mark) -> bool {
        self.is_given_up || self.kept.done >= mark
    }

    /// Whether a restart loses nothing of what was done up to there.
    pub(crate) fn has_persisted(&self, mark: Mark) -> bool {
        self.kept.done >= mark
    }

    /// Nothing more is kept.
    pub(crate) fn give_up(&mut self) {
        self.is_given_up = true;
        self.pending = Vec::new();
        self.done = Mark::NEVER;
    }

    pub(crate) fn is_given_up(&self) -> bool {
        self.is_given_up
    }

    /// The positions up to which everything is kept.
    pub(crate) fn kept(&self) -> Positions {
        self.kept.positions
    }

    /// The state that was restored holds these positions, and they are kept.
    pub(crate) fn begin_at(&mut self, positions: Positions) {
        self.kept.positions = positions;
    }

    pub(crate) fn push(&mut self, op: &Op) {
        if self.is_given_up {
            return;
        }
        op.write(&mut self.pending);
        self.done.0 += 1;
    }

    /// The peer's frame was taken.
    pub(crate) fn accepted(&mut self, frame: &Frame) {
        if self.is_given_up {
            return;
        }
        let news = News::of(frame);
        self.take(frame, news.is_some());
        if let Some(news) = news {
            self.withhold(news);
        }
    }

    /// The application sees this once all that was done so far is kept. `false`: it is, so that there is nothing to wait for.
    pub(crate) fn withhold(&mut self, news: News) -> bool {
        let waits = !self.has_kept(self.done);
        if waits {
            self.news.push_back((self.done, news));
        }
        waits
    }

    /// What it sees now that so much is kept.
    pub(crate) fn next_news(&mut self) -> Option<News> {
        let Some((after, _)) = self.news.front() else {
            // A burst is no reason to hold its memory for good.
            self.news.shrink_to(LEAST_NEWS);
            return None;
        };
        let (_, news) = (*after <= self.kept.done).then(|| self.news.pop_front())??;
        Some(news)
    }

    /// Whether there is something that it is still to see.
    pub(crate) fn holds_news(&self) -> bool {
        !self.news.is_empty()
    }

    /// It never sees the rest.
    pub(crate) fn forget_news(&mut self) {
        self.news = VecDeque::new();
    }

    /// The peer's frame was counted, and means nothing any more: what stands for it is short.
    pub(crate) fn passed_over(&mut self) {
        if !self.is_given_up {
            self.take(&Frame::Credit { stream: 0, limit: 0 }, false);
        }
    }

    fn take(&mut self, frame: &Frame, is_news: bool) {
        let before = self.pending.len();
        op::accepted(&mut self.pending, frame);
        self.taken.add(frame, self.pending.len() - before, is_news);
        self.done.0 += 1;
    }

    /// Whether the peer, which was granted so much at most, says more than can be kept.
    pub(crate) fn is_overrun(&self, granted: u64) -> bool {
        !self.is_given_up && self.taken.is_overrun(self.kept.taken, granted)
    }

    /// A frame got its position.
    pub(crate) fn committed(&mut self, frame: &Frame) {
        if self.is_given_up {
            return;
        }
        match frame {
            Frame::Data(data) => op::committed_data(&mut self.pending, data.stream, data.payload.len()),
            frame => Op::Committed(frame.clone()).write(&mut self.pending),
        }
        self.done.0 += 1;
    }

    /// The peer has all below. Nothing waits for that to be kept.
    pub(crate) fn acked(&mut self, position: u64) {
        self.acked = Some(position);
    }

    pub(crate) fn consumed(&mut self, stream: StreamId, place: Place) {
        if !self.is_given_up {
            let latest = self.consumed.entry(stream).or_default();
            *latest = place.max(*latest);
            self.done.0 += 1;
        }
    }

    /// Whether there is something to keep.
    pub(crate) fn is_due(&self) -> bool {
        let known = self.unkept.back().unwrap_or(&self.kept).done;
        !self.is_given_up && (self.snapshot.is_none() || self.done > known)
    }

    /// Whether there was a snapshot, so that records may follow.
    pub(crate) fn has_snapshot(&self) -> bool {
        self.snapshot.is_some()
    }

    /// Whether the next record is a snapshot.
    pub(crate) fn wants_snapshot(&self) -> bool {
        self.snapshot
            .is_none_or(|len| self.since_snapshot > LEAST_COMPACTED.max(2 * len))
    }

    /// The next record: what was done since the one before, with which the session stands at `positions`.
    pub(crate) fn record(&mut self, now: Instant, positions: Positions) -> Record {
        let mut pending = core::mem::take(&mut self.pending);
        for (stream, place) in core::mem::take(&mut self.consumed) {
            Op::Consumed { stream, place }.write(&mut pending);
        }
        if let Some(position) = self.acked.take() {
            Op::Acked(position).write(&mut pending);
        }
        let record = self.finish(now, &pending, positions, false);
        self.since_snapshot += record.bytes.len();
        record
    }

    /// A snapshot, whose content is the whole session at `positions`.
    pub(crate) fn snapshot(&mut self, now: Instant, positions: Positions, state: &[u8]) -> Record {
        self.pending = Vec::new();
        self.consumed.clear();
        self.acked = None;
        let record = self.finish(now, state, positions, true);
        self.since_snapshot = 0;
        self.snapshot = Some(record.bytes.len());
        record
    }

    fn finish(&mut self, now: Instant, content: &[u8], positions: Positions, is_snapshot: bool) -> Record {
        self.last += 1;
        let header = Header {
            kind: Kind {
                is_snapshot,
                is_sealed: self.is_sealed,
            },
            number: self.last,
            kept: self.kept.number,
            run: self.run,
            journal: is_snapshot.then_some(self.name),
        };
        self.unkept.push_back(Stage {
            number: self.last,
            done: self.done,
            positions,
            taken: self.taken,
        });
        Record {
            number: self.last,
            is_snapshot,
            bytes: header.seal(&self.seal, &[&now.as_nanos().to_be_bytes(), content]),
        }
    }

    /// The host keeps the records up to that number. Whether that is news.
    pub(crate) fn on_kept(&mut self, through: u64) -> bool {
        let before = self.kept.number;
        while let Some(stage) = self.unkept.front().copied().filter(|stage| stage.number <= through) {
            self.unkept.pop_front();
            self.kept = stage;
        }
        self.kept.number > before
    }
}
