//! The words that all gdwire protocol crates share: time, bytes, datagrams, randomness, rates.
//!
//! This crate knows no protocol and does nothing by itself. A protocol machine takes an [`Instant`], addresses and
//! slices, and gives back [`Transmit`]s and deadlines; this crate says what those are.
//!
//! ```
//! use proto_core::{Instant, Reader, Writer};
//! use core::time::Duration;
//!
//! let mut buffer = [0; 8];
//! let mut writer = Writer::new(&mut buffer);
//! writer.u16_be(0x8fff)?;
//! writer.u32_le(7)?;
//! assert_eq!(writer.written(), [0x8f, 0xff, 7, 0, 0, 0]);
//!
//! let mut reader = Reader::new(&buffer[..6]);
//! assert_eq!(reader.u16_be("peer id")?, 0x8fff);
//! assert_eq!(reader.u32_le("count")?, 7);
//! assert!(reader.u8("more").is_err());
//!
//! let later = Instant::from_millis(1000) + Duration::from_millis(500);
//! assert_eq!(later.as_millis(), 1500);
//! # Ok::<(), Box<dyn core::error::Error>>(())
//! ```
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod bytes;
mod datagram;
mod rate;
mod seed;
mod time;

pub use bytes::{DecodeError, DecodeErrorKind, NoSpace, Reader, Writer};
pub use datagram::{Handled, Transmit, is_possible_source};
pub use rate::{Rate, TokenBucket};
pub use seed::SeedRng;
pub use time::{Instant, TimerTable};
