//! A place in a run of tokens.

use crate::lexer::{Kind, Token};

/// The tokens from here to the end of what is being read.
#[derive(Clone)]
pub(crate) struct Cursor<'a> {
    tokens: &'a [Token],
    at: usize,
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(tokens: &'a [Token]) -> Cursor<'a> {
        Cursor { tokens, at: 0 }
    }

    pub(crate) fn at_end(&self) -> bool {
        self.at >= self.tokens.len()
    }

    fn token(&self, ahead: usize) -> Option<&'a Token> {
        self.tokens.get(self.at + ahead)
    }

    pub(crate) fn advance(&mut self) {
        self.at += 1;
    }

    pub(crate) fn peek(&self, ahead: usize) -> &'a str {
        self.token(ahead).map_or("", |token| token.text.as_str())
    }

    pub(crate) fn text(&self) -> &'a str {
        self.peek(0)
    }

    pub(crate) fn line(&self) -> usize {
        self.token(0).map_or(0, |token| token.line)
    }

    pub(crate) fn last_line(&self) -> usize {
        self.tokens.last().map_or(0, |token| token.line)
    }

    pub(crate) fn is(&self, text: &str) -> bool {
        self.next_is(0, text)
    }

    pub(crate) fn is_word(&self) -> bool {
        self.next_is_word(0)
    }

    pub(crate) fn next_is(&self, ahead: usize, text: &str) -> bool {
        self.token(ahead).is_some_and(|token| token.is(text))
    }

    pub(crate) fn next_is_word(&self, ahead: usize) -> bool {
        self.token(ahead).is_some_and(|token| token.kind == Kind::Word)
    }

    fn before(&self, behind: usize, text: &str) -> bool {
        let before = self.at.checked_sub(behind).and_then(|at| self.tokens.get(at));
        before.is_some_and(|token| token.is(text))
    }

    /// Whether the token before this one is `text`.
    pub(crate) fn follows(&self, text: &str) -> bool {
        self.before(1, text)
    }

    /// Whether this is what a single dot leads to: a field or a method, and not the end of a range.
    pub(crate) fn is_field(&self) -> bool {
        self.before(1, ".") && !self.before(2, ".")
    }

    /// The tokens between the bracket that stands here and the one that closes it.
    pub(crate) fn take_group(&mut self) -> Cursor<'a> {
        let start = self.at + 1;
        let mut depth = 0_usize;
        while let Some(token) = self.token(0) {
            depth = deeper(depth, token);
            self.advance();
            if depth == 0 {
                break;
            }
        }
        let end = self.at.saturating_sub(1).max(start);
        Cursor::new(self.tokens.get(start..end).unwrap_or_default())
    }

    /// The item, statement, field or arm that begins here. Always takes something.
    pub(crate) fn take_item(&mut self) -> Cursor<'a> {
        let start = self.at;
        let (mut depth, mut keyword) = (0_usize, false);
        // What is assigned or imported may have braces and goes on behind them.
        let mut to_semicolon = false;
        while let Some(token) = self.token(0) {
            if depth == 0 {
                keyword |= ["fn", "struct", "enum", "union", "trait", "impl", "mod"]
                    .iter()
                    .any(|word| token.is(word));
                let constant = token.is("const") && !self.next_is(1, "fn") && !self.next_is(1, "unsafe");
                to_semicolon |=
                    !keyword && (constant || ["use", "static", "type", "let"].iter().any(|word| token.is(word)));
                if token.is("}") || token.is(")") || token.is("]") {
                    break;
                }
            }
            depth = deeper(depth, token);
            self.advance();
            let ends =
                token.is(";") || (token.is("}") && !to_semicolon) || (token.is(",") && !keyword && !to_semicolon);
            if depth == 0 && ends {
                break;
            }
        }
        if self.at == start {
            self.advance();
        }
        Cursor::new(self.tokens.get(start..self.at).unwrap_or_default())
    }

    /// Goes past `#[…]` and `#![…]`; says whether one of them leaves what follows to the tests.
    pub(crate) fn skip_attributes(&mut self) -> bool {
        let mut test = false;
        while self.is("#") && (self.next_is(1, "[") || (self.next_is(1, "!") && self.next_is(2, "["))) {
            while !self.is("[") {
                self.advance();
            }
            test |= self.take_group().is_test();
        }
        test
    }

    /// Goes past `#![…]`; says whether one of them leaves the whole file to the tests.
    pub(crate) fn skip_inner_attributes(&mut self) -> bool {
        let mut test = false;
        while self.is("#") && self.next_is(1, "!") && self.next_is(2, "[") {
            self.advance();
            self.advance();
            test |= self.take_group().is_test();
        }
        test
    }

    /// `cfg(test)`, `cfg(all(test, …))`, `test`.
    fn is_test(&self) -> bool {
        let whole = self.is("test") && self.tokens.len() == 1;
        let alone = self.is("cfg") && self.next_is(2, "test") && self.next_is(3, ")");
        let all = self.is("cfg") && self.next_is(2, "all") && {
            let mut depth = 0;
            self.tokens.iter().any(|token| {
                depth = deeper(depth, token);
                depth == 2 && token.is("test")
            })
        };
        whole || alone || all
    }

    /// Goes past `pub`, `pub(crate)`, `pub(in …)`.
    pub(crate) fn skip_visibility(&mut self) {
        if self.is("pub") {
            self.advance();
            if self.is("(")
                && ["crate", "super", "self", "in"]
                    .iter()
                    .any(|word| self.next_is(1, word))
            {
                self.take_group();
            }
        }
    }
}

fn deeper(depth: usize, token: &Token) -> usize {
    if token.is("{") || token.is("(") || token.is("[") {
        depth + 1
    } else if token.is("}") || token.is(")") || token.is("]") {
        depth.saturating_sub(1)
    } else {
        depth
    }
}
