//! What happens when the memory that all peers share is taken.

use super::Host;
use crate::DisconnectReason;
use core::time::Duration;

/// The time between two looks at who takes too much.
const LOOK: Duration = Duration::from_secs(1);
/// Looks after which a peer above its share is dropped: a long packet of an honest one is through by then.
const LOOKS: u32 = 3;

impl Host {
    /// Has somebody looked for who takes too much, since a packet found no room.
    #[cold]
    pub(super) fn ask_relief(&mut self) {
        if self.relief.is_none() {
            self.relief = Some(self.clock.now() + LOOK);
            self.wake_by(self.relief);
        }
    }

    /// Drops the peer that has been above its share for longest, of several the one that holds most. Those who went below
    /// their share meanwhile start anew.
    pub(super) fn relieve(&mut self) {
        self.relief = None;
        for peer in self.peers.iter_mut() {
            let held = &mut peer.held;
            let above = held.beyond_share > 0;
            held.looks_above_share = u32::from(above) * (held.looks_above_share + 1);
        }
        let longest = self
            .peers
            .iter()
            .filter(|peer| peer.held.looks_above_share >= LOOKS)
            .max_by_key(|peer| (peer.held.looks_above_share, peer.held.beyond_share));
        if let Some(peer) = longest {
            let slot = peer.key.slot;
            if let Some(farewell) = self.farewell(slot, 0) {
                self.replies
                    .push(super::replies::Reply::Disconnect(farewell));
            }
            self.end(slot, Some(DisconnectReason::HostLimit), None);
        }
    }
}
