//! The game that every topology plays: the server spawns a unit per player and moves it where the player steers; players
//! cheer each other on, and report when every unit has arrived in every respect.

use core::time::Duration;
use gdwire::project::{Limits, Project};
use gdwire::session::Session;
use gdwire::variant::Vector2;
use gdwire::{Blueprint, Value};
use std::io;

/// The game as the engine reads it; this side reads it too.
pub(super) const FILES: [(&str, &str); 5] = [
    ("project.godot", include_str!("project/project.godot")),
    ("arena.tscn", include_str!("project/arena.tscn")),
    ("arena.gd", include_str!("project/arena.gd")),
    ("unit.tscn", include_str!("project/unit.tscn")),
    ("unit.gd", include_str!("project/unit.gd")),
];

/// The node with the methods.
pub(super) const ARENA: &str = "Arena";
/// The node that spawns units.
pub(super) const SPAWNER: &str = "Arena/Spawner";
/// What it spawns.
pub(super) const UNIT: &str = "res://unit.tscn";
/// Where a unit is: sent all the time.
pub(super) const POSITION: &str = "position";
/// How far it came: sent when it changes.
pub(super) const SCORE: &str = "score";

/// Players of one game.
pub(super) const PLAYERS: usize = 2;
/// Steps that each of them takes.
pub(super) const STEPS: usize = 30;
/// Calls that arrive in a perfect game, at the server and at the players.
pub(super) const CALLS: usize =
    PLAYERS * (STEPS + 1) + PLAYERS * (1 + PLAYERS * STEPS + (PLAYERS - 1));
/// Spawns that arrive in a perfect game.
pub(super) const SPAWNS: usize = PLAYERS * PLAYERS;

/// What is in the game.
pub(super) fn blueprint() -> io::Result<Blueprint> {
    let texts = FILES.map(|(name, text)| (format!("res://{name}"), text));
    let project = Project::from_texts(texts, &Limits::default()).map_err(io::Error::other)?;
    Blueprint::from_project(&project).map_err(io::Error::other)
}

/// Whether every player's unit is there and has taken all steps.
pub(super) fn is_complete(session: &Session) -> bool {
    let units = session.spawned_nodes().filter(|&(unit, _)| {
        let score = session.property(unit, SCORE).and_then(Value::as_int);
        score == i64::try_from(STEPS).ok() && steps(session.property(unit, POSITION)) == Some(STEPS)
    });
    units.count() == PLAYERS
}

/// How many steps lead to a position.
pub(super) fn steps(position: Option<&Value>) -> Option<usize> {
    match position {
        #[expect(clippy::cast_possible_truncation, reason = "steps are few")]
        Some(Value::Vector2(Vector2 { x, .. })) => usize::try_from(*x as i64).ok(),
        _ => None,
    }
}

/// What a player reports at the end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct PlayerReport {
    pub(super) moves: usize,
    pub(super) cheers: usize,
    /// From the start of the connection to the first call.
    pub(super) first_rpc: Duration,
    pub(super) spawns: usize,
    pub(super) syncs: usize,
}

impl PlayerReport {
    /// The arguments of `report`.
    pub(super) fn to_arguments(self) -> [Value; 5] {
        let int = |number: u128| Value::Int(i64::try_from(number).unwrap_or(i64::MAX));
        [
            int(self.moves as u128),
            int(self.cheers as u128),
            int(self.first_rpc.as_micros()),
            int(self.spawns as u128),
            int(self.syncs as u128),
        ]
    }

    /// The report of such arguments.
    pub(super) fn from_arguments(arguments: &[Value]) -> Option<Self> {
        let [moves, cheers, first_rpc_usec, spawns, syncs] = arguments else {
            return None;
        };
        let count = |value: &Value| usize::try_from(value.as_int()?).ok();
        Some(Self {
            moves: count(moves)?,
            cheers: count(cheers)?,
            first_rpc: Duration::from_micros(u64::try_from(first_rpc_usec.as_int()?).ok()?),
            spawns: count(spawns)?,
            syncs: count(syncs)?,
        })
    }

    /// Calls that reached this player.
    pub(super) const fn calls(self) -> usize {
        1 + self.moves + self.cheers
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_survives_its_arguments() {
        let report = PlayerReport {
            moves: 60,
            cheers: 1,
            first_rpc: Duration::from_micros(1234),
            spawns: 2,
            syncs: 77,
        };
        let arguments = report.to_arguments();
        assert_eq!(PlayerReport::from_arguments(&arguments), Some(report));
        assert_eq!(PlayerReport::from_arguments(&arguments[1..]), None);
        let mut negative = arguments;
        negative[0] = Value::Int(-1);
        assert_eq!(PlayerReport::from_arguments(&negative), None);
    }

    #[test]
    fn the_project_of_the_demo_has_all_that_the_game_needs() {
        let blueprint = blueprint().unwrap();
        let paths: Vec<&str> = blueprint.nodes().iter().map(|node| node.path()).collect();
        for path in [ARENA, SPAWNER, "Arena/Units"] {
            assert!(paths.contains(&path), "{paths:?}");
        }
        assert_eq!(blueprint.scenes()[0].path(), UNIT);
    }
}
