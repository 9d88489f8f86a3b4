//! Messages one way as fast as they go, and what that costs the processor.

use std::time::Instant;

use bytes::Bytes;
use cpu_time::ProcessTime;

use super::Setting;
use crate::contestant::{Contestant, Lane, Receiver as _, Sender as _};
use crate::failure::Failure;
use crate::figures::Measured;

/// So many messages are sent between two looks at the clock.
const BETWEEN_LOOKS: u64 = 16;

/// Sends for the run's length, and measures until the last message has arrived.
pub(super) async fn run<C: Contestant>(setting: Setting) -> Result<Measured, Failure> {
    let (Lane { near, far }, guard) = C::open(setting.network, 1).await?.one()?;
    let message = Bytes::from(vec![7; setting.size]);
    let (processor, begin) = (ProcessTime::try_now()?, Instant::now());
    let sending = tokio::spawn(async move {
        let (mut near, mut sent) = (near, 0_u64);
        while begin.elapsed() < setting.length {
            for _ in 0..BETWEEN_LOOKS {
                near.sender.send(message.clone()).await?;
            }
            sent += BETWEEN_LOOKS;
        }
        near.sender.finish().await?;
        Ok::<_, Failure>((sent, near))
    });
    let receiving = tokio::spawn(async move {
        let (mut far, mut received) = (far, 0_u64);
        while let Some(message) = far.receiver.recv().await? {
            received += u64::from(message.len() == setting.size);
        }
        Ok::<_, Failure>((received, far))
    });
    let (received, far) = receiving.await??;
    let (elapsed, processor) = (begin.elapsed().as_secs_f64(), processor.try_elapsed()?.as_secs_f64());
    let (sent, near) = sending.await??;
    drop((near, far, guard));
    if sent != received {
        return Err(Failure::Lost { sent, received });
    }
    let bytes = received as f64 * setting.size as f64;
    let mut figures = vec![
        ("MB/s", bytes / elapsed / 1e6),
        ("k messages/s", received as f64 / elapsed / 1e3),
    ];
    // With a relay its own work would be counted, too.
    if setting.network.line.is_none() {
        figures.push(("CPU s/GiB", processor * f64::from(1 << 30) / bytes));
    }
    Ok(Measured {
        figures,
        seconds: Vec::new(),
    })
}
