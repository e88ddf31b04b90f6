//! Ports that the gateway of a home opens: `gdwire nat --map` and `gdwire host --map`.

use crate::ndjson::Line;
use crate::options::seconds;
use crate::serve::stop_signal;
use clap::Args;
use core::net::{IpAddr, Ipv4Addr, SocketAddr};
use core::str::FromStr;
use core::time::Duration;
use gdwire::drive::mapping::{PortMappingConfig, PortMappingDriver};
use gdwire::ice::{MappedBy, MapperEvent};
use std::io::{self, Write};
use std::process::ExitCode;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// How a gateway is asked.
#[derive(Args, Clone, Debug)]
pub(crate) struct MappingOptions {
    /// The gateway to ask by PCP and NAT-PMP, IP or IP:PORT, in place of that of the default route; UPnP is then not asked
    #[arg(long, value_name = "ADDRESS", requires = "map")]
    gateway: Option<Gateway>,
    /// The lease to ask for, 30 to 86400, 7200 without; it is renewed at half of what the gateway grants
    #[arg(long, value_name = "SECONDS", requires = "map", value_parser = lease)]
    lease: Option<Duration>,
}

/// Where a gateway listens.
#[derive(Clone, Copy, Debug)]
struct Gateway {
    ip: IpAddr,
    /// `None` is that of the protocols.
    port: Option<u16>,
}

impl FromStr for Gateway {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let ip = text.parse().map(|ip| Self { ip, port: None });
        ip.or_else(|_| {
            let address: Result<SocketAddr, _> = text.parse();
            address.map(|address| Self {
                ip: address.ip(),
                port: Some(address.port()),
            })
        })
        .map_err(|_| "expected an IP address, or one with a port".to_owned())
    }
}

fn lease(text: &str) -> Result<Duration, String> {
    let range = Duration::from_secs(30)..=Duration::from_secs(86_400);
    let lease = seconds(text).ok().filter(|lease| range.contains(lease));
    lease.ok_or_else(|| "expected 30 to 86400 seconds".to_owned())
}

impl MappingOptions {
    /// Whether there is one of them.
    pub(crate) const fn is_given(&self) -> bool {
        self.gateway.is_some() || self.lease.is_some()
    }

    fn start(&self, internal: SocketAddr) -> io::Result<PortMappingDriver> {
        let mut config = PortMappingConfig::new(internal);
        config.lifetime = self.lease.unwrap_or(config.lifetime);
        if let Some(gateway) = self.gateway {
            config.gateway = Some(gateway.ip);
            config.gateway_port = gateway.port.unwrap_or(config.gateway_port);
            config.upnp = false;
        }
        PortMappingDriver::start(config)
    }
}

/// The words that JSON has for an event.
fn line(internal: SocketAddr, event: MapperEvent) -> Line {
    match event {
        MapperEvent::Mapped {
            external,
            by,
            lease,
        } => Line::new("mapped")
            .with("internal", internal.to_string())
            .with("external", external.to_string())
            .with("by", name(by))
            .with("lease_s", lease.map(|lease| lease.as_secs())),
        MapperEvent::Lost => {
            Line::new("map_lost").with("reason", "the gateway did not renew the lease")
        }
        _ => failed("the gateway opens no ports: it answered nothing, or refused"),
    }
}

fn failed(reason: &str) -> Line {
    Line::new("map_failed").with("reason", reason)
}

const fn name(by: MappedBy) -> &'static str {
    match by {
        MappedBy::Pcp => "pcp",
        MappedBy::NatPmp => "nat_pmp",
        _ => "upnp",
    }
}

/// The same for people.
fn sentence(internal: SocketAddr, event: MapperEvent) -> String {
    let port = internal.port();
    match event {
        MapperEvent::Mapped {
            external,
            by,
            lease,
        } => {
            let by = match by {
                MappedBy::Pcp => "PCP",
                MappedBy::NatPmp => "NAT-PMP",
                _ => "UPnP",
            };
            let lease = lease.map_or_else(
                || "without end".to_owned(),
                |lease| format!("for {} s, renewed until this command ends", lease.as_secs()),
            );
            let mut text = format!("UDP port {port} is open at {external}, by {by}, {lease}");
            if is_local(external.ip()) {
                text += "\nThat is no public address: another gateway stands further out, and keeps the port closed";
            }
            text
        }
        MapperEvent::Lost => format!("UDP port {port} is closed again: its lease was not renewed"),
        _ => "The gateway opens no ports: it answered nothing, or refused".to_owned(),
    }
}

/// Whether the address is that of a network behind another gateway.
const fn is_local(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => {
            let [first, second, ..] = ip.octets();
            ip.is_private() || first == 100 && second & 0xc0 == 64
        }
        IpAddr::V6(ip) => ip.is_unique_local(),
    }
}

/// Keeps `port` open until the end: `gdwire nat --map`.
pub(crate) async fn run(
    port: u16,
    options: &MappingOptions,
    duration: Option<Duration>,
    json: bool,
) -> io::Result<ExitCode> {
    let internal = SocketAddr::from((Ipv4Addr::UNSPECIFIED, port));
    let mut driver = options.start(internal)?;
    let limit = async {
        match duration {
            Some(duration) => tokio::time::sleep(duration).await,
            None => core::future::pending().await,
        }
    };
    let telling = async {
        while let Some(event) = driver.next_event().await {
            if json {
                line(internal, event).write()?;
            } else {
                let mut out = io::stdout().lock();
                writeln!(out, "{}", sentence(internal, event))?;
                out.flush()?;
            }
        }
        Ok::<_, io::Error>(())
    };
    let ended = tokio::select! {
        result = telling => result.map(|()| None),
        () = limit => Ok(Some("time")),
        reason = stop_signal() => reason.map(Some),
    };
    let was_open = driver.external().is_some();
    // Also when nobody reads any more: the port is not left open.
    driver.stop().await;
    let Some(reason) = ended? else {
        return Ok(ExitCode::FAILURE);
    };
    if json {
        Line::new("stopped").with("reason", reason).write()?;
    }
    Ok(match was_open {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

/// A mapping of a game's port, kept beside the game.
pub(crate) struct Beside {
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Beside {
    /// Asks for a mapping of `internal`, and tells events as JSON lines. A gateway that opens no ports is told too, and does
    /// not end the game.
    pub(crate) fn start(
        internal: SocketAddr,
        options: &MappingOptions,
    ) -> io::Result<Option<Self>> {
        let mut driver = match options.start(internal) {
            Ok(driver) => driver,
            Err(error) => {
                failed(&error.to_string()).write()?;
                return Ok(None);
            }
        };
        let (stop, mut stopped) = oneshot::channel();
        let task = tokio::spawn(async move {
            loop {
                // In this order, so that nothing is told after the end of the game.
                let event = tokio::select! {
                    biased;
                    _ = &mut stopped => break,
                    event = driver.next_event() => event,
                };
                let Some(event) = event else {
                    return;
                };
                if let Err(error) = line(internal, event).write() {
                    tracing::debug!(%error, "nobody reads");
                    break;
                }
            }
            driver.stop().await;
        });
        Ok(Some(Self { stop, task }))
    }

    /// Gives the port back.
    pub(crate) async fn stop(self) {
        // It may have ended by itself.
        let _ = self.stop.send(());
        let _ = self.task.await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gateway_is_an_address_with_or_without_a_port() {
        for (text, ip, port) in [
            ("192.0.2.1", "192.0.2.1", None),
            ("192.0.2.1:9", "192.0.2.1", Some(9)),
            ("2001:db8::1", "2001:db8::1", None),
            ("[2001:db8::1]:9", "2001:db8::1", Some(9)),
        ] {
            let gateway: Gateway = text.parse().expect(text);
            assert_eq!((gateway.ip.to_string().as_str(), gateway.port), (ip, port));
        }
        assert!("router.lan".parse::<Gateway>().is_err());
    }

    #[test]
    fn a_lease_is_half_a_minute_to_a_day() {
        assert_eq!(lease("30"), Ok(Duration::from_secs(30)));
        assert!(lease("29").is_err() && lease("86401").is_err() && lease("x").is_err());
    }

    #[test]
    fn an_outer_address_that_is_private_is_warned_about() {
        let internal = SocketAddr::from(([0, 0, 0, 0], 9000));
        let mapped = |external: [u8; 4], lease| MapperEvent::Mapped {
            external: (external, 9000).into(),
            by: MappedBy::Upnp,
            lease,
        };
        let open = sentence(internal, mapped([203, 0, 113, 5], None));
        assert_eq!(
            open,
            "UDP port 9000 is open at 203.0.113.5:9000, by UPnP, without end"
        );
        for private in [[192, 168, 1, 1], [100, 64, 0, 1]] {
            let text = sentence(internal, mapped(private, Some(Duration::from_secs(60))));
            assert!(text.contains("further out"), "{text}");
        }
    }
}
