//! Where a machine's randomness comes from.

/// The seed of a machine's random generator: 32 bytes from the operating system, or chosen by a test.
/// The same seed and the same calls give the same bytes, so never use one twice outside tests.
#[derive(Clone)]
pub struct Seed(pub [u8; 32]);

impl core::fmt::Debug for Seed {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Seed(..)")
    }
}
