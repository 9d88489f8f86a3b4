//! A recording of what a terminal showed: asciicast, version 2 (docs.asciinema.org/manual/asciicast/v2).

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use serde_json::json;

use crate::failure::Failure;
use crate::identity::files::create_private;
use crate::terminal::messages::Size;

pub(crate) struct Recording {
    file: File,
    path: PathBuf,
    began: Instant,
    /// The beginning of a character whose rest has not come.
    unfinished: Vec<u8>,
    /// What went wrong; nothing is written after it.
    failed: Option<io::Error>,
}

impl Recording {
    /// A new file: what a terminal showed may be no one else's affair.
    ///
    /// # Errors
    /// It cannot be written, or is there.
    pub(crate) fn create(path: &Path, size: Size) -> Result<Recording, Failure> {
        let file = create_private(path)?;
        let mut recording = Recording {
            file,
            path: path.to_owned(),
            began: Instant::now(),
            unfinished: Vec::new(),
            failed: None,
        };
        let time = SystemTime::now().duration_since(UNIX_EPOCH);
        let term = std::env::var("TERM").unwrap_or_default();
        recording.line(&json!({
            "version": 2,
            "width": size.columns,
            "height": size.rows,
            "timestamp": time.map_or(0, |time| time.as_secs()),
            "env": { "TERM": term },
        }));
        Ok(recording)
    }

    pub(crate) fn printed(&mut self, bytes: &[u8]) {
        self.unfinished.extend_from_slice(bytes);
        let whole = whole_characters(&self.unfinished);
        let rest = self.unfinished.split_off(whole);
        let text = std::mem::replace(&mut self.unfinished, rest);
        if !text.is_empty() {
            self.event("o", &String::from_utf8_lossy(&text));
        }
    }

    pub(crate) fn resized(&mut self, size: Size) {
        self.event("r", &format!("{}x{}", size.columns, size.rows));
    }

    fn event(&mut self, kind: &str, data: &str) {
        self.line(&json!([self.began.elapsed().as_secs_f64(), kind, data]));
    }

    fn line(&mut self, value: &serde_json::Value) {
        if self.failed.is_none() {
            self.failed = self.file.write_all(format!("{value}\n").as_bytes()).err();
        }
    }

    /// Nothing was shown.
    pub(crate) fn discard(self) {
        let _gone_already = std::fs::remove_file(self.path);
    }

    /// What went wrong, if anything did.
    pub(crate) fn failure(&self) -> Option<String> {
        let error = self.failed.as_ref()?;
        Some(format!("{} ends early: {error}", self.path.display()))
    }
}

/// How many bytes can be read without the beginning of a last character that is not whole.
fn whole_characters(bytes: &[u8]) -> usize {
    let looked_at = bytes.len().saturating_sub(3);
    for (back, &byte) in bytes[looked_at..].iter().rev().enumerate() {
        let needs = match byte {
            0xc0..=0xdf => 2,
            0xe0..=0xef => 3,
            0xf0..=0xf7 => 4,
            0x80..=0xbf => continue,
            _ => return bytes.len(),
        };
        return match back + 1 < needs {
            true => bytes.len() - back - 1,
            false => bytes.len(),
        };
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_character_is_written_whole() {
        let text = "aß€😀z";
        for cut in 0..=text.len() {
            let whole = whole_characters(&text.as_bytes()[..cut]);
            let before = (0..=cut).rev().find(|&at| text.is_char_boundary(at));
            assert_eq!(Some(whole), before, "{cut}");
        }
        // What is no text is not held back for long.
        for nonsense in [&b"\xff"[..], b"\x80\x80\x80\x80", b"\xff\x80"] {
            assert_eq!(whole_characters(nonsense), nonsense.len());
        }
    }
}
