//! The laws of ARCHITECTURE.md that reading the sources can check: no circles between files, arrows between
//! modules, sizes. `.ci/structure` runs it.
//!
//! One file uses another where it names what is defined there, whatever re-exports it came through, and where
//! it declares it with `mod`. A module that only declares and re-exports is therefore no part of a circle, and a child
//! that names what its parent defines is. Methods are not followed: without types nobody can say whose they are.
//! Tests are left aside, in files of their own and under `#[cfg(test)]`.

mod checks;
mod circles;
mod cursor;
mod edges;
mod lexer;
mod package;
mod resolve;
mod rules;
mod syntax;
mod tree;
mod uses;

use std::path::Path;
use std::process::ExitCode;
use std::{env, fs};

use package::Package;
use rules::Rules;

fn main() -> ExitCode {
    let words: Vec<String> = env::args().skip(1).collect();
    let packages = match packages(Path::new(".")) {
        Ok(packages) => packages,
        Err(problem) => {
            eprintln!("{problem}");
            return ExitCode::FAILURE;
        }
    };
    match words.first().map(String::as_str) {
        None => check(&packages),
        Some("--count") => count(&packages),
        Some("--edges") => list(&packages),
        Some(_) => {
            eprintln!("structure [--count | --edges]");
            ExitCode::FAILURE
        }
    }
}

/// The machine and the adapters.
fn packages(repository: &Path) -> Result<Vec<Package>, String> {
    let adapters = repository.join("adapters");
    let entries = fs::read_dir(&adapters).map_err(|error| format!("{}: {error}", adapters.display()))?;
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let mut folders: Vec<String> = names.map(|name| format!("adapters/{name}")).collect();
    folders.push("proto".to_owned());
    folders.retain(|folder| repository.join(folder).join("src").is_dir());
    folders.sort();
    folders.iter().map(|folder| Package::load(repository, folder)).collect()
}

fn check(packages: &[Package]) -> ExitCode {
    let complaints = checks::all(packages, &Rules::ours());
    for complaint in &complaints {
        println!("{complaint}");
    }
    if complaints.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn count(packages: &[Package]) -> ExitCode {
    println!("{:>7} {:>11}", "lines", "tests aside");
    for package in packages {
        let (all, production) = package.total();
        println!("{all:>7} {production:>11}  {}", package.folder);
    }
    for (folders, most) in &Rules::ours().totals {
        let counted = packages
            .iter()
            .filter(|package| folders.contains(&package.folder.as_str()));
        let lines: usize = counted.map(|package| package.total().0).sum();
        println!("{lines:>7} of {most:>8}  {}", folders.join(", "));
    }
    ExitCode::SUCCESS
}

fn list(packages: &[Package]) -> ExitCode {
    for package in packages {
        for (tree, edges) in &package.crates {
            for (&(from, to), reason) in &edges.uses {
                let name = |file: usize| package.name(&tree.files[file].path);
                println!("{}:{} → {}  {}", name(from), reason.line, name(to), reason.path);
            }
        }
    }
    ExitCode::SUCCESS
}
