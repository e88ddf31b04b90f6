//! A client without a runtime: joins the game of the example `authoritative_server`, walks in a circle and leaves.
//!
//! ```sh
//! cargo run -p gdwire --example blocking_client -- 127.0.0.1:9000 10     # the server, and for how many seconds
//! ```
//!
//! It joins a Godot server just as well: one whose scene `Main` has the methods below.
#![expect(
    clippy::std_instead_of_core,
    reason = "an example reads like the code of an application"
)]

use gdwire::drive::{self, blocking::ClientDriver};
use gdwire::session::{NodeConfig, NodeKey, PeerId, RpcConfig, TransferMode};
use gdwire::variant::Vector2;
use gdwire::{Client, ClientConfig, Event, Value};
use std::error::Error;
use std::time::Duration;

/// How often the client steers.
const TICK: Duration = Duration::from_millis(50);

/// The same methods as at the server: both sides number them in the order of their names.
fn main_node() -> NodeConfig {
    NodeConfig::new("Main")
        .rpc(
            RpcConfig::new("moved")
                .transfer(TransferMode::UnreliableOrdered)
                .channel(1),
        )
        .rpc(
            RpcConfig::new("steer")
                .any_peer()
                .transfer(TransferMode::UnreliableOrdered)
                .channel(1),
        )
        .rpc(RpcConfig::new("welcome"))
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let server = arguments
        .next()
        .unwrap_or_else(|| "127.0.0.1:9000".to_owned());
    let seconds: u64 = arguments
        .next()
        .unwrap_or_else(|| "10".to_owned())
        .parse()?;

    let mut client = Client::new(ClientConfig::new(drive::seed()?))?;
    let main = client.add_node(main_node())?;
    let mut driver = ClientDriver::connect(server.parse()?, client)?;

    let end = driver.now() + Duration::from_secs(seconds);
    let mut next_step = driver.now();
    while !driver.client().is_closed() {
        // A game would draw here, and wait for zero; this one has nothing else to do.
        let wait = next_step.saturating_since(driver.now());
        if let Some(event) = driver.next_event_within(wait)? {
            show(&event);
        }
        let now = driver.now();
        if now < next_step {
            continue;
        }
        next_step = now + TICK;
        if now >= end {
            driver.client_mut().close();
        } else if driver.client().is_connected() {
            steer(driver.client_mut(), main, now.as_millis())?;
        }
    }
    Ok(())
}

/// Walks on along a circle that takes six seconds.
fn steer(client: &mut Client, main: NodeKey, millis: u64) -> Result<(), Box<dyn Error>> {
    let angle = (millis % 6283) as f32 / 1000.0;
    let direction = Vector2::new(angle.cos(), angle.sin());
    client.rpc(PeerId::SERVER, main, "steer", &[Value::from(direction)])?;
    Ok(())
}

fn show(event: &Event) {
    match event {
        Event::Connected { id } => println!("joined as {id}"),
        Event::ConnectionFailed { reason } => println!("could not join: {reason}"),
        Event::Disconnected { reason } => println!("left: {reason}"),
        Event::Rpc(call) => println!("{} {:?}", call.method, call.arguments),
        other => println!("{other:?}"),
    }
}
