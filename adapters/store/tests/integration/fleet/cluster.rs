//! Three servers, of which any one may die.

use std::time::{Duration, Instant};

use futures_util::future::join;
use unbroken_store::nats::{NatsConfig, NatsStore};
use unbroken_store::{JournalId, Store, StoreError};

use super::server::{Server, program};
use super::{Random, fresh, insist, is_unavailable, numbered};

/// Three servers that know each other.
fn cluster(program: &'static str) -> Vec<Server> {
    // Ports that were free a moment ago: all are taken at once, so that no two are the same.
    let listeners = [(); 3].map(|()| std::net::TcpListener::bind("127.0.0.1:0").unwrap());
    let ports = listeners.map(|listener| listener.local_addr().unwrap().port());
    let routes: Vec<String> = ports
        .iter()
        .map(|port| format!("nats-route://127.0.0.1:{port}"))
        .collect();
    let config = |number: usize| {
        let port = ports[number];
        format!(
            "server_name: s{number}\ncluster {{ name: c, listen: \"127.0.0.1:{port}\", routes: [{}] }}",
            routes.join(", ")
        )
    };
    (0..3).map(|number| Server::new(program, &config(number))).collect()
}

async fn node(servers: &[Server], first: usize) -> NatsStore {
    let order = (0..3).map(|number| servers[(first + number) % 3].port());
    let urls: Vec<String> = order.map(|port| format!("nats://127.0.0.1:{port}")).collect();
    let begin = Instant::now();
    loop {
        let mut config = NatsConfig::default();
        config.replicas = 3;
        config.timeout = Duration::from_secs(2);
        config.handover = Duration::from_secs(1);
        config.lease = Duration::from_secs(5);
        // Until the servers have found each other, they make no stream of three.
        match NatsStore::connect(&urls.join(","), config).await {
            Ok(store) => return store,
            Err(error) if begin.elapsed() < Duration::from_secs(60) => {
                assert!(
                    !matches!(error, StoreError::Full(_)) || begin.elapsed() < Duration::from_secs(50),
                    "{error:?}"
                );
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            Err(error) => panic!("{error:?}"),
        }
    }
}

async fn write(store: &NatsStore, id: &JournalId, numbers: std::ops::RangeInclusive<u64>) {
    let fence = insist(async || store.open(id).await).await.unwrap().fence;
    for number in numbers {
        let records = numbered([number]);
        insist(async || store.append(id, fence, number, &records).await)
            .await
            .unwrap();
    }
    insist(async || store.release(id, fence).await).await.unwrap();
}

#[test]
fn any_one_of_three_servers_may_die() {
    let Some(program) = program() else { return };
    let mut random = Random::new();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let mut servers = cluster(program);
    runtime.block_on(async {
        let (a, b) = (node(&servers, 0).await, node(&servers, 1).await);
        let id = &fresh("cluster");
        let mut last = 0;
        for _ in 0..3 {
            let victim = usize::try_from(random.below(3)).unwrap();
            let pause = Duration::from_millis(random.below(100));
            let store = if random.below(2) == 0 { &a } else { &b };
            let death = async {
                tokio::time::sleep(pause).await;
                servers[victim].kill();
            };
            join(write(store, id, last + 1..=last + 100), death).await;
            last += 100;
            servers[victim].start();
            let opened = insist(async || b.open(id).await).await.unwrap();
            assert_eq!(opened.journal.records, numbered(1..=last));
            insist(async || b.release(id, opened.fence).await).await.unwrap();
        }
        // Two of three are a majority, and one is none.
        servers[0].kill();
        servers[1].kill();
        let (a, opened) = (&a, b.open(id).await);
        assert!(
            is_unavailable(&opened) && is_unavailable(&a.open(id).await),
            "{opened:?}"
        );
    });
}

/// Owners that take a journal from each other without asking: what was answered is there, and nothing of a late owner is.
#[test]
fn owners_that_race_in_a_cluster() {
    let Some(program) = program() else { return };
    let mut random = Random::new();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let servers = cluster(program);
    runtime.block_on(async {
        let store = node(&servers, 0).await;
        let id = &fresh("race");
        let mut answered = 0;
        for round in 0..20 {
            // On one node nobody is asked.
            let opened = insist(async || store.open(id).await).await.unwrap();
            let kept = opened.journal.records.len() as u64;
            assert!(kept >= answered, "round {round}: {kept} of {answered} records");
            assert_eq!(opened.journal.records, numbered(1..=kept));
            let pause = Duration::from_millis(random.below(20));
            let append = async {
                for number in kept + 1..=kept + 200 {
                    let records = numbered([number]);
                    match insist(async || store.append(id, opened.fence, number, &records).await).await {
                        Ok(()) => answered = number,
                        Err(StoreError::Fenced) => return,
                        Err(error) => panic!("{error:?}"),
                    }
                }
            };
            let take = async {
                tokio::time::sleep(pause).await;
                insist(async || store.open(id).await).await.unwrap()
            };
            join(append, take).await;
        }
    });
}
