//! Plants bugs in scratch copies of the workspace, for `.ci/planted` and `tests/planted.sh`.
//!
//! `plant mirror FROM TO` makes `TO` hold just those files of `FROM` whose names come on standard input;
//! `plant apply TREE DESCRIPTION` plants one bug in a tree; `plant check TREE DESCRIPTION …` says which bugs no
//! longer fit; `plant together TREE ROOT DESCRIPTION …` plants all that can be told apart at run time, of the crate whose root is `ROOT`, and prints
//! their names.
//!
//! Files are written only where they differ and never get the times of their originals: what was planted
//! and what was taken out again is newer than the last build, so that cargo sees either.

mod description;
#[allow(dead_code, reason = "lines are for those who check the structure")]
#[path = "../structure/lexer.rs"]
mod lexer;
mod together;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::{env, fs, io};

use description::Description;

fn main() -> ExitCode {
    let words: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let done = match words.as_slice() {
        ["mirror", from, to] => mirror(Path::new(from), Path::new(to)),
        ["apply", tree, description] => apply(Path::new(tree), Path::new(description)),
        ["check", tree, descriptions @ ..] => check(Path::new(tree), descriptions),
        ["together", tree, root, descriptions @ ..] => together(Path::new(tree), root, descriptions),
        _ => Err("plant mirror FROM TO | apply TREE DESCRIPTION | check TREE DESCRIPTION … | together TREE ROOT DESCRIPTION …".to_owned()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("{problem}");
            ExitCode::FAILURE
        }
    }
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> String {
    move |error| format!("{}: {error}", path.display())
}

/// A bug and its name.
fn read(description: &Path) -> Result<(String, Description), String> {
    let text = fs::read_to_string(description).map_err(at(description))?;
    let name = description.file_stem().unwrap_or_default().display().to_string();
    let bug = Description::parse(&text).map_err(|stale| format!("{name}: {stale}"))?;
    Ok((name, bug))
}

/// The path of the file that the description is about, and that file with the bug in it.
fn planted(tree: &Path, description: &Path) -> Result<(PathBuf, String), String> {
    let (name, bug) = read(description)?;
    let path = tree.join(&bug.file);
    let source = fs::read_to_string(&path).map_err(|error| format!("{name}: {}: {error}", bug.file))?;
    let planted = bug
        .apply(&source)
        .map_err(|stale| format!("{name}: {}: {stale}", bug.file))?;
    Ok((path, planted))
}

fn apply(tree: &Path, description: &Path) -> Result<(), String> {
    let (path, text) = planted(tree, description)?;
    fs::write(&path, text).map_err(at(&path))
}

fn check(tree: &Path, descriptions: &[&str]) -> Result<(), String> {
    let stale: Vec<String> = descriptions
        .iter()
        .filter_map(|description| planted(tree, Path::new(description)).err())
        .collect();
    if stale.is_empty() {
        Ok(())
    } else {
        Err(stale.join("\n"))
    }
}

fn together(tree: &Path, root: &str, descriptions: &[&str]) -> Result<(), String> {
    let mut files: BTreeMap<String, Vec<(String, Description)>> = BTreeMap::new();
    for description in descriptions {
        let (name, bug) = read(Path::new(description))?;
        files.entry(bug.file.clone()).or_default().push((name, bug));
    }
    for (file, bugs) in files {
        let path = tree.join(file);
        let source = fs::read_to_string(&path).map_err(at(&path))?;
        let (text, names) = together::plant(&source, &bugs);
        fs::write(&path, text).map_err(at(&path))?;
        for name in names {
            println!("{name}");
        }
    }
    let root = tree.join(root);
    let source = fs::read_to_string(&root).map_err(at(&root))?;
    fs::write(&root, source + together::ASKS).map_err(at(&root))
}

/// Two runs that write into one tree are kept apart by the scripts, which use one tree for each.
fn mirror(from: &Path, to: &Path) -> Result<(), String> {
    let mut list = String::new();
    io::stdin()
        .read_to_string(&mut list)
        .map_err(|error| error.to_string())?;
    // A file that git knows and that was deleted is listed, too.
    let wanted: BTreeSet<PathBuf> = list.lines().map(PathBuf::from).collect();
    let wanted: BTreeSet<PathBuf> = wanted.into_iter().filter(|path| from.join(path).is_file()).collect();
    let mut there = BTreeSet::new();
    if to.is_dir() {
        files(to, Path::new(""), &mut there).map_err(at(to))?;
    }
    for gone in there.difference(&wanted) {
        let path = to.join(gone);
        fs::remove_file(&path).map_err(at(&path))?;
    }
    for path in &wanted {
        let (source, target) = (from.join(path), to.join(path));
        let content = fs::read(&source).map_err(at(&source))?;
        if fs::read(&target).is_ok_and(|present| present == content) {
            continue;
        }
        let folder = target.parent().unwrap_or(to);
        fs::create_dir_all(folder).map_err(at(folder))?;
        fs::write(&target, content).map_err(at(&target))?;
    }
    Ok(())
}

fn files(root: &Path, under: &Path, found: &mut BTreeSet<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(root.join(under))? {
        let entry = entry?;
        let path = under.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            files(root, &path, found)?;
        } else {
            found.insert(path);
        }
    }
    Ok(())
}
