//! The fields of the header: [`Class`], [`Method`], [`TransactionId`] (RFC 8489 section 5).

use core::fmt;
use proto_core::SeedRng;

/// Length of the header in bytes.
pub const HEADER_BYTES: usize = 20;

/// The fixed value in bytes 4 to 8 of each message since RFC 5389.
pub const MAGIC_COOKIE: u32 = 0x2112_A442;

/// What a message is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(
    clippy::exhaustive_enums,
    reason = "two bits on the wire: there are no others"
)]
pub enum Class {
    /// Asks for a response.
    Request,
    /// Asks for nothing.
    Indication,
    /// The response to a request that was granted.
    Success,
    /// The response to a request that was refused.
    Error,
}

impl Class {
    /// Whether it answers a request.
    #[must_use]
    pub const fn is_response(self) -> bool {
        matches!(self, Self::Success | Self::Error)
    }

    const fn bits(self) -> u16 {
        match self {
            Self::Request => 0x000,
            Self::Indication => 0x010,
            Self::Success => 0x100,
            Self::Error => 0x110,
        }
    }
}

/// What a message is about: 12 bits.
///
/// The registry is open, so this is a number with names (RFC 8489 section 18.2, RFC 8656, RFC 6062).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Method(u16);

impl Method {
    /// Binding (RFC 8489): what is my address?
    pub const BINDING: Self = Self(0x001);
    /// Shared Secret, of RFC 3489 only; reserved since.
    pub const SHARED_SECRET: Self = Self(0x002);
    /// Allocate (RFC 8656).
    pub const ALLOCATE: Self = Self(0x003);
    /// Refresh (RFC 8656).
    pub const REFRESH: Self = Self(0x004);
    /// Send (RFC 8656), an indication.
    pub const SEND: Self = Self(0x006);
    /// Data (RFC 8656), an indication.
    pub const DATA: Self = Self(0x007);
    /// CreatePermission (RFC 8656).
    pub const CREATE_PERMISSION: Self = Self(0x008);
    /// ChannelBind (RFC 8656).
    pub const CHANNEL_BIND: Self = Self(0x009);
    /// Connect (RFC 6062).
    pub const CONNECT: Self = Self(0x00A);
    /// ConnectionBind (RFC 6062).
    pub const CONNECTION_BIND: Self = Self(0x00B);
    /// ConnectionAttempt (RFC 6062), an indication.
    pub const CONNECTION_ATTEMPT: Self = Self(0x00C);

    /// The method with this number; `None` above 0xFFF, which the wire has no room for.
    #[must_use]
    pub const fn new(number: u16) -> Option<Self> {
        if number > 0xFFF {
            return None;
        }
        Some(Self(number))
    }

    /// Its number, at most 0xFFF.
    #[must_use]
    pub const fn number(self) -> u16 {
        self.0
    }

    const fn name(self) -> Option<&'static str> {
        Some(match self {
            Self::BINDING => "Binding",
            Self::SHARED_SECRET => "SharedSecret",
            Self::ALLOCATE => "Allocate",
            Self::REFRESH => "Refresh",
            Self::SEND => "Send",
            Self::DATA => "Data",
            Self::CREATE_PERMISSION => "CreatePermission",
            Self::CHANNEL_BIND => "ChannelBind",
            Self::CONNECT => "Connect",
            Self::CONNECTION_BIND => "ConnectionBind",
            Self::CONNECTION_ATTEMPT => "ConnectionAttempt",
            _ => return None,
        })
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "{:#05x}", self.0),
        }
    }
}

impl fmt::Debug for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The first two bytes of a message: class and method interleaved.
///
/// From high to low: `0 0 M11..M7 C1 M6..M4 C0 M3..M0`.
#[inline]
pub(crate) const fn message_type(class: Class, method: Method) -> u16 {
    let method = method.0;
    ((method & 0xF80) << 2) | ((method & 0x070) << 1) | (method & 0x00F) | class.bits()
}

/// The reverse of [`message_type`]; the two high bits are ignored.
#[inline]
pub(crate) const fn split_type(bits: u16) -> (Class, Method) {
    let class = match bits & 0x110 {
        0x000 => Class::Request,
        0x010 => Class::Indication,
        0x100 => Class::Success,
        _ => Class::Error,
    };
    let method = ((bits & 0x3E00) >> 2) | ((bits & 0x00E0) >> 1) | (bits & 0x000F);
    (class, Method(method))
}

/// The 96 bits that tie a response to its request.
///
/// They must be unpredictable: they are all that protects an unauthenticated transaction from a blind forger.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TransactionId([u8; 12]);

impl TransactionId {
    /// An id with these bytes, to answer a request or to repeat a recorded message.
    #[must_use]
    pub const fn new(bytes: [u8; 12]) -> Self {
        Self(bytes)
    }

    /// A fresh id. Each new request takes one, also the authenticated retry of an earlier one.
    #[must_use]
    pub fn random(rng: &mut SeedRng) -> Self {
        let mut bytes = [0; 12];
        rng.fill(&mut bytes);
        Self(bytes)
    }

    /// Its bytes in wire order.
    #[must_use]
    #[inline]
    pub const fn as_bytes(&self) -> &[u8; 12] {
        &self.0
    }
}

impl From<[u8; 12]> for TransactionId {
    fn from(bytes: [u8; 12]) -> Self {
        Self(bytes)
    }
}

impl fmt::Display for TransactionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for TransactionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // req: S-1
    #[test]
    fn every_class_and_method_survives_its_type_and_the_high_bits_stay_zero() {
        for number in 0..=0xFFF {
            let method = Method::new(number).expect("12 bits");
            for class in [
                Class::Request,
                Class::Indication,
                Class::Success,
                Class::Error,
            ] {
                let bits = message_type(class, method);
                assert_eq!(bits & 0xC000, 0);
                assert_eq!(split_type(bits), (class, method));
            }
        }
        assert_eq!(Method::new(0x1000), None);
    }

    // req: S-3
    #[test]
    fn ids_of_one_generator_differ_in_every_byte_sooner_or_later() {
        let mut rng = SeedRng::new([1; 32]);
        let first = TransactionId::random(&mut rng);
        let mut varied = [0_u8; 12];
        for _ in 0..64 {
            let next = TransactionId::random(&mut rng);
            assert_ne!(next, first);
            for (seen, (a, b)) in varied
                .iter_mut()
                .zip(first.as_bytes().iter().zip(next.as_bytes()))
            {
                *seen |= a ^ b;
            }
        }
        assert_eq!(varied, [0xFF; 12]);
    }
}
