//! What an owner writes is what is kept.

use std::task::{Context, Waker};

use bytes::Bytes;
use futures_util::future::join_all;
use unbroken_store::{Fence, JournalId, Snapshot, Store, StoreError};

use super::{expect, fresh, kept, numbered, snapshot};

pub(crate) async fn roundtrip(store: &dyn Store) {
    let id = fresh("roundtrip");
    let (fence, journal) = kept(store, &id).await;
    assert_eq!((journal.snapshot, journal.records), (None, vec![]));
    store.append(&id, fence, 1, &numbered([1])).await.unwrap();
    store.append(&id, fence, 2, &numbered([2, 3])).await.unwrap();
    // Any bytes, and none at all, are a record.
    let odd = [Bytes::new(), Bytes::from_iter(0..=255)];
    store.append(&id, fence, 4, &odd).await.unwrap();
    let (_, journal) = kept(store, &id).await;
    assert_eq!(journal.snapshot, None);
    assert_eq!(journal.records, [numbered(1..=3), odd.to_vec()].concat());
    let hour = std::time::Duration::from_secs(3600);
    assert!(
        journal.written_ago.is_none_or(|ago| ago < hour),
        "{:?}",
        journal.written_ago
    );
}

/// Numbers are numbers, and not text or bytes in an order of their own.
pub(crate) async fn order(store: &dyn Store) {
    let id = fresh("order");
    let fence = expect(store, &id, None, []).await;
    store.append(&id, fence, 1, &numbered(1..=250)).await.unwrap();
    for number in 251..=270 {
        store.append(&id, fence, number, &numbered([number])).await.unwrap();
    }
    store.append(&id, fence, 271, &numbered(271..=1100)).await.unwrap();
    expect(store, &id, None, 1..=1100).await;
    // Far numbers, too.
    let far = 1 << 40;
    let id = fresh("order");
    let fence = expect(store, &id, None, []).await;
    store.replace(&id, fence, &snapshot(far)).await.unwrap();
    store
        .append(&id, fence, far + 1, &numbered(far + 1..far + 300))
        .await
        .unwrap();
    expect(store, &id, Some(far), far + 1..far + 300).await;
}

/// A call whose answer was lost is said again, and changes nothing.
pub(crate) async fn repeats(store: &dyn Store) {
    let id = fresh("repeats");
    let fence = expect(store, &id, None, []).await;
    for _ in 0..2 {
        store.append(&id, fence, 1, &numbered(1..=3)).await.unwrap();
    }
    // Some are kept and some are new.
    store.append(&id, fence, 2, &numbered(2..=5)).await.unwrap();
    // Nothing is allowed, and nothing.
    store.append(&id, fence, 6, &[]).await.unwrap();
    let fence = expect(store, &id, None, 1..=5).await;
    for _ in 0..2 {
        store.replace(&id, fence, &snapshot(4)).await.unwrap();
    }
    store.append(&id, fence, 1, &numbered(1..=5)).await.unwrap();
    store.append(&id, fence, 3, &numbered(3..=6)).await.unwrap();
    expect(store, &id, Some(4), 5..=6).await;
}

pub(crate) async fn gaps(store: &dyn Store) {
    let id = fresh("gaps");
    let fence = expect(store, &id, None, []).await;
    let refused = store.append(&id, fence, 2, &numbered([2])).await;
    assert!(
        matches!(refused, Err(StoreError::Gap { first: 2, kept: 0 })),
        "{refused:?}"
    );
    store.append(&id, fence, 1, &numbered(1..=3)).await.unwrap();
    for first in [5, 6, u64::MAX] {
        let refused = store.append(&id, fence, first, &numbered([first])).await;
        assert!(matches!(refused, Err(StoreError::Gap { kept: 3, .. })), "{refused:?}");
    }
    store.replace(&id, fence, &snapshot(3)).await.unwrap();
    let refused = store.append(&id, fence, 5, &numbered([5])).await;
    assert!(
        matches!(refused, Err(StoreError::Gap { first: 5, kept: 3 })),
        "{refused:?}"
    );
    let fence = expect(store, &id, Some(3), []).await;
    store.append(&id, fence, 4, &numbered([4])).await.unwrap();
    expect(store, &id, Some(3), [4]).await;
}

pub(crate) async fn large_records(store: &dyn Store) {
    let id = fresh("large");
    let fence = expect(store, &id, None, []).await;
    // The sizes around a power of two are where a length that is too short would show.
    let sizes = [1, 255, 256, 4095, 4096, 4097, 65_535, 65_536, 1 << 20];
    let records: Vec<Bytes> = (1..).zip(sizes).map(|(byte, size)| vec![byte; size].into()).collect();
    for (first, record) in (1..).zip(&records) {
        store
            .append(&id, fence, first, std::slice::from_ref(record))
            .await
            .unwrap();
    }
    let large = Snapshot {
        through: 2,
        bytes: vec![99; 1 << 20].into(),
        keep_for: None,
    };
    store.replace(&id, fence, &large).await.unwrap();
    let (_, journal) = kept(store, &id).await;
    assert_eq!(journal.snapshot, Some((2, large.bytes)));
    assert!(
        journal.records == records[2..],
        "large records are not what was written"
    );
}

/// Calls about different journals come at the same time, and do not meet.
pub(crate) async fn many_journals_at_once(store: &dyn Store) {
    let ids: Vec<JournalId> = (0..64).map(|_| fresh("many")).collect();
    join_all((0..).zip(&ids).map(|(own, id)| async move {
        let fence = expect(store, id, None, []).await;
        for number in 1..=10 {
            store.append(id, fence, number, &numbered([number])).await.unwrap();
        }
        if own % 2 == 0 {
            store.replace(id, fence, &snapshot(own % 10)).await.unwrap();
        }
        store.append(id, fence, 11, &numbered([11, 12 + own])).await.unwrap();
    }))
    .await;
    join_all((0..).zip(&ids).map(|(own, id)| async move {
        let through = (own % 2 == 0).then_some(own % 10);
        let first = through.unwrap_or(0) + 1;
        expect(store, id, through, (first..=11).chain([12 + own])).await;
    }))
    .await;
    let listed = store.list().await.unwrap();
    assert!(ids.iter().all(|id| listed.contains(id)));
}

/// A future that is dropped has had its effect or not, but whole; and the next call finds the store as usual.
pub(crate) async fn a_dropped_call_is_whole(store: &dyn Store) {
    let id = fresh("dropped");
    let fence = expect(store, &id, None, []).await;
    let records = numbered(1..=50);
    for polls in 0..3 {
        let mut call = store.append(&id, fence, 1, &records);
        for _ in 0..polls {
            let _ = call.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        }
    }
    // The owner cannot know; the next one can, once the fence has made the late call nothing.
    let (fence, journal) = kept(store, &id).await;
    let count = journal.records.len() as u64;
    assert!(count == 0 || count == 50, "{count} of 50 records are kept");
    store
        .append(&id, fence, count + 1, &numbered(count + 1..=60))
        .await
        .unwrap();
    expect(store, &id, None, 1..=60).await;
}

/// Records behind the snapshot stay, those up to it go.
pub(crate) async fn replace(store: &dyn Store) {
    let id = fresh("replace");
    let fence = expect(store, &id, None, []).await;
    store.append(&id, fence, 1, &numbered(1..=10)).await.unwrap();
    store.replace(&id, fence, &snapshot(4)).await.unwrap();
    let fence = expect(store, &id, Some(4), 5..=10).await;
    store.append(&id, fence, 11, &numbered([11])).await.unwrap();
    store.replace(&id, fence, &snapshot(11)).await.unwrap();
    let fence = expect(store, &id, Some(11), []).await;
    store.append(&id, fence, 12, &numbered([12])).await.unwrap();
    let fence = expect(store, &id, Some(11), [12]).await;
    // A snapshot of the beginning stands for no record.
    let id = fresh("replace");
    let begun = expect(store, &id, None, []).await;
    assert_ne!(fence, Fence(0));
    store.replace(&id, begun, &snapshot(0)).await.unwrap();
    store.append(&id, begun, 1, &numbered([1])).await.unwrap();
    expect(store, &id, Some(0), [1]).await;
}

/// A snapshot may stand for records that were never appended.
pub(crate) async fn replace_ahead(store: &dyn Store) {
    let id = fresh("ahead");
    let fence = expect(store, &id, None, []).await;
    store.append(&id, fence, 1, &numbered(1..=3)).await.unwrap();
    store.replace(&id, fence, &snapshot(7)).await.unwrap();
    let refused = store.append(&id, fence, 9, &numbered([9])).await;
    assert!(
        matches!(refused, Err(StoreError::Gap { first: 9, kept: 7 })),
        "{refused:?}"
    );
    store.append(&id, fence, 8, &numbered([8])).await.unwrap();
    expect(store, &id, Some(7), [8]).await;
}

/// A snapshot of the same place takes the place of the one before; one of an earlier place comes too late, and must not
/// open a gap between itself and the records.
pub(crate) async fn replace_again(store: &dyn Store) {
    let id = fresh("again");
    let fence = expect(store, &id, None, []).await;
    store.append(&id, fence, 1, &numbered(1..=6)).await.unwrap();
    let other = Snapshot {
        bytes: Bytes::from_static(b"other"),
        ..snapshot(5)
    };
    store.replace(&id, fence, &other).await.unwrap();
    store.replace(&id, fence, &snapshot(5)).await.unwrap();
    let fence = expect(store, &id, Some(5), [6]).await;
    let _ = store.replace(&id, fence, &snapshot(2)).await;
    expect(store, &id, Some(5), [6]).await;
}
