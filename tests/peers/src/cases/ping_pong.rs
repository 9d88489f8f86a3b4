//! One message there and back, then the next.

use std::time::Instant;

use bytes::Bytes;

use super::Setting;
use crate::contestant::{Contestant, Lane, Receiver as _, Sender as _};
use crate::failure::Failure;
use crate::figures::{Measured, percentile};

/// Round trips for the run's length.
pub(super) async fn run<C: Contestant>(setting: Setting) -> Result<Measured, Failure> {
    let (Lane { mut near, mut far }, guard) = C::open(setting.network, 1).await?.one()?;
    let message = Bytes::from(vec![7; setting.size]);
    let echoing = tokio::spawn(async move {
        while let Some(message) = far.receiver.recv().await? {
            far.sender.send(message).await?;
            far.sender.flush().await?;
        }
        Ok::<_, Failure>(())
    });
    let asking = tokio::spawn(async move {
        let (mut times, begin) = (Vec::new(), Instant::now());
        while begin.elapsed() < setting.length {
            let asked = Instant::now();
            near.sender.send(message.clone()).await?;
            near.sender.flush().await?;
            near.receiver.recv().await?.ok_or(Failure::Closed)?;
            times.push(asked.elapsed().as_secs_f64() * 1e6);
        }
        Ok::<_, Failure>((times, begin.elapsed().as_secs_f64(), near))
    });
    let (times, elapsed, near) = asking.await??;
    echoing.abort();
    drop((near, guard));
    let at = |share| percentile(&times, share).ok_or(Failure::TooShort);
    Ok(Measured {
        figures: vec![
            ("k round trips/s", times.len() as f64 / elapsed / 1e3),
            ("p50 us", at(0.5)?),
            ("p99 us", at(0.99)?),
        ],
        seconds: Vec::new(),
    })
}
