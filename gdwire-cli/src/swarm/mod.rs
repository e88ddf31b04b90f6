//! `gdwire swarm`: many clients in one process, to load a server and measure it.

mod crowd;
mod descriptors;
mod histogram;
mod progress;
mod report;
mod tally;

use crate::dtls::ClientDtls;
use crate::ndjson::value;
use crate::options::{Hex, seconds};
use crate::scene::SceneOptions;
use crate::url::EnetUrl;
use clap::Args;
use core::time::Duration;
use crowd::{Crowd, Door};
use gdwire::Value;
use std::io::{self, Write};
use std::process::ExitCode;

/// How long the last answers may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long the clients may take to leave.
const FAREWELL: Duration = Duration::from_secs(2);

/// Loads a server with many clients in one process, and prints how it did
#[derive(Args, Clone, Debug)]
#[command(after_long_help = crate::help::SWARM)]
pub(crate) struct SwarmOptions {
    /// enet://host:port[?channels=N&in-bandwidth=N&out-bandwidth=N&checksum=1&compress=MODE&dtls=1]; several for a server
    /// with several listeners: clients join them in turn
    #[arg(value_name = "URL", required = true, num_args = 1..=16)]
    pub(super) urls: Vec<EnetUrl>,
    /// How many clients; each has a UDP port of its own
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=50_000))]
    pub(super) clients: u32,
    #[command(flatten)]
    pub(super) scene: SceneOptions,
    #[command(flatten)]
    dtls: ClientDtls,
    /// Calls per second of each client, of the first --rpc
    ///
    /// Where the server answers with a call of the same method, the answers give the round trips; otherwise ENet's
    /// acknowledgements do.
    #[arg(long, value_name = "CALLS", default_value_t = 1.0, value_parser = rate)]
    pub(super) rate: f64,
    /// Arguments of each call, as in an `rpc` command; without, the number of the call
    ///
    /// With the number an answer is told from others by its first argument; with ARGS answers are taken in order.
    #[arg(long, value_name = "JSON", value_parser = arguments)]
    pub(super) args: Option<Arguments>,
    /// Clients that start to join per second
    #[arg(long, value_name = "CLIENTS", default_value_t = 100.0, value_parser = rate)]
    pub(super) join_rate: f64,
    /// Clients hear nothing of each other (server_relay is off), which saves memory with thousands
    ///
    /// What the server says of other clients counts as refused.
    #[arg(long)]
    pub(super) no_relay: bool,
    /// Each client looks at its socket, calls and answers once in so many seconds, as a game does in a frame
    ///
    /// Without, it does so whenever something arrives, which costs twice as much and more. Round trips are then up to a
    /// frame longer.
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub(super) frame: Option<Duration>,
    /// Authenticates: each client sends these bytes and completes
    #[arg(long, value_name = "HEX")]
    pub(super) auth: Option<Hex>,
    /// Ends after this time; without, with Ctrl-C or when no client is left
    #[arg(long = "for", value_name = "SECONDS", value_parser = seconds)]
    pub(super) duration: Option<Duration>,
    /// One JSON object in place of the table
    #[arg(long)]
    json: bool,
}

/// Arguments of a call.
#[derive(Clone, Debug)]
pub(crate) struct Arguments(pub(super) Vec<Value>);

pub(crate) async fn run(options: SwarmOptions) -> io::Result<ExitCode> {
    descriptors::provide(options.clients)?;
    let mut crowd = Crowd::new(&options, doors(&options).await?)?;
    let wait = async {
        match options.duration {
            Some(duration) => tokio::time::sleep(duration).await,
            None => core::future::pending().await,
        }
    };
    tokio::select! {
        result = crowd.play() => result?,
        () = wait => {}
        result = tokio::signal::ctrl_c() => result?,
    }
    crowd.settle().await?;
    let tally = crowd.leave();
    crowd.part().await?;
    let mut out = io::stdout().lock();
    if options.json {
        writeln!(out, "{}", report::to_json(&tally))?;
    } else {
        report::write_table(&mut out, &tally)?;
    }
    out.flush()?;
    if tally.is_good() {
        Ok(ExitCode::SUCCESS)
    } else {
        Ok(ExitCode::FAILURE)
    }
}

async fn doors(options: &SwarmOptions) -> io::Result<Vec<Door>> {
    let mut doors = Vec::new();
    for url in &options.urls {
        doors.push(Door {
            server: url.resolve().await?,
            url: url.clone(),
            dtls: options.dtls.settings(url)?,
        });
    }
    Ok(doors)
}

fn rate(text: &str) -> Result<f64, String> {
    text.parse()
        .ok()
        .filter(|rate: &f64| (0.001..=1e6).contains(rate))
        .ok_or_else(|| "expected a number per second, 0.001 to 1000000".to_owned())
}

fn arguments(text: &str) -> Result<Arguments, String> {
    let json: serde_json::Value =
        serde_json::from_str(text).map_err(|error| format!("not JSON: {error}"))?;
    match value::from_json(&json) {
        Ok(Value::Array(list)) => Ok(Arguments(list.iter().cloned().collect())),
        Ok(_) => Err("expected a JSON array".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}
