//! The table of breaches in PROTOCOL.md.

const DOCUMENT: &str = include_str!("../../../proto/PROTOCOL.md");

/// One row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) id: &'static str,
    /// Who judges: `server`, `client` or `both`.
    pub(crate) judge: &'static str,
    pub(crate) place: &'static str,
    pub(crate) answer: &'static str,
    /// Whether the session lives.
    pub(crate) lives: bool,
}

/// All rows.
pub(crate) fn rows() -> Vec<Row> {
    let lines = DOCUMENT.lines().filter(|line| line.starts_with("| B"));
    lines.map(row).collect()
}

fn row(line: &'static str) -> Row {
    let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
    let [id, _, judge, place, answer, session, _] = cells[..] else {
        panic!("not seven cells: {line}");
    };
    assert!(["server", "client", "both"].contains(&judge), "{line}");
    assert!(["lives", "ends"].contains(&session), "{line}");
    Row {
        id,
        judge,
        place,
        answer,
        lives: session == "lives",
    }
}
