//! Connections that break at any moment, with what was said and answered.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use unbroken_store::{JournalId, Snapshot, Store, StoreError};

use super::server::{node_at, with_configured};
use super::{Random, fresh, insist, numbered};

/// Passes connections on to a server, and breaks all of them when it is told to.
struct Proxy {
    port: u16,
    cut: Arc<Notify>,
}

impl Proxy {
    async fn new(server: u16) -> Proxy {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let cut = Arc::new(Notify::new());
        let notify = cut.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let notify = notify.clone();
                tokio::spawn(async move {
                    let Ok(server) = TcpStream::connect(("127.0.0.1", server)).await else {
                        return;
                    };
                    let (from_client, to_client) = client.into_split();
                    let (from_server, to_server) = server.into_split();
                    tokio::select! {
                        () = notify.notified() => {}
                        () = pass(from_client, to_server) => {}
                        () = pass(from_server, to_client) => {}
                    }
                });
            }
        });
        Proxy { port, cut }
    }
}

async fn pass(mut from: impl AsyncReadExt + Unpin, mut to: impl AsyncWriteExt + Unpin) {
    let mut buffer = [0; 4096];
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        if to.write_all(&buffer[..length]).await.is_err() {
            return;
        }
    }
}

/// What the journal must be.
#[derive(Default)]
struct Model {
    snapshot: Option<(u64, Bytes)>,
    records: Vec<(u64, Bytes)>,
    next: u64,
}

impl Model {
    fn append(&mut self, records: &[Bytes]) {
        for record in records {
            self.records.push((self.next, record.clone()));
            self.next += 1;
        }
    }

    fn replace(&mut self, snapshot: &Snapshot) {
        self.records.retain(|(number, _)| *number > snapshot.through);
        self.snapshot = Some((snapshot.through, snapshot.bytes.clone()));
    }

    async fn check(&self, store: &dyn Store, id: &JournalId) -> unbroken_store::Fence {
        let opened = insist(async || store.open(id).await).await.unwrap();
        assert!(opened.journal.snapshot == self.snapshot, "the snapshot");
        let records: Vec<Bytes> = self.records.iter().map(|(_, record)| record.clone()).collect();
        assert!(opened.journal.records == records, "the records up to {}", self.next);
        opened.fence
    }
}

#[test]
fn answers_that_are_lost_change_nothing() {
    with_configured("max_payload: 8192", async |server| {
        let mut random = Random::new();
        let proxy = Proxy::new(server.port()).await;
        let store = node_at(proxy.port, |config| config.timeout = Duration::from_millis(500)).await;
        let cut = proxy.cut.clone();
        let mut cuts = Random(random.below(1 << 32));
        let cutter = tokio::spawn(async move {
            loop {
                tokio::time::sleep(Duration::from_micros(cuts.below(200_000))).await;
                cut.notify_waiters();
            }
        });
        let id = &fresh("lost");
        let mut model = Model {
            next: 1,
            ..Model::default()
        };
        let mut fence = model.check(&store, id).await;
        for _ in 0..120 {
            match random.below(12) {
                0 => fence = model.check(&store, id).await,
                1 => {
                    let through = model.next - 1 - random.below(3).min(model.records.len() as u64);
                    let large = usize::try_from(random.below(2) * random.below(30_000)).unwrap();
                    let snapshot = Snapshot {
                        through,
                        bytes: vec![1; large].into(),
                        keep_for: None,
                    };
                    let said = insist(async || store.replace(id, fence, &snapshot).await).await;
                    said.unwrap();
                    model.replace(&snapshot);
                }
                2 => {
                    insist(async || store.release(id, fence).await).await.unwrap();
                    fence = model.check(&store, id).await;
                }
                kind => {
                    let count = 1 + random.below(4);
                    let mut records = numbered(model.next..model.next + count);
                    if kind == 3 {
                        records.push(vec![9; usize::try_from(random.below(20_000)).unwrap()].into());
                    }
                    let next = model.next;
                    let said = insist(async || store.append(id, fence, next, &records).await).await;
                    said.unwrap();
                    model.append(&records);
                }
            }
        }
        cutter.abort();
        let fence = model.check(&store, id).await;
        insist(async || store.remove(id, fence).await).await.unwrap();
        let listed = insist(async || store.list().await).await.unwrap();
        assert!(!listed.contains(id));
        let late = store.append(id, fence, 1, &numbered([1])).await;
        assert!(matches!(late, Err(StoreError::Fenced)));
    });
}
