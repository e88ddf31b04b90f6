//! The scenario of `relay-proto`.

use core::net::{Ipv4Addr, SocketAddr};
use proto_core::Instant;
use relay_proto::noray::{
    HANDSHAKE_BYTES, Invitations, InvitationsConfig, Outcome, Punch, PunchConfig,
};

/// A host and a client open the way between them.
pub(crate) fn punch() -> Result<(), &'static str> {
    let [at_host, at_client] =
        [1, 2].map(|last| SocketAddr::from((Ipv4Addr::new(192, 0, 2, last), 7777)));
    let now = Instant::from_millis(1000);
    let mut host = Invitations::new(InvitationsConfig::default());
    host.invite(now, at_client)
        .map_err(|_| "the client was not invited")?;
    let mut client =
        Punch::new(now, at_host, PunchConfig::default()).map_err(|_| "the address was refused")?;
    let mut buffer = [0; HANDSHAKE_BYTES];
    for _ in 0..2 {
        while let Some(transmit) = client.poll_transmit(now, &mut buffer) {
            let _ = host.handle_datagram(now, at_client, &buffer[transmit.bytes]);
        }
        while let Some(transmit) = host.poll_transmit(now, &mut buffer) {
            let _ = client.handle_datagram(now, at_host, &buffer[transmit.bytes]);
        }
    }
    match client.poll_event() {
        Some(Outcome::Open { peer }) if peer == at_host => Ok(()),
        _ => Err("the way did not open"),
    }
}
