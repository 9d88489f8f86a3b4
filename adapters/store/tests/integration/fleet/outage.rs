//! A server that dies, and comes again.

use std::time::Duration;

use unbroken_store::{Store, StoreError};

use super::server::with_server;
use super::{fresh, insist, is_unavailable, numbered, open, snapshot};

#[test]
fn what_was_answered_survives_the_death_of_the_server() {
    with_server(async |server| {
        let store = server.node(|config| config.timeout = Duration::from_secs(2)).await;
        let (id, other) = (fresh("outage"), fresh("outage"));
        let fence = open(&store, &id, &[]).await;
        store.append(&id, fence, 1, &numbered(1..=5)).await.unwrap();
        store.replace(&id, fence, &snapshot(3)).await.unwrap();
        store.append(&id, fence, 6, &numbered([6])).await.unwrap();
        for round in 0..3 {
            server.kill();
            let last = 7 + round;
            assert!(is_unavailable(&store.append(&id, fence, last, &numbered([last])).await));
            assert!(is_unavailable(&store.replace(&id, fence, &snapshot(4)).await));
            assert!(is_unavailable(&store.open(&other).await));
            assert!(is_unavailable(&store.release(&other, fence).await));
            assert!(is_unavailable(&store.list().await));
            server.start();
            // The owner is the owner still, and may say it again.
            let records = numbered([last]);
            insist(async || store.append(&id, fence, last, &records).await)
                .await
                .unwrap();
        }
        let opened = store.open(&id).await.unwrap();
        let (through, _) = opened.journal.snapshot.unwrap();
        assert_eq!(opened.journal.records, numbered(through + 1..=9));
        assert!(through == 3 || through == 4);
        assert!(store.list().await.unwrap().contains(&id));
    });
}

/// Appends come while the server dies at any moment. What was answered is there, and nothing is there twice.
#[test]
fn a_server_that_dies_among_appends() {
    with_server(async |server| {
        let store = server.node(|config| config.timeout = Duration::from_secs(2)).await;
        let id = &fresh("dying");
        let fence = open(&store, id, &[]).await;
        let (done, mut is_done) = tokio::sync::watch::channel(0_u64);
        let writer = async {
            for number in 1..=400 {
                let records = numbered([number]);
                insist(async || store.append(id, fence, number, &records).await)
                    .await
                    .unwrap();
                done.send(number).unwrap();
            }
        };
        let reaper = async {
            for round in 1..=3 {
                is_done.wait_for(|number| *number >= round * 100).await.unwrap();
                server.kill();
                server.start();
            }
        };
        futures_util::future::join(writer, reaper).await;
        open(&store, id, &numbered(1..=400)).await;
    });
}

#[test]
fn a_server_that_is_not_there() {
    with_server(async |server| {
        let port = server.port();
        server.kill();
        let config = unbroken_store::nats::NatsConfig::default();
        let refused = unbroken_store::nats::NatsStore::connect(&format!("127.0.0.1:{port}"), config).await;
        assert!(is_unavailable(&refused));
        // One without JetStream is there, but no store.
        let config = unbroken_store::nats::NatsConfig::default();
        let refused = unbroken_store::nats::NatsStore::connect("no address at all", config).await;
        assert!(matches!(refused, Err(StoreError::Failed(_))), "{refused:?}");
    });
}
