//! How an executor may behave without breaking a rule of futures.

use unbroken_tests::rng::Rng;

/// Which of the tasks that are ready runs next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// The oldest task.
    Oldest,
    /// The newest task.
    Newest,
    /// Any.
    Random,
}

/// See the module. All chances are in a thousand, all times in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Style {
    /// Who runs next.
    pub order: Order,
    /// A wake-up is acted upon only later.
    pub late: u64,
    /// By how much, at most.
    pub late_by: u64,
    /// A task is polled although nobody woke it, at each step.
    pub spurious: u64,
    /// A task that was woken is polled once more after that.
    pub twice: u64,
    /// A sleep ends late by up to this much.
    pub sleep_late: u64,
    /// A sleep ends early.
    pub sleep_early: u64,
    /// A task that panicked is dropped while the panic unwinds (as a task without a guard is), instead of afterwards.
    pub drop_unwinding: bool,
    /// A wake-up calls back into the handles that the application holds, as an inline executor does.
    pub probing: bool,
}

const MS: u64 = 1_000_000;

impl Style {
    /// One that does nothing strange.
    #[must_use]
    pub const fn plain() -> Style {
        Style {
            order: Order::Oldest,
            late: 0,
            late_by: 0,
            spurious: 0,
            twice: 0,
            sleep_late: 0,
            sleep_early: 0,
            drop_unwinding: false,
            probing: false,
        }
    }

    /// Draws one; in each about half of the oddities are off.
    #[must_use]
    pub fn draw(rng: &mut Rng) -> Style {
        let late = rng.chance(400);
        Style {
            order: *rng.pick(&[Order::Random, Order::Oldest, Order::Newest]),
            late: if late { *rng.pick(&[50, 500, 1_000]) } else { 0 },
            late_by: *rng.pick(&[1_000, MS, 50 * MS]),
            spurious: *rng.pick(&[0, 0, 20, 200]),
            twice: *rng.pick(&[0, 0, 100, 1_000]),
            sleep_late: *rng.pick(&[0, 0, MS, 300 * MS]),
            sleep_early: *rng.pick(&[0, 0, 100, 500]),
            drop_unwinding: rng.chance(500),
            probing: rng.chance(300),
        }
    }
}
