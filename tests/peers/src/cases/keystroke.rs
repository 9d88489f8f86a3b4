//! A small message of the highest priority now and then, beside bulk that fills the line.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{BufMut as _, Bytes, BytesMut};
use tokio::sync::mpsc;

use super::Setting;
use crate::contestant::{Contestant, End, Link, Receiver, Sender};
use crate::failure::Failure;
use crate::figures::{Measured, percentile};

/// Length of a keystroke's message.
const KEYSTROKE: usize = 64;
/// Its first byte; the bulk's is another.
const KEY: u8 = 1;
const BULK: u8 = 0;
/// Between two keystrokes, on average.
const PAUSE: Duration = Duration::from_millis(100);

/// What has arrived since the warm-up.
#[derive(Debug, Default)]
struct Arrived {
    delays: Vec<f64>,
    bulk: u64,
}

type Shared = Arc<std::sync::Mutex<Arrived>>;

/// What runs until the run is over.
type Tasks = tokio::task::JoinSet<Result<(), Failure>>;

/// One-way delays of the keystrokes, and what the bulk had of the line.
pub(super) async fn run<C: Contestant>(setting: Setting) -> Result<Measured, Failure> {
    let Link { lanes, guard } = C::open(setting.network, 2).await?;
    let (start, begin) = (Instant::now(), setting.warm_up);
    let (mut senders, mut tasks, mut kept) = (Vec::new(), Tasks::new(), Vec::new());
    let arrived = Shared::default();
    for lane in lanes {
        let (End { sender, receiver: back }, far) = (lane.near, lane.far);
        senders.push(sender);
        tasks.spawn(receive(far.receiver, start, begin, Arc::clone(&arrived)));
        kept.push((back, far.sender));
    }
    let mut bulk = BytesMut::zeroed(setting.size);
    bulk[0] = BULK;
    let bulk = bulk.freeze();
    let urgent = if senders.len() > 1 { senders.pop() } else { None };
    let only = senders.pop().ok_or(Failure::Closed)?;
    match urgent {
        Some(urgent) => {
            tasks.spawn(fill(only, bulk));
            tasks.spawn(press(urgent, start));
        }
        None => {
            let (keys, pressed) = mpsc::unbounded_channel();
            tasks.spawn(interleave(only, bulk, pressed));
            tasks.spawn(press_into(keys, start));
        }
    }
    tokio::select! {
        () = tokio::time::sleep(begin + setting.length) => {}
        Some(ended) = tasks.join_next() => ended??,
    }
    let arrived = std::mem::take(&mut *arrived.lock().unwrap_or_else(std::sync::PoisonError::into_inner));
    tasks.shutdown().await;
    drop((kept, guard));
    figures(setting, &arrived)
}

fn figures(setting: Setting, arrived: &Arrived) -> Result<Measured, Failure> {
    let at = |share| percentile(&arrived.delays, share).ok_or(Failure::TooShort);
    let bulk = arrived.bulk as f64 / setting.length.as_secs_f64();
    let mut figures = vec![
        ("p50 ms", at(0.5)?),
        ("p99 ms", at(0.99)?),
        ("keystrokes", arrived.delays.len() as f64),
        ("bulk MB/s", bulk / 1e6),
    ];
    if let Some(rate) = setting.network.line.and_then(|line| line.rate) {
        figures.push(("% of the line", bulk * 8.0 / rate.get() as f64 * 100.0));
    }
    Ok(Measured {
        figures,
        seconds: Vec::new(),
    })
}

/// A keystroke that says when it was made, in nanoseconds since `start`.
fn keystroke(start: Instant) -> Bytes {
    let mut message = BytesMut::with_capacity(KEYSTROKE);
    message.put_u8(KEY);
    message.put_u64(u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX));
    message.resize(KEYSTROKE, 0);
    message.freeze()
}

/// When a message was made, if it is a keystroke.
fn made(message: &Bytes) -> Option<Duration> {
    let (kind, rest) = message.split_first()?;
    let nanos = rest.first_chunk::<8>()?;
    (*kind == KEY).then(|| Duration::from_nanos(u64::from_be_bytes(*nanos)))
}

/// The next pause: not in step with anything that has a period.
fn pause(count: u32) -> Duration {
    PAUSE * 9 / 10 + PAUSE / 5 * (count.wrapping_mul(2_654_435_769) >> 24) / 256
}

/// Keystrokes on a stream of their own.
async fn press(mut sender: impl Sender, start: Instant) -> Result<(), Failure> {
    for count in 0.. {
        tokio::time::sleep(pause(count)).await;
        sender.send(keystroke(start)).await?;
        sender.flush().await?;
    }
    Ok(())
}

/// Keystrokes to the task that writes the one socket.
async fn press_into(keys: mpsc::UnboundedSender<Bytes>, start: Instant) -> Result<(), Failure> {
    for count in 0.. {
        tokio::time::sleep(pause(count)).await;
        keys.send(keystroke(start)).map_err(|_| Failure::Closed)?;
    }
    Ok(())
}

/// Bulk on a stream of its own.
async fn fill(mut sender: impl Sender, bulk: Bytes) -> Result<(), Failure> {
    loop {
        sender.send(bulk.clone()).await?;
    }
}

/// Bulk on the one socket, and before each of its messages the keystrokes that have been made.
async fn interleave(
    mut sender: impl Sender,
    bulk: Bytes,
    mut keys: mpsc::UnboundedReceiver<Bytes>,
) -> Result<(), Failure> {
    loop {
        while let Ok(key) = keys.try_recv() {
            sender.send(key).await?;
            sender.flush().await?;
        }
        sender.send(bulk.clone()).await?;
    }
}

/// Notes what arrives once `warm_up` is over.
async fn receive(
    mut receiver: impl Receiver,
    start: Instant,
    warm_up: Duration,
    arrived: Shared,
) -> Result<(), Failure> {
    while let Some(message) = receiver.recv().await? {
        let now = start.elapsed();
        if now < warm_up {
            continue;
        }
        let mut arrived = arrived.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        match made(&message) {
            Some(made) => arrived.delays.push(now.saturating_sub(made).as_secs_f64() * 1e3),
            None => arrived.bulk += message.len() as u64,
        }
    }
    Err(Failure::Closed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_keystroke_says_when_it_was_made_and_bulk_does_not() {
        let start = Instant::now();
        let message = keystroke(start);
        assert_eq!(message.len(), KEYSTROKE);
        assert!(made(&message).is_some_and(|made| made <= start.elapsed()));
        assert_eq!(made(&Bytes::from(vec![BULK; 64])), None);
        assert_eq!(made(&Bytes::from(vec![KEY; 8])), None);
        assert_eq!(made(&Bytes::new()), None);
    }

    #[test]
    fn pauses_differ_and_keep_to_a_tenth() {
        let pauses: Vec<Duration> = (0..100).map(pause).collect();
        assert!(
            pauses
                .iter()
                .all(|pause| *pause >= PAUSE * 9 / 10 && *pause <= PAUSE * 11 / 10)
        );
        assert!(pauses.windows(2).all(|two| two[0] != two[1]));
    }
}
