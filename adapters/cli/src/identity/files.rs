//! Files that only their owner may read, and what they hold.

use std::fs::{self, OpenOptions};
use std::io::{self, Read, Write};
use std::path::Path;

use zeroize::Zeroizing;

use crate::failure::Failure;

/// No file of keys is longer.
const LONGEST: u64 = 1 << 20;

/// A line `NAME HEX`, in a new file that only its owner may read. Folders on the way are made.
pub(crate) fn write_secret(path: &Path, name: &str, secret: &[u8; 32]) -> Result<(), Failure> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        private_folder(folder).map_err(unwritable(path))?;
    }
    let mut file = create_private(path)?;
    let mut line = Zeroizing::new(format!("{name} "));
    for byte in secret {
        line.push_str(&format!("{byte:02x}"));
    }
    line.push('\n');
    file.write_all(line.as_bytes())
        .and_then(|()| file.sync_all())
        .map_err(unwritable(path))
}

fn unwritable(path: &Path) -> impl Fn(io::Error) -> Failure {
    move |error| match error.kind() {
        io::ErrorKind::AlreadyExists => {
            Failure::Unable(format!("{} exists already, and is left alone", path.display()))
        }
        _ => Failure::Unable(format!("cannot write {}: {error}", path.display())),
    }
}

/// A new file that only its owner may read.
///
/// # Errors
/// It cannot be written, or is there.
pub(crate) fn create_private(path: &Path) -> Result<fs::File, Failure> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map_err(unwritable(path))
}

/// Makes a folder, and those above it, for nobody else.
pub(crate) fn private_folder(folder: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

/// What a file holds that nobody but its owner may read.
///
/// # Errors
/// It cannot be read, or others may read it.
pub(crate) fn read_private(path: &Path) -> Result<Zeroizing<String>, Failure> {
    let failed = |error: io::Error| Failure::Unable(format!("cannot read {}: {error}", path.display()));
    let file = fs::File::open(path).map_err(failed)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = file.metadata().map_err(failed)?.permissions().mode();
        if mode & 0o077 != 0 {
            let (path, mode) = (path.display(), mode & 0o777);
            return Err(Failure::Unable(format!(
                "others may read {path} (mode {mode:03o}), so that it is no secret: chmod 600 {path}"
            )));
        }
    }
    let mut text = Zeroizing::new(String::new());
    file.take(LONGEST).read_to_string(&mut text).map_err(failed)?;
    Ok(text)
}

/// What stands behind `name` on the first line that begins with it.
pub(crate) fn value<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))
        .map(str::trim)
}
