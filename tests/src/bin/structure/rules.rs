//! The numbers and arrows of ARCHITECTURE.md.

/// What is allowed.
#[derive(Debug)]
pub(crate) struct Rules {
    /// Longest file, tests aside.
    pub(crate) file_lines: usize,
    /// Longest function, tests aside.
    pub(crate) function_lines: usize,
    /// Most lines of all the sources of some crates together, by their folders.
    pub(crate) totals: Vec<(Vec<&'static str>, usize)>,
    /// In the crate of this folder, which rooms a room may not name.
    pub(crate) rooms: Vec<(&'static str, &'static str, &'static [&'static str])>,
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
                (host.to_vec(), 8_200),
                (vec!["adapters/smol"], 150),
                (vec!["adapters/async-std"], 150),
            ],
            rooms: vec![
                (
                    "proto",
                    "wire",
                    &[
                        "session",
                        "server",
                        "stream",
                        "reliability",
                        "reconnect",
                        "security",
                        "liveness",
                    ],
                ),
                (
                    "proto",
                    "security",
                    &["session", "server", "stream", "reliability", "reconnect", "liveness"],
                ),
                (
                    "proto",
                    "reliability",
                    &["session", "server", "stream", "reconnect", "security", "liveness"],
                ),
                (
                    "proto",
                    "stream",
                    &["session", "server", "reconnect", "security", "liveness"],
                ),
                (
                    "proto",
                    "reconnect",
                    &[
                        "session",
                        "server",
                        "stream",
                        "reliability",
                        "security",
                        "liveness",
                        "wire",
                    ],
                ),
                (
                    "proto",
                    "liveness",
                    &[
                        "session",
                        "server",
                        "stream",
                        "reliability",
                        "reconnect",
                        "security",
                        "wire",
                    ],
                ),
            ],
            without_std: vec![("proto", &["security/suite.rs"])],
        }
    }
}
