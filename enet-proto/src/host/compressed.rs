//! Datagrams that come compressed.

use super::{Host, Refusal, Route};
use crate::DropReason;
use crate::compress::{Codec, Compressor};
use crate::wire::Header;
use alloc::boxed::Box;
use core::net::SocketAddr;
use proto_core::Reader;

/// What a datagram without a number may decompress to: CONNECT has 48 bytes, and some of C ENet's peers pad.
const STRANGER_BYTES: usize = 64;

impl Host {
    /// Compresses with `compressor` from now on, or with `None` not at all (C: `enet_host_compress`).
    ///
    /// This overrides [`Config::compression`](crate::Config::compression). Remotes need the same at the same time, so call
    /// it before the first connection.
    pub fn set_compressor(&mut self, compressor: Option<Box<dyn Compressor>>) {
        self.codec = compressor.map(Codec::with);
    }

    /// Decompresses a datagram whose sender is known, and has it handled.
    #[cold]
    pub(super) fn receive_compressed(
        &mut self,
        from: SocketAddr,
        data: &[u8],
        header: Header,
        route: Option<Route>,
    ) -> Result<Refusal, DropReason> {
        let Some(mut codec) = self.codec.take() else {
            return Err(DropReason::NotCompressed);
        };
        let most = match route {
            None => STRANGER_BYTES,
            Some(_) => usize::MAX,
        };
        let result = match codec.open(data, header, self.config.checksum, most) {
            Ok(plain) => {
                self.stats.compressed_received += 1;
                let added = plain.len() + header.encoded_len();
                self.stats.compressed_received_added += added.saturating_sub(data.len()) as u64;
                self.receive_from(from, data, &mut Reader::new(plain), (header, route))
            }
            Err(reason) => Err(reason),
        };
        self.codec = Some(codec);
        result
    }
}
