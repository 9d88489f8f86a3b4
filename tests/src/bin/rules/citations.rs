//! The rules that tests name, in the comments above them.

use std::fs;
use std::path::Path;

use crate::document;

/// What a comment that names rules begins with.
const MARK: &str = "PROTOCOL R";

/// A rule named in a source.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Citation {
    pub(crate) rule: String,
    pub(crate) file: String,
    pub(crate) line: usize,
    /// A test follows.
    pub(crate) at_test: bool,
}

/// All in the sources of a folder and below.
pub(crate) fn collect(folder: &Path, found: &mut Vec<Citation>) -> Result<(), String> {
    let at = |error| format!("{}: {error}", folder.display());
    let mut entries: Vec<_> = fs::read_dir(folder)
        .map_err(at)?
        .collect::<Result<_, _>>()
        .map_err(at)?;
    entries.sort_by_key(fs::DirEntry::path);
    for entry in entries {
        let path = entry.path();
        if path.is_dir() {
            // What this tool's own tests say of citations is none, and what was built is no source.
            if !path.ends_with("target") && !path.ends_with("bin/rules") {
                collect(&path, found)?;
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = crate::read(&path)?;
            found.extend(in_source(&path.display().to_string(), &text));
        }
    }
    Ok(())
}

/// Those of one source.
fn in_source(file: &str, text: &str) -> Vec<Citation> {
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let mut found = Vec::new();
    for (index, line) in lines.iter().enumerate() {
        if !line.starts_with("//") || !line.contains(MARK) {
            continue;
        }
        let at_test = heads_a_test(&lines[index..]);
        found.extend(document::ids(line).map(|rule| Citation {
            rule: rule.to_owned(),
            file: file.to_owned(),
            line: index + 1,
            at_test,
        }));
    }
    found
}

/// Whether nothing but comments and attributes, `#[test]` or the like among them, lies before the next function.
fn heads_a_test(lines: &[&str]) -> bool {
    let head = lines
        .iter()
        .take_while(|line| line.starts_with("//") || line.starts_with("#["));
    let is_test = |line: &&str| line.starts_with("#[test]") || line.starts_with("#[tokio::test");
    head.clone().any(is_test) && lines.get(head.count()).is_some_and(|line| line.contains("fn "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<(String, bool)> {
        let citations = in_source("a.rs", text);
        citations
            .into_iter()
            .map(|citation| (citation.rule, citation.at_test))
            .collect()
    }

    #[test]
    fn rules_are_named_above_a_test() {
        let text = "/// What it shows.\n// PROTOCOL R4.1, R4.2\n#[test]\nfn it() {}\n";
        assert_eq!(found(text), [("R4.1".into(), true), ("R4.2".into(), true)]);
    }

    #[test]
    fn elsewhere_they_are_named_in_vain() {
        assert_eq!(found("// PROTOCOL R4.1\nfn helper() {}\n"), [("R4.1".into(), false)]);
        assert_eq!(
            found("// PROTOCOL R4.1\n\n#[test]\nfn it() {}\n"),
            [("R4.1".into(), false)]
        );
        assert_eq!(found("let text = \"PROTOCOL R4.1\";\n"), []);
    }
}
