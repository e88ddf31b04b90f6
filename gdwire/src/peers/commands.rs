//! Commands to the session, which a server and a client share: [`session_commands`].

/// Commands that go to the session as they are. What they queue is sent by the next `poll_transmit`.
macro_rules! session_commands {
    () => {
        /// Adds a node that peers may call, with the path and methods that the game has for it; a spawner or a
        /// synchronizer too.
        ///
        /// # Errors
        /// The path is illegal or taken, methods or properties contradict each other, or the root node of a
        /// synchronizer is not declared.
        pub fn add_node(
            &mut self,
            node: replication_proto::NodeConfig,
        ) -> Result<replication_proto::NodeKey, replication_proto::NodeError> {
            self.link.session.add_node(node)
        }

        /// Removes a node and all nodes below it, as freeing it does in a tree; peers to whom this end spawned any of
        /// them are told.
        ///
        /// # Errors
        /// There is no such node.
        pub fn remove_node(
            &mut self,
            node: replication_proto::NodeKey,
        ) -> Result<(), replication_proto::NodeError> {
            self.link.session.remove_node(node)
        }

        /// Adds a scene that spawners can make nodes of.
        ///
        /// # Errors
        /// Another scene of that path was added before.
        pub fn add_scene(
            &mut self,
            scene: &replication_proto::Scene,
        ) -> Result<(), replication_proto::SceneError> {
            self.link.session.add_scene(scene)
        }

        /// Adds all nodes and scenes of a blueprint.
        ///
        /// # Errors
        /// A node or a scene cannot be added; those before it were.
        pub fn add_blueprint(
            &mut self,
            blueprint: &crate::Blueprint,
        ) -> Result<(), crate::BlueprintError> {
            blueprint.add_to(&mut self.link.session)
        }

        /// Makes a node here and at all peers that see it, and at those who join or come to see it later
        /// (`MultiplayerSpawner`).
        ///
        /// # Errors
        /// Nothing was made, and why.
        pub fn spawn(
            &mut self,
            spawner: replication_proto::NodeKey,
            spawn: replication_proto::SpawnConfig,
        ) -> Result<replication_proto::NodeKey, replication_proto::SpawnError> {
            self.link.session.spawn(spawner, spawn)
        }

        /// Frees a node that this end spawned, here and at all peers that have it.
        ///
        /// # Errors
        /// There is no such node, or this end did not spawn it.
        pub fn despawn(
            &mut self,
            node: replication_proto::NodeKey,
        ) -> Result<(), replication_proto::NodeError> {
            self.link.session.despawn(node)
        }

        /// Answers [`Event::SpawnRequested`] with the scene that the node is, or with nothing to refuse it. Then what
        /// the peer sent since is processed. Gives the session's verdict on the spawn.
        pub fn answer_spawn(
            &mut self,
            request: u64,
            scene: Option<&replication_proto::Scene>,
        ) -> replication_proto::Verdict {
            self.link.session.answer_spawn(request, scene)
        }

        /// Sets a replicated property of a node: `hp`, `Sprite:position`. Synchronizers that this end owns send it as
        /// they are configured.
        ///
        /// # Errors
        /// There is no such node or property, or the value has the wrong type.
        pub fn set(
            &mut self,
            node: replication_proto::NodeKey,
            path: &str,
            value: impl Into<replication_proto::variant::Value>,
        ) -> Result<(), replication_proto::PropertyError> {
            self.link.session.set(node, path, value)
        }

        /// Sets a property that [`Session::property_key`](replication_proto::Session::property_key) found before,
        /// without looking for it again.
        ///
        /// # Errors
        /// The node has left, or the value has the wrong type.
        pub fn set_property(
            &mut self,
            key: replication_proto::PropertyKey,
            value: impl Into<replication_proto::variant::Value>,
        ) -> Result<(), replication_proto::PropertyError> {
            self.link.session.set_property(key, value)
        }

        /// Shows a node's synchronizers (or the one that it is) to a peer or hides them (`set_visibility_for`). A
        /// spawned node comes and goes with them.
        ///
        /// # Errors
        /// There is no such node, or it has no synchronizer.
        pub fn set_visibility(
            &mut self,
            node: replication_proto::NodeKey,
            peer: replication_proto::PeerId,
            visibility: replication_proto::Visibility,
        ) -> Result<(), replication_proto::VisibilityError> {
            self.link.session.set_visibility(node, peer, visibility)
        }

        /// Sets whether everybody sees a node's synchronizers that no other rule hides (`public_visibility`).
        ///
        /// # Errors
        /// There is no such node, or it has no synchronizer.
        pub fn set_public_visibility(
            &mut self,
            node: replication_proto::NodeKey,
            visibility: replication_proto::Visibility,
        ) -> Result<(), replication_proto::VisibilityError> {
            self.link.session.set_public_visibility(node, visibility)
        }

        /// Asks `filter` anew for every peer and every filtered synchronizer, by the key of its root node.
        pub fn update_visibility(
            &mut self,
            filter: impl FnMut(replication_proto::PeerId, replication_proto::NodeKey) -> bool,
        ) {
            self.link.session.update_visibility(filter);
        }

        /// Says which nodes matter to a peer: of all filtered synchronizers it sees those of these nodes and no
        /// others.
        pub fn set_relevant(
            &mut self,
            peer: replication_proto::PeerId,
            nodes: impl IntoIterator<Item = replication_proto::NodeKey>,
        ) {
            self.link.session.set_relevant(peer, nodes);
        }

        /// Sets the authority of a node and all nodes below it (`set_multiplayer_authority`). Local: every end sets
        /// its own.
        ///
        /// # Errors
        /// There is no such node.
        pub fn set_authority(
            &mut self,
            node: replication_proto::NodeKey,
            peer: replication_proto::PeerId,
        ) -> Result<(), replication_proto::NodeError> {
            self.link.session.set_authority(node, peer)
        }

        /// Limits what replication sends to a peer per frame; `None` lifts the limit.
        pub fn set_budget(
            &mut self,
            peer: replication_proto::PeerId,
            budget: Option<replication_proto::Budget>,
        ) {
            self.link.session.set_budget(peer, budget);
        }

        /// Sets how fast a node's synchronizers grow urgent when a budget leaves them out; 1 without.
        ///
        /// # Errors
        /// There is no such node, or it has no synchronizer.
        pub fn set_priority(
            &mut self,
            node: replication_proto::NodeKey,
            priority: u16,
        ) -> Result<(), replication_proto::VisibilityError> {
            self.link.session.set_priority(node, priority)
        }

        /// Runs one network frame: sends the state that is due. Only for those who set
        /// [`frame_interval`](replication_proto::Config::frame_interval) to `None`; otherwise frames run by the clock.
        pub fn tick(&mut self, now: proto_core::Instant) {
            let now = self.link.advance(now);
            self.link.session.tick(now);
            self.link.settle();
        }

        /// Calls `method` of `node` at `target` (`rpc`, `rpc_id`); tells how many peers that is. A client's calls to
        /// other clients go through the server.
        ///
        /// # Errors
        /// Nothing was sent, and why.
        pub fn rpc(
            &mut self,
            target: impl Into<replication_proto::Target>,
            node: replication_proto::NodeKey,
            method: &str,
            arguments: &[replication_proto::variant::Value],
        ) -> Result<usize, replication_proto::CallError> {
            self.link.session.rpc(target, node, method, arguments)
        }

        /// Sends bytes to `target` (`send_bytes`).
        ///
        /// # Errors
        /// Nothing was sent, and why.
        pub fn send_bytes(
            &mut self,
            target: replication_proto::Target,
            bytes: &[u8],
            mode: replication_proto::TransferMode,
            channel: u8,
        ) -> Result<(), replication_proto::SendError> {
            self.link.session.send_bytes(target, bytes, mode, channel)
        }

        /// Sends authentication data to a peer that is not admitted yet.
        ///
        /// # Errors
        /// Nothing was sent, and why.
        pub fn send_auth(
            &mut self,
            peer: replication_proto::PeerId,
            data: &[u8],
        ) -> Result<(), replication_proto::AuthError> {
            self.link.session.send_auth(peer, data)
        }

        /// Accepts a peer that authenticates; it joins when both ends have said so.
        ///
        /// # Errors
        /// The peer does not authenticate, or was accepted before.
        pub fn complete_auth(
            &mut self,
            peer: replication_proto::PeerId,
        ) -> Result<(), replication_proto::AuthError> {
            self.link.session.complete_auth(peer)
        }
    };
}

pub(super) use session_commands;
