//! What the presets promise, worked out from their own table and not from the machine's code.

use unbroken_proto::reconnect::Backoff;

/// A policy and the numbers of its row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pace {
    /// Its name in the documentation.
    pub name: &'static str,
    /// Seconds before the first, the second try, and what each later one is of the one before.
    pub seconds: [f64; 3],
    /// Seconds, at most.
    pub cap: f64,
    /// What of the delay is certain, and how far above it may go.
    pub sure: f64,
    /// See `sure`.
    pub most: f64,
    /// Tries.
    pub tries: Option<u32>,
}

impl Pace {
    /// Every preset.
    pub const ALL: [Pace; 4] = [
        Pace {
            name: "default",
            seconds: [0.1, 0.2, 2.0],
            cap: 30.0,
            sure: 0.0,
            most: 1.0,
            tries: None,
        },
        Pace {
            name: "five_tries",
            seconds: [2.0, 3.0, 1.5],
            cap: 30.0,
            sure: 1.0,
            most: 1.0,
            tries: Some(5),
        },
        Pace {
            name: "five_varied_tries",
            seconds: [1.0, 1.5, 1.5],
            cap: 30.0,
            sure: 0.8,
            most: 1.2,
            tries: Some(5),
        },
        Pace {
            name: "endless_doubling",
            seconds: [1.0, 2.0, 2.0],
            cap: 60.0,
            sure: 1.0,
            most: 1.0,
            tries: None,
        },
    ];

    /// The preset of that name.
    ///
    /// # Panics
    /// When there is none.
    #[must_use]
    pub fn backoff(&self) -> Backoff {
        match self.name {
            "default" => Backoff::default(),
            "five_tries" => Backoff::five_tries(),
            "five_varied_tries" => Backoff::five_varied_tries(),
            "endless_doubling" => Backoff::endless_doubling(),
            other => panic!("no preset is called {other}"),
        }
    }

    fn seconds_before(&self, tries: u32) -> f64 {
        let [first, second, factor] = self.seconds;
        match tries {
            0 => first,
            _ => (second * factor.powi(i32::try_from(tries).unwrap_or(i32::MAX) - 1)).min(self.cap),
        }
    }

    /// The shortest delay before a try that `tries` went before, in nanoseconds. A microsecond is forgiven.
    #[must_use]
    pub fn least(&self, tries: u32) -> u64 {
        (self.seconds_before(tries) * self.sure * 1e9 - 1e3).max(0.0) as u64
    }

    /// The longest.
    #[must_use]
    pub fn most(&self, tries: u32) -> u64 {
        (self.seconds_before(tries) * self.most * 1e9 + 1e3) as u64
    }
}
