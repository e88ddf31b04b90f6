//! `gdwire swarm`: many clients in one process, to load a server and measure it.

mod crowd;
mod descriptors;
mod histogram;
mod parts;
mod progress;
mod report;
mod tally;

use crate::dtls::ClientDtls;
use crate::ndjson::value;
use crate::options::{Hex, seconds};
use crate::scene::SceneOptions;
use crate::url::EnetUrl;
use alloc::sync::Arc;
use clap::Args;
use core::convert::Infallible;
use core::time::Duration;
use crowd::{Crowd, Door};
use gdwire::Value;
use parts::{MOST_THREADS, Part, Shared};
use progress::Progress;
use std::io::{self, Write};
use std::process::ExitCode;
use tally::Tally;
use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet};
use tokio::time::Instant;

/// How long the last answers may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long the clients may take to leave.
const FAREWELL: Duration = Duration::from_secs(2);
/// How often the line that tells how far it is is written.
const PROGRESS_PERIOD: Duration = Duration::from_secs(1);

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
    /// Threads that the clients are spread over; as many as the machine has cores, but no more than one for each hundred clients
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=i64::from(MOST_THREADS)))]
    pub(super) threads: Option<u16>,
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
    let tally = play(options.clone()).await?;
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

/// Runs the swarm until its end, each part in a thread of its own, and adds up what they counted.
async fn play(options: SwarmOptions) -> io::Result<Tally> {
    let doors: Arc<[Door]> = doors(&options).await?.into();
    let progress = Progress::new(options.duration);
    let end = options.duration.map(|duration| Instant::now() + duration);
    let (stop, stopped) = watch::channel(false);
    let threads = parts::threads(options.threads, options.clients);
    let (shared, all) = Part::all(threads, options.clients);
    let options = Arc::new(options);
    let mut parts = JoinSet::new();
    for part in all {
        let (options, doors) = (Arc::clone(&options), Arc::clone(&doors));
        let stopped = stopped.clone();
        parts.spawn_blocking(move || play_part(&options, doors, part, stopped));
    }
    let tally = tokio::select! {
        tally = all_parts(&mut parts, &stop) => tally,
        result = until_stopped(end) => {
            stop.send_replace(true);
            progress.clear();
            let tally = all_parts(&mut parts, &stop).await;
            result.and(tally)
        }
        never = show(&progress, &shared) => match never {},
    };
    progress.clear();
    tally
}

/// Waits for the end of all parts. If one fails, the others are stopped.
async fn all_parts(
    parts: &mut JoinSet<io::Result<Tally>>,
    stop: &watch::Sender<bool>,
) -> io::Result<Tally> {
    let mut all = Ok(Tally::default());
    while let Some(part) = parts.join_next().await {
        match (&mut all, part.map_err(JoinError::into).flatten()) {
            (Ok(all), Ok(part)) => all.merge(&part),
            (Ok(_), Err(error)) => {
                stop.send_replace(true);
                all = Err(error);
            }
            (Err(_), _) => {}
        }
    }
    all
}

/// Waits for the end of the time, or for Ctrl-C.
async fn until_stopped(end: Option<Instant>) -> io::Result<()> {
    tokio::select! {
        () = sleep_until(end) => Ok(()),
        result = tokio::signal::ctrl_c() => result,
    }
}

async fn sleep_until(end: Option<Instant>) {
    match end {
        Some(end) => tokio::time::sleep_until(end).await,
        None => core::future::pending().await,
    }
}

/// Tells how far it is, for ever.
async fn show(progress: &Progress, shared: &Shared) -> Infallible {
    let begun = Instant::now();
    loop {
        tokio::time::sleep(PROGRESS_PERIOD).await;
        progress.show(&shared.counts(), begun.elapsed());
    }
}

/// Runs a part in the present thread, until nobody of it is left or it is stopped.
fn play_part(
    options: &SwarmOptions,
    doors: Arc<[Door]>,
    part: Part,
    mut stopped: watch::Receiver<bool>,
) -> io::Result<Tally> {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_all().build()?.block_on(async {
        let mut crowd = Crowd::new(options, doors, part)?;
        tokio::select! {
            result = crowd.play() => result?,
            // That nobody can stop it any more stops it too.
            _ = stopped.wait_for(|&is_stopped| is_stopped) => {}
        }
        crowd.settle().await?;
        let tally = crowd.leave();
        crowd.part().await?;
        Ok(tally)
    })
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
