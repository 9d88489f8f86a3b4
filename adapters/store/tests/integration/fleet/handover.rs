//! How a journal comes from one node to another.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::{join, join_all};
use unbroken_store::nats::{NatsConfig, NatsStore};
use unbroken_store::{Store, StoreError};

use super::server::{Server, with_server};
use super::{Random, fresh, insist, is_fenced, is_unavailable, numbered, open, snapshot};

/// Short times, so that what runs out does.
fn hasty(config: &mut NatsConfig) {
    config.lease = Duration::from_millis(600);
    config.handover = Duration::from_millis(300);
}

async fn two(server: &Server, change: fn(&mut NatsConfig)) -> (NatsStore, NatsStore) {
    (server.node(change).await, server.node(change).await)
}

#[test]
fn an_owner_that_is_asked_gives_it_up() {
    with_server(async |server| {
        let (a, b) = two(server, |config| config.handover = Duration::from_secs(60)).await;
        let id = fresh("asked");
        let fence = open(&a, &id, &[]).await;
        a.append(&id, fence, 1, &numbered(1..=3)).await.unwrap();
        let owner = async {
            assert_eq!(a.wanted().await, id);
            a.append(&id, fence, 4, &numbered([4])).await.unwrap();
            a.release(&id, fence).await.unwrap();
        };
        let ((), next) = join(owner, open(&b, &id, &numbered(1..=4))).await;
        assert!(next > fence);
        assert!(is_fenced(&a.append(&id, fence, 5, &numbered([5])).await));
        b.append(&id, next, 5, &numbered([5])).await.unwrap();
        // And back, an empty one, too.
        b.release(&id, next).await.unwrap();
        open(&a, &id, &numbered(1..=5)).await;
        let empty = fresh("asked");
        let fence = open(&a, &empty, &[]).await;
        let owner = async {
            assert_eq!(a.wanted().await, empty);
            a.release(&empty, fence).await.unwrap();
        };
        join(owner, open(&b, &empty, &[])).await;
    });
}

#[test]
fn an_owner_that_lives_keeps_what_it_does_not_give_up() {
    with_server(async |server| {
        let (a, b) = two(server, |config| config.handover = Duration::from_millis(200)).await;
        let id = fresh("kept");
        let fence = open(&a, &id, &[]).await;
        a.append(&id, fence, 1, &numbered([1])).await.unwrap();
        for number in 2..4 {
            assert!(is_unavailable(&b.open(&id).await));
            a.append(&id, fence, number, &numbered([number])).await.unwrap();
        }
        a.release(&id, fence).await.unwrap();
        open(&b, &id, &numbered(1..4)).await;
    });
}

#[test]
fn the_lease_of_a_node_that_died_runs_out() {
    with_server(async |server| {
        let (a, b) = two(server, hasty).await;
        let id = fresh("died");
        let fence = open(&a, &id, &[]).await;
        a.append(&id, fence, 1, &numbered(1..=2)).await.unwrap();
        drop(a);
        let opened = insist(async || b.open(&id).await).await.unwrap();
        assert_eq!(opened.journal.records, numbered(1..=2));
        b.append(&id, opened.fence, 3, &numbered([3])).await.unwrap();
        // One that says that it leaves is waited for no longer.
        let c = server.node(hasty).await;
        b.leave().await.unwrap();
        open(&c, &id, &numbered(1..=3)).await;
    });
}

#[test]
fn a_node_that_stood_still_is_fenced() {
    with_server(async |server| {
        let b = server.node(hasty).await;
        let port = server.port();
        let id = &fresh("still");
        // The first node has a runtime of its own, which stands still while nothing is waited for in it.
        let (send, receive) = std::sync::mpsc::channel();
        let (frozen, has_frozen) = tokio::sync::oneshot::channel();
        std::thread::scope(|scope| {
            scope.spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread()
                    .enable_all()
                    .build()
                    .unwrap();
                let a = runtime.block_on(super::server::node_at(port, hasty));
                let fence = runtime.block_on(a.open(id)).unwrap().fence;
                runtime.block_on(a.append(id, fence, 1, &numbered([1]))).unwrap();
                frozen.send(fence).unwrap();
                receive.recv().unwrap();
                let records = numbered([2]);
                assert!(is_fenced(
                    &runtime.block_on(insist(async || a.append(id, fence, 2, &records).await))
                ));
                assert!(is_fenced(
                    &runtime.block_on(insist(async || a.replace(id, fence, &snapshot(1)).await))
                ));
                assert!(is_fenced(
                    &runtime.block_on(insist(async || a.release(id, fence).await))
                ));
                assert!(is_fenced(&runtime.block_on(insist(async || a.remove(id, fence).await))));
            });
            tokio::task::block_in_place(|| {
                tokio::runtime::Handle::current().block_on(async {
                    let late = has_frozen.await.unwrap();
                    let opened = insist(async || b.open(id).await).await.unwrap();
                    assert!(opened.fence > late);
                    assert_eq!(opened.journal.records, numbered([1]));
                    send.send(()).unwrap();
                });
            });
        });
        open(&b, id, &numbered([1])).await;
    });
}

#[test]
fn of_two_takers_one_wins() {
    with_server(async |server| {
        let (a, b) = two(server, hasty).await;
        let mut random = Random::new();
        for _ in 0..10 {
            let id = &fresh("takers");
            let pause = Duration::from_micros(random.below(2000));
            let later = async {
                tokio::time::sleep(pause).await;
                b.open(id).await
            };
            let (one, other) = join(a.open(id), later).await;
            let (store, won, lost) = if one.is_ok() {
                (&a, one, other)
            } else {
                (&b, other, one)
            };
            assert!(is_unavailable(&lost), "{lost:?}");
            let fence = won.unwrap().fence;
            store.append(id, fence, 1, &numbered([1])).await.unwrap();
            store.release(id, fence).await.unwrap();
        }
    });
}

/// Nodes that want the same journal again and again, and give it up when they are asked: what was appended is there, in order.
#[test]
fn a_journal_that_wanders() {
    with_server(async |server| {
        let mut random = Random::new();
        let id = &fresh("wanders");
        let stores = [(); 3].map(|()| server.node(|config| config.handover = Duration::from_secs(30)));
        let stores: Vec<Arc<NatsStore>> = join_all(stores).await.into_iter().map(Arc::new).collect();
        let works = stores
            .iter()
            .zip([random.below(1000), random.below(1000), random.below(1000)]);
        join_all(works.map(|(store, seed)| work(store, id, seed))).await;
        let opened = insist(async || stores[0].open(id).await).await.unwrap();
        let through = opened.journal.snapshot.map_or(0, |(through, _)| through);
        let last = through + opened.journal.records.len() as u64;
        let expected: Vec<Bytes> = numbered(through + 1..=last);
        assert_eq!(opened.journal.records, expected);
        assert!(last >= 30, "{last} records of at least 30");
    });
}

/// Opens the journal ten times, and writes until it is wanted, but one record at least.
async fn work(store: &NatsStore, id: &unbroken_store::JournalId, seed: u64) {
    let mut random = Random(seed);
    for _ in 0..10 {
        let opened = insist(async || store.open(id).await).await.unwrap();
        let through = opened.journal.snapshot.map_or(0, |(through, _)| through);
        let mut next = through + opened.journal.records.len() as u64 + 1;
        let mut wanted = store.wanted();
        for _ in 0..50 {
            store.append(id, opened.fence, next, &numbered([next])).await.unwrap();
            next += 1;
            if random.below(4) == 0 {
                let through = next - 1 - random.below(3).min(next - 1);
                store.replace(id, opened.fence, &snapshot(through)).await.unwrap();
            }
            let wait = Duration::from_millis(random.below(3));
            if tokio::time::timeout(wait, &mut wanted).await.is_ok() {
                break;
            }
        }
        match store.release(id, opened.fence).await {
            Ok(()) => {}
            Err(error) => assert!(matches!(error, StoreError::Unavailable(_)), "{error}"),
        }
    }
}
