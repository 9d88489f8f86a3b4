//! What is asked of the servers: one request and its answer at a time, each with an end.

use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_nats::connection::State;
use async_nats::jetstream::context::{ContextBuilder, RequestErrorKind};
use async_nats::jetstream::{Context, ErrorCode};

use async_nats::jetstream::message::StreamMessage;
use async_nats::jetstream::publish::PublishAck;
use async_nats::jetstream::response::Response;
use async_nats::jetstream::stream::{
    Config, DeleteStatus, Info, LastRawMessageError, LastRawMessageErrorKind, PurgeRequest, PurgeResponse, Stream,
};
use async_nats::{Client, HeaderMap, Request, header};
use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;
use tokio::time::Instant;
use unbroken_driver::store::{JournalId, StoreError};

use super::config::NatsConfig;
use super::errors::{damaged, failed, of_api, of_request, unavailable};
use super::frames::HEADROOM;
use super::head::{HEADER, Head};

/// How often to look whether the connection is still the one over which something was asked.
const LOOK: Duration = Duration::from_millis(100);

/// Where in its subject a message is to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// The sequence of the message before it; 0: there is none.
    pub(super) behind: u64,
    /// The server says that there is none. One of 2.9 does so once it has deleted a subject's last message, as it does with one
    /// that it stored and that the account has no room for.
    pub(super) is_forgotten: bool,
}

impl Place {
    pub(super) fn behind(behind: u64) -> Place {
        let is_forgotten = false;
        Place { behind, is_forgotten }
    }
}

/// What became of a message that was to follow a certain other one.
#[derive(Clone, Copy, Debug)]
pub(super) enum Published {
    /// It is stored, with that sequence.
    At(u64),
    /// It is not: another message came before it.
    Late,
}

/// A message of the stream, if there is one.
fn found(answer: Result<StreamMessage, LastRawMessageError>) -> Result<Option<StreamMessage>, StoreError> {
    match answer.map_err(|error| (error.kind(), error)) {
        Ok(message) => Ok(Some(message)),
        Err((LastRawMessageErrorKind::NoMessageFound, _)) => Ok(None),
        Err((LastRawMessageErrorKind::JetStream(error), _)) if error.error_code() == ErrorCode::NO_MESSAGE_FOUND => {
            Ok(None)
        }
        Err((LastRawMessageErrorKind::JetStream(error), _)) => Err(of_api(error)),
        Err((LastRawMessageErrorKind::InvalidSubject, error)) => Err(failed(error)),
        Err((LastRawMessageErrorKind::Other, error)) => Err(unavailable(error)),
    }
}

fn granted<T>(answer: Response<T>) -> Result<T, StoreError> {
    match answer {
        Response::Ok(answer) => Ok(answer),
        Response::Err { error } => Err(of_api(error)),
    }
}

/// The stream of a fleet.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) client: Client,
    pub(super) context: Context,
    pub(super) stream: Stream<()>,
    pub(super) name: String,
    pub(super) timeout: Duration,
    /// Several servers keep each message.
    is_clustered: AtomicBool,
}

/// Milliseconds since 1970 by the clock of the machine.
pub(super) fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

impl Link {
    pub(super) async fn new(client: Client, config: &NatsConfig) -> Result<Link, StoreError> {
        let builder = ContextBuilder::new().timeout(config.timeout);
        let context = match &config.domain {
            Some(domain) => builder.api_prefix(format!("$JS.{domain}.API")).build(client.clone()),
            None => builder.build(client.clone()),
        };
        let stream = context.get_stream_no_info(&config.name).await.map_err(failed)?;
        Ok(Link {
            client,
            context,
            stream,
            name: config.name.clone(),
            timeout: config.timeout,
            is_clustered: AtomicBool::new(true),
        })
    }

    /// What the server tells of the stream now.
    pub(super) fn learn(&self, info: &Info) {
        self.is_clustered.store(info.config.num_replicas > 1, Ordering::Relaxed);
    }

    pub(super) fn subject(&self, id: &JournalId) -> String {
        format!("{}.j.{id}", self.name)
    }

    /// The journal with that subject, if it is one.
    pub(super) fn journal(&self, subject: &str) -> Option<JournalId> {
        subject.strip_prefix(&self.name)?.strip_prefix(".j.")?.parse().ok()
    }

    /// How many bytes a message may have.
    pub(super) fn largest(&self) -> usize {
        self.client.max_payload().saturating_sub(HEADROOM)
    }

    /// Ends what a server does not answer. While there is no connection nothing is begun: the client would keep it, and send
    /// it when nobody waits for it any more. What was asked over a connection that broke is answered soon, or not at all.
    pub(super) async fn within<T>(&self, call: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
        if self.client.connection_state() == State::Disconnected {
            return Err(unavailable("there is no connection to a NATS server"));
        }
        let statistics = self.client.statistics();
        let begun_with = statistics.connects.load(Ordering::Relaxed);
        let deadline = Instant::now() + self.timeout;
        let mut call = pin!(call);
        let mut is_broken = false;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if let Ok(answer) = tokio::time::timeout(left.min(LOOK), &mut call).await {
                return answer;
            }
            if is_broken {
                return Err(unavailable("the connection broke before the answer"));
            }
            if left <= LOOK {
                return Err(unavailable("no answer came in time"));
            }
            is_broken = statistics.connects.load(Ordering::Relaxed) != begun_with;
        }
    }

    /// A request to JetStream itself.
    async fn api<T: DeserializeOwned>(
        &self,
        subject: String,
        request: &impl Serialize,
    ) -> Result<Response<T>, StoreError> {
        let call = async {
            let answer = self.context.request(subject, request).await;
            answer.map_err(|error| match error.kind() {
                RequestErrorKind::InvalidSubject => failed(error),
                _ => unavailable(error),
            })
        };
        self.within(call).await
    }

    /// Stores a message, if that is its place still.
    pub(super) async fn publish(
        &self,
        subject: &str,
        place: Place,
        head: &Head,
        body: Bytes,
    ) -> Result<Published, StoreError> {
        let last = place.behind;
        let expected = if place.is_forgotten { 0 } else { last };
        let head = Head {
            prev: last,
            ..head.clone()
        };
        let mut headers = HeaderMap::new();
        headers.insert(header::NATS_EXPECTED_STREAM, self.name.as_str());
        headers.insert(header::NATS_EXPECTED_LAST_SUBJECT_SEQUENCE, expected.to_string());
        headers.insert(HEADER, head.to_string());
        let request = Request::new()
            .headers(headers)
            .payload(body)
            .timeout(Some(self.timeout));
        let call = async {
            let sent = self.client.send_request(subject.to_owned(), request).await;
            sent.map_err(of_request)
        };
        let answer = self.within(call).await?;
        match serde_json::from_slice::<Response<PublishAck>>(&answer.payload).map_err(unavailable)? {
            Response::Ok(ack) if self.follows(subject, last, ack.sequence).await? => Ok(Published::At(ack.sequence)),
            Response::Ok(_) => Ok(Published::Late),
            Response::Err { error } if error.error_code() == ErrorCode::STREAM_WRONG_LAST_SEQUENCE => {
                Ok(Published::Late)
            }
            Response::Err { error } => Err(of_api(error)),
        }
    }

    /// Whether nothing stands between two messages of a subject.
    ///
    /// One server alone looks and stores in one step. The leader of several looks, and stores when the others have agreed: what
    /// it stored meanwhile, or what another leader did, is not looked at. So it has to be asked what came of it.
    pub(super) async fn follows(&self, subject: &str, last: u64, sequence: u64) -> Result<bool, StoreError> {
        let behind = last.saturating_add(1);
        if behind == sequence || !self.is_clustered.load(Ordering::Relaxed) {
            return Ok(true);
        }
        let call = async {
            let asked = self
                .stream
                .raw_message_builder()
                .sequence(behind)
                .next_by_subject(subject)
                .send()
                .await;
            found(asked)
        };
        match self.within(call).await? {
            Some(message) => Ok(message.sequence == sequence),
            None => Err(unavailable("a server answered that does not know the latest messages")),
        }
    }

    /// Whether a subject has messages, even if the server knows no last one.
    pub(super) async fn has_some(&self, subject: &str) -> Result<bool, StoreError> {
        let call = async {
            let asked = self
                .stream
                .raw_message_builder()
                .sequence(1)
                .next_by_subject(subject)
                .send()
                .await;
            Ok(found(asked)?.is_some())
        };
        self.within(call).await
    }

    /// The last message of a subject, with its sequence.
    pub(super) async fn last(&self, subject: &str) -> Result<Option<(u64, Head)>, StoreError> {
        let call = async { found(self.stream.get_last_raw_message_by_subject(subject).await) };
        let Some(message) = self.within(call).await? else {
            return Ok(None);
        };
        let head = Head::of(Some(&message.headers), message.sequence);
        Ok(Some((
            message.sequence,
            head.map_err(|what| damaged(format!("{subject}: {what}")))?,
        )))
    }

    /// Deletes the messages of a subject before that sequence. They are garbage: whether it happens is a matter of room.
    pub(super) async fn purge(&self, subject: &str, before: u64) -> Result<(), StoreError> {
        // With a sequence of 1, or none, a server deletes them all.
        if before <= 1 {
            return Ok(());
        }
        let request = PurgeRequest {
            sequence: Some(before),
            filter: Some(subject.to_owned()),
            keep: None,
        };
        let answer: Response<PurgeResponse> = self.api(format!("STREAM.PURGE.{}", self.name), &request).await?;
        granted(answer).map(drop)
    }

    /// Deletes one message.
    pub(super) async fn delete(&self, sequence: u64) -> Result<(), StoreError> {
        let request = json!({ "seq": sequence });
        let answer: Response<DeleteStatus> = self.api(format!("STREAM.MSG.DELETE.{}", self.name), &request).await?;
        granted(answer).map(drop)
    }

    /// Makes a stream, or says what it is if it is there already with the same configuration.
    pub(super) async fn create(&self, config: &Config) -> Result<Info, StoreError> {
        granted(self.api(format!("STREAM.CREATE.{}", config.name), config).await?)
    }

    /// What the server says of the stream; `None`: there is no such stream.
    pub(super) async fn info(&self) -> Result<Option<Info>, StoreError> {
        let answer: Response<Info> = self.api(format!("STREAM.INFO.{}", self.name), &json!({})).await?;
        match answer {
            Response::Err { error } if error.error_code() == ErrorCode::STREAM_NOT_FOUND => Ok(None),
            answer => granted(answer).map(Some),
        }
    }
}
