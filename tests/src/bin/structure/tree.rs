//! The modules of one crate, found from its root as the compiler finds them.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::syntax::{self, Child, Function, Scope};

/// A module, its declarations, and where it stands.
#[derive(Debug)]
pub(crate) struct Module {
    pub(crate) file: usize,
    pub(crate) parent: Option<usize>,
    pub(crate) children: BTreeMap<String, usize>,
    /// Without the modules written out inside it, which are modules of their own.
    pub(crate) scope: Scope,
}

/// A source file.
#[derive(Debug)]
pub(crate) struct File {
    pub(crate) path: PathBuf,
    /// Only compiled for tests.
    pub(crate) test: bool,
    pub(crate) lines: usize,
    pub(crate) functions: Vec<Function>,
}

/// A crate; its first module is its root.
#[derive(Debug, Default)]
pub(crate) struct Crate {
    pub(crate) modules: Vec<Module>,
    pub(crate) files: Vec<File>,
    /// What is declared and not there, as `file:line name`.
    pub(crate) missing: Vec<String>,
}

impl Crate {
    /// Reads the crate with this root file.
    ///
    /// # Errors
    /// The root cannot be read.
    pub(crate) fn load(root: &Path) -> Result<Crate, String> {
        let mut tree = Crate::default();
        let folder = root.parent().unwrap_or(Path::new("")).to_owned();
        tree.file(root, &folder, None, false)?;
        Ok(tree)
    }

    /// Takes in a file whose modules lie in `folder`.
    fn file(&mut self, path: &Path, folder: &Path, parent: Option<usize>, test: bool) -> Result<usize, String> {
        let text = fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
        let source = syntax::parse(&text);
        let file = self.files.len();
        self.files.push(File {
            path: path.to_owned(),
            test: test || source.test,
            lines: source.lines,
            functions: source.functions,
        });
        Ok(self.module(file, folder, parent, source.scope))
    }

    fn module(&mut self, file: usize, folder: &Path, parent: Option<usize>, mut scope: Scope) -> usize {
        let module = self.modules.len();
        let (inline, children) = (std::mem::take(&mut scope.inline), scope.children.clone());
        self.modules.push(Module {
            file,
            parent,
            children: BTreeMap::new(),
            scope,
        });
        for inner in inline {
            let name = inner.name.clone();
            let child = self.module(file, &folder.join(&name), Some(module), inner);
            self.adopt(module, name, child);
        }
        for child in children {
            self.child(module, folder, &child);
        }
        module
    }

    fn child(&mut self, module: usize, folder: &Path, child: &Child) {
        let file = self.modules[module].file;
        let test = child.test || self.files[file].test;
        let inside = folder.join(&child.name);
        let places = [inside.with_extension("rs"), inside.join("mod.rs")];
        let found = places.iter().find(|place| place.is_file());
        match found.map(|place| self.file(place, &inside, Some(module), test)) {
            Some(Ok(loaded)) => self.adopt(module, child.name.clone(), loaded),
            Some(Err(_)) | None => {
                let declared = self.files[file].path.display();
                self.missing.push(format!("{declared}:{} {}", child.line, child.name));
            }
        }
    }

    /// The first of two of one name stays: they are alternatives under `cfg`.
    fn adopt(&mut self, module: usize, name: String, child: usize) {
        self.modules[module].children.entry(name).or_insert(child);
    }
}
