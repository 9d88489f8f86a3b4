//! The numbers and arrows of ARCHITECTURE.md.

/// In the crate of this folder a module, and the modules it may not name.
pub(crate) type Module = (&'static str, &'static str, &'static [&'static str]);

/// What is allowed.
#[derive(Debug)]
pub(crate) struct Rules {
    /// Longest file, tests aside.
    pub(crate) file_lines: usize,
    /// Longest function, tests aside.
    pub(crate) function_lines: usize,
    /// Most lines of all the sources of some crates together, by their folders.
    pub(crate) totals: Vec<(Vec<&'static str>, usize)>,
    /// Arrows that point the wrong way.
    pub(crate) modules: Vec<Module>,
    /// Crates that have no `std`, and their files that ask the processor what it can, which takes it.
    pub(crate) without_std: Vec<(&'static str, &'static [&'static str])>,
}

impl Rules {
    /// Those of this repository.
    pub(crate) fn ours() -> Rules {
        let host = [
            "adapters/driver",
            "adapters/carriers",
            "adapters/tokio",
            "adapters/smol",
            "adapters/async-std",
            "adapters/tungstenite",
        ];
        Rules {
            file_lines: 350,
            function_lines: 80,
            totals: vec![
                (host.to_vec(), 12_800),
                (vec!["adapters/smol"], 150),
                (vec!["adapters/async-std"], 150),
            ],
            modules: modules(),
            without_std: vec![("proto", &["security/suite.rs"])],
        }
    }
}

/// `server → session → accept → stream, liveness, reconnect → reliability, security → wire`: each with what stands
/// above it or beside it.
fn modules() -> Vec<Module> {
    let modules: [(&str, &[&str]); 8] = [
        (
            "wire",
            &[
                "reliability",
                "security",
                "stream",
                "liveness",
                "reconnect",
                "accept",
                "session",
                "server",
            ],
        ),
        (
            "security",
            &[
                "reliability",
                "stream",
                "liveness",
                "reconnect",
                "accept",
                "session",
                "server",
            ],
        ),
        (
            "reliability",
            &[
                "security",
                "stream",
                "liveness",
                "reconnect",
                "accept",
                "session",
                "server",
            ],
        ),
        (
            "stream",
            &["security", "liveness", "reconnect", "accept", "session", "server"],
        ),
        (
            "liveness",
            &[
                "wire",
                "security",
                "reliability",
                "stream",
                "reconnect",
                "accept",
                "session",
                "server",
            ],
        ),
        (
            "reconnect",
            &[
                "wire",
                "security",
                "reliability",
                "stream",
                "liveness",
                "accept",
                "session",
                "server",
            ],
        ),
        ("accept", &["session", "server"]),
        ("session", &["server"]),
    ];
    let layers = modules.into_iter().chain([("ssm", BESIDE_SSM)]);
    let beside = BESIDE_SSM.iter().chain(BELOW_SSM).map(|module| (*module, &["ssm"][..]));
    layers
        .chain(beside)
        .map(|(lower, uppers)| ("proto", lower, uppers))
        .collect()
}

/// What `ssm` may name.
const BELOW_SSM: &[&str] = &[
    "config",
    "error",
    "id",
    "liveness",
    "reconnect",
    "redacted",
    "reliability",
    "rng",
    "setters",
    "time",
];

/// What neither names `ssm` nor is named by it: `lib` alone names it.
const BESIDE_SSM: &[&str] = &[
    "accept", "budget", "event", "limits", "peer", "security", "server", "session", "stats", "stream", "trace", "wire",
];
