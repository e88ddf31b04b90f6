//! Building a [`World`] and changing it while it runs.

use super::carry::Hop;
use super::gateway::{Gateway, GatewayState};
use super::host::{Clock, Host, Interface, Pause, Running};
use super::log::Happening;
use super::packet::{Body, Packet, SendError};
use super::{Captured, GatewayId, HostId, Route, World, Zone, ZoneId};
use crate::{Dice, Link, Machine};
use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::rc::Rc;
use core::net::{IpAddr, SocketAddr};

impl<M: Machine> World<M> {
    /// Puts a box at the edge of `outer`, with these addresses there, and makes the zone inside it.
    ///
    /// A firewall has no addresses of its own. Boxes have perfect links until [`World::set_uplink`] changes them.
    ///
    /// # Panics
    ///
    /// If the name or an address is taken.
    pub fn add_gateway(
        &mut self,
        name: &str,
        outer: ZoneId,
        addresses: &[IpAddr],
        kind: impl Into<Gateway>,
    ) -> GatewayId {
        let inner = ZoneId(self.zones.len());
        let inside = format!("inside {name}");
        let key = self.name(&inside);
        self.zones.push(Zone {
            key,
            name: Rc::from(inside),
            gateways: Vec::new(),
            routes: BTreeMap::new(),
        });
        self.add_gateway_between(name, (inner, outer), addresses, kind)
    }

    /// Puts a further box between two zones, such as a firewall for IPv6 or a NAT64 beside a NAT. Packets leave the inner
    /// zone through the first box that carries their family.
    ///
    /// # Panics
    ///
    /// If the name or an address is taken.
    pub fn add_gateway_between(
        &mut self,
        name: &str,
        (inner, outer): (ZoneId, ZoneId),
        addresses: &[IpAddr],
        kind: impl Into<Gateway>,
    ) -> GatewayId {
        let kind = kind.into();
        let key = self.name(name);
        let dice = self.dice.part(name.as_bytes());
        let id = GatewayId(self.gateways.len());
        let table = GatewayState::table(&kind, addresses.to_vec(), dice.part(b"table"));
        self.gateways.push(GatewayState {
            name: Rc::from(name),
            key,
            kind,
            inner,
            outer,
            up: self.tapes.link(format!("{name} up"), dice.part(b"up")),
            down: self.tapes.link(format!("{name} down"), dice.part(b"down")),
            table,
        });
        self.zones[inner.0].gateways.push(id);
        for &ip in addresses {
            self.add_route(outer, ip, Route::Gateway(id));
        }
        let inside: Vec<IpAddr> = self.zones[inner.0].routes.keys().copied().collect();
        for ip in inside {
            self.announce(id, ip);
        }
        id
    }

    /// The zone inside a box.
    #[must_use]
    pub fn inside(&self, gateway: GatewayId) -> ZoneId {
        self.gateways[gateway.0].inner
    }

    /// Puts a machine at an address of a zone, with a socket on the port.
    ///
    /// # Panics
    ///
    /// If the name or the address is taken.
    pub fn add_host(&mut self, name: &str, zone: ZoneId, socket: SocketAddr, machine: M) -> HostId {
        let key = self.name(name);
        let id = HostId(self.hosts.len());
        self.hosts.push(Host {
            name: Rc::from(name),
            key,
            machine,
            running: Running::Up,
            interfaces: Vec::new(),
            first_socket: Vec::new(),
            sockets: BTreeSet::new(),
            clock: Clock::default(),
            events: VecDeque::new(),
            timer: None,
            send_faults: None,
            receive_bytes: usize::MAX,
            dice: self.dice.part(name.as_bytes()),
        });
        self.add_interface(id, zone, socket.ip());
        self.bind(id, socket);
        self.touch(id);
        id
    }

    /// Gives a host a further address, in the same zone or in another, with perfect links until [`World::set_access`]
    /// changes them.
    ///
    /// # Panics
    ///
    /// If the address is taken in that zone.
    pub fn add_interface(&mut self, host: HostId, zone: ZoneId, ip: IpAddr) {
        let state = &self.hosts[host.0];
        let name = format!("{} {ip}", state.name);
        let dice = self
            .dice
            .part(state.name.as_bytes())
            .part(ip.to_string().as_bytes());
        self.hosts[host.0].interfaces.push(Interface {
            zone,
            ip,
            up: self.tapes.link(format!("{name} up"), dice.part(b"up")),
            down: self.tapes.link(format!("{name} down"), dice.part(b"down")),
        });
        self.add_route(zone, ip, Route::Host(host));
    }

    /// Opens a socket of a host. With an unspecified address it receives for all addresses of that family. Datagrams of a
    /// machine that names no source leave from the first socket of the destination's family.
    pub fn bind(&mut self, host: HostId, socket: SocketAddr) {
        let state = &mut self.hosts[host.0];
        if state.sockets.insert(socket) {
            state.first_socket.push(socket);
        }
    }

    /// Closes a socket of a host.
    pub fn close(&mut self, host: HostId, socket: SocketAddr) {
        let state = &mut self.hosts[host.0];
        state.sockets.remove(&socket);
        state.first_socket.retain(|&other| other != socket);
    }

    /// Replaces the links of one interface, in both directions.
    pub fn set_access(&mut self, host: HostId, ip: IpAddr, link: Link) {
        self.set_access_links(host, ip, link, link);
    }

    /// Replaces the links of one interface: away from the host, and to it.
    ///
    /// # Panics
    ///
    /// If the host does not have that address.
    pub fn set_access_links(&mut self, host: HostId, ip: IpAddr, up: Link, down: Link) {
        let interface = self.hosts[host.0]
            .interfaces
            .iter_mut()
            .find(|interface| interface.ip == ip)
            .unwrap_or_else(|| panic!("no interface has {ip}"));
        interface.up.link = up;
        interface.down.link = down;
    }

    /// Replaces the links between a box and its outer zone: away from the box, and to it.
    pub fn set_uplink(&mut self, gateway: GatewayId, up: Link, down: Link) {
        let state = &mut self.gateways[gateway.0];
        state.up.link = up;
        state.down.link = down;
    }

    /// Sets the clock of a host.
    pub fn set_clock(&mut self, host: HostId, clock: Clock) {
        self.hosts[host.0].clock = clock;
        self.touch(host);
    }

    /// Lets so many of 1000 datagrams of a host fail with an error of its system.
    pub fn set_send_faults(&mut self, host: HostId, permille: u32, error: SendError) {
        self.hosts[host.0].send_faults = Some((permille, error)).filter(|_| permille > 0);
    }

    /// Cuts what is longer than this off the end of what a host receives, as a short buffer does.
    pub fn set_receive_bytes(&mut self, host: HostId, bytes: usize) {
        self.hosts[host.0].receive_bytes = bytes;
    }

    /// Loses everything that shows `from` as its source and `to` as its destination, in every zone.
    pub fn cut(&mut self, from: IpAddr, to: IpAddr) {
        self.cuts.insert((from, to));
    }

    /// Ends a [`World::cut`].
    pub fn heal(&mut self, from: IpAddr, to: IpAddr) {
        self.cuts.remove(&(from, to));
    }

    /// Stops a host, until [`World::resume`].
    pub fn pause(&mut self, host: HostId, pause: Pause) {
        let state = &mut self.hosts[host.0];
        state.running = match pause {
            Pause::Stopped => Running::Stopped(VecDeque::new(), 0),
            Pause::Suspended => Running::Suspended,
        };
        self.changed(host, "paused");
    }

    /// Lets a paused host go on; it gets what its system kept for it.
    pub fn resume(&mut self, host: HostId) {
        self.changed(host, "resumed");
        let state = &mut self.hosts[host.0];
        let before = core::mem::take(&mut state.running);
        if let Running::Stopped(waiting, _) = before {
            for packet in waiting {
                self.hand_over(host, packet);
            }
        }
        self.touch(host);
    }

    /// Ends the machine of a host without a farewell; its state is lost. [`World::restart`] starts another.
    pub fn crash(&mut self, host: HostId) {
        self.changed(host, "crashed");
        self.hosts[host.0].running = Running::Down;
    }

    /// Starts a machine on a host in place of the one before, with the same sockets. Gives back the one before.
    pub fn restart(&mut self, host: HostId, machine: M) -> M {
        self.changed(host, "restarted");
        let state = &mut self.hosts[host.0];
        state.running = Running::Up;
        let before = core::mem::replace(&mut state.machine, machine);
        self.touch(host);
        before
    }

    /// Moves an interface of a host to another address, in the same zone or in another one, as a telephone does that leaves a
    /// wireless network. Sockets stay: one on an unspecified address goes with it, one on the old address is dead.
    ///
    /// # Panics
    ///
    /// If the host does not have `from`, or `to` is taken.
    pub fn readdress(&mut self, host: HostId, from: IpAddr, zone: ZoneId, to: IpAddr) {
        let interface = self.hosts[host.0]
            .interfaces
            .iter_mut()
            .find(|interface| interface.ip == from)
            .unwrap_or_else(|| panic!("no interface has {from}"));
        let before = core::mem::replace(&mut interface.zone, zone);
        interface.ip = to;
        self.remove_route(before, from);
        self.add_route(zone, to, Route::Host(host));
        self.changed(host, "readdressed");
    }

    /// Lets a box forget all its mappings and filters, as a restart does.
    pub fn reboot(&mut self, gateway: GatewayId) {
        let state = &mut self.gateways[gateway.0];
        state.table.clear();
        let name = Rc::clone(&state.name);
        self.log
            .note(self.now, &name, Happening::Changed, "rebooted");
    }

    /// Gives a box other outer addresses; its mappings are lost.
    ///
    /// # Panics
    ///
    /// If an address is taken.
    pub fn renumber(&mut self, gateway: GatewayId, addresses: &[IpAddr]) {
        let state = &mut self.gateways[gateway.0];
        let (before, outer) = (state.table.external().to_vec(), state.outer);
        state.table.set_external(addresses.to_vec());
        let name = Rc::clone(&state.name);
        for ip in before {
            self.remove_route(outer, ip);
        }
        for &ip in addresses {
            self.add_route(outer, ip, Route::Gateway(gateway));
        }
        self.log
            .note(self.now, &name, Happening::Changed, "renumbered");
    }

    /// Forwards an outer port of a NAT to an inner endpoint, for anybody and for ever: what its owner types in, or a port
    /// mapping protocol asks for. Gives the outer endpoint.
    ///
    /// # Panics
    ///
    /// If the box has no address of that family.
    pub fn forward(&mut self, gateway: GatewayId, internal: SocketAddr, port: u16) -> SocketAddr {
        let table = &mut self.gateways[gateway.0].table;
        let fits = |ip: &&IpAddr| ip.is_ipv4() == internal.is_ipv4();
        let ip = table.external().iter().find(fits).copied();
        let ip = ip.unwrap_or_else(|| panic!("the box has no address like {internal}"));
        let external = SocketAddr::new(ip, port);
        table.forward(internal, external);
        external
    }

    /// The live mappings of a box, as (inner endpoint, outer endpoint).
    #[must_use]
    pub fn mappings(&self, gateway: GatewayId) -> Vec<(SocketAddr, SocketAddr)> {
        self.gateways[gateway.0].table.mappings(self.now).collect()
    }

    /// Keeps up to `most` datagrams as they pass through zones, for [`World::take_captured`]: what an eavesdropper has.
    pub const fn capture_up_to(&mut self, most: usize) {
        self.capture_max = most;
    }

    /// What was captured since the last call, oldest first. A datagram shows up once for each zone that it passes.
    pub fn take_captured(&mut self) -> Vec<Captured> {
        core::mem::take(&mut self.captured)
    }

    /// Puts a datagram into a zone with a source of the attacker's choice.
    pub fn inject(&mut self, zone: ZoneId, from: SocketAddr, to: SocketAddr, bytes: &[u8]) {
        let packet = Packet {
            from,
            to,
            body: Body::Udp(bytes.to_vec()),
            hops: 0,
        };
        self.enqueue(self.now, Hop::Zone(zone, packet));
    }

    pub(crate) fn capture(&mut self, packet: &Packet) {
        if self.captured.len() >= self.capture_max {
            return;
        }
        if let Body::Udp(bytes) = &packet.body {
            self.captured.push(Captured {
                at: self.now,
                from: packet.from,
                to: packet.to,
                bytes: bytes.clone(),
            });
        }
    }

    fn name(&mut self, name: &str) -> u64 {
        let key = Dice::new(0).part(name.as_bytes()).roll();
        assert!(self.names.insert(key), "two things are called {name}");
        key
    }

    fn changed(&mut self, host: HostId, how: &str) {
        let name = Rc::clone(&self.hosts[host.0].name);
        self.log.note(self.now, &name, Happening::Changed, how);
        self.touch(host);
    }

    fn add_route(&mut self, zone: ZoneId, ip: IpAddr, route: Route) {
        let before = self.zones[zone.0].routes.insert(ip, route);
        let name = &self.zones[zone.0].name;
        assert!(
            before.is_none_or(|before| before == route),
            "two hosts or boxes have {ip} in {name}"
        );
        for gateway in self.zones[zone.0].gateways.clone() {
            self.announce(gateway, ip);
        }
    }

    /// Lets the outer zone know that an address is behind a box that translates nothing.
    fn announce(&mut self, gateway: GatewayId, ip: IpAddr) {
        let state = &self.gateways[gateway.0];
        if state.is_transparent() {
            self.add_route(state.outer, ip, Route::Gateway(gateway));
        }
    }

    fn remove_route(&mut self, zone: ZoneId, ip: IpAddr) {
        self.zones[zone.0].routes.remove(&ip);
        for gateway in self.zones[zone.0].gateways.clone() {
            let state = &self.gateways[gateway.0];
            if state.is_transparent() {
                self.remove_route(state.outer, ip);
            }
        }
    }
}
