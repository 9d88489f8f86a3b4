//! Messages and streams that nobody of the fleet has made.

use std::time::Duration;

use async_nats::jetstream::{self, stream::Config};
use unbroken_store::nats::NatsConfig;
use unbroken_store::nats::NatsStore;
use unbroken_store::{JournalId, Store, StoreError};

use super::server::with_server;
use super::{Random, fresh, numbered, open, snapshot};

fn is_damaged<T: std::fmt::Debug>(answer: &Result<T, StoreError>) -> bool {
    matches!(answer, Err(StoreError::Damaged { .. }))
}

fn is_failed<T: std::fmt::Debug>(answer: &Result<T, StoreError>) -> bool {
    matches!(answer, Err(StoreError::Failed(_)))
}

fn subject(id: &JournalId) -> String {
    format!("unbroken.j.{id}")
}

#[test]
fn a_message_of_a_stranger_is_damage() {
    with_server(async |server| {
        let store = server.node(|_| {}).await;
        let context = jetstream::new(server.client().await);
        let sound = fresh("sound");
        let sound_fence = open(&store, &sound, &[]).await;
        for is_last in [true, false] {
            let id = fresh("stranger");
            let fence = open(&store, &id, &[]).await;
            store.append(&id, fence, 1, &numbered([1])).await.unwrap();
            context
                .publish(subject(&id), "hello".into())
                .await
                .unwrap()
                .await
                .unwrap();
            if is_last {
                assert!(is_damaged(&store.append(&id, fence, 2, &numbered([2])).await));
                assert!(is_damaged(&store.open(&id).await));
            } else {
                // A message that looks like one of a later owner, behind what is none of ours.
                let mut headers = async_nats::HeaderMap::new();
                headers.insert("Unbroken-Journal", "v=1 fence node=stranger kept=1");
                let sent = context
                    .publish_with_headers(subject(&id), headers, "".into())
                    .await
                    .unwrap();
                sent.await.unwrap();
                assert!(is_damaged(&store.open(&id).await));
            }
            // Others go on.
            store.list().await.unwrap();
            store.append(&sound, sound_fence, 1, &numbered([1])).await.unwrap();
        }
    });
}

/// A message is lost, but not the last one: it is noticed, or it made no difference.
#[test]
fn what_is_missing_is_noticed() {
    with_server(async |server| {
        let store = server.node(|_| {}).await;
        let context = jetstream::new(server.client().await);
        let stream = context.get_stream("unbroken").await.unwrap();
        let mut random = Random::new();
        for _ in 0..20 {
            let id = fresh("missing");
            let fence = open(&store, &id, &[]).await;
            let mut next = 1;
            let mut through = 0;
            for _ in 0..1 + random.below(6) {
                let count = 1 + random.below(3);
                store
                    .append(&id, fence, next, &numbered(next..next + count))
                    .await
                    .unwrap();
                next += count;
                if random.below(3) == 0 {
                    through = next - 1 - random.below(2);
                    store.replace(&id, fence, &snapshot(through)).await.unwrap();
                }
            }
            store.release(&id, fence).await.unwrap();
            let last = stream
                .get_last_raw_message_by_subject(&subject(&id))
                .await
                .unwrap()
                .sequence;
            let lost = fence.0 + random.below(last - fence.0);
            let is_deleted = stream.delete_message(lost).await.is_ok();
            match store.open(&id).await {
                Ok(opened) => {
                    let expected = numbered(through + 1..next);
                    assert_eq!(
                        opened.journal.records, expected,
                        "without {lost} of {fence:?} to {last}, {is_deleted}"
                    );
                }
                Err(error) => assert!(matches!(error, StoreError::Damaged { .. }), "{error}"),
            }
        }
    });
}

#[test]
fn a_stream_of_others_is_refused() {
    with_server(async |server| {
        let client = server.client().await;
        let context = jetstream::new(client.clone());
        let sound = Config {
            name: "theirs".to_owned(),
            subjects: vec!["theirs.j.*".to_owned()],
            discard: jetstream::stream::DiscardPolicy::New,
            ..Config::default()
        };
        let config = || {
            let mut config = NatsConfig::default();
            config.name = "theirs".to_owned();
            config
        };
        for wrong in [
            Config {
                max_age: Duration::from_secs(60),
                ..sound.clone()
            },
            Config {
                subjects: vec!["theirs.>".to_owned()],
                ..sound.clone()
            },
            Config {
                discard: jetstream::stream::DiscardPolicy::Old,
                ..sound.clone()
            },
            Config {
                max_messages_per_subject: 3,
                ..sound.clone()
            },
            Config {
                storage: jetstream::stream::StorageType::Memory,
                ..sound.clone()
            },
            Config {
                deny_purge: true,
                ..sound.clone()
            },
        ] {
            context.create_stream(wrong.clone()).await.unwrap();
            let refused = NatsStore::new(client.clone(), config()).await;
            assert!(is_failed(&refused), "{wrong:?}: {refused:?}");
            context.delete_stream("theirs").await.unwrap();
        }
        context.create_stream(sound).await.unwrap();
        NatsStore::new(client.clone(), config()).await.unwrap();
        // All nodes have the same lease.
        let mut other = config();
        other.lease = Duration::from_secs(11);
        assert!(is_failed(&NatsStore::new(client.clone(), other).await));
        for name in ["", "a.b", "a b", "*", &"x".repeat(33)] {
            let mut config = NatsConfig::default();
            config.name = name.to_owned();
            assert!(is_failed(&NatsStore::new(client.clone(), config).await), "{name:?}");
        }
    });
}
