//! The terminal at which a person sits: what is typed, what is shown, and lines of our own over it.

pub(crate) mod around;
pub(crate) mod display;
pub(crate) mod escape;
pub(crate) mod keyboard;
pub(crate) mod record;
mod sequences;
pub(crate) mod stops;
pub(crate) mod tty;
pub(crate) mod writer;
