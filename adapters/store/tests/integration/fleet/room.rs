//! Messages and streams that have less room than is asked for.

use bytes::Bytes;
use unbroken_store::{JournalId, Snapshot, Store, StoreError};

use super::server::{with_configured, with_server};
use super::{Random, fresh, insist, is_fenced, numbered, open, snapshot};

fn is_full<T: std::fmt::Debug>(answer: &Result<T, StoreError>) -> bool {
    matches!(answer, Err(StoreError::Full(_)))
}

#[test]
fn what_no_message_can_hold_comes_in_parts() {
    with_configured("max_payload: 4096", async |server| {
        let store = server.node(|_| {}).await;
        let mut random = Random::new();
        let id = fresh("parts");
        let mut fence = open(&store, &id, &[]).await;
        let mut records: Vec<Bytes> = Vec::new();
        for round in 0..20 {
            let count = 1 + random.below(20);
            let mut record = |_| Bytes::from(vec![round; usize::try_from(random.below(2000)).unwrap()]);
            let new: Vec<Bytes> = (0..count).map(&mut record).collect();
            store.append(&id, fence, records.len() as u64 + 1, &new).await.unwrap();
            records.extend(new);
        }
        // A batch of which some is there.
        let new = Bytes::from(vec![7; 9000]);
        let some = [records[records.len() - 1].clone(), new.clone()];
        store.append(&id, fence, records.len() as u64, &some).await.unwrap();
        records.push(new);
        open(&store, &id, &records).await;
        for (behind, size) in [(9, 3072), (5, 3073), (2, 100_000)] {
            fence = store.open(&id).await.unwrap().fence;
            let through = records.len() - behind;
            let large = Snapshot {
                through: through as u64,
                bytes: vec![7; size].into(),
                keep_for: None,
            };
            store.replace(&id, fence, &large).await.unwrap();
            let journal = store.open(&id).await.unwrap().journal;
            assert_eq!(journal.snapshot, Some((large.through, large.bytes)));
            assert!(journal.records == records[through..]);
        }
        // With them went what they stand for.
        let fence = store.open(&id).await.unwrap().fence;
        store
            .replace(&id, fence, &snapshot(records.len() as u64))
            .await
            .unwrap();
        let client = server.client().await;
        assert_eq!(messages(&client).await, 1);
    });
}

/// How many messages are in the stream.
async fn messages(client: &async_nats::Client) -> u64 {
    let context = async_nats::jetstream::new(client.clone());
    context
        .get_stream("unbroken")
        .await
        .unwrap()
        .cached_info()
        .state
        .messages
}

/// Appends until there is no room, and returns the number of the last record that is kept.
async fn fill(store: &dyn Store, id: &JournalId, fence: unbroken_store::Fence, size: usize) -> u64 {
    for number in 1.. {
        let answer = store.append(id, fence, number, &[vec![7; size].into()]).await;
        if is_full(&answer) {
            return number - 1;
        }
        answer.unwrap();
    }
    unreachable!("there is a limit")
}

#[test]
fn a_full_store_can_become_less_full() {
    with_server(async |server| {
        let store = server.node(|config| config.max_bytes = Some(1 << 20)).await;
        let other = server.node(|_| {}).await;
        let (large, small) = (fresh("large"), fresh("small"));
        let small_fence = open(&other, &small, &[]).await;
        other.append(&small, small_fence, 1, &numbered([1])).await.unwrap();
        let fence = open(&store, &large, &[]).await;
        let kept = fill(&store, &large, fence, 10_000).await;
        assert!(kept > 10);
        // Nothing was changed, and nothing is for as long as nothing becomes free, whoever it is.
        assert!(is_full(
            &store.append(&large, fence, kept + 1, &[vec![7; 300_000].into()]).await
        ));
        assert!(is_full(
            &other.append(&small, small_fence, 2, &[vec![7; 200_000].into()]).await
        ));
        let opened = store.open(&large).await.unwrap();
        assert_eq!(opened.journal.records.len() as u64, kept);
        // What makes room has room.
        store.replace(&large, opened.fence, &snapshot(kept)).await.unwrap();
        other.append(&small, small_fence, 2, &numbered([2])).await.unwrap();
        let again = kept + 1;
        insist(async || {
            store
                .append(&large, opened.fence, again, &[vec![7; 10_000].into()])
                .await
        })
        .await
        .unwrap();
        store.remove(&large, opened.fence).await.unwrap();
        other.release(&small, small_fence).await.unwrap();
        open(&store, &small, &numbered(1..=2)).await;
    });
}

#[test]
fn a_batch_in_parts_that_finds_no_room_leaves_nothing() {
    with_configured("max_payload: 8192", async |server| {
        // The server's limit alone, of which this node knows nothing.
        let store = server.node(|_| {}).await;
        let context = async_nats::jetstream::new(server.client().await);
        let mut config = context
            .get_stream("unbroken")
            .await
            .unwrap()
            .cached_info()
            .config
            .clone();
        config.max_bytes = 300_000;
        context.update_stream(config).await.unwrap();
        let id = fresh("whole");
        let fence = open(&store, &id, &[]).await;
        store.append(&id, fence, 1, &numbered([1])).await.unwrap();
        let batch: Vec<Bytes> = (0..400).map(|_| vec![7; 1000].into()).collect();
        assert!(is_full(&store.append(&id, fence, 2, &batch).await));
        assert_eq!(messages(&server.client().await).await, 3, "one part stays");
        store.append(&id, fence, 2, &batch[..100]).await.unwrap();
        let expected = [numbered([1]), batch[..100].to_vec()].concat();
        open(&store, &id, &expected).await;
    });
}

#[test]
fn an_account_without_room() {
    let config =
        "accounts { A { jetstream { max_file: 1M, max_mem: 0 }, users: [{ user: a, password: a }] } }\nno_auth_user: a";
    with_configured(config, async |server| {
        let store = server.node(|_| {}).await;
        let id = fresh("account");
        let fence = open(&store, &id, &[]).await;
        let kept = fill(&store, &id, fence, 50_000).await;
        assert!(kept > 5);
        let refused = store.append(&id, fence, kept + 1, &[vec![7; 50_000].into()]).await;
        assert!(is_full(&refused), "{kept}: {refused:?}");
        // The server has stored and deleted what it refused, and knows no last message of the subject any more. We do.
        let fewer = [vec![7; 1000].into()];
        store.append(&id, fence, kept + 1, &fewer).await.unwrap();
        assert!(is_full(
            &store.append(&id, fence, kept + 2, &[vec![7; 50_000].into()]).await
        ));
        let opened = store.open(&id).await.unwrap();
        assert_eq!(opened.journal.records.len() as u64, kept + 1);
        assert!(is_fenced(&store.append(&id, fence, kept + 2, &fewer).await));
        assert!(is_full(
            &store
                .append(&id, opened.fence, kept + 2, &[vec![7; 50_000].into()])
                .await
        ));
        store.append(&id, opened.fence, kept + 2, &fewer).await.unwrap();
        store.replace(&id, opened.fence, &snapshot(kept + 2)).await.unwrap();
    });
}
