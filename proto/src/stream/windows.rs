//! Receive windows: what is granted anew, when a window grows, and when it shrinks.

use super::credit::Reading;
use super::table::Streams;
use crate::id::StreamId;

impl Streams {
    /// `charge` was read or discarded: grant it anew when that is worth a frame.
    pub(super) fn return_credit(&mut self, id: StreamId, charge: u64) {
        self.recv_credit.consume(charge);
        self.keep_fair();
        self.control.session_credit |= self.recv_credit.is_worth_sharing();
        let stream = self.table.get(&id).filter(|_| charge > 0);
        if let Some(stream) = stream {
            let more = !stream.recv.is_settled() && !stream.recv.stopped;
            if more && stream.recv.credit.is_quarter_read() {
                self.control.credit.insert(id);
            }
        }
    }

    /// Something of the stream was read: windows that hold a reader up grow, a stream's and that of all together each for
    /// itself. Where nothing is read nothing grows.
    pub(super) fn grow_windows(&mut self, id: StreamId, reading: Reading) {
        let most = self.limits.max_stream_window;
        let mut wanted = 0;
        if let Some(stream) = self.table.get_mut(&id) {
            let credit = &mut stream.recv.credit;
            if credit.is_outpaced(reading) && credit.window() < most {
                credit.set_window(credit.window().saturating_mul(2).min(most));
                // One stream alone must not be held up by what all have together.
                wanted = credit.window() + credit.window() / 2;
            }
        }
        if self.recv_credit.is_outpaced(reading) {
            wanted = wanted.max(self.recv_credit.window().saturating_mul(2));
        }
        let wanted = wanted.min(self.limits.max_session_window).min(self.fair_window());
        if wanted > self.recv_credit.window() && self.share.grow_to(self.beyond_first(wanted)) {
            self.recv_credit.set_window(wanted);
        }
    }

    /// The session is idle: windows are what they were at first. What the peer was granted beyond that goes back to the
    /// budget as it is used up.
    pub(crate) fn shrink_windows(&mut self) {
        for stream in self.table.values_mut() {
            stream.recv.credit.set_window(self.limits.stream_window);
        }
        self.recv_credit.set_window(self.limits.session_window);
        self.settle_share();
    }

    /// Of a budget that others need, no more is granted anew than is fair, and what the peer used up goes back.
    fn keep_fair(&mut self) {
        if self.share.bytes() == 0 {
            return;
        }
        let fair = self.fair_window();
        self.recv_credit.set_window(self.recv_credit.window().min(fair));
        self.settle_share();
    }

    /// Gives back what neither the window nor what the peer was granted takes of the budget; and, once nothing can arrive
    /// any more, what is not held.
    pub(super) fn settle_share(&mut self) {
        let bound = if self.ended {
            self.recv_credit.held()
        } else {
            self.recv_credit.bound()
        };
        self.share.shrink_to(self.beyond_first(bound));
    }

    /// The largest window for all streams that the budget has a fair part for.
    fn fair_window(&self) -> u64 {
        self.limits.session_window.saturating_add(self.share.fair() as u64)
    }

    /// Of a window for all streams, what comes out of the budget.
    fn beyond_first(&self, window: u64) -> usize {
        usize::try_from(window.saturating_sub(self.limits.session_window)).unwrap_or(usize::MAX)
    }
}
