//! The text form of values: `var_to_str` and `str_to_var`, which scenes, resources and project files use too.
//!
//! ```
//! use replication_proto::variant::{Value, Vector3, text};
//! assert_eq!(text::from_text("Vector3(1, 2.5, -3)")?, Value::from(Vector3::new(1.0, 2.5, -3.0)));
//! assert_eq!(text::to_text(&text::from_text("[1,2 , {&\"a\":true}]")?), "[1, 2, {\n&\"a\": true\n}]");
//! let error = text::from_text("[1,\n 2 3]").unwrap_err();
//! assert_eq!((error.line, error.column), (2, 4));
//! # Ok::<(), text::TextError>(())
//! ```

mod base64;
mod construct;
mod lex;
mod literal;
mod number;
mod order;
mod parse;
mod write;

pub use lex::{TextError, TextErrorKind};
pub use parse::{Parser, from_text};
pub use write::to_text;
