//! The models of the Session Manager programs do what the real programs were measured to do: tests of the models, against
//! numbers from the real ones. `UNBROKEN_SEED=n` runs one schedule in place of the fixed ones, and prints what came of it.

mod buffers;
mod cuts;
mod frames;
mod pace;
mod sessions;
mod support;
