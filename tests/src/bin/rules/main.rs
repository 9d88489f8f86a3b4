//! Holds PROTOCOL.md against the tests: each of its rules is shown by a test that names it, or says why none can; and
//! what tests name exists. `.ci/rules` runs it.
//!
//! A test names rules in a comment right above it: `// PROTOCOL R4.12, R5.3`. A rule that stands in a row of the table
//! of breaches is shown by the test that carries the rows out (`tests/tests/breaches.rs`).

mod citations;
mod document;

use std::path::Path;
use std::process::ExitCode;
use std::{env, fs};

use citations::Citation;
use document::Document;

/// Where the rules stand.
const DOCUMENT: &str = "proto/PROTOCOL.md";
/// Where tests are.
const SOURCES: [&str; 3] = ["proto", "tests", "adapters"];

fn main() -> ExitCode {
    let complaints = read(Path::new(DOCUMENT)).and_then(|text| {
        let document = Document::parse(&text);
        let mut found = Vec::new();
        for folder in SOURCES {
            citations::collect(Path::new(folder), &mut found)?;
        }
        if env::args().nth(1).as_deref() == Some("--list") {
            list(&document, &found);
        }
        Ok(check(&document, &found))
    });
    match complaints {
        Ok(complaints) if complaints.is_empty() => ExitCode::SUCCESS,
        Ok(complaints) => {
            complaints.iter().for_each(|complaint| println!("{complaint}"));
            ExitCode::FAILURE
        }
        Err(problem) => {
            eprintln!("{problem}");
            ExitCode::FAILURE
        }
    }
}

pub(crate) fn read(path: &Path) -> Result<String, String> {
    fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))
}

/// Everything that is not as it should be.
fn check(document: &Document, citations: &[Citation]) -> Vec<String> {
    let mut complaints = document.flaws.clone();
    for rule in &document.rules {
        let cited = citations.iter().any(|citation| citation.rule == rule.id);
        let shown = cited || document.shown_by_rows.contains(&rule.id);
        let at = format!("{DOCUMENT}:{}: {}", rule.line, rule.id);
        match (shown, rule.untested) {
            (false, false) => complaints.push(format!("{at} is shown by no test")),
            (true, true) => complaints.push(format!("{at} says that no test can show it, and one does")),
            _ => {}
        }
    }
    for citation in citations {
        let at = format!("{}:{}", citation.file, citation.line);
        if !document.rules.iter().any(|rule| rule.id == citation.rule) {
            complaints.push(format!("{at}: there is no rule {}", citation.rule));
        }
        if !citation.at_test {
            complaints.push(format!("{at}: {} is named where no test follows", citation.rule));
        }
    }
    complaints
}

/// Which tests show which rule.
fn list(document: &Document, citations: &[Citation]) {
    for rule in &document.rules {
        let mut places: Vec<String> = citations
            .iter()
            .filter(|citation| citation.rule == rule.id)
            .map(|citation| format!("{}:{}", citation.file, citation.line))
            .collect();
        if document.shown_by_rows.contains(&rule.id) {
            places.push("breaches".to_owned());
        }
        println!("{} {}", rule.id, places.join(" "));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
## 4. Frames

- **R4.1** One MUST. **R4.2** Two MUST.
- **R4.3** Three [untested: it takes 2^64 packets].

| B1 | a thing | both | sealed | drop | lives | R4.2 |
";

    fn citation(rule: &str, at_test: bool) -> Citation {
        Citation {
            rule: rule.to_owned(),
            file: "a.rs".to_owned(),
            line: 7,
            at_test,
        }
    }

    fn complaints(text: &str, citations: &[Citation]) -> Vec<String> {
        check(&Document::parse(text), citations)
    }

    #[test]
    fn what_is_shown_or_cannot_be_is_no_complaint() {
        assert_eq!(complaints(TEXT, &[citation("R4.1", true)]), [""; 0]);
    }

    #[test]
    fn a_rule_that_nobody_shows_is_named() {
        assert_eq!(complaints(TEXT, &[]), ["proto/PROTOCOL.md:3: R4.1 is shown by no test"]);
    }

    #[test]
    fn a_test_of_no_rule_and_a_rule_named_at_no_test_are_named() {
        let wrong = [citation("R4.1", true), citation("R4.9", true), citation("R4.2", false)];
        let expected = [
            "a.rs:7: there is no rule R4.9",
            "a.rs:7: R4.2 is named where no test follows",
        ];
        assert_eq!(complaints(TEXT, &wrong), expected);
    }

    #[test]
    fn an_excuse_that_is_none_is_named() {
        let shown = [citation("R4.1", true), citation("R4.3", true)];
        let expected = ["proto/PROTOCOL.md:4: R4.3 says that no test can show it, and one does"];
        assert_eq!(complaints(TEXT, &shown), expected);
    }
}
