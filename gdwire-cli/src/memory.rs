//! How much memory this process takes: [`resident_bytes`].

/// Bytes of this process that are in memory now; `None` where the system does not tell.
#[cfg(target_os = "linux")]
pub(crate) fn resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1024)
}

/// Other systems are not asked.
#[cfg(not(target_os = "linux"))]
pub(crate) const fn resident_bytes() -> Option<u64> {
    None
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    #[test]
    fn the_memory_of_this_process_grows_by_what_is_written_to() {
        let before = super::resident_bytes().unwrap();
        let touched = core::hint::black_box(vec![1_u8; 64 << 20]);
        let after = super::resident_bytes().unwrap();
        drop(touched);
        assert!(after >= before + (48 << 20), "{before} to {after}");
    }
}
