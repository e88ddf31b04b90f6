//! UPnP IGD, through the crate `igd-next`: [`UpnpTask`].

use crate::drive::Clock;
use ::tokio::sync::{mpsc, oneshot};
use ::tokio::task::JoinHandle;
use core::net::{IpAddr, SocketAddr};
use core::time::Duration;
use ice_lite::{Loopback, MappedBy, MapperEvent, judge};
use igd_next::aio::Gateway;
use igd_next::aio::tokio::{Tokio, search_gateway};
use igd_next::{AddAnyPortError, AddPortError, PortMappingProtocol, SearchOptions};
use proto_core::Instant;

/// Datagrams may be lost, so the search is repeated.
const SEARCHES: u32 = 2;
/// How long a gateway may take to answer a search and to describe itself.
const SEARCH: Duration = Duration::from_secs(4);
/// The longest that the end is waited for.
const STOP: Duration = Duration::from_secs(3);
/// What people read in the list of their gateway.
const DESCRIPTION: &str = "gdwire";
/// More events than can come before they are taken: the task waits then.
const EVENTS: usize = 4;
const UDP: PortMappingProtocol = PortMappingProtocol::UDP;

/// A task that finds a gateway, has it open a port, and renews that until it is stopped or dropped.
#[derive(Debug)]
pub(super) struct UpnpTask {
    events: mpsc::Receiver<MapperEvent>,
    /// Dropping it stops the task.
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl UpnpTask {
    pub(super) fn start(internal: SocketAddr, lifetime: Duration) -> Self {
        let (sender, events) = mpsc::channel(EVENTS);
        let (stop, stopped) = oneshot::channel();
        let wish = Wish {
            internal,
            lifetime,
            events: sender,
        };
        let task = ::tokio::spawn(wish.run(stopped));
        Self { events, stop, task }
    }

    /// The next event. May be dropped and called again at any time.
    pub(super) async fn next_event(&mut self) -> MapperEvent {
        self.events.recv().await.unwrap_or(MapperEvent::Failed)
    }

    /// Gives the port back.
    pub(super) async fn stop(self) {
        drop((self.stop, self.events));
        // What takes longer goes on by itself.
        let _ = ::tokio::time::timeout(STOP, self.task).await;
    }
}

/// What the task has.
struct Wish {
    internal: SocketAddr,
    lifetime: Duration,
    events: mpsc::Sender<MapperEvent>,
}

/// A port that is open.
struct Held {
    external: SocketAddr,
    /// `None` if the gateway knows only mappings without end.
    expires: Option<Instant>,
}

impl Wish {
    async fn run(self, mut stopped: oneshot::Receiver<()>) {
        let found = ::tokio::select! {
            found = find(self.internal.ip()) => found,
            _ = &mut stopped => return,
        };
        let Some(gateway) = found else {
            self.tell(MapperEvent::Failed).await;
            return;
        };
        let clock = Clock::start();
        let mut held: Option<Held> = None;
        loop {
            // Not given up halfway: what has been opened must be known, to be closed.
            match self.open(&gateway, held.as_ref(), &clock).await {
                Some(opened) => {
                    let external = opened.external;
                    if held.as_ref().is_none_or(|held| held.external != external) {
                        let mapped = MapperEvent::Mapped {
                            external,
                            by: MappedBy::Upnp,
                            lease: opened.expires.map(|_| self.lifetime),
                        };
                        self.tell(mapped).await;
                    }
                    held = Some(opened);
                }
                None if held.is_none() => return self.tell(MapperEvent::Failed).await,
                None => {}
            }
            let left = self.left(held.as_ref(), &clock);
            if left.is_zero() {
                return self.tell(MapperEvent::Lost).await;
            }
            ::tokio::select! {
                () = ::tokio::time::sleep((left / 2).max(Duration::from_secs(1))) => {}
                _ = &mut stopped => break,
            }
        }
        if let Some(held) = held {
            let _ = gateway.remove_port(UDP, held.external.port()).await;
        }
    }

    /// How long the port stays open without a renewal. One without end is looked after all the same.
    fn left(&self, held: Option<&Held>, clock: &Clock) -> Duration {
        let expires = held.and_then(|held| held.expires);
        expires.map_or(self.lifetime, |expires| clock.until(expires))
    }

    async fn tell(&self, event: MapperEvent) {
        // Nobody waits after a stop.
        let _ = self.events.send(event).await;
    }

    /// Opens the port that is held, or else one of the same number as the inner one, or else any.
    async fn open(
        &self,
        gateway: &Gateway<Tokio>,
        held: Option<&Held>,
        clock: &Clock,
    ) -> Option<Held> {
        let wished = held.map_or(self.internal, |held| held.external);
        let port = wished.port();
        let ip = gateway.get_external_ip().await.ok()?;
        judge(SocketAddr::new(ip, port), Loopback::Forbidden).ok()?;
        let asked = clock.now();
        let seconds = u32::try_from(self.lifetime.as_secs()).unwrap_or(u32::MAX);
        // Some gateways know no leases but endless ones, which stand for 0.
        for (lease, expires) in [(seconds, Some(asked + self.lifetime)), (0, None)] {
            let added = gateway.add_port(UDP, port, self.internal, lease, DESCRIPTION);
            let port = match added.await {
                Ok(()) => port,
                Err(AddPortError::OnlyPermanentLeasesSupported) => continue,
                Err(AddPortError::PortInUse) => {
                    let added = gateway.add_any_port(UDP, self.internal, lease, DESCRIPTION);
                    match added.await {
                        Ok(port) => port,
                        Err(AddAnyPortError::OnlyPermanentLeasesSupported) => continue,
                        Err(_) => return None,
                    }
                }
                Err(_) => return None,
            };
            let external = SocketAddr::new(ip, port);
            return Some(Held { external, expires });
        }
        None
    }
}

/// Any gateway of the network of this address. The crate trusts no description that another computer than the one that
/// answered gives, and bounds what it reads.
async fn find(home: IpAddr) -> Option<Gateway<Tokio>> {
    for _ in 0..SEARCHES {
        let mut options = SearchOptions::default();
        options.bind_addr = SocketAddr::new(home, 0);
        options.timeout = Some(SEARCH);
        if let Ok(gateway) = search_gateway(options).await {
            return Some(gateway);
        }
    }
    None
}
