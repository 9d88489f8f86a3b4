//! The kinds of fault, and how often each is drawn.

use crate::rng::Rng;

macro_rules! faults {
    ($($name:ident $weight:literal $doc:literal),+ $(,)?) => {
        /// Something that goes wrong, or happens at a bad moment.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Fault { $(#[doc = $doc] $name),+ }

        impl Fault {
            /// All of them.
            pub const ALL: &'static [Fault] = &[$(Fault::$name),+];

            /// How often it is drawn, relative to the others, where it is on at all.
            #[must_use]
            pub fn weight(self) -> u64 {
                match self { $(Fault::$name => $weight),+ }
            }

            /// Its name for counters.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Fault::$name => concat!("fault: ", stringify!($name))),+ }
            }
        }
    };
}

faults! {
    Cut 12 "Both directions end after a drawn number of further bytes each; both ends notice, at different times.",
    CutUnnoticed 6 "The same, and one end or both never hear of it.",
    GracefulClose 4 "A middlebox closes both ends politely.",
    Reset 6 "Both ends are told at once; what is in flight is gone.",
    HoleOneWay 4 "One direction goes silent for good.",
    HoleBoth 4 "Both directions go silent for good.",
    Stall 8 "One direction or both stand still for a while, then everything comes.",
    Corrupt 3 "A byte is changed on its way.",
    Inject 3 "Bytes appear that nobody sent.",
    Duplicate 3 "A stretch of bytes comes twice.",
    CutYoung 10 "The next connection is cut within its first bytes (handshake, resume, confirmation).",
    DialRefused 5 "The next dials are refused.",
    DialHangs 3 "The next dials never end.",
    DialDies 5 "The next dials succeed and the connection dies at once.",
    DialSlow 4 "The next dials take long, so that they may succeed out of order.",
    DialImpostor 4 "The next dials reach somebody else, who answers junk, old packets or refusals.",
    MigrateClient 10 "The client's host asks for a planned swap.",
    MigrateServer 8 "The server's host asks for one.",
    MigrateBoth 4 "Both at once.",
    MigrateThenCut 8 "A planned swap, and the old connection is cut while it goes on.",
    StallHost 5 "A host does nothing for up to 20 s.",
    SleepHost 1 "A host sleeps for eight hours.",
    ClockForward 1 "A host's clock jumps forward by up to two days.",
    ClockBack 1 "A host's clock jumps back by up to two hours.",
    LateTimer 6 "A host's timer fires late.",
    SpuriousTimeout 8 "A host calls handle_timeout for no reason.",
    ReconnectNow 4 "The host knows that the network is back.",
    NetworkChanged 4 "The host knows that the network is another one.",
    Gateway 4 "On connections from now on something lets no packet through that is longer than it likes, or nothing does so any more.",
    Probe 4 "A host asks whether its peer is there.",
    Partial 4 "A host says that bytes of packets came that are not whole.",
    SlowReader 6 "An application stops reading for a while.",
    ResetStream 5 "An application abandons a stream.",
    StopStream 5 "An application asks the peer to stop.",
    ReplayFirst 6 "A recorded first packet is sent again on a connection of the attacker's.",
    RaceFirst 5 "A copy of the next RESUME or HELLO reaches the server before the original.",
    ForgeFirst 5 "A recorded first packet with changed bytes.",
    Junk 3 "Random bytes on a connection of the attacker's.",
    Flood 2 "Many connections that say nothing.",
    RetryLater 3 "The accepting host answers the next clients: not now.",
    RefreshCredential 2 "The accepting host wants a fresh credential from the next clients.",
    Close 2 "An application closes in the middle of everything.",
    CrossClose 1 "Both applications close at once.",
    Abort 1 "A host aborts its session.",
    KillClient 1 "The client's process is gone.",
    KillTask 1 "The server's task that owned a session is gone.",
    Restart 1 "The server starts again with nothing.",
    Refuse 1 "The accepting host refuses the next client for good.",
}

/// Which faults a schedule draws from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Swarm {
    on: Vec<Fault>,
    total: u64,
}

impl Swarm {
    /// About half of them.
    #[must_use]
    pub fn draw(rng: &mut Rng) -> Swarm {
        let kept = *rng.pick(&[500, 300, 500, 800]);
        Swarm::of(Fault::ALL.iter().copied().filter(|_| rng.chance(kept)).collect())
    }

    /// Exactly these.
    #[must_use]
    pub fn of(on: Vec<Fault>) -> Swarm {
        let total = on.iter().map(|fault| fault.weight()).sum();
        Swarm { on, total }
    }

    /// One of those that are on.
    pub fn next(&self, rng: &mut Rng) -> Option<Fault> {
        let mut left = rng.below(self.total);
        for fault in &self.on {
            match left.checked_sub(fault.weight()) {
                Some(rest) => left = rest,
                None => return Some(*fault),
            }
        }
        None
    }
}
