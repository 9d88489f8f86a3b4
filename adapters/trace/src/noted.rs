//! The methods of a session that note what they do, from the list of all calls.

use bytes::{Bytes, BytesMut};
use unbroken_proto::error::{
    AttachError, CodeTooLarge, ConfigError, ConnectionError, ConsumeError, OpenError, RecvError, SendError,
    StreamError, UnknownStream,
};
use unbroken_proto::event::Place;
use unbroken_proto::session::StoreFailure;
use unbroken_proto::stream::{AcceptedStream, Chunk, StreamOptions};
use unbroken_proto::{Carrier, Cause, Duration, Epoch, Instant, StreamId};

use crate::calls::{Call, all_calls};
use crate::plain::Plain;
use crate::traced::{Reconnect, Stream, Traced};

macro_rules! noted {
    (
        session { $($variant:ident $method:ident($($arg:ident: $ty:ty),*) -> $out:ty;)* }
        stream { $($s_variant:ident $s_method:ident($($s_arg:ident: $s_ty:ty),*) -> $s_out:ty;)* }
        reconnect { $($r_variant:ident $r_method:ident($($r_arg:ident: $r_ty:ty),*) -> $r_out:ty;)* }
    ) => {
        impl Traced {
            $(
                #[doc = concat!("[`", stringify!($method), "`](unbroken_proto::Session::", stringify!($method), "), noted.")]
                #[doc = ""]
                #[doc = "# Errors"]
                #[doc = "As there, if it has any."]
                pub fn $method(&mut self, now: Instant, $($arg: $ty),*) -> $out {
                    let call = self.is_recording().then(|| Call::$variant { $($arg: $arg.written()),* });
                    let out = self.session_mut().$method(now, $($arg),*);
                    self.note(now, call, Some(&out));
                    out
                }
            )*
        }

        impl Stream<'_> {
            $(
                #[doc = concat!("[`", stringify!($s_method), "`](unbroken_proto::session::Stream::", stringify!($s_method), "), noted.")]
                #[doc = ""]
                #[doc = "# Errors"]
                #[doc = "As there, if it has any."]
                pub fn $s_method(self, now: Instant, $($s_arg: $s_ty),*) -> $s_out {
                    let Stream { traced, id } = self;
                    let call = traced.is_recording().then(|| Call::$s_variant { stream: id.0, $($s_arg: $s_arg.written()),* });
                    let out = traced.session_mut().stream(id).$s_method(now, $($s_arg),*);
                    traced.note(now, call, Some(&out));
                    out
                }
            )*
        }

        impl Reconnect<'_> {
            $(
                #[doc = concat!("[`", stringify!($r_method), "`](unbroken_proto::session::Reconnect::", stringify!($r_method), "), noted.")]
                #[doc = ""]
                #[doc = "# Errors"]
                #[doc = "As there, if it has any."]
                pub fn $r_method(self, now: Instant, $($r_arg: $r_ty),*) -> $r_out {
                    let Reconnect { traced } = self;
                    let call = traced.is_recording().then(|| Call::$r_variant { $($r_arg: $r_arg.written()),* });
                    let out = traced.session_mut().reconnect().$r_method(now, $($r_arg),*);
                    traced.note(now, call, Some(&out));
                    out
                }
            )*
        }
    };
}

all_calls!(noted);
