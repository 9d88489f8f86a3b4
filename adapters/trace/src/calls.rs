//! Every call that can change a session: what it is written down as, the method that notes it, and
//! how it is done again. One list, so that none of the three can be forgotten.

use bytes::{Bytes, BytesMut};
use serde::{Deserialize, Serialize};
use unbroken_proto::error::{AttachError, ConnectionError, OpenError, RecvError, SendError, UnknownStream};
use unbroken_proto::reconnect::Continuity;
use unbroken_proto::stream::{AcceptedStream, Chunk, StreamOptions};
use unbroken_proto::{Carrier, Cause, Duration, Epoch, Instant, Session, StreamId};

use crate::plain::{Binary, Plain};
use crate::traced::Traced;

macro_rules! calls {
    ($($variant:ident $method:ident($($arg:ident: $ty:ty),*) -> $out:ty;)*) => {
        /// A call with its arguments.
        #[derive(Serialize, Deserialize)]
        #[serde(tag = "call", rename_all = "snake_case")]
        pub(crate) enum Call {
            $($variant { $($arg: <$ty as Plain>::Written),* },)*
            /// Bytes of a byte stream.
            Write { stream: u64, data: Binary },
            /// A packet that was packed.
            PollTransmit { epoch: u64, packet: Binary },
            /// An event that there was.
            PollEvent {},
            /// A call whose arguments are not written down.
            Unrecorded { method: String },
        }

        impl Traced {
            $(
                #[doc = concat!("[`Session::", stringify!($method), "`], noted.")]
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

        impl Call {
            /// Does it again. The result, as it is written down; `None` for what cannot be done again.
            pub(crate) fn perform(self, session: &mut Session, now: Instant) -> Option<Done> {
                match self {
                    $(Call::$variant { $($arg),* } => {
                        let out = session.$method(now, $(<$ty>::read($arg)),*);
                        Some(Done::Said(format!("{out:?}")))
                    })*
                    Call::Write { stream, data } => {
                        let out = session.write(now, StreamId(stream), &mut Bytes::from(data.0));
                        Some(Done::Said(format!("{out:?}")))
                    }
                    Call::PollTransmit { epoch, packet } => {
                        let mut packed = Vec::new();
                        session.poll_transmit(now, Epoch(epoch), &mut packed);
                        Some(Done::Packed { packed, before: packet.0 })
                    }
                    Call::PollEvent {} => {
                        let event = session.poll_event();
                        Some(Done::Said(event.map_or_else(|| "None".to_owned(), |event| format!("{event:?}"))))
                    }
                    Call::Unrecorded { .. } => None,
                }
            }
        }
    };
}

/// What a call that was done again came to.
pub(crate) enum Done {
    Said(String),
    /// A packet now, and the packet then.
    Packed {
        packed: Vec<u8>,
        before: Vec<u8>,
    },
}

calls! {
    Attach attach(carrier: Carrier) -> Result<Epoch, AttachError>;
    Detach detach(epoch: Epoch, cause: Cause) -> ();
    HandleInput handle_input(epoch: Epoch, packet: BytesMut) -> Result<(), ConnectionError>;
    HandleTimeout handle_timeout() -> ();
    DialFailed dial_failed(attempt: u64, cause: Cause) -> ();
    DialPostponed dial_postponed(attempt: u64, after: Duration) -> ();
    Restored restored(attempt: u64, result: Result<(), Cause>) -> ();
    Restarted restarted(attempt: u64, result: Result<Continuity, Cause>) -> ();
    Recovered recovered(attempt: u64, result: Result<(), Cause>) -> ();
    ReportFailure report_failure(cause: Cause) -> ();
    Force force() -> ();
    RefreshCredential refresh_credential(credential: Option<Bytes>) -> ();
    ReconnectNow reconnect_now() -> ();
    PauseReconnecting pause_reconnecting() -> ();
    ResumeReconnecting resume_reconnecting() -> ();
    Migrate migrate(within: Duration, alternate: Bytes) -> ();
    SetDetachedLifetime set_detached_lifetime(lifetime: Duration) -> ();
    Close close(code: u64, reason: Bytes) -> ();
    Abort abort() -> ();
    Open open(options: StreamOptions) -> Result<StreamId, OpenError>;
    Accept accept() -> Option<AcceptedStream>;
    Send send(stream: StreamId, payload: Bytes) -> Result<(), SendError>;
    SendWithin send_within(stream: StreamId, payload: Bytes, within: Duration) -> Result<u64, SendError>;
    Watch watch(stream: StreamId, message: u64, within: Duration) -> Result<(), UnknownStream>;
    Recv recv(stream: StreamId) -> Result<Option<Chunk>, RecvError>;
    Finish finish(stream: StreamId) -> Result<(), UnknownStream>;
    Reset reset(stream: StreamId, code: u64) -> Result<(), UnknownStream>;
    Stop stop(stream: StreamId, code: u64) -> Result<(), UnknownStream>;
}
