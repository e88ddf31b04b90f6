//! The HTTP side of `serve`: `/metrics` and `/healthz`.

use super::metrics;
use alloc::sync::Arc;
use core::convert::Infallible;
use core::net::SocketAddr;
use core::time::Duration;
use gdwire::drive::stun::StunServerStats;
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// Connections at a time; further ones wait.
const CONNECTIONS: usize = 64;
/// Connections that wait to be taken.
const BACKLOG: i32 = 64;
/// How long a request and its answer may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// Bytes of a request's head.
const HEAD_BYTES: usize = 8192;
/// How long to wait after the system had no connection to give.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Answers scrapers and supervisors; one request for each connection.
#[derive(Debug)]
pub(super) struct HttpServer {
    addresses: Vec<SocketAddr>,
    tasks: JoinSet<()>,
}

impl HttpServer {
    /// Binds to all of `addresses` and begins to answer with what `stats` gives.
    pub(super) fn bind(
        addresses: &[SocketAddr],
        stats: impl Fn() -> StunServerStats + Send + Sync + Clone + 'static,
    ) -> io::Result<Self> {
        let mut server = Self {
            addresses: Vec::new(),
            tasks: JoinSet::new(),
        };
        let room = Arc::new(Semaphore::new(CONNECTIONS));
        for address in addresses {
            let bound = listen(*address);
            let listener = bound.map_err(|error| {
                io::Error::new(error.kind(), format!("http {address}: {error}"))
            })?;
            server.addresses.push(listener.local_addr()?);
            let (room, stats) = (Arc::clone(&room), stats.clone());
            server.tasks.spawn(accept(listener, room, stats));
        }
        Ok(server)
    }

    pub(super) fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Waits until answering has failed, which is for ever as a rule.
    pub(super) async fn failed(&mut self) -> io::Result<()> {
        match self.tasks.join_next().await {
            Some(ended) => ended.map_err(io::Error::other),
            None => core::future::pending().await,
        }
    }
}

/// A listener that takes its own family only, so that both can have one port.
fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let domain = Domain::for_address(address);
    let socket = Socket::new(domain, Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    // So that a restart need not wait for connections of before.
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    TcpListener::from_std(socket.into())
}

async fn accept(
    listener: TcpListener,
    room: Arc<Semaphore>,
    stats: impl Fn() -> StunServerStats + Send + Sync + Clone + 'static,
) {
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        let Ok(place) = Arc::clone(&room).acquire_owned().await else {
            return;
        };
        match listener.accept().await {
            Ok((stream, _)) => {
                let stats = stats.clone();
                connections.spawn(async move {
                    serve(stream, stats).await;
                    drop(place);
                });
            }
            // One connection that broke before it was taken, or a shortage that passes.
            Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
        }
    }
}

async fn serve(stream: TcpStream, stats: impl Fn() -> StunServerStats) {
    let service = service_fn(|request: Request<Incoming>| {
        let response = respond(&request, &stats);
        async move { Ok::<_, Infallible>(response) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(PATIENCE)
        .keep_alive(false)
        .max_buf_size(HEAD_BYTES)
        .serve_connection(TokioIo::new(stream), service);
    // A client that breaks off or is too slow is its own affair.
    let _ = tokio::time::timeout(PATIENCE, connection).await;
}

fn respond<B>(request: &Request<B>, stats: impl Fn() -> StunServerStats) -> Response<Full<Bytes>> {
    let (status, kind, text) = match (request.method(), request.uri().path()) {
        (&Method::GET | &Method::HEAD, "/metrics") => (
            StatusCode::OK,
            metrics::CONTENT_TYPE,
            metrics::text(&stats()),
        ),
        (&Method::GET | &Method::HEAD, "/healthz") => (StatusCode::OK, "text/plain", "ok\n".into()),
        (_, "/metrics" | "/healthz") => (
            StatusCode::METHOD_NOT_ALLOWED,
            "text/plain",
            "GET only\n".into(),
        ),
        _ => (
            StatusCode::NOT_FOUND,
            "text/plain",
            "there are /metrics and /healthz\n".into(),
        ),
    };
    let mut response = Response::new(Full::from(text));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}
