//! The `gdwire` command: Godot 4 multiplayer from a shell.
//!
//! Each subcommand has a file of its own. `connect` and `host` share `ndjson`, the session as lines of JSON.
#![forbid(unsafe_code)]

extern crate alloc;

mod connect;
mod demo;
mod dtls;
mod endpoint;
mod help;
mod host;
mod mapping;
mod memory;
mod nat;
mod ndjson;
mod options;
mod project;
mod scene;
mod serve;
mod swarm;
mod url;

use clap::{ArgAction, Parser, Subcommand};
use std::io::{self, IsTerminal};
use std::process::ExitCode;
use tracing_subscriber::EnvFilter;

/// Godot 4 multiplayer from a shell: join and host games, and see that everything works
#[derive(Parser, Debug)]
#[command(name = "gdwire", version, after_long_help = help::ROOT, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    /// Logs more on standard error: -v decisions, -vv every event; RUST_LOG does the same in detail
    #[arg(short, long, action = ArgAction::Count, global = true)]
    verbose: u8,
}

#[derive(Subcommand, Debug)]
enum Command {
    Connect(connect::ConnectOptions),
    Demo(demo::DemoOptions),
    Host(host::HostOptions),
    Nat(nat::NatOptions),
    Project(project::ProjectOptions),
    Serve(serve::ServeOptions),
    Swarm(swarm::SwarmOptions),
}

/// The exit code for arguments that cannot be used.
const USAGE: u8 = 2;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return usage(&error),
    };
    log_to_stderr(cli.verbose);
    let runtime = match tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return failure(&error),
    };
    let result = runtime.block_on(async {
        match cli.command {
            Command::Connect(options) => connect::run(options).await,
            Command::Demo(options) => demo::run(options).await,
            Command::Host(options) => host::run(options).await,
            Command::Nat(options) => nat::run(options).await,
            Command::Project(options) => project::run(&options),
            Command::Serve(options) => serve::run(options).await,
            Command::Swarm(options) => swarm::run(options).await,
        }
    });
    result.unwrap_or_else(|error| failure(&error))
}

/// Says in one line what is wrong with the arguments; help and version are no errors.
fn usage(error: &clap::Error) -> ExitCode {
    if !error.use_stderr() {
        // Nobody reads any more: that is no failure.
        let _ = error.print();
        return ExitCode::SUCCESS;
    }
    let text = error.to_string();
    let message: Vec<&str> = text
        .lines()
        .take_while(|line| !line.is_empty())
        .map(str::trim)
        .collect();
    eprintln!("{}", message.join(" "));
    ExitCode::from(USAGE)
}

/// Says in one line what went wrong; wrong arguments that only show when they are used have their own code.
fn failure(error: &io::Error) -> ExitCode {
    eprintln!("error: {error}");
    match error.kind() {
        io::ErrorKind::InvalidInput => ExitCode::from(USAGE),
        io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}

fn log_to_stderr(verbosity: u8) {
    let level = match verbosity {
        0 => "warn",
        1 => "debug",
        _ => "trace",
    };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(level));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(io::stderr().is_terminal())
        .with_writer(io::stderr)
        .init();
}
