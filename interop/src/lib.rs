//! What the tests against C ENet and the Godot engine share.
