//! `gdwire nat`: what the NATs on the way do, and whether players can reach each other through them.

mod json;
mod report;

use crate::mapping::{self, MappingOptions};
use crate::options::seconds;
use clap::Args;
use core::net::SocketAddr;
use core::str::FromStr;
use core::time::Duration;
use gdwire::drive;
use gdwire::drive::stun::{DiscoveryDriver, StunClientDriver};
use gdwire::stun::client::{ClientConfig, ClientEvent, StunClient};
use gdwire::stun::nat::{LifetimeSearch, NatReport};
use gdwire::stun::uri::{Lookup, ServerUri, attempts};
use report::Findings;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use tokio::task::JoinSet;

/// How long the server may take to answer over TCP, or at all if it has several addresses.
const ANSWER: Duration = Duration::from_secs(5);

/// Finds out what NATs on the way do (RFC 5780), and says who can reach whom; or has the gateway open a port
#[derive(Args, Clone, Debug)]
#[command(after_long_help = crate::help::NAT)]
pub(crate) struct NatOptions {
    /// A STUN server: HOST, HOST:PORT or stun:HOST[:PORT]; one with a second address tells most
    #[arg(required_unless_present = "map")]
    server: Option<Server>,
    /// Has the gateway open this UDP port (PCP, NAT-PMP, UPnP) in place of asking a server, and keeps it open until Ctrl-C
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..),
        conflicts_with_all = ["server", "ipv4", "ipv6", "lifetime", "peer"])]
    map: Option<u16>,
    #[command(flatten)]
    mapping: MappingOptions,
    /// Uses IPv4 only
    #[arg(short = '4', long, conflicts_with = "ipv6")]
    ipv4: bool,
    /// Uses IPv6 only
    #[arg(short = '6', long)]
    ipv6: bool,
    /// Looks for how long an unused mapping lives, which takes minutes; Ctrl-C ends it with what is known
    #[arg(long)]
    lifetime: bool,
    /// Says how a player with this report, the output of --json, will be reached
    #[arg(long, value_name = "FILE")]
    peer: Option<PathBuf>,
    /// Ends by itself after this time, with what is known
    #[arg(long = "for", value_name = "SECONDS", value_parser = seconds)]
    duration: Option<Duration>,
    /// One JSON object in place of the table; with --map, one a line for each event
    #[arg(long)]
    json: bool,
}

/// Where a STUN server is.
#[derive(Clone, Debug)]
struct Server(ServerUri);

impl FromStr for Server {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let scheme = text.split_once(':').map(|(scheme, _)| scheme);
        let named = matches!(scheme, Some("stun" | "stuns" | "turn" | "turns"));
        let uri = match text.parse::<core::net::IpAddr>() {
            Ok(core::net::IpAddr::V6(ip)) => format!("stun:[{ip}]"),
            _ if named => text.to_owned(),
            _ => format!("stun:{text}"),
        };
        let uri: ServerUri = uri.parse().map_err(|error| format!("{error}"))?;
        if uri.scheme().is_secure() {
            return Err("this version has no TLS yet".to_owned());
        }
        Ok(Self(uri))
    }
}

impl Server {
    /// Its addresses, those to try first in front.
    async fn resolve(&self, keep: impl Fn(&SocketAddr) -> bool) -> io::Result<Vec<SocketAddr>> {
        let mut found = Vec::new();
        for lookup in self.0.lookups() {
            match lookup {
                Lookup::Address(address) => found.push(address),
                Lookup::Host { name, port } => {
                    found.extend(tokio::net::lookup_host((name, port)).await?);
                }
                // The system's resolver has no services, so the host's own addresses must do.
                Lookup::Service(_) => {}
            }
        }
        found.retain(keep);
        Ok(attempts(&found).map(|attempt| attempt.server).collect())
    }
}

pub(crate) async fn run(options: NatOptions) -> io::Result<ExitCode> {
    if let Some(port) = options.map {
        return mapping::run(port, &options.mapping, options.duration, options.json).await;
    }
    // The parser forgives that where there is a server, with which --map is in conflict.
    if options.mapping.is_given() {
        let message = "--gateway and --lease are for --map";
        return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
    }
    let missing = || io::Error::new(io::ErrorKind::NotFound, "the server has no such address");
    let asked = options.server.as_ref().ok_or_else(missing)?;
    let peer = options.peer.as_deref().map(json::read).transpose()?;
    let keep = |address: &SocketAddr| match (options.ipv4, options.ipv6) {
        (true, _) => address.is_ipv4(),
        (_, true) => address.is_ipv6(),
        _ => true,
    };
    let servers = asked.resolve(keep).await?;
    let first = *servers.first().ok_or_else(missing)?;
    let server = match servers.len() {
        1 => first,
        _ => first_to_answer(servers).await.unwrap_or(first),
    };
    let tcp = tokio::spawn(over_tcp(server));
    let report = discover(server, &options).await?;
    let mut findings = Findings::new(server, report, peer);
    findings.tcp = tcp.await.map_err(io::Error::other)?;
    let mut out = io::stdout().lock();
    if options.json {
        writeln!(out, "{}", json::to_json(&findings))?;
    } else {
        report::write_table(&mut out, &findings)?;
    }
    out.flush()?;
    Ok(match findings.report.blocked {
        true => ExitCode::FAILURE,
        false => ExitCode::SUCCESS,
    })
}

async fn discover(server: SocketAddr, options: &NatOptions) -> io::Result<NatReport> {
    let mut driver = DiscoveryDriver::start(server, |config| {
        config.lifetime = options.lifetime.then(LifetimeSearch::default);
    })?;
    let limit = async {
        match options.duration {
            Some(duration) => tokio::time::sleep(duration).await,
            None => core::future::pending().await,
        }
    };
    let asking = async {
        while let Some(event) = driver.next_event().await? {
            tracing::debug!(?event);
        }
        Ok::<(), io::Error>(())
    };
    tokio::select! {
        result = asking => result?,
        () = limit => {}
        result = tokio::signal::ctrl_c() => result?,
    }
    driver.stop();
    Ok(driver.report().clone())
}

/// Asks all addresses, a little apart; gives the first that answers.
async fn first_to_answer(servers: Vec<SocketAddr>) -> Option<SocketAddr> {
    let mut asked = JoinSet::new();
    for attempt in attempts(&servers) {
        asked.spawn(async move {
            tokio::time::sleep(attempt.after).await;
            let config = ClientConfig::new(drive::seed().ok()?);
            let client = StunClient::new(config, attempt.server);
            let driver = StunClientDriver::udp(client).ok()?;
            mapped(driver).await.map(|_| attempt.server)
        });
    }
    let first = async {
        while let Some(answered) = asked.join_next().await {
            if let Ok(Some(server)) = answered {
                return Some(server);
            }
        }
        None
    };
    tokio::time::timeout(ANSWER, first).await.ok().flatten()
}

/// Our address as the server sees it over TCP, if it answers there.
async fn over_tcp(server: SocketAddr) -> Option<SocketAddr> {
    let config = ClientConfig::stream(drive::seed().ok()?);
    let driver = StunClientDriver::tcp(StunClient::new(config, server));
    let asked = tokio::time::timeout(ANSWER, mapped(driver)).await;
    asked.ok().flatten()
}

async fn mapped(mut driver: StunClientDriver) -> Option<SocketAddr> {
    driver.bind().ok()?;
    while let Some(event) = driver.next_event().await.ok()? {
        if let ClientEvent::Answered(answered) = event {
            return Some(answered.mapped);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_may_be_named_in_each_usual_way() {
        for (text, uri) in [
            ("stun.example.org", "stun:stun.example.org"),
            ("stun.example.org:19302", "stun:stun.example.org:19302"),
            ("stun:192.0.2.1", "stun:192.0.2.1"),
            ("192.0.2.1:5000", "stun:192.0.2.1:5000"),
            ("2001:db8::1", "stun:[2001:db8::1]"),
            ("[2001:db8::1]:5000", "stun:[2001:db8::1]:5000"),
        ] {
            let server: Server = text.parse().expect(text);
            assert_eq!(server.0.to_string(), uri);
        }
        for (text, part) in [("stuns:a.org", "TLS"), ("a b", "host"), ("a:0", "port")] {
            let error = text.parse::<Server>().unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}
