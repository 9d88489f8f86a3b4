//! The stream and the bucket of a fleet: made, or found as they must be.

use std::error::Error;
use std::time::Duration;

use async_nats::jetstream::context::{GetStreamError, GetStreamErrorKind, KeyValueErrorKind};
use async_nats::jetstream::stream::{Config, DiscardPolicy, Info, RetentionPolicy, StorageType};
use async_nats::jetstream::{ErrorCode, kv};
use unbroken_driver::store::StoreError;

use super::config::NatsConfig;
use super::errors::{failed, unavailable};
use super::link::Link;

/// Makes the stream of the journals, unless it is there.
pub(super) async fn stream(link: &Link, config: &NatsConfig) -> Result<Info, StoreError> {
    if let Some(info) = link.info().await? {
        check(&info.config, config)?;
        return Ok(info);
    }
    let max_bytes = match config.max_bytes {
        Some(bytes) => i64::try_from(bytes).map_err(failed)?,
        None => -1,
    };
    let wanted = Config {
        name: config.name.clone(),
        description: Some("Sessions of unbroken: a subject is a journal".to_owned()),
        subjects: vec![format!("{}.j.*", config.name)],
        retention: RetentionPolicy::Limits,
        discard: DiscardPolicy::New,
        storage: StorageType::File,
        num_replicas: config.replicas,
        max_bytes,
        max_messages: -1,
        max_messages_per_subject: -1,
        max_consumers: -1,
        ..Config::default()
    };
    match link.create(&wanted).await {
        // Another node was faster, with another size or number of replicas.
        Err(StoreError::Failed(cause)) => match link.info().await? {
            Some(info) => check(&info.config, config).map(|()| info),
            None => Err(StoreError::Failed(cause)),
        },
        made => made,
    }
}

/// Refuses a stream that would lose something, or let somebody write who must not. Sizes and replicas are the operator's.
fn check(found: &Config, config: &NatsConfig) -> Result<(), StoreError> {
    let is_unlimited = |limit: i64| limit <= 0;
    let wrong = [
        ("subjects", found.subjects != [format!("{}.j.*", config.name)]),
        ("retention", found.retention != RetentionPolicy::Limits),
        ("discard", found.discard != DiscardPolicy::New),
        ("storage", found.storage != StorageType::File),
        ("max_age", !found.max_age.is_zero()),
        ("max_msgs_per_subject", !is_unlimited(found.max_messages_per_subject)),
        ("deny_purge", found.deny_purge),
        ("no_ack", found.no_ack),
        ("sealed", found.sealed),
        ("mirror", found.mirror.is_some()),
        (
            "sources",
            found.sources.as_ref().is_some_and(|sources| !sources.is_empty()),
        ),
    ];
    let names: Vec<&str> = wrong
        .iter()
        .filter(|(_, is_wrong)| *is_wrong)
        .map(|(name, _)| *name)
        .collect();
    if names.is_empty() {
        return Ok(());
    }
    Err(failed(format!(
        "the stream {} is not one of this store: see its {}",
        config.name,
        names.join(", ")
    )))
}

/// Makes the bucket that says which nodes live, unless it is there.
pub(super) async fn leases(link: &Link, config: &NatsConfig) -> Result<kv::Store, StoreError> {
    let bucket = format!("{}-nodes", config.name);
    let store = match find(link, &bucket).await? {
        Some(store) => store,
        None => {
            // If another node was faster with another configuration, what it made is found.
            let made = link.create(&bucket_config(&bucket, config)).await;
            match (find(link, &bucket).await?, made) {
                (Some(store), _) => store,
                (None, Err(error)) => return Err(error),
                (None, Ok(_)) => return Err(failed("the bucket of the nodes was deleted")),
            }
        }
    };
    let call = async { store.status().await.map_err(unavailable) };
    let age = link.within(call).await?.max_age();
    if age != config.lease {
        return Err(failed(format!(
            "the nodes of {} have a lease of {age:?}, and this one of {:?}",
            config.name, config.lease
        )));
    }
    Ok(store)
}

async fn find(link: &Link, bucket: &str) -> Result<Option<kv::Store>, StoreError> {
    let call = async {
        match link.context.get_key_value(bucket).await {
            Ok(store) => Ok(Some(store)),
            Err(error) if error.kind() != KeyValueErrorKind::GetBucket => Err(failed(error)),
            Err(error) => {
                let cause = error.source().and_then(|cause| cause.downcast_ref::<GetStreamError>());
                match cause.map(GetStreamError::kind) {
                    Some(GetStreamErrorKind::JetStream(why)) if why.error_code() == ErrorCode::STREAM_NOT_FOUND => {
                        Ok(None)
                    }
                    _ => Err(unavailable(error)),
                }
            }
        }
    };
    link.within(call).await
}

/// A bucket is a stream. The client's own way to make one reads the limits of the account, which it cannot with servers of 2.9.
fn bucket_config(bucket: &str, config: &NatsConfig) -> Config {
    Config {
        name: format!("KV_{bucket}"),
        description: Some("Nodes of unbroken that live: they say so again and again".to_owned()),
        subjects: vec![format!("$KV.{bucket}.>")],
        discard: DiscardPolicy::New,
        storage: StorageType::File,
        num_replicas: config.replicas,
        max_age: config.lease,
        duplicate_window: config.lease.min(Duration::from_secs(120)),
        max_messages_per_subject: 1,
        max_messages: -1,
        max_bytes: -1,
        max_consumers: -1,
        allow_rollup: true,
        deny_delete: true,
        allow_direct: true,
        ..Config::default()
    }
}
