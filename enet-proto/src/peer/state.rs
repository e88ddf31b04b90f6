//! The states of a connection, once it has a place in the peer table.
//!
//! ```text
//!             VERIFY_CONNECT               disconnect, or the queues are empty
//! Connecting ---------------> Connected -----------------------------------.
//!     |                        |     ^  accepted from a half-open entry     v
//!     |    disconnect_later    v     '----------------           Disconnecting
//!     |                  DisconnectLater ------------------------------^ |
//!     v                        v                                         v
//!  (ended: DISCONNECT received, timeout, handshake failed, acknowledgement of our DISCONNECT)
//! ```
//!
//! ENet's other states are elsewhere: a remote that connects to us is in the table of half-open connections until it
//! has proven its address, and an ended connection is a tombstone.

/// The state of one connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a state is handled or forgotten")]
pub enum State {
    /// We sent CONNECT and wait for VERIFY_CONNECT.
    Connecting,
    /// Packets go both ways.
    Connected,
    /// As connected, but only until all that waits has been acknowledged.
    DisconnectLater {
        /// The number for the remote's application.
        data: u32,
    },
    /// We sent DISCONNECT and wait for its acknowledgement.
    Disconnecting,
}

/// What moves a connection from one state to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Input {
    /// A VERIFY_CONNECT that fits our CONNECT.
    Verified,
    /// `Host::disconnect`.
    Disconnect,
    /// `Host::disconnect_later`, with something left to send.
    DisconnectLater { data: u32 },
    /// Nothing is left to send or to be acknowledged.
    Drained,
}

impl State {
    /// The state after `input`, or nothing if it has no meaning here.
    pub(crate) const fn after(self, input: Input) -> Option<Self> {
        match (self, input) {
            (Self::Connecting, Input::Verified) => Some(Self::Connected),
            (Self::Connected | Self::DisconnectLater { .. }, Input::Disconnect)
            | (Self::DisconnectLater { .. }, Input::Drained) => Some(Self::Disconnecting),
            (Self::Connected | Self::DisconnectLater { .. }, Input::DisconnectLater { data }) => {
                Some(Self::DisconnectLater { data })
            }
            _ => None,
        }
    }

    /// Whether packets are received: ENet's states CONNECTED and DISCONNECT_LATER.
    pub(crate) const fn is_open(self) -> bool {
        matches!(self, Self::Connected | Self::DisconnectLater { .. })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;
    use alloc::string::String;

    #[test]
    fn the_whole_table_is_as_checked_in() {
        let states = [
            State::Connecting,
            State::Connected,
            State::DisconnectLater { data: 1 },
            State::Disconnecting,
        ];
        let inputs = [
            Input::Verified,
            Input::Disconnect,
            Input::DisconnectLater { data: 2 },
            Input::Drained,
        ];
        let mut table = String::new();
        for state in states {
            for input in inputs {
                let after = state
                    .after(input)
                    .map_or_else(|| "-".into(), |state| format!("{state:?}"));
                table += &format!("{state:?} + {input:?} -> {after}\n");
            }
        }
        assert_eq!(table, include_str!("transitions.txt"));
    }
}
