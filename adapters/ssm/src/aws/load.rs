//! Who asks AWS, and how that is found out.

use std::sync::Arc;

use aws_config::{Region, SdkConfig};
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use hyper::Uri;
use unbroken_tokio::carriers::Tls;

use super::credentials::{Chain, Source};
use super::endpoint::{KMS, SSM, endpoint, is_region, parse};
use super::error::LoadError;
use super::lookup;
use super::signer::Signer;
use crate::api::{Api, Http};

/// What a client asks of AWS in one region: sessions by [`api`](Aws::api), and data keys. Clones share their credentials.
#[derive(Clone, Debug)]
pub struct Aws {
    pub(super) region: Arc<str>,
    pub(super) http: Http,
    pub(super) signer: Signer,
    pub(super) ssm: Uri,
    pub(super) kms: Uri,
}

impl Aws {
    /// As the environment and the shared files say, unless said here: the region, the profile, and the endpoint of `ssm`. What is empty
    /// counts as not said. No credentials are looked up yet.
    ///
    /// `AWS_REGION`, `AWS_PROFILE`, `AWS_CONFIG_FILE`, `AWS_SHARED_CREDENTIALS_FILE`, `AWS_ENDPOINT_URL_SSM`, `AWS_ENDPOINT_URL_KMS`,
    /// `AWS_ENDPOINT_URL`, `AWS_USE_FIPS_ENDPOINT`, `AWS_USE_DUALSTACK_ENDPOINT` and what stands for them in a profile are read as the SDKs
    /// of AWS read them. If no region is said anywhere, the instance's metadata are asked for it, which takes seconds where there are none.
    ///
    /// # Errors
    /// There is no region, or something said is malformed.
    pub async fn load(region: Option<&str>, profile: Option<&str>, endpoint: Option<&str>) -> Result<Aws, LoadError> {
        Aws::load_with(Http::new(Tls::platform()?), region, profile, endpoint).await
    }

    /// [`load`](Aws::load), with this way to send requests.
    ///
    /// # Errors
    /// As [`load`](Aws::load).
    pub async fn load_with(
        http: Http,
        region: Option<&str>,
        profile: Option<&str>,
        endpoint: Option<&str>,
    ) -> Result<Aws, LoadError> {
        let said = |text: Option<&str>| text.filter(|text| !text.is_empty()).map(str::to_owned);
        let mut chain = Chain {
            profile: said(profile),
            region: said(region).map(Region::new),
            http: lookup::client(http.clone()),
        };
        let config = chain.loader().load().await;
        chain.region = config.region().cloned();
        Aws::assemble(http, &config, Source::Chain(chain), said(endpoint))
    }

    /// In `region`, at its usual endpoints, with credentials of one's own. They are kept as those of [`load`](Aws::load) are: `credentials`
    /// is asked when there are none, when they expire, and after a service refused them.
    ///
    /// # Errors
    /// `region` is malformed.
    pub fn new(http: Http, region: &str, credentials: impl ProvideCredentials + 'static) -> Result<Aws, LoadError> {
        let config = SdkConfig::builder().region(Region::new(region.to_owned())).build();
        let source = Source::Given(SharedCredentialsProvider::new(credentials));
        Aws::assemble(http, &config, source, None)
    }

    fn assemble(http: Http, config: &SdkConfig, source: Source, ssm: Option<String>) -> Result<Aws, LoadError> {
        let region = config.region().ok_or(LoadError::NoRegion)?.as_ref();
        if !is_region(region) {
            return Err(LoadError::Region(region.to_owned()));
        }
        let ssm = match ssm {
            Some(url) => parse(&url)?,
            None => endpoint(config, region, SSM)?,
        };
        let kms = endpoint(config, region, KMS)?;
        let region: Arc<str> = region.into();
        Ok(Aws {
            signer: Signer::new(Arc::clone(&region), source),
            region,
            http,
            ssm,
            kms,
        })
    }

    /// Calls `ssm` at this endpoint.
    ///
    /// # Errors
    /// [`LoadError::Endpoint`].
    pub fn ssm_endpoint(mut self, url: &str) -> Result<Aws, LoadError> {
        self.ssm = parse(url)?;
        Ok(self)
    }

    /// Calls `kms` at this endpoint.
    ///
    /// # Errors
    /// [`LoadError::Endpoint`].
    pub fn kms_endpoint(mut self, url: &str) -> Result<Aws, LoadError> {
        self.kms = parse(url)?;
        Ok(self)
    }

    /// The same, looking up no credentials and signing nothing: what the Session Manager plugin does where
    /// `SSM_PLUGIN_SKIP_CLIENT_CONFIGURE` is `true`. AWS itself then gives no tokens: a session there does not
    /// outlive its first connection.
    #[must_use]
    pub fn unsigned(self) -> Aws {
        Aws {
            signer: self.signer.silent(),
            ..self
        }
    }

    /// The region.
    #[must_use]
    pub fn region(&self) -> &str {
        &self.region
    }

    /// Who signs, for an [`AgentService`](crate::api::AgentService) or other calls.
    #[must_use]
    pub fn signer(&self) -> &Signer {
        &self.signer
    }

    /// The calls of a client.
    #[must_use]
    pub fn api(&self) -> Api<Signer> {
        Api::new(self.http.clone(), self.ssm.clone(), self.signer.clone())
    }
}
