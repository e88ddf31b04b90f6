//! The public address of a game's own port: what a player tells others so that they can connect.
//!
//! ```sh
//! cargo run -p gdwire --example public_address -- 203.0.113.1:3478     # a STUN server, such as `gdwire serve`
//! ```
//!
//! Only the socket on which the game is played will do: a NAT gives another one another address. STUN and ENet share it,
//! since neither takes a datagram of the other for its own.
#![expect(
    clippy::std_instead_of_core,
    reason = "an example reads like the code of an application"
)]

use gdwire::drive::{self, blocking::ServerDriver};
use gdwire::stun::client::{ClientConfig, ClientEvent, StunClient};
use gdwire::{Server, ServerConfig};
use std::error::Error;
use std::net::SocketAddr;
use std::sync::mpsc;
use std::time::Duration;

/// Datagrams that wait to be looked at; further ones are lost.
const QUEUE: usize = 16;

fn main() -> Result<(), Box<dyn Error>> {
    let stun_server: SocketAddr = std::env::args()
        .nth(1)
        .ok_or("name a STUN server: ADDRESS:PORT")?
        .parse()?;

    let server = Server::new(ServerConfig::new(drive::seed()?))?;
    let mut driver = ServerDriver::bind("0.0.0.0:0".parse()?, server)?;
    let (foreign, datagrams) = mpsc::sync_channel(QUEUE);
    driver.on_foreign_datagram(move |from, datagram| {
        let _ = foreign.try_send((from, datagram.to_vec()));
    });

    let mut config = ClientConfig::new(drive::seed()?);
    // Others send to this socket too, so STUN has to be unmistakable.
    config.fingerprint = true;
    let mut stun = StunClient::new(config, stun_server);
    stun.bind(driver.now())?;

    let mut buffer = [0; StunClient::BUFFER];
    loop {
        // The game goes on meanwhile.
        let event = driver.next_event_within(Duration::from_millis(10))?;
        if let Some(event) = event {
            println!("{event:?}");
        }
        let now = driver.now();
        while let Ok((from, datagram)) = datagrams.try_recv() {
            let _ = stun.handle_datagram(now, from, &datagram);
        }
        while let Some(transmit) = stun.poll_transmit(now, &mut buffer) {
            driver.send_foreign_datagram(transmit.destination, &buffer[transmit.bytes])?;
        }
        match stun.poll_event() {
            Some(ClientEvent::Answered(answer)) => {
                println!("players can try {}", answer.mapped);
                return Ok(());
            }
            Some(ClientEvent::Failed(failed)) => return Err(failed.reason.into()),
            _ => {}
        }
    }
}
