//! The proof of `unbroken-proto`: a simulator in virtual time with seeded faults, a reference model
//! of what the application wrote and read, and checks after every step. Public API of the machine only, and for
//! hostile peers the keys that its feature `test-hooks` hands out.
//!
//! - [`sim`]: virtual time, carriers, hosts, faults; [`sim::run_seed`] runs one schedule.
//! - [`model`]: what was written, read and promised, and the invariants over it.
//! - [`durable`]: sessions whose processes die and begin again; [`durable::run_seed`] runs one schedule.
//! - [`population`]: a registry with its owners and thousands of clients, through packets.
//! - [`pair`]: one client and one server driven by hand, for scripts and for exhaustive exploration.
//! - [`harness`]: one client and its host's judgement under faults, beside an oracle that counts for itself.
//! - [`lines`]: lines of some rate and length, and how sessions use them.
//! - [`soak`]: many schedules, from their seeds.
//! - [`ssm`]: models of the AWS Session Manager programs and of the service between them.
//! - [`run_bytes`]: a schedule decoded from bytes, shared by fuzzers, proptest and the corpus replay.

pub mod durable;
pub mod harness;
pub mod hostile;
pub mod lines;
pub mod model;
pub mod pair;
pub mod population;
pub mod probe;
pub mod rng;
pub mod sim;
pub mod soak;
pub mod ssm;
pub mod tally;

pub use sim::run_bytes;
