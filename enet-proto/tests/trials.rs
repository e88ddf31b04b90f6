//! ENet under hundreds of seeded bad networks: what was promised of packets and connections holds at every moment, and
//! everything goes on when the weather clears.

extern crate alloc;

mod common;

use alloc::collections::{BTreeMap, BTreeSet};
use bytes::Bytes;
use common::End;
use core::net::SocketAddr;
use core::time::Duration;
use enet_proto::{Config, Event, PacketFlags, PeerKey};
use testkit::trial::{Broken, Run, trial};
use testkit::world::{HostId, World};

const CHANNELS: usize = 3;

/// What one end sent and received, from one connection to the next.
#[derive(Default)]
struct Ledger {
    peer: Option<PeerKey>,
    /// Reliable packets of the present connection that the other end must get, by channel.
    owed: BTreeMap<u8, Vec<u32>>,
    /// Last reliable packet that came, by channel, and all packets that came.
    latest: BTreeMap<u8, u32>,
    seen: BTreeSet<u32>,
    /// Sessions that ended.
    ended: BTreeSet<PeerKey>,
}

struct Game {
    hosts: [HostId; 2],
    ledgers: [Ledger; 2],
    sent: u32,
    received: usize,
    /// Somebody hung up in this connection, so packets under way may be lost.
    hung_up: bool,
}

fn payload(serial: u32, len: usize) -> Bytes {
    let mut bytes = serial.to_be_bytes().to_vec();
    bytes.resize(4 + len, serial.to_le_bytes()[0]);
    bytes.into()
}

impl Game {
    fn server() -> SocketAddr {
        SocketAddr::from(([192, 0, 2, 1], 7777))
    }

    fn connect(&self, world: &mut World<End>) {
        let now = world.now();
        let host = &mut world.machine_mut(self.hosts[1]).host;
        if host.peers().next().is_none() {
            let _ = host.connect(now, Self::server(), CHANNELS, 0);
        }
    }

    fn send(&mut self, world: &mut World<End>, end: usize, action: u64) {
        let Some(peer) = self.ledgers[end].peer else {
            return;
        };
        let channel = action.to_le_bytes()[2] % 3;
        let flags = match action.to_le_bytes()[3] % 6 {
            0 => PacketFlags::NONE,
            1 => PacketFlags::UNSEQUENCED,
            2 => PacketFlags::UNRELIABLE_FRAGMENT,
            _ => PacketFlags::RELIABLE,
        };
        let long = if action.to_le_bytes()[4].is_multiple_of(8) {
            6000
        } else {
            40
        };
        let bytes = payload(self.sent, long);
        let host = &mut world.machine_mut(self.hosts[end]).host;
        if host.send(peer, channel, flags, bytes).is_ok() && flags.contains(PacketFlags::RELIABLE) {
            self.ledgers[end]
                .owed
                .entry(channel)
                .or_default()
                .push(self.sent);
        }
        self.sent += 1;
    }

    fn hang_up(&mut self, world: &mut World<End>, end: usize) {
        if let Some(peer) = self.ledgers[end].peer {
            self.hung_up = true;
            world.machine_mut(self.hosts[end]).host.disconnect(peer, 0);
        }
    }

    fn look(&mut self, world: &mut World<End>) -> Result<(), Broken> {
        for end in 0..2 {
            for event in world.take_events(self.hosts[end]) {
                self.observe(end, event)?;
            }
        }
        Ok(())
    }

    fn observe(&mut self, end: usize, event: Event) -> Result<(), Broken> {
        let text = format!("{event:?}");
        let ledger = &mut self.ledgers[end];
        match event {
            Event::Connected { peer, .. } => {
                *ledger = Ledger {
                    peer: Some(peer),
                    ended: core::mem::take(&mut ledger.ended),
                    ..Ledger::default()
                };
                if end == 1 {
                    self.hung_up = false;
                }
            }
            Event::Disconnected { peer, .. } => {
                // An older session may end later, and an attempt that fails ends with this event alone.
                let again = !ledger.ended.insert(peer);
                Broken::unless(!again, "a session ends once", || text)?;
                if ledger.peer == Some(peer) {
                    ledger.peer = None;
                    self.hung_up = true;
                }
            }
            Event::Received {
                peer,
                channel,
                flags,
                payload: bytes,
                ..
            } => {
                Broken::unless(
                    ledger.peer == Some(peer),
                    "no packet without a connection",
                    || text.clone(),
                )?;
                let serial = bytes
                    .first_chunk()
                    .map(|serial| u32::from_be_bytes(*serial));
                let serial = serial.unwrap_or(u32::MAX);
                let intact = bytes == payload(serial, bytes.len().saturating_sub(4));
                Broken::unless(intact, "packets arrive unaltered", || text.clone())?;
                Broken::unless(ledger.seen.insert(serial), "packets arrive once", || {
                    text.clone()
                })?;
                if flags.contains(PacketFlags::RELIABLE) {
                    let before = ledger.latest.insert(channel, serial);
                    let in_order = before.is_none_or(|before| before < serial);
                    Broken::unless(in_order, "reliable packets arrive in order", || text)?;
                }
                self.received += 1;
            }
            _ => {}
        }
        Ok(())
    }

    /// After a healing: the ends agree on whether they are connected, and if nobody hung up nothing reliable is missing.
    fn judge(&self) -> Result<(), Broken> {
        let [server, client] = &self.ledgers;
        let agree = server.peer.is_some() == client.peer.is_some();
        Broken::unless(agree, "both ends agree in the end", || {
            format!("server {:?}, client {:?}", server.peer, client.peer)
        })?;
        if self.hung_up || server.peer.is_none() {
            return Ok(());
        }
        for (from, to) in [(server, client), (client, server)] {
            let missing = from
                .owed
                .values()
                .flatten()
                .find(|serial| !to.seen.contains(serial));
            Broken::unless(
                missing.is_none(),
                "everything reliable arrives in the end",
                || format!("{missing:?}"),
            )?;
        }
        Ok(())
    }
}

fn scenario(run: &mut Run) -> Result<(), Broken> {
    let mut world = World::new(run.seed());
    // Without checksums ENet trusts those of UDP.
    let checksum = run.features().damage;
    let hosts = [("server", 1), ("client", 2)].map(|(name, last)| {
        let mut config = Config::new(run.dice(name).seed());
        config.checksum = checksum;
        let socket = SocketAddr::from(([192, 0, 2, last], 7777));
        let host = world.add_host(name, World::<End>::INTERNET, socket, End::new(config));
        let (up, down) = (run.link(), run.link());
        world.set_access_links(host, socket.ip(), up, down);
        host
    });
    let mut game = Game {
        hosts,
        ledgers: Default::default(),
        sent: 0,
        received: 0,
        hung_up: false,
    };
    let actions = run.actions(120);
    run.play(&mut world, |run, world| {
        game.connect(world);
        world.run_for(Duration::from_secs(2));
        game.look(world)?;
        for action in actions {
            match action % 32 {
                0 => game.hang_up(world, usize::from(action.to_le_bytes()[1] % 2)),
                1..=3 => game.connect(world),
                _ => game.send(world, usize::from(action.to_le_bytes()[1] % 2), action),
            }
            world.run_for(Duration::from_millis((action >> 40) % 250));
            game.look(world)?;
        }
        world.heal_all();
        // Longer than an attempt and than a connection to a dead peer may last.
        world.run_for(Duration::from_secs(70));
        game.look(world)?;
        game.judge()?;
        // And a new session works whatever was before.
        for end in 0..2 {
            game.hang_up(world, end);
        }
        world.run_for(Duration::from_secs(35));
        game.look(world)?;
        game.connect(world);
        world.run_for(Duration::from_secs(2));
        game.look(world)?;
        game.send(world, 1, 0x0300_0000);
        world.run_for(Duration::from_secs(2));
        let before = game.received;
        game.look(world)?;
        Broken::unless(
            game.received > before,
            "a healed network carries a new session",
            String::new,
        )?;
        run.delivered(game.received);
        Ok(())
    })
}

// req: SIM-10
#[test]
fn two_hundred_bad_networks_break_no_promise() {
    let summary = trial("two_hundred_bad_networks", 200, scenario);
    assert!(summary.happenings > 50_000, "{summary}");
}
