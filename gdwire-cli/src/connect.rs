//! `gdwire connect`: joins a game as a client.

use crate::dtls::ClientDtls;
use crate::ndjson;
use crate::options::{Hex, SessionOptions};
use crate::url::EnetUrl;
use clap::Args;
use gdwire::drive::{self, tokio::ClientDriver};
use gdwire::session::{Authentication, PeerId};
use gdwire::{Client, ClientConfig};
use std::io;
use std::process::ExitCode;

/// Joins a game as a client: commands as JSON lines on standard input, events on standard output
#[derive(Args, Clone, Debug)]
#[command(after_long_help = crate::help::CONNECT)]
pub(crate) struct ConnectOptions {
    #[command(flatten)]
    session: SessionOptions,
    /// Own id, 2 to 2147483647; a random one without
    #[arg(long, value_name = "N", value_parser = id)]
    id: Option<PeerId>,
    #[command(flatten)]
    dtls: ClientDtls,
}

pub(crate) async fn run(options: ConnectOptions) -> io::Result<ExitCode> {
    let stage = options.session.scene.stage()?;
    let config = config(&options)?;
    let server = match options.session.url.resolve().await {
        Ok(server) => server,
        Err(why) => {
            ndjson::error("resolve", why.to_string()).write()?;
            return ndjson::never_connected("unresolved");
        }
    };
    let mut client = Client::new(config).map_err(io::Error::other)?;
    ndjson::declare(&mut client, &stage)?;
    let driver = ClientDriver::connect(server, client)?;
    ndjson::run(driver, options.session, stage).await
}

fn config(options: &ConnectOptions) -> io::Result<ClientConfig> {
    let mut config = client_config(&options.session.url, options.session.auth.as_ref())?;
    config.dtls = options.dtls.settings(&options.session.url)?;
    if let Some(id) = options.id {
        config.session.id = id;
    }
    Ok(config)
}

/// The settings of a client of the game at `url` that may have to show a token.
pub(crate) fn client_config(url: &EnetUrl, token: Option<&Hex>) -> io::Result<ClientConfig> {
    let mut config = ClientConfig::new(drive::seed()?);
    config.enet.incoming_bandwidth = url.in_bandwidth;
    config.enet.outgoing_bandwidth = url.out_bandwidth;
    config.enet.checksum = url.checksum;
    config.enet.compression = url.compression;
    if let Some(channels) = url.channels {
        config.channel_count = channels.saturating_add(2);
    }
    if token.is_some() {
        config.session.authentication = Authentication::Required;
    }
    Ok(config)
}

fn id(text: &str) -> Result<PeerId, String> {
    text.parse()
        .ok()
        .and_then(PeerId::of_client)
        .ok_or_else(|| "expected 2 to 2147483647".to_owned())
}
