//! One TCP connection of a STUN server: [`serve`].

use super::server::{Shared, stopped};
use ::tokio::io::{AsyncReadExt, AsyncWriteExt};
use ::tokio::net::TcpStream;
use ::tokio::sync::watch;
use ::tokio::time::{Instant as Deadline, timeout_at};
use alloc::sync::Arc;
use core::net::SocketAddr;
use core::time::Duration;
use std::io;
use stun_proto::server::{Answer, BindingServer, DropReason};
use stun_proto::{Framed, Framer, Framing};

/// Bytes that are read at a time.
const READ_BYTES: usize = 2048;

/// Why a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// The other side closed it, or this one closes all.
    Closed,
    /// It brought something else than STUN, or too much, or nothing for too long.
    Cut,
}

/// Answers what comes over `stream` until it ends.
pub(super) async fn serve(
    shared: Arc<Shared>,
    group: usize,
    mut stream: TcpStream,
    remote: SocketAddr,
    mut stop: watch::Receiver<bool>,
) -> io::Result<End> {
    let local = stream.local_addr()?;
    let limits = &shared.config;
    let end = after(limits.lifetime);
    let mut idle = after(limits.idle).min(end);
    let mut framer = Framer::new(Framing::Stun);
    let mut budget = limits.connection_bytes;
    let (mut input, mut output) = ([0; READ_BYTES], [0; BindingServer::BUFFER]);
    loop {
        let read = ::tokio::select! {
            read = timeout_at(idle, stream.read(&mut input)) => read,
            () = stopped(&mut stop) => {
                stream.shutdown().await?;
                return Ok(End::Closed);
            }
        };
        let Ok(read) = read else {
            return Ok(End::Cut);
        };
        let read = read?;
        if read == 0 {
            return Ok(End::Closed);
        }
        let Some(left) = budget.checked_sub(read) else {
            return Ok(End::Cut);
        };
        budget = left;
        let mut rest = &input[..read];
        while !rest.is_empty() {
            let Ok(Framed { used, frame, .. }) = framer.handle_bytes(shared.now(), rest) else {
                return Ok(End::Cut);
            };
            rest = rest.get(used..).unwrap_or_default();
            let Some(frame) = frame else {
                break;
            };
            let message = frame.as_bytes();
            let answer = shared.answer(group, |server| {
                server.handle_stream_message(local, remote, message, &mut output)
            });
            match answer {
                Answer::Reply(reply) => {
                    let bytes = output.get(reply.bytes).unwrap_or_default();
                    // Who does not read answers is as good as silent.
                    let Ok(written) = timeout_at(idle, stream.write_all(bytes)).await else {
                        return Ok(End::Cut);
                    };
                    written?;
                    idle = after(limits.idle).min(end);
                }
                Answer::NotMine | Answer::Dropped(DropReason::Malformed) => return Ok(End::Cut),
                Answer::Dropped(_) => {}
            }
        }
    }
}

fn after(duration: Duration) -> Deadline {
    Deadline::now() + duration
}
