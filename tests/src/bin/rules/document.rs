//! The rules in PROTOCOL.md, and the rows of its table of breaches.

use std::collections::BTreeSet;

/// One rule, where it is stated.
#[derive(Debug)]
pub(crate) struct Rule {
    pub(crate) id: String,
    pub(crate) line: usize,
    /// It says why no test can show it.
    pub(crate) untested: bool,
}

/// What this tool reads of the document.
#[derive(Debug, Default)]
pub(crate) struct Document {
    pub(crate) rules: Vec<Rule>,
    /// Rules that rows of the table of breaches name.
    pub(crate) shown_by_rows: BTreeSet<String>,
    pub(crate) flaws: Vec<String>,
}

impl Document {
    pub(crate) fn parse(text: &str) -> Document {
        let mut document = Document::default();
        let mut section = "";
        let mut mentioned = Vec::new();
        // The rule that the text belongs to; a blank line ends it, and so does a list item.
        let mut open = false;
        for (number, line) in text.lines().enumerate().map(|(index, line)| (index + 1, line)) {
            if let Some(title) = line.strip_prefix("## ") {
                section = title.split('.').next().unwrap_or("");
            }
            if line.trim().is_empty() || line.starts_with("- ") || line.starts_with('|') {
                open = false;
            }
            if line.starts_with("| B") {
                document.shown_by_rows.extend(ids(line).map(str::to_owned));
            }
            for (index, piece) in line.split("**").enumerate() {
                if index % 2 == 1 && is_id(piece) {
                    document.state(piece, section, number);
                    open = true;
                } else {
                    mentioned.extend(ids(piece).map(|id| (id.to_owned(), number)));
                    if open && piece.contains("[untested: ") {
                        document
                            .rules
                            .iter_mut()
                            .rev()
                            .take(1)
                            .for_each(|rule| rule.untested = true);
                    }
                }
            }
        }
        // `R4.12` in the words about rules is an example, and exists all the same.
        for (id, line) in mentioned {
            if !document.rules.iter().any(|rule| rule.id == id) {
                document
                    .flaws
                    .push(format!("PROTOCOL.md:{line}: there is no rule {id}"));
            }
        }
        document
    }

    fn state(&mut self, id: &str, section: &str, line: usize) {
        if self.rules.iter().any(|rule| rule.id == id) {
            self.flaws.push(format!("PROTOCOL.md:{line}: {id} is stated twice"));
        }
        if id[1..].split('.').next() != Some(section) {
            self.flaws
                .push(format!("PROTOCOL.md:{line}: {id} stands in section {section}"));
        }
        self.rules.push(Rule {
            id: id.to_owned(),
            line,
            untested: false,
        });
    }
}

/// Whether a word is the id of a rule: `R`, a section, a dot and a number.
pub(crate) fn is_id(word: &str) -> bool {
    let number = |digits: &str| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    word.strip_prefix('R')
        .and_then(|rest| rest.split_once('.'))
        .is_some_and(|(section, rule)| number(section) && number(rule))
}

/// The ids in a line.
pub(crate) fn ids(line: &str) -> impl Iterator<Item = &str> {
    line.split(|c: char| !c.is_ascii_alphanumeric() && c != '.')
        .map(|word| word.trim_end_matches('.'))
        .filter(|word| is_id(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Document {
        Document::parse(text)
    }

    #[test]
    fn ids_are_told_from_words() {
        assert!(is_id("R4.12") && is_id("R10.3"));
        assert!(!is_id("R4") && !is_id("R4.") && !is_id("RFC2119") && !is_id("R4.1a"));
        let found: Vec<&str> = ids("(see R4.12, R3.1.) RFC 2119 r is R5.2").collect();
        assert_eq!(found, ["R4.12", "R3.1", "R5.2"]);
    }

    #[test]
    fn an_excuse_belongs_to_the_rule_before_it_in_its_paragraph() {
        let text = "## 1. A\n**R1.1** One.\n**R1.2** Two [untested: so]. **R1.3** Three.\n\n[untested: nobody's]\n";
        let untested: Vec<bool> = parsed(text).rules.iter().map(|rule| rule.untested).collect();
        assert_eq!(untested, [false, true, false]);
    }

    #[test]
    fn a_rule_twice_one_in_another_section_and_one_that_is_not_there_are_flaws() {
        let text = "## 1. A\n**R1.1** One, see R1.7.\n\n**R1.1** Again.\n\n**R2.1** Astray.\n";
        let expected = [
            "PROTOCOL.md:4: R1.1 is stated twice",
            "PROTOCOL.md:6: R2.1 stands in section 1",
            "PROTOCOL.md:2: there is no rule R1.7",
        ];
        assert_eq!(parsed(text).flaws, expected);
    }
}
