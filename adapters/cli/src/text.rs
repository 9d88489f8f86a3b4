//! Text of others on a person's terminal.

/// The text without what would steer a terminal or reorder what is read: control characters, line and paragraph separators, and
/// those that set the direction of writing. A tab is a space.
pub(crate) fn clean(text: &str) -> String {
    let shown = |c: &char| !c.is_control() && !is_steering(*c);
    text.replace('\t', " ").chars().filter(shown).collect()
}

fn is_steering(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{061c}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_steers_a_terminal_is_left() {
        assert_eq!(clean("a\tb \u{1b}[31mred\u{7}\r\n\u{9b}2J\u{202e}x"), "a b [31mred2Jx");
        assert_eq!(clean("größer, 日本語"), "größer, 日本語");
    }
}
