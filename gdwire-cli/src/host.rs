//! `gdwire host`: hosts a game as its server.

use crate::ndjson;
use crate::options::SessionOptions;
use crate::url::EnetUrl;
use clap::Args;
use core::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use gdwire::drive::{self, tokio::ServerDriver};
use gdwire::session::Authentication;
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
    /// Most clients at a time
    #[arg(long, value_name = "N", default_value_t = 32, value_parser = clap::value_parser!(u16).range(1..=4095))]
    max_clients: u16,
}

pub(crate) async fn run(options: HostOptions) -> io::Result<ExitCode> {
    let stage = options.session.scene.stage()?;
    let mut server = Server::new(config(&options)?).map_err(io::Error::other)?;
    ndjson::declare(&mut server, &stage)?;
    let mut driver = bind(&options.session.url, server).await?;
    if options.refuse {
        driver.server_mut().refuse_new_connections();
    }
    ndjson::listening(driver.local_address()?).write()?;
    ndjson::run(driver, options.session, stage).await
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
