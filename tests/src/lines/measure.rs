//! What is counted.

/// What became of a case.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Measured {
    /// Payload bytes that arrived at the application, and what a plain stream alone would have carried.
    pub goodput: (u64, u64),
    /// What each on the line carried meanwhile: the session, and who else there is.
    pub shares: Vec<u64>,
    /// How long bytes waited before the link: half of them, and all but one in twenty, at most.
    pub waited: Percentiles,
    /// How long urgent messages were under way: half of them, and all but one in a hundred.
    pub urgent: Percentiles,
    /// The most bytes of the sender's outbox: ever, and since it settled.
    pub outbox: (usize, usize),
    /// The most bytes that the receiver held, ever.
    pub unread: usize,
    /// What the receiver's windows had grown by, if that is known.
    pub granted: Option<usize>,
    /// Packets of the session since it settled: from the sender, and from the receiver.
    pub packets: (u64, u64),
}

/// Nanoseconds below which parts of the samples are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Percentiles {
    /// Half of them.
    pub half: u64,
    /// All but the part that is looked at.
    pub most: u64,
    /// How many there were.
    pub samples: usize,
}

impl Percentiles {
    /// Of `samples`, half and `percent` of a hundred.
    pub(super) fn of(samples: &mut [u64], percent: usize) -> Percentiles {
        samples.sort_unstable();
        let at = |part: usize| {
            samples
                .get((samples.len() * part).div_ceil(100).saturating_sub(1))
                .copied()
        };
        Percentiles {
            half: at(50).unwrap_or(0),
            most: at(percent).unwrap_or(0),
            samples: samples.len(),
        }
    }
}
