//! Where the gateway is: [`default_gateway`].

use core::net::Ipv4Addr;
use std::io;

/// The next hop of the default route for IPv4, which is the gateway of nearly every home.
///
/// # Errors
/// `NotFound` if there is no such route; `Unsupported` on other systems than Linux, where the caller has to know it.
pub fn default_gateway() -> io::Result<Ipv4Addr> {
    if !cfg!(target_os = "linux") {
        return Err(io::ErrorKind::Unsupported.into());
    }
    // A thread may be in another network than its process.
    let table = std::fs::read_to_string("/proc/thread-self/net/route")?;
    let missing = || io::Error::new(io::ErrorKind::NotFound, "there is no default route");
    next_hop(&table).ok_or_else(missing)
}

/// That of the default route with the lowest metric in the kernel's table (proc(5)).
fn next_hop(table: &str) -> Option<Ipv4Addr> {
    const USABLE: u32 = 1 | 2; // RTF_UP | RTF_GATEWAY
    let routes = table.lines().skip(1).filter_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let hex = |index: usize| u32::from_str_radix(fields.get(index)?, 16).ok();
        let (destination, hop, flags, mask) = (hex(1)?, hex(2)?, hex(3)?, hex(7)?);
        let metric: u32 = fields.get(6)?.parse().ok()?;
        let is_default = destination == 0 && mask == 0 && flags & USABLE == USABLE;
        // Addresses stand there as the processor has them in memory.
        is_default.then(|| (metric, Ipv4Addr::from(hop.to_ne_bytes())))
    });
    routes.min_by_key(|&(metric, _)| metric).map(|(_, hop)| hop)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str =
        "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n";

    #[test]
    #[cfg(target_endian = "little")]
    fn the_default_route_with_the_lowest_metric_names_the_gateway() {
        let table = format!(
            "{HEADER}wlan0\t00000000\t0101A8C0\t0003\t0\t0\t600\t00000000\t0\t0\t0\n\
             eth0\t00000000\t0102A8C0\t0003\t0\t0\t100\t00000000\t0\t0\t0\n\
             eth1\t00000000\t0103A8C0\t0002\t0\t0\t1\t00000000\t0\t0\t0\n\
             tun0\t00000000\t0104A8C0\t0003\t0\t0\t1\t00000080\t0\t0\t0\n\
             eth0\t0002A8C0\t00000000\t0001\t0\t0\t100\t00FFFFFF\t0\t0\t0\n"
        );
        assert_eq!(next_hop(&table), Some(Ipv4Addr::new(192, 168, 2, 1)));
    }

    #[test]
    fn a_table_without_a_default_route_or_of_another_form_names_none() {
        assert_eq!(next_hop(""), None);
        assert_eq!(next_hop(HEADER), None);
        assert_eq!(next_hop(&format!("{HEADER}eth0\tzero\t1\n\n")), None);
        let local = format!("{HEADER}eth0\t00000000\t00000000\t0001\t0\t0\t0\t00000000\t0\t0\t0\n");
        assert_eq!(next_hop(&local), None, "no hop");
    }
}
