//! Splits text into [`Token`]s.
#![deny(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::arithmetic_side_effects
)]

use alloc::string::String;

/// Why a text is not a value, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {kind}")]
#[non_exhaustive]
pub struct TextError {
    /// Line, from 1.
    pub line: u32,
    /// Column in that line in characters, from 1.
    pub column: u32,
    /// What is wrong there.
    pub kind: TextErrorKind,
}

/// What is wrong with a text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TextErrorKind {
    /// Something else should stand here.
    #[error("expected {expected}")]
    Expected {
        /// What should.
        expected: &'static str,
    },
    /// The text ends inside a value.
    #[error("unexpected end, expected {expected}")]
    UnexpectedEnd {
        /// What should follow.
        expected: &'static str,
    },
    /// A character that no value has here.
    #[error("unexpected character {found:?}")]
    UnexpectedCharacter {
        /// The character.
        found: char,
    },
    /// A string has no closing quote.
    #[error("string without an end")]
    OpenString,
    /// An escape in a string has no four or six hexadecimal digits, or is half of a surrogate pair.
    #[error("bad escape in a string")]
    BadEscape,
    /// A color has not 3, 4, 6 or 8 hexadecimal digits.
    #[error("bad color")]
    BadColor,
    /// A node path has an empty property name.
    #[error("bad node path")]
    BadPath,
    /// The string of a `PackedByteArray` is not base64.
    #[error("bad base64")]
    BadBase64,
    /// A type has another number of components.
    #[error("{name} has {count} components")]
    WrongCount {
        /// Name of the type.
        name: &'static str,
        /// How many it has.
        count: usize,
    },
    /// An element, key or value that the typed container around it does not take.
    #[error("a value here does not fit the type of its container")]
    WrongType,
    /// A word that is no value, and no caller-supplied constructor.
    #[error("unknown name {name:?}")]
    UnknownName {
        /// The word, cut at 64 characters.
        name: String,
    },
    /// An object or a resource, which this form of parsing does not make.
    #[error("objects and resources are not allowed")]
    ObjectNotAllowed,
    /// Containers are nested deeper than [`Limits::depth`](crate::variant::Limits::depth).
    #[error("nested deeper than {limit}")]
    TooDeep {
        /// The limit.
        limit: usize,
    },
    /// More elements than [`Limits::elements`](crate::variant::Limits::elements).
    #[error("more than {limit} elements")]
    TooManyElements {
        /// The limit.
        limit: usize,
    },
    /// Longer than [`Limits::bytes`](crate::variant::Limits::bytes).
    #[error("longer than {limit} bytes")]
    TooLarge {
        /// The limit.
        limit: usize,
    },
    /// Something follows the value.
    #[error("more text after the value")]
    Trailing,
}

/// One word of the text form.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token<'a> {
    /// One of `{ } [ ] ( ) : , .` and `=`.
    Mark(u8),
    Int(i64),
    Float(f64),
    Text(String),
    Name(String),
    /// Hexadecimal digits after `#`.
    Color(&'a str),
    Word(&'a str),
    End,
}

/// The text that is left, and the token read last.
#[derive(Clone, Debug)]
pub(super) struct Lexer<'a> {
    text: &'a str,
    at: usize,
    /// Where the token read last begins.
    start: usize,
}

impl<'a> Lexer<'a> {
    pub(super) const fn new(text: &'a str) -> Self {
        Self {
            text,
            at: 0,
            start: 0,
        }
    }

    /// Offset behind the token read last.
    pub(super) const fn at(&self) -> usize {
        self.at
    }

    pub(super) fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn byte(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn skip(&mut self, bytes: usize) {
        self.at = self.at.saturating_add(bytes);
    }

    /// The bytes from here as long as `wanted`, consumed.
    fn run(&mut self, wanted: impl Fn(u8) -> bool) -> &'a str {
        let rest = self.rest();
        let length = rest.bytes().take_while(|byte| wanted(*byte)).count();
        self.skip(length);
        rest.get(..length).unwrap_or_default()
    }

    /// Goes back to before the token read last.
    pub(super) fn put_back(&mut self) {
        self.at = self.start;
    }

    /// An error at the token read last.
    #[cold]
    pub(super) fn error(&self, kind: TextErrorKind) -> TextError {
        self.error_at(self.start, kind)
    }

    #[cold]
    fn error_at(&self, at: usize, kind: TextErrorKind) -> TextError {
        let before = self.text.get(..at).unwrap_or(self.text);
        let line_start = before.rfind('\n').map_or(0, |at| at.saturating_add(1));
        let lines = before.bytes().filter(|byte| *byte == b'\n').count();
        let column = before.get(line_start..).unwrap_or_default().chars().count();
        let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX).saturating_add(1);
        TextError {
            line: count(lines),
            column: count(column),
            kind,
        }
    }

    /// Reads the next token, after blanks and `;` comments.
    pub(super) fn next(&mut self) -> Result<Token<'a>, TextError> {
        loop {
            self.run(|byte| byte <= b' ');
            if self.byte() != Some(b';') {
                break;
            }
            self.run(|byte| byte != b'\n');
        }
        self.start = self.at;
        let Some(byte) = self.byte() else {
            return Ok(Token::End);
        };
        match byte {
            b'{' | b'}' | b'[' | b']' | b'(' | b')' | b':' | b',' | b'.' | b'=' => {
                self.skip(1);
                Ok(Token::Mark(byte))
            }
            b'"' => self.string().map(Token::Text),
            b'&' | b'@' => {
                self.skip(1);
                if self.byte() == Some(b'"') {
                    self.string().map(Token::Name)
                } else {
                    Err(self.error(TextErrorKind::Expected {
                        expected: "a quoted name",
                    }))
                }
            }
            b'#' => {
                self.skip(1);
                Ok(Token::Color(self.run(|byte| byte.is_ascii_hexdigit())))
            }
            b'-' | b'0'..=b'9' => self.number(),
            b'_' | b'a'..=b'z' | b'A'..=b'Z' => Ok(Token::Word(
                self.run(|byte| byte == b'_' || byte.is_ascii_alphanumeric()),
            )),
            _ => {
                let found = self.rest().chars().next().unwrap_or_default();
                Err(self.error(TextErrorKind::UnexpectedCharacter { found }))
            }
        }
    }

    /// Reads a number: sign, digits, fraction, exponent. As in the engine the last two may lack their digits.
    fn number(&mut self) -> Result<Token<'a>, TextError> {
        let negative = self.byte() == Some(b'-');
        if negative {
            self.skip(1);
            if self.rest().starts_with("inf") {
                self.run(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
                if self.text.get(self.start..self.at) == Some("-inf") {
                    return Ok(Token::Float(f64::NEG_INFINITY));
                }
                return Err(self.error(TextErrorKind::Expected {
                    expected: "a number",
                }));
            }
        }
        let digits = self.run(|byte| byte.is_ascii_digit());
        if digits.is_empty() {
            return Err(self.error(TextErrorKind::Expected {
                expected: "a number",
            }));
        }
        let mut float = false;
        if self.byte() == Some(b'.') {
            float = true;
            self.skip(1);
            self.run(|byte| byte.is_ascii_digit());
        }
        let mantissa = self.text.get(self.start..self.at).unwrap_or_default();
        let mut number = mantissa;
        if matches!(self.byte(), Some(b'e' | b'E')) {
            float = true;
            self.skip(1);
            if matches!(self.byte(), Some(b'+' | b'-')) {
                self.skip(1);
            }
            if !self.run(|byte| byte.is_ascii_digit()).is_empty() {
                number = self.text.get(self.start..self.at).unwrap_or_default();
            }
        }
        Ok(if float {
            Token::Float(number.parse().unwrap_or(0.0))
        } else {
            Token::Int(integer(negative, digits))
        })
    }

    /// Reads a quoted string, which may go over several lines.
    fn string(&mut self) -> Result<String, TextError> {
        self.skip(1);
        let mut text = String::new();
        loop {
            text.push_str(self.run(|byte| byte != b'"' && byte != b'\\' && byte != 0));
            match self.byte() {
                Some(b'"') => {
                    self.skip(1);
                    return Ok(text);
                }
                Some(b'\\') => {
                    let escape = self.escape()?;
                    text.push(escape);
                }
                _ => return Err(self.error(TextErrorKind::OpenString)),
            }
        }
    }

    /// Reads a backslash and what it stands for.
    fn escape(&mut self) -> Result<char, TextError> {
        let start = self.at;
        self.skip(1);
        let Some(letter) = self.rest().chars().next() else {
            return Err(self.error(TextErrorKind::OpenString));
        };
        self.skip(letter.len_utf8());
        Ok(match letter {
            'b' => '\x08',
            't' => '\t',
            'n' => '\n',
            'f' => '\x0c',
            'r' => '\r',
            'u' => {
                let unit = self.hex(start, 4)?;
                self.utf16(start, unit)?
            }
            'U' => character(self.hex(start, 6)?),
            '\0' => return Err(self.error_at(start, TextErrorKind::OpenString)),
            _ => letter,
        })
    }

    /// The character of one UTF-16 unit, or of two, for which a second escape is read.
    fn utf16(&mut self, start: usize, unit: u32) -> Result<char, TextError> {
        match unit {
            0xd800..0xdc00 if self.rest().starts_with("\\u") => {
                self.skip(2);
                let low = self.hex(start, 4)?;
                if !(0xdc00..0xe000).contains(&low) {
                    return Err(self.error_at(start, TextErrorKind::BadEscape));
                }
                let code = (unit & 0x3ff) << 10 | low & 0x3ff;
                Ok(character(code.saturating_add(0x1_0000)))
            }
            0xd800..0xe000 => Err(self.error_at(start, TextErrorKind::BadEscape)),
            _ => Ok(character(unit)),
        }
    }

    fn hex(&mut self, start: usize, digits: usize) -> Result<u32, TextError> {
        let number = self
            .rest()
            .get(..digits)
            .filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))
            .and_then(|digits| u32::from_str_radix(digits, 16).ok());
        let Some(number) = number else {
            return Err(self.error_at(start, TextErrorKind::BadEscape));
        };
        self.skip(digits);
        Ok(number)
    }
}

/// A code point; NUL, surrogates and what is no code point become the replacement character, as in the engine.
fn character(code: u32) -> char {
    char::from_u32(code)
        .filter(|char| *char != '\0')
        .unwrap_or(char::REPLACEMENT_CHARACTER)
}

/// An integer as the engine reads it: one digit too many wraps, more saturate.
fn integer(negative: bool, digits: &str) -> i64 {
    let mut value: i64 = 0;
    for digit in digits.bytes() {
        if value > i64::MAX / 10 {
            return if negative { i64::MIN } else { i64::MAX };
        }
        let digit = i64::from(digit.wrapping_sub(b'0'));
        value = value.wrapping_mul(10).wrapping_add(digit);
    }
    if negative {
        value.wrapping_neg()
    } else {
        value
    }
}
