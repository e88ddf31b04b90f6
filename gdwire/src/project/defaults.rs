//! What the properties of the engine's own node classes are before anything sets them.
//!
//! `defaults.txt` is what Godot 4.6.3 prints of itself (`interop/tests/godot_project/defaults.gd`): a line `Class<Parent`
//! for each class, then `property=value` for what it adds or begins with in another way. A test compares the two.

use super::document::Property;
use super::tree::TreeNode;
use crate::variant::{Value, Vector2, Vector3, text};
use alloc::collections::BTreeMap;
use std::sync::LazyLock;

const TEXT: &str = include_str!("defaults.txt");

/// More than there are classes above any.
const MOST_PARENTS: usize = 32;

/// Where a `Node2D` or `Node3D` is, in parts that follow from each other.
const PLACE: [&str; 8] = [
    "basis",
    "position",
    "quaternion",
    "rotation",
    "rotation_degrees",
    "scale",
    "skew",
    "transform",
];

/// Those of them that do not, and that scenes of a `Node2D` store.
const APART: [&str; 4] = ["position", "rotation", "scale", "skew"];

struct Class {
    parent: &'static str,
    /// Its lines.
    body: &'static str,
}

static CLASSES: LazyLock<BTreeMap<&'static str, Class>> = LazyLock::new(|| {
    let mut classes = BTreeMap::new();
    let mut rest = TEXT;
    while let Some((head, after)) = rest.split_once('\n') {
        let is_body = |line: &&str| line.starts_with(' ');
        let lines = after.split_inclusive('\n').take_while(is_body);
        let (body, next) = after.split_at(lines.map(str::len).sum());
        if let Some((class, parent)) = head.split_once('<') {
            classes.insert(class, Class { parent, body });
        }
        rest = next;
    }
    classes
});

/// The value with which a property of the engine begins at a node, if it is one and follows from nothing unknown.
pub(super) fn initial(node: &TreeNode, name: &str) -> Option<Value> {
    let is_set = |other: &str| node.properties.contains_key(other);
    let tangled = |other: &&str| is_set(other) && !(APART.contains(&name) && APART.contains(other));
    if PLACE.contains(&name) && PLACE.iter().any(tangled) {
        // A `Node3D` has one property in its scene for all of them.
        let transform = node
            .properties
            .get("transform")
            .filter(|_| name == "position");
        return transform.and_then(|transform| origin(transform));
    }
    // Where a `Control` is and how large follows from anchors, offsets and what is in it.
    if matches!(name, "position" | "size") && is_a(&node.class, "Control") {
        return None;
    }
    text::from_text(find(&node.class, name)?).ok()
}

fn origin(transform: &Property) -> Option<Value> {
    match &*transform.parsed().ok()?.value {
        Value::Transform2D(transform) => Some(Vector2::clone(&transform.origin).into()),
        Value::Transform3D(transform) => Some(Vector3::clone(&transform.origin).into()),
        _ => None,
    }
}

fn classes(class: &str) -> impl Iterator<Item = (&str, &'static Class)> {
    let first = CLASSES.get(class).map(|found| (class, found));
    let above = |(_, found): &(&str, &'static Class)| {
        CLASSES
            .get(found.parent)
            .map(|parent| (found.parent, parent))
    };
    core::iter::successors(first, above).take(MOST_PARENTS)
}

fn is_a(class: &str, other: &str) -> bool {
    classes(class).any(|(name, _)| name == other)
}

fn find(class: &str, name: &str) -> Option<&'static str> {
    classes(class).find_map(|(_, class)| {
        let lines = class.body.lines();
        let mut pairs = lines.filter_map(|line| line.trim_start().split_once('='));
        pairs.find_map(|(property, value)| (property == name).then_some(value))
    })
}

/// What a constant of a built-in type is, for example `Vector2.ZERO`, as text.
pub(super) fn constant(name: &str) -> Option<&'static str> {
    Some(match name {
        "Vector2.ZERO" => "Vector2(0, 0)",
        "Vector2.ONE" => "Vector2(1, 1)",
        "Vector2.INF" => "Vector2(inf, inf)",
        "Vector2.LEFT" => "Vector2(-1, 0)",
        "Vector2.RIGHT" => "Vector2(1, 0)",
        "Vector2.UP" => "Vector2(0, -1)",
        "Vector2.DOWN" => "Vector2(0, 1)",
        "Vector2i.ZERO" => "Vector2i(0, 0)",
        "Vector2i.ONE" => "Vector2i(1, 1)",
        "Vector2i.LEFT" => "Vector2i(-1, 0)",
        "Vector2i.RIGHT" => "Vector2i(1, 0)",
        "Vector2i.UP" => "Vector2i(0, -1)",
        "Vector2i.DOWN" => "Vector2i(0, 1)",
        "Vector3.ZERO" => "Vector3(0, 0, 0)",
        "Vector3.ONE" => "Vector3(1, 1, 1)",
        "Vector3.INF" => "Vector3(inf, inf, inf)",
        "Vector3.LEFT" => "Vector3(-1, 0, 0)",
        "Vector3.RIGHT" => "Vector3(1, 0, 0)",
        "Vector3.UP" => "Vector3(0, 1, 0)",
        "Vector3.DOWN" => "Vector3(0, -1, 0)",
        "Vector3.FORWARD" => "Vector3(0, 0, -1)",
        "Vector3.BACK" => "Vector3(0, 0, 1)",
        "Vector3i.ZERO" => "Vector3i(0, 0, 0)",
        "Vector3i.ONE" => "Vector3i(1, 1, 1)",
        "Vector4.ZERO" => "Vector4(0, 0, 0, 0)",
        "Vector4.ONE" => "Vector4(1, 1, 1, 1)",
        "Vector4i.ZERO" => "Vector4i(0, 0, 0, 0)",
        "Vector4i.ONE" => "Vector4i(1, 1, 1, 1)",
        "Transform2D.IDENTITY" => "Transform2D(1, 0, 0, 1, 0, 0)",
        "Transform3D.IDENTITY" => "Transform3D(1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0)",
        "Basis.IDENTITY" => "Basis(1, 0, 0, 0, 1, 0, 0, 0, 1)",
        "Quaternion.IDENTITY" => "Quaternion(0, 0, 0, 1)",
        "Color.WHITE" => "Color(1, 1, 1, 1)",
        "Color.BLACK" => "Color(0, 0, 0, 1)",
        "Color.RED" => "Color(1, 0, 0, 1)",
        "Color.GREEN" => "Color(0, 1, 0, 1)",
        "Color.BLUE" => "Color(0, 0, 1, 1)",
        "Color.YELLOW" => "Color(1, 1, 0, 1)",
        "Color.CYAN" => "Color(0, 1, 1, 1)",
        "Color.MAGENTA" => "Color(1, 0, 1, 1)",
        "Color.TRANSPARENT" => "Color(1, 1, 1, 0)",
        _ => return None,
    })
}
