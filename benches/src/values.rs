//! Godot values as games send them.

use replication_proto::variant::{Dictionary, Value, Vector3};

/// What a movement call carries: a sequence number, a position, a velocity and a flag.
#[must_use]
pub fn movement() -> Vec<Value> {
    let vector = |x| {
        Value::Vector3(Vector3 {
            x,
            y: 1.5,
            z: -2.25,
        })
    };
    vec![
        Value::Int(90_210),
        vector(10.5),
        vector(-0.75),
        Value::Bool(true),
    ]
}

/// The state of a small game: sixteen players with name, position, score and inventory.
#[must_use]
pub fn game_state() -> Value {
    let mut state = Dictionary::new();
    for number in 0..16_i32 {
        let mut player = Dictionary::new();
        let position = Vector3 {
            x: number as f32,
            y: 0.0,
            z: 0.5,
        };
        let entries = [
            ("name", Value::from(format!("player {number}"))),
            ("position", Value::Vector3(position)),
            ("score", Value::Int(i64::from(number) * 1000)),
            ("items", Value::PackedInt32Array((0..8).collect())),
        ];
        for (key, value) in entries {
            player
                .insert(key, value)
                .expect("the dictionary is untyped");
        }
        state
            .insert(number, Value::from(player))
            .expect("the dictionary is untyped");
    }
    Value::from(state)
}

/// A mesh or a path: a thousand points.
#[must_use]
pub fn points() -> Value {
    let point = |x: u16| Vector3 {
        x: x.into(),
        y: 1.0,
        z: 2.0,
    };
    Value::PackedVector3Array((0..1000).map(point).collect())
}
