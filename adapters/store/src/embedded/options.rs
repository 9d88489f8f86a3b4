//! What a store may be told.

/// What an [`Embedded`](crate::Embedded) store may be told; the defaults are right for most.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct EmbeddedOptions {
    /// How many bytes the database may have; what needs more fails with [`StoreError::Full`](crate::StoreError::Full). The log beside it comes on top: it
    /// has some 4 MiB, or what the largest commit has. `None`: as many as the disk has room for.
    pub max_bytes: Option<u64>,
}
