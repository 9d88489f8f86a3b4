//! What sessions may be granted together beyond the windows that they begin with.

use alloc::sync::Arc;
use core::sync::atomic::{AtomicUsize, Ordering};

/// Bytes that receive windows of several sessions may grow by, together.
///
/// A session begins with [`session_window`](crate::SessionConfig::session_window), which costs nothing here. When its
/// reader keeps up, its window grows out of the budget, up to
/// [`max_session_window`](crate::SessionConfig::max_session_window) and to a fair part: never more than is left. One that
/// has more than is left, because others came, is granted less from then on. What a session was granted comes back as its
/// peer uses it up without being granted it anew, once the session is idle, and whole when the session ends: what a peer was
/// told that it may send cannot be taken back, so that the bound is a hard one.
///
/// A clone is the same budget. A registry has one of 1 GiB for its sessions, unless
/// [`SessionConfig::window_budget`](crate::SessionConfig::window_budget) names another; a session that dials has none unless one is named.
///
/// ```
/// use unbroken_proto::{SessionConfig, config::WindowBudget};
/// let budget = WindowBudget::new(64 << 20);
/// let config = SessionConfig::default().with_window_budget(Some(budget.clone()));
/// assert_eq!((budget.size(), budget.granted()), (64 << 20, 0));
/// # assert!(config.validate().is_ok());
/// ```
#[derive(Clone, Debug)]
pub struct WindowBudget(Arc<Pot>);

#[derive(Debug)]
struct Pot {
    size: usize,
    granted: AtomicUsize,
}

impl Pot {
    /// The largest fair part for somebody who has `own` of the `granted` bytes.
    fn fair(&self, granted: usize, own: usize) -> usize {
        self.size.saturating_sub(granted - own) / 2
    }
}

impl WindowBudget {
    /// A budget of `bytes`; 0: no window grows.
    #[must_use]
    pub fn new(bytes: usize) -> WindowBudget {
        WindowBudget(Arc::new(Pot {
            size: bytes,
            granted: AtomicUsize::new(0),
        }))
    }

    /// How large it is, in bytes.
    #[must_use]
    pub fn size(&self) -> usize {
        self.0.size
    }

    /// How much of it sessions have now, in bytes.
    #[must_use]
    pub fn granted(&self) -> usize {
        self.0.granted.load(Ordering::Relaxed)
    }
}

/// The same pot.
impl PartialEq for WindowBudget {
    fn eq(&self, other: &WindowBudget) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for WindowBudget {}

/// One session's part of a budget, which goes back when it is dropped.
#[derive(Debug)]
pub(crate) struct Share {
    budget: Option<WindowBudget>,
    bytes: usize,
}

impl Share {
    /// None yet. Without a budget every part is fair.
    pub(crate) fn of(budget: Option<WindowBudget>) -> Share {
        Share { budget, bytes: 0 }
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// The largest part that is fair now: as much as is left beside it.
    pub(crate) fn fair(&self) -> usize {
        let budget = self.budget.as_ref();
        budget.map_or(usize::MAX, |WindowBudget(pot)| {
            pot.fair(pot.granted.load(Ordering::Relaxed), self.bytes)
        })
    }

    /// Makes the part `wanted` bytes large. False: no fair part is so large, and nothing changed.
    pub(crate) fn grow_to(&mut self, wanted: usize) -> bool {
        let own = self.bytes;
        let grow = |WindowBudget(pot): &WindowBudget| {
            pot.granted
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |granted| {
                    (wanted <= pot.fair(granted, own)).then(|| granted - own + wanted)
                })
                .is_ok()
        };
        let granted = self.budget.as_ref().is_none_or(grow);
        if granted {
            self.bytes = wanted;
        }
        granted
    }

    /// Gives back all but `bytes`.
    pub(crate) fn shrink_to(&mut self, bytes: usize) {
        let back = self.bytes.saturating_sub(bytes);
        if let Some(WindowBudget(pot)) = &self.budget {
            pot.granted.fetch_sub(back, Ordering::Relaxed);
        }
        self.bytes -= back;
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.shrink_to(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn share(budget: &WindowBudget) -> Share {
        Share::of(Some(budget.clone()))
    }

    #[test]
    fn a_part_is_no_larger_than_what_is_left() {
        let budget = WindowBudget::new(1_000);
        let (mut first, mut second) = (share(&budget), share(&budget));
        assert!(!first.grow_to(501));
        assert!(first.grow_to(500));
        assert!(!second.grow_to(251) && second.grow_to(250));
        assert_eq!(budget.granted(), 750);
        assert_eq!(
            (first.fair(), second.fair()),
            (375, 250),
            "the first has more than is fair by now"
        );
        first.shrink_to(300);
        assert_eq!((budget.granted(), first.bytes()), (550, 300));
        first.shrink_to(400);
        assert_eq!(first.bytes(), 300, "it only gives back");
    }

    #[test]
    fn everything_comes_back() {
        let budget = WindowBudget::new(1_000);
        let mut shares: alloc::vec::Vec<Share> = (0..10).map(|_| share(&budget)).collect();
        for bytes in [10, 60, 20] {
            shares.iter_mut().for_each(|share| {
                share.grow_to(bytes);
            });
        }
        assert!(budget.granted() > 0 && budget.granted() <= 1_000);
        drop(shares);
        assert_eq!(budget.granted(), 0);
    }

    #[test]
    fn without_a_budget_every_part_is_fair() {
        let mut share = Share::of(None);
        assert!(share.grow_to(usize::MAX) && share.fair() == usize::MAX);
        share.shrink_to(1);
        assert_eq!(share.bytes(), 1);
    }

    #[test]
    fn no_size_overflows() {
        let budget = WindowBudget::new(usize::MAX);
        let (mut first, mut second) = (share(&budget), share(&budget));
        assert!(first.grow_to(usize::MAX / 2));
        assert!(!second.grow_to(usize::MAX) && second.grow_to(1 << 20));
    }
}
