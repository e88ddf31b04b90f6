//! A room without a transport: [`SessionRoom`].

use super::{FRAME, Units};
use proto_core::Instant;
use replication_proto::{Config, PeerId, Scene, Session, Stats};

/// A session whose packets go nowhere.
#[derive(Debug)]
pub struct SessionRoom {
    session: Session,
    units: Units,
    now: Instant,
}

impl SessionRoom {
    /// A room in which all clients have joined and all units are spawned.
    #[must_use]
    pub fn new(scene: &Scene, units: usize, clients: usize) -> Self {
        let mut config = Config::server();
        config.frame_interval = None;
        let mut session = Session::new(config).expect("good settings");
        let now = Instant::from_millis(1000);
        for id in (2..).take(clients) {
            let id = PeerId::new(id).expect("an id");
            assert!(session.handle_peer_connected(now, id).is_accepted());
        }
        let units = Units::spawn(&mut session, scene, units);
        let mut room = Self {
            session,
            units,
            now,
        };
        // The first changes go to everybody in full.
        (0..10).for_each(|_| {
            room.frame();
        });
        room
    }

    /// What the session has counted so far.
    #[must_use]
    pub fn stats(&self) -> Stats {
        *self.session.stats()
    }

    /// Moves all units and sends what follows; gives its bytes.
    pub fn frame(&mut self) -> usize {
        self.now = self.now + FRAME;
        self.units.step(&mut self.session);
        self.session.tick(self.now);
        let mut bytes = 0;
        while let Some(outgoing) = self.session.poll_packet() {
            bytes += outgoing.packet.len();
        }
        while self.session.poll_event().is_some() {}
        bytes
    }
}
