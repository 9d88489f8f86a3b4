//! Who owns a journal, and how long it is there.

use std::time::{Duration, Instant};

use unbroken_store::{JournalId, Snapshot, Store};

use super::{expect, fresh, is_fenced, is_listed, kept, numbered, snapshot};

pub(crate) async fn fences_grow(store: &dyn Store) {
    let id = fresh("fences");
    let mut last = expect(store, &id, None, []).await;
    for _ in 0..5 {
        let next = expect(store, &id, None, []).await;
        assert!(next > last, "{next:?} after {last:?}");
        last = next;
    }
}

/// An owner before the present one has no effect, whatever it says.
pub(crate) async fn the_late_writer(store: &dyn Store) {
    let id = fresh("late");
    let late = expect(store, &id, None, []).await;
    store.append(&id, late, 1, &numbered(1..=3)).await.unwrap();
    let owner = expect(store, &id, None, 1..=3).await;
    // What it said before is refused as well: it must learn that it has lost the journal.
    assert!(is_fenced(&store.append(&id, late, 1, &numbered(1..=3)).await));
    assert!(is_fenced(&store.append(&id, late, 4, &numbered([4])).await));
    assert!(is_fenced(&store.append(&id, late, 9, &numbered([9])).await));
    assert!(is_fenced(&store.replace(&id, late, &snapshot(3)).await));
    assert!(is_fenced(&store.release(&id, late).await));
    assert!(is_fenced(&store.remove(&id, late).await));
    // The owner did not lose it by that.
    store.append(&id, owner, 4, &numbered([4, 5])).await.unwrap();
    store.replace(&id, owner, &snapshot(2)).await.unwrap();
    expect(store, &id, Some(2), 3..=5).await;
    assert!(is_fenced(&store.append(&id, owner, 6, &numbered([6])).await));
    expect(store, &id, Some(2), 3..=5).await;
}

pub(crate) async fn empty_journals(store: &dyn Store) {
    let id = fresh("empty");
    let (_, journal) = kept(store, &id).await;
    assert_eq!((journal.snapshot, journal.records), (None, vec![]));
    let fence = expect(store, &id, None, []).await;
    store.release(&id, fence).await.unwrap();
    let fence = expect(store, &id, None, []).await;
    store.remove(&id, fence).await.unwrap();
    assert!(!is_listed(store, &id).await);
}

pub(crate) async fn names_at_their_limits(store: &dyn Store) {
    // One that is the beginning of another, the longest ones that differ in the last character, the odd ones, and case.
    let long = fresh("x").to_string() + &"y".repeat(64);
    let long = &long[..62];
    let unique = fresh("n").to_string();
    let mut ids: Vec<JournalId> = [
        unique.clone(),
        format!("{unique}-"),
        format!("{unique}_"),
        format!("{unique}0"),
        format!("-{unique}"),
        format!("_{unique}"),
        unique.to_uppercase(),
        format!("{long}-a"),
        format!("{long}-b"),
        format!("{long}_A"),
    ]
    .iter()
    .map(|name| name.parse().unwrap())
    .collect();
    // Names that nobody can make unique; whoever was here before has left them.
    let short: Vec<JournalId> = ["-", "_", "A", "a"].iter().map(|name| name.parse().unwrap()).collect();
    for id in &short {
        let (fence, _) = kept(store, id).await;
        store.remove(id, fence).await.unwrap();
    }
    ids.extend(short);
    for (own, id) in (1..).zip(&ids) {
        let fence = expect(store, id, None, []).await;
        store.replace(id, fence, &snapshot(own)).await.unwrap();
        store.append(id, fence, own + 1, &numbered([own + 1])).await.unwrap();
    }
    let listed = store.list().await.unwrap();
    for (own, id) in (1..).zip(&ids) {
        assert!(listed.contains(id), "{id} is not listed");
        let fence = expect(store, id, Some(own), [own + 1]).await;
        store.remove(id, fence).await.unwrap();
    }
    for id in &ids {
        assert!(!is_listed(store, id).await, "{id} is listed");
    }
}

pub(crate) async fn remove(store: &dyn Store) {
    let (id, other) = (fresh("remove"), fresh("remove"));
    let late = expect(store, &id, None, []).await;
    let fence = expect(store, &id, None, []).await;
    store.append(&id, fence, 1, &numbered(1..=9)).await.unwrap();
    store.replace(&id, fence, &snapshot(2)).await.unwrap();
    let stays = expect(store, &other, None, []).await;
    store.append(&other, stays, 1, &numbered([1])).await.unwrap();
    assert!(is_listed(store, &id).await);

    store.remove(&id, fence).await.unwrap();
    assert!(!is_listed(store, &id).await);
    assert!(is_listed(store, &other).await);
    // Said again: there is nothing to do.
    store.remove(&id, fence).await.unwrap();
    // Nobody owns it any more.
    assert!(is_fenced(&store.append(&id, fence, 1, &numbered([1])).await));
    assert!(is_fenced(&store.replace(&id, fence, &snapshot(1)).await));
    assert!(!is_listed(store, &id).await);
    // Who comes later begins anew, and those before have no effect on it, although what was known of them is gone.
    let next = expect(store, &id, None, []).await;
    assert!(next > fence, "{next:?} after {fence:?}");
    for old in [late, fence] {
        assert!(is_fenced(&store.append(&id, old, 1, &numbered([1])).await));
        assert!(is_fenced(&store.replace(&id, old, &snapshot(1)).await));
        assert!(is_fenced(&store.remove(&id, old).await));
    }
    store.append(&id, next, 1, &numbered([1])).await.unwrap();
    expect(store, &id, None, [1]).await;
    expect(store, &other, None, [1]).await;
}

pub(crate) async fn release(store: &dyn Store) {
    let id = fresh("release");
    let late = expect(store, &id, None, []).await;
    let fence = expect(store, &id, None, []).await;
    store.append(&id, fence, 1, &numbered(1..=3)).await.unwrap();
    store.replace(&id, fence, &snapshot(1)).await.unwrap();
    store.release(&id, fence).await.unwrap();
    // Said again: it is released.
    store.release(&id, fence).await.unwrap();
    assert!(is_fenced(&store.append(&id, fence, 4, &numbered([4])).await));
    assert!(is_fenced(&store.replace(&id, fence, &snapshot(3)).await));
    assert!(is_fenced(&store.append(&id, late, 4, &numbered([4])).await));
    assert!(is_listed(store, &id).await);
    let next = expect(store, &id, Some(1), 2..=3).await;
    assert!(next > fence, "{next:?} after {fence:?}");
    assert!(is_fenced(&store.release(&id, fence).await));
    store.append(&id, next, 4, &numbered([4])).await.unwrap();
    expect(store, &id, Some(1), 2..=4).await;
}

fn tombstone(through: u64, keep_for: Duration) -> Snapshot {
    Snapshot {
        keep_for: Some(keep_for),
        ..snapshot(through)
    }
}

pub(crate) async fn an_expired_journal_goes(store: &dyn Store) {
    let id = fresh("expired");
    let fence = expect(store, &id, None, []).await;
    store.append(&id, fence, 1, &numbered(1..=3)).await.unwrap();
    store
        .replace(&id, fence, &tombstone(3, Duration::from_secs(1)))
        .await
        .unwrap();
    let begin = Instant::now();
    while is_listed(store, &id).await {
        assert!(begin.elapsed() < Duration::from_secs(30), "it is still there");
        std::thread::sleep(Duration::from_millis(50));
    }
    // Its owner may not have noticed.
    assert!(is_fenced(&store.append(&id, fence, 4, &numbered([4])).await));
    store.release(&id, fence).await.unwrap();
    let next = expect(store, &id, None, []).await;
    assert!(next > fence, "{next:?} after {fence:?}");
    store.append(&id, next, 1, &numbered([1])).await.unwrap();
    // Nothing of the old journal's end is left to meet the new one.
    std::thread::sleep(Duration::from_millis(1200));
    expect(store, &id, None, [1]).await;
}

pub(crate) async fn what_is_left_of_a_session_stays_until_then(store: &dyn Store) {
    let (id, unending) = (fresh("tombstone"), fresh("tombstone"));
    let fence = expect(store, &id, None, []).await;
    store.append(&id, fence, 1, &numbered(1..=3)).await.unwrap();
    store
        .replace(&id, fence, &tombstone(3, Duration::from_secs(3600)))
        .await
        .unwrap();
    let fence = expect(store, &id, Some(3), []).await;
    store.release(&id, fence).await.unwrap();
    assert!(
        !store.abandoned().await.unwrap().contains(&id),
        "nobody goes on with it"
    );
    // The longest time there is is no error.
    let fence = expect(store, &unending, None, []).await;
    store
        .replace(&unending, fence, &tombstone(0, Duration::MAX))
        .await
        .unwrap();
    // What is kept for ever in the place of what was to go stays.
    let lasting = fresh("tombstone");
    let fence = expect(store, &lasting, None, []).await;
    store
        .replace(&lasting, fence, &tombstone(1, Duration::from_secs(1)))
        .await
        .unwrap();
    store.replace(&lasting, fence, &snapshot(1)).await.unwrap();
    std::thread::sleep(Duration::from_millis(1500));
    for (id, through) in [(&id, 3), (&unending, 0), (&lasting, 1)] {
        assert!(is_listed(store, id).await, "{id} is not listed");
        let fence = expect(store, id, Some(through), []).await;
        store.remove(id, fence).await.unwrap();
    }
}
