//! When both ends have different methods for one node: [`MethodMismatch`].
//!
//! Only a checksum of the other list is on the wire. [`MethodMismatch::explain`] looks for the list behind it among
//! those that a real project would have: some of our methods missing, one more, another node's list.

use crate::node::NodeKey;
use crate::packet::Checksum;
use crate::peer::PeerId;
use crate::rpc_table::RpcTable;
use crate::session::Session;
use alloc::collections::BTreeSet;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

/// Lists of up to so many names are searched for all their parts: at most 65,536 checksums.
const MAX_NAMES_FOR_PARTS: usize = 16;

/// The method lists of a node differ, so calls would run the wrong methods.
///
/// [`Session::explain_mismatch`] finds out more.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct MethodMismatch {
    /// The other end.
    pub peer: PeerId,
    /// The node.
    pub node: NodeKey,
    /// Its path.
    pub path: Arc<str>,
    /// Its methods here.
    pub methods: RpcTable,
    /// How it came out.
    pub source: MismatchSource,
}

/// How a mismatch came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MismatchSource {
    /// The peer announced the node with this checksum.
    Announced(Checksum),
    /// The peer answered our announcement so; its checksum is known if it had announced the node too.
    Reported(Option<Checksum>),
}

/// A mismatch with both lists, as far as the other one can be told. Its text names everything.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MismatchReport {
    /// The other end.
    pub peer: PeerId,
    /// Path of the node.
    pub path: Arc<str>,
    /// The methods here, in the order of the checksum.
    pub ours: Vec<String>,
    /// The checksum of them.
    pub our_checksum: Checksum,
    /// The methods there, if a list with their checksum was found.
    pub theirs: Option<Vec<String>>,
    /// The checksum of those, if it came over the wire.
    pub their_checksum: Option<Checksum>,
}

impl fmt::Display for MethodMismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.report(None).fmt(f)
    }
}

impl fmt::Display for MismatchReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "node {} has other methods at peer {}: here ",
            self.path, self.peer
        )?;
        write_list(f, &self.ours)?;
        write!(f, " (checksum {}), there ", self.our_checksum)?;
        match &self.theirs {
            Some(theirs) => write_list(f, theirs)?,
            None => f.write_str("an unknown list")?,
        }
        match self.their_checksum {
            Some(checksum) => write!(f, " (checksum {checksum})"),
            None => Ok(()),
        }
    }
}

fn write_list(f: &mut fmt::Formatter<'_>, names: &[String]) -> fmt::Result {
    if names.is_empty() {
        return f.write_str("no methods");
    }
    write!(f, "[{}]", names.join(", "))
}

impl MethodMismatch {
    /// The peer's checksum, if it came over the wire.
    #[must_use]
    pub const fn their_checksum(&self) -> Option<Checksum> {
        match self.source {
            MismatchSource::Announced(checksum) => Some(checksum),
            MismatchSource::Reported(checksum) => checksum,
        }
    }

    /// Looks for the peer's list among `other_tables` and variations of ours with their names.
    ///
    /// It computes up to 65,536 checksums for 16 methods, and one per method and other name: milliseconds, to be spent
    /// when a person reads the result and not for each packet that could ask for it.
    #[must_use]
    pub fn explain<'t>(
        &'t self,
        other_tables: impl IntoIterator<Item = &'t RpcTable>,
    ) -> MismatchReport {
        let theirs = self
            .their_checksum()
            .and_then(|checksum| Search::new(&self.methods, other_tables).run(checksum));
        self.report(theirs)
    }

    fn report(&self, theirs: Option<Vec<String>>) -> MismatchReport {
        MismatchReport {
            peer: self.peer,
            path: Arc::clone(&self.path),
            ours: self.methods.names().map(String::from).collect(),
            our_checksum: self.methods.checksum(),
            theirs,
            their_checksum: self.their_checksum(),
        }
    }
}

impl Session {
    /// A mismatch with both lists, as far as the peer's can be found among variations of what this session knows.
    ///
    /// See [`MethodMismatch::explain`] for what it costs.
    #[must_use]
    pub fn explain_mismatch(&self, mismatch: &MethodMismatch) -> MismatchReport {
        let tables = self.nodes.iter().map(|(_, node)| &node.methods);
        if let MismatchSource::Reported(None) = mismatch.source {
            let announced = self.announced_checksum(mismatch.peer, &mismatch.path);
            let mismatch = MethodMismatch {
                source: MismatchSource::Reported(announced),
                ..mismatch.clone()
            };
            return mismatch.explain(tables);
        }
        mismatch.explain(tables)
    }
}

/// The search for a list of names behind a checksum.
struct Search<'t> {
    node: Vec<&'t str>,
    script: Vec<&'t str>,
    /// Names of other nodes.
    others: BTreeSet<&'t str>,
    tables: Vec<&'t RpcTable>,
}

impl<'t> Search<'t> {
    fn new(ours: &'t RpcTable, tables: impl IntoIterator<Item = &'t RpcTable>) -> Self {
        let (node, script) = ours
            .iter()
            .partition::<Vec<_>, _>(|(id, _)| id.is_node_table());
        let names = |methods: Vec<(_, &'t crate::rpc_table::RpcConfig)>| {
            methods
                .into_iter()
                .map(|(_, method)| method.name())
                .collect()
        };
        let mut seen = BTreeSet::new();
        let mut tables: Vec<_> = tables.into_iter().collect();
        tables.retain(|table| seen.insert(table.checksum()));
        Self {
            node: names(node),
            script: names(script),
            others: tables.iter().flat_map(|table| table.names()).collect(),
            tables,
        }
    }

    fn run(&self, checksum: Checksum) -> Option<Vec<String>> {
        self.other_table(checksum)
            .or_else(|| self.other_arrangement(checksum))
            .or_else(|| self.one_more(checksum))
            .or_else(|| self.one_other(checksum))
            .or_else(|| self.part(checksum))
    }

    /// The list of another node.
    fn other_table(&self, checksum: Checksum) -> Option<Vec<String>> {
        let table = self
            .tables
            .iter()
            .find(|table| table.checksum() == checksum)?;
        Some(table.names().map(String::from).collect())
    }

    /// The same methods, all in one table.
    fn other_arrangement(&self, checksum: Checksum) -> Option<Vec<String>> {
        let names: BTreeSet<_> = self.node.iter().chain(&self.script).copied().collect();
        check(checksum, names.iter().copied())
    }

    /// Ours and one method of another node.
    fn one_more(&self, checksum: Checksum) -> Option<Vec<String>> {
        self.others.iter().find_map(|&name| {
            check(
                checksum,
                self.node.iter().copied().chain(with(&self.script, name)),
            )
            .or_else(|| {
                check(
                    checksum,
                    with(&self.node, name).chain(self.script.iter().copied()),
                )
            })
        })
    }

    /// Ours with one method of another node in place of one of ours.
    fn one_other(&self, checksum: Checksum) -> Option<Vec<String>> {
        (0..self.script.len()).find_map(|left_out| {
            let mut script = self.script.clone();
            script.remove(left_out);
            self.others.iter().find_map(|&name| {
                check(
                    checksum,
                    self.node.iter().copied().chain(with(&script, name)),
                )
            })
        })
    }

    /// Ours without some.
    fn part(&self, checksum: Checksum) -> Option<Vec<String>> {
        let all: Vec<_> = self.node.iter().chain(&self.script).copied().collect();
        if all.len() > MAX_NAMES_FOR_PARTS {
            return (0..all.len()).find_map(|left_out| {
                let rest = all
                    .iter()
                    .enumerate()
                    .filter(move |(index, _)| *index != left_out);
                check(checksum, rest.map(|(_, name)| *name))
            });
        }
        (0..1_u32 << all.len()).rev().find_map(|part| {
            let chosen = all
                .iter()
                .enumerate()
                .filter(move |(index, _)| part >> index & 1 != 0);
            check(checksum, chosen.map(|(_, name)| *name))
        })
    }
}

/// A sorted list with one more name.
fn with<'n>(names: &'n [&'n str], more: &'n str) -> impl Iterator<Item = &'n str> + Clone {
    let place = names.partition_point(|name| *name < more);
    let (before, after) = names.split_at(place);
    before
        .iter()
        .copied()
        .chain([more])
        .chain(after.iter().copied())
}

/// The names if they have that checksum.
fn check<'n, I>(checksum: Checksum, names: I) -> Option<Vec<String>>
where
    I: Iterator<Item = &'n str> + Clone,
{
    (Checksum::of_names(names.clone()) == checksum).then(|| names.map(String::from).collect())
}
