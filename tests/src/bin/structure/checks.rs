//! What the rules say of the packages.

use std::collections::BTreeSet;
use std::path::Path;

use crate::circles;
use crate::edges::Edges;
use crate::package::Package;
use crate::rules::Rules;
use crate::tree::Crate;

/// Everything that is not as it should be.
pub(crate) fn all(packages: &[Package], rules: &Rules) -> Vec<String> {
    let mut complaints = Vec::new();
    for package in packages {
        complaints.extend(followed(package));
        for (tree, edges) in &package.crates {
            complaints.extend(circular(package, tree, edges));
            complaints.extend(arrows(package, tree, edges, rules));
            complaints.extend(standard(package, tree, rules));
        }
        complaints.extend(long_files(package, rules));
        complaints.extend(long_functions(package, rules));
    }
    complaints.extend(totals(packages, rules));
    complaints
}

/// What the checker could not follow would escape it.
fn followed(package: &Package) -> Vec<String> {
    let crates = || package.crates.iter();
    let reached: BTreeSet<&Path> = crates()
        .flat_map(|(tree, _)| tree.files.iter().map(|file| file.path.as_path()))
        .collect();
    let strays = package.lines.keys().filter(|path| !reached.contains(path.as_path()));
    let missing = crates().flat_map(|(tree, _)| &tree.missing);
    let unresolved = crates().flat_map(|(_, edges)| &edges.unresolved);
    let mut complaints: Vec<String> = strays
        .map(|path| format!("{} belongs to no module", package.name(path)))
        .collect();
    complaints.extend(missing.map(|module| format!("{module}: no such module")));
    complaints.extend(unresolved.map(|path| format!("{path} leads nowhere")));
    complaints
}

fn circular(package: &Package, tree: &Crate, edges: &Edges) -> Vec<String> {
    let name = |file: usize| package.name(&tree.files[file].path);
    let circles = circles::find(edges.uses.keys());
    let describe = circles.iter().map(|circle| {
        let mut text = format!("{}: circle of {} files", package.folder, circle.members.len());
        for way in &circle.ways {
            let steps = way.iter().zip(way.iter().cycle().skip(1)).map(|(&from, &to)| {
                let reason = &edges.uses[&(from, to)];
                format!("{}:{} ({})", name(from), reason.line, reason.path)
            });
            let steps: Vec<String> = steps.collect();
            text.push_str(&format!("\n    {} → {}", steps.join(" → "), name(way[0])));
        }
        text
    });
    describe.collect()
}

fn arrows(package: &Package, tree: &Crate, edges: &Edges, rules: &Rules) -> Vec<String> {
    let mut complaints = Vec::new();
    let module = |file: usize| package.module(&tree.files[file].path);
    for (&(from, to), reason) in &edges.uses {
        let forbidden = rules.modules.iter().any(|&(folder, lower, uppers)| {
            folder == package.folder && lower == module(from) && uppers.contains(&module(to).as_str())
        });
        if forbidden {
            let at = package.name(&tree.files[from].path);
            let (lower, upper) = (module(from), module(to));
            complaints.push(format!(
                "{at}:{}: {lower} must not name {upper} ({})",
                reason.line, reason.path
            ));
        }
    }
    complaints
}

/// No clock, entropy or I/O where there is no `std`.
fn standard(package: &Package, tree: &Crate, rules: &Rules) -> Vec<String> {
    let rule = rules.without_std.iter().find(|(folder, _)| *folder == package.folder);
    let Some((_, except)) = rule else { return Vec::new() };
    let mut complaints = Vec::new();
    for module in &tree.modules {
        let file = &tree.files[module.file];
        if file.test || except.iter().any(|path| file.path == package.source.join(path)) {
            continue;
        }
        let scope = &module.scope;
        let imports = scope.imports.iter().map(|import| &import.path);
        for path in imports.chain(&scope.paths).chain(&scope.words) {
            let names = |word: &str| path.segments.iter().any(|segment| segment == word);
            if path.segments[0] == "std" || names("SystemTime") || names("getrandom") {
                let (at, what) = (package.name(&file.path), path.segments.join("::"));
                complaints.push(format!("{at}:{}: {} has no std ({what})", path.line, package.folder));
            }
        }
    }
    complaints
}

fn long_files(package: &Package, rules: &Rules) -> Vec<String> {
    let long = package.production().filter(|file| file.lines > rules.file_lines);
    let describe = long.map(|file| {
        let (name, most) = (package.name(&file.path), rules.file_lines);
        format!(
            "{name} has {} lines, more than {most}: split it into modules",
            file.lines
        )
    });
    describe.collect()
}

fn long_functions(package: &Package, rules: &Rules) -> Vec<String> {
    let mut complaints = Vec::new();
    for file in package.production() {
        for function in file
            .functions
            .iter()
            .filter(|function| function.lines > rules.function_lines)
        {
            complaints.push(format!(
                "{}:{}: fn {} has {} lines, more than {}",
                package.name(&file.path),
                function.line,
                function.name,
                function.lines,
                rules.function_lines
            ));
        }
    }
    complaints
}

fn totals(packages: &[Package], rules: &Rules) -> Vec<String> {
    let mut complaints = Vec::new();
    for (folders, most) in &rules.totals {
        let counted = packages
            .iter()
            .filter(|package| folders.contains(&package.folder.as_str()));
        let lines: usize = counted.map(|package| package.total().0).sum();
        if lines > *most {
            complaints.push(format!("{} have {lines} lines, more than {most}", folders.join(", ")));
        }
    }
    complaints
}

#[cfg(test)]
mod tests;
