//! `gdwire host`: hosts a game as its server.

use crate::ndjson::{self, Endpoint};
use crate::options::SessionOptions;
use crate::url::EnetUrl;
use clap::Args;
use core::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use gdwire::drive::{self, tokio::ServerDriver};
use gdwire::session::{
    AuthError, Authentication, CallError, MethodMismatch, MismatchReport, NodeConfig, NodeError,
    NodeKey, PeerId, SendError, Target, TransferMode,
};
use gdwire::variant::Value;
use gdwire::{Event, PeerStats, Server, ServerConfig};
use std::io;
use std::process::ExitCode;

/// Hosts a game as its server, peer 1: commands as JSON lines on standard input, events on standard output
#[derive(Args, Clone, Debug)]
#[command(after_long_help = crate::help::HOST)]
pub(crate) struct HostOptions {
    #[command(flatten)]
    session: SessionOptions,
    /// Takes no clients; each one that tries is told so
    #[arg(long)]
    refuse: bool,
    /// Most clients at a time
    #[arg(long, value_name = "N", default_value_t = 32, value_parser = clap::value_parser!(u16).range(1..=4095))]
    max_clients: u16,
}

pub(crate) async fn run(options: HostOptions) -> io::Result<ExitCode> {
    let server = Server::new(config(&options)?).map_err(io::Error::other)?;
    let mut driver = bind(&options.session.url, server).await?;
    if options.refuse {
        driver.server_mut().refuse_new_connections();
    }
    ndjson::listening(driver.local_address()?).write()?;
    ndjson::run(driver, options.session).await
}

fn config(options: &HostOptions) -> io::Result<ServerConfig> {
    let url = &options.session.url;
    let mut config = ServerConfig::new(drive::seed()?);
    config.enet.max_peers = options.max_clients.into();
    config.enet.incoming_bandwidth = url.in_bandwidth;
    config.enet.outgoing_bandwidth = url.out_bandwidth;
    config.enet.checksum = url.checksum;
    if let Some(channels) = url.channels {
        config.enet.channel_limit = usize::from(channels) + 2;
    }
    if options.session.auth.is_some() {
        config.session.authentication = Authentication::Required;
    }
    Ok(config)
}

/// Binds to the address of the URL: all addresses if there is none, of IPv4 alone where the system has no IPv6.
async fn bind(url: &EnetUrl, server: Server) -> io::Result<ServerDriver> {
    let address = match url.host.as_str() {
        "" | "*" => {
            let ipv6 = SocketAddr::from((Ipv6Addr::UNSPECIFIED, url.port));
            let ipv4 = SocketAddr::from((Ipv4Addr::UNSPECIFIED, url.port));
            if std::net::UdpSocket::bind((Ipv6Addr::UNSPECIFIED, 0)).is_ok() {
                ipv6
            } else {
                ipv4
            }
        }
        _ => url.resolve().await?,
    };
    ServerDriver::bind(address, server)
}

impl Endpoint for ServerDriver {
    async fn next_event(&mut self) -> io::Result<Option<Event>> {
        Self::next_event(self).await
    }

    fn add_node(&mut self, node: NodeConfig) -> Result<NodeKey, NodeError> {
        self.server_mut().add_node(node)
    }

    fn rpc(
        &mut self,
        target: Target,
        node: NodeKey,
        method: &str,
        arguments: &[Value],
    ) -> Result<usize, CallError> {
        self.server_mut().rpc(target, node, method, arguments)
    }

    fn send_bytes(
        &mut self,
        target: Target,
        payload: &[u8],
        mode: TransferMode,
        channel: u8,
    ) -> Result<(), SendError> {
        self.server_mut().send_bytes(target, payload, mode, channel)
    }

    fn send_auth(&mut self, peer: PeerId, data: &[u8]) -> Result<(), AuthError> {
        self.server_mut().send_auth(peer, data)
    }

    fn complete_auth(&mut self, peer: PeerId) -> Result<(), AuthError> {
        self.server_mut().complete_auth(peer)
    }

    fn disconnect_peer(&mut self, peer: PeerId) {
        self.server_mut().disconnect_peer(peer);
    }

    fn has_peer(&self, peer: PeerId) -> bool {
        self.server().peer_stats(peer).is_some()
    }

    fn explain(&self, mismatch: &MethodMismatch) -> MismatchReport {
        self.server().session().explain_mismatch(mismatch)
    }

    fn stats(&self) -> Vec<(PeerId, PeerStats)> {
        let server = self.server();
        server
            .peers()
            .filter_map(|peer| server.peer_stats(peer).map(|stats| (peer, stats)))
            .collect()
    }

    fn close(&mut self) {
        self.server_mut().close();
    }

    fn close_now(&mut self) {
        self.server_mut().close_now();
    }

    fn is_host(&self) -> bool {
        true
    }
}
