//! Who the two ends are to each other, and the proofs that a connection belongs to this session. It outlives every
//! connection.
//!
//! | file | owns |
//! |---|---|
//! | `ticket` | what resuming rests on, and who the peer is |
//! | `proving` | the client's proofs, step by step |
//! | `adopting` | the server's check of a newcomer's proof |

pub(crate) mod adopting;
pub(crate) mod proving;
mod ticket;

pub(crate) use self::ticket::{Identity, NewTicket, Peer};
