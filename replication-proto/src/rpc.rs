//! Calls: sending and receiving REMOTE_CALL with every check (spec: RPC).

use crate::config::MismatchPolicy;
use crate::error::{CallError, Refusal, Verdict, drop, reject};
use crate::event::{Event, RpcCall};
use crate::node::{NodeKey, Nodes, OfferState};
use crate::packet::{ArgumentBytes, IdWidth, NodeReference, RemoteCall};
use crate::peer::{PeerId, Slot, Target, TransferMode};
use crate::rpc_table::{MethodId, RpcConfig, RpcMode};
use crate::session::{Arrival, Session};
use crate::stats::DropReason;
use crate::variant::{self, Value, compact};
use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;
use bytes::Bytes;
use proto_core::{Instant, Rate, TokenBucket};

impl Session {
    pub(crate) fn on_remote_call(&mut self, arrival: &Arrival) -> Result<(), Refusal> {
        let rate = self.config.limits.rpc_rate;
        let Some(peer) = self.peers.admitted_at_mut(arrival.slot) else {
            return drop(DropReason::UnknownPeer);
        };
        if !peer.calls.all.take(arrival.now, rate, 1) {
            return drop(DropReason::RpcBudget);
        }
        let packet = RemoteCall::decode(&arrival.packet)?;
        let key = self.called_node(arrival, packet.node)?;
        let Some(node) = self.nodes.get(key) else {
            return drop(DropReason::UnknownNode);
        };
        let Some(method) = node.methods.method(packet.method) else {
            return reject(DropReason::UnknownMethod);
        };
        let is_allowed = match method.who() {
            RpcMode::AnyPeer => true,
            RpcMode::Authority => node.authority == arrival.from,
            RpcMode::Disabled => false,
        };
        if !is_allowed {
            return reject(DropReason::Unauthorized);
        }
        if let Some(rate) = method.own_rate()
            && let Some(peer) = self.peers.admitted_at_mut(arrival.slot)
            && !peer
                .calls
                .take(arrival.now, rate, (key, packet.method), &self.nodes)
        {
            return drop(DropReason::RpcBudget);
        }
        let (arguments, surplus) = self.decode_arguments(method, packet.arguments)?;
        if !method.accepts(&arguments) {
            return reject(DropReason::BadArguments);
        }
        let call = RpcCall {
            peer: arrival.from,
            node: key,
            path: Arc::clone(&node.path),
            method: method.shared_name(),
            method_id: MethodId(packet.method),
            arguments,
            mode: arrival.mode,
            channel: arrival.channel,
        };
        self.stats.surplus_bytes = self.stats.surplus_bytes.saturating_add(surplus as u64);
        self.stats.calls_in = self.stats.calls_in.saturating_add(1);
        self.emit(Event::Rpc(call));
        if let Some(node) = self.nodes.get_mut(key) {
            let calls = node.calls.get_or_insert_default();
            calls.of(packet.method).count_in(arrival.packet.len());
        }
        Ok(())
    }

    /// The node that a call names, if the sender may name it.
    fn called_node(
        &mut self,
        arrival: &Arrival,
        node: NodeReference<'_>,
    ) -> Result<NodeKey, Refusal> {
        if let NodeReference::Path(path) = node {
            self.check_path(path)?;
        }
        let Some(peer) = self.peers.admitted_at_mut(arrival.slot) else {
            return drop(DropReason::UnknownPeer);
        };
        let found = match node {
            NodeReference::Id { id, .. } => peer.received.resolve(id, &self.nodes),
            NodeReference::Path(path) => {
                let key = self.nodes.find(path);
                key.map(|key| (key, !peer.received.is_mismatched(key)))
            }
        };
        let Some((key, agrees)) = found else {
            return drop(DropReason::UnknownNode);
        };
        if !agrees && self.config.mismatch == MismatchPolicy::Refuse {
            return reject(DropReason::MethodMismatch);
        }
        Ok(key)
    }

    /// All arguments, and how many bytes follow the last of them.
    fn decode_arguments(
        &self,
        method: &RpcConfig,
        arguments: ArgumentBytes<'_>,
    ) -> Result<(Vec<Value>, usize), Refusal> {
        let limits = &self.config.limits.variant;
        let (count, bytes) = match arguments {
            ArgumentBytes::Raw([]) if !method.wants_bytes() => return Ok((Vec::new(), 0)),
            ArgumentBytes::Raw(bytes) if bytes.len() > limits.bytes => {
                return reject(DropReason::BadValue);
            }
            ArgumentBytes::Raw(bytes) => {
                return Ok((Vec::from([Value::PackedByteArray(bytes.into())]), 0));
            }
            ArgumentBytes::Counted { count, bytes } => (count, bytes),
        };
        let (values, used) = compact::decode_values(bytes, count.into(), limits)?;
        let surplus = bytes.len().saturating_sub(used);
        if surplus > 0 && self.config.refuse_surplus_bytes {
            return reject(DropReason::TrailingBytes);
        }
        Ok((values, surplus))
    }

    /// Calls a method of a node on other peers (`rpc`, `rpc_id`), and here too if it is `call_local` and the target
    /// includes this end. Gives to how many peers the call was sent.
    ///
    /// A peer that does not know the node's number yet is told, and gets the path with each call until it confirms.
    /// Of several targets, those whose method list is known to differ are left out.
    ///
    /// # Errors
    /// [`CallError`]; nothing was sent.
    pub fn rpc(
        &mut self,
        target: impl Into<Target>,
        node: NodeKey,
        method: &str,
        arguments: &[Value],
    ) -> Result<usize, CallError> {
        let target = target.into();
        if !self.is_connected() {
            return Err(CallError::NotConnected);
        }
        let called = self.nodes.get(node).ok_or(CallError::UnknownNode)?;
        let methods = called.methods.clone();
        let (id, config) = methods.find(method).ok_or(CallError::UnknownMethod)?;
        if !config.accepts(arguments) {
            return Err(CallError::BadArguments);
        }
        let mut receivers = core::mem::take(&mut self.receivers);
        let mut scratch = core::mem::take(&mut self.scratch);
        let sent = self
            .collect_receivers(target, node, config, &mut receivers)
            .and_then(|()| encode_arguments(arguments, &mut scratch))
            .map(|body| {
                self.send_call(node, id, config.route(), body, &receivers);
                receivers.len()
            });
        receivers.clear();
        self.receivers = receivers;
        scratch.clear();
        scratch.shrink_to(SCRATCH_KEPT);
        self.scratch = scratch;
        let sent = sent?;
        let own = self.config.id;
        if config.is_local() && target.includes(own) {
            self.call_locally(node, id, config, arguments);
        }
        Ok(sent)
    }

    /// Takes calls from a peer's allowance ([`Limits::rpc_rate`](crate::Limits::rpc_rate)), as when running one
    /// turned out to be expensive. Unknown peers are ignored.
    pub fn charge_calls(&mut self, now: Instant, peer: PeerId, calls: u64) {
        let rate = self.config.limits.rpc_rate;
        if let Some(slot) = self.peers.slot(peer)
            && let Some(peer) = self.peers.admitted_at_mut(slot)
        {
            peer.calls.all.charge(now, rate, calls);
        }
    }

    /// The slots of those who get a call, in order of admission.
    fn collect_receivers(
        &self,
        target: Target,
        node: NodeKey,
        config: &RpcConfig,
        receivers: &mut Vec<Slot>,
    ) -> Result<(), CallError> {
        let own = self.config.id;
        match target {
            Target::Peer(peer) if peer == own => {
                return if config.is_local() {
                    Ok(())
                } else {
                    Err(CallError::NotLocal)
                };
            }
            Target::Peer(peer) => {
                let slot = self.peers.slot(peer);
                let slot = slot.filter(|&slot| self.peers.admitted_at(slot).is_some());
                receivers.push(slot.ok_or(CallError::UnknownPeer(peer))?);
            }
            Target::AllBut(peer) if peer != own && !self.peers.is_admitted(peer) => {
                return Err(CallError::UnknownPeer(peer));
            }
            _ => receivers.extend(self.peers.admitted().iter().filter(|&&slot| {
                let peer = self.peers.at(slot);
                peer.is_some_and(|peer| target.includes(peer.id))
            })),
        }
        receivers.retain(|&slot| self.is_call_visible(slot, node));
        if let Target::Peer(peer) = target
            && receivers.is_empty()
        {
            return Err(CallError::NotVisible(peer));
        }
        receivers.retain(|&slot| self.may_call(slot, node));
        if receivers.is_empty() && matches!(target, Target::Peer(_)) {
            return Err(CallError::MethodMismatch);
        }
        Ok(())
    }

    /// Whether a peer's method list for a node is not known to differ.
    fn may_call(&self, slot: Slot, key: NodeKey) -> bool {
        if self.config.mismatch == MismatchPolicy::Call {
            return true;
        }
        let (Some(peer), Some(node)) = (self.peers.at(slot), self.nodes.get(key)) else {
            return false;
        };
        let admitted = self.peers.admitted_at(slot);
        node.offer(slot.0, peer) != OfferState::Mismatched
            && admitted.is_some_and(|peer| !peer.received.is_mismatched(key))
    }

    /// Announces the node where needed, then sends the call, encoded once per form.
    fn send_call(
        &mut self,
        key: NodeKey,
        method: MethodId,
        route: (TransferMode, u8),
        body: ArgumentBytes<'_>,
        receivers: &[Slot],
    ) {
        let mut all_confirmed = true;
        for &slot in receivers {
            all_confirmed &= self.offer_path(slot, key) == OfferState::Confirmed;
        }
        let Some(id) = self.nodes.cache_id(key) else {
            return;
        };
        // One unconfirmed receiver makes the engine use the wide form for all.
        let width = if all_confirmed {
            IdWidth::of(id)
        } else {
            IdWidth::Four
        };
        let mut by_id: Option<Bytes> = None;
        let mut by_path: Option<Bytes> = None;
        for &slot in receivers {
            let (Some(peer), Some(node)) = (self.peers.at(slot), self.nodes.get(key)) else {
                continue;
            };
            let is_confirmed = node.offer(slot.0, peer) == OfferState::Confirmed;
            let packet = if is_confirmed {
                let reference = NodeReference::Id { id, width };
                by_id.get_or_insert_with(|| encode_call(reference, method, body))
            } else {
                let reference = NodeReference::Path(&node.path);
                by_path.get_or_insert_with(|| encode_call(reference, method, body))
            };
            let (to, packet) = (peer.id, packet.clone());
            let head = self.relay_head(Target::Peer(to));
            if let Some(node) = self.nodes.get_mut(key) {
                let calls = node.calls.get_or_insert_default();
                calls.of(method.value()).count_out(packet.len() + head);
            }
            self.send_command(Target::Peer(to), route, packet);
            self.stats.calls_out = self.stats.calls_out.saturating_add(1);
        }
    }

    fn call_locally(
        &mut self,
        key: NodeKey,
        method_id: MethodId,
        config: &RpcConfig,
        arguments: &[Value],
    ) {
        let Some(node) = self.nodes.get(key) else {
            return;
        };
        let (mode, channel) = config.route();
        let call = RpcCall {
            peer: self.config.id,
            node: key,
            path: Arc::clone(&node.path),
            method: config.shared_name(),
            method_id,
            arguments: arguments.into(),
            mode,
            channel,
        };
        self.emit(Event::Rpc(call));
    }
}

/// Bytes of the buffer for arguments that are kept from call to call.
const SCRATCH_KEPT: usize = 4096;

/// Entries of methods with their own rate before those of freed nodes are looked for.
const CALLS_BEFORE_SWEEP: usize = 64;

/// How much one peer may call.
#[derive(Debug)]
pub(crate) struct Calls {
    all: TokenBucket,
    /// For methods with a rate of their own, which only this end's nodes have.
    by_method: BTreeMap<(NodeKey, u16), TokenBucket>,
    sweep_at: usize,
}

impl Calls {
    pub(crate) const fn new(rate: Rate) -> Self {
        Self {
            all: TokenBucket::full(rate),
            by_method: BTreeMap::new(),
            sweep_at: CALLS_BEFORE_SWEEP,
        }
    }

    /// Takes one call of a method from its own rate.
    fn take(&mut self, now: Instant, rate: Rate, method: (NodeKey, u16), nodes: &Nodes) -> bool {
        if self.by_method.len() >= self.sweep_at {
            self.by_method
                .retain(|(key, _), _| nodes.get(*key).is_some());
            self.sweep_at = (self.by_method.len() * 2).max(CALLS_BEFORE_SWEEP);
        }
        let bucket = self.by_method.entry(method);
        bucket
            .or_insert_with(|| TokenBucket::full(rate))
            .take(now, rate, 1)
    }
}

/// The arguments of a call, encoded into `scratch` or as they are.
fn encode_arguments<'a>(
    arguments: &'a [Value],
    scratch: &'a mut Vec<u8>,
) -> Result<ArgumentBytes<'a>, CallError> {
    let count = u8::try_from(arguments.len()).map_err(|_| CallError::TooManyArguments)?;
    match arguments {
        [] => Ok(ArgumentBytes::Raw(&[])),
        [Value::PackedByteArray(bytes)] => Ok(ArgumentBytes::Raw(bytes)),
        _ => {
            compact::encode_values(arguments, scratch)?;
            Ok(ArgumentBytes::Counted {
                count,
                bytes: scratch,
            })
        }
    }
}

fn encode_call(node: NodeReference<'_>, method: MethodId, arguments: ArgumentBytes<'_>) -> Bytes {
    let call = RemoteCall::new(node, method.value(), arguments);
    let mut out = Vec::with_capacity(call.encoded_len());
    call.encode(&mut out);
    out.into()
}

impl From<variant::DecodeError> for Verdict {
    fn from(error: variant::DecodeError) -> Self {
        Self::Rejected(match error.kind {
            variant::DecodeErrorKind::ObjectNotAllowed => DropReason::ObjectNotAllowed,
            variant::DecodeErrorKind::Truncated { .. } => DropReason::Truncated,
            _ => DropReason::BadValue,
        })
    }
}
