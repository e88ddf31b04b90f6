//! `gdwire connect`: joins a game as a client.

use crate::ndjson::{self, Endpoint};
use crate::options::{Hex, SessionOptions};
use crate::url::EnetUrl;
use clap::Args;
use gdwire::drive::{self, tokio::ClientDriver};
use gdwire::session::{
    AuthError, Authentication, CallError, MethodMismatch, MismatchReport, NodeConfig, NodeError,
    NodeKey, PeerId, SendError, Target, TransferMode,
};
use gdwire::variant::Value;
use gdwire::{Client, ClientConfig, Event, PeerStats};
use std::io;
use std::process::ExitCode;

/// Joins a game as a client: commands as JSON lines on standard input, events on standard output
#[derive(Args, Clone, Debug)]
#[command(after_long_help = crate::help::CONNECT)]
pub(crate) struct ConnectOptions {
    #[command(flatten)]
    session: SessionOptions,
    /// Own id, 2 to 2147483647; a random one without
    #[arg(long, value_name = "N", value_parser = id)]
    id: Option<PeerId>,
}

pub(crate) async fn run(options: ConnectOptions) -> io::Result<ExitCode> {
    let server = match options.session.url.resolve().await {
        Ok(server) => server,
        Err(why) => {
            ndjson::error("resolve", why.to_string()).write()?;
            return ndjson::never_connected("unresolved");
        }
    };
    let client = Client::new(config(&options)?).map_err(io::Error::other)?;
    let driver = ClientDriver::connect(server, client)?;
    ndjson::run(driver, options.session).await
}

fn config(options: &ConnectOptions) -> io::Result<ClientConfig> {
    let mut config = client_config(&options.session.url, options.session.auth.as_ref())?;
    if let Some(id) = options.id {
        config.session.id = id;
    }
    Ok(config)
}

/// The settings of a client of the game at `url` that may have to show a token.
pub(crate) fn client_config(url: &EnetUrl, token: Option<&Hex>) -> io::Result<ClientConfig> {
    let mut config = ClientConfig::new(drive::seed()?);
    config.enet.incoming_bandwidth = url.in_bandwidth;
    config.enet.outgoing_bandwidth = url.out_bandwidth;
    config.enet.checksum = url.checksum;
    if let Some(channels) = url.channels {
        config.channel_count = channels.saturating_add(2);
    }
    if token.is_some() {
        config.session.authentication = Authentication::Required;
    }
    Ok(config)
}

fn id(text: &str) -> Result<PeerId, String> {
    text.parse()
        .ok()
        .and_then(PeerId::of_client)
        .ok_or_else(|| "expected 2 to 2147483647".to_owned())
}

impl Endpoint for ClientDriver {
    async fn next_event(&mut self) -> io::Result<Option<Event>> {
        Self::next_event(self).await
    }

    fn add_node(&mut self, node: NodeConfig) -> Result<NodeKey, NodeError> {
        self.client_mut().add_node(node)
    }

    fn rpc(
        &mut self,
        target: Target,
        node: NodeKey,
        method: &str,
        arguments: &[Value],
    ) -> Result<usize, CallError> {
        self.client_mut().rpc(target, node, method, arguments)
    }

    fn send_bytes(
        &mut self,
        target: Target,
        payload: &[u8],
        mode: TransferMode,
        channel: u8,
    ) -> Result<(), SendError> {
        self.client_mut().send_bytes(target, payload, mode, channel)
    }

    fn send_auth(&mut self, peer: PeerId, data: &[u8]) -> Result<(), AuthError> {
        self.client_mut().send_auth(peer, data)
    }

    fn complete_auth(&mut self, peer: PeerId) -> Result<(), AuthError> {
        self.client_mut().complete_auth(peer)
    }

    fn disconnect_peer(&mut self, peer: PeerId) {
        self.client_mut().disconnect_peer(peer);
    }

    fn has_peer(&self, peer: PeerId) -> bool {
        peer.is_server() && self.client().is_connected()
    }

    fn explain(&self, mismatch: &MethodMismatch) -> MismatchReport {
        self.client().session().explain_mismatch(mismatch)
    }

    fn stats(&self) -> Vec<(PeerId, PeerStats)> {
        let stats = self.client().server_stats();
        stats
            .map(|stats| (PeerId::SERVER, stats))
            .into_iter()
            .collect()
    }

    fn close(&mut self) {
        self.client_mut().close();
    }

    fn close_now(&mut self) {
        self.client_mut().close_now();
    }

    fn is_host(&self) -> bool {
        false
    }
}
