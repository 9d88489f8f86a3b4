//! The folder of a store, and who may read it.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

/// The database in its folder. SQLite adds `-wal` to it for its log, and gives the log the same permissions.
const DATABASE: &str = "sessions.sqlite";

/// Makes the folder and an empty database if there are none, and returns the path of the database.
pub(super) fn prepare(folder: &Path) -> io::Result<PathBuf> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    let mut options = OpenOptions::new();
    // For writing, as only that may make one; what is there stays.
    options.write(true).create(true).truncate(false);
    #[cfg(unix)]
    {
        use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
        builder.mode(0o700);
        options.mode(0o600);
    }
    let is_new = !folder.is_dir();
    builder.create(folder)?;
    let file = folder.join(DATABASE);
    if !file.exists() {
        options.open(&file)?;
        sync(folder)?;
    }
    if let Some(parent) = folder.parent().filter(|_| is_new) {
        sync(if parent.as_os_str().is_empty() {
            Path::new(".")
        } else {
            parent
        })?;
    }
    Ok(file)
}

/// A new name in that folder survives the loss of power.
fn sync(folder: &Path) -> io::Result<()> {
    // Elsewhere a folder cannot be opened as a file, and needs no such call.
    if cfg!(unix) {
        File::open(folder)?.sync_all()?;
    }
    Ok(())
}
