//! A port that the gateway of a home opens: [`PortMappingDriver`].

mod ask;
mod gateway;
#[cfg(feature = "upnp")]
mod upnp;

#[cfg(feature = "upnp")]
use crate::drive::Clock;
use crate::drive::seed;
use crate::drive::udp::home_for;
use ask::Asking;
use core::net::{IpAddr, SocketAddr};
use core::time::Duration;
use ice_lite::{LocalCandidate, MapperConfig, MapperEvent};
use std::io;

pub use gateway::default_gateway;

/// UPnP is asked too when PCP and NAT-PMP have said nothing for so long: most gateways that know these answer at once.
#[cfg(feature = "upnp")]
const HEAD_START: Duration = Duration::from_millis(1500);

/// Settings of a [`PortMappingDriver`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PortMappingConfig {
    /// The UDP socket that is to be reached from outside. Its IP address may be unspecified, as that of most servers is.
    pub internal: SocketAddr,
    /// The gateway to ask by PCP and NAT-PMP; by default that of the default route, see [`default_gateway`].
    pub gateway: Option<IpAddr>,
    /// The port of the gateway for PCP and NAT-PMP: 5351, but for a test.
    pub gateway_port: u16,
    /// The lease that is asked for, and renewed at half of it: two hours by default, 30 s to a day.
    pub lifetime: Duration,
    /// Whether UPnP is asked where neither PCP nor NAT-PMP is answered; by default it is. For IPv4 only.
    #[cfg(feature = "upnp")]
    #[cfg_attr(docsrs, doc(cfg(feature = "upnp")))]
    pub upnp: bool,
}

impl PortMappingConfig {
    /// A mapping of the port of `internal`.
    #[must_use]
    pub const fn new(internal: SocketAddr) -> Self {
        Self {
            internal,
            gateway: None,
            gateway_port: MapperConfig::PORT,
            lifetime: Duration::from_secs(7200),
            #[cfg(feature = "upnp")]
            upnp: true,
        }
    }
}

/// Asks the gateway of a home to open a port, and keeps it open: by PCP (RFC 6887) or NAT-PMP (RFC 6886), and with the
/// feature `upnp` by UPnP IGD where the gateway knows neither.
///
/// It needs nothing of the game's socket but its address; its requests leave from a socket of their own. It also listens for
/// what gateways tell after a restart, where the system lets it (IPv4).
///
/// When it is dropped the gateway is told once, and not waited for; [`PortMappingDriver::stop`] waits.
///
/// ```no_run
/// use gdwire::drive::mapping::{PortMappingConfig, PortMappingDriver};
/// use gdwire::ice::MapperEvent;
///
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// // The server of the game listens on port 9000.
/// let mut driver = PortMappingDriver::start(PortMappingConfig::new("0.0.0.0:9000".parse()?))?;
/// while let Some(event) = driver.next_event().await {
///     match event {
///         MapperEvent::Mapped { external, by, .. } => println!("friends join at {external} ({by:?})"),
///         MapperEvent::Lost => println!("the port is closed again"),
///         MapperEvent::Failed => println!("this gateway opens no ports"),
///         _ => {}
///     }
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct PortMappingDriver {
    /// The socket, with the address by which the gateway knows it.
    internal: SocketAddr,
    /// Asks by PCP and NAT-PMP, until another way was found or it has failed.
    asking: Option<Asking>,
    #[cfg(feature = "upnp")]
    upnp: Upnp,
    external: Option<SocketAddr>,
    is_over: bool,
}

/// What UPnP is at.
#[cfg(feature = "upnp")]
#[derive(Debug)]
enum Upnp {
    /// It begins then.
    Due(Clock, proto_core::Instant, Duration),
    Runs(upnp::UpnpTask),
    Off,
}

impl PortMappingDriver {
    /// Begins to ask.
    ///
    /// # Errors
    /// `NotFound` if no gateway is known and UPnP is not to be asked; `InvalidInput` if the lease is out of its range or the
    /// addresses are of two families; what the system says, such as that there is no way to the gateway.
    ///
    /// # Panics
    /// Outside of a tokio runtime with its IO and time drivers on.
    pub fn start(config: PortMappingConfig) -> io::Result<Self> {
        let known = match config.gateway {
            Some(gateway) => Ok(gateway),
            None => default_gateway().map(IpAddr::V4),
        };
        let wants_upnp = wants_upnp(&config);
        let gateway = match known {
            Ok(gateway) => Some(gateway).filter(|gateway| {
                let ip = config.internal.ip();
                // A socket at `[::]` takes IPv4 too.
                ip.is_unspecified() || ip.is_ipv4() == gateway.is_ipv4()
            }),
            Err(_) if wants_upnp => None,
            Err(error) => return Err(error),
        };
        let internal = local(config.internal, gateway)?;
        let asking = match gateway {
            Some(gateway) => {
                let mut mapper = MapperConfig::new(seed()?, gateway, internal);
                mapper.lifetime = config.lifetime;
                mapper.gateway.set_port(config.gateway_port);
                Some(Asking::start(mapper)?)
            }
            None if wants_upnp => None,
            None => return Err(io::ErrorKind::InvalidInput.into()),
        };
        #[cfg(feature = "upnp")]
        let upnp = if wants_upnp {
            let clock = Clock::start();
            let wait = asking.as_ref().map_or(Duration::ZERO, |_| HEAD_START);
            Upnp::Due(clock, clock.now() + wait, config.lifetime)
        } else {
            Upnp::Off
        };
        Ok(Self {
            internal,
            asking,
            #[cfg(feature = "upnp")]
            upnp,
            external: None,
            is_over: false,
        })
    }

    /// The outer address, while there is one.
    #[must_use]
    pub const fn external(&self) -> Option<SocketAddr> {
        self.external
    }

    /// The mapping as a candidate for [`Gatherer::provide`](ice_lite::Gatherer::provide), while there is one.
    #[must_use]
    pub fn candidate(&self) -> Option<LocalCandidate> {
        let external = self.external?;
        Some(LocalCandidate::mapped(external, self.internal))
    }

    /// Runs until there is an event; `None` after [`MapperEvent::Lost`] and [`MapperEvent::Failed`]. The mapping is renewed
    /// only while somebody waits here.
    ///
    /// May be dropped and called again at any time: nothing is lost.
    pub async fn next_event(&mut self) -> Option<MapperEvent> {
        while !self.is_over {
            if let Some(event) = self.step().await {
                return Some(event);
            }
        }
        None
    }

    #[cfg(not(feature = "upnp"))]
    async fn step(&mut self) -> Option<MapperEvent> {
        let event = asked(&mut self.asking).await;
        self.on_asked(event)
    }

    #[cfg(feature = "upnp")]
    async fn step(&mut self) -> Option<MapperEvent> {
        ::tokio::select! {
            event = asked(&mut self.asking) => self.on_asked(event),
            event = self.upnp.next(self.internal) => event.and_then(|event| self.on_upnp(event)),
        }
    }

    fn on_asked(&mut self, event: MapperEvent) -> Option<MapperEvent> {
        match event {
            // Whoever is first is kept.
            #[cfg(feature = "upnp")]
            MapperEvent::Mapped { .. } => self.upnp = Upnp::Off,
            MapperEvent::Failed => {
                self.asking = None;
                #[cfg(feature = "upnp")]
                match &mut self.upnp {
                    Upnp::Due(clock, at, _) => {
                        *at = clock.now();
                        return None;
                    }
                    Upnp::Runs(_) => return None,
                    Upnp::Off => {}
                }
            }
            _ => {}
        }
        Some(self.told(event))
    }

    #[cfg(feature = "upnp")]
    fn on_upnp(&mut self, event: MapperEvent) -> Option<MapperEvent> {
        match event {
            MapperEvent::Mapped { .. } => self.asking = None,
            _ => self.upnp = Upnp::Off,
        }
        // PCP and NAT-PMP may still be answered.
        let fails_alone = event == MapperEvent::Failed && self.asking.is_some();
        (!fails_alone).then(|| self.told(event))
    }

    fn told(&mut self, event: MapperEvent) -> MapperEvent {
        self.external = match event {
            MapperEvent::Mapped { external, .. } => Some(external),
            _ => None,
        };
        self.is_over = self.external.is_none();
        event
    }

    /// Gives the port back, and waits for that for at most 3 s.
    pub async fn stop(self) {
        #[cfg(feature = "upnp")]
        if let Upnp::Runs(task) = self.upnp {
            task.stop().await;
        }
    }
}

#[cfg(feature = "upnp")]
impl Upnp {
    /// What happens next; `None` if that is that it has begun. May be dropped and called again at any time.
    async fn next(&mut self, internal: SocketAddr) -> Option<MapperEvent> {
        match self {
            Self::Due(clock, at, lifetime) => {
                ::tokio::time::sleep(clock.until(*at)).await;
                *self = Self::Runs(upnp::UpnpTask::start(internal, *lifetime));
                None
            }
            Self::Runs(task) => Some(task.next_event().await),
            Self::Off => core::future::pending().await,
        }
    }
}

async fn asked(asking: &mut Option<Asking>) -> MapperEvent {
    match asking {
        Some(asking) => asking.next_event().await,
        None => core::future::pending().await,
    }
}

#[cfg(feature = "upnp")]
fn wants_upnp(config: &PortMappingConfig) -> bool {
    config.upnp && (config.internal.is_ipv4() || config.internal.ip().is_unspecified())
}

#[cfg(not(feature = "upnp"))]
const fn wants_upnp(_: &PortMappingConfig) -> bool {
    false
}

/// The socket's address as the gateway sees it.
fn local(internal: SocketAddr, gateway: Option<IpAddr>) -> io::Result<SocketAddr> {
    if !internal.ip().is_unspecified() {
        return Ok(internal);
    }
    // Where UPnP would look for a gateway, if none is known.
    let anybody = IpAddr::from([239, 255, 255, 250]);
    let toward = SocketAddr::new(gateway.unwrap_or(anybody), MapperConfig::PORT);
    Ok(SocketAddr::new(home_for(toward)?, internal.port()))
}
