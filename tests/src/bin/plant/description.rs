//! A planted bug as a text: which law it breaks, in which file, and what to write there instead.
//!
//! ```text
//! breaks: invariant 1: what was here before is not taken again
//! file: proto/src/session/ledger.rs
//! --- replace
//! if position < self.expected {
//! --- by
//! if position < self.expected && false {
//! --- end
//! ```
//!
//! A line `killed by: TEST` may stand below `file:`. It names the test that is tried first, and matters to nothing but the time that takes.
//!
//! There may be several blocks; all of them are looked for in the file as it is. Texts are compared with
//! all whitespace left out, so that formatting the source does not make a description stale.

use std::fmt;
use std::ops::Range;

/// Bytes of a source, and what comes in their place.
pub(crate) type Spot<'a> = (Range<usize>, &'a str);

/// What one file in `tests/planted` says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Description {
    /// The law or invariant that no longer holds.
    pub(crate) breaks: String,
    /// The source file, from the root of the repository.
    pub(crate) file: String,
    replacements: Vec<Replacement>,
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Replacement {
    replace: String,
    by: String,
}

/// Why a description cannot be read, or no longer fits its file.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Stale {
    /// A line that has no place where it stands, by its number.
    Malformed(usize),
    /// There is no `breaks:`, no `file:`, or no block.
    Incomplete,
    /// A text that must occur once in the file occurs this many times.
    Occurs(usize, String),
    /// Two blocks want to replace the same text.
    Overlap,
    /// The replacement is what stands there already.
    Same,
}

impl fmt::Display for Stale {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Stale::Malformed(line) => write!(f, "line {line} is not understood"),
            Stale::Incomplete => f.write_str("`breaks:`, `file:` or `--- replace` is missing"),
            Stale::Occurs(times, text) => write!(f, "occurs {times} times and not once: {}", text.trim()),
            Stale::Overlap => f.write_str("two blocks replace the same text"),
            Stale::Same => f.write_str("the replacement changes nothing"),
        }
    }
}

/// What the next line belongs to.
enum Place {
    Head,
    Replace,
    By,
}

impl Description {
    /// Reads a description.
    pub(crate) fn parse(text: &str) -> Result<Description, Stale> {
        let (mut breaks, mut file, mut replacements) = (String::new(), String::new(), Vec::new());
        let mut place = Place::Head;
        let mut block = Replacement::default();
        for (number, line) in text.lines().enumerate() {
            place = match (place, line) {
                (Place::Head, "--- replace") => Place::Replace,
                (Place::Replace, "--- by") => Place::By,
                (Place::By, "--- end") => {
                    replacements.push(std::mem::take(&mut block));
                    Place::Head
                }
                (_, line) if line.starts_with("--- ") => return Err(Stale::Malformed(number + 1)),
                (Place::Head, line) => {
                    match line.split_once(": ") {
                        Some(("breaks", law)) if breaks.is_empty() => breaks = law.to_owned(),
                        Some(("file", path)) if file.is_empty() => file = path.to_owned(),
                        Some(("killed by", _)) => {}
                        None if line.trim().is_empty() => {}
                        _ => return Err(Stale::Malformed(number + 1)),
                    }
                    Place::Head
                }
                (Place::Replace, line) => {
                    block.replace.push_str(line);
                    block.replace.push('\n');
                    Place::Replace
                }
                (Place::By, line) => {
                    block.by.push_str(line);
                    block.by.push('\n');
                    Place::By
                }
            };
        }
        let whole = matches!(place, Place::Head) && !breaks.is_empty() && !file.is_empty() && !replacements.is_empty();
        let description = Description {
            breaks,
            file,
            replacements,
        };
        whole.then_some(description).ok_or(Stale::Incomplete)
    }

    /// What to replace by what, in order: the bytes from the first to behind the last of each, and what comes there.
    pub(crate) fn spots(&self, source: &str) -> Result<Vec<Spot<'_>>, Stale> {
        let mut spots = Vec::new();
        for replacement in &self.replacements {
            let found = find(source, &replacement.replace);
            let &[(start, end)] = found.as_slice() else {
                return Err(Stale::Occurs(found.len(), replacement.replace.clone()));
            };
            spots.push((start..end, replacement.by.trim_end()));
        }
        spots.sort_unstable_by_key(|(spot, _)| spot.start);
        let overlap = spots.windows(2).any(|pair| pair[0].0.end > pair[1].0.start);
        if overlap { Err(Stale::Overlap) } else { Ok(spots) }
    }

    /// The file with the bug in it.
    pub(crate) fn apply(&self, source: &str) -> Result<String, Stale> {
        let planted = replaced(source, 0..source.len(), &self.spots(source)?);
        if planted.split_whitespace().eq(source.split_whitespace()) {
            return Err(Stale::Same);
        }
        Ok(planted)
    }
}

/// That part of the source, with these spots of it replaced.
pub(crate) fn replaced(source: &str, part: Range<usize>, spots: &[Spot<'_>]) -> String {
    let (mut text, mut at) = (String::new(), part.start);
    for (spot, by) in spots {
        text.push_str(&source[at..spot.start]);
        text.push_str(by);
        at = spot.end;
    }
    text.push_str(&source[at..part.end]);
    text
}

/// Where `text` stands in `source`, whitespace aside: the bytes from its first to behind its last character.
/// What begins or ends inside a word does not count.
fn find(source: &str, text: &str) -> Vec<(usize, usize)> {
    let wanted: Vec<char> = text.chars().filter(|c| !c.is_whitespace()).collect();
    let there: Vec<(usize, char)> = source.char_indices().filter(|(_, c)| !c.is_whitespace()).collect();
    if wanted.is_empty() {
        return Vec::new();
    }
    let fits = |window: &&[(usize, char)]| window.iter().map(|&(_, c)| c).eq(wanted.iter().copied());
    let spans = there.windows(wanted.len()).filter(fits).filter_map(|window| {
        let (&(start, _), &(last, c)) = (window.first()?, window.last()?);
        Some((start, last + c.len_utf8()))
    });
    spans.filter(|&(start, end)| stands_alone(source, start, end)).collect()
}

fn stands_alone(source: &str, start: usize, end: usize) -> bool {
    let (before, within, after) = (&source[..start], &source[start..end], &source[end..]);
    let joined = |left: &str, right: &str| {
        let word = |c: char| c.is_alphanumeric() || c == '_';
        left.chars().next_back().is_some_and(word) && right.chars().next().is_some_and(word)
    };
    !joined(before, within) && !joined(within, after)
}

#[cfg(test)]
mod tests;
