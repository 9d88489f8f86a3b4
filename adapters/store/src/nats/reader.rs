//! Reads many messages of the stream, in their order, and notices if one was lost on the way.

use std::collections::VecDeque;
use std::time::Duration;

use async_nats::jetstream::consumer::pull::Config;
use async_nats::jetstream::consumer::{AckPolicy, DeliverPolicy, PullConsumer};
use async_nats::jetstream::stream::ConsumerErrorKind;
use bytes::Bytes;
use futures_util::StreamExt;
use unbroken_driver::store::StoreError;

use super::errors::{damaged, failed, of_api, unavailable};
use super::head::Head;
use super::link::Link;

/// How many messages are asked for at a time.
const BATCH: usize = 256;

/// A message as it is in the stream.
pub(super) struct Stored {
    pub(super) subject: String,
    pub(super) sequence: u64,
    pub(super) head: Result<Head, String>,
    pub(super) body: Bytes,
}

impl Stored {
    /// Its header, which must be one of ours.
    pub(super) fn head(&self) -> Result<&Head, StoreError> {
        self.head
            .as_ref()
            .map_err(|what| damaged(format!("{}: {what}", self.subject)))
    }
}

pub(super) struct Reader<'a> {
    link: &'a Link,
    consumer: PullConsumer,
    /// Fetched, and not taken yet.
    fetched: VecDeque<Stored>,
    /// How many messages the server has sent.
    sent: u64,
    /// Nothing was behind the last one.
    is_end: bool,
}

impl<'a> Reader<'a> {
    /// Reads the messages of all subjects that the filter takes: every one, or the headers of each subject's last one.
    pub(super) async fn new(link: &'a Link, filter: String, is_last_only: bool) -> Result<Reader<'a>, StoreError> {
        let config = Config {
            deliver_policy: if is_last_only {
                DeliverPolicy::LastPerSubject
            } else {
                DeliverPolicy::All
            },
            ack_policy: AckPolicy::None,
            filter_subject: filter,
            headers_only: is_last_only,
            memory_storage: true,
            num_replicas: 1,
            // It is deleted once it has been read; this is for one whose reader has died.
            inactive_threshold: link.timeout.max(Duration::from_secs(1)) * 4,
            ..Config::default()
        };
        let call = async {
            let made = link.stream.create_consumer(config).await;
            made.map_err(|error| match error.kind() {
                ConsumerErrorKind::JetStream(error) => of_api(error),
                ConsumerErrorKind::InvalidConsumerType | ConsumerErrorKind::InvalidName => failed(error),
                _ => unavailable(error),
            })
        };
        let consumer = link.within(call).await?;
        let is_end = consumer.cached_info().num_pending == 0;
        Ok(Reader {
            link,
            consumer,
            fetched: VecDeque::new(),
            sent: 0,
            is_end,
        })
    }

    /// The next message; `None`: there is none now.
    pub(super) async fn next(&mut self) -> Result<Option<Stored>, StoreError> {
        if self.fetched.is_empty() && !self.is_end {
            self.fetch().await?;
        }
        Ok(self.fetched.pop_front())
    }

    /// Looks again behind what was the end.
    pub(super) fn look_again(&mut self) {
        self.is_end = false;
    }

    async fn fetch(&mut self) -> Result<(), StoreError> {
        let Reader {
            link,
            consumer,
            fetched,
            sent,
            is_end,
        } = self;
        let call = async {
            let batch = consumer.fetch().max_messages(BATCH).messages().await;
            let mut batch = batch.map_err(unavailable)?;
            *is_end = true;
            while let Some(message) = batch.next().await {
                let message = message.map_err(unavailable)?;
                let (sequence, order, behind) = {
                    let info = message.info().map_err(unavailable)?;
                    (info.stream_sequence, info.consumer_sequence, info.pending)
                };
                // Messages come over a connection that may lose some when it is made anew.
                if order != *sent + 1 {
                    return Err(unavailable("messages were lost on their way from the server"));
                }
                *sent = order;
                *is_end = behind == 0;
                fetched.push_back(Stored {
                    subject: message.subject.to_string(),
                    sequence,
                    head: Head::of(message.headers.as_ref(), sequence),
                    body: message.payload.clone(),
                });
                if *is_end {
                    break;
                }
            }
            Ok(())
        };
        link.within(call).await
    }
}

impl Drop for Reader<'_> {
    fn drop(&mut self) {
        // Nobody waits for it: the server deletes it by itself, only later.
        let (stream, name) = (self.link.stream.clone(), self.consumer.cached_info().name.clone());
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move { stream.delete_consumer(&name).await });
        }
    }
}
