//! What is built from outside is tested with the session; here what no frame leads to easily.

use super::*;
use crate::config::Seed;
use crate::rng::Rng;
use crate::security::AtRest;
use crate::time::Instant;

/// Else it would wait for a record that nobody has a reason to write.
#[test]
fn what_depends_on_nothing_more_is_not_withheld() {
    let mut journal = Journal::new(&AtRest::in_the_clear(), None, 0, &mut Rng::new(&Seed([1; 32])));
    assert!(journal.withhold(News::Closing), "nothing is kept yet");
    let snapshot = journal.snapshot(Instant::ZERO, Positions::default(), &[]);
    assert!(journal.next_news().is_none());
    journal.on_kept(snapshot.number);
    assert_eq!(journal.next_news(), Some(News::Closing));
    assert!(!journal.withhold(News::Closing) && !journal.holds_news());
}
