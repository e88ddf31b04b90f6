//! What can be called on a node: [`RpcConfig`] per method, [`RpcTable`] per kind of node (spec: RPC configuration).

use crate::packet::Checksum;
use crate::peer::TransferMode;
use crate::variant::{Value, ValueType};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ops::RangeInclusive;
use proto_core::Rate;

/// Bit 15 of a method id: the method is in the node's own table.
const NODE_TABLE: u16 = 0x8000;

/// Who may call a method (`MultiplayerAPI.RPCMode`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "Godot has three")]
pub enum RpcMode {
    /// Any peer.
    AnyPeer,
    /// The node's authority only.
    #[default]
    Authority,
    /// Nobody.
    Disabled,
}

/// One method that peers can call.
///
/// [`RpcConfig::new`] is a bare `@rpc`: for the authority, reliable, channel 0, not called locally.
#[derive(Clone, Debug)]
pub struct RpcConfig {
    name: Arc<str>,
    mode: RpcMode,
    transfer: TransferMode,
    channel: u8,
    call_local: bool,
    rate: Option<Rate>,
    arguments: Option<Arguments>,
    is_number_only: bool,
}

/// What a method declares about its arguments.
#[derive(Clone, Debug)]
struct Arguments {
    count: RangeInclusive<usize>,
    /// Of the first arguments; `None` takes any type.
    types: Vec<Option<ValueType>>,
}

impl RpcConfig {
    /// The method `name` as `@rpc` without arguments declares it.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self {
            name: name.into(),
            mode: RpcMode::Authority,
            transfer: TransferMode::Reliable,
            channel: 0,
            call_local: false,
            rate: None,
            arguments: None,
            is_number_only: false,
        }
    }

    /// An entry of `Node.rpc_config` without `rpc_mode`: it takes a number from those behind it, and is nothing else.
    ///
    /// The engine skips it when it makes its table, so nobody can call it and the checksum does not have it.
    #[must_use]
    pub fn without_mode(name: &str) -> Self {
        Self {
            is_number_only: true,
            ..Self::new(name).mode(RpcMode::Disabled)
        }
    }

    /// Sets who may call it.
    #[must_use]
    pub const fn mode(mut self, mode: RpcMode) -> Self {
        self.mode = mode;
        self
    }

    /// Lets any peer call it (`"any_peer"`).
    #[must_use]
    pub const fn any_peer(self) -> Self {
        self.mode(RpcMode::AnyPeer)
    }

    /// Sets how calls travel. Receivers do not check it.
    #[must_use]
    pub const fn transfer(mut self, transfer: TransferMode) -> Self {
        self.transfer = transfer;
        self
    }

    /// Sets the channel on which calls travel; 0 is the default channel. Receivers do not check it.
    #[must_use]
    pub const fn channel(mut self, channel: u8) -> Self {
        self.channel = channel;
        self
    }

    /// Makes a call that includes the caller run on its own side too (`"call_local"`).
    #[must_use]
    pub const fn call_local(mut self) -> Self {
        self.call_local = true;
        self
    }

    /// Limits how often one peer may call it on one node, beside [`Limits::rpc_rate`](crate::Limits::rpc_rate).
    #[must_use]
    pub const fn rate(mut self, rate: Rate) -> Self {
        self.rate = Some(rate);
        self
    }

    /// Declares how many arguments it takes. Calls with another number are refused.
    #[must_use]
    pub fn argument_count(mut self, count: RangeInclusive<usize>) -> Self {
        let types = self.arguments.map(|known| known.types).unwrap_or_default();
        self.arguments = Some(Arguments { count, types });
        self
    }

    /// Declares the types of the first arguments, `None` for any type, and unless
    /// [`argument_count`](Self::argument_count) says otherwise that there are exactly so many.
    ///
    /// An `int` is taken for a `float`, and `String` and `StringName` for each other, as GDScript does.
    #[must_use]
    pub fn argument_types(mut self, types: impl IntoIterator<Item = Option<ValueType>>) -> Self {
        let types: Vec<_> = types.into_iter().collect();
        let count = match self.arguments {
            Some(known) => known.count,
            None => types.len()..=types.len(),
        };
        self.arguments = Some(Arguments { count, types });
        self
    }

    /// The method's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn shared_name(&self) -> Arc<str> {
        Arc::clone(&self.name)
    }

    pub(crate) const fn who(&self) -> RpcMode {
        self.mode
    }

    pub(crate) const fn route(&self) -> (TransferMode, u8) {
        (self.transfer, self.channel)
    }

    pub(crate) const fn own_rate(&self) -> Option<Rate> {
        self.rate
    }

    pub(crate) const fn is_local(&self) -> bool {
        self.call_local
    }

    /// Whether these are arguments for the method.
    pub(crate) fn accepts(&self, arguments: &[Value]) -> bool {
        let Some(declared) = &self.arguments else {
            return true;
        };
        declared.count.contains(&arguments.len())
            && declared
                .types
                .iter()
                .zip(arguments)
                .all(|(declared, value)| match declared {
                    Some(declared) => converts(value.kind(), *declared),
                    None => true,
                })
    }

    /// Whether a call without any byte may be one with an empty byte array, which looks the same on the wire.
    pub(crate) fn wants_bytes(&self) -> bool {
        self.arguments.as_ref().is_some_and(|declared| {
            *declared.count.start() == 1
                && matches!(
                    declared.types.first(),
                    Some(Some(ValueType::PackedByteArray))
                )
        })
    }
}

/// Whether a value of one type may stand for another.
pub(crate) fn converts(from: ValueType, to: ValueType) -> bool {
    from == to
        || matches!(
            (from, to),
            (ValueType::Int, ValueType::Float)
                | (ValueType::String, ValueType::StringName)
                | (ValueType::StringName, ValueType::String)
                | (ValueType::Nil, ValueType::Object)
        )
}

/// The number of a method on the wire: its place in the sorted table, with bit 15 for the node's own table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MethodId(pub(crate) u16);

impl MethodId {
    /// The number.
    #[must_use]
    pub const fn value(self) -> u16 {
        self.0
    }

    /// Whether the method is in the node's own table and not in its script's.
    #[must_use]
    pub const fn is_node_table(self) -> bool {
        self.0 & NODE_TABLE != 0
    }
}

/// The two method tables of a node, sorted as Godot numbers them. Cloning shares them.
#[derive(Clone, Debug)]
pub struct RpcTable(Arc<Tables>);

#[derive(Debug)]
struct Tables {
    node: Vec<RpcConfig>,
    script: Vec<RpcConfig>,
    checksum: Checksum,
}

/// Why methods do not make a table.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RpcTableError {
    /// Two methods of one table share a name.
    #[error("the method {0} is declared twice")]
    Duplicate(Arc<str>),
    /// A name is empty.
    #[error("a method has no name")]
    NoName,
    /// A table has more than 32,768 methods.
    #[error("more than 32768 methods in one table")]
    TooMany,
}

impl RpcTable {
    /// The table of a script's methods (`@rpc`), inherited ones included.
    ///
    /// # Errors
    /// [`RpcTableError`].
    pub fn of_script(methods: impl IntoIterator<Item = RpcConfig>) -> Result<Self, RpcTableError> {
        Self::new([], methods)
    }

    /// The tables of a node with methods of its own (`Node.rpc_config`) and of its script.
    ///
    /// # Errors
    /// [`RpcTableError`].
    pub fn new(
        node: impl IntoIterator<Item = RpcConfig>,
        script: impl IntoIterator<Item = RpcConfig>,
    ) -> Result<Self, RpcTableError> {
        let node = sorted(node.into_iter().collect())?;
        let script = sorted(script.into_iter().collect())?;
        let listed = node
            .iter()
            .chain(&script)
            .filter(|method| !method.is_number_only);
        let checksum = Checksum::of_names(listed.map(RpcConfig::name));
        Ok(Self(Arc::new(Tables {
            node,
            script,
            checksum,
        })))
    }

    /// The checksum that both ends compare.
    #[must_use]
    pub fn checksum(&self) -> Checksum {
        self.0.checksum
    }

    /// All methods with their numbers: the node's own, then the script's, each sorted by name. Without entries that
    /// only take a number ([`RpcConfig::without_mode`]).
    pub fn iter(&self) -> impl Iterator<Item = (MethodId, &RpcConfig)> {
        let node = (NODE_TABLE..).zip(&self.0.node);
        let script = (0..).zip(&self.0.script);
        node.chain(script)
            .filter(|(_, method)| !method.is_number_only)
            .map(|(id, method)| (MethodId(id), method))
    }

    /// The names in that order, which is the order of the checksum.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.iter().map(|(_, method)| method.name())
    }

    /// How many methods both tables have.
    #[must_use]
    pub fn len(&self) -> usize {
        self.iter().count()
    }

    /// Whether there is no method.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.iter().next().is_none()
    }

    /// The method of this name. Of two, it is the script's.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<(MethodId, &RpcConfig)> {
        let tables = [(&self.0.script, 0), (&self.0.node, NODE_TABLE)];
        tables.into_iter().find_map(|(methods, bit)| {
            let index = methods
                .binary_search_by(|method| method.name().cmp(name))
                .ok()?;
            let id = u16::try_from(index).ok()? | bit;
            let method = methods.get(index)?;
            (!method.is_number_only).then_some((MethodId(id), method))
        })
    }

    /// The method of this number.
    #[must_use]
    pub fn method(&self, id: u16) -> Option<&RpcConfig> {
        let methods = if id & NODE_TABLE == 0 {
            &self.0.script
        } else {
            &self.0.node
        };
        methods
            .get(usize::from(id & !NODE_TABLE))
            .filter(|method| !method.is_number_only)
    }
}

impl Default for RpcTable {
    /// The table without methods, as spawners and synchronizers have it.
    fn default() -> Self {
        Self(Arc::new(Tables {
            node: Vec::new(),
            script: Vec::new(),
            checksum: Checksum::of_names::<[&str; 0]>([]),
        }))
    }
}

/// Sorts by code point, which for UTF-8 is by byte.
fn sorted(mut methods: Vec<RpcConfig>) -> Result<Vec<RpcConfig>, RpcTableError> {
    if methods.len() > usize::from(NODE_TABLE) {
        return Err(RpcTableError::TooMany);
    }
    methods.sort_by(|a, b| a.name.cmp(&b.name));
    if methods.first().is_some_and(|method| method.name.is_empty()) {
        return Err(RpcTableError::NoName);
    }
    for (method, next) in methods.iter().zip(methods.iter().skip(1)) {
        if method.name == next.name {
            return Err(RpcTableError::Duplicate(next.shared_name()));
        }
    }
    Ok(methods)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString as _;

    fn methods(names: &[&str]) -> Vec<RpcConfig> {
        names.iter().map(|name| RpcConfig::new(name)).collect()
    }

    #[test]
    fn ids_follow_the_code_points_and_the_node_table_has_bit_15() {
        let table = RpcTable::new(
            methods(&["nodefn", "bb"]),
            methods(&["zeta", "alpha", "Many", "v", "dflt", "beta", "auth_only"]),
        )
        .unwrap();
        assert_eq!(table.find("Many").unwrap().0.value(), 0);
        assert_eq!(table.find("zeta").unwrap().0.value(), 6);
        assert_eq!(table.find("nodefn").unwrap().0.value(), 0x8001);
        assert_eq!(table.method(0x8000).unwrap().name(), "bb");
        assert!(table.method(7).is_none());
        assert!(table.method(0x8002).is_none());
        assert_eq!(
            table.checksum().to_string(),
            "54c606f5bf38b278edaadb7dfabdff79"
        );
    }

    #[test]
    fn an_entry_without_a_mode_takes_a_number_and_is_nothing_else() {
        let node = [RpcConfig::without_mode("b"), RpcConfig::new("c")];
        let table = RpcTable::new(node, methods(&["b", "a"])).unwrap();
        assert_eq!(table.find("c").unwrap().0.value(), 0x8001);
        assert!(table.method(0x8000).is_none());
        assert_eq!(table.find("b").unwrap().0.value(), 1);
        assert_eq!(table.names().collect::<Vec<_>>(), ["c", "a", "b"]);
        assert_eq!(table.len(), 3);
        let listed = RpcTable::new(methods(&["c"]), methods(&["a", "b"])).unwrap();
        assert_eq!(table.checksum(), listed.checksum());
        let nothing = RpcTable::new([RpcConfig::without_mode("b")], []).unwrap();
        assert!(nothing.is_empty());
        assert_eq!(nothing.checksum(), RpcTable::default().checksum());
    }

    #[test]
    fn a_name_in_both_tables_is_found_in_the_script() {
        let table = RpcTable::new(methods(&["a"]), methods(&["a"])).unwrap();
        assert_eq!(table.find("a").unwrap().0.value(), 0);
        assert_eq!(table.names().collect::<Vec<_>>(), ["a", "a"]);
    }

    #[test]
    fn a_table_without_methods_has_the_checksum_of_nothing() {
        assert_eq!(
            RpcTable::default().checksum().to_string(),
            "d41d8cd98f00b204e9800998ecf8427e"
        );
    }

    #[test]
    fn duplicate_and_empty_names_are_refused() {
        let duplicate = RpcTable::of_script(methods(&["b", "a", "b"]));
        assert_eq!(
            duplicate.unwrap_err(),
            RpcTableError::Duplicate(Arc::from("b"))
        );
        assert_eq!(
            RpcTable::of_script(methods(&[""])).unwrap_err(),
            RpcTableError::NoName
        );
    }

    #[test]
    fn declared_arguments_are_checked_with_the_conversions_of_the_engine() {
        let method = RpcConfig::new("move")
            .argument_types([Some(ValueType::Float), None])
            .argument_count(1..=2);
        assert!(method.accepts(&[Value::Float(1.0)]));
        assert!(method.accepts(&[Value::Int(1), Value::Nil]));
        assert!(!method.accepts(&[]));
        assert!(!method.accepts(&[Value::Bool(true)]));
        assert!(!method.accepts(&[Value::Int(1), Value::Nil, Value::Nil]));
    }
}
