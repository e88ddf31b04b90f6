//! The order in which Godot's text form lists the keys of a dictionary.
//!
//! Godot sorts keys with an introsort and a comparison that is no order for all types: texts compare as texts, other
//! types by type first, and keys of one type without `<` (colors, paths, packed arrays …) are all alike. Where that
//! leaves the result to the algorithm, the same algorithm gives the same result.

use crate::variant::{Value, ValueType, key};
use core::cmp::Ordering;

/// Up to this many keys are sorted exactly as the engine does; more have a stable order where the comparison ties, since
/// the engine's algorithm takes quadratic time for keys that were chosen to confuse it.
const EXACT: usize = 1024;
/// Below this many the engine's sort leaves the rest to a final insertion.
const SMALL: usize = 16;

type Entry = (Value, Value);

/// Sorts entries by key.
pub(super) fn sort(entries: &mut [&Entry]) {
    if entries.len() > EXACT {
        entries.sort_by(|a, b| total(&a.0, &b.0));
        return;
    }
    let depth = entries.len().checked_ilog2().unwrap_or(0) * 2;
    introsort(entries, depth);
    let (head, _) = entries.split_at_mut(entries.len().min(SMALL));
    for at in 1..head.len() {
        if less(head[at], head[0]) {
            head[..=at].rotate_right(1);
        } else {
            sink(head, at);
        }
    }
    for at in SMALL..entries.len() {
        sink(entries, at);
    }
}

/// Moves the entry at `at` in front of all greater ones right before it.
fn sink(entries: &mut [&Entry], at: usize) {
    let mut to = at;
    while to > 0 && less(entries[at], entries[to - 1]) {
        to -= 1;
    }
    entries[to..=at].rotate_right(1);
}

fn introsort(mut entries: &mut [&Entry], mut depth: u32) {
    while entries.len() > SMALL {
        if depth == 0 {
            entries.sort_by(|a, b| total(&a.0, &b.0));
            return;
        }
        depth -= 1;
        let pivot = median(
            entries[0],
            entries[entries.len() / 2],
            entries[entries.len() - 1],
        );
        let cut = partition(entries, pivot);
        let (left, right) = entries.split_at_mut(cut);
        introsort(right, depth);
        entries = left;
    }
}

fn median<'a>(a: &'a Entry, b: &'a Entry, c: &'a Entry) -> &'a Entry {
    if less(a, b) {
        if less(b, c) {
            b
        } else if less(a, c) {
            c
        } else {
            a
        }
    } else if less(a, c) {
        a
    } else if less(b, c) {
        c
    } else {
        b
    }
}

/// Exchanges entries from both ends until those below the pivot lie in front; gives where the others begin.
fn partition(entries: &mut [&Entry], pivot: &Entry) -> usize {
    let (mut first, mut last) = (0, entries.len());
    loop {
        while first + 1 < entries.len() && less(entries[first], pivot) {
            first += 1;
        }
        last -= 1;
        while last > 0 && less(pivot, entries[last]) {
            last -= 1;
        }
        if first >= last {
            return first;
        }
        entries.swap(first, last);
        first += 1;
    }
}

fn less(a: &Entry, b: &Entry) -> bool {
    match (a.0.as_text(), b.0.as_text()) {
        (Some(a), Some(b)) => a < b,
        _ => a.0.kind() < b.0.kind() || (a.0.kind() == b.0.kind() && less_same(&a.0, &b.0)),
    }
}

/// The engine's `<` for two values of one type; false for types that have none.
fn less_same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Bool(a), Value::Bool(b)) => a < b,
        (Value::Int(a), Value::Int(b)) => a < b,
        (Value::Float(a), Value::Float(b)) => a < b,
        (Value::String(a), Value::String(b)) => a < b,
        (Value::StringName(a), Value::StringName(b)) => a < b,
        (Value::Rid(a), Value::Rid(b)) => a < b,
        (Value::Vector2(a), Value::Vector2(b)) => lexical(&a.to_array(), &b.to_array()),
        (Value::Vector2i(a), Value::Vector2i(b)) => lexical(&a.to_array(), &b.to_array()),
        (Value::Vector3(a), Value::Vector3(b)) => lexical(&a.to_array(), &b.to_array()),
        (Value::Vector3i(a), Value::Vector3i(b)) => lexical(&a.to_array(), &b.to_array()),
        (Value::Vector4(a), Value::Vector4(b)) => lexical(&a.to_array(), &b.to_array()),
        (Value::Vector4i(a), Value::Vector4i(b)) => lexical(&a.to_array(), &b.to_array()),
        (Value::Array(a), Value::Array(b)) => less_arrays(a, b),
        _ => false,
    }
}

fn lexical<T: PartialOrd>(a: &[T], b: &[T]) -> bool {
    let differing = a.iter().zip(b).find(|(a, b)| a != b);
    differing.is_some_and(|(a, b)| a < b)
}

fn less_arrays(a: &[Value], b: &[Value]) -> bool {
    let less =
        |a: &Value, b: &Value| a.kind() < b.kind() || (a.kind() == b.kind() && less_same(a, b));
    for (a, b) in a.iter().zip(b) {
        if less(a, b) {
            return true;
        }
        if less(b, a) {
            return false;
        }
    }
    a.len() < b.len()
}

/// A true order near the engine's: texts together, then by type, then by value with NaN last, and ties where the engine
/// has no `<`.
fn total(a: &Value, b: &Value) -> Ordering {
    let rank = |value: &Value| match value {
        Value::StringName(_) => ValueType::String,
        _ => value.kind(),
    };
    rank(a).cmp(&rank(b)).then_with(|| match rank(a) {
        ValueType::Bool
        | ValueType::Int
        | ValueType::Float
        | ValueType::String
        | ValueType::Rid
        | ValueType::Vector2
        | ValueType::Vector2i
        | ValueType::Vector3
        | ValueType::Vector3i
        | ValueType::Vector4
        | ValueType::Vector4i => key::compare(a, b),
        _ => Ordering::Equal,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::variant::{Color, Vector2};
    use alloc::vec::Vec;

    fn sorted(keys: impl Iterator<Item = Value>) -> Vec<Value> {
        let entries: Vec<Entry> = keys.map(|key| (key, Value::Nil)).collect();
        let mut sorted: Vec<&Entry> = entries.iter().collect();
        sort(&mut sorted);
        sorted.into_iter().map(|entry| entry.0.clone()).collect()
    }

    #[test]
    fn few_and_many_numbers_come_out_in_order() {
        for count in [0, 1, 2, 15, 16, 17, 100, 1000, 5000i64] {
            let keys = (0..count).map(|at| Value::Int(at * 7919 % count.max(1)));
            assert_eq!(sorted(keys), (0..count).map(Value::Int).collect::<Vec<_>>());
        }
    }

    #[test]
    fn keys_that_have_no_order_neither_panic_nor_get_lost() {
        let mixed = |at: u16| match at % 7 {
            0 => Value::Float(f64::NAN),
            1 => Value::Float(f64::from(at)),
            2 => Vector2::new(f32::NAN, f32::from(at)).into(),
            3 => Vector2::new(f32::from(at), f32::NAN).into(),
            4 => Value::StringName(crate::variant::StringName::from("name")),
            5 => Value::from("text"),
            _ => Color::new(f32::from(at), 0.0, 0.0, 1.0).into(),
        };
        for count in [20, 500, 1024, 1025, 4000] {
            assert_eq!(sorted((0..count).map(mixed)).len(), usize::from(count));
        }
    }
}
