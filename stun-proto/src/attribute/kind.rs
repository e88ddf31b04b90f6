//! Numbers of attributes: [`AttributeType`].

use core::fmt;

/// The number of an attribute.
///
/// The registry is open, so this is a number with names (RFC 8489 section 18.3 and the RFCs that add to it).
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AttributeType(u16);

impl AttributeType {
    /// The attribute with this number.
    #[must_use]
    pub const fn new(number: u16) -> Self {
        Self(number)
    }

    /// Its number.
    #[must_use]
    #[inline]
    pub const fn number(self) -> u16 {
        self.0
    }

    /// Whether a message with it must be refused by who does not know it: numbers below 0x8000.
    #[must_use]
    #[inline]
    pub const fn is_comprehension_required(self) -> bool {
        self.0 < 0x8000
    }
}

macro_rules! names {
    ($($name:ident = $number:literal, $text:literal, $doc:literal;)+) => {
        impl AttributeType {
            $(#[doc = $doc]
            pub const $name: Self = Self($number);)+

            /// Its name in the registry, if it has one.
            #[must_use]
            pub const fn name(self) -> Option<&'static str> {
                Some(match self {
                    $(Self::$name => $text,)+
                    _ => return None,
                })
            }
        }
    };
}

names! {
    MAPPED_ADDRESS = 0x0001, "MAPPED-ADDRESS", "MAPPED-ADDRESS (RFC 8489 section 14.1).";
    CHANGE_REQUEST = 0x0003, "CHANGE-REQUEST", "CHANGE-REQUEST (RFC 5780 section 7.2).";
    USERNAME = 0x0006, "USERNAME", "USERNAME (RFC 8489 section 14.3).";
    MESSAGE_INTEGRITY = 0x0008, "MESSAGE-INTEGRITY", "MESSAGE-INTEGRITY (RFC 8489 section 14.5).";
    ERROR_CODE = 0x0009, "ERROR-CODE", "ERROR-CODE (RFC 8489 section 14.8).";
    UNKNOWN_ATTRIBUTES = 0x000A, "UNKNOWN-ATTRIBUTES", "UNKNOWN-ATTRIBUTES (RFC 8489 section 14.13).";
    CHANNEL_NUMBER = 0x000C, "CHANNEL-NUMBER", "CHANNEL-NUMBER (RFC 8656 section 18.1).";
    LIFETIME = 0x000D, "LIFETIME", "LIFETIME (RFC 8656 section 18.2).";
    XOR_PEER_ADDRESS = 0x0012, "XOR-PEER-ADDRESS", "XOR-PEER-ADDRESS (RFC 8656 section 18.3).";
    DATA = 0x0013, "DATA", "DATA (RFC 8656 section 18.4).";
    REALM = 0x0014, "REALM", "REALM (RFC 8489 section 14.9).";
    NONCE = 0x0015, "NONCE", "NONCE (RFC 8489 section 14.10).";
    XOR_RELAYED_ADDRESS = 0x0016, "XOR-RELAYED-ADDRESS", "XOR-RELAYED-ADDRESS (RFC 8656 section 18.5).";
    REQUESTED_ADDRESS_FAMILY = 0x0017, "REQUESTED-ADDRESS-FAMILY", "REQUESTED-ADDRESS-FAMILY (RFC 8656 section 18.6).";
    EVEN_PORT = 0x0018, "EVEN-PORT", "EVEN-PORT (RFC 8656 section 18.7).";
    REQUESTED_TRANSPORT = 0x0019, "REQUESTED-TRANSPORT", "REQUESTED-TRANSPORT (RFC 8656 section 18.8).";
    DONT_FRAGMENT = 0x001A, "DONT-FRAGMENT", "DONT-FRAGMENT (RFC 8656 section 18.9).";
    ACCESS_TOKEN = 0x001B, "ACCESS-TOKEN", "ACCESS-TOKEN (RFC 7635 section 6.2).";
    MESSAGE_INTEGRITY_SHA256 = 0x001C, "MESSAGE-INTEGRITY-SHA256", "MESSAGE-INTEGRITY-SHA256 (RFC 8489 section 14.6).";
    PASSWORD_ALGORITHM = 0x001D, "PASSWORD-ALGORITHM", "PASSWORD-ALGORITHM (RFC 8489 section 14.12).";
    USERHASH = 0x001E, "USERHASH", "USERHASH (RFC 8489 section 14.4).";
    XOR_MAPPED_ADDRESS = 0x0020, "XOR-MAPPED-ADDRESS", "XOR-MAPPED-ADDRESS (RFC 8489 section 14.2).";
    RESERVATION_TOKEN = 0x0022, "RESERVATION-TOKEN", "RESERVATION-TOKEN (RFC 8656 section 18.10).";
    PRIORITY = 0x0024, "PRIORITY", "PRIORITY (RFC 8445 section 16.1).";
    USE_CANDIDATE = 0x0025, "USE-CANDIDATE", "USE-CANDIDATE (RFC 8445 section 16.1).";
    PADDING = 0x0026, "PADDING", "PADDING (RFC 5780 section 7.6).";
    RESPONSE_PORT = 0x0027, "RESPONSE-PORT", "RESPONSE-PORT (RFC 5780 section 7.5).";
    CONNECTION_ID = 0x002A, "CONNECTION-ID", "CONNECTION-ID (RFC 6062 section 6.2.1).";
    ADDITIONAL_ADDRESS_FAMILY = 0x8000, "ADDITIONAL-ADDRESS-FAMILY", "ADDITIONAL-ADDRESS-FAMILY (RFC 8656 section 18.11).";
    ADDRESS_ERROR_CODE = 0x8001, "ADDRESS-ERROR-CODE", "ADDRESS-ERROR-CODE (RFC 8656 section 18.12).";
    PASSWORD_ALGORITHMS = 0x8002, "PASSWORD-ALGORITHMS", "PASSWORD-ALGORITHMS (RFC 8489 section 14.11).";
    ALTERNATE_DOMAIN = 0x8003, "ALTERNATE-DOMAIN", "ALTERNATE-DOMAIN (RFC 8489 section 14.16).";
    ICMP = 0x8004, "ICMP", "ICMP (RFC 8656 section 18.13).";
    SOFTWARE = 0x8022, "SOFTWARE", "SOFTWARE (RFC 8489 section 14.14).";
    ALTERNATE_SERVER = 0x8023, "ALTERNATE-SERVER", "ALTERNATE-SERVER (RFC 8489 section 14.15).";
    TRANSACTION_TRANSMIT_COUNTER = 0x8025, "TRANSACTION_TRANSMIT_COUNTER", "TRANSACTION_TRANSMIT_COUNTER (RFC 7982 section 3.3).";
    CACHE_TIMEOUT = 0x8027, "CACHE-TIMEOUT", "CACHE-TIMEOUT (RFC 5780 section 7.1, reserved).";
    FINGERPRINT = 0x8028, "FINGERPRINT", "FINGERPRINT (RFC 8489 section 14.7).";
    ICE_CONTROLLED = 0x8029, "ICE-CONTROLLED", "ICE-CONTROLLED (RFC 8445 section 16.1).";
    ICE_CONTROLLING = 0x802A, "ICE-CONTROLLING", "ICE-CONTROLLING (RFC 8445 section 16.1).";
    RESPONSE_ORIGIN = 0x802B, "RESPONSE-ORIGIN", "RESPONSE-ORIGIN (RFC 5780 section 7.3).";
    OTHER_ADDRESS = 0x802C, "OTHER-ADDRESS", "OTHER-ADDRESS (RFC 5780 section 7.4).";
    ECN_CHECK = 0x802D, "ECN-CHECK", "ECN-CHECK (RFC 6679 section 7.2).";
    THIRD_PARTY_AUTHORIZATION = 0x802E, "THIRD-PARTY-AUTHORIZATION", "THIRD-PARTY-AUTHORIZATION (RFC 7635 section 6.1).";
    MOBILITY_TICKET = 0x8030, "MOBILITY-TICKET", "MOBILITY-TICKET (RFC 8016 section 3.1.1).";
    GOOG_NETWORK_INFO = 0xC057, "GOOG-NETWORK-INFO", "GOOG-NETWORK-INFO, of a browser.";
    GOOG_LAST_ICE_CHECK_RECEIVED = 0xC058, "GOOG-LAST-ICE-CHECK-RECEIVED", "GOOG-LAST-ICE-CHECK-RECEIVED, of a browser.";
    GOOG_MISC_INFO = 0xC059, "GOOG-MISC-INFO", "GOOG-MISC-INFO, of a browser.";
    GOOG_CONNECTION_ID = 0xC05B, "GOOG-CONNECTION-ID", "GOOG-CONNECTION-ID, of a browser.";
    GOOG_DELTA = 0xC05C, "GOOG-DELTA", "GOOG-DELTA, of a browser.";
    GOOG_DELTA_ACK = 0xC05D, "GOOG-DELTA-ACK", "GOOG-DELTA-ACK, of a browser.";
    GOOG_MESSAGE_INTEGRITY_32 = 0xC060, "GOOG-MESSAGE-INTEGRITY-32", "GOOG-MESSAGE-INTEGRITY-32, of a browser.";
    DTLS_IN_STUN = 0xC070, "DTLS-IN-STUN", "DTLS-IN-STUN, of a browser.";
    DTLS_IN_STUN_ACKNOWLEDGEMENT = 0xC071, "DTLS-IN-STUN-ACKNOWLEDGEMENT", "DTLS-IN-STUN-ACKNOWLEDGEMENT, of a browser.";
}

impl From<u16> for AttributeType {
    fn from(number: u16) -> Self {
        Self(number)
    }
}

impl fmt::Display for AttributeType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "{:#06x}", self.0),
        }
    }
}

impl fmt::Debug for AttributeType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
