//! The command line.

use std::num::NonZeroU64;
use std::time::Duration;

use clap::{Parser, ValueEnum};

use crate::relay::Line;
use crate::units;

/// Compares unbroken with plain sockets and with other crates, in one run and by turns.
#[derive(Debug, Parser)]
#[command(version, about)]
pub(crate) struct Options {
    /// Measure only this; may be given several times.
    #[arg(long, value_enum)]
    pub(crate) case: Vec<Case>,
    /// Let only these take part; may be given several times. The baseline always does.
    #[arg(long, value_enum)]
    pub(crate) peer: Vec<Peer>,
    /// Ratios are to this one.
    #[arg(long, value_enum, default_value = "tcp")]
    pub(crate) baseline: Peer,
    /// Runs of each contestant in each case, of which the median is shown.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub(crate) rounds: u32,
    /// Seconds that a run measures [default: 1; with delay or pacing 5, in keystroke 10].
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=3_600))]
    pub(crate) seconds: Option<u32>,
    /// Seconds before it measures, with delay or pacing.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(0..=600))]
    pub(crate) warm_up: u32,
    /// Length of a message, as 64B or 16KiB, up to 1MiB; may be given several times [default: the case's].
    #[arg(long, value_parser = units::message)]
    pub(crate) size: Vec<usize>,
    /// The relay's round trip, as 100ms or 500us [default: the case's].
    #[arg(long, value_parser = units::round_trip)]
    pub(crate) rtt: Option<Duration>,
    /// The relay's rate in bit/s, as 100M; 0: none [default: the case's].
    #[arg(long, value_parser = Rate::parse)]
    pub(crate) rate: Option<Rate>,
    /// Bytes that wait before the relay's bottleneck at most, as 256KiB; without a rate, that it holds at most
    /// [default: the case's].
    #[arg(long, value_parser = units::size)]
    pub(crate) buffer: Option<usize>,
    /// A line of JSON for each contestant in each case, and no tables.
    #[arg(long)]
    pub(crate) json: bool,
}

/// The relay's rate in bits a second, or none.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rate(pub(crate) Option<NonZeroU64>);

impl Rate {
    fn parse(text: &str) -> Result<Rate, units::UnitError> {
        units::rate(text).map(Rate)
    }
}

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Case {
    /// Messages one way over loopback, and the processor's time for both ends.
    Throughput,
    /// One small message there and back.
    PingPong,
    /// Messages one way through the relay while it neither delays nor paces: what the relay itself carries.
    Relay,
    /// Goodput by the second over a line that delays and paces.
    Line,
    /// Goodput over a line that only delays.
    Delay,
    /// A small urgent message now and then beside bulk on a slow line.
    Keystroke,
}

/// Who is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Peer {
    Tcp,
    TcpBuffered,
    Ws,
    WsBatched,
    Yamux,
    Quinn,
    Slozhn,
    SlozhnTuned,
    UnbrokenTcp,
    UnbrokenTuned,
    UnbrokenWs,
}

impl Peer {
    /// As on the command line.
    pub(crate) fn name(self) -> String {
        self.to_possible_value()
            .map_or_else(String::new, |value| value.get_name().to_owned())
    }
}

impl Peer {
    /// The longest message that it carries in its configuration.
    fn largest(self) -> usize {
        match self {
            // What is longer can overflow the default replay buffer, which ends the session.
            Peer::Slozhn => 128 << 10,
            _ => usize::MAX,
        }
    }
}

impl Case {
    /// As on the command line.
    pub(crate) fn name(self) -> String {
        self.to_possible_value()
            .map_or_else(String::new, |value| value.get_name().to_owned())
    }

    /// The case's own line; `None`: there is no relay.
    pub(crate) fn line(self) -> Option<Line> {
        let line = |rtt, rate, buffer| Line {
            rtt: Duration::from_millis(rtt),
            rate: NonZeroU64::new(rate),
            buffer,
        };
        match self {
            Case::Throughput | Case::PingPong => None,
            Case::Relay => Some(line(0, 0, 1 << 20)),
            Case::Line => Some(line(100, 100_000_000, 256 << 10)),
            Case::Delay => Some(line(100, 0, 256 << 20)),
            Case::Keystroke => Some(line(40, 10_000_000, 64 << 10)),
        }
    }

    /// The lengths of its messages.
    pub(crate) fn sizes(self) -> &'static [usize] {
        match self {
            Case::Throughput => &[64, 1 << 10, 16 << 10, 64 << 10, 256 << 10],
            Case::PingPong => &[64],
            Case::Relay => &[64 << 10],
            Case::Line | Case::Delay | Case::Keystroke => &[16 << 10],
        }
    }

    /// How long a run measures.
    pub(crate) fn seconds(self) -> u32 {
        match self {
            Case::Throughput | Case::PingPong | Case::Relay => 1,
            Case::Line | Case::Delay => 5,
            Case::Keystroke => 10,
        }
    }

    /// Whether less is better.
    pub(crate) fn is_delay(self) -> bool {
        self == Case::Keystroke
    }

    /// Whether a contestant has something to say here, with messages of this length.
    pub(crate) fn has(self, peer: Peer, size: usize) -> bool {
        if size > peer.largest() {
            return false;
        }
        match (self, peer) {
            (Case::Throughput, _) => true,
            // Where there is no more to send a buffer is only flushed.
            (_, Peer::TcpBuffered | Peer::WsBatched) => false,
            // Where one message is on the way, windows are of no use.
            (Case::PingPong, peer) => !matches!(peer, Peer::SlozhnTuned | Peer::UnbrokenTuned),
            // The relay by itself needs nobody else.
            (Case::Relay, peer) => peer == Peer::Tcp,
            (Case::Line | Case::Delay | Case::Keystroke, _) => true,
        }
    }
}

impl Options {
    /// The cases to measure.
    pub(crate) fn cases(&self) -> &[Case] {
        if self.case.is_empty() {
            Case::value_variants()
        } else {
            &self.case
        }
    }

    /// Who takes part in a case with messages of this length: the baseline first.
    pub(crate) fn peers(&self, case: Case, size: usize) -> Vec<Peer> {
        let chosen = |peer: &Peer| self.peer.is_empty() || self.peer.contains(peer) || *peer == self.baseline;
        let all = Peer::value_variants().iter().copied();
        let mut peers: Vec<Peer> = all.filter(chosen).filter(|peer| case.has(*peer, size)).collect();
        peers.sort_by_key(|peer| *peer != self.baseline);
        peers
    }

    /// The line of a case, with what the command line says of it.
    pub(crate) fn line(&self, case: Case) -> Option<Line> {
        let line = case.line()?;
        Some(Line {
            rtt: self.rtt.unwrap_or(line.rtt),
            rate: self.rate.map_or(line.rate, |Rate(rate)| rate),
            buffer: self.buffer.unwrap_or(line.buffer),
        })
    }

    /// The lengths of messages in a case.
    pub(crate) fn sizes(&self, case: Case) -> &[usize] {
        if self.size.is_empty() { case.sizes() } else { &self.size }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(words: &[&str]) -> Result<Options, clap::Error> {
        Options::try_parse_from(["unbroken-peers"].iter().chain(words))
    }

    #[test]
    fn the_baseline_takes_part_first_whoever_is_chosen() {
        let chosen = options(&["--peer", "yamux", "--peer", "tcp", "--baseline", "unbroken-ws"]);
        let peers = chosen.map(|chosen| chosen.peers(Case::Throughput, 64)).ok();
        assert_eq!(peers, Some(vec![Peer::UnbrokenWs, Peer::Tcp, Peer::Yamux]));
    }

    #[test]
    fn who_cannot_does_not_take_part() {
        let all = options(&[]).ok();
        let with = |case, size| all.as_ref().map(|all| all.peers(case, size)).unwrap_or_default();
        assert!(with(Case::Throughput, 128 << 10).contains(&Peer::Slozhn));
        assert!(!with(Case::Throughput, 256 << 10).contains(&Peer::Slozhn));
        assert!(!with(Case::PingPong, 64).contains(&Peer::WsBatched));
        assert_eq!(with(Case::Relay, 64), [Peer::Tcp]);
        assert!(
            Case::value_variants()
                .iter()
                .all(|case| with(*case, 64).first() == Some(&Peer::Tcp))
        );
    }

    #[test]
    fn the_command_line_changes_the_line_where_it_says_so() {
        let changed = options(&["--rtt", "20ms", "--rate", "0", "--buffer", "1MiB"]).ok();
        let expected = Line {
            rtt: Duration::from_millis(20),
            rate: None,
            buffer: 1 << 20,
        };
        assert_eq!(
            changed.as_ref().and_then(|changed| changed.line(Case::Line)),
            Some(expected)
        );
        assert_eq!(changed.and_then(|changed| changed.line(Case::Throughput)), None);
        let unchanged = options(&["--rtt", "20ms"])
            .ok()
            .and_then(|options| options.line(Case::Line));
        assert_eq!(unchanged.and_then(|line| line.rate), NonZeroU64::new(100_000_000));
    }

    #[test]
    fn what_cannot_be_is_refused() {
        for words in [
            ["--rounds", "0"],
            ["--size", "2MiB"],
            ["--case", "nope"],
            ["--rate", "1Q"],
            ["--buffer", "0"],
        ] {
            assert!(options(&words).is_err(), "{words:?}");
        }
    }
}
