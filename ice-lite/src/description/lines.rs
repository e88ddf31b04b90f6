//! Descriptions as the attribute lines of SDP (RFC 8839 section 5): [`Description::attributes`].
#![deny(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::arithmetic_side_effects
)]

use super::{Description, Options};
use crate::candidate::number;
use crate::{Candidate, Credentials, CredentialsError};
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::time::Duration;

/// Why attribute lines are no description.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum DescriptionError {
    /// There are more than [`Description::MOST_LINES`] lines, or more of anything else than is read.
    #[error("the description is too long")]
    TooLong,
    /// There is no fragment, or no password.
    #[error("there is no username fragment or no password")]
    NoCredentials,
    /// Fragment or password are none.
    #[error(transparent)]
    Credentials(#[from] CredentialsError),
    /// The peer says that something on the way changed its addresses, and that it does not do ICE.
    #[error("the peer found a mismatch of addresses and does not do ICE")]
    Mismatch,
    /// The text is no session description.
    #[cfg(feature = "sdp")]
    #[error("the text is no session description")]
    NotSdp,
    /// The session has no such media section.
    #[cfg(feature = "sdp")]
    #[error("there is no such media section")]
    NoMedia,
}

/// A description that was read, and what of it was passed over.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReadDescription {
    /// The description.
    pub description: Description,
    /// Candidate lines that are malformed, of a kind that is not known here, or too many.
    pub skipped: usize,
    /// Whether the default destination is none of the candidates: something on the way has changed it, and ICE is better
    /// answered with `ice-mismatch` (RFC 8839 section 4.2.5). Only whole sessions show it.
    pub mismatch: bool,
}

impl Description {
    /// Most attribute lines that are read.
    pub const MOST_LINES: usize = 1024;

    /// The attributes, without `a=` and line ends: `ice-lite`, `ice-ufrag`, `ice-pwd`, `ice-options`, `ice-pacing`, a
    /// `candidate` for each, `end-of-candidates`.
    ///
    /// `ice-lite` belongs at session level in SDP, and the rest with the media; [`Description::from_attributes`] takes them
    /// in any order.
    ///
    /// ```
    /// use ice_lite::{Credentials, Description};
    ///
    /// let description = Description::new(Credentials::new("abcd", "abcdefghijklmnopqrstuv")?);
    /// let lines = description.attributes();
    /// assert_eq!(lines[0], "ice-ufrag:abcd");
    /// let read = Description::from_attributes(lines.iter().map(String::as_str))?;
    /// assert_eq!(read.description, description);
    /// # Ok::<(), Box<dyn core::error::Error>>(())
    /// ```
    #[must_use]
    pub fn attributes(&self) -> Vec<String> {
        let mut lines = Vec::new();
        if self.lite {
            lines.push("ice-lite".into());
        }
        lines.push(alloc::format!("ice-ufrag:{}", self.credentials.ufrag()));
        lines.push(alloc::format!("ice-pwd:{}", self.credentials.password()));
        let words = [
            (self.options.ice2, "ice2"),
            (self.options.trickle, "trickle"),
            (self.options.renomination, "renomination"),
        ];
        let words: Vec<&str> = words
            .iter()
            .filter(|(set, _)| *set)
            .map(|&(_, word)| word)
            .collect();
        if !words.is_empty() {
            lines.push(alloc::format!("ice-options:{}", words.join(" ")));
        }
        if let Some(pacing) = self.pacing {
            lines.push(alloc::format!("ice-pacing:{}", pacing.as_millis()));
        }
        lines.extend(self.candidates.iter().map(Candidate::to_string));
        if self.ended {
            lines.push("end-of-candidates".into());
        }
        lines
    }

    /// Reads attribute lines, each with or without `a=` in front. Lines that are not about ICE are passed over, and so are
    /// candidates that cannot be read, for one bad candidate is no reason to have none. Of a line that may be there once the
    /// last counts, so that those of a media section may follow those of the session.
    ///
    /// # Errors
    /// [`DescriptionError`].
    #[expect(
        single_use_lifetimes,
        reason = "an anonymous lifetime is not stable there"
    )]
    pub fn from_attributes<'a>(
        lines: impl IntoIterator<Item = &'a str>,
    ) -> Result<ReadDescription, DescriptionError> {
        let mut found = Found::default();
        for (index, line) in lines.into_iter().enumerate() {
            if index >= Self::MOST_LINES {
                return Err(DescriptionError::TooLong);
            }
            found.take(line)?;
        }
        let (Some(ufrag), Some(password)) = (found.ufrag, found.password) else {
            return Err(DescriptionError::NoCredentials);
        };
        let mut description = Self::new(Credentials::new(ufrag, password)?);
        description.lite = found.lite;
        description.options = found.options;
        description.pacing = found.pacing;
        description.candidates = found.candidates;
        description.ended = found.ended;
        Ok(ReadDescription {
            description,
            skipped: found.skipped,
            mismatch: false,
        })
    }
}

#[derive(Default)]
struct Found<'a> {
    ufrag: Option<&'a str>,
    password: Option<&'a str>,
    lite: bool,
    options: Options,
    pacing: Option<Duration>,
    candidates: Vec<Candidate>,
    skipped: usize,
    ended: bool,
}

impl<'a> Found<'a> {
    fn take(&mut self, line: &'a str) -> Result<(), DescriptionError> {
        let line = line.strip_prefix("a=").unwrap_or(line);
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        match name {
            "ice-ufrag" => self.ufrag = Some(value),
            "ice-pwd" => self.password = Some(value),
            "ice-lite" => self.lite = true,
            "ice-mismatch" => return Err(DescriptionError::Mismatch),
            "ice-options" => self.take_options(value),
            "ice-pacing" => {
                let millis = number(value, 10_000);
                self.pacing = millis.map(|millis| Duration::from_millis(millis.into()));
            }
            "candidate" => match line.parse() {
                Ok(candidate) if self.candidates.len() < Description::MOST_CANDIDATES => {
                    self.candidates.push(candidate);
                }
                _ => self.skipped = self.skipped.saturating_add(1),
            },
            "end-of-candidates" => self.ended = true,
            _ => {}
        }
        Ok(())
    }

    fn take_options(&mut self, words: &str) {
        // RFC 8839 puts spaces between them; libdatachannel puts commas.
        for word in words.split([' ', ',']) {
            match word {
                "ice2" => self.options.ice2 = true,
                "trickle" => self.options.trickle = true,
                "renomination" => self.options.renomination = true,
                _ => {}
            }
        }
    }
}
