//! Interest: who is near enough to see what. The engine has nothing of this kind.
//!
//! [`Grid`] tells, after each round of moves, which observers began or ceased to see which entities. What to do with
//! that, such as changing visibility of nodes, is up to the caller.

mod grid;

pub use grid::{Change, ChangeKind, Grid, GridConfig, GridError, Range};
