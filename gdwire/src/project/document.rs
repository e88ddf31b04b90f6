//! The text format of `project.godot`, `.tscn`, `.tres` and `.import` files: `[tag key=value …]` and `key = value`.
//!
//! Values are kept as text and read when they are asked for, once.
#![deny(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::arithmetic_side_effects
)]

use super::error::{Place, ProjectError, ProjectErrorKind};
use crate::variant::text::{Parser, TextError, TextErrorKind};
use crate::variant::{Limits, ObjectId, Value};
use alloc::rc::Rc;
use alloc::string::{String, ToString as _};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::cell::OnceCell;
use core::ops::Range;

/// A reference to a resource, inside a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Reference {
    /// `ExtResource("id")`.
    External(String),
    /// `SubResource("id")`.
    Sub(String),
    /// `Resource("path")`.
    Path(String),
}

/// A value, in which object ids number the references from 1.
#[derive(Clone, Debug)]
pub(super) struct Parsed {
    pub(super) value: Arc<Value>,
    pub(super) references: Vec<Reference>,
}

impl Parsed {
    /// The reference that is the whole value.
    pub(super) fn reference(&self) -> Option<&Reference> {
        match *self.value {
            Value::Object(ObjectId(number)) => {
                let index = usize::try_from(number).ok()?.checked_sub(1)?;
                self.references.get(index)
            }
            _ => None,
        }
    }
}

/// The text of a value and where it stands.
#[derive(Debug)]
pub(super) struct Property {
    text: Arc<str>,
    range: Range<usize>,
    place: Place,
    parsed: OnceCell<Result<Parsed, ProjectError>>,
}

impl Property {
    pub(super) const fn place(&self) -> &Place {
        &self.place
    }

    /// The value.
    pub(super) fn parsed(&self) -> Result<&Parsed, ProjectError> {
        self.parsed
            .get_or_init(|| self.parse())
            .as_ref()
            .map_err(ProjectError::clone)
    }

    fn parse(&self) -> Result<Parsed, ProjectError> {
        let mut references = Vec::new();
        let value = self.read(&mut references);
        match value {
            Ok(value) => Ok(Parsed {
                value: Arc::new(value),
                references,
            }),
            Err(error) => {
                let line = self.place.line.saturating_add(error.line).saturating_sub(1);
                let place = Place::new(self.place.file.clone(), line);
                Err(place.error(ProjectErrorKind::Value(error.kind)))
            }
        }
    }

    fn read(&self, references: &mut Vec<Reference>) -> Result<Value, TextError> {
        let mut construct = |name: &str, arguments: Vec<Value>| {
            let id = match arguments.first()? {
                Value::String(id) => id.clone(),
                Value::Int(id) => id.to_string(),
                _ => return None,
            };
            references.push(match name {
                "ExtResource" => Reference::External(id),
                "SubResource" => Reference::Sub(id),
                "Resource" => Reference::Path(id),
                _ => return None,
            });
            let number = u64::try_from(references.len()).ok()?;
            Some(Value::Object(ObjectId(number)))
        };
        let text = self.text.get(self.range.clone()).unwrap_or_default();
        let mut parser = Parser::new(text, &Limits::default()).with_constructor(&mut construct);
        let value = parser.value()?;
        parser.finish()?;
        Ok(value)
    }

    /// The value as text, or nothing if it is something else.
    pub(super) fn text(&self) -> Result<Option<String>, ProjectError> {
        Ok(self.parsed()?.value.as_text().map(String::from))
    }
}

/// A `[tag …]` and what follows up to the next one. What stands before the first tag has an empty name.
#[derive(Debug)]
pub(super) struct Section {
    pub(super) tag: String,
    pub(super) place: Place,
    attributes: Vec<(String, Rc<Property>)>,
    pub(super) properties: Vec<(Arc<str>, Rc<Property>)>,
}

impl Section {
    pub(super) fn attribute(&self, name: &str) -> Option<&Rc<Property>> {
        let found = self.attributes.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value)
    }

    /// An attribute that is text or a number, as text.
    pub(super) fn attribute_text(&self, name: &str) -> Result<Option<String>, ProjectError> {
        let Some(property) = self.attribute(name) else {
            return Ok(None);
        };
        Ok(match &*property.parsed()?.value {
            Value::String(text) => Some(text.clone()),
            Value::StringName(name) => Some(name.as_str().into()),
            Value::Int(number) => Some(number.to_string()),
            _ => None,
        })
    }

    /// The property of this name; of several the last, as in the engine.
    pub(super) fn property(&self, name: &str) -> Option<&Rc<Property>> {
        let mut properties = self.properties.iter().rev();
        let found = properties.find(|(key, _)| &**key == name);
        found.map(|(_, value)| value)
    }
}

/// Reads a whole file.
pub(super) fn read(file: &str, text: &Arc<str>) -> Result<Vec<Section>, ProjectError> {
    let mut reader = Reader {
        file,
        text,
        at: 0,
        line: 1,
    };
    let mut sections = Vec::new();
    let mut section = reader.section(String::new());
    while reader.skip_blanks() {
        if reader.byte() == Some(b'[') {
            let next = reader.header()?;
            sections.push(core::mem::replace(&mut section, next));
        } else {
            section.properties.push(reader.assignment()?);
        }
    }
    sections.push(section);
    Ok(sections)
}

struct Reader<'a> {
    file: &'a str,
    text: &'a Arc<str>,
    at: usize,
    line: u32,
}

impl Reader<'_> {
    fn byte(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn place(&self) -> Place {
        Place::new(self.file, self.line)
    }

    const fn section(&self, tag: String) -> Section {
        Section {
            tag,
            place: Place {
                file: String::new(),
                line: self.line,
            },
            attributes: Vec::new(),
            properties: Vec::new(),
        }
    }

    /// One byte further, lines counted.
    fn step(&mut self) {
        if self.byte() == Some(b'\n') {
            self.line = self.line.saturating_add(1);
        }
        self.at = self.at.saturating_add(1);
    }

    fn skip_while(&mut self, wanted: impl Fn(u8) -> bool) {
        while self.byte().is_some_and(&wanted) {
            self.step();
        }
    }

    /// Skips blanks and comments; says whether anything follows.
    fn skip_blanks(&mut self) -> bool {
        loop {
            self.skip_while(|byte| byte <= b' ');
            match self.byte() {
                Some(b';') => self.skip_while(|byte| byte != b'\n'),
                Some(_) => return true,
                None => return false,
            }
        }
    }

    fn slice(&self, from: usize) -> &str {
        self.text.get(from..self.at).unwrap_or_default()
    }

    fn error(&self, expected: &'static str) -> ProjectError {
        self.place().error(ProjectErrorKind::Syntax(expected))
    }

    fn header(&mut self) -> Result<Section, ProjectError> {
        let place = self.place();
        self.step();
        let from = self.at;
        self.skip_while(|byte| byte > b' ' && byte != b']');
        let mut section = self.section(self.slice(from).trim().into());
        section.place = place;
        loop {
            if !self.skip_blanks() {
                return Err(self.error("']'"));
            }
            if self.byte() == Some(b']') {
                self.step();
                return Ok(section);
            }
            let from = self.at;
            self.skip_while(|byte| byte > b' ' && byte != b'=' && byte != b']');
            let name = String::from(self.slice(from));
            self.skip_while(|byte| byte == b' ' || byte == b'\t');
            if name.is_empty() || self.byte() != Some(b'=') {
                return Err(self.error("'='"));
            }
            self.step();
            self.skip_while(|byte| byte == b' ' || byte == b'\t');
            let value = self.value(Inside::Header)?;
            section.attributes.push((name, Rc::new(value)));
        }
    }

    fn assignment(&mut self) -> Result<(Arc<str>, Rc<Property>), ProjectError> {
        let from = self.at;
        self.skip_while(|byte| byte != b'=' && byte != b'\n');
        if self.byte() != Some(b'=') {
            return Err(self.error("'='"));
        }
        let name = self.slice(from).trim();
        let name = Arc::from(name.trim_matches('"'));
        self.step();
        self.skip_while(|byte| byte == b' ' || byte == b'\t');
        Ok((name, Rc::new(self.value(Inside::Section)?)))
    }

    /// The extent of a value: up to a blank, bracket or line end that is outside of all brackets and strings.
    fn value(&mut self, inside: Inside) -> Result<Property, ProjectError> {
        let (from, place) = (self.at, self.place());
        let mut depth = 0usize;
        let mut end = self.at;
        loop {
            let Some(byte) = self.byte() else {
                if depth > 0 || inside == Inside::Header {
                    return Err(place.error(ProjectErrorKind::Syntax("a closing bracket")));
                }
                break;
            };
            match byte {
                b'"' => self.string(&place)?,
                b'\n' if depth == 0 => break,
                b' ' | b'\t' | b'\r' if depth == 0 && inside == Inside::Header => break,
                b']' if depth == 0 && inside == Inside::Header => break,
                b';' => {
                    self.skip_while(|byte| byte != b'\n');
                    continue;
                }
                b'(' | b'[' | b'{' => {
                    depth = depth.saturating_add(1);
                    self.step();
                }
                b')' | b']' | b'}' => {
                    depth = depth.saturating_sub(1);
                    self.step();
                }
                _ => self.step(),
            }
            end = self.at;
        }
        Ok(Property {
            text: Arc::clone(self.text),
            range: from..end,
            place,
            parsed: OnceCell::new(),
        })
    }

    fn string(&mut self, place: &Place) -> Result<(), ProjectError> {
        self.step();
        loop {
            match self.byte() {
                None => {
                    let kind = ProjectErrorKind::Value(TextErrorKind::OpenString);
                    return Err(place.clone().error(kind));
                }
                Some(b'"') => {
                    self.step();
                    return Ok(());
                }
                Some(b'\\') => {
                    self.step();
                    self.step();
                }
                Some(_) => self.step(),
            }
        }
    }
}

/// Where a value stands, which says how it ends.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Inside {
    Header,
    Section,
}
