//! Medians and percentiles.

/// The value below which `share` (0 to 1) of the sorted values lie, by nearest rank; `None` of none.
pub(crate) fn percentile(values: &[f64], share: f64) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let rank = (share * sorted.len() as f64).ceil() as usize;
    sorted
        .get(rank.saturating_sub(1).min(sorted.len().saturating_sub(1)))
        .copied()
}

/// The middle value, or the mean of the two in the middle; `None` of none.
pub(crate) fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let upper = *sorted.get(sorted.len() / 2)?;
    if sorted.len() % 2 == 1 {
        return Some(upper);
    }
    Some((sorted[sorted.len() / 2 - 1] + upper) / 2.0)
}

/// What one run, or the median of several, has measured.
#[derive(Clone, Debug, Default)]
pub(crate) struct Measured {
    /// Name with unit, and value; the first is the one that is compared.
    pub(crate) figures: Vec<(&'static str, f64)>,
    /// By the second, where that is of interest.
    pub(crate) seconds: Vec<f64>,
}

impl Measured {
    /// The figure that is compared.
    pub(crate) fn first(&self) -> Option<f64> {
        self.figures.first().map(|(_, value)| *value)
    }

    /// Each figure's median over the runs, and the seconds of the last run.
    pub(crate) fn median(runs: &[&Measured]) -> Option<Measured> {
        let last = runs.last()?;
        let of = |at: usize| {
            let values: Vec<f64> = runs
                .iter()
                .filter_map(|run| run.figures.get(at))
                .map(|(_, value)| *value)
                .collect();
            median(&values)
        };
        let named = last.figures.iter().enumerate();
        Some(Measured {
            figures: named.filter_map(|(at, (name, _))| Some((*name, of(at)?))).collect(),
            seconds: last.seconds.clone(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_of_the_nearest_rank() {
        let hundred: Vec<f64> = (1..=100).rev().map(f64::from).collect();
        assert_eq!(percentile(&hundred, 0.5), Some(50.0));
        assert_eq!(percentile(&hundred, 0.99), Some(99.0));
        assert_eq!(percentile(&hundred, 1.0), Some(100.0));
        assert_eq!(percentile(&hundred, 0.0), Some(1.0));
        assert_eq!(percentile(&[3.0, 1.0], 0.99), Some(3.0));
        assert_eq!(percentile(&[], 0.5), None);
    }

    #[test]
    fn the_median_is_the_middle_or_between_the_two() {
        assert_eq!(median(&[5.0, 1.0, 3.0]), Some(3.0));
        assert_eq!(median(&[4.0, 1.0, 3.0, 2.0]), Some(2.5));
        assert_eq!(median(&[]), None);
    }

    #[test]
    fn each_figure_has_its_own_median() {
        let run = |first, second| Measured {
            figures: vec![("a", first), ("b", second)],
            seconds: vec![first],
        };
        let (one, two, three) = (run(1.0, 30.0), run(2.0, 10.0), run(9.0, 20.0));
        let median = Measured::median(&[&one, &two, &three]);
        assert_eq!(median.as_ref().and_then(Measured::first), Some(2.0));
        let median = median.map(|median| (median.figures, median.seconds));
        assert_eq!(median, Some((vec![("a", 2.0), ("b", 20.0)], vec![9.0])));
    }
}
