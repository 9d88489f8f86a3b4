//! What is said on the admin socket: one request in a line of JSON, and answers, each in a line of JSON, the last of which is
//! `end` or `error`.

use serde::{Deserialize, Serialize};

/// What is asked. `{"command":"list"}`, `{"command":"close","to":{"session":"alice"},"reason":"…"}`, `"to":"all"`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Request {
    /// Answered by a `session` for each.
    List {
        /// Also those that ended lately.
        #[serde(default)]
        ended: bool,
    },
    /// Answered by a `session`, and a `stream` for each of its streams.
    Show { session: String },
    /// Has clients show a note. Answered by a `told` for each session.
    Send { to: Whom, message: String },
    /// Ends sessions. Answered by a `told` for each.
    Close { to: Whom, reason: String },
    /// Has the server stop. Answered by `draining` whenever something changed, then by `drained`.
    Drain { within_ms: u64 },
}

/// Which sessions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Whom {
    All,
    /// The one of that name, of that id, or whose id begins so.
    Session(String),
}

/// What is answered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "snake_case")]
pub(crate) enum Answer {
    Session(Box<SessionRow>),
    Stream(StreamRow),
    Told(Told),
    Draining(Remains),
    Drained(Remains),
    /// That was all.
    End,
    Error(Problem),
}

/// A session, as the server has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SessionRow {
    /// What the file of authorized keys calls its client's key, or else the first 8 digits of that.
    pub(crate) name: String,
    pub(crate) id: String,
    /// Its client's key, as `unbroken id` prints it.
    pub(crate) key: String,
    /// The address that its client came from last.
    pub(crate) peer: Option<String>,
    pub(crate) state: State,
    /// Why it is over, if it is.
    pub(crate) ended: Option<String>,
    /// How long it has been there, or lasted.
    pub(crate) age_ms: u64,
    /// How many of its streams are open.
    pub(crate) streams: usize,
    /// What the client sent and the server received, without what came twice.
    pub(crate) bytes_in: u64,
    /// What the server sent, without what went again.
    pub(crate) bytes_out: u64,
    /// What the client has not acknowledged yet, what waits to be sent and metadata included.
    pub(crate) unacknowledged_bytes: usize,
    /// What came and was not read yet.
    pub(crate) unread_bytes: usize,
    /// What was sent again over later connections.
    pub(crate) replayed_bytes: u64,
    /// How often another connection took over.
    pub(crate) swaps: u64,
    /// What the last connection that was lost was lost for.
    pub(crate) last_cause: Option<String>,
    /// How long ago that was.
    pub(crate) last_lost_ms: Option<u64>,
    /// The round trip of the present connection.
    pub(crate) round_trip_us: Option<u64>,
}

/// Where a session is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum State {
    /// Its client has not confirmed it yet.
    Connecting,
    /// A connection carries it.
    Connected,
    /// The same, and nothing but heartbeats has crossed for a while.
    Idle,
    /// The same, and its client has been silent for longer than it should.
    Suspect,
    /// No connection carries it; its client may come back.
    Detached,
    /// One end has closed it, and what was sent before is still on its way.
    Closing,
    /// It is over: its client did not come back in time.
    Expired,
    /// It is over for another reason.
    Closed,
}

impl State {
    pub(crate) fn name(self) -> &'static str {
        match self {
            State::Connecting => "connecting",
            State::Connected => "connected",
            State::Idle => "idle",
            State::Suspect => "suspect",
            State::Detached => "detached",
            State::Closing => "closing",
            State::Expired => "expired",
            State::Closed => "closed",
        }
    }
}

/// A stream that is open.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StreamRow {
    pub(crate) id: u64,
    /// What it is for, as its label says it: `tcp:db:5432`.
    pub(crate) label: String,
    pub(crate) age_ms: u64,
}

/// A session that was to be told something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Told {
    pub(crate) name: String,
    pub(crate) id: String,
    /// Whether it takes it: it is on its way then, and waits for a client that is away.
    pub(crate) taken: bool,
}

/// How far a drain has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Remains {
    /// Sessions that a connection carries.
    pub(crate) connected: usize,
    /// Sessions that wait for their clients.
    pub(crate) detached: usize,
    /// Of all these, how many have not been asked to leave yet.
    pub(crate) unasked: usize,
    /// How long they have.
    pub(crate) remaining_ms: u64,
}

/// Why something cannot be done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Problem {
    pub(crate) error: Kind,
    /// For people.
    pub(crate) message: String,
    /// The sessions that might be meant, twenty at most.
    #[serde(default)]
    pub(crate) ids: Vec<String>,
}

/// Which kind of problem.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    /// The request is none.
    BadRequest,
    /// The request, or something in it, is longer than it may be.
    TooLong,
    NoSuchSession,
    /// Several sessions are called that.
    Ambiguous,
}

impl Problem {
    pub(crate) fn new(error: Kind, message: impl Into<String>) -> Problem {
        Problem {
            error,
            message: message.into(),
            ids: Vec::new(),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test")]
mod tests {
    use super::*;

    #[test]
    fn requests_are_written_as_documented() {
        let close = Request::Close {
            to: Whom::Session("alice".into()),
            reason: "late".into(),
        };
        for (request, text) in [
            (Request::List { ended: false }, r#"{"command":"list","ended":false}"#),
            (close, r#"{"command":"close","to":{"session":"alice"},"reason":"late"}"#),
            (
                Request::Send {
                    to: Whom::All,
                    message: "m".into(),
                },
                r#"{"command":"send","to":"all","message":"m"}"#,
            ),
        ] {
            assert_eq!(serde_json::to_string(&request).unwrap(), text);
            assert_eq!(serde_json::from_str::<Request>(text).unwrap(), request);
        }
        let short: Request = serde_json::from_str(r#"{"command":"list"}"#).unwrap();
        assert_eq!(short, Request::List { ended: false });
        for bad in [
            "",
            "[]",
            "{}",
            r#"{"command":"x"}"#,
            r#"{"command":"show"}"#,
            r#"{"command":"list","all":1}"#,
        ] {
            assert!(serde_json::from_str::<Request>(bad).is_err(), "{bad}");
        }
    }
}
