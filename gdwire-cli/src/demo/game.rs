//! The game that every topology plays: players steer, the server moves them, and they cheer each other on.

use core::time::Duration;
use gdwire::Value;
use gdwire::session::{NodeConfig, RpcConfig};
use gdwire::variant::ValueType;

/// Players of one game.
pub(super) const PLAYERS: usize = 2;
/// Steps that each of them takes.
pub(super) const STEPS: usize = 30;
/// Calls that arrive in a perfect game, at the server and at the players.
pub(super) const CALLS: usize =
    PLAYERS * (STEPS + 1) + PLAYERS * (1 + PLAYERS * STEPS + (PLAYERS - 1));

/// The one node of the game, as `project/arena.gd` declares it.
pub(super) fn arena() -> NodeConfig {
    let vector = Some(ValueType::Vector2);
    let int = Some(ValueType::Int);
    NodeConfig::new("Arena")
        .rpc(
            RpcConfig::new("cheer")
                .any_peer()
                .channel(2)
                .argument_types([Some(ValueType::String)]),
        )
        .rpc(
            RpcConfig::new("moved")
                .channel(1)
                .argument_types([int, vector]),
        )
        .rpc(
            RpcConfig::new("report")
                .any_peer()
                .argument_types([int, int, int]),
        )
        .rpc(RpcConfig::new("start").argument_types([int]))
        .rpc(RpcConfig::new("steer").any_peer().argument_types([vector]))
}

/// What a player reports at the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PlayerReport {
    pub(super) moves: usize,
    pub(super) cheers: usize,
    /// From the start of the connection to the first call.
    pub(super) first_rpc: Duration,
}

impl PlayerReport {
    /// The arguments of `report`.
    pub(super) fn to_arguments(self) -> [Value; 3] {
        let int = |number: u128| Value::Int(i64::try_from(number).unwrap_or(i64::MAX));
        [
            int(self.moves as u128),
            int(self.cheers as u128),
            int(self.first_rpc.as_micros()),
        ]
    }

    /// The report of such arguments.
    pub(super) fn from_arguments(arguments: &[Value]) -> Option<Self> {
        let [moves, cheers, first_rpc_usec] = arguments else {
            return None;
        };
        let count = |value: &Value| usize::try_from(value.as_int()?).ok();
        Some(Self {
            moves: count(moves)?,
            cheers: count(cheers)?,
            first_rpc: Duration::from_micros(u64::try_from(first_rpc_usec.as_int()?).ok()?),
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
        };
        let arguments = report.to_arguments();
        assert_eq!(PlayerReport::from_arguments(&arguments), Some(report));
        assert_eq!(PlayerReport::from_arguments(&arguments[1..]), None);
        assert_eq!(
            PlayerReport::from_arguments(&[Value::Int(-1), Value::Int(0), Value::Int(0)]),
            None
        );
    }
}
