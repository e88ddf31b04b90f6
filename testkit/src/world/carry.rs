//! How a packet gets from one host to another: routing, links, boxes, delivery.

use super::gateway::Passage;
use super::host::{RECEIVE_BUFFER_BYTES, Running};
use super::log::Happening;
use super::packet::{Body, Packet, SendError};
use super::table::Blocked;
use super::{GatewayId, HostId, Route, World, ZoneId};
use crate::Machine;
use crate::link::LinkState;
use alloc::rc::Rc;
use core::net::SocketAddr;
use proto_core::{Handled, Instant};

/// Where a packet is to be looked at next.
#[derive(Clone, Debug)]
pub(crate) enum Hop {
    /// In a zone, to be routed there.
    Zone(ZoneId, Packet),
    /// At a box, from inside.
    Outbound(GatewayId, Packet),
    /// At a box, from outside.
    Inbound(GatewayId, Packet),
    /// At a host.
    Host(HostId, Packet),
}

/// What one link made of a packet.
struct Crossed {
    copies: [Option<(Instant, Packet)>; 2],
    too_long: Option<usize>,
}

fn cross(link: &mut LinkState, now: Instant, packet: Packet) -> Crossed {
    let fate = link.pass(now, packet.body.len());
    let copy = |packet: &Packet| {
        let mut packet = packet.clone();
        if let Body::Udp(bytes) = &mut packet.body {
            fate.spoil(bytes);
        }
        packet
    };
    let [first, second] = fate.arrivals;
    let second = second.map(|at| (at, copy(&packet)));
    let first = first.map(|at| (at, if fate.spoils() { copy(&packet) } else { packet }));
    Crossed {
        copies: [first, second],
        too_long: fate.too_long,
    }
}

impl<M: Machine> World<M> {
    /// Sends `packet` as `host` from its interface `index`.
    pub(crate) fn depart(&mut self, host: HostId, index: usize, packet: Packet) {
        let state = &mut self.hosts[host.0];
        let interface = &mut state.interfaces[index];
        let (zone, name) = (interface.zone, Rc::clone(&state.name));
        let crossed = cross(&mut interface.up, self.now, packet.clone());
        if let Some(mtu_bytes) = crossed.too_long {
            // The first hop is known at once; a later one tells by ICMP.
            self.fail(
                host,
                packet.from,
                packet.to,
                SendError::TooLong { mtu_bytes },
            );
        }
        self.schedule_copies(&name, packet, crossed, |packet| Hop::Zone(zone, packet));
    }

    /// Puts the copies that a link let through on their way.
    fn schedule_copies(
        &mut self,
        place: &Rc<str>,
        packet: Packet,
        crossed: Crossed,
        hop: impl Fn(Packet) -> Hop,
    ) {
        let [first, second] = crossed.copies;
        if first.is_none() {
            self.stats.lost += 1;
            self.log.packet(self.now, place, Happening::Lost, &packet);
        }
        self.stats.duplicated += u64::from(second.is_some());
        for (at, copy) in [first, second].into_iter().flatten() {
            self.enqueue(at, hop(copy));
        }
    }

    pub(crate) fn take_hop(&mut self, hop: Hop) {
        self.stats.hops += 1;
        match hop {
            Hop::Zone(zone, packet) => self.route(zone, packet),
            Hop::Outbound(gateway, packet) => self.leave_zone(gateway, packet),
            Hop::Inbound(gateway, packet) => self.enter_zone(gateway, packet),
            Hop::Host(host, packet) => self.arrive(host, packet),
        }
    }

    fn route(&mut self, zone: ZoneId, mut packet: Packet) {
        packet.hops += 1;
        let cut = self.cuts.contains(&(packet.from.ip(), packet.to.ip()));
        if packet.hops > Packet::MOST_HOPS || cut {
            self.stats.lost += 1;
            let place = Rc::clone(&self.zones[zone.0].name);
            self.log.packet(self.now, &place, Happening::Lost, &packet);
            return;
        }
        self.capture(&packet);
        let known = self.zones[zone.0].routes.get(&packet.to.ip()).copied();
        match known.or_else(|| self.way_out(zone, &packet)) {
            Some(Route::Out(gateway)) => self.enqueue(self.now, Hop::Outbound(gateway, packet)),
            Some(Route::Gateway(gateway)) => {
                let state = &mut self.gateways[gateway.0];
                let name = Rc::clone(&state.name);
                let crossed = cross(&mut state.down, self.now, packet.clone());
                self.tell_too_long(zone, &packet, &crossed);
                self.schedule_copies(&name, packet, crossed, |packet| {
                    Hop::Inbound(gateway, packet)
                });
            }
            Some(Route::Host(host)) => {
                let state = &mut self.hosts[host.0];
                let name = Rc::clone(&state.name);
                let to = packet.to.ip();
                let interface = state
                    .interfaces
                    .iter_mut()
                    .find(|interface| interface.zone == zone && interface.ip == to);
                let Some(interface) = interface else {
                    return;
                };
                let crossed = cross(&mut interface.down, self.now, packet.clone());
                self.tell_too_long(zone, &packet, &crossed);
                self.schedule_copies(&name, packet, crossed, |packet| Hop::Host(host, packet));
            }
            None => {
                self.stats.stray += 1;
                let place = Rc::clone(&self.zones[zone.0].name);
                self.log.packet(self.now, &place, Happening::Stray, &packet);
            }
        }
    }

    /// The box through which a packet leaves a zone: the one it is addressed to from inside, or the first that fits.
    fn way_out(&self, zone: ZoneId, packet: &Packet) -> Option<Route> {
        let boxes = &self.zones[zone.0].gateways;
        let is_own = |id: &&GatewayId| {
            let external = self.gateways[id.0].table.external();
            external.contains(&packet.to.ip())
        };
        let fits = |id: &&GatewayId| self.gateways[id.0].carries(packet.to.ip());
        boxes
            .iter()
            .find(is_own)
            .or_else(|| boxes.iter().find(fits))
            .map(|&id| Route::Out(id))
    }

    fn tell_too_long(&mut self, zone: ZoneId, packet: &Packet, crossed: &Crossed) {
        let error = crossed
            .too_long
            .and_then(|mtu_bytes| packet.error(SendError::TooLong { mtu_bytes }));
        if let Some(error) = error {
            self.enqueue(self.now, Hop::Zone(zone, error));
        }
    }

    fn leave_zone(&mut self, gateway: GatewayId, packet: Packet) {
        let now = self.now;
        let shown = packet.clone();
        let state = &mut self.gateways[gateway.0];
        let passage = state.outbound(now, packet);
        let (name, inner, outer) = (Rc::clone(&state.name), state.inner, state.outer);
        match passage {
            Passage::Out(packet) => {
                let crossed = cross(&mut state.up, now, packet.clone());
                if let Some(mtu_bytes) = crossed.too_long {
                    let error = shown.error(SendError::TooLong { mtu_bytes });
                    error
                        .into_iter()
                        .for_each(|error| self.enqueue(now, Hop::Zone(inner, error)));
                }
                self.schedule_copies(&name, packet, crossed, |packet| Hop::Zone(outer, packet));
            }
            Passage::In(packet) => self.enqueue(now, Hop::Zone(inner, packet)),
            Passage::Blocked(blocked, error) => {
                self.note_blocked(&name, blocked, &shown);
                error
                    .into_iter()
                    .for_each(|error| self.enqueue(now, Hop::Zone(inner, error)));
            }
        }
    }

    fn enter_zone(&mut self, gateway: GatewayId, packet: Packet) {
        let now = self.now;
        let shown = packet.clone();
        let state = &mut self.gateways[gateway.0];
        let passage = state.inbound(now, packet);
        let (name, inner, outer) = (Rc::clone(&state.name), state.inner, state.outer);
        match passage {
            Passage::In(packet) => self.enqueue(now, Hop::Zone(inner, packet)),
            Passage::Out(packet) => self.enqueue(now, Hop::Zone(outer, packet)),
            Passage::Blocked(blocked, error) => {
                self.note_blocked(&name, blocked, &shown);
                error
                    .into_iter()
                    .for_each(|error| self.enqueue(now, Hop::Zone(outer, error)));
            }
        }
    }

    fn note_blocked(&mut self, place: &Rc<str>, blocked: Blocked, packet: &Packet) {
        let counter = match blocked {
            Blocked::Exhausted => &mut self.stats.exhausted,
            Blocked::Filtered => &mut self.stats.filtered,
            Blocked::Hairpin => &mut self.stats.not_hairpinned,
            Blocked::Policy => &mut self.stats.prohibited,
            Blocked::Unmapped => &mut self.stats.unmapped,
        };
        *counter += 1;
        self.log
            .packet(self.now, place, Happening::Blocked(blocked), packet);
    }

    fn arrive(&mut self, host: HostId, packet: Packet) {
        let state = &mut self.hosts[host.0];
        match &mut state.running {
            Running::Up => self.hand_over(host, packet),
            Running::Stopped(waiting, bytes)
                if *bytes + packet.body.len() <= RECEIVE_BUFFER_BYTES =>
            {
                *bytes += packet.body.len();
                waiting.push_back(packet);
            }
            Running::Stopped(..) | Running::Suspended | Running::Down => {
                self.stats.host_down += 1;
                let name = Rc::clone(&state.name);
                self.log
                    .packet(self.now, &name, Happening::HostDown, &packet);
            }
        }
    }

    /// Gives the machine what arrived for it.
    pub(crate) fn hand_over(&mut self, host: HostId, packet: Packet) {
        let state = &mut self.hosts[host.0];
        let now = state.clock.at(self.now);
        let name = Rc::clone(&state.name);
        let Packet { from, to, .. } = packet;
        if let Body::Error { error, about } = packet.body {
            self.fail(host, to, about, error);
            return;
        }
        if !state.listens(to) {
            self.stats.stray += 1;
            self.log.packet(self.now, &name, Happening::Stray, &packet);
            self.refuse(host, &packet);
            return;
        }
        let bytes = packet.body.bytes();
        self.stats.delivered += 1;
        self.stats.delivered_bytes += bytes.len() as u64;
        let read = bytes.len().min(state.receive_bytes);
        let verdict = state.machine.handle_datagram(now, to, from, &bytes[..read]);
        self.log
            .packet(self.now, &name, Happening::Delivered, &packet);
        match verdict {
            Handled::Dropped(_) => self.stats.dropped += 1,
            Handled::NotMine => self.stats.not_mine += 1,
            Handled::Consumed | Handled::Inner { .. } => {}
        }
        self.touch(host);
    }

    /// Nobody listens on that port, and the system of the host says so.
    fn refuse(&mut self, host: HostId, packet: &Packet) {
        let interfaces = &self.hosts[host.0].interfaces;
        let index = interfaces.iter().position(|i| i.ip == packet.to.ip());
        if let (Some(index), Some(error)) = (index, packet.error(SendError::Refused)) {
            self.depart(host, index, error);
        }
    }

    /// Tells a machine that what it sent from `local` to `to` did not get through.
    pub(crate) fn fail(
        &mut self,
        host: HostId,
        local: SocketAddr,
        to: SocketAddr,
        error: SendError,
    ) {
        self.stats.send_errors += 1;
        let state = &mut self.hosts[host.0];
        let now = state.clock.at(self.now);
        let packet = Packet {
            from: local,
            to,
            body: Body::Udp(Vec::new()),
            hops: 0,
        };
        let name = Rc::clone(&state.name);
        self.log
            .packet(self.now, &name, Happening::SendError(error), &packet);
        state.machine.handle_send_error(now, local, to, error);
        self.touch(host);
    }

    /// Takes all that a host wants to send and to say, and when it wants to be woken.
    pub(crate) fn drain(&mut self, host: HostId) {
        let mut buffer = core::mem::take(&mut self.buffer);
        let world_now = self.now;
        for count in 0.. {
            assert!(
                count < super::MOST_DATAGRAMS_AT_ONCE,
                "{} sends for ever at {world_now}",
                self.hosts[host.0].name
            );
            let state = &mut self.hosts[host.0];
            let now = state.clock.at(world_now);
            let needed = state.machine.buffer_bytes();
            if buffer.len() < needed {
                buffer.resize(needed, 0);
            }
            let Some(transmit) = state.machine.poll_transmit(now, &mut buffer) else {
                break;
            };
            let source = state.source(transmit.source, transmit.destination);
            let fault = state.send_faults.filter(|_| source.is_ok());
            let fault = fault.filter(|&(permille, _)| state.dice.chance(permille));
            self.stats.sent += 1;
            self.stats.sent_bytes += transmit.bytes.len() as u64;
            let bytes = buffer[transmit.bytes].to_vec();
            match (source, fault) {
                (Ok((index, from)), None) => {
                    let packet = Packet {
                        from,
                        to: transmit.destination,
                        body: Body::Udp(bytes),
                        hops: 0,
                    };
                    let name = Rc::clone(&self.hosts[host.0].name);
                    self.log.packet(world_now, &name, Happening::Sent, &packet);
                    self.depart(host, index, packet);
                }
                (Ok((_, from)), Some((_, error))) => {
                    self.fail(host, from, transmit.destination, error);
                }
                (Err(error), _) => {
                    let local = transmit.source.unwrap_or(super::NOWHERE);
                    self.fail(host, local, transmit.destination, error);
                }
            }
        }
        self.buffer = buffer;
        self.drain_events(host);
    }

    fn drain_events(&mut self, host: HostId) {
        let state = &mut self.hosts[host.0];
        while let Some(event) = state.machine.poll_event() {
            let text = format!("{event:?}");
            self.log
                .note(self.now, &state.name, Happening::Event, &text);
            state.events.push_back(event);
        }
    }
}
