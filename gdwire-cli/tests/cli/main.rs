//! Black-box tests: the built binary, its output and its exit codes.

mod common;
mod demo;
mod dtls;
mod mapping;
mod ndjson;
mod network;
mod scene;
mod stun;
mod swarm;
