//! What arrives over a line that delays, and may pace: by the second, after a warm-up.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use super::Setting;
use crate::contestant::{Contestant, Lane, Receiver, Sender};
use crate::failure::Failure;
use crate::figures::{Measured, percentile};

/// Sends without pause; counts the bytes of whole messages that have arrived.
pub(super) async fn run<C: Contestant>(setting: Setting) -> Result<Measured, Failure> {
    let (Lane { near, far }, guard) = C::open(setting.network, 1).await?.one()?;
    let message = Bytes::from(vec![7; setting.size]);
    let arrived = Arc::new(AtomicU64::new(0));
    let mut sending = tokio::spawn(send(near.sender, message));
    let mut receiving = tokio::spawn(count(far.receiver, Arc::clone(&arrived)));
    let seconds = tokio::select! {
        seconds = watch(setting, &arrived) => seconds,
        Err(failure) = async { (&mut sending).await? } => return Err(failure),
        Err(failure) = async { (&mut receiving).await? } => return Err(failure),
    };
    sending.abort();
    receiving.abort();
    drop((near.receiver, far.sender, guard));
    let mean = seconds.iter().sum::<f64>() / seconds.len() as f64;
    let slowest = percentile(&seconds, 0.0).ok_or(Failure::TooShort)?;
    let mut figures = vec![("MB/s", mean), ("slowest second", slowest)];
    if let Some(rate) = setting.network.line.and_then(|line| line.rate) {
        figures.push(("% of the line", mean * 8e6 / rate.get() as f64 * 100.0));
    }
    Ok(Measured { figures, seconds })
}

/// Sends until it is aborted.
async fn send(mut sender: impl Sender, message: Bytes) -> Result<(), Failure> {
    loop {
        sender.send(message.clone()).await?;
    }
}

/// Counts until it is aborted.
async fn count(mut receiver: impl Receiver, arrived: Arc<AtomicU64>) -> Result<(), Failure> {
    while let Some(message) = receiver.recv().await? {
        arrived.fetch_add(message.len() as u64, Ordering::Relaxed);
    }
    Err(Failure::Closed)
}

/// The megabytes a second of each second after the warm-up.
async fn watch(setting: Setting, arrived: &AtomicU64) -> Vec<f64> {
    tokio::time::sleep(setting.warm_up).await;
    let (mut before, mut since) = (arrived.load(Ordering::Relaxed), Instant::now());
    let end = since + setting.length;
    let mut seconds = Vec::new();
    while since < end {
        tokio::time::sleep_until((since + Duration::from_secs(1)).min(end)).await;
        let (now, at) = (arrived.load(Ordering::Relaxed), Instant::now());
        seconds.push((now - before) as f64 / at.duration_since(since).as_secs_f64() / 1e6);
        (before, since) = (now, at);
    }
    seconds
}
