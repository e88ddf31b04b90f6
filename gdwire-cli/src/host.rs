//! `gdwire host`: hosts a game as its server.

use crate::dtls::HostDtls;
use crate::mapping::{Beside, MappingOptions};
use crate::ndjson;
use crate::options::{SessionOptions, seconds};
use clap::Args;
use core::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use core::time::Duration;
use gdwire::drive::{self, tokio::ServerDriver};
use gdwire::session::{Authentication, Relay};
use gdwire::{Server, ServerConfig};
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
    /// Most clients at a time, at each listener
    #[arg(long, value_name = "N", default_value_t = 32, value_parser = clap::value_parser!(u16).range(1..=4095))]
    max_clients: u16,
    /// Sockets, for more than 4095 clients in one game: the ports from that of the URL on, or any free ones for port 0
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=16))]
    listeners: u16,
    /// Looks at its sockets and answers once in so many seconds, as a game does in a frame
    ///
    /// Without, it does so whenever something arrives.
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    frame: Option<Duration>,
    /// Clients hear nothing of each other and cannot call each other (server_relay is off)
    #[arg(long)]
    no_relay: bool,
    /// Has the gateway open the game's UDP port (PCP, NAT-PMP, UPnP), and keeps it open while the game runs
    #[arg(long, conflicts_with = "listeners")]
    map: bool,
    #[command(flatten)]
    mapping: MappingOptions,
    #[command(flatten)]
    dtls: HostDtls,
}

pub(crate) async fn run(options: HostOptions) -> io::Result<ExitCode> {
    let stage = options.session.scene.stage()?;
    let mut config = config(&options)?;
    let (dtls, certificate) = options.dtls.settings(&options.session.url)?.unzip();
    config.dtls = dtls;
    let mut server = Server::new(config).map_err(io::Error::other)?;
    ndjson::declare(&mut server, &stage)?;
    let addresses = addresses(&options).await?;
    let mut driver = ServerDriver::bind_all(&addresses, server)?;
    if let Some(frame) = options.frame {
        driver = driver.paced(frame)?;
    }
    if options.refuse {
        driver.server_mut().refuse_new_connections();
    }
    for listener in 0..usize::from(options.listeners) {
        let address = driver.local_address_at(listener)?;
        ndjson::listening(address, certificate.as_ref().and_then(Option::as_deref)).write()?;
    }
    let mapping = match options.map {
        true => Beside::start(driver.local_address_at(0)?, &options.mapping)?,
        false => None,
    };
    let ended = ndjson::run(driver, options.session, stage).await;
    if let Some(mapping) = mapping {
        mapping.stop().await;
    }
    ended
}

fn config(options: &HostOptions) -> io::Result<ServerConfig> {
    let url = &options.session.url;
    let mut config = ServerConfig::new(drive::seed()?);
    config.enet.max_peers = options.max_clients.into();
    config.enet.incoming_bandwidth = url.in_bandwidth;
    config.enet.outgoing_bandwidth = url.out_bandwidth;
    config.enet.checksum = url.checksum;
    config.enet.compression = url.compression;
    if let Some(channels) = url.channels {
        config.enet.channel_limit = usize::from(channels) + 2;
    }
    config.listeners = options.listeners.into();
    if options.no_relay {
        config.session.relay = Relay::Disabled;
    }
    if options.session.auth.is_some() {
        config.session.authentication = Authentication::Required;
    }
    Ok(config)
}

/// Where to listen: at the address of the URL, which is all addresses if there is none, of IPv4 alone where the system has
/// no IPv6.
async fn addresses(options: &HostOptions) -> io::Result<Vec<SocketAddr>> {
    let url = &options.session.url;
    let first = match url.host.as_str() {
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
    let port = |listener| match first.port() {
        0 => Ok(0),
        port => port.checked_add(listener).ok_or_else(|| {
            let message = format!("{} listeners from port {port} on", options.listeners);
            io::Error::new(io::ErrorKind::InvalidInput, message)
        }),
    };
    (0..options.listeners)
        .map(|listener| Ok(SocketAddr::new(first.ip(), port(listener)?)))
        .collect()
}
