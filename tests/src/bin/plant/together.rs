//! Many bugs in one build. Each function that a bug is in gets a body that asks which bug is wanted, so that what takes long, the build,
//! is done once for all of them:
//!
//! ```text
//! fn admit(&self) -> bool {
//!     if crate::planted("door_left_open") { true } else { self.is_known() }
//! }
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use crate::description::{Description, Spot, replaced};
use crate::lexer::{Token, tokens};

/// Which bug is wanted, for the root of the crate. Only its tests are ever built so.
pub(crate) const ASKS: &str = r#"
/// Whether this is the bug that the environment wants.
pub(crate) fn planted(name: &str) -> bool {
    extern crate std;
    static WANTED: std::sync::OnceLock<std::string::String> = std::sync::OnceLock::new();
    WANTED.get_or_init(|| std::env::var("UNBROKEN_PLANTED").unwrap_or_default()) == name
}
"#;

/// The source with those bugs in it that can be told apart at run time, and the names of these. A bug outside of a function's body, or in a
/// function that the compiler evaluates or whose type is its body's (`const`, `-> impl`), is left out.
pub(crate) fn plant(source: &str, bugs: &[(String, Description)]) -> (String, BTreeSet<String>) {
    let bodies = bodies(source);
    let mut variants: BTreeMap<usize, Vec<(&str, String)>> = BTreeMap::new();
    let mut done = BTreeSet::new();
    for (name, bug) in bugs {
        let Ok(spots) = bug.spots(source) else { continue };
        let Some(parts) = by_body(&bodies, &spots) else {
            continue;
        };
        for (index, spots) in parts {
            let body = replaced(source, bodies[index].clone(), &spots);
            variants.entry(index).or_default().push((name, body));
        }
        done.insert(name.clone());
    }
    let (mut planted, mut at) = (String::new(), 0);
    for (index, variants) in variants {
        let body = bodies[index].clone();
        planted.push_str(&source[at..body.start]);
        planted.push('{');
        for (name, variant) in variants {
            planted.push_str(&format!(" if crate::planted(\"{name}\") {variant} else"));
        }
        planted.push_str(&format!(" {} }}", &source[body.clone()]));
        at = body.end;
    }
    planted.push_str(&source[at..]);
    (planted, done)
}

/// The spots of each body, if each lies within one.
fn by_body<'a>(bodies: &[Range<usize>], spots: &[Spot<'a>]) -> Option<BTreeMap<usize, Vec<Spot<'a>>>> {
    let mut parts: BTreeMap<usize, Vec<Spot<'a>>> = BTreeMap::new();
    for (spot, by) in spots {
        let within = |body: &Range<usize>| body.start < spot.start && spot.end < body.end;
        let index = bodies.iter().position(within)?;
        parts.entry(index).or_default().push((spot.clone(), by));
    }
    Some(parts)
}

/// The bodies of functions, with their braces, outermost only.
fn bodies(source: &str) -> Vec<Range<usize>> {
    let bytes: Vec<usize> = source.char_indices().map(|(at, _)| at).collect();
    let tokens = tokens(source);
    let (mut found, mut at) = (Vec::new(), 0);
    while let Some(token) = tokens.get(at) {
        at += 1;
        // `fn(` is a type.
        if !token.is("fn") || tokens.get(at).is_some_and(|next| next.is("(")) {
            continue;
        }
        let is_const = at > 1 && tokens[at - 2].is("const");
        let Some((open, is_opaque)) = opening(&tokens, at) else {
            continue;
        };
        let close = closing(&tokens, open);
        if !is_const && !is_opaque {
            let end = tokens.get(close).map_or(source.len(), |token| bytes[token.at] + 1);
            found.push(bytes[tokens[open].at]..end);
        }
        at = close;
    }
    found
}

/// Which token opens the body of the function whose name is at `at`, if it has one, and whether it returns some `impl`.
fn opening(tokens: &[Token], at: usize) -> Option<(usize, bool)> {
    let (mut depth, mut returns, mut is_opaque) = (0_usize, false, false);
    for (index, token) in tokens.iter().enumerate().skip(at) {
        if token.is("(") || token.is("[") {
            depth += 1;
        } else if token.is(")") || token.is("]") {
            depth = depth.saturating_sub(1);
        } else if depth == 0 && token.is(";") {
            return None;
        } else if depth == 0 && token.is("{") {
            return Some((index, is_opaque));
        } else if token.is(">") && tokens[index - 1].is("-") {
            returns = true;
        } else if token.is("impl") && returns {
            is_opaque = true;
        }
    }
    None
}

fn closing(tokens: &[Token], open: usize) -> usize {
    let mut depth = 0_usize;
    for (index, token) in tokens.iter().enumerate().skip(open) {
        if token.is("{") {
            depth += 1;
        } else if token.is("}") {
            depth -= 1;
            if depth == 0 {
                return index;
            }
        }
    }
    tokens.len()
}

#[cfg(test)]
mod tests;
