//! The channels of one connection: [`Channels`].

use crate::recv::ChannelIn;
use crate::send::ChannelOut;
use alloc::boxed::Box;
use alloc::vec::Vec;

/// No channel has this index; there are at most 255.
const UNUSED: u8 = u8::MAX;
/// Channels whose state lies in the connection itself: Godot's for reliable packets and for all others.
const NEAR: usize = 2;

/// Up to 255 channels, of which all but the first two take memory only once they have carried a packet.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Channels {
    count: usize,
    near: [Channel; NEAR],
    far: Option<Box<Far>>,
}

#[derive(Debug, Default)]
#[repr(C)]
pub(crate) struct Channel {
    pub(crate) input: ChannelIn,
    pub(crate) output: ChannelOut,
}

#[derive(Debug, Default)]
struct Far {
    /// Place in `used` by channel number less [`NEAR`], as long as the highest number that was used.
    places: Vec<u8>,
    used: Vec<Channel>,
}

impl Channels {
    pub(crate) fn new(count: usize) -> Self {
        Self {
            near: Default::default(),
            far: None,
            count,
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
        let index = usize::from(number);
        if index >= self.count {
            return None;
        }
        match self.near.get_mut(index) {
            Some(channel) => Some(channel),
            None => self.far.get_or_insert_default().open(index - NEAR),
        }
    }

    /// The sending half of channel `number`, if it was used.
    #[inline]
    pub(crate) fn output(&mut self, number: u8) -> Option<&mut ChannelOut> {
        let index = usize::from(number);
        match self.near.get_mut(index) {
            Some(channel) => Some(&mut channel.output),
            None => self.far.as_mut()?.output(index - NEAR),
        }
    }

    /// All that were used, and the near ones.
    fn used(&mut self) -> impl Iterator<Item = &mut Channel> {
        let far = self.far.as_mut().map(|far| far.used.iter_mut());
        self.near.iter_mut().chain(far.into_iter().flatten())
    }

    /// Forgets what waits to be sent on any channel.
    pub(crate) fn clear_output(&mut self) {
        for channel in self.used() {
            channel.output = ChannelOut::default();
        }
    }

    /// Gives back memory that is no longer needed.
    pub(crate) fn tidy(&mut self) {
        for channel in self.used() {
            channel.input.tidy();
            channel.output.in_flight.tidy();
        }
    }
}

impl Far {
    fn open(&mut self, index: usize) -> Option<&mut Channel> {
        if self.places.len() <= index {
            self.places.reserve_exact(index + 1 - self.places.len());
            self.places.resize(index + 1, UNUSED);
        }
        if self.places[index] == UNUSED {
            self.places[index] = u8::try_from(self.used.len()).ok()?;
            self.used.push(Channel::default());
        }
        self.used.get_mut(usize::from(self.places[index]))
    }

    fn output(&mut self, index: usize) -> Option<&mut ChannelOut> {
        let place = *self.places.get(index)?;
        let channel = self.used.get_mut(usize::from(place))?;
        Some(&mut channel.output)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_used_channels_take_memory_and_only_negotiated_ones_exist() {
        let mut channels = Channels::new(255);
        assert!(channels.output(3).is_none() && channels.output(255).is_none());
        assert!(channels.open(0).is_some() && channels.open(1).is_some());
        assert!(channels.far.is_none());
        assert!(channels.open(254).is_some() && channels.open(255).is_none());
        assert!(channels.open(2).is_some() && channels.open(254).is_some());
        assert_eq!(channels.far.as_ref().map(|far| far.used.len()), Some(2));
        channels.limit(4);
        assert!(channels.open(4).is_none());
        channels.limit(1);
        assert!(channels.open(0).is_some() && channels.open(1).is_none());
    }
}
