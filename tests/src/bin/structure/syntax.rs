//! What one source file declares, imports and names. Not a parser of Rust: it follows items and braces, and
//! takes every path in between for one.

use crate::cursor::Cursor;
use crate::lexer;
use crate::uses::{self, Import, Path};

/// `mod name;`
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Child {
    pub(crate) name: String,
    pub(crate) line: usize,
    /// Only compiled for tests.
    pub(crate) test: bool,
}

/// A module: the file's own, or one written out inside it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Scope {
    pub(crate) name: String,
    pub(crate) items: Vec<String>,
    pub(crate) macros: Vec<String>,
    pub(crate) imports: Vec<Import>,
    /// Paths of at least two segments.
    pub(crate) paths: Vec<Path>,
    /// Single words, which may have come through a glob.
    pub(crate) words: Vec<Path>,
    /// `name!`
    pub(crate) called: Vec<Path>,
    pub(crate) children: Vec<Child>,
    pub(crate) inline: Vec<Scope>,
}

/// A function with a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Function {
    pub(crate) name: String,
    pub(crate) line: usize,
    /// From `fn` to the closing brace.
    pub(crate) lines: usize,
}

/// A file, tests aside.
#[derive(Clone, Debug, Default)]
pub(crate) struct Source {
    pub(crate) scope: Scope,
    pub(crate) functions: Vec<Function>,
    pub(crate) lines: usize,
    /// `#![cfg(test)]`
    pub(crate) test: bool,
}

/// Reads a file.
pub(crate) fn parse(text: &str) -> Source {
    let tokens = lexer::tokens(text);
    let mut source = Source {
        lines: text.lines().count(),
        ..Source::default()
    };
    let mut cursor = Cursor::new(&tokens);
    source.test = cursor.skip_inner_attributes();
    items(&mut cursor, &mut source.scope, &mut source.functions);
    source
}

const ITEMS: [&str; 8] = ["fn", "struct", "enum", "union", "trait", "type", "const", "static"];

fn items(cursor: &mut Cursor<'_>, scope: &mut Scope, functions: &mut Vec<Function>) {
    while !cursor.at_end() {
        let test = cursor.skip_attributes();
        cursor.skip_visibility();
        if cursor.is("mod") {
            module(cursor, scope, functions, test);
        } else if test {
            cursor.take_item();
        } else if cursor.is("use") {
            uses::read(cursor, &mut scope.imports);
        } else {
            let mut item = cursor.take_item();
            declare(&item, scope);
            code(&mut item, scope, functions);
        }
    }
}

fn module(cursor: &mut Cursor<'_>, scope: &mut Scope, functions: &mut Vec<Function>, test: bool) {
    cursor.advance();
    let (name, line) = (cursor.text().to_owned(), cursor.line());
    cursor.advance();
    if !cursor.is("{") {
        cursor.advance();
        scope.children.push(Child { name, line, test });
        return;
    }
    let mut body = cursor.take_group();
    if test || body.skip_inner_attributes() {
        return;
    }
    let mut inner = Scope {
        name,
        ..Scope::default()
    };
    items(&mut body, &mut inner, functions);
    scope.inline.push(inner);
}

/// The name that an item gives to its module. What stands in a macro, or is given to one, counts as made here.
fn declare(item: &Cursor<'_>, scope: &mut Scope) {
    let mut header = item.clone();
    if header.is("impl") {
        return;
    }
    if header.is("macro_rules") && header.next_is_word(2) {
        scope.macros.push(header.peek(2).to_owned());
    }
    let made = header.next_is(1, "!");
    while !header.at_end() {
        let declares = ITEMS.iter().any(|keyword| header.is(keyword)) && !header.next_is(1, "fn");
        if declares && header.next_is_word(1) {
            scope.items.push(header.peek(1).to_owned());
        }
        if !made && (declares || header.is("{")) {
            return;
        }
        header.advance();
    }
}

/// Everything that stands in an item: paths, imports, functions.
fn code(cursor: &mut Cursor<'_>, scope: &mut Scope, functions: &mut Vec<Function>) {
    while !cursor.at_end() {
        if cursor.skip_attributes() {
            cursor.take_item();
            continue;
        }
        if cursor.is("pub") {
            cursor.skip_visibility();
        } else if cursor.is("use") && !cursor.next_is(1, "<") {
            uses::read(cursor, &mut scope.imports);
        } else if cursor.is("fn") && cursor.next_is_word(1) {
            functions.extend(function(cursor));
            cursor.advance();
            cursor.advance();
        } else if cursor.is_word() && !cursor.follows("::") {
            name(cursor, scope);
        } else {
            cursor.advance();
        }
    }
}

/// How long the function is that begins here.
fn function(cursor: &Cursor<'_>) -> Option<Function> {
    let (name, line) = (cursor.peek(1).to_owned(), cursor.line());
    let last = cursor.clone().take_item().last_line();
    // A method without a body has one line, or ends where it began.
    let lines = last.checked_sub(line)? + 1;
    Some(Function { name, line, lines })
}

/// A path or a word.
fn name(cursor: &mut Cursor<'_>, scope: &mut Scope) {
    let (line, field) = (cursor.line(), cursor.is_field());
    let mut segments = vec![cursor.text().to_owned()];
    cursor.advance();
    while cursor.is("::") && cursor.next_is_word(1) {
        cursor.advance();
        segments.push(cursor.text().to_owned());
        cursor.advance();
    }
    let called = cursor.is("!") && !cursor.next_is(1, "=");
    let path = Path { segments, line };
    let kind = match path.segments.len() {
        _ if field => return,
        1 if called => &mut scope.called,
        1 => &mut scope.words,
        _ => &mut scope.paths,
    };
    kind.push(path);
}

#[cfg(test)]
mod tests;
