//! Where AWS's services are.

use aws_config::SdkConfig;
use aws_types::service_config::ServiceConfigKey;
use hyper::Uri;

use super::error::LoadError;

/// The suffixes of hosts' names in a partition: beginnings of its regions' names, the usual suffix, and that of hosts with IPv6, too.
/// The first row has all other regions.
const PARTITIONS: [(&str, &str, &str); 7] = [
    ("", "amazonaws.com", "api.aws"),
    ("cn-", "amazonaws.com.cn", "api.amazonwebservices.com.cn"),
    ("eusc-", "amazonaws.eu", "api.amazonwebservices.eu"),
    ("us-iso-", "c2s.ic.gov", "api.aws.ic.gov"),
    ("us-isob-", "sc2s.sgov.gov", "api.aws.scloud"),
    ("eu-isoe-", "cloud.adc-e.uk", "api.cloud-aws.adc-e.uk"),
    ("us-isof-", "csp.hci.ic.gov", "api.aws.hci.ic.gov"),
];

/// A service: what signatures call it, what the configuration calls it.
#[derive(Clone, Copy)]
pub(super) struct Place {
    pub(super) name: &'static str,
    pub(super) id: &'static str,
}

pub(super) const SSM: Place = Place { name: "ssm", id: "SSM" };
pub(super) const KMS: Place = Place { name: "kms", id: "KMS" };

/// What kind of host is wanted.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Kind {
    /// With cryptography that FIPS 140 allows.
    pub(super) is_fips: bool,
    /// With IPv6, too.
    pub(super) is_dual_stack: bool,
}

/// The endpoint that `config` names for the service, or that of its region.
pub(super) fn endpoint(config: &SdkConfig, region: &str, place: Place) -> Result<Uri, LoadError> {
    let key = ServiceConfigKey::builder()
        .service_id(place.id)
        .env("AWS_ENDPOINT_URL")
        .profile("endpoint_url")
        .build();
    let ours = config
        .service_config()
        .zip(key.ok())
        .and_then(|(all, key)| all.load_config(key));
    if let Some(url) = ours.or_else(|| config.endpoint_url().map(str::to_owned)) {
        return parse(&url);
    }
    let kind = Kind {
        is_fips: config.use_fips().unwrap_or(false),
        is_dual_stack: config.use_dual_stack().unwrap_or(false),
    };
    parse(&regional(place.name, region, kind))
}

/// Reads an endpoint's URL.
pub(super) fn parse(url: &str) -> Result<Uri, LoadError> {
    let malformed = || LoadError::Endpoint(url.to_owned());
    let uri: Uri = url.parse().map_err(|_| malformed())?;
    let is_http = matches!(uri.scheme_str(), Some("http" | "https"));
    let authority = uri
        .authority()
        .filter(|authority| is_http && !authority.as_str().contains('@'));
    match authority.is_some_and(|authority| !authority.host().is_empty()) {
        true => Ok(uri),
        false => Err(malformed()),
    }
}

/// The usual endpoint of a service in a region.
fn regional(name: &str, region: &str, kind: Kind) -> String {
    let [others, ..] = &PARTITIONS;
    let named = PARTITIONS
        .iter()
        .skip(1)
        .find(|(begins, ..)| region.starts_with(begins));
    let (_, usual, dual) = named.unwrap_or(others);
    let suffix = if kind.is_dual_stack { dual } else { usual };
    // The usual hosts of ssm in GovCloud are those of FIPS, and there are no others.
    let is_fips_anyway = name == "ssm" && region.starts_with("us-gov-") && !kind.is_dual_stack;
    let fips = if kind.is_fips && !is_fips_anyway { "-fips" } else { "" };
    format!("https://{name}{fips}.{region}.{suffix}")
}

/// Whether a region's name can be part of a host's.
pub(super) fn is_region(region: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    (1..=63).contains(&region.len()) && region.bytes().all(is_plain)
}

/// The region that a host's name has behind the service's, as in `ssmmessages.eu-west-1.amazonaws.com`.
pub(super) fn region_of<'a>(host: &'a str, name: &str) -> Option<&'a str> {
    let ours = PARTITIONS.iter().flat_map(|(_, usual, dual)| [usual, dual]);
    let mut before = ours.filter_map(|suffix| host.strip_suffix(suffix)?.strip_suffix('.'));
    let mut labels = before.next()?.split('.');
    labels.find(|label| label.strip_suffix("-fips").unwrap_or(label) == name)?;
    labels.next().filter(|region| is_region(region))
}

#[cfg(test)]
mod tests;
