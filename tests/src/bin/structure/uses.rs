//! Paths, and the trees of `use`.

use crate::cursor::Cursor;

/// A path as it stands somewhere, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Path {
    pub(crate) segments: Vec<String>,
    pub(crate) line: usize,
}

/// One leaf of a `use`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Import {
    /// Without the `*` of a glob.
    pub(crate) path: Path,
    /// What it is called here; `None` for a glob.
    pub(crate) name: Option<String>,
}

/// Reads a `use`, from that word to its semicolon.
pub(crate) fn read(cursor: &mut Cursor<'_>, imports: &mut Vec<Import>) {
    cursor.advance();
    tree(cursor, &mut Vec::new(), imports);
    if cursor.is(";") {
        cursor.advance();
    }
}

fn tree(cursor: &mut Cursor<'_>, prefix: &mut Vec<String>, imports: &mut Vec<Import>) {
    let length = prefix.len();
    let line = cursor.line();
    loop {
        if cursor.is("::") {
            cursor.advance();
        } else if cursor.is("{") {
            let mut group = cursor.take_group();
            while !group.at_end() {
                tree(&mut group, prefix, imports);
                group.advance();
            }
            break;
        } else if cursor.is("*") {
            cursor.advance();
            let segments = prefix.clone();
            imports.push(Import {
                path: Path { segments, line },
                name: None,
            });
            break;
        } else if cursor.is_word() && !cursor.is("as") {
            prefix.push(cursor.text().to_owned());
            cursor.advance();
        } else {
            leaf(cursor, prefix, line, imports);
            break;
        }
    }
    prefix.truncate(length);
}

fn leaf(cursor: &mut Cursor<'_>, prefix: &[String], line: usize, imports: &mut Vec<Import>) {
    let mut segments = prefix.to_vec();
    if segments.len() > 1 && segments.last().is_some_and(|last| last == "self") {
        segments.pop();
    }
    let Some(mut name) = segments.last().cloned() else {
        return;
    };
    if cursor.is("as") {
        name = cursor.peek(1).to_owned();
        cursor.advance();
        cursor.advance();
    }
    imports.push(Import {
        path: Path { segments, line },
        name: Some(name),
    });
}
