//! The arguments of calls as plain values for JSON, and back.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::{Bytes, BytesMut};
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use unbroken_proto::reconnect::Continuity;
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

/// The host's answer to a preparation.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Prepared {
    Kept,
    Lost,
    Failed(CauseName),
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
    Option<Bytes>,
    Option<Binary>,
    |bytes| bytes.as_ref().map(Plain::written),
    |binary| binary.map(Plain::read)
);
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
    |options| StreamOptions {
        label: Plain::read(options.label),
        priority: options.priority,
        fragment_size: options.fragment_size,
    }
);
plain!(
    Result<(), Cause>,
    Prepared,
    |result| match result {
        Ok(()) => Prepared::Kept,
        Err(cause) => Prepared::Failed(cause.written()),
    },
    |prepared| match prepared {
        Prepared::Kept | Prepared::Lost => Ok(()),
        Prepared::Failed(name) => Err(name.0),
    }
);
plain!(
    Result<Continuity, Cause>,
    Prepared,
    |result| match result {
        Ok(Continuity::Kept) => Prepared::Kept,
        Ok(Continuity::Lost) => Prepared::Lost,
        Err(cause) => Prepared::Failed(cause.written()),
    },
    |prepared| match prepared {
        Prepared::Kept => Ok(Continuity::Kept),
        Prepared::Lost => Ok(Continuity::Lost),
        Prepared::Failed(name) => Err(name.0),
    }
);
