//! The crates of one folder, read and followed.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::edges::{self, Edges};
use crate::tree::{Crate, File};

/// A folder with a `src`.
#[derive(Debug)]
pub(crate) struct Package {
    /// From the root of the repository.
    pub(crate) folder: String,
    pub(crate) source: PathBuf,
    /// The library, the command, and what lies in `bin`.
    pub(crate) crates: Vec<(Crate, Edges)>,
    /// Lines of every source file, tests too.
    pub(crate) lines: BTreeMap<PathBuf, usize>,
}

impl Package {
    /// Reads a package.
    ///
    /// # Errors
    /// A file cannot be read.
    pub(crate) fn load(repository: &Path, folder: &str) -> Result<Package, String> {
        let source = repository.join(folder).join("src");
        let mut lines = BTreeMap::new();
        count(&source, &mut lines)?;
        let bin = source.join("bin");
        let is_root = |path: &Path| {
            let parent = path.parent();
            let top = parent == Some(&source) && (path.ends_with("lib.rs") || path.ends_with("main.rs"));
            let own =
                parent == Some(&bin) || (path.ends_with("main.rs") && parent.and_then(Path::parent) == Some(&bin));
            top || own
        };
        let crates = lines.keys().filter(|path| is_root(path)).map(|root| {
            let tree = Crate::load(root)?;
            let edges = edges::of(&tree);
            Ok((tree, edges))
        });
        Ok(Package {
            folder: folder.to_owned(),
            crates: crates.collect::<Result<_, String>>()?,
            source,
            lines,
        })
    }

    /// How a file is called in what is printed.
    pub(crate) fn name(&self, path: &Path) -> String {
        let inside = path.strip_prefix(&self.source).unwrap_or(path);
        format!("{}/src/{}", self.folder, inside.display())
    }

    /// The first folder or file on the way to `path`.
    pub(crate) fn module(&self, path: &Path) -> String {
        let inside = path.strip_prefix(&self.source).unwrap_or(path);
        let first = inside.iter().next().unwrap_or_default();
        Path::new(first).file_stem().unwrap_or_default().display().to_string()
    }

    /// The files that are not for tests only.
    pub(crate) fn production(&self) -> impl Iterator<Item = &File> {
        let files = self.crates.iter().flat_map(|(tree, _)| &tree.files);
        files.filter(|file| !file.test)
    }

    /// Lines of all sources, and without tests.
    pub(crate) fn total(&self) -> (usize, usize) {
        (
            self.lines.values().sum(),
            self.production().map(|file| file.lines).sum(),
        )
    }
}

fn count(folder: &Path, lines: &mut BTreeMap<PathBuf, usize>) -> Result<(), String> {
    let problem = |error| format!("{}: {error}", folder.display());
    for entry in fs::read_dir(folder).map_err(problem)? {
        let path = entry.map_err(problem)?.path();
        if path.is_dir() {
            count(&path, lines)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
            lines.insert(path, text.lines().count());
        }
    }
    Ok(())
}
