//! File descriptors: [`provide`] asks for as many as the clients need.

use std::io;

/// Descriptors beside the sockets: standard streams, the runtime, the resolver.
#[cfg(unix)]
const OTHERS: u64 = 64;

/// Raises the soft limit as far as `clients` sockets need.
///
/// # Errors
/// `InvalidInput`: the hard limit is lower.
#[cfg(unix)]
pub(super) fn provide(clients: u32) -> io::Result<()> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let needed = u64::from(clients) + OTHERS;
    let limit = getrlimit(Resource::Nofile);
    // `None` is no limit.
    if limit.current.is_none_or(|current| current >= needed) {
        return Ok(());
    }
    if let Some(maximum) = limit.maximum.filter(|&maximum| maximum < needed) {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            format!(
                "--clients {clients}: that needs {needed} file descriptors, and the limit is {maximum} (ulimit -Hn)"
            ),
        ));
    }
    let raised = Rlimit {
        current: Some(needed),
        maximum: limit.maximum,
    };
    setrlimit(Resource::Nofile, raised)?;
    tracing::debug!(needed, "raised the limit of file descriptors");
    Ok(())
}

/// Other systems have no such limit.
#[cfg(not(unix))]
pub(super) fn provide(_clients: u32) -> io::Result<()> {
    Ok(())
}
