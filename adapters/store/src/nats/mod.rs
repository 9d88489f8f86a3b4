#![doc = include_str!("../../NATS.md")]

mod chain;
mod config;
mod errors;
mod fold;
mod frames;
mod head;
mod link;
mod node;
mod on_runtime;
mod open;
mod owned;
mod reader;
mod room;
mod setup;
mod sweep;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use async_nats::{Client, ConnectOptions};
use bytes::Bytes;
use tokio::runtime::Handle;
use tokio::task::AbortHandle;
use unbroken_driver::store::{Fence, JournalId, KeptJournal, Opened, Snapshot, Store, StoreError, StoreFuture};

pub use async_nats;

use self::chain::{Last, last};
pub use self::config::NatsConfig;
use self::errors::{failed, unavailable};
use self::link::Link;
use self::node::Node;
use self::on_runtime::OnRuntime;
use self::owned::{Owned, Tail};
use self::room::Room;

/// Keeps journals in a stream of NATS JetStream, which the nodes of a fleet share. Each value of this type is a node.
///
/// It is made in a runtime of tokio, which must go on for as long as it lives: there it says that it lives, hears what other
/// nodes want, and deletes what may be deleted. Its futures can be polled anywhere.
///
/// A node that is dropped is thought to live until its lease is over, since it may have been killed; [`leave`](Self::leave)
/// ends that at once.
#[derive(Debug)]
pub struct NatsStore {
    node: Arc<Node>,
    runtime: Handle,
    tasks: Vec<AbortHandle>,
}

impl NatsStore {
    /// Connects to a server, `nats://host:4222` or `tls://host:4222`, of which there may be several with commas between them,
    /// and joins the fleet.
    ///
    /// # Errors
    /// As [`new`](Self::new); [`StoreError::Unavailable`], if no server can be reached.
    pub async fn connect(servers: &str, config: NatsConfig) -> Result<NatsStore, StoreError> {
        let servers: Result<Vec<async_nats::ServerAddr>, _> = servers.split(',').map(str::parse).collect();
        let options = ConnectOptions::new()
            .name("unbroken")
            .request_timeout(Some(config.timeout));
        let client = options.connect(servers.map_err(failed)?).await.map_err(unavailable)?;
        NatsStore::new(client, config).await
    }

    /// Joins the fleet over a connection that the host has made, with the credentials and the trust that it needs. Makes the
    /// stream and the bucket, if they are not there.
    ///
    /// # Errors
    /// [`StoreError::Failed`], if the configuration is none, does not fit the stream that is there, or no runtime of tokio is
    /// here; [`StoreError::Unavailable`]; [`StoreError::Full`], if JetStream has no room for the stream.
    pub async fn new(client: Client, config: NatsConfig) -> Result<NatsStore, StoreError> {
        config.check()?;
        let runtime = Handle::try_current().map_err(failed)?;
        let mut random = [0; 9];
        getrandom::fill(&mut random).map_err(failed)?;
        let [jitter, random @ ..] = random;
        let name = format!("{:016x}", u64::from_be_bytes(random));

        let link = Link::new(client, &config).await?;
        let room = Room::default();
        let info = setup::stream(&link, &config).await?;
        room.learn(&info);
        link.learn(&info);
        let leases = setup::leases(&link, &config).await?;
        let node = Arc::new(Node::new(name, link, config, room, leases));
        // It can be asked before it owns anything.
        let call = async {
            node.link
                .client
                .subscribe(node.subject_of(&node.name))
                .await
                .map_err(unavailable)
        };
        let requests = node.link.within(call).await?;
        node.renew().await?;
        let jitter = f64::from(jitter) / 255.0;
        let tasks = vec![
            runtime.spawn(node.clone().live()).abort_handle(),
            runtime.spawn(node.clone().serve(requests)).abort_handle(),
            runtime.spawn(sweep::sweep(node.clone(), jitter)).abort_handle(),
        ];
        Ok(NatsStore { node, runtime, tasks })
    }

    /// The name of this node, random, as other nodes and operators see it.
    #[must_use]
    pub fn node(&self) -> &str {
        &self.node.name
    }

    /// Says that this node is gone: other nodes take over at once what it did not release.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`]: they wait until its lease is over.
    pub async fn leave(self) -> Result<(), StoreError> {
        for task in &self.tasks {
            task.abort();
        }
        OnRuntime::new(&self.runtime, self.node.leave()).await
    }

    fn call<'a, T>(&self, future: impl Future<Output = Result<T, StoreError>> + Send + 'a) -> StoreFuture<'a, T>
    where
        T: Send + 'a,
    {
        Box::pin(OnRuntime::new(&self.runtime, future))
    }

    /// Gives up a journal, whether this node knows it or not.
    async fn end(&self, id: &JournalId, fence: Fence, is_removed: bool) -> Result<(), StoreError> {
        let node = &self.node;
        if let Some(owned) = node.owner(id, fence)? {
            let answer = owned.end(&node.link, is_removed).await;
            if answer.is_ok() {
                node.disown(&owned).await;
            }
            return node.after(&owned, answer).await;
        }
        // It was given up before, and the answer may have been lost; or it was deleted.
        let Some(Last { next, head, .. }) = last(&node.link, id).await? else {
            return Ok(());
        };
        if head.fence != fence.0 {
            return Err(StoreError::Fenced);
        }
        if !head.is_owned() && (!is_removed || head.kept.is_none()) {
            return Ok(());
        }
        let spans = Vec::new();
        Owned::new(&node.link, id, fence.0, Tail { next, head, spans })
            .end(&node.link, is_removed)
            .await
    }
}

impl Drop for NatsStore {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

impl Store for NatsStore {
    fn open<'a>(&'a self, id: &'a JournalId) -> StoreFuture<'a, Opened> {
        self.call(open::open(&self.node, id))
    }

    fn open_abandoned<'a>(&'a self, id: &'a JournalId) -> StoreFuture<'a, Option<Opened>> {
        self.call(open::open_abandoned(&self.node, id))
    }

    fn read<'a>(&'a self, id: &'a JournalId) -> StoreFuture<'a, KeptJournal> {
        self.call(open::read(&self.node, id))
    }

    fn append<'a>(&'a self, id: &'a JournalId, fence: Fence, first: u64, records: &'a [Bytes]) -> StoreFuture<'a, ()> {
        self.call(async move {
            let node = &self.node;
            let owned = node.owner(id, fence)?.ok_or(StoreError::Fenced)?;
            let answer = owned.append(&node.link, &node.room, first, records).await;
            node.after(&owned, answer).await
        })
    }

    fn replace<'a>(&'a self, id: &'a JournalId, fence: Fence, snapshot: &'a Snapshot) -> StoreFuture<'a, ()> {
        self.call(async move {
            let node = &self.node;
            let owned = node.owner(id, fence)?.ok_or(StoreError::Fenced)?;
            let answer = owned.replace(&node.link, snapshot).await;
            node.after(&owned, answer).await
        })
    }

    fn remove<'a>(&'a self, id: &'a JournalId, fence: Fence) -> StoreFuture<'a, ()> {
        self.call(self.end(id, fence, true))
    }

    fn release<'a>(&'a self, id: &'a JournalId, fence: Fence) -> StoreFuture<'a, ()> {
        self.call(self.end(id, fence, false))
    }

    fn list(&self) -> StoreFuture<'_, Vec<JournalId>> {
        self.call(sweep::list(&self.node))
    }

    fn abandoned(&self) -> StoreFuture<'_, Vec<JournalId>> {
        self.call(sweep::abandoned(&self.node))
    }

    fn wanted(&self) -> Pin<Box<dyn Future<Output = JournalId> + Send + '_>> {
        Box::pin(OnRuntime::new(&self.runtime, self.node.wanted()))
    }
}
