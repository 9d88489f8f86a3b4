//! The arguments of calls as plain values for JSON, and back.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::{Bytes, BytesMut};
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use unbroken_proto::event::Place;
use unbroken_proto::reconnect::{Answer, Continuity};
use unbroken_proto::session::StoreFailure;
use unbroken_proto::stream::StreamOptions;
use unbroken_proto::{Carrier, Cause, Duration, Epoch, StreamId};

/// An argument that can be written down.
pub(crate) trait Plain: Sized {
    type Written: Serialize + DeserializeOwned;
    fn written(&self) -> Self::Written;
    fn read(written: Self::Written) -> Self;
}

/// Bytes, in Base64.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Binary(pub(crate) Vec<u8>);

impl Serialize for Binary {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for Binary {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Binary, D::Error> {
        let text = String::deserialize(deserializer)?;
        STANDARD.decode(text).map(Binary).map_err(D::Error::custom)
    }
}

/// A cause, by its name.
#[derive(Clone)]
pub(crate) struct CauseName(Cause);

impl Serialize for CauseName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{:?}", self.0))
    }
}

impl<'de> Deserialize<'de> for CauseName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<CauseName, D::Error> {
        let name = String::deserialize(deserializer)?;
        let cause = Cause::ALL.into_iter().find(|cause| format!("{cause:?}") == name);
        cause.map(CauseName).ok_or_else(|| D::Error::custom("no such cause"))
    }
}

/// Why what is to be kept is not.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum FailureName {
    Superseded,
    Released,
    /// Or one that this version does not know.
    #[serde(other)]
    Failed,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct WrittenPlace {
    messages: u64,
    bytes: u64,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct CarrierFlags {
    authenticated: bool,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct Options {
    label: Binary,
    priority: u8,
    fragment_size: Option<usize>,
}

/// The host's answer to an intent.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum WrittenAnswer {
    Failed(CauseName),
    Postponed(u64),
    Restored,
    /// Whether the session was kept.
    Restarted(bool),
    Recovered,
    Credential(Binary),
    NoCredential,
}

impl WrittenAnswer {
    /// `None`: an answer that this version does not know.
    pub(crate) fn of(answer: &Answer) -> Option<WrittenAnswer> {
        Some(match answer {
            Answer::Failed(cause) => WrittenAnswer::Failed(cause.written()),
            Answer::Postponed(after) => WrittenAnswer::Postponed(after.written()),
            Answer::Restored => WrittenAnswer::Restored,
            Answer::Restarted(continuity) => WrittenAnswer::Restarted(*continuity == Continuity::Kept),
            Answer::Recovered => WrittenAnswer::Recovered,
            Answer::Credential(credential) => WrittenAnswer::Credential(credential.written()),
            Answer::NoCredential => WrittenAnswer::NoCredential,
            _ => return None,
        })
    }

    pub(crate) fn read(self) -> Answer {
        match self {
            WrittenAnswer::Failed(cause) => Answer::Failed(Plain::read(cause)),
            WrittenAnswer::Postponed(after) => Answer::Postponed(Plain::read(after)),
            WrittenAnswer::Restored => Answer::Restored,
            WrittenAnswer::Restarted(true) => Answer::Restarted(Continuity::Kept),
            WrittenAnswer::Restarted(false) => Answer::Restarted(Continuity::Lost),
            WrittenAnswer::Recovered => Answer::Recovered,
            WrittenAnswer::Credential(credential) => Answer::Credential(Plain::read(credential)),
            WrittenAnswer::NoCredential => Answer::NoCredential,
        }
    }
}

macro_rules! plain {
    ($real:ty, $written:ty, |$a:ident| $write:expr, |$b:ident| $read:expr) => {
        impl Plain for $real {
            type Written = $written;

            fn written(&self) -> $written {
                let $a = self;
                $write
            }

            fn read($b: $written) -> $real {
                $read
            }
        }
    };
}

plain!(u64, u64, |n| *n, |n| n);
plain!(usize, usize, |n| *n, |n| n);
plain!(Epoch, u64, |epoch| epoch.0, |n| Epoch(n));
plain!(StreamId, u64, |stream| stream.0, |n| StreamId(n));
plain!(
    Duration,
    u64,
    |time| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX),
    |nanos| Duration::from_nanos(nanos)
);
plain!(Cause, CauseName, |cause| CauseName(*cause), |name| name.0);
plain!(Bytes, Binary, |bytes| Binary(bytes.to_vec()), |binary| Bytes::from(
    binary.0
));
plain!(BytesMut, Binary, |bytes| Binary(bytes.to_vec()), |binary| {
    BytesMut::from(&binary.0[..])
});
plain!(
    Carrier,
    CarrierFlags,
    |carrier| CarrierFlags {
        authenticated: carrier.is_authenticated()
    },
    |flags| if flags.authenticated {
        Carrier::ordered().authenticated()
    } else {
        Carrier::ordered()
    }
);
plain!(
    StreamOptions,
    Options,
    |options| Options {
        label: options.label.written(),
        priority: options.priority,
        fragment_size: options.fragment_size,
    },
    |written| {
        StreamOptions::default()
            .with_label(Plain::read(written.label))
            .with_priority(written.priority)
            .with_fragment_size(written.fragment_size)
    }
);
plain!(
    StoreFailure,
    FailureName,
    |failure| match failure {
        StoreFailure::Superseded => FailureName::Superseded,
        StoreFailure::Released => FailureName::Released,
        _ => FailureName::Failed,
    },
    |name| match name {
        FailureName::Superseded => StoreFailure::Superseded,
        FailureName::Released => StoreFailure::Released,
        FailureName::Failed => StoreFailure::Failed,
    }
);
plain!(
    Place,
    WrittenPlace,
    |place| WrittenPlace {
        messages: place.messages,
        bytes: place.bytes,
    },
    |written| Place {
        messages: written.messages,
        bytes: written.bytes,
    }
);
