//! Every call that can change a session: what it is written down as, and how it is done again. One list, from which
//! `noted` makes the methods that note them, too, so that none of the three can be forgotten.

use bytes::{Bytes, BytesMut};
use serde::{Deserialize, Serialize};
use unbroken_proto::durable::Record;
use unbroken_proto::event::Place;
use unbroken_proto::session::StoreFailure;
use unbroken_proto::stream::StreamOptions;
use unbroken_proto::{Carrier, Cause, Duration, Epoch, Instant, Session, StreamId};

use crate::plain::{Binary, Plain, WrittenAnswer};

/// Gives the list to the macro that is named.
macro_rules! all_calls {
    ($make:ident) => {
        $make! {
            session {
                Attach attach(carrier: Carrier) -> Result<Epoch, AttachError>;
                Detach detach(epoch: Epoch, cause: Cause) -> ();
                HandleInput handle_input(epoch: Epoch, packet: BytesMut) -> Result<(), ConnectionError>;
                HandlePartial handle_partial(epoch: Epoch, bytes: usize) -> ();
                HandleTimeout handle_timeout() -> ();
                Probe probe() -> bool;
                Migrate migrate(within: Duration, alternate: Bytes) -> ();
                SetDetachedLifetime set_detached_lifetime(lifetime: Duration) -> ();
                Close close(code: u64, reason: Bytes) -> Result<(), CodeTooLarge>;
                Abort abort() -> ();
                Open open(options: StreamOptions) -> Result<StreamId, OpenError>;
                Accept accept() -> Option<AcceptedStream>;
                HandlePersisted handle_persisted(through: u64) -> ();
                HandleStoreFailed handle_store_failed(failure: StoreFailure) -> ();
            }
            stream {
                Send send(payload: Bytes) -> Result<(), SendError>;
                SendWithin send_within(payload: Bytes, within: Duration) -> Result<u64, SendError>;
                Watch watch(message: u64, within: Duration) -> Result<(), UnknownStream>;
                Recv recv() -> Result<Option<Chunk>, RecvError>;
                Finish finish() -> Result<(), UnknownStream>;
                Reset reset(code: u64) -> Result<(), StreamError>;
                Stop stop(code: u64) -> Result<(), StreamError>;
                Consumed consumed(place: Place) -> Result<(), ConsumeError>;
            }
            reconnect {
                ReportFailure report_failure(cause: Cause) -> ();
                Force force() -> ();
                AtOnce at_once() -> ();
                NetworkChanged network_changed() -> ();
                Pause pause() -> ();
                Resume resume() -> ();
                SetCredential set_credential(credential: Bytes) -> Result<(), ConfigError>;
            }
        }
    };
}
pub(crate) use all_calls;

macro_rules! calls {
    (
        session { $($variant:ident $method:ident($($arg:ident: $ty:ty),*) -> $out:ty;)* }
        stream { $($s_variant:ident $s_method:ident($($s_arg:ident: $s_ty:ty),*) -> $s_out:ty;)* }
        reconnect { $($r_variant:ident $r_method:ident($($r_arg:ident: $r_ty:ty),*) -> $r_out:ty;)* }
    ) => {
        /// A call with its arguments.
        #[derive(Serialize, Deserialize)]
        #[serde(tag = "call", rename_all = "snake_case")]
        pub(crate) enum Call {
            $($variant { $($arg: <$ty as Plain>::Written),* },)*
            $($s_variant { stream: u64, $($s_arg: <$s_ty as Plain>::Written),* },)*
            $($r_variant { $($r_arg: <$r_ty as Plain>::Written),* },)*
            /// What the host said of an intent.
            HandleAnswer { attempt: u64, answer: WrittenAnswer },
            /// Bytes of a byte stream.
            Write { stream: u64, data: Binary },
            /// A packet that was packed.
            PollTransmit { epoch: u64, packet: Binary },
            /// An event that there was.
            PollEvent {},
            /// A record of a durable session, as it is to be kept.
            PollRecord { record: Binary },
            /// A record that the host asked for in the place of the next, with the whole session.
            Snapshot { record: Binary },
            /// A call whose arguments are not written down.
            Unrecorded { method: String },
        }

        impl Call {
            /// Does it again. The result, as it is written down; `None` for what cannot be done again.
            pub(crate) fn perform(self, session: &mut Session, now: Instant) -> Option<Done> {
                match self {
                    $(Call::$variant { $($arg),* } => {
                        Some(Done::said(&session.$method(now, $(<$ty>::read($arg)),*)))
                    })*
                    $(Call::$s_variant { stream, $($s_arg),* } => {
                        Some(Done::said(&session.stream(StreamId(stream)).$s_method(now, $(<$s_ty>::read($s_arg)),*)))
                    })*
                    $(Call::$r_variant { $($r_arg),* } => {
                        Some(Done::said(&session.reconnect().$r_method(now, $(<$r_ty>::read($r_arg)),*)))
                    })*
                    Call::HandleAnswer { attempt, answer } => {
                        Some(Done::said(&session.handle_answer(now, attempt, answer.read())))
                    }
                    Call::Write { stream, data } => {
                        Some(Done::said(&session.stream(StreamId(stream)).write(now, &mut Bytes::from(data.0))))
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
                    Call::PollRecord { record } => Some(Done::kept(session.poll_record(), record)),
                    Call::Snapshot { record } => Some(Done::kept(session.snapshot(), record)),
                    Call::Unrecorded { .. } => None,
                }
            }
        }
    };
}

/// What a call that was done again came to.
pub(crate) enum Done {
    Said(String),
    /// A packet, or a record, now and then.
    Packed {
        packed: Vec<u8>,
        before: Vec<u8>,
    },
}

impl Done {
    fn said(out: &impl std::fmt::Debug) -> Done {
        Done::Said(format!("{out:?}"))
    }

    fn kept(record: Option<Record>, before: Binary) -> Done {
        Done::Packed {
            packed: record.map_or_else(Vec::new, |record| record.bytes.to_vec()),
            before: before.0,
        }
    }
}

all_calls!(calls);
