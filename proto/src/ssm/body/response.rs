//! The client's answer to the handshake.

use alloc::string::String;
use alloc::vec::Vec;

use serde::de::{Deserialize, Deserializer};

use crate::ssm::body::kms::KmsResult;
use crate::ssm::body::raw::RawJson;
use crate::ssm::body::request::ActionType;
use crate::ssm::json::{BodyError, Value, body};

body! {
    /// What became of the actions that the agent asked for.
    pub struct HandshakeResponse {
        /// Four numbers with dots. Below 1.2.331.1 the agent expects keep-alives of smux and ends a session without them.
        "ClientVersion" => pub client_version: String,
        /// One for each action.
        "ProcessedClientActions" => pub processed_client_actions: Vec<ProcessedClientAction>,
        /// What went wrong, in words; none are `null`.
        "Errors" => pub errors: Vec<String>,
    }
}

body! {
    /// What became of one action.
    pub struct ProcessedClientAction {
        /// Which.
        "ActionType" => pub action_type: ActionType,
        /// How it went. Everything but success ends the session.
        "ActionStatus" => pub action_status: ActionStatus,
        /// What belongs to it: [`kms`](Self::kms), or `null`. (For an action that it does not know, the real client writes the number
        /// 3 here, and 0 for the status.)
        "ActionResult" => pub action_result: RawJson,
        /// What went wrong, in words.
        "Error" => pub error: String,
    }
}

impl ProcessedClientAction {
    /// The result of [`ActionType::KmsEncryption`].
    ///
    /// # Errors
    /// It is something else.
    pub fn kms(&self) -> Result<KmsResult, BodyError> {
        self.action_result.read()
    }
}

/// How an action went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ActionStatus {
    /// 1.
    Success,
    /// 2.
    Failed,
    /// 3: the client does not know such an action.
    Unsupported,
    /// Any other number.
    Unknown(i64),
}

impl ActionStatus {
    /// What this number means.
    #[must_use]
    pub const fn from_number(number: i64) -> ActionStatus {
        match number {
            1 => ActionStatus::Success,
            2 => ActionStatus::Failed,
            3 => ActionStatus::Unsupported,
            other => ActionStatus::Unknown(other),
        }
    }

    /// The number that is written.
    #[must_use]
    pub const fn number(self) -> i64 {
        match self {
            ActionStatus::Success => 1,
            ActionStatus::Failed => 2,
            ActionStatus::Unsupported => 3,
            ActionStatus::Unknown(number) => number,
        }
    }
}

/// What a missing key stands for: 0.
impl Default for ActionStatus {
    fn default() -> ActionStatus {
        ActionStatus::Unknown(0)
    }
}

impl<'de> Deserialize<'de> for ActionStatus {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<ActionStatus, D::Error> {
        i64::deserialize(from).map(ActionStatus::from_number)
    }
}

impl Value for ActionStatus {
    fn write(&self, out: &mut Vec<u8>) {
        self.number().write(out);
    }
}
