//! What commands drive: [`Machine`], a client or a server, and [`Endpoint`], the same on a socket.

use gdwire::drive::tokio::{ClientDriver, ServerDriver};
use gdwire::enet::Host;
use gdwire::session::{
    AuthError, Budget, CallError, NodeError, NodeKey, PeerId, PropertyError, Scene, SendError,
    Session, SpawnConfig, SpawnError, Target, TransferMode, Verdict, Visibility, VisibilityError,
};
use gdwire::{Blueprint, BlueprintError, Client, Event, PeerStats, Server, Value};
use std::io;

/// A client or a server.
pub(crate) trait Machine {
    fn session(&self) -> &Session;
    fn add_blueprint(&mut self, blueprint: &Blueprint) -> Result<(), BlueprintError>;
    fn rpc(
        &mut self,
        target: Target,
        node: NodeKey,
        method: &str,
        arguments: &[Value],
    ) -> Result<usize, CallError>;
    fn send_bytes(
        &mut self,
        target: Target,
        payload: &[u8],
        mode: TransferMode,
        channel: u8,
    ) -> Result<(), SendError>;
    fn send_auth(&mut self, peer: PeerId, data: &[u8]) -> Result<(), AuthError>;
    fn complete_auth(&mut self, peer: PeerId) -> Result<(), AuthError>;
    fn disconnect_peer(&mut self, peer: PeerId);
    fn spawn(&mut self, spawner: NodeKey, spawn: SpawnConfig) -> Result<NodeKey, SpawnError>;
    fn despawn(&mut self, node: NodeKey) -> Result<(), NodeError>;
    fn answer_spawn(&mut self, request: u64, scene: Option<&Scene>) -> Verdict;
    fn set(&mut self, node: NodeKey, path: &str, value: Value) -> Result<(), PropertyError>;
    fn set_visibility(
        &mut self,
        node: NodeKey,
        peer: PeerId,
        visibility: Visibility,
    ) -> Result<(), VisibilityError>;
    fn set_public_visibility(
        &mut self,
        node: NodeKey,
        visibility: Visibility,
    ) -> Result<(), VisibilityError>;
    fn set_authority(&mut self, node: NodeKey, peer: PeerId) -> Result<(), NodeError>;
    fn set_relevant(&mut self, peer: PeerId, nodes: Vec<NodeKey>);
    fn set_budget(&mut self, peer: PeerId, budget: Option<Budget>);
    fn set_priority(&mut self, node: NodeKey, priority: u16) -> Result<(), VisibilityError>;
    fn close(&mut self);
    fn close_now(&mut self);
}

macro_rules! machine {
    ($machine:ty) => {
        impl Machine for $machine {
            fn session(&self) -> &Session {
                Self::session(self)
            }

            fn add_blueprint(&mut self, blueprint: &Blueprint) -> Result<(), BlueprintError> {
                Self::add_blueprint(self, blueprint)
            }

            fn rpc(
                &mut self,
                target: Target,
                node: NodeKey,
                method: &str,
                arguments: &[Value],
            ) -> Result<usize, CallError> {
                Self::rpc(self, target, node, method, arguments)
            }

            fn send_bytes(
                &mut self,
                target: Target,
                payload: &[u8],
                mode: TransferMode,
                channel: u8,
            ) -> Result<(), SendError> {
                Self::send_bytes(self, target, payload, mode, channel)
            }

            fn send_auth(&mut self, peer: PeerId, data: &[u8]) -> Result<(), AuthError> {
                Self::send_auth(self, peer, data)
            }

            fn complete_auth(&mut self, peer: PeerId) -> Result<(), AuthError> {
                Self::complete_auth(self, peer)
            }

            fn disconnect_peer(&mut self, peer: PeerId) {
                Self::disconnect_peer(self, peer);
            }

            fn spawn(
                &mut self,
                spawner: NodeKey,
                spawn: SpawnConfig,
            ) -> Result<NodeKey, SpawnError> {
                Self::spawn(self, spawner, spawn)
            }

            fn despawn(&mut self, node: NodeKey) -> Result<(), NodeError> {
                Self::despawn(self, node)
            }

            fn answer_spawn(&mut self, request: u64, scene: Option<&Scene>) -> Verdict {
                Self::answer_spawn(self, request, scene)
            }

            fn set(
                &mut self,
                node: NodeKey,
                path: &str,
                value: Value,
            ) -> Result<(), PropertyError> {
                Self::set(self, node, path, value)
            }

            fn set_visibility(
                &mut self,
                node: NodeKey,
                peer: PeerId,
                visibility: Visibility,
            ) -> Result<(), VisibilityError> {
                Self::set_visibility(self, node, peer, visibility)
            }

            fn set_public_visibility(
                &mut self,
                node: NodeKey,
                visibility: Visibility,
            ) -> Result<(), VisibilityError> {
                Self::set_public_visibility(self, node, visibility)
            }

            fn set_authority(&mut self, node: NodeKey, peer: PeerId) -> Result<(), NodeError> {
                Self::set_authority(self, node, peer)
            }

            fn set_relevant(&mut self, peer: PeerId, nodes: Vec<NodeKey>) {
                Self::set_relevant(self, peer, nodes);
            }

            fn set_budget(&mut self, peer: PeerId, budget: Option<Budget>) {
                Self::set_budget(self, peer, budget);
            }

            fn set_priority(
                &mut self,
                node: NodeKey,
                priority: u16,
            ) -> Result<(), VisibilityError> {
                Self::set_priority(self, node, priority)
            }

            fn close(&mut self) {
                Self::close(self);
            }

            fn close_now(&mut self) {
                Self::close_now(self);
            }
        }
    };
}

machine!(Client);
machine!(Server);

/// A machine on a socket.
pub(crate) trait Endpoint {
    type Machine: Machine;

    async fn next_event(&mut self) -> io::Result<Option<Event>>;
    fn machine(&self) -> &Self::Machine;
    fn machine_mut(&mut self) -> &mut Self::Machine;
    fn has_peer(&self, peer: PeerId) -> bool;
    fn stats(&self) -> Vec<(PeerId, PeerStats)>;
    /// The ENet hosts of the machine.
    fn hosts(&self) -> Vec<&Host>;
    /// Whether it is the side that judges what others send to authenticate.
    fn is_host(&self) -> bool;
}

impl Endpoint for ClientDriver {
    type Machine = Client;

    async fn next_event(&mut self) -> io::Result<Option<Event>> {
        Self::next_event(self).await
    }

    fn machine(&self) -> &Client {
        self.client()
    }

    fn machine_mut(&mut self) -> &mut Client {
        self.client_mut()
    }

    fn has_peer(&self, peer: PeerId) -> bool {
        peer.is_server() && self.client().is_connected()
    }

    fn stats(&self) -> Vec<(PeerId, PeerStats)> {
        let stats = self.client().server_stats();
        stats
            .map(|stats| (PeerId::SERVER, stats))
            .into_iter()
            .collect()
    }

    fn hosts(&self) -> Vec<&Host> {
        vec![self.client().enet()]
    }

    fn is_host(&self) -> bool {
        false
    }
}

impl Endpoint for ServerDriver {
    type Machine = Server;

    async fn next_event(&mut self) -> io::Result<Option<Event>> {
        Self::next_event(self).await
    }

    fn machine(&self) -> &Server {
        self.server()
    }

    fn machine_mut(&mut self) -> &mut Server {
        self.server_mut()
    }

    fn has_peer(&self, peer: PeerId) -> bool {
        self.server().peer_stats(peer).is_some()
    }

    fn stats(&self) -> Vec<(PeerId, PeerStats)> {
        let server = self.server();
        server
            .peers()
            .filter_map(|peer| server.peer_stats(peer).map(|stats| (peer, stats)))
            .collect()
    }

    fn hosts(&self) -> Vec<&Host> {
        let server = self.server();
        let listeners = 0..server.listeners();
        listeners
            .filter_map(|index| server.enet_at(index))
            .collect()
    }

    fn is_host(&self) -> bool {
        true
    }
}
