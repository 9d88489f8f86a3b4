//! How a command ended.

use alloc::vec::Vec;

use crate::ssm::json::{self, BodyError};

/// The exit code of a command, as the text `EXIT_CODE: 3`. The real client prints the text and does nothing with the number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExitCode(pub i64);

impl ExitCode {
    /// Reads the text, white space around it aside.
    ///
    /// # Errors
    /// [`BodyError::Malformed`]: it is another text.
    pub fn decode(body: &[u8]) -> Result<ExitCode, BodyError> {
        let text = core::str::from_utf8(body.trim_ascii()).ok();
        let number = text.and_then(|text| text.strip_prefix("EXIT_CODE:"));
        let code = number.and_then(|number| number.trim_ascii_start().parse().ok());
        code.map(ExitCode).ok_or(BodyError::Malformed)
    }

    /// Appends the text to `out`.
    pub fn encode(self, out: &mut Vec<u8>) {
        json::put(out, format_args!("EXIT_CODE: {}", self.0));
    }
}
