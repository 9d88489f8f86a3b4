use alloc::vec::Vec;

use super::*;
use crate::config::Seed;
use crate::rng::Rng;

fn at(millis: u64) -> Instant {
    Instant::from_millis(millis)
}

#[test]
fn what_is_due_comes_in_order_and_once() {
    let mut timers = Timers::new();
    for (key, millis) in [(1, 30), (2, 10), (3, 20), (4, 40)] {
        timers.set(key, Some(at(millis)));
    }
    timers.set(3, None);
    timers.set(4, Some(at(5)));
    timers.set(4, Some(at(5)));
    assert_eq!((timers.next(), timers.len()), (Some(at(5)), 3));
    let due: Vec<_> = core::iter::from_fn(|| timers.pop_due(at(29))).collect();
    assert_eq!(due, [4, 2]);
    assert_eq!(
        (timers.next(), timers.len(), timers.is_empty()),
        (Some(at(30)), 1, false)
    );
    timers.set(1, None);
    timers.set(1, None);
    assert_eq!((timers.next(), timers.is_empty()), (None, true));
}

#[test]
fn it_agrees_with_a_look_at_all_of_them() {
    let mut rng = Rng::new(&Seed([3; 32]));
    let (mut timers, mut plain) = (Timers::new(), BTreeMap::new());
    for now in 0..2_000 {
        let (key, wait) = (rng.next_u64() % 50, rng.next_u64() % 100);
        let deadline = (wait > 5).then(|| at(now + wait));
        timers.set(key, deadline);
        match deadline {
            Some(deadline) => plain.insert(key, deadline),
            None => plain.remove(&key),
        };
        assert_eq!(timers.next(), plain.values().min().copied());
        while let Some(due) = timers.pop_due(at(now)) {
            assert!(plain.remove(&due).is_some_and(|deadline| deadline <= at(now)));
        }
        assert!(plain.values().all(|deadline| *deadline > at(now)));
    }
}
