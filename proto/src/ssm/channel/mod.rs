//! A data channel: what client and agent have in common. It owns numbers, acknowledgements, connections and the wish for them, and knows
//! nothing of handshakes.
//!
//! | file | owns |
//! |---|---|
//! | `state` | the fields, and what anybody may ask |
//! | `application` | what the application hands over and takes |
//! | `connecting` | connections that come and go, and the wish for one |
//! | `transmitting` | what goes next |
//! | `receiving` | what came |
//! | `timers` | deadlines |
//! | `sender` | what we owe; `sent`: a frame of it; `pace`: how fast |
//! | `receiver` | what the peer sent, and its acknowledgements |
//! | `queue` | what has no number yet |
//! | `link` | one connection |
//! | `sealing` | payloads under a data key |

mod application;
mod connecting;
mod link;
mod pace;
mod queue;
mod receiver;
mod receiving;
mod sealing;
mod sender;
mod sent;
mod state;
mod timers;
mod transmitting;

pub(crate) use self::receiving::Word;
pub(crate) use self::sealing::Sealing;
pub(crate) use self::state::Channel;
pub use self::state::Stats;
pub(crate) use self::timers::Due;
