//! `gdwire serve`: the services that players need to find and reach each other; STUN for now.

mod http;
mod metrics;

use crate::options::seconds;
use clap::Args;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use core::time::Duration;
use gdwire::drive;
use gdwire::drive::stun::{StunServer, StunServerConfig};
use gdwire::stun::server::Rate;
use http::HttpServer;
use serde_json::json;
use std::io::{self, Write};
use std::process::ExitCode;

/// How long connections may take to end.
const GRACE: Duration = Duration::from_secs(2);

/// Runs the services that players need to reach each other: STUN, with metrics over HTTP
#[derive(Args, Clone, Debug)]
#[command(after_long_help = crate::help::SERVE)]
pub(crate) struct ServeOptions {
    /// An address to listen on; may be repeated. Without, all of IPv4 and IPv6
    #[arg(long, value_name = "IP", env = "GDWIRE_BIND", value_delimiter = ',')]
    bind: Vec<IpAddr>,
    /// The services to run; this version has stun
    #[arg(long, value_name = "LIST", env = "GDWIRE_ONLY", value_delimiter = ',', value_parser = service)]
    only: Vec<String>,
    /// The TCP port of /metrics and /healthz; 0 takes any
    #[arg(long, value_name = "PORT", env = "GDWIRE_HTTP", default_value_t = 8080)]
    http: u16,
    /// The port of STUN, UDP and TCP; 0 takes any
    #[arg(long, value_name = "PORT", env = "GDWIRE_STUN", default_value_t = 3478)]
    stun: u16,
    /// A second address and port for NAT discovery (RFC 5780), of this machine, other than the first --bind in both
    #[arg(
        long,
        value_name = "IP:PORT",
        env = "GDWIRE_STUN_ALTERNATE",
        requires = "bind"
    )]
    stun_alternate: Option<SocketAddr>,
    /// STUN answers a second to each network (IPv4 /24, IPv6 /56) over UDP, twice as many at once
    #[arg(long, value_name = "N", env = "GDWIRE_STUN_RATE", default_value_t = 10, value_parser = rate())]
    stun_rate: u64,
    /// STUN answers a second in all over UDP
    #[arg(long, value_name = "N", env = "GDWIRE_STUN_TOTAL", default_value_t = 50_000, value_parser = rate())]
    stun_total: u64,
    /// STUN connections over TCP at a time
    #[arg(
        long,
        value_name = "N",
        env = "GDWIRE_STUN_CONNECTIONS",
        default_value_t = 1000
    )]
    stun_connections: usize,
    /// Answers clients of RFC 3489 too, which send no magic cookie
    #[arg(long, env = "GDWIRE_STUN_CLASSIC")]
    stun_classic: bool,
    /// Ends by itself after this time, with exit code 0
    #[arg(long = "for", value_name = "SECONDS", value_parser = seconds)]
    duration: Option<Duration>,
    /// One JSON object for each line of the log
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(options: ServeOptions) -> io::Result<ExitCode> {
    let ips = ips(&options.bind);
    let mut stun = StunServer::bind(stun_config(&options, &ips)?)?;
    let mut http = HttpServer::bind(&at(&ips, options.http), stun.stats_source())?;
    for address in stun.addresses() {
        say(&options, "listening", "stun", &address.to_string())?;
    }
    for address in http.addresses() {
        say(&options, "listening", "http", &address.to_string())?;
    }
    let limit = async {
        match options.duration {
            Some(duration) => tokio::time::sleep(duration).await,
            None => core::future::pending().await,
        }
    };
    let reason = tokio::select! {
        result = stun.failed() => return result.map(|()| ExitCode::FAILURE),
        result = http.failed() => return result.map(|()| ExitCode::FAILURE),
        () = limit => "time",
        result = stop_signal() => result?,
    };
    stun.shutdown(GRACE).await;
    say(&options, "stopped", "stun", reason)?;
    Ok(ExitCode::SUCCESS)
}

fn stun_config(options: &ServeOptions, ips: &[IpAddr]) -> io::Result<StunServerConfig> {
    let mut config = StunServerConfig::new(drive::seed()?, at(ips, options.stun));
    let rate = Rate::new(options.stun_rate, options.stun_rate.saturating_mul(2));
    config.binding.replies = rate;
    config.binding.reflections = rate;
    config.binding.total = Rate::new(options.stun_total, options.stun_total);
    config.binding.accept_classic = options.stun_classic;
    config.alternate = options.stun_alternate;
    config.connections = options.stun_connections;
    Ok(config)
}

/// The addresses to listen on: those that are named, or all of each family that the system has.
fn ips(named: &[IpAddr]) -> Vec<IpAddr> {
    if !named.is_empty() {
        return named.to_vec();
    }
    let mut all = vec![IpAddr::V4(Ipv4Addr::UNSPECIFIED)];
    if std::net::UdpSocket::bind((Ipv6Addr::UNSPECIFIED, 0)).is_ok() {
        all.push(Ipv6Addr::UNSPECIFIED.into());
    }
    all
}

fn at(ips: &[IpAddr], port: u16) -> Vec<SocketAddr> {
    ips.iter().map(|ip| SocketAddr::new(*ip, port)).collect()
}

/// One line of the log: what happened to which service, and where or why.
fn say(options: &ServeOptions, event: &str, service: &str, detail: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    if options.json {
        let name = if event == "listening" {
            "address"
        } else {
            "reason"
        };
        let line = json!({ "event": event, "service": service, name: detail });
        writeln!(out, "{line}")?;
    } else {
        writeln!(out, "{event:<10} {service:<5} {detail}")?;
    }
    out.flush()
}

/// Waits for Ctrl-C or the signal that supervisors send.
pub(crate) async fn stop_signal() -> io::Result<&'static str> {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let mut terminate = signal(SignalKind::terminate())?;
        tokio::select! {
            result = tokio::signal::ctrl_c() => result.map(|()| "interrupted"),
            _ = terminate.recv() => Ok("terminated"),
        }
    }
    #[cfg(not(unix))]
    tokio::signal::ctrl_c().await.map(|()| "interrupted")
}

fn rate() -> clap::builder::RangedU64ValueParser {
    clap::value_parser!(u64).range(1..=100_000_000)
}

fn service(name: &str) -> Result<String, String> {
    match name {
        "stun" => Ok(name.to_owned()),
        "directory" | "signaling" | "noray" | "nohub" | "nodetunnel" | "tube" | "turn"
        | "relay" => Err(format!("this version has no {name} yet, only stun")),
        _ => Err("there is no such service".to_owned()),
    }
}
