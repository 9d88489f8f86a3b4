//! The kinds of fault, and how often each is drawn.

use unbroken_tests::rng::Rng;

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
    Cut 12 "Each direction ends after a number of further bytes; both ends notice, at different times.",
    CutUnnoticed 6 "The same, and one end or both never hear of it.",
    GracefulClose 4 "Somebody in the middle ends both directions politely.",
    Reset 6 "Both ends are told at once; what is under way is gone.",
    HoleForGood 4 "One direction or both go silent for good.",
    HoleHeals 4 "One direction or both go silent, and everything comes after a minute or so.",
    Stall 8 "One direction or both stand still for a while.",
    DialRefused 5 "The next dials are refused.",
    DialHangs 4 "The next dials never end.",
    DialSlow 4 "The next dials take long.",
    DialDies 5 "The next dials succeed and the connection dies at once.",
    CutYoung 10 "The next connections are cut within their first bytes: upgrade, handshake, resume, confirmation.",
    AcceptFails 3 "Accepting fails for want of file handles.",
    ListenerGone 3 "The server listens no more, and again after a while.",
    SlowTask 8 "A task is not polled for a while.",
    SlowProcess 4 "No task of a process is polled for up to 20 s.",
    SleepProcess 1 "A process sleeps for hours.",
    ClockForward 1 "A process's clock jumps forward by up to two days.",
    ClockBack 1 "A process's clock jumps back.",
    PanicDial 1 "A connector panics, before or inside its future.",
    PanicConnection 2 "A connection's code panics.",
    PanicAuthorise 2 "The callback that authorises panics, before or inside its future.",
    DropDriver 1 "A driver is dropped.",
    DropOwner 1 "The server's task that owns a session, or serves a connection, is dropped.",
    ShutDown 1 "A client's runtime ends; its handles are still there.",
    ShutDownServer 1 "The server's runtime ends; its application and handles are still there.",
    KillClient 1 "A client's process dies; another client takes its place.",
    KillServer 1 "The server's process dies; another comes after a while.",
    DropHandles 1 "An application lets go of a session and all its streams.",
    SlowReader 6 "An application stops reading for a while.",
    SlowAccept 3 "The server's application takes no sessions for a while.",
    ResetStream 5 "An application abandons a stream.",
    StopStream 5 "An application asks the peer to stop.",
    Close 2 "An application closes in the middle of everything.",
    CrossClose 1 "Both applications close at once.",
    Abort 1 "An application aborts its session.",
    Migrate 8 "A client moves to another connection.",
    AskToMigrate 6 "A server asks a client to, here or elsewhere.",
    ReconnectNow 4 "A client is told that the network is back.",
    NetworkChanged 4 "One end is told that the network is another one.",
    Probe 4 "An application asks whether the peer is there.",
    Pause 3 "A client does not reconnect for a while.",
    Force 2 "Somebody wants everything tried that may help, or reports that something is broken.",
    Again 3 "A client's session that is over is followed by one that carries on where it ended.",
    Subscribe 6 "Somebody begins to watch a session's events.",
    Inspect 4 "Somebody reads everything that a handle shows, and sets what may be set.",
    Refuse 1 "The server refuses the next client for good.",
    Later 3 "The server tells the next clients: not now.",
    RefreshCredential 3 "The server wants a fresh credential from the next clients.",
    SlowVerdict 4 "The server takes long to authorise the next clients, or never does.",
    Drain 2 "The server is drained for a while.",
    Command 3 "The server asks something of all its sessions.",
    Broadcast 4 "The server tells all sessions something.",
    Attack 6 "Somebody connects who is no client.",
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
