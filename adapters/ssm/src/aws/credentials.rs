//! Credentials, kept as long as they are good for.

use std::error::Error;
use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use aws_config::{BehaviorVersion, ConfigLoader, Region};
use aws_credential_types::Credentials;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use aws_smithy_runtime_api::client::http::SharedHttpClient;

use crate::api::ApiError;

/// How long a look-up may take, programs and sign-on services included.
const LOOK_UP: Duration = Duration::from_secs(30);
/// What expires sooner than this is looked up again.
const MARGIN: Duration = Duration::from_secs(60);

/// Where credentials are looked up.
#[derive(Debug)]
pub(super) enum Source {
    /// The usual places, searched from the beginning each time: what is built once has read its files once.
    Chain(Chain),
    /// Somebody else's.
    Given(SharedCredentialsProvider),
}

/// What the search of the usual places depends on.
#[derive(Clone, Debug)]
pub(super) struct Chain {
    pub(super) profile: Option<String>,
    pub(super) region: Option<Region>,
    pub(super) http: SharedHttpClient,
}

impl Chain {
    /// What reads the environment and the shared files.
    pub(super) fn loader(&self) -> ConfigLoader {
        let mut loader = aws_config::defaults(BehaviorVersion::latest()).http_client(self.http.clone());
        if let Some(profile) = &self.profile {
            loader = loader.profile_name(profile);
        }
        if let Some(region) = &self.region {
            loader = loader.region(region.clone());
        }
        loader
    }
}

impl Source {
    async fn look_up(&self) -> Result<Credentials, Box<dyn Error + Send + Sync>> {
        let provider = match self {
            Source::Given(provider) => provider.clone(),
            Source::Chain(chain) => {
                let config = chain.loader().load().await;
                config.credentials_provider().ok_or("no provider of credentials")?
            }
        };
        provider
            .provide_credentials()
            .await
            .map_err(|error| whole(&error).into())
    }
}

/// An error and all that lies behind it in one line: its own says only that something failed.
fn whole(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut behind = error.source();
    while let Some(error) = behind {
        text.push_str(": ");
        text.push_str(&error.to_string());
        behind = error.source();
    }
    text
}

/// Credentials that are looked up when they are needed.
pub(super) struct Kept {
    source: Source,
    kept: Mutex<Option<Credentials>>,
    /// One look-up at a time; the others wait for what it finds.
    looking_up: tokio::sync::Mutex<()>,
}

impl fmt::Debug for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kept")
            .field("source", &self.source)
            .finish_non_exhaustive()
    }
}

impl Kept {
    pub(super) fn new(source: Source) -> Kept {
        Kept {
            source,
            kept: Mutex::new(None),
            looking_up: tokio::sync::Mutex::new(()),
        }
    }

    /// Good credentials, as far as anybody knows.
    pub(super) async fn credentials(&self) -> Result<Credentials, ApiError> {
        if let Some(credentials) = self.good() {
            return Ok(credentials);
        }
        let _alone = self.looking_up.lock().await;
        if let Some(credentials) = self.good() {
            return Ok(credentials);
        }
        let found = tokio::time::timeout(LOOK_UP, self.source.look_up()).await;
        let found = found.map_err(|late| ApiError::Credentials(late.into()))?;
        let credentials = found.map_err(ApiError::Credentials)?;
        *self.kept.lock().unwrap_or_else(PoisonError::into_inner) = Some(credentials.clone());
        Ok(credentials)
    }

    /// What is kept, if it does not expire.
    fn good(&self) -> Option<Credentials> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let soon = SystemTime::now() + MARGIN;
        kept.clone()
            .filter(|kept| kept.expiry().is_none_or(|expiry| expiry > soon))
    }

    /// They were refused.
    pub(super) fn forget(&self) {
        *self.kept.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}
