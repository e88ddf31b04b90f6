//! What the tests against C ENet and the Godot engine share.

pub mod arena;
pub mod differential;
pub mod dtls;
pub mod enet;
pub mod engine;
pub mod exchange;
pub mod gateway;
pub mod ice;
pub mod lossy;
pub mod namespaces;
pub mod stage;
pub mod stun;
