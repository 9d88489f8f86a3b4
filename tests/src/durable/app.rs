//! The application at one end: it says what its plans say, reads what the other says, and keeps what it must not forget.

use std::collections::{BTreeMap, VecDeque};

use unbroken_proto::durable::Mark;
use unbroken_proto::error::{ConsumeError, OpenError, RecvError, SendRefusal};
use unbroken_proto::event::{Place, Tally};
use unbroken_proto::stream::{Chunk, StreamOptions};
use unbroken_proto::{Instant, Session, StreamId};

use super::plan::{Half, Last, Plan};
use super::truth::{Account, At, Truth};
use crate::rng::Rng;

/// What a half is reset with, and what it is stopped with.
const RESET: u64 = 5;
const STOP: u64 = 7;

/// What an application keeps of one stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Kept {
    /// The journal is known to have the opening.
    pub opened: bool,
    /// What was dealt with.
    pub place: Place,
}

/// What an application keeps itself, in one transaction with what it made of the messages.
pub(super) type Base = BTreeMap<u64, Kept>;

/// A stream as the application's process knows it.
#[derive(Debug)]
struct Mine {
    id: StreamId,
    sent: Tally,
    sending: bool,
    reading: bool,
    place: Place,
    noted: Place,
}

/// One process's application.
#[derive(Debug)]
pub struct App {
    /// Whose it is.
    pub at: At,
    own_marks: bool,
    durable: bool,
    streams: BTreeMap<u64, Mine>,
    /// What becomes certain when a mark is kept.
    marks: VecDeque<(Mark, u64, Account)>,
}

/// What an application needs for a turn.
#[derive(Debug)]
pub struct Turn<'a> {
    /// The time, by its process's clock.
    pub now: Instant,
    /// Its session.
    pub session: &'a mut Session,
    /// What it keeps.
    pub base: &'a mut Base,
    /// What is to be said.
    pub plans: &'a [Plan],
    /// Chance.
    pub rng: &'a mut Rng,
    /// The oracle.
    pub truth: &'a mut Truth,
    /// Nothing holds it up any more.
    pub eager: bool,
}

impl App {
    /// Begins with nothing.
    #[must_use]
    pub fn new(at: At, own_marks: bool, durable: bool) -> App {
        App {
            at,
            own_marks,
            durable,
            streams: BTreeMap::new(),
            marks: VecDeque::new(),
        }
    }

    /// Begins with what the session has after a restart.
    pub fn restored(&mut self, turn: &mut Turn<'_>) {
        let mut present = Vec::new();
        for restored in turn.session.streams() {
            let key = Plan::key_of(&restored.label).expect("because no other label was ever given");
            present.push(key);
            let kept = turn.base.entry(key).or_default();
            kept.opened = true;
            let kept = *kept;
            turn.truth
                .restored(self.at, key, (restored.taken, restored.is_sending), restored.consumed);
            let mut place = restored.consumed;
            if self.own_marks {
                if turn.truth.is_strict(self.at.end) && restored.consumed > kept.place {
                    panic!(
                        "stream {key}: {:?} is consumed, and the mark is {:?}",
                        restored.consumed, kept.place
                    );
                }
                place = kept.place;
            }
            let reading = !self.own_marks || self.hand_back(turn, (key, restored.id), place);
            self.streams.insert(
                key,
                Mine {
                    id: restored.id,
                    sent: restored.taken,
                    sending: restored.is_sending,
                    reading,
                    place,
                    noted: restored.consumed,
                },
            );
        }
        turn.truth.absent(self.at, &present);
    }

    /// Whether the session has what is behind the mark.
    fn hand_back(&self, turn: &mut Turn<'_>, (key, id): (u64, StreamId), place: Place) -> bool {
        match turn.session.stream(id).consumed(turn.now, place) {
            Ok(()) | Err(ConsumeError::UnknownStream | ConsumeError::NotDurable) => true,
            Err(ConsumeError::Ahead) if !turn.truth.has_marks(self.at.end) => {
                assert!(
                    turn.session.end_reason().is_some(),
                    "it goes on behind what was dealt with"
                );
                false
            }
            Err(error) => panic!("the mark {place:?} of stream {key} is refused: {error:?}"),
        }
    }

    /// Does some of what it has to do.
    pub fn turn(&mut self, turn: &mut Turn<'_>) {
        self.settle_marks(turn);
        self.accept(turn);
        self.open(turn);
        let keys: Vec<u64> = self.streams.keys().copied().collect();
        for key in keys {
            let Some(plan) = turn.plans.iter().find(|plan| plan.key == key) else {
                panic!("stream {key} is in no plan");
            };
            self.send(turn, plan);
            self.read(turn, plan);
        }
    }

    /// What is kept now is certain.
    fn settle_marks(&mut self, turn: &mut Turn<'_>) {
        while let Some((mark, key, account)) = self.marks.front().copied() {
            if !turn.session.has_persisted(mark) {
                break;
            }
            self.marks.pop_front();
            turn.truth.certain(self.at, key, account);
            if account.opened {
                turn.base.entry(key).or_default().opened = true;
            }
        }
    }

    fn note(&mut self, turn: &mut Turn<'_>, key: u64, account: Account) {
        turn.truth.said(self.at, key, account);
        self.marks.push_back((turn.session.mark(), key, account));
    }

    fn account(&self, key: u64) -> Account {
        let mine = self.streams.get(&key);
        mine.map_or(Account::default(), |mine| Account {
            opened: true,
            sent: mine.sent,
            ended: !mine.sending,
            consumed: mine.noted,
        })
    }

    fn accept(&mut self, turn: &mut Turn<'_>) {
        while let Some(accepted) = turn.session.accept(turn.now) {
            let key = Plan::key_of(&accepted.label).expect("because no other label was ever given");
            let (mut place, mut reading) = (Place::default(), true);
            if self.own_marks {
                place = turn.base.get(&key).copied().unwrap_or_default().place;
                reading = self.hand_back(turn, (key, accepted.id), place);
            }
            let mine = Mine {
                id: accepted.id,
                sent: Tally::default(),
                sending: true,
                reading,
                place,
                noted: Place::default(),
            };
            if self.streams.insert(key, mine).is_some() {
                panic!("stream {key} came twice");
            }
            turn.truth.accepted(self.at, key);
        }
    }

    fn open(&mut self, turn: &mut Turn<'_>) {
        let end = self.at.end;
        for plan in turn.plans.iter().filter(|plan| plan.opener == end) {
            let key = plan.key;
            let known = turn.base.get(&key).is_some_and(|kept| kept.opened);
            if self.streams.contains_key(&key) || known || !(turn.eager || turn.rng.chance(500)) {
                continue;
            }
            let options = StreamOptions::default().with_label(plan.label());
            match turn.session.open(turn.now, options) {
                Ok(id) => {
                    let (sent, place) = (Tally::default(), Place::default());
                    let mine = Mine {
                        id,
                        sent,
                        sending: true,
                        reading: true,
                        place,
                        noted: place,
                    };
                    self.streams.insert(key, mine);
                    let account = self.account(key);
                    self.note(turn, key, account);
                }
                Err(OpenError::TooMany | OpenError::Full | OpenError::SessionClosed) => {}
                Err(error) => panic!("open: {error:?}"),
            }
        }
    }

    fn send(&mut self, turn: &mut Turn<'_>, plan: &Plan) {
        let half = &plan.halves[self.at.end];
        let mut rounds = if turn.eager { 64 } else { turn.rng.scaled(0, 6) };
        let before = self.account(plan.key);
        while rounds > 0 {
            rounds -= 1;
            let Some(mine) = self.streams.get_mut(&plan.key).filter(|mine| mine.sending) else {
                break;
            };
            if !mine.say_more(turn, half) {
                break;
            }
        }
        let after = self.account(plan.key);
        if after != before {
            self.note(turn, plan.key, after);
        }
    }

    fn read(&mut self, turn: &mut Turn<'_>, plan: &Plan) {
        let half = &plan.halves[1 - self.at.end];
        let mut rounds = if turn.eager { 1_000 } else { turn.rng.scaled(0, 12) };
        let at = self.at;
        let Some(mine) = self.streams.get_mut(&plan.key) else {
            return;
        };
        while rounds > 0 && mine.reading {
            rounds -= 1;
            match turn.session.stream(mine.id).recv(turn.now) {
                Ok(None) => break,
                Ok(Some(Chunk::Data { payload, message_end })) => {
                    mine.place = check(half, (plan.key, mine.place), &payload, message_end);
                    turn.truth.read(at, plan.key, mine.place);
                }
                Ok(Some(Chunk::End)) => {
                    mine.reading = false;
                    turn.truth.read_end(at, plan.key, half, mine.place);
                }
                Err(RecvError::Reset(code)) => {
                    mine.reading = false;
                    assert!(half.last == Last::Reset && code == RESET, "reset {code}");
                }
                Err(RecvError::UnknownStream | RecvError::SessionEnded) => mine.reading = false,
                Err(error) => panic!("recv: {error:?}"),
            }
        }
        self.consume(turn, plan, half);
    }

    /// What was read is dealt with, sooner or later.
    fn consume(&mut self, turn: &mut Turn<'_>, plan: &Plan, half: &Half) {
        let Some(mine) = self.streams.get_mut(&plan.key) else {
            return;
        };
        if !turn.eager && turn.rng.chance(400) {
            return;
        }
        let kept = turn.base.entry(plan.key).or_default();
        kept.place = kept.place.max(mine.place);
        let stops = half.stop_after.is_some_and(|count| {
            let read = if half.messages {
                mine.place.messages
            } else {
                mine.place.bytes
            };
            mine.reading && read >= count
        });
        if stops && plan.opener == self.at.end && !kept.opened {
            // It might be forgotten at once, and would be opened again by the next process.
            return;
        }
        if stops {
            mine.reading = false;
            let _ = turn.session.stream(mine.id).stop(turn.now, STOP);
            return;
        }
        if !self.durable || mine.place <= mine.noted || !turn.eager && turn.rng.chance(300) {
            return;
        }
        match turn.session.stream(mine.id).consumed(turn.now, mine.place) {
            Ok(()) => {
                mine.noted = mine.place;
                let account = self.account(plan.key);
                self.note(turn, plan.key, account);
            }
            // Who was told at its start that its marks are ahead may say it again.
            Err(ConsumeError::Ahead) if !turn.truth.has_marks(self.at.end) => {}
            Err(ConsumeError::UnknownStream) => {}
            Err(error) => panic!("consumed: {error:?}"),
        }
    }

    /// Whether it has said all that it will.
    #[must_use]
    pub fn is_written(&self, plans: &[Plan], base: &Base) -> bool {
        plans.iter().all(|plan| {
            let half = &plan.halves[self.at.end];
            match self.streams.get(&plan.key) {
                Some(mine) => !mine.sending || half.last == Last::Open && mine.has_said(half),
                None if plan.opener == self.at.end => base.get(&plan.key).is_some_and(|kept| kept.opened),
                None => true,
            }
        })
    }

    /// Whether it has nothing to wait for: all came to an end, or as far as it goes.
    #[must_use]
    pub fn has_read(&self, plans: &[Plan]) -> bool {
        plans.iter().all(|plan| {
            let half = &plan.halves[1 - self.at.end];
            let read = |mine: &Mine| {
                if half.messages {
                    mine.place.messages
                } else {
                    mine.place.bytes
                }
            };
            match self.streams.get(&plan.key) {
                Some(mine) => !mine.reading || half.last == Last::Open && read(mine) == half.count,
                None => true,
            }
        })
    }

    /// Which stream has which key.
    pub fn ids(&self) -> Vec<(u64, StreamId)> {
        self.streams.iter().map(|(key, mine)| (*key, mine.id)).collect()
    }

    /// Where it stands, in words.
    #[must_use]
    pub fn standing(&self) -> String {
        let all = self.streams.iter().map(|(key, mine)| {
            format!(
                "{key}: sent {:?} {} read {:?} {}",
                mine.sent, mine.sending, mine.place, mine.reading
            )
        });
        all.collect::<Vec<_>>().join("; ")
    }
}

impl Mine {
    fn has_said(&self, half: &Half) -> bool {
        let said = if half.messages {
            self.sent.messages
        } else {
            self.sent.bytes
        };
        said >= half.count
    }

    /// Says the next thing; whether there may be more.
    fn say_more(&mut self, turn: &mut Turn<'_>, half: &Half) -> bool {
        if self.has_said(half) {
            return self.finish(turn, half);
        }
        let refusal = if half.messages {
            let number = self.sent.messages;
            let payload = half.bytes(number, 0, half.len(number));
            match turn.session.stream(self.id).send(turn.now, payload.into()) {
                Ok(()) => {
                    self.sent.messages += 1;
                    return true;
                }
                Err(error) => error.reason,
            }
        } else {
            let left = half.count - self.sent.bytes;
            let part = left.min(turn.rng.scaled(1, 20_000));
            let mut data = bytes::Bytes::from(half.bytes(0, self.sent.bytes, part));
            match turn.session.stream(self.id).write(turn.now, &mut data) {
                Ok(taken) => {
                    assert!(taken > 0, "a write that takes nothing is refused");
                    self.sent.bytes += taken as u64;
                    return data.is_empty();
                }
                Err(refusal) => refusal,
            }
        };
        match refusal {
            SendRefusal::Full | SendRefusal::Unread => {}
            SendRefusal::StreamClosed | SendRefusal::Stopped(_) | SendRefusal::UnknownStream => self.sending = false,
            SendRefusal::SessionClosed => {}
            other => panic!("send: {other:?}"),
        }
        false
    }

    fn finish(&mut self, turn: &mut Turn<'_>, half: &Half) -> bool {
        if half.last == Last::Open {
            return false;
        }
        let stream = turn.session.stream(self.id);
        match half.last {
            Last::Finish => drop(stream.finish(turn.now)),
            _ => drop(stream.reset(turn.now, RESET)),
        }
        self.sending = false;
        false
    }
}

/// What is read at `place` is what was said there; returns the place behind it.
fn check(half: &Half, (key, place): (u64, Place), payload: &[u8], message_end: bool) -> Place {
    let len = payload.len() as u64;
    if half.messages {
        let whole = half.len(place.messages);
        let behind = place.bytes + len;
        assert!(
            place.messages < half.count,
            "stream {key}: there is no message {}",
            place.messages
        );
        assert!(behind <= whole, "stream {key}: message {} is too long", place.messages);
        assert!(
            !message_end || behind == whole,
            "stream {key}: message {} ends early",
            place.messages
        );
        assert!(
            payload == half.bytes(place.messages, place.bytes, len),
            "stream {key}: another message than {place:?}"
        );
        if message_end {
            return Place {
                messages: place.messages + 1,
                bytes: 0,
            };
        }
    } else {
        assert!(!message_end, "stream {key}: a stream of bytes has no messages");
        assert!(
            place.bytes + len <= half.count,
            "stream {key}: more bytes than there are"
        );
        assert!(
            payload == half.bytes(0, place.bytes, len),
            "stream {key}: other bytes than at {place:?}"
        );
    }
    Place {
        bytes: place.bytes + len,
        ..place
    }
}
