//! Topology `dedicated`: one server that everybody reaches directly.

use super::game::{self, PLAYERS, PlayerReport, STEPS};
use super::godot::Project;
use super::{DemoOptions, Outcome};
use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use core::net::{Ipv4Addr, SocketAddr};
use core::time::Duration;
use gdwire::drive::{self, tokio::ServerDriver};
use gdwire::session::{NodeKey, PeerId, RpcCall, SpawnConfig, Target};
use gdwire::variant::Vector2;
use gdwire::{Event, Server, ServerConfig, Value};
use std::io;
use tokio::task::JoinSet;

/// How long the players may take to leave when the game is over.
const FAREWELL: Duration = Duration::from_secs(2);

/// Plays one game.
pub(super) async fn play(options: &DemoOptions) -> io::Result<Outcome> {
    let mut server = Server::new(ServerConfig::new(drive::seed()?)).map_err(io::Error::other)?;
    server
        .add_blueprint(&game::blueprint()?)
        .map_err(io::Error::other)?;
    let node = |path| {
        let node = server.session().node(path);
        node.ok_or_else(|| io::Error::other(format!("{path} is missing")))
    };
    let (arena, spawner) = (node(game::ARENA)?, node(game::SPAWNER)?);
    let driver = ServerDriver::bind((Ipv4Addr::LOCALHOST, 0).into(), server)?;
    let mut players = start_players(options, driver.local_address()?)?;
    let mut referee = Referee {
        driver,
        arena,
        spawner,
        units: BTreeMap::new(),
        reports: BTreeMap::new(),
        calls: 0,
        round_trips: Vec::new(),
    };
    let problem = tokio::select! {
        result = referee.run() => result.err(),
        failed = first_failure(&mut players) => Some(failed),
        () = tokio::time::sleep(options.patience()) => Some(io::Error::other("the game did not end in time")),
    };
    let outcome = referee.outcome(problem.map(|error| error.to_string()));
    referee.end().await?;
    // Those who do not leave by themselves are stopped when they are dropped.
    let _ = tokio::time::timeout(FAREWELL, async {
        while players.join_next().await.is_some() {}
    })
    .await;
    Ok(outcome)
}

fn start_players(options: &DemoOptions, server: SocketAddr) -> io::Result<JoinSet<io::Result<()>>> {
    let mut players = JoinSet::new();
    match &options.godot {
        Some(godot) => {
            let project = Arc::new(Project::write()?);
            for _ in 0..PLAYERS {
                let (project, godot) = (Arc::clone(&project), godot.clone());
                players.spawn(async move { project.play(&godot, server, STEPS).await });
            }
        }
        None => {
            for _ in 0..PLAYERS {
                players.spawn(super::player::play(server));
            }
        }
    }
    Ok(players)
}

/// Waits until a player fails; for ever if none does.
async fn first_failure(players: &mut JoinSet<io::Result<()>>) -> io::Error {
    while let Some(result) = players.join_next().await {
        match result {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return io::Error::other(format!("a player failed: {error}")),
            Err(error) => return io::Error::other(error),
        }
    }
    core::future::pending().await
}

/// The server's side of the game.
struct Referee {
    driver: ServerDriver,
    arena: NodeKey,
    spawner: NodeKey,
    units: BTreeMap<PeerId, NodeKey>,
    reports: BTreeMap<PeerId, PlayerReport>,
    calls: usize,
    round_trips: Vec<Duration>,
}

impl Referee {
    /// Runs the game until all players have reported.
    async fn run(&mut self) -> io::Result<()> {
        while self.reports.len() < PLAYERS {
            let Some(event) = self.driver.next_event().await? else {
                return Err(io::Error::other("the server closed"));
            };
            match event {
                Event::PeerConnected { peer } => self.on_joined(peer)?,
                Event::PeerDisconnected { peer, reason } => {
                    return Err(io::Error::other(format!("player {peer} left: {reason}")));
                }
                Event::Rpc(call) => self.on_call(&call)?,
                other => tracing::debug!(event = ?other, "server"),
            }
        }
        Ok(())
    }

    fn on_joined(&mut self, peer: PeerId) -> io::Result<()> {
        let unit = SpawnConfig::scene_path(game::UNIT, peer.to_string())
            .property(game::POSITION, Vector2::default())
            .property(game::SCORE, 0);
        let server = self.driver.server_mut();
        let unit = server.spawn(self.spawner, unit).map_err(io::Error::other)?;
        self.units.insert(peer, unit);
        if self.units.len() == PLAYERS {
            let count = i64::try_from(PLAYERS).unwrap_or(i64::MAX);
            self.call("start", &[Value::Int(count)])?;
        }
        Ok(())
    }

    fn on_call(&mut self, call: &RpcCall) -> io::Result<()> {
        self.calls += 1;
        match (&*call.method, call.arguments.as_slice()) {
            ("steer", [Value::Vector2(direction)]) => self.on_steer(call.peer, *direction),
            ("report", arguments) => {
                if let Some(report) = PlayerReport::from_arguments(arguments) {
                    self.reports.insert(call.peer, report);
                }
                let stats = self.driver.server().peer_stats(call.peer);
                self.round_trips.extend(stats.map(|stats| stats.round_trip));
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Moves a player's unit and tells everybody, by its state and by a call.
    fn on_steer(&mut self, peer: PeerId, direction: Vector2) -> io::Result<()> {
        let Some(&unit) = self.units.get(&peer) else {
            return Ok(());
        };
        let server = self.driver.server_mut();
        let session = server.session();
        let mut position = match session.property(unit, game::POSITION) {
            Some(Value::Vector2(position)) => *position,
            _ => Vector2::default(),
        };
        position.x += direction.x;
        position.y += direction.y;
        let score = session.property(unit, game::SCORE).and_then(Value::as_int);
        let score = score.unwrap_or(0).saturating_add(1);
        let set = server
            .set(unit, game::POSITION, position)
            .and_then(|()| server.set(unit, game::SCORE, score));
        set.map_err(io::Error::other)?;
        let moved = [Value::from(peer.value()), Value::from(position)];
        self.call("moved", &moved)
    }

    fn call(&mut self, method: &str, arguments: &[Value]) -> io::Result<()> {
        let server = self.driver.server_mut();
        server
            .rpc(Target::All, self.arena, method, arguments)
            .map(drop)
            .map_err(io::Error::other)
    }

    fn outcome(&self, problem: Option<String>) -> Outcome {
        let reports = || self.reports.values();
        let calls = reports().map(|report| report.calls()).sum::<usize>() + self.calls;
        let spawns = reports().map(|report| report.spawns).sum();
        let missing = if calls != game::CALLS {
            Some(format!("{calls} of {} calls arrived", game::CALLS))
        } else if spawns != game::SPAWNS {
            Some(format!("{spawns} of {} spawns arrived", game::SPAWNS))
        } else {
            None
        };
        let stats = self.driver.server().enet().stats();
        Outcome {
            topology: "dedicated",
            path: "direct",
            first_rpc: reports().map(|report| report.first_rpc).max(),
            round_trip: average(&self.round_trips),
            bytes: stats.bytes_received.saturating_add(stats.bytes_sent),
            spawns,
            syncs: reports().map(|report| report.syncs).sum(),
            calls,
            problem: problem.or(missing),
        }
    }

    /// Sends everybody home.
    async fn end(&mut self) -> io::Result<()> {
        self.driver.server_mut().close();
        let drained = async {
            while self.driver.next_event().await?.is_some() {}
            Ok(())
        };
        // A player that hangs does not hold up the demo.
        tokio::time::timeout(FAREWELL, drained)
            .await
            .unwrap_or(Ok(()))
    }
}

fn average(durations: &[Duration]) -> Option<Duration> {
    let count = u32::try_from(durations.len()).ok()?;
    durations.iter().sum::<Duration>().checked_div(count)
}
