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
    let arena = client.add_node(game::arena()).map_err(io::Error::other)?;
    let driver = ClientDriver::connect(server, client)?;
    let mut player = Player {
        begun: driver.now(),
        driver,
        arena,
        report: None,
    };
    while let Some(event) = player.driver.next_event().await? {
        match event {
            Event::Rpc(call) => player.on_call(&call)?,
            Event::ConnectionFailed { reason } => return Err(io::Error::other(reason)),
            other => tracing::debug!(event = ?other, "player"),
        }
    }
    Ok(())
}

struct Player {
    driver: ClientDriver,
    arena: NodeKey,
    begun: Instant,
    report: Option<PlayerReport>,
}

impl Player {
    fn on_call(&mut self, call: &RpcCall) -> io::Result<()> {
        match (&*call.method, call.arguments.as_slice()) {
            ("start", _) => {
                self.report = Some(PlayerReport {
                    moves: 0,
                    cheers: 0,
                    first_rpc: self.driver.now().saturating_since(self.begun),
                });
                let others = Target::AllBut(PeerId::SERVER);
                self.call(others, "cheer", &[Value::from("good luck")])?;
                self.steer()?;
            }
            ("moved", [player, position]) => {
                if let Some(report) = &mut self.report {
                    report.moves += 1;
                }
                let is_me = player.as_int() == Some(self.driver.client().id().value().into());
                if is_me && steps(position) < STEPS {
                    self.steer()?;
                }
            }
            ("cheer", _) => {
                if let Some(report) = &mut self.report {
                    report.cheers += 1;
                }
            }
            _ => {}
        }
        match self.report {
            Some(report) if report.moves == PLAYERS * STEPS && report.cheers == PLAYERS - 1 => {
                self.call(PeerId::SERVER.into(), "report", &report.to_arguments())
            }
            _ => Ok(()),
        }
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

/// How many steps lead to `position`.
fn steps(position: &Value) -> usize {
    match position {
        #[expect(clippy::cast_possible_truncation, reason = "steps are few")]
        Value::Vector2(position) => usize::try_from(position.x as i64).unwrap_or(usize::MAX),
        _ => usize::MAX,
    }
}
