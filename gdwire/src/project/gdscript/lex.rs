//! Splits a script into logical lines of tokens: comments gone, brackets and continued lines joined, indentation kept.
#![deny(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::arithmetic_side_effects
)]

use alloc::string::String;
use alloc::vec::Vec;

/// A word of GDScript.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Kind {
    /// A name or keyword.
    Word(String),
    Int(i64),
    Float(f64),
    /// A string, `&"name"` or `^"path"`.
    Text(String),
    /// Any other character.
    Mark(char),
}

/// A word and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Token {
    pub(crate) kind: Kind,
    pub(crate) line: u32,
    /// Byte offsets in the script.
    pub(crate) start: usize,
    pub(crate) end: usize,
}

impl Token {
    pub(crate) fn is(&self, mark: char) -> bool {
        self.kind == Kind::Mark(mark)
    }

    pub(crate) fn is_word(&self, word: &str) -> bool {
        self.word() == Some(word)
    }

    pub(crate) fn word(&self) -> Option<&str> {
        match &self.kind {
            Kind::Word(word) => Some(word),
            _ => None,
        }
    }

    pub(crate) fn text(&self) -> Option<&str> {
        match &self.kind {
            Kind::Text(text) => Some(text),
            _ => None,
        }
    }
}

/// A statement with the blanks in front of it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Line {
    /// Number of blanks in front; a tab counts as one.
    pub(crate) indent: usize,
    pub(crate) tokens: Vec<Token>,
}

/// What a script may lack to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LexError {
    pub(crate) line: u32,
    pub(crate) expected: &'static str,
}

/// Splits a script. Errors are a string or bracket without an end.
pub(crate) fn lines(text: &str) -> Result<Vec<Line>, LexError> {
    let mut lexer = Lexer {
        text,
        at: 0,
        line: 1,
        indent: 0,
        depth: 0,
        opened: 0,
        current: Vec::new(),
        lines: Vec::new(),
    };
    lexer.start_line();
    while let Some(next) = lexer.peek() {
        lexer.step(next)?;
    }
    if lexer.depth > 0 {
        return Err(LexError {
            line: lexer.opened,
            expected: "a closing bracket",
        });
    }
    lexer.finish_line();
    Ok(lexer.lines)
}

struct Lexer<'a> {
    text: &'a str,
    at: usize,
    line: u32,
    indent: usize,
    /// Open brackets.
    depth: usize,
    /// Line of the outermost open bracket.
    opened: u32,
    current: Vec<Token>,
    lines: Vec<Line>,
}

impl<'a> Lexer<'a> {
    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn skip(&mut self, bytes: usize) {
        let skipped = self.rest().get(..bytes).unwrap_or_default();
        let lines = skipped.bytes().filter(|byte| *byte == b'\n').count();
        self.line = self
            .line
            .saturating_add(u32::try_from(lines).unwrap_or(u32::MAX));
        self.at = self.at.saturating_add(bytes);
    }

    fn run(&mut self, wanted: impl Fn(char) -> bool) -> &'a str {
        let rest = self.rest();
        let length = rest.find(|char| !wanted(char)).unwrap_or(rest.len());
        self.skip(length);
        rest.get(..length).unwrap_or_default()
    }

    fn start_line(&mut self) {
        self.indent = self
            .run(|char| char == ' ' || char == '\t' || char == '\u{feff}')
            .chars()
            .filter(|char| *char != '\u{feff}')
            .count();
    }

    fn finish_line(&mut self) {
        if !self.current.is_empty() {
            let tokens = core::mem::take(&mut self.current);
            let indent = self.indent;
            self.lines.push(Line { indent, tokens });
        }
    }

    fn push(&mut self, kind: Kind, line: u32, start: usize) {
        let end = self.at;
        self.current.push(Token {
            kind,
            line,
            start,
            end,
        });
    }

    fn step(&mut self, next: char) -> Result<(), LexError> {
        let (line, start) = (self.line, self.at);
        match next {
            '\n' => {
                self.skip(1);
                if self.depth == 0 {
                    self.finish_line();
                    self.start_line();
                }
            }
            ';' if self.depth == 0 => {
                self.skip(1);
                self.finish_line();
            }
            '#' => {
                self.run(|char| char != '\n');
            }
            '\\' => {
                self.skip(1);
                self.run(|char| char == '\r' || char == ' ' || char == '\t');
                if self.peek() == Some('\n') {
                    self.skip(1);
                }
            }
            '"' | '\'' => self.string(Escapes::Cooked, start)?,
            _ if next.is_whitespace() || next.is_control() => self.skip(next.len_utf8()),
            _ if next.is_ascii_digit() => {
                let kind = self.number();
                self.push(kind, line, start);
            }
            _ if next == '_' || next.is_alphanumeric() => self.word(line, start)?,
            _ => self.mark(next, line, start)?,
        }
        Ok(())
    }

    fn word(&mut self, line: u32, start: usize) -> Result<(), LexError> {
        let word = self.run(|char| char == '_' || char.is_alphanumeric());
        if word == "r" && self.rest().starts_with(['"', '\'']) {
            return self.string(Escapes::Raw, start);
        }
        self.push(Kind::Word(word.into()), line, start);
        Ok(())
    }

    fn mark(&mut self, next: char, line: u32, start: usize) -> Result<(), LexError> {
        self.skip(next.len_utf8());
        match next {
            '(' | '[' | '{' => {
                if self.depth == 0 {
                    self.opened = line;
                }
                self.depth = self.depth.saturating_add(1);
            }
            ')' | ']' | '}' => self.depth = self.depth.saturating_sub(1),
            '&' | '^' if self.rest().starts_with(['"', '\'']) => {
                return self.string(Escapes::Cooked, start);
            }
            _ => {}
        }
        self.push(Kind::Mark(next), line, start);
        Ok(())
    }

    fn number(&mut self) -> Kind {
        let rest = self.rest();
        let radix = match rest.get(..2) {
            Some("0x" | "0X") => 16,
            Some("0b" | "0B") => 2,
            _ => 10,
        };
        if radix != 10 {
            self.skip(2);
            let digits = self.run(|char| char.is_ascii_hexdigit() || char == '_');
            let digits = digits.replace('_', "");
            return Kind::Int(i64::from_str_radix(&digits, radix).unwrap_or(i64::MAX));
        }
        let from = self.at;
        self.run(|char| char.is_ascii_digit() || char == '_');
        let mut float = false;
        if self.rest().starts_with('.') && !self.rest().starts_with("..") {
            float = true;
            self.skip(1);
            self.run(|char| char.is_ascii_digit() || char == '_');
        }
        if self.rest().starts_with(['e', 'E']) {
            float = true;
            self.skip(1);
            if self.rest().starts_with(['+', '-']) {
                self.skip(1);
            }
            self.run(|char| char.is_ascii_digit() || char == '_');
        }
        let digits = self.text.get(from..self.at).unwrap_or_default();
        let digits = digits.replace('_', "");
        if float {
            Kind::Float(digits.parse().unwrap_or(0.0))
        } else {
            Kind::Int(digits.parse().unwrap_or(i64::MAX))
        }
    }

    /// A string at its opening quote, single or triple.
    fn string(&mut self, escapes: Escapes, start: usize) -> Result<(), LexError> {
        let line = self.line;
        let open = LexError {
            line,
            expected: "a closing quote",
        };
        let quote = self.peek().ok_or(open)?;
        let triple = match quote {
            '"' => "\"\"\"",
            _ => "'''",
        };
        let end = if self.rest().starts_with(triple) {
            triple
        } else {
            triple.get(..1).unwrap_or_default()
        };
        self.skip(end.len());
        let mut text = String::new();
        loop {
            if self.rest().starts_with(end) {
                self.skip(end.len());
                break;
            }
            let next = self.peek().ok_or(open)?;
            match (next, escapes) {
                ('\\', Escapes::Cooked) => text.extend(self.escape().ok_or(open)?),
                // A raw string keeps the backslash, also that in front of a quote.
                ('\\', Escapes::Raw) => {
                    text.push('\\');
                    self.skip(1);
                    if let Some(next) = self.peek() {
                        text.push(next);
                        self.skip(next.len_utf8());
                    }
                }
                _ => {
                    text.push(next);
                    self.skip(next.len_utf8());
                }
            }
        }
        self.push(Kind::Text(text), line, start);
        Ok(())
    }

    /// A backslash and what it stands for, which for a line end is nothing.
    fn escape(&mut self) -> Option<Option<char>> {
        self.skip(1);
        let letter = self.peek()?;
        self.skip(letter.len_utf8());
        let digits = match letter {
            'n' => return Some(Some('\n')),
            't' => return Some(Some('\t')),
            'r' => return Some(Some('\r')),
            'a' => return Some(Some('\x07')),
            'b' => return Some(Some('\x08')),
            'f' => return Some(Some('\x0c')),
            'v' => return Some(Some('\x0b')),
            '\n' => return Some(None),
            'u' => 4,
            'U' => 6,
            _ => return Some(Some(letter)),
        };
        let code = u32::from_str_radix(self.rest().get(..digits)?, 16).ok()?;
        self.skip(digits);
        Some(Some(
            char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER),
        ))
    }
}

/// Whether backslashes mean something in a string.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Escapes {
    Cooked,
    Raw,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<Vec<String>> {
        let lines = lines(text).unwrap();
        let words = |line: Line| {
            let tokens = line.tokens.into_iter();
            tokens
                .map(|token| text[token.start..token.end].into())
                .collect()
        };
        lines.into_iter().map(words).collect()
    }

    #[test]
    fn brackets_continuations_and_semicolons_make_logical_lines() {
        assert_eq!(
            words("a(b,\n  c) # x\nd \\\n  e; f\r\n\n\tg"),
            [
                &["a", "(", "b", ",", "c", ")"][..],
                &["d", "e"],
                &["f"],
                &["g"]
            ]
        );
        assert_eq!(lines("\t\ta\n b").unwrap()[0].indent, 2);
    }

    #[test]
    fn strings_of_all_kinds_have_their_value() {
        for (text, value) in [
            (r#""a\n\"\u00e9\U01f600""#, "a\n\"é😀"),
            ("'it\"s'", "it\"s"),
            ("\"\"\"a\n\"b\" \"\"\"", "a\n\"b\" "),
            (r#"r"a\n\"b""#, r#"a\n\"b"#),
            ("&\"name\"", "name"),
            ("^'path'", "path"),
            ("\"a\\\nb\"", "ab"),
        ] {
            let lines = lines(text).unwrap();
            assert_eq!(lines[0].tokens[0].text(), Some(value), "{text}");
        }
    }

    #[test]
    fn numbers_have_their_value_and_never_overflow() {
        for (text, value) in [
            ("1_000", Kind::Int(1000)),
            ("0x1F", Kind::Int(31)),
            ("0b101", Kind::Int(5)),
            ("1.5e2", Kind::Float(150.0)),
            ("99999999999999999999", Kind::Int(i64::MAX)),
        ] {
            assert_eq!(lines(text).unwrap()[0].tokens[0].kind, value, "{text}");
        }
    }

    #[test]
    fn lines_are_counted_through_strings_and_brackets() {
        let lines = lines("\"\"\"\n\n\"\"\"\n(\n\n)\nend").unwrap();
        assert_eq!(lines[2].tokens[0].line, 7);
    }
}
