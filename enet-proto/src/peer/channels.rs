//! The channels of one connection: [`Channels`].

use crate::recv::ChannelIn;
use crate::send::ChannelOut;
use alloc::vec::Vec;

/// No channel has this index; there are at most 255.
const UNUSED: u8 = u8::MAX;

/// Up to 255 channels, of which only those that carried a packet take memory.
#[derive(Debug)]
pub(crate) struct Channels {
    count: usize,
    /// Place in `used` by channel number, as long as the highest number that was used.
    places: Vec<u8>,
    used: Vec<Channel>,
}

#[derive(Debug, Default)]
pub(crate) struct Channel {
    pub(crate) input: ChannelIn,
    pub(crate) output: ChannelOut,
}

impl Channels {
    pub(crate) const fn new(count: usize) -> Self {
        Self {
            count,
            places: Vec::new(),
            used: Vec::new(),
        }
    }

    /// How many channels there are.
    pub(crate) const fn count(&self) -> usize {
        self.count
    }

    /// Lowers the number of channels to what the remote grants.
    pub(crate) fn limit(&mut self, count: usize) {
        self.count = self.count.min(count);
    }

    /// The channel `number`, made on first use; nothing if the connection does not have it.
    #[inline]
    pub(crate) fn open(&mut self, number: u8) -> Option<&mut Channel> {
        let place = self.places.get(usize::from(number)).copied();
        match place {
            Some(place) if place != UNUSED => self.used.get_mut(usize::from(place)),
            _ => self.make(number),
        }
    }

    #[cold]
    fn make(&mut self, number: u8) -> Option<&mut Channel> {
        let index = usize::from(number);
        if index >= self.count {
            return None;
        }
        if self.places.len() <= index {
            self.places.reserve_exact(index + 1 - self.places.len());
            self.places.resize(index + 1, UNUSED);
        }
        self.places[index] = u8::try_from(self.used.len()).ok()?;
        self.used.push(Channel::default());
        self.used.last_mut()
    }

    /// The sending half of channel `number`, if it was used.
    #[inline]
    pub(crate) fn output(&mut self, number: u8) -> Option<&mut ChannelOut> {
        let place = *self.places.get(usize::from(number))?;
        let channel = self.used.get_mut(usize::from(place))?;
        Some(&mut channel.output)
    }

    /// Forgets what waits to be sent on any channel.
    pub(crate) fn clear_output(&mut self) {
        for channel in &mut self.used {
            channel.output = ChannelOut::default();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_used_channels_take_memory_and_only_negotiated_ones_exist() {
        let mut channels = Channels::new(255);
        assert!(channels.output(3).is_none());
        assert!(channels.open(254).is_some() && channels.open(255).is_none());
        assert!(channels.open(0).is_some() && channels.open(254).is_some());
        assert_eq!(channels.used.len(), 2);
        channels.limit(4);
        assert!(channels.open(4).is_none());
    }
}
