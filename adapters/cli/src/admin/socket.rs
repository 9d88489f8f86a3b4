//! Where the admin socket is, and that nobody but its owner reaches it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use etcetera::base_strategy::{BaseStrategy, choose_base_strategy};

use crate::failure::Failure;
use crate::identity::files::private_folder;
use crate::unix::{UnixListener, UnixStream};

/// The socket's file, which goes with its value.
#[derive(Debug)]
pub(crate) struct SocketFile(PathBuf);

impl SocketFile {
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let _gone_already = fs::remove_file(&self.0);
    }
}

/// The path that was given, or `unbroken/admin.sock` in the folder that the system has for such things, or else in the user's state folder.
pub(crate) fn place(given: Option<&Path>) -> Result<PathBuf, Failure> {
    if let Some(path) = given {
        return Ok(path.to_owned());
    }
    let strategy = choose_base_strategy().map_err(Failure::unable(
        "this account has no home folder, so that the socket has to be named (--admin PATH)",
    ))?;
    let folder = strategy.runtime_dir().or_else(|| strategy.state_dir());
    let folder = folder.unwrap_or_else(|| strategy.data_dir());
    Ok(folder.join("unbroken").join("admin.sock"))
}

/// Listens there. The folder of the default place is made; one that was given has to be there, and to be its owner's alone. A socket
/// that nobody listens at any more is replaced.
///
/// # Errors
/// Others may enter the folder, or a server listens there already.
pub(crate) async fn listen(given: Option<&Path>) -> Result<(UnixListener, SocketFile), Failure> {
    let path = place(given)?;
    let shown = path.display();
    let failed = |error: io::Error| Failure::Unable(format!("cannot listen at {shown}: {error}"));
    let folder = folder_of(&path);
    if given.is_none() {
        private_folder(folder).map_err(failed)?;
    }
    check_folder(folder)?;
    let listener = match UnixListener::bind(&path) {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            replace(&path).await?;
            UnixListener::bind(&path)
        }
        bound => bound,
    };
    let listener = listener.map_err(failed)?;
    let file = SocketFile(path.clone());
    restrict(&path).map_err(failed)?;
    check_owner(&path)?;
    Ok((listener, file))
}

/// A connection to the server that listens there.
///
/// # Errors
/// None does, or another user could be it.
pub(crate) async fn connect(given: Option<&Path>) -> Result<UnixStream, Failure> {
    let path = place(given)?;
    let nobody = |error: io::Error| {
        let why = match error.kind() {
            io::ErrorKind::NotFound => String::from("there is no such socket"),
            io::ErrorKind::ConnectionRefused => String::from("the one that did is gone"),
            _ => error.to_string(),
        };
        let path = path.display();
        Failure::Unable(format!("no server listens at {path}: {why} (`unbroken serve --admin`)"))
    };
    fs::metadata(&path).map_err(nobody)?;
    check_folder(folder_of(&path))?;
    check_owner(&path)?;
    UnixStream::connect(&path).await.map_err(nobody)
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// Takes away a socket whose server is gone.
async fn replace(path: &Path) -> Result<(), Failure> {
    let shown = path.display();
    match UnixStream::connect(path).await {
        Ok(_) => Err(Failure::Unable(format!("a server listens at {shown} already"))),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused && is_socket(path) => {
            fs::remove_file(path).map_err(Failure::unable(format_args!("cannot replace {shown}")))
        }
        Err(_) => Err(Failure::Unable(format!(
            "{shown} is there already and no socket of a server that is gone: it is left alone"
        ))),
    }
}

#[cfg(unix)]
mod system {
    use std::fs;
    use std::io;
    use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
    use std::path::Path;

    use super::folder_of;
    use crate::failure::Failure;

    pub(super) fn is_socket(path: &Path) -> bool {
        fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_socket())
    }

    pub(super) fn restrict(path: &Path) -> io::Result<()> {
        fs::set_permissions(path, fs::Permissions::from_mode(0o600))
    }

    /// Whoever may write in the folder could put a socket of its own in the place of ours.
    pub(super) fn check_folder(folder: &Path) -> Result<(), Failure> {
        let shown = folder.display();
        let found = fs::metadata(folder).map_err(Failure::unable(&shown))?;
        let mode = found.permissions().mode() & 0o7777;
        match mode & 0o077 {
            0 => Ok(()),
            _ => Err(Failure::Unable(format!(
                "others may enter {shown} (mode {mode:03o}), where the admin socket is to be its owner's alone: chmod 700 {shown}"
            ))),
        }
    }

    /// What we have made is ours, so that it tells whose the folder has to be.
    pub(super) fn check_owner(path: &Path) -> Result<(), Failure> {
        let folder = folder_of(path);
        let owner = |of: &Path| fs::metadata(of).map(|found| found.uid());
        let owners = owner(path).and_then(|socket| Ok((socket, owner(folder)?)));
        let (socket, whose) = owners.map_err(Failure::unable(path.display()))?;
        match socket == whose {
            true => Ok(()),
            false => Err(Failure::Unable(format!(
                "{} belongs to another user than the admin socket in it",
                folder.display()
            ))),
        }
    }
}

#[cfg(not(unix))]
mod system {
    use std::io;
    use std::path::Path;

    use crate::failure::Failure;

    pub(super) fn is_socket(_path: &Path) -> bool {
        false
    }

    pub(super) fn restrict(_path: &Path) -> io::Result<()> {
        Ok(())
    }

    pub(super) fn check_folder(_folder: &Path) -> Result<(), Failure> {
        Ok(())
    }

    pub(super) fn check_owner(_path: &Path) -> Result<(), Failure> {
        Ok(())
    }
}

use self::system::{check_folder, check_owner, is_socket, restrict};
