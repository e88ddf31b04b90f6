//! [`Dictionary`], typed and untyped.

use super::array::take_apart;
use super::element::{ElementType, Kept, admit, keep};
use super::error::WrongType;
use super::key;
use super::value::Value;
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;

/// Godot's `Dictionary`: entries in the order in which their keys first came, perhaps with typed keys and values.
///
/// Two keys are one when the engine says so: same type and same value, with NaN equal to NaN, and a `String` and a
/// `StringName` of the same text equal. Look-up takes logarithmic time whatever the keys are.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Dictionary(Box<Entries>);

#[derive(Clone, Default)]
struct Entries {
    entries: Vec<(Value, Value)>,
    /// Positions in the order of their keys; empty while there are at most [`SMALL`] entries.
    index: Vec<u32>,
    key_type: Kept,
    value_type: Kept,
}

/// Up to this many entries are searched one by one.
const SMALL: usize = 16;

impl PartialEq for Entries {
    fn eq(&self, other: &Self) -> bool {
        self.entries == other.entries
            && self.key_type == other.key_type
            && self.value_type == other.value_type
    }
}

impl fmt::Debug for Entries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entries")
            .field("entries", &self.entries)
            .field("key_type", &self.key_type)
            .field("value_type", &self.value_type)
            .finish()
    }
}

impl Entries {
    /// Where the key is, or where in the index it belongs.
    fn find(&self, key: &Value) -> Result<usize, usize> {
        if self.entries.len() <= SMALL {
            return self
                .entries
                .iter()
                .position(|(other, _)| key::same(other, key))
                .ok_or(0);
        }
        self.index
            .binary_search_by(|&at| match self.entries.get(at as usize) {
                Some((other, _)) => key::compare(other, key),
                None => core::cmp::Ordering::Less,
            })
            .map(|slot| self.index.get(slot).map_or(0, |&at| at as usize))
    }

    /// Orders all positions by key, then position.
    fn sort(&mut self) {
        self.index.clear();
        if self.entries.len() <= SMALL {
            return;
        }
        let count = u32::try_from(self.entries.len()).unwrap_or(u32::MAX);
        self.index.reserve_exact(count as usize);
        self.index.extend(0..count);
        let entries = &self.entries;
        self.index.sort_unstable_by(|&a, &b| {
            match (entries.get(a as usize), entries.get(b as usize)) {
                (Some(left), Some(right)) => key::compare(&left.0, &right.0).then(a.cmp(&b)),
                _ => a.cmp(&b),
            }
        });
    }

    /// Merges equal keys with the help of a fresh index; gives whether there were any, after which the index is stale.
    fn merge_sorted(&mut self) -> bool {
        let mut moves: Vec<(u32, u32)> = Vec::new();
        let mut first = None;
        for &at in &self.index {
            let same = first.is_some_and(|first| self.same_key(first, at));
            match first {
                Some(first) if same => moves.push((first, at)),
                _ => first = Some(at),
            }
        }
        if moves.is_empty() {
            return false;
        }
        let mut dead = alloc::vec![false; self.entries.len()];
        for (first, at) in moves {
            let value = self
                .entries
                .get_mut(at as usize)
                .map(|entry| core::mem::take(&mut entry.1));
            if let (Some(entry), Some(value)) = (self.entries.get_mut(first as usize), value) {
                entry.1 = value;
            }
            if let Some(dead) = dead.get_mut(at as usize) {
                *dead = true;
            }
        }
        let mut dead = dead.into_iter();
        self.entries.retain(|_| dead.next() != Some(true));
        true
    }

    fn same_key(&self, a: u32, b: u32) -> bool {
        match (self.entries.get(a as usize), self.entries.get(b as usize)) {
            (Some(a), Some(b)) => key::same(&a.0, &b.0),
            _ => false,
        }
    }
}

impl Dictionary {
    /// An empty untyped dictionary.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty dictionary with typed keys, values or both; nothing leaves a side untyped.
    #[must_use]
    pub fn typed(key_type: Option<ElementType>, value_type: Option<ElementType>) -> Self {
        Self(Box::new(Entries {
            entries: Vec::new(),
            index: Vec::new(),
            key_type: keep(key_type),
            value_type: keep(value_type),
        }))
    }

    /// Sets the value of a key and returns the one that it had. A new key goes to the end; a known one keeps its place.
    /// Both are converted to the types of the dictionary as [`Array::push`](super::Array::push) does.
    ///
    /// # Errors
    /// [`WrongType`] if the dictionary is typed and the key or the value is of another type; nothing was changed.
    pub fn insert(
        &mut self,
        key: impl Into<Value>,
        value: impl Into<Value>,
    ) -> Result<Option<Value>, WrongType> {
        let key = admit(&self.0.key_type, key.into())?;
        let value = admit(&self.0.value_type, value.into())?;
        Ok(self.set(key, value))
    }

    fn set(&mut self, key: Value, value: Value) -> Option<Value> {
        let entries = &mut *self.0;
        match entries.find(&key) {
            Ok(at) => entries
                .entries
                .get_mut(at)
                .map(|entry| core::mem::replace(&mut entry.1, value)),
            Err(slot) => {
                let at = entries.entries.len();
                entries.entries.push((key, value));
                if at == SMALL {
                    entries.sort();
                } else if at > SMALL {
                    entries
                        .index
                        .insert(slot, u32::try_from(at).unwrap_or(u32::MAX));
                }
                None
            }
        }
    }

    /// The value of a key.
    #[must_use]
    pub fn get(&self, key: &Value) -> Option<&Value> {
        let at = self.0.find(key).ok()?;
        self.0.entries.get(at).map(|(_, value)| value)
    }

    /// The value of a text key, be it a `String` or a `StringName`.
    #[must_use]
    pub fn get_text(&self, key: &str) -> Option<&Value> {
        self.get(&Value::from(key))
    }

    /// Removes a key and returns its value. Takes linear time.
    pub fn remove(&mut self, key: &Value) -> Option<Value> {
        let at = self.0.find(key).ok()?;
        let (_, value) = self.0.entries.remove(at);
        self.0.sort();
        Some(value)
    }

    /// How many entries it has.
    #[must_use]
    #[inline]
    pub fn len(&self) -> usize {
        self.0.entries.len()
    }

    /// Whether it has no entry.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.entries.is_empty()
    }

    /// Keys and values, in order.
    #[must_use]
    #[inline]
    pub fn as_slice(&self) -> &[(Value, Value)] {
        &self.0.entries
    }

    /// What the keys have to be; nothing if they are untyped.
    #[must_use]
    pub fn key_type(&self) -> Option<&ElementType> {
        self.0.key_type.as_deref()
    }

    /// What the values have to be; nothing if they are untyped.
    #[must_use]
    pub fn value_type(&self) -> Option<&ElementType> {
        self.0.value_type.as_deref()
    }

    /// All entries, which leave.
    pub(super) fn take_entries(&mut self) -> Vec<(Value, Value)> {
        self.0.index.clear();
        core::mem::take(&mut self.0.entries)
    }

    /// Makes room for exactly this many entries.
    pub(super) fn reserve_exact(&mut self, count: usize) {
        self.0.entries.reserve_exact(count);
    }

    /// Appends an entry without a look for its key; [`Dictionary::settle`] has to follow the last one. Gives false, and
    /// appends nothing, for a key of the wrong type. As in the engine's decoder the value's type is not checked.
    #[inline]
    pub(super) fn append(&mut self, key: Value, value: Value) -> bool {
        let key = match &self.0.key_type {
            None => key,
            Some(key_type) => match key_type.admit(key) {
                Ok(key) => key,
                Err(WrongType { .. }) => return false,
            },
        };
        self.0.entries.push((key, value));
        true
    }

    /// Appends an entry like [`Dictionary::append`], with a check of the value's type too.
    pub(super) fn append_typed(&mut self, key: Value, value: Value) -> bool {
        match admit(&self.0.value_type, value) {
            Ok(value) => self.append(key, value),
            Err(WrongType { .. }) => false,
        }
    }

    /// Merges the entries of equal keys: the last value wins, at the place of the first.
    pub(super) fn settle(&mut self) {
        let entries = &mut *self.0;
        if entries.entries.len() <= SMALL {
            let mut at = 1;
            while at < entries.entries.len() {
                let (before, rest) = entries.entries.split_at_mut(at);
                let Some((key, value)) = rest.first_mut() else {
                    break;
                };
                match before.iter_mut().find(|(other, _)| key::same(other, key)) {
                    Some(first) => {
                        first.1 = core::mem::take(value);
                        entries.entries.remove(at);
                    }
                    None => at = at.saturating_add(1),
                }
            }
            return;
        }
        entries.sort();
        if entries.merge_sorted() {
            entries.sort();
        }
    }
}

impl FromIterator<(Value, Value)> for Dictionary {
    fn from_iter<I: IntoIterator<Item = (Value, Value)>>(entries: I) -> Self {
        let mut dictionary = Self::new();
        dictionary.0.entries = entries.into_iter().collect();
        dictionary.settle();
        dictionary
    }
}

impl<'a> IntoIterator for &'a Dictionary {
    type Item = &'a (Value, Value);
    type IntoIter = core::slice::Iter<'a, (Value, Value)>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.entries.iter()
    }
}

impl IntoIterator for Dictionary {
    type Item = (Value, Value);
    type IntoIter = alloc::vec::IntoIter<(Value, Value)>;

    fn into_iter(mut self) -> Self::IntoIter {
        self.take_entries().into_iter()
    }
}

impl Drop for Dictionary {
    fn drop(&mut self) {
        let nested = |(key, value): &(Value, Value)| key.is_container() || value.is_container();
        if self.0.entries.iter().any(nested) {
            let entries = self.take_entries();
            take_apart(
                entries
                    .into_iter()
                    .flat_map(|(key, value)| [key, value])
                    .collect(),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::variant::{Array, ObjectId, ValueType};
    use alloc::vec;

    fn int(value: i64) -> Value {
        Value::Int(value)
    }

    #[test]
    fn a_large_dictionary_finds_replaces_and_removes_in_any_order() {
        let mut dictionary = Dictionary::new();
        for at in 0..500 {
            let key = at * 7919 % 500;
            assert_eq!(dictionary.insert(key, at).unwrap(), None);
        }
        for at in 0..500 {
            let key = at * 7919 % 500;
            assert_eq!(dictionary.insert(key, -at).unwrap(), Some(int(at)));
        }
        for at in 0..490 {
            let key = int(at * 7919 % 500);
            assert_eq!(dictionary.get(&key), Some(&int(-at)));
            assert_eq!(dictionary.remove(&key), Some(int(-at)));
            assert_eq!(dictionary.get(&key), None);
        }
        let left: Vec<_> = dictionary.into_iter().map(|(_, value)| value).collect();
        assert_eq!(left, (490..500).map(|at| int(-at)).collect::<Vec<_>>());
    }

    // req: HP-8
    #[test]
    fn the_last_value_of_equal_keys_wins_at_the_place_of_the_first() {
        for count in [10, 16, 17, 1000] {
            let entries = (0..count).map(|at| (int(at % 7), int(at)));
            let dictionary: Dictionary = entries.collect();
            let keys: Vec<_> = dictionary
                .as_slice()
                .iter()
                .map(|(key, _)| key.clone())
                .collect();
            assert_eq!(keys, (0..7).map(int).collect::<Vec<_>>());
            let last = (0..count).rfind(|at| at % 7 == 2).unwrap();
            assert_eq!(dictionary.get(&int(2)), Some(&int(last)));
        }
    }

    #[test]
    fn typed_containers_convert_like_the_engine_and_refuse_the_rest() {
        let mut ints = Array::typed(ElementType::Builtin(ValueType::Int));
        ints.push(2.5).unwrap();
        ints.push(true).unwrap();
        assert_eq!(ints.as_slice(), [int(2), int(1)]);
        assert_eq!(ints.push("2").unwrap_err().found, ValueType::String);
        let mut objects = Array::typed(ElementType::object_id());
        objects.push(Value::Nil).unwrap();
        assert_eq!(objects.as_slice(), [Value::Object(ObjectId(0))]);
        assert!(objects.push(1).is_err());
        let mut names = Dictionary::typed(
            Some(ElementType::Builtin(ValueType::StringName)),
            Some(ElementType::Builtin(ValueType::Float)),
        );
        names.insert("speed", 3).unwrap();
        assert!(names.insert(1, 3).is_err());
        assert!(names.insert("speed", "fast").is_err());
        assert_eq!(names.get_text("speed"), Some(&Value::Float(3.0)));
        assert_eq!(names.as_slice()[0].0.kind(), ValueType::StringName);
        let untyped = Array::typed(ElementType::Builtin(ValueType::Nil));
        assert_eq!(untyped, Array::from(vec![]));
    }

    // req: HP-8: an empty dictionary of 8 bytes stays below 16 times that.
    #[test]
    fn empty_containers_are_small() {
        assert!(size_of::<Value>() + size_of::<Entries>() <= 16 * 8);
    }
}
