//! One client and one server with nothing between them but queues: for scripts that cut at every
//! byte, and for an explorer that tries every order of events. No chance, no latency; time stands
//! still until somebody moves it.

mod actions;
mod explore;
mod flow;
mod restart;
mod setup;
mod wire;

pub use explore::{Act, Budget, Explored, explore};
pub use flow::{Cut, Notice, Plan};
pub use setup::{DialFate, Dialled, Pair, Setup};
pub use wire::{ServerEnd, Wire};
