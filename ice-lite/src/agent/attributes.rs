//! Attributes of checks that are the caller's affair.

use super::Agent;
use crate::Event;
use crate::check::TAKES_ASYMMETRIC;
use alloc::boxed::Box;
use alloc::vec::Vec;
use stun_proto::Message;
use stun_proto::attribute::AttributeType;

/// Most bytes of the caller's attributes, headers and padding included, and of one that is told.
const MOST_BYTES: usize = 256;

/// Why attributes cannot be added to checks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum AttributesError {
    /// A peer that does not know the type would refuse the check.
    #[error("attribute {0:#06x} must be understood by the peer")]
    MustBeUnderstood(u16),
    /// ICE itself writes it.
    #[error("attribute {0:#06x} belongs to ICE")]
    Reserved(u16),
    /// They are longer than 256 bytes together.
    #[error("the attributes are too long")]
    TooLong,
}

impl Agent {
    /// Adds these attributes, types and values, to every check from now on, in place of those before: the cost of a network,
    /// a DTLS handshake that rides along. Their types are 0x8000 and above, so that a peer may pass them over.
    ///
    /// # Errors
    /// [`AttributesError`]; nothing has changed.
    pub fn set_attributes(&mut self, attributes: &[(u16, &[u8])]) -> Result<(), AttributesError> {
        let own = [
            self.config.nomination_attribute,
            TAKES_ASYMMETRIC,
            AttributeType::FINGERPRINT.number(),
            AttributeType::ICE_CONTROLLED.number(),
            AttributeType::ICE_CONTROLLING.number(),
        ];
        for &(kind, _) in attributes {
            if kind < 0x8000 {
                return Err(AttributesError::MustBeUnderstood(kind));
            }
            if own.contains(&kind) {
                return Err(AttributesError::Reserved(kind));
            }
        }
        let bytes = attributes
            .iter()
            .map(|(_, value)| value.len().next_multiple_of(4) + 4);
        if bytes.sum::<usize>() > MOST_BYTES {
            return Err(AttributesError::TooLong);
        }
        let attributes = attributes.iter();
        self.rare_mut().extra = attributes
            .map(|&(kind, value)| (kind, Box::from(value)))
            .collect::<Vec<_>>();
        Ok(())
    }

    /// Tells the watched attribute of an authentic check, if it is new.
    pub(super) fn watch(&mut self, message: &Message<'_>) {
        let Some(kind) = self.config.watched_attribute else {
            return;
        };
        let Some(value) = message.raw(AttributeType::new(kind)) else {
            return;
        };
        let watched = self.rare.as_ref().and_then(|rare| rare.watched.as_deref());
        if value.len() <= MOST_BYTES && watched != Some(value) {
            self.rare_mut().watched = Some(value.into());
            self.tell(Event::Attribute(value.into()));
        }
    }
}
