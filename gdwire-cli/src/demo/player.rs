//! A player of the demo: a gdwire client.

use super::game::{self, PLAYERS, PlayerReport, STEPS};
use core::net::SocketAddr;
use gdwire::drive::{self, tokio::ClientDriver};
use gdwire::session::{NodeKey, PeerId, RpcCall, Target};
use gdwire::variant::Vector2;
use gdwire::{Client, ClientConfig, Event, Instant, Value};
use std::io;

/// Plays until the server ends the game.
pub(super) async fn play(server: SocketAddr) -> io::Result<()> {
    let mut client = Client::new(ClientConfig::new(drive::seed()?)).map_err(io::Error::other)?;
    client
        .add_blueprint(&game::blueprint()?)
        .map_err(io::Error::other)?;
    let arena = client.session().node(game::ARENA);
    let arena = arena.ok_or_else(|| io::Error::other("the arena is missing"))?;
    let driver = ClientDriver::connect(server, client)?;
    let mut player = Player {
        begun: driver.now(),
        driver,
        arena,
        report: PlayerReport::default(),
        has_begun: false,
        has_reported: false,
    };
    while let Some(event) = player.driver.next_event().await? {
        match event {
            Event::Rpc(call) => player.on_call(&call)?,
            Event::Spawned(_) => player.report.spawns += 1,
            Event::Sync(_) => player.report.syncs += 1,
            Event::ConnectionFailed { reason } => return Err(io::Error::other(reason)),
            other => tracing::debug!(event = ?other, "player"),
        }
        player.finish()?;
    }
    Ok(())
}

struct Player {
    driver: ClientDriver,
    arena: NodeKey,
    begun: Instant,
    report: PlayerReport,
    has_begun: bool,
    has_reported: bool,
}

impl Player {
    fn on_call(&mut self, call: &RpcCall) -> io::Result<()> {
        match (&*call.method, call.arguments.as_slice()) {
            ("start", _) => {
                self.has_begun = true;
                self.report.first_rpc = self.driver.now().saturating_since(self.begun);
                let others = Target::AllBut(PeerId::SERVER);
                self.call(others, "cheer", &[Value::from("good luck")])?;
                self.steer()?;
            }
            ("moved", [player, position]) => {
                self.report.moves += 1;
                let is_me = player.as_int() == Some(self.driver.client().id().value().into());
                if is_me && game::steps(Some(position)).is_some_and(|steps| steps < STEPS) {
                    self.steer()?;
                }
            }
            ("cheer", _) => self.report.cheers += 1,
            _ => {}
        }
        Ok(())
    }

    /// Reports once everything has arrived.
    fn finish(&mut self) -> io::Result<()> {
        let report = self.report;
        let is_done = self.has_begun
            && !self.has_reported
            && report.moves == PLAYERS * STEPS
            && report.cheers == PLAYERS - 1
            && game::is_complete(self.driver.client().session());
        if !is_done {
            return Ok(());
        }
        self.has_reported = true;
        self.call(PeerId::SERVER.into(), "report", &report.to_arguments())
    }

    fn steer(&mut self) -> io::Result<()> {
        let right = Value::from(Vector2::new(1.0, 0.0));
        self.call(PeerId::SERVER.into(), "steer", &[right])
    }

    fn call(&mut self, target: Target, method: &str, arguments: &[Value]) -> io::Result<()> {
        let client = self.driver.client_mut();
        client
            .rpc(target, self.arena, method, arguments)
            .map(drop)
            .map_err(io::Error::other)
    }
}
