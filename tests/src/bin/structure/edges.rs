//! Which file uses which.

use std::collections::BTreeMap;

use crate::resolve::{self, Target};
use crate::tree::Crate;
use crate::uses::Path;

/// Why one file uses another: the first place that says so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reason {
    pub(crate) line: usize,
    pub(crate) path: String,
}

/// The uses of a crate's files, tests aside, and what could not be followed.
#[derive(Debug, Default)]
pub(crate) struct Edges {
    pub(crate) uses: BTreeMap<(usize, usize), Reason>,
    /// Paths that say they lead into the crate and lead nowhere, as `file:line path`.
    pub(crate) unresolved: Vec<String>,
}

/// All of them.
pub(crate) fn of(tree: &Crate) -> Edges {
    let mut edges = Edges::default();
    for (index, module) in tree.modules.iter().enumerate() {
        if tree.files[module.file].test {
            continue;
        }
        for (name, &child) in &module.children {
            let line = module.scope.children.iter().find(|child| child.name == *name);
            let line = line.map_or(0, |child| child.line);
            edges.add(
                tree,
                module.file,
                tree.modules[child].file,
                line,
                &format!("mod {name}"),
            );
        }
        for import in &module.scope.imports {
            edges.path(tree, index, &import.path, import.name.is_none());
        }
        for path in &module.scope.paths {
            edges.path(tree, index, path, false);
        }
        for word in &module.scope.words {
            edges.word(tree, index, word);
        }
        for called in &module.scope.called {
            let name = &called.segments[0];
            let own = module.scope.macros.contains(name);
            if let Some(to) = resolve::textual_macro(tree, name).filter(|_| !own) {
                edges.add(tree, module.file, to, called.line, &format!("{name}!"));
            }
        }
    }
    edges
}

impl Edges {
    fn add(&mut self, tree: &Crate, from: usize, to: usize, line: usize, path: &str) {
        if from != to && !tree.files[to].test {
            let path = path.to_owned();
            self.uses.entry((from, to)).or_insert(Reason { line, path });
        }
    }

    fn path(&mut self, tree: &Crate, module: usize, path: &Path, glob: bool) {
        let from = tree.modules[module].file;
        let text = path.segments.join("::");
        match resolve::resolve(tree, module, &path.segments) {
            // A glob over an enumeration names its variants; one over a module is judged word by word.
            Some(Target::Item(to)) => self.add(tree, from, to, path.line, &text),
            Some(Target::Module(_) | Target::Outside) => {}
            None if resolve::is_local(&path.segments) && !glob => {
                let file = tree.files[from].path.display();
                self.unresolved.push(format!("{file}:{} {text}", path.line));
            }
            None => {}
        }
    }

    fn word(&mut self, tree: &Crate, module: usize, word: &Path) {
        let (here, name) = (&tree.modules[module], &word.segments[0]);
        let imported = here
            .scope
            .imports
            .iter()
            .any(|import| import.name.as_ref() == Some(name));
        if imported || here.scope.items.contains(name) {
            return;
        }
        if let Some(Target::Item(to)) = resolve::through_globs(tree, module, name) {
            self.add(tree, here.file, to, word.line, name);
        }
    }
}
