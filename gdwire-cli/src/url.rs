//! Where a game is: the `enet://host:port?…` URL of `connect` and `host`.

use core::fmt;
use core::net::SocketAddr;
use core::str::FromStr;
use gdwire::enet::compress::Compression;
use std::io;

/// A parsed `enet://` URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct EnetUrl {
    /// A name or an address; empty or `*` means all addresses, for a host.
    pub(crate) host: String,
    /// The UDP port; 0 asks a host for any free one.
    pub(crate) port: u16,
    /// Godot's user channels, if given: 1 to 253.
    pub(crate) channels: Option<u8>,
    /// Bytes per second that this side may receive; 0 is unlimited.
    pub(crate) in_bandwidth: u32,
    /// Bytes per second that this side may send; 0 is unlimited.
    pub(crate) out_bandwidth: u32,
    /// Whether each datagram carries a CRC-32; both sides must agree.
    pub(crate) checksum: bool,
    /// How datagrams are compressed; both sides must agree.
    pub(crate) compression: Compression,
    /// Whether datagrams are in DTLS; both sides must agree.
    pub(crate) dtls: bool,
}

/// What is wrong with a URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct UrlError(String);

impl fmt::Display for UrlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl core::error::Error for UrlError {}

fn wrong<T>(message: impl Into<String>) -> Result<T, UrlError> {
    Err(UrlError(message.into()))
}

impl FromStr for EnetUrl {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, UrlError> {
        let Some((scheme, rest)) = text.split_once("://") else {
            return wrong("a URL looks like enet://host:port");
        };
        match scheme {
            "enet" => {}
            "ws" | "wss" | "noray" | "relay" | "webrtc+ws" => {
                return wrong(format!(
                    "this version does not speak {scheme}:// yet, only enet://"
                ));
            }
            _ => return wrong(format!("unknown scheme {scheme}://, expected enet://")),
        }
        let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
        let place = place.strip_suffix('/').unwrap_or(place);
        let Some((host, port)) = place.rsplit_once(':') else {
            return wrong(format!("the port is missing: enet://{place}:PORT"));
        };
        let host = match host.strip_prefix('[') {
            Some(ipv6) => ipv6
                .strip_suffix(']')
                .ok_or_else(|| UrlError("the address lacks a closing ]".into()))?,
            None if host.contains(':') => {
                return wrong(format!("put an IPv6 address in brackets: [{host}]:{port}"));
            }
            None => host,
        };
        let port = port
            .parse()
            .map_err(|_| UrlError(format!("port {port:?} is not a number up to 65535")))?;
        let mut url = Self {
            host: host.into(),
            port,
            channels: None,
            in_bandwidth: 0,
            out_bandwidth: 0,
            checksum: false,
            compression: Compression::None,
            dtls: false,
        };
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            url.set(pair)?;
        }
        Ok(url)
    }
}

impl EnetUrl {
    /// The address of the host part.
    ///
    /// # Errors
    /// What the system's resolver says.
    pub(crate) async fn resolve(&self) -> io::Result<SocketAddr> {
        tokio::net::lookup_host((self.host.as_str(), self.port))
            .await?
            .next()
            .ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "the name has no address"))
    }

    fn set(&mut self, pair: &str) -> Result<(), UrlError> {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        match key {
            "channels" => match value.parse() {
                Ok(count @ 1..=253) => self.channels = Some(count),
                _ => return wrong(format!("channels={value}: expected 1 to 253")),
            },
            "in-bandwidth" => self.in_bandwidth = bytes_per_second(key, value)?,
            "out-bandwidth" => self.out_bandwidth = bytes_per_second(key, value)?,
            "checksum" => self.checksum = switch(key, value)?,
            "compress" => self.compression = compression(value)?,
            "dtls" => self.dtls = switch(key, value)?,
            _ => return wrong(format!("unknown URL parameter {key:?}")),
        }
        Ok(())
    }
}

fn bytes_per_second(key: &str, value: &str) -> Result<u32, UrlError> {
    value.parse().map_err(|_| {
        UrlError(format!(
            "{key}={value}: expected bytes per second, 0 for no limit"
        ))
    })
}

fn compression(value: &str) -> Result<Compression, UrlError> {
    Ok(match value {
        "none" => Compression::None,
        "range-coder" => Compression::RangeCoder,
        "fastlz" => Compression::FastLz,
        "zlib" => Compression::Zlib,
        "zstd" => Compression::Zstd,
        _ => {
            return wrong(format!(
                "compress={value}: expected none, range-coder, fastlz, zlib or zstd"
            ));
        }
    })
}

fn switch(key: &str, value: &str) -> Result<bool, UrlError> {
    match value {
        "0" => Ok(false),
        "1" => Ok(true),
        _ => wrong(format!("{key}={value}: expected 0 or 1")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<EnetUrl, String> {
        text.parse().map_err(|error: UrlError| error.to_string())
    }

    #[test]
    fn a_url_gives_host_port_and_settings() {
        let url = parse("enet://[::1]:9000/?channels=4&in-bandwidth=1000&checksum=1").unwrap();
        assert_eq!((url.host.as_str(), url.port), ("::1", 9000));
        assert_eq!(url.channels, Some(4));
        assert_eq!((url.in_bandwidth, url.out_bandwidth), (1000, 0));
        assert!(url.checksum);
        assert_eq!(parse("enet://game.example:1").unwrap().host, "game.example");
        let url = parse("enet://*:0?compress=none&dtls=0").unwrap();
        assert_eq!(
            (url.host.as_str(), url.compression),
            ("*", Compression::None)
        );
        for (name, compression) in [
            ("range-coder", Compression::RangeCoder),
            ("fastlz", Compression::FastLz),
            ("zlib", Compression::Zlib),
            ("zstd", Compression::Zstd),
        ] {
            let url = parse(&format!("enet://a:1?compress={name}")).unwrap();
            assert_eq!(url.compression, compression);
        }
    }

    #[test]
    fn a_bad_url_says_what_is_wrong_with_it() {
        for (text, part) in [
            ("localhost:9", "enet://host:port"),
            ("ws://a:1", "does not speak ws://"),
            ("http://a:1", "unknown scheme http://"),
            ("enet://a", "port is missing"),
            ("enet://a:70000", "70000"),
            ("enet://::1:9", "brackets"),
            ("enet://[::1:9", "closing ]"),
            ("enet://a:1?channels=254", "1 to 253"),
            ("enet://a:1?compress=rar", "expected none"),
            ("enet://a:1?dtls=yes", "expected 0 or 1"),
            ("enet://a:1?color=red", "color"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}
