//! The terminal's size.

use crate::ssm::json::body;

body! {
    /// The size of the client's terminal, in characters. The real agent takes the lower 16 bits of each number.
    #[derive(Copy)]
    pub struct Size {
        /// Columns.
        "cols" => pub cols: u32,
        /// Rows.
        "rows" => pub rows: u32,
    }
}
