//! The attributes that this crate can judge: legal lengths and values of each, in one place.

use super::*;

macro_rules! table {
    ($($kind:ident: $check:expr;)+) => {
        /// Position of each known attribute in the table; at most 63.
        #[derive(Clone, Copy)]
        #[expect(non_camel_case_types, clippy::upper_case_acronyms, reason = "named like the constants of the numbers")]
        enum Index { $($kind,)+ }

        /// A number below 64 for each attribute that [`check`] knows.
        #[inline]
        pub(crate) const fn known_index(kind: AttributeType) -> Option<u32> {
            Some(match kind {
                $(AttributeType::$kind => Index::$kind as u32,)+
                _ => return None,
            })
        }

        /// Whether the value of `kind` has the form that its RFC gives it; unknown attributes have none.
        pub(crate) fn check(kind: AttributeType, value: &[u8], id: &TransactionId) -> Result<(), AttributeError> {
            type Check = fn(&[u8], &TransactionId) -> Result<(), AttributeError>;
            match kind {
                $(AttributeType::$kind => {
                    let check: Check = $check;
                    check(value, id)
                })+
                _ => Ok(()),
            }
        }
    };
}

/// The check of an attribute that has a type of its own: its value decodes.
macro_rules! decodes {
    ($type:ty) => {
        |value, id| <$type>::decode(value, id).map(drop)
    };
}

table! {
    MAPPED_ADDRESS: decodes!(MappedAddress);
    CHANGE_REQUEST: decodes!(ChangeRequest);
    USERNAME: decodes!(Username<'_>);
    MESSAGE_INTEGRITY: |value, _| length(AttributeType::MESSAGE_INTEGRITY, value.len() == 20);
    ERROR_CODE: decodes!(ErrorCode<'_>);
    UNKNOWN_ATTRIBUTES: decodes!(UnknownAttributes);
    CHANNEL_NUMBER: decodes!(ChannelNumber);
    LIFETIME: decodes!(Lifetime);
    XOR_PEER_ADDRESS: decodes!(XorPeerAddress);
    REALM: decodes!(Realm<'_>);
    NONCE: decodes!(Nonce<'_>);
    XOR_RELAYED_ADDRESS: decodes!(XorRelayedAddress);
    REQUESTED_ADDRESS_FAMILY: decodes!(RequestedAddressFamily);
    EVEN_PORT: decodes!(EvenPort);
    REQUESTED_TRANSPORT: decodes!(RequestedTransport);
    DONT_FRAGMENT: decodes!(DontFragment);
    MESSAGE_INTEGRITY_SHA256: |value, _| {
        let legal = matches!(value.len(), 16..=32) && value.len().is_multiple_of(4);
        length(AttributeType::MESSAGE_INTEGRITY_SHA256, legal)
    };
    PASSWORD_ALGORITHM: decodes!(PasswordAlgorithm<'_>);
    USERHASH: decodes!(UserHash);
    XOR_MAPPED_ADDRESS: decodes!(XorMappedAddress);
    RESERVATION_TOKEN: decodes!(ReservationToken);
    PRIORITY: decodes!(Priority);
    USE_CANDIDATE: decodes!(UseCandidate);
    RESPONSE_PORT: decodes!(ResponsePort);
    CONNECTION_ID: decodes!(ConnectionId);
    ADDITIONAL_ADDRESS_FAMILY: decodes!(AdditionalAddressFamily);
    ADDRESS_ERROR_CODE: decodes!(AddressErrorCode<'_>);
    PASSWORD_ALGORITHMS: decodes!(PasswordAlgorithms<'_>);
    ALTERNATE_DOMAIN: decodes!(AlternateDomain<'_>);
    ICMP: decodes!(Icmp);
    SOFTWARE: decodes!(Software<'_>);
    ALTERNATE_SERVER: decodes!(AlternateServer);
    TRANSACTION_TRANSMIT_COUNTER: decodes!(TransactionTransmitCounter);
    CACHE_TIMEOUT: decodes!(CacheTimeout);
    ICE_CONTROLLED: decodes!(IceControlled);
    ICE_CONTROLLING: decodes!(IceControlling);
    RESPONSE_ORIGIN: decodes!(ResponseOrigin);
    OTHER_ADDRESS: decodes!(OtherAddress);
    THIRD_PARTY_AUTHORIZATION: decodes!(ThirdPartyAuthorization<'_>);
}

const fn length(kind: AttributeType, legal: bool) -> Result<(), AttributeError> {
    if legal {
        Ok(())
    } else {
        Err(AttributeError::length(kind))
    }
}
