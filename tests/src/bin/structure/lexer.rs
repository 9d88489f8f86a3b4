//! Rust source to words and signs. Comments go, literals keep their place only.

/// What kind of token it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// An identifier or a keyword.
    Word,
    /// A string, a character or a number; its text is not kept.
    Literal,
    /// One character, or `::`.
    Sign,
}

/// A word, a literal or a sign, and where it begins.
#[derive(Clone, Debug)]
pub(crate) struct Token {
    pub(crate) kind: Kind,
    pub(crate) text: String,
    pub(crate) line: usize,
    /// How many characters stand before it.
    #[allow(dead_code, reason = "`plant` reads it")]
    pub(crate) at: usize,
}

impl Token {
    pub(crate) fn is(&self, text: &str) -> bool {
        self.kind != Kind::Literal && self.text == text
    }
}

struct Lexer {
    chars: Vec<char>,
    at: usize,
    line: usize,
    /// Where the token begins that is being read.
    begin: usize,
    tokens: Vec<Token>,
}

/// All tokens of a file.
pub(crate) fn tokens(source: &str) -> Vec<Token> {
    let mut lexer = Lexer {
        chars: source.chars().collect(),
        at: 0,
        line: 1,
        begin: 0,
        tokens: Vec::new(),
    };
    while lexer.at < lexer.chars.len() {
        lexer.step();
    }
    lexer.tokens
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

impl Lexer {
    fn peek(&self, ahead: usize) -> char {
        self.chars.get(self.at + ahead).copied().unwrap_or('\0')
    }

    fn advance(&mut self, by: usize) {
        for _ in 0..by {
            if self.peek(0) == '\n' {
                self.line += 1;
            }
            self.at += 1;
        }
    }

    fn push(&mut self, kind: Kind, text: String, line: usize) {
        let at = self.begin;
        self.tokens.push(Token { kind, text, line, at });
    }

    fn step(&mut self) {
        let (c, line) = (self.peek(0), self.line);
        self.begin = self.at;
        match c {
            '/' if self.peek(1) == '/' => {
                while self.at < self.chars.len() && self.peek(0) != '\n' {
                    self.advance(1);
                }
            }
            '/' if self.peek(1) == '*' => self.block_comment(),
            '"' => self.string(),
            '\'' => self.quote(),
            ':' if self.peek(1) == ':' => {
                self.advance(2);
                self.push(Kind::Sign, "::".into(), line);
            }
            c if c.is_ascii_digit() => self.number(),
            c if is_word(c) => self.word(),
            c if c.is_whitespace() => self.advance(1),
            c => {
                self.advance(1);
                self.push(Kind::Sign, c.into(), line);
            }
        }
    }

    fn block_comment(&mut self) {
        let mut depth = 0;
        while self.at < self.chars.len() {
            match (self.peek(0), self.peek(1)) {
                ('/', '*') => {
                    depth += 1;
                    self.advance(2);
                }
                ('*', '/') => {
                    depth -= 1;
                    self.advance(2);
                    if depth == 0 {
                        return;
                    }
                }
                _ => self.advance(1),
            }
        }
    }

    /// A string with escapes, from its quotation mark.
    fn string(&mut self) {
        let line = self.line;
        self.advance(1);
        while self.at < self.chars.len() && self.peek(0) != '"' {
            let escaped = self.peek(0) == '\\';
            self.advance(if escaped { 2 } else { 1 });
        }
        self.advance(1);
        self.push(Kind::Literal, String::new(), line);
    }

    /// A string without escapes, from its first `#` or its quotation mark.
    fn raw_string(&mut self) {
        let (line, mut hashes) = (self.line, 0);
        while self.peek(0) == '#' {
            hashes += 1;
            self.advance(1);
        }
        self.advance(1);
        while self.at < self.chars.len() {
            let ends = self.peek(0) == '"' && (1..=hashes).all(|ahead| self.peek(ahead) == '#');
            self.advance(if ends { 1 + hashes } else { 1 });
            if ends {
                break;
            }
        }
        self.push(Kind::Literal, String::new(), line);
    }

    /// A character, or a lifetime, which is dropped.
    fn quote(&mut self) {
        let line = self.line;
        if self.peek(1) != '\\' && self.peek(2) != '\'' {
            self.advance(1);
            while is_word(self.peek(0)) {
                self.advance(1);
            }
            return;
        }
        self.advance(if self.peek(1) == '\\' { 3 } else { 2 });
        while self.at < self.chars.len() && self.peek(0) != '\'' {
            self.advance(1);
        }
        self.advance(1);
        self.push(Kind::Literal, String::new(), line);
    }

    fn number(&mut self) {
        let line = self.line;
        while is_word(self.peek(0)) || (self.peek(0) == '.' && self.peek(1).is_ascii_digit()) {
            self.advance(1);
        }
        self.push(Kind::Literal, String::new(), line);
    }

    fn word(&mut self) {
        let line = self.line;
        let mut text = String::new();
        while is_word(self.peek(0)) {
            text.push(self.peek(0));
            self.advance(1);
        }
        let raw = self.peek(0) == '"' || (self.peek(0) == '#' && matches!(self.peek(1), '"' | '#'));
        match text.as_str() {
            "r" | "br" | "cr" if raw => self.raw_string(),
            "b" | "c" if self.peek(0) == '"' => self.string(),
            "b" if self.peek(0) == '\'' => self.quote(),
            "r" if self.peek(0) == '#' && is_word(self.peek(1)) => {
                self.advance(1);
                self.word();
            }
            _ => self.push(Kind::Word, text, line),
        }
    }
}

#[cfg(test)]
#[path = "lexer/tests.rs"]
mod tests;
