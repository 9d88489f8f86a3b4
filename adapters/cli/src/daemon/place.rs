//! Where the daemon of an account is found.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use etcetera::base_strategy::{BaseStrategy, choose_base_strategy};

use crate::failure::Failure;
use crate::identity::files::private_folder;

/// The longest path that a socket may have on every system (`sun_path`).
const LONGEST: usize = 100;

/// A folder that is nobody else's. It is not `$XDG_RUNTIME_DIR`, which goes with the last login, while a daemon stays.
#[derive(Debug)]
pub(crate) struct Place {
    folder: PathBuf,
    /// A home folder may be several machines'.
    machine: String,
}

impl Place {
    pub(crate) fn new() -> Result<Place, Failure> {
        let strategy = choose_base_strategy().map_err(Failure::unable("this account has no home folder"))?;
        let state = strategy.state_dir().unwrap_or_else(|| strategy.data_dir());
        let folder = state.join("unbroken");
        private_folder(&folder).map_err(Failure::unable(format_args!("cannot make {}", folder.display())))?;
        is_own(&folder)?;
        let place = Place {
            folder,
            machine: machine(),
        };
        if place.socket().as_os_str().len() > LONGEST {
            return Err(Failure::Unable(format!(
                "{} is too long for a socket; XDG_STATE_HOME may name another folder",
                place.socket().display()
            )));
        }
        Ok(place)
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.folder.join(format!("daemon-{}.sock", self.machine))
    }

    pub(crate) fn key(&self) -> PathBuf {
        self.folder.join("daemon.key")
    }

    /// Where `unbroken sessions` asks.
    pub(crate) fn admin(&self) -> PathBuf {
        self.folder.join(format!("admin-{}.sock", self.machine))
    }

    /// What the daemon says goes there.
    pub(crate) fn log(&self) -> PathBuf {
        self.folder.join(format!("daemon-{}.log", self.machine))
    }

    /// Waits until nobody else starts or ends a daemon; as long as the file is open, nobody else does.
    pub(crate) fn lock(&self) -> Result<File, Failure> {
        let path = self.folder.join(format!("daemon-{}.lock", self.machine));
        let failed = |error: std::io::Error| Failure::Unable(format!("cannot lock {}: {error}", path.display()));
        let file = fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path);
        let file = file.map_err(failed)?;
        #[cfg(unix)]
        rustix::fs::flock(&file, rustix::fs::FlockOperation::LockExclusive).map_err(|error| failed(error.into()))?;
        Ok(file)
    }
}

/// Others must not be able to put a socket of theirs there.
fn is_own(folder: &Path) -> Result<(), Failure> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt as _;
        let found = fs::symlink_metadata(folder).map_err(Failure::unable(folder.display()))?;
        let is_own = found.is_dir() && found.uid() == rustix::process::getuid().as_raw();
        if !is_own || found.mode() & 0o077 != 0 {
            return Err(Failure::Unable(format!(
                "{} has to be a folder of this account that is open to nobody else (chmod 700)",
                folder.display()
            )));
        }
    }
    let _elsewhere = folder;
    Ok(())
}

fn machine() -> String {
    #[cfg(unix)]
    let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    #[cfg(not(unix))]
    let name = String::from("here");
    name.chars().filter(|c| c.is_ascii_alphanumeric()).take(16).collect()
}
