use std::io::IoSlice;

use super::*;
use crate::framed::{ByteStream, Framed};

/// A socket that does nothing.
struct Stuck;

impl ByteStream for Stuck {
    fn poll_read_slice(&mut self, _: &mut Context<'_>, _: &mut [u8]) -> Poll<io::Result<usize>> {
        Poll::Pending
    }
    fn poll_write(&mut self, _: &mut Context<'_>, _: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        Poll::Pending
    }
    fn poll_flush(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Pending
    }
    fn poll_close(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Pending
    }
}

#[test]
fn connections_that_do_not_close_are_bounded() {
    let mut connections = Connections::default();
    for number in 0..100 {
        let closing = Some(Instant::from_millis(number));
        connections.add(Epoch(number), Box::pin(Framed::new(Stuck)));
        connections
            .active
            .iter_mut()
            .for_each(|active| active.closing = closing);
    }
    assert_eq!(connections.active.len(), CLOSING + 1);
    let newest = connections.active.last().and_then(|active| active.epoch);
    assert_eq!(newest, Some(Epoch(99)), "the oldest go");
}
