//! A record of a session, in a file that only its owner may read: the session's keys follow from it.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use unbroken_tokio::proto::SessionId;

use crate::failure::Failure;

/// Where the record goes. Each line is written at once, so that it is there however the process ends.
#[derive(Debug)]
pub(crate) struct Record {
    file: File,
    path: PathBuf,
}

impl Record {
    /// In a file that is made, or emptied.
    ///
    /// # Errors
    /// It cannot be written, or cannot be kept from others.
    pub(crate) fn create(path: &Path) -> Result<Record, Failure> {
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(path).and_then(|file| keep_private(&file).map(|()| file));
        let file = file.map_err(Failure::unable(format_args!("cannot write {}", path.display())))?;
        let path = path.to_owned();
        Ok(Record { file, path })
    }

    fn said<T>(&self, written: io::Result<T>) -> io::Result<T> {
        if let Err(error) = &written {
            // Nothing more is written, and the session goes on.
            eprintln!("unbroken: the record in {} ends here: {error}", self.path.display());
        }
        written
    }
}

impl Write for Record {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_all(bytes).map(|()| bytes.len())
    }

    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        let written = self.file.write_all(bytes);
        self.said(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The folder in which a server's sessions have their records.
#[derive(Debug)]
pub(crate) struct Records {
    folder: PathBuf,
}

impl Records {
    /// In a folder that is made if it is not there.
    ///
    /// # Errors
    /// It cannot be made, is no folder, or no file can be made in it.
    pub(crate) fn create(folder: &Path) -> Result<Records, Failure> {
        let mut builder = DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        let created = builder.create(folder);
        created.map_err(Failure::unable(format_args!("cannot make {}", folder.display())))?;
        let records = Records {
            folder: folder.to_owned(),
        };
        // Who starts the server hears at once that nothing can be recorded.
        let probe = records.folder.join(format!("{}.probe", std::process::id()));
        drop(Record::create(&probe)?);
        fs::remove_file(&probe).map_err(Failure::unable(probe.display()))?;
        Ok(records)
    }

    /// The record of a session that begins. Where it cannot be written, the session goes on without.
    pub(crate) fn begin(&self, id: SessionId) -> Option<Box<dyn Write + Send>> {
        match Record::create(&self.folder.join(format!("{id}.jsonl"))) {
            Ok(record) => Some(Box::new(record)),
            Err(failure) => {
                failure.report();
                None
            }
        }
    }
}

/// A file that was there already may have been made for others to read, too. What is no file, as a terminal or a pipe, is left as it is.
#[cfg(unix)]
fn keep_private(file: &File) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    let metadata = file.metadata()?;
    let is_open = metadata.is_file() && metadata.permissions().mode() & 0o077 != 0;
    match is_open {
        true => file.set_permissions(fs::Permissions::from_mode(0o600)),
        false => Ok(()),
    }
}

#[cfg(not(unix))]
fn keep_private(_file: &File) -> io::Result<()> {
    Ok(())
}
