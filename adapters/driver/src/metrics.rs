//! Counters through the `metrics` facade, with the feature of that name; else nothing. Their names: the crate documentation.

#[cfg(feature = "metrics")]
mod on {
    use ::metrics::{Counter, counter, gauge, histogram};
    use unbroken_proto::event::{EndReason, Event, Swap};
    use unbroken_proto::reconnect::Outcome;
    use unbroken_proto::stats::Stats;
    use unbroken_proto::{Cause, Side};

    /// What the metrics of one session have been told.
    pub(crate) struct Metrics {
        side: &'static str,
        counters: [Counter; 6],
        told: [u64; 6],
        established: bool,
    }

    impl Metrics {
        pub(crate) fn new(side: Side) -> Metrics {
            let side = match side {
                Side::Client => "client",
                Side::Server => "server",
            };
            Metrics {
                side,
                counters: [
                    counter!("unbroken_packets_sent_total", "side" => side),
                    counter!("unbroken_packets_received_total", "side" => side),
                    counter!("unbroken_payload_sent_bytes_total", "side" => side),
                    counter!("unbroken_payload_received_bytes_total", "side" => side),
                    counter!("unbroken_replayed_bytes_total", "side" => side),
                    counter!("unbroken_duplicate_frames_total", "side" => side),
                ],
                told: [0; 6],
                established: false,
            }
        }

        pub(crate) fn stats(&mut self, stats: &Stats) {
            let now = [
                stats.packets_sent,
                stats.packets_received,
                stats.payload_sent,
                stats.payload_received,
                stats.replayed_bytes,
                stats.duplicate_frames,
            ];
            for ((counter, told), now) in self.counters.iter().zip(&mut self.told).zip(now) {
                if now > *told {
                    counter.increment(now - *told);
                    *told = now;
                }
            }
        }

        pub(crate) fn event(&mut self, event: &Event) {
            let side = self.side;
            match event {
                Event::Established { .. } => {
                    self.established = true;
                    counter!("unbroken_sessions_total", "side" => side).increment(1);
                    gauge!("unbroken_sessions", "side" => side).increment(1.0);
                }
                Event::Attached { swap, gap, .. } => {
                    let kind = match swap {
                        Swap::First => "first",
                        Swap::Planned => "planned",
                        Swap::Unplanned => "unplanned",
                    };
                    counter!("unbroken_attaches_total", "side" => side, "swap" => kind).increment(1);
                    if *swap == Swap::Unplanned {
                        histogram!("unbroken_resume_seconds", "side" => side).record(gap.as_secs_f64());
                    }
                }
                Event::Detached { cause } => {
                    counter!("unbroken_detaches_total", "side" => side, "cause" => cause_name(*cause)).increment(1);
                }
                Event::Reconnect(attempt) => {
                    let outcome = match attempt.outcome {
                        Outcome::Succeeded => "succeeded",
                        Outcome::Failed(_) => "failed",
                        Outcome::Abandoned => "abandoned",
                        _ => return,
                    };
                    counter!("unbroken_attempts_total", "side" => side, "outcome" => outcome).increment(1);
                }
                _ => {}
            }
        }

        pub(crate) fn ended(&mut self, reason: &EndReason) {
            counter!("unbroken_ends_total", "side" => self.side, "reason" => reason_name(reason)).increment(1);
            if std::mem::take(&mut self.established) {
                gauge!("unbroken_sessions", "side" => self.side).decrement(1.0);
            }
        }
    }

    /// The variant's name, without what it holds: a label has few values.
    fn reason_name(reason: &EndReason) -> String {
        let text = format!("{reason:?}");
        text.chars().take_while(char::is_ascii_alphanumeric).collect()
    }

    fn cause_name(cause: Cause) -> String {
        cause.to_string()
    }
}

#[cfg(not(feature = "metrics"))]
mod on {
    use unbroken_proto::Side;
    use unbroken_proto::event::{EndReason, Event};
    use unbroken_proto::stats::Stats;

    pub(crate) struct Metrics;

    impl Metrics {
        pub(crate) fn new(_: Side) -> Metrics {
            Metrics
        }

        pub(crate) fn stats(&mut self, _: &Stats) {}

        pub(crate) fn event(&mut self, _: &Event) {}

        pub(crate) fn ended(&mut self, _: &EndReason) {}
    }
}

pub(crate) use on::Metrics;
