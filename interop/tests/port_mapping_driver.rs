//! The driver that keeps a port open, by every protocol of a real gateway: miniupnpd on a NAT box of the kernel.
//!
//! The tests make network namespaces of their own and remove them. Where a machine does not allow that they are skipped aloud.

use gdwire::drive::mapping::{PortMappingConfig, PortMappingDriver};
use gdwire::ice::{MappedBy, MapperEvent, PcpRequest, PcpResponse};
use interop::gateway::{Home, PATIENCE, Speaks};
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

/// Nobody is there.
const EMPTY: Ipv4Addr = Ipv4Addr::new(192, 168, 1, 77);

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime")
}

/// Runs what `body` makes on the computer at home, with the game's socket and its port at every address.
fn at_home(home: &Home, body: impl AsyncFnOnce(UdpSocket, SocketAddr) + Send) {
    home.inside(|| {
        let runtime = runtime();
        let socket = UdpSocket::bind((Home::INSIDE, 0)).expect("a socket");
        let port = socket.local_addr().expect("it is bound").port();
        let anywhere = (Ipv4Addr::UNSPECIFIED, port).into();
        runtime.block_on(body(socket, anywhere));
    });
}

async fn next(driver: &mut PortMappingDriver) -> Option<MapperEvent> {
    let event = tokio::time::timeout(PATIENCE, driver.next_event()).await;
    event.expect("something happens")
}

async fn mapped(driver: &mut PortMappingDriver) -> (SocketAddr, MappedBy) {
    match next(driver).await {
        Some(MapperEvent::Mapped { external, by, .. }) => (external, by),
        other => panic!("{other:?}"),
    }
}

fn closes(home: &Home, external: SocketAddr, socket: &UdpSocket) {
    let end = Instant::now() + PATIENCE;
    while home.reaches(external, socket) {
        assert!(Instant::now() < end, "it stays open");
    }
}

// req: I-7
#[test]
fn upnp_opens_a_port_renews_its_lease_and_closes_it() {
    let Some(home) = Home::new(Speaks::Upnp) else {
        return;
    };
    at_home(&home, async |socket, internal| {
        let mut config = PortMappingConfig::new(internal);
        config.lifetime = Duration::from_secs(30);
        let mut driver = PortMappingDriver::start(config).expect("a gateway");
        let wished = (Home::EXTERNAL, internal.port()).into();
        assert!(!home.reaches(wished, &socket), "closed at first");
        assert_eq!(mapped(&mut driver).await, (wished, MappedBy::Upnp));
        assert!(home.reaches(wished, &socket));
        let candidate = driver.candidate().expect("a mapping");
        assert_eq!(candidate.base(), socket.local_addr().expect("it is bound"));
        let longer = Duration::from_secs(40);
        let silence = tokio::time::timeout(longer, driver.next_event()).await;
        assert!(silence.is_err(), "{silence:?}");
        assert!(home.reaches(wished, &socket), "renewed");
        driver.stop().await;
        closes(&home, wished, &socket);
    });
}

#[test]
fn a_gateway_that_knows_all_protocols_is_asked_by_pcp_and_told_when_the_driver_is_dropped() {
    let Some(home) = Home::new(Speaks::All) else {
        return;
    };
    at_home(&home, async |socket, internal| {
        let mut driver =
            PortMappingDriver::start(PortMappingConfig::new(internal)).expect("a gateway");
        let (external, by) = mapped(&mut driver).await;
        assert_eq!(by, MappedBy::Pcp);
        assert_eq!(driver.external(), Some(external));
        assert!(home.reaches(external, &socket));
        drop(driver);
        closes(&home, external, &socket);
    });
}

#[test]
fn the_driver_hears_of_the_restart_of_a_gateway_and_has_the_port_opened_again() {
    let Some(mut home) = Home::new(Speaks::All) else {
        return;
    };
    let socket = home.inside(|| UdpSocket::bind((Home::INSIDE, 0)).expect("a socket"));
    let internal = socket.local_addr().expect("it is bound");
    let external = SocketAddr::from((Home::EXTERNAL, internal.port()));
    let runtime = runtime();
    let mut driver = home.inside(|| {
        let _guard = runtime.enter();
        PortMappingDriver::start(PortMappingConfig::new(internal)).expect("a gateway")
    });
    assert_eq!(
        runtime.block_on(mapped(&mut driver)),
        (external, MappedBy::Pcp)
    );
    // So that the gateway's count goes back by more than clocks may differ.
    let run = |driver: &mut PortMappingDriver, time| {
        let silence = async { tokio::time::timeout(time, driver.next_event()).await };
        let silence = runtime.block_on(silence);
        assert!(silence.is_err(), "{silence:?}");
    };
    run(&mut driver, Duration::from_secs(5));
    home.restart();
    assert!(!home.reaches(external, &socket), "it has forgotten");
    let end = Instant::now() + PATIENCE;
    while !home.reaches(external, &socket) {
        assert!(Instant::now() < end, "it stays closed");
        run(&mut driver, Duration::from_millis(500));
    }
}

/// Has the gateway map this outer port to another computer. One computer may change its own mappings by UPnP.
fn take(port: u16) {
    let socket = UdpSocket::bind((Home::NEIGHBOUR, 0)).expect("a socket");
    let wait = Some(Duration::from_millis(500));
    socket.set_read_timeout(wait).expect("not zero");
    let request = PcpRequest {
        client: Home::NEIGHBOUR.into(),
        nonce: [9; 12],
        internal_port: socket.local_addr().expect("it is bound").port(),
        suggested: (Ipv4Addr::UNSPECIFIED, port).into(),
        lifetime_seconds: 600,
    };
    let mut buffer = [0; 1100];
    let length = request.write(&mut buffer).expect("it fits");
    let end = Instant::now() + PATIENCE;
    // The gateway may not be up yet.
    let answer = loop {
        assert!(Instant::now() < end, "no answer");
        let _ = socket.send_to(&buffer[..length], (Home::GATEWAY, 5351));
        if let Ok(length) = socket.recv(&mut buffer) {
            break PcpResponse::read(&buffer[..length]).expect("an answer");
        }
    };
    assert_eq!((answer.result, answer.external.port()), (0, port));
}

#[test]
fn a_port_that_is_taken_outside_is_replaced_by_another() {
    let Some(home) = Home::new(Speaks::All) else {
        return;
    };
    at_home(&home, async |socket, internal| {
        take(internal.port());
        for by in [MappedBy::Pcp, MappedBy::Upnp] {
            let mut config = PortMappingConfig::new(internal);
            if by == MappedBy::Upnp {
                config.gateway = Some(EMPTY.into());
            }
            let mut driver = PortMappingDriver::start(config).expect("an address");
            let (external, way) = mapped(&mut driver).await;
            assert_eq!(way, by);
            assert_ne!(external.port(), internal.port(), "{by:?}");
            assert!(home.reaches(external, &socket), "{by:?}");
            driver.stop().await;
            closes(&home, external, &socket);
        }
    });
}

#[test]
fn a_home_without_such_a_gateway_is_told_so_and_nothing_more() {
    let Some(home) = Home::new(Speaks::NatPmp) else {
        return;
    };
    at_home(&home, async |_, internal| {
        let mut config = PortMappingConfig::new(internal);
        config.gateway = Some(EMPTY.into());
        let mut driver = PortMappingDriver::start(config).expect("an address");
        assert_eq!(next(&mut driver).await, Some(MapperEvent::Failed));
        assert_eq!(next(&mut driver).await, None);
        assert_eq!(driver.external(), None);
    });
}
