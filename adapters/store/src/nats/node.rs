//! A node of the fleet: which journals it owns, that it lives, and what other nodes ask it for.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_nats::jetstream::kv;
use async_nats::{Client, Message, Request, RequestErrorKind, Subject, Subscriber};
use futures_util::StreamExt;
use tokio::runtime::Handle;
use tokio::sync::{Notify, mpsc};
use unbroken_driver::store::{Fence, JournalId, StoreError};

use super::config::NatsConfig;
use super::errors::unavailable;
use super::link::Link;
use super::owned::{Owned, Tail};
use super::room::Room;

/// How many journals may be wanted and not be asked for yet.
const WANTED: usize = 4096;

/// What a node answers that does not own the journal, or no longer.
const GIVEN_UP: &[u8] = b"given up";

#[derive(Debug, Default)]
struct Journals {
    owned: HashMap<JournalId, Arc<Owned>>,
    /// Those that are being opened, by how many calls, and who asked for them meanwhile: under which fence, and where it waits.
    opening: HashMap<JournalId, (usize, Vec<(Fence, Subject)>)>,
}

#[derive(Debug)]
pub(super) struct Node {
    /// Random: it names one life of one process.
    pub(super) name: String,
    pub(super) link: Link,
    pub(super) config: NatsConfig,
    pub(super) room: Room,
    /// Which nodes live.
    leases: kv::Store,
    journals: Mutex<Journals>,
    asked: mpsc::Sender<JournalId>,
    wanted: tokio::sync::Mutex<mpsc::Receiver<JournalId>>,
    /// Something may be deleted.
    pub(super) garbage: Notify,
}

impl Node {
    pub(super) fn new(name: String, link: Link, config: NatsConfig, room: Room, leases: kv::Store) -> Node {
        let (asked, wanted) = mpsc::channel(WANTED);
        Node {
            name,
            link,
            config,
            room,
            leases,
            journals: Mutex::default(),
            asked,
            wanted: tokio::sync::Mutex::new(wanted),
            garbage: Notify::new(),
        }
    }

    fn journals(&self) -> MutexGuard<'_, Journals> {
        self.journals.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The subject on which a node is asked for journals.
    pub(super) fn subject_of(&self, node: &str) -> String {
        format!("{}.n.{node}", self.link.name)
    }

    /// This node is the owner of the journal from now on.
    pub(super) fn own(&self, id: &JournalId, fence: u64, tail: Tail) {
        let owned = Arc::new(Owned::new(&self.link, id, fence, tail));
        let all = &mut self.journals().owned;
        // Two calls that open the same journal may end in either order.
        if all.get(id).is_none_or(|other| other.fence < fence) {
            all.insert(id.clone(), owned);
        }
    }

    /// The journal, if this is the latest fence that this node has for it.
    pub(super) fn owner(&self, id: &JournalId, fence: Fence) -> Result<Option<Arc<Owned>>, StoreError> {
        match self.journals().owned.get(id) {
            Some(owned) if owned.fence == fence.0 => Ok(Some(owned.clone())),
            Some(owned) if owned.fence > fence.0 => Err(StoreError::Fenced),
            _ => Ok(None),
        }
    }

    /// Whether this node owns the journal, or is about to.
    pub(super) fn has(&self, id: &JournalId) -> bool {
        let journals = self.journals();
        journals.owned.contains_key(id) || journals.opening.contains_key(id)
    }

    /// The journal is owned no longer; whoever waits for it is told.
    pub(super) async fn disown(&self, owned: &Arc<Owned>) {
        {
            let all = &mut self.journals().owned;
            if all.get(&owned.id).is_some_and(|other| Arc::ptr_eq(other, owned)) {
                all.remove(&owned.id);
            }
        }
        tell(&self.link.client, owned.take_waiting()).await;
    }

    /// What came of a call about an owned journal. One that another node has taken over is forgotten.
    pub(super) async fn after<T>(&self, owned: &Arc<Owned>, answer: Result<T, StoreError>) -> Result<T, StoreError> {
        if matches!(answer, Err(StoreError::Fenced)) {
            self.disown(owned).await;
        }
        answer
    }

    /// The next journal that another node asks for.
    pub(super) async fn wanted(&self) -> JournalId {
        let mut wanted = self.wanted.lock().await;
        loop {
            match wanted.recv().await {
                Some(id) if self.journals().owned.contains_key(&id) => return id,
                Some(_) => {}
                None => std::future::pending().await,
            }
        }
    }

    /// Whether that node has said so within its lease.
    pub(super) async fn is_alive(&self, node: &str) -> Result<bool, StoreError> {
        let call = async {
            let entry = self.leases.entry(node).await.map_err(unavailable)?;
            Ok(entry.is_some_and(|entry| entry.operation == kv::Operation::Put))
        };
        self.link.within(call).await
    }

    /// Says that this node lives.
    pub(super) async fn renew(&self) -> Result<(), StoreError> {
        let call = async {
            let put = self.leases.put(&self.name, std::process::id().to_string().into()).await;
            put.map(drop).map_err(unavailable)
        };
        self.link.within(call).await
    }

    /// Says that this node lives no longer.
    pub(super) async fn leave(&self) -> Result<(), StoreError> {
        let call = async { self.leases.delete(&self.name).await.map_err(unavailable) };
        self.link.within(call).await
    }

    /// Says that this node lives, for as long as it does.
    pub(super) async fn live(self: Arc<Node>) {
        loop {
            tokio::time::sleep(self.config.lease / 3).await;
            // One that fails is followed by others before the lease is over; and if it is, only others take over sooner.
            let _ = self.renew().await;
            if let Ok(Some(info)) = self.link.info().await {
                self.room.learn(&info);
                self.link.learn(&info);
            }
        }
    }

    /// Takes what other nodes ask for.
    pub(super) async fn serve(self: Arc<Node>, mut requests: Subscriber) {
        while let Some(request) = requests.next().await {
            if !self.note(&request) {
                tell(&self.link.client, request.reply).await;
            }
        }
    }

    /// Whether this node owns the journal or is about to, and will answer once it has given it up.
    fn note(&self, request: &Message) -> bool {
        let Some((id, fence)) = parse(&request.payload) else {
            return false;
        };
        let Some(reply) = request.reply.clone() else {
            return false;
        };
        if let Ok(Some(owned)) = self.owner(&id, fence) {
            self.wait(&owned, reply);
            return true;
        }
        // The fence can be seen by others before its owner knows it.
        let mut journals = self.journals();
        let Some((_, waiting)) = journals.opening.get_mut(&id) else {
            return false;
        };
        let has_room = waiting.len() < 64;
        if has_room {
            waiting.push((fence, reply));
        }
        has_room
    }

    fn wait(&self, owned: &Owned, reply: Subject) {
        // If there is no room for it, its node hears nothing, and asks again.
        if owned.wait(reply) {
            let _ = self.asked.try_send(owned.id.clone());
        }
    }

    /// This node is about to become the owner of the journal.
    pub(super) fn opening(&self, id: &JournalId) -> Opening<'_> {
        self.journals().opening.entry(id.clone()).or_default().0 += 1;
        Opening {
            node: self,
            id: id.clone(),
        }
    }

    /// Asks a node for a journal, and waits until it is given up or the time is over.
    pub(super) async fn ask(&self, node: &str, id: &JournalId, fence: u64, time: Duration) -> Answer {
        let request = Request::new()
            .payload(format!("{id} {fence}").into())
            .timeout(Some(time));
        match self.link.client.send_request(self.subject_of(node), request).await {
            Ok(_) => Answer::GivenUp,
            Err(error) if error.kind() == RequestErrorKind::NoResponders => Answer::Nobody,
            Err(_) => Answer::Nothing,
        }
    }
}

/// What an owner answered that was asked for a journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// It does not own it any more.
    GivenUp,
    /// No such node is connected now.
    Nobody,
    /// Nothing, in the time that it had.
    Nothing,
}

/// A call that opens a journal, until it has or has not.
pub(super) struct Opening<'a> {
    node: &'a Node,
    id: JournalId,
}

impl Drop for Opening<'_> {
    fn drop(&mut self) {
        let waiting = {
            let mut journals = self.node.journals();
            let Some((calls, waiting)) = journals.opening.get_mut(&self.id) else {
                return;
            };
            *calls -= 1;
            if *calls > 0 {
                return;
            }
            let waiting = std::mem::take(waiting);
            journals.opening.remove(&self.id);
            waiting
        };
        let mut others = Vec::new();
        for (fence, reply) in waiting {
            match self.node.owner(&self.id, fence) {
                Ok(Some(owned)) => self.node.wait(&owned, reply),
                _ => others.push(reply),
            }
        }
        if let (false, Ok(runtime)) = (others.is_empty(), Handle::try_current()) {
            let client = self.node.link.client.clone();
            runtime.spawn(async move { tell(&client, others).await });
        }
    }
}

/// Tells who waits that a journal is given up. Who does not hear of it looks by itself when its time is over.
async fn tell(client: &Client, waiting: impl IntoIterator<Item = Subject>) {
    for reply in waiting {
        let _ = client.publish(reply, GIVEN_UP.into()).await;
    }
}

fn parse(request: &[u8]) -> Option<(JournalId, Fence)> {
    let (id, fence) = std::str::from_utf8(request).ok()?.split_once(' ')?;
    Some((id.parse().ok()?, Fence(fence.parse().ok()?)))
}
