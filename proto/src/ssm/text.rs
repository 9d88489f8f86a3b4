//! Control words that come as the whole of a TEXT message.
//!
//! Some servers say `start_publication` and the like so, without a frame. Both real programs take every TEXT message for a frame, so
//! the words mean nothing to them: understand them, and do not depend on them.

use crate::ssm::kind::MessageType;

/// The control word that is the whole of this TEXT message, white space around it aside: one of
/// [`StartPublication`](MessageType::StartPublication), [`PausePublication`](MessageType::PausePublication) and
/// [`ChannelClosed`](MessageType::ChannelClosed). `None` for everything else.
///
/// ```
/// use unbroken_proto::ssm::{MessageType, text};
/// assert_eq!(text::control_word("start_publication\n"), Some(MessageType::StartPublication));
/// assert_eq!(text::control_word("acknowledge"), None);
/// ```
#[must_use]
pub fn control_word(message: &str) -> Option<MessageType> {
    match message.trim_ascii() {
        "start_publication" => Some(MessageType::StartPublication),
        "pause_publication" => Some(MessageType::PausePublication),
        "channel_closed" => Some(MessageType::ChannelClosed),
        _ => None,
    }
}
