//! The datagram of the handshake: [`Claims`].

use proto_core::{NoSpace, Writer};

/// Length of a handshake datagram, in bytes.
pub const HANDSHAKE_BYTES: usize = 4;

/// What the sender of a handshake datagram says: `$`, then a letter or `-` for each of the three.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[expect(
    clippy::exhaustive_structs,
    reason = "the datagram has these three letters"
)]
pub struct Claims {
    /// `r`: it has received something from the other.
    pub received: bool,
    /// `w`: it has sent something to the other. Always true in the addon; [`Invitations`](super::Invitations) leave it out
    /// toward a client that is seen at another port than the announced one, so that it knows.
    pub sent: bool,
    /// `x`: what it received said `r`.
    pub exchanged: bool,
}

impl Claims {
    /// What a side says that has heard nothing.
    pub const SENT: Self = Self {
        received: false,
        sent: true,
        exchanged: false,
    };

    /// What a side says when nothing is left to find out.
    pub const ALL: Self = Self {
        received: true,
        sent: true,
        exchanged: true,
    };

    /// Reads a datagram; `None` if it is none of this handshake: not four bytes, no `$`, or another letter.
    ///
    /// The addon looks for letters anywhere in any datagram. Here the form is checked, since ENet is on the same socket.
    #[must_use]
    pub fn parse(datagram: &[u8]) -> Option<Self> {
        let &[b'$', received, sent, exchanged] = datagram else {
            return None;
        };
        let flag = |byte, letter| match byte {
            b'-' => Some(false),
            byte if byte == letter => Some(true),
            _ => None,
        };
        Some(Self {
            received: flag(received, b'r')?,
            sent: flag(sent, b'w')?,
            exchanged: flag(exchanged, b'x')?,
        })
    }

    /// The datagram.
    #[must_use]
    pub const fn to_bytes(self) -> [u8; HANDSHAKE_BYTES] {
        [
            b'$',
            if self.received { b'r' } else { b'-' },
            if self.sent { b'w' } else { b'-' },
            if self.exchanged { b'x' } else { b'-' },
        ]
    }

    /// Writes the datagram at the start of `buffer`.
    pub(super) fn write(self, buffer: &mut [u8]) -> Result<(), NoSpace> {
        Writer::new(buffer).bytes(&self.to_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_eight_combinations_survive_and_nothing_else_is_read() {
        for bits in 0..8_u8 {
            let claims = Claims {
                received: bits & 1 != 0,
                sent: bits & 2 != 0,
                exchanged: bits & 4 != 0,
            };
            assert_eq!(Claims::parse(&claims.to_bytes()), Some(claims));
        }
        assert_eq!(Claims::SENT.to_bytes(), *b"$-w-");
        assert_eq!(Claims::ALL.to_bytes(), *b"$rwx");
        for other in [&b""[..], b"$", b"$rw", b"$rwx ", b"#rwx", b"$xwr", b"$rw\0"] {
            assert_eq!(Claims::parse(other), None, "{other:?}");
        }
    }
}
