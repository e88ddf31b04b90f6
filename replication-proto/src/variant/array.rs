//! [`Array`], typed and untyped.

use super::element::{ElementType, Kept, keep};
use super::error::WrongType;
use super::value::Value;
use alloc::vec::Vec;
use core::ops::Deref;

/// Godot's `Array`: values in order, perhaps all of one type.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Array {
    elements: Vec<Value>,
    element_type: Kept,
}

impl Array {
    /// An empty untyped array.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            elements: Vec::new(),
            element_type: None,
        }
    }

    /// An empty array of `element_type`.
    #[must_use]
    pub fn typed(element_type: ElementType) -> Self {
        Self::with_capacity(Some(element_type), 0)
    }

    pub(super) fn with_capacity(element_type: Option<ElementType>, capacity: usize) -> Self {
        Self {
            elements: Vec::with_capacity(capacity),
            element_type: keep(element_type),
        }
    }

    /// Appends a value, converted to the element type where the engine converts silently (numbers among each other,
    /// texts among each other, integer and float vectors).
    ///
    /// # Errors
    /// [`WrongType`] if the array is typed and the value is of another type; nothing was appended.
    #[inline]
    pub fn push(&mut self, value: impl Into<Value>) -> Result<(), WrongType> {
        match &self.element_type {
            None => self.elements.push(value.into()),
            Some(element_type) => self.elements.push(element_type.admit(value.into())?),
        }
        Ok(())
    }

    /// What the elements have to be; nothing for an untyped array.
    #[must_use]
    pub fn element_type(&self) -> Option<&ElementType> {
        self.element_type.as_deref()
    }

    /// The elements.
    #[must_use]
    #[inline]
    pub fn as_slice(&self) -> &[Value] {
        &self.elements
    }

    /// The elements, owned.
    #[must_use]
    pub fn into_vec(mut self) -> Vec<Value> {
        core::mem::take(&mut self.elements)
    }
}

impl Deref for Array {
    type Target = [Value];

    fn deref(&self) -> &[Value] {
        &self.elements
    }
}

impl From<Vec<Value>> for Array {
    fn from(elements: Vec<Value>) -> Self {
        Self {
            elements,
            element_type: None,
        }
    }
}

impl FromIterator<Value> for Array {
    fn from_iter<I: IntoIterator<Item = Value>>(values: I) -> Self {
        Self::from(Vec::from_iter(values))
    }
}

impl<'a> IntoIterator for &'a Array {
    type Item = &'a Value;
    type IntoIter = core::slice::Iter<'a, Value>;

    fn into_iter(self) -> Self::IntoIter {
        self.elements.iter()
    }
}

impl IntoIterator for Array {
    type Item = Value;
    type IntoIter = alloc::vec::IntoIter<Value>;

    fn into_iter(self) -> Self::IntoIter {
        self.into_vec().into_iter()
    }
}

impl Drop for Array {
    fn drop(&mut self) {
        if self.elements.iter().any(Value::is_container) {
            take_apart(core::mem::take(&mut self.elements));
        }
    }
}

/// Drops nested values without recursion, so that no depth can exhaust the stack.
pub(super) fn take_apart(mut values: Vec<Value>) {
    while let Some(value) = values.pop() {
        match value {
            Value::Array(mut array) => values.append(&mut array.elements),
            Value::Dictionary(mut dictionary) => {
                values.extend(
                    dictionary
                        .take_entries()
                        .into_iter()
                        .flat_map(|(key, value)| [key, value]),
                );
            }
            _ => {}
        }
    }
}
