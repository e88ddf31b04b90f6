//! Machines in which protocols meet: a [`Server`] or [`Client`] is an ENet host and a session in one.

mod blueprint;
mod channel;
mod client;
mod commands;
mod config;
mod enet_session;
mod event;
mod hosts;
mod link;
#[cfg(feature = "dtls")]
mod secure;
mod server;

#[cfg(feature = "project")]
pub use blueprint::ProjectPlace;
pub use blueprint::{Blueprint, BlueprintError};
pub use client::Client;
pub use config::{ClientConfig, ConfigError, ConnectError, Refusal, ServerConfig};
pub use event::{DisconnectReason, Event, RefusalReason};
pub use server::{Server, ServerStats};
