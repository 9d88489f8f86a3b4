//! Which file defines what a path names.

use crate::tree::Crate;

/// Imports that lead to imports end; circles of them do not.
const DEPTH: usize = 16;

/// Where a path leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// A module itself, which is no use of its file.
    Module(usize),
    /// Something that this file defines.
    Item(usize),
    /// Another crate, or the language.
    Outside,
}

/// Whether a path says by itself that it stays in this crate.
pub(crate) fn is_local(segments: &[String]) -> bool {
    segments
        .first()
        .is_some_and(|first| ["crate", "self", "super"].contains(&first.as_str()))
}

/// Where `segments` leads from `module`; `None`: to nothing that is there.
pub(crate) fn resolve(tree: &Crate, module: usize, segments: &[String]) -> Option<Target> {
    follow(tree, module, segments, DEPTH)
}

/// Where a single word leads that may have come through a glob.
pub(crate) fn through_globs(tree: &Crate, module: usize, word: &str) -> Option<Target> {
    globs(tree, module, word, DEPTH)
}

/// The file with the macro of this name.
pub(crate) fn textual_macro(tree: &Crate, name: &str) -> Option<usize> {
    let mut modules = tree.modules.iter();
    let found = modules.find(|module| module.scope.macros.iter().any(|one| one == name))?;
    Some(found.file)
}

fn follow(tree: &Crate, module: usize, segments: &[String], depth: usize) -> Option<Target> {
    let depth = depth.checked_sub(1)?;
    let (first, rest) = segments.split_first()?;
    let mut target = match first.as_str() {
        "crate" => Target::Module(root(tree, module)),
        "self" => Target::Module(module),
        "super" => Target::Module(tree.modules[module].parent?),
        name => lookup(tree, module, name, !rest.is_empty(), depth).unwrap_or(Target::Outside),
    };
    for (index, segment) in rest.iter().enumerate() {
        // What follows an item is a variant or something associated.
        let Target::Module(inside) = target else { break };
        target = match segment.as_str() {
            "self" => target,
            "super" => Target::Module(tree.modules[inside].parent?),
            name => lookup(tree, inside, name, index + 1 < rest.len(), depth)?,
        };
    }
    Some(target)
}

fn root(tree: &Crate, mut module: usize) -> usize {
    while let Some(parent) = tree.modules[module].parent {
        module = parent;
    }
    module
}

/// What `name` is in `module`. A module and a function may share a name: what is followed by more is the module.
fn lookup(tree: &Crate, module: usize, name: &str, more: bool, depth: usize) -> Option<Target> {
    let here = &tree.modules[module];
    let child = here.children.get(name).copied().map(Target::Module);
    let mut defined = here.scope.items.iter().chain(&here.scope.macros);
    let item = defined.any(|item| item == name).then_some(Target::Item(here.file));
    let own = if more { child.or(item) } else { item.or(child) };
    own.or_else(|| imported(tree, module, name, depth))
        .or_else(|| globs(tree, module, name, depth))
}

fn imported(tree: &Crate, module: usize, name: &str, depth: usize) -> Option<Target> {
    let imports = tree.modules[module].scope.imports.iter();
    let mut named = imports.filter(|import| import.name.as_deref() == Some(name));
    named.find_map(|import| {
        // `use metrics::{self, X}` names the dependency.
        let itself = import.path.segments.len() == 1 && import.path.segments[0] == name;
        if itself {
            Some(Target::Outside)
        } else {
            follow(tree, module, &import.path.segments, depth)
        }
    })
}

fn globs(tree: &Crate, module: usize, name: &str, depth: usize) -> Option<Target> {
    let imports = tree.modules[module].scope.imports.iter();
    let mut globs = imports.filter(|import| import.name.is_none());
    globs.find_map(|import| {
        let depth = depth.checked_sub(1)?;
        match follow(tree, module, &import.path.segments, depth)? {
            Target::Module(from) if from != module => lookup(tree, from, name, false, depth),
            // Whatever it is, it is not ours.
            Target::Outside => Some(Target::Outside),
            _ => None,
        }
    })
}
