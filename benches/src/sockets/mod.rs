//! Echo servers in processes of their own, ours and C ENet's, under the same load over loopback.

mod load;
mod process;

pub use load::{Load, Pattern};
pub use process::{Process, serve};
