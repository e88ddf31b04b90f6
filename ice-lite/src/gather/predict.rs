//! Which outside port a NAT will give the next destination (the requirements call it port prediction).

use alloc::vec::Vec;
use core::net::SocketAddr;

/// Larger steps between ports are no sequence: they would be as likely by chance.
const LONGEST_STEP: i32 = 16;

/// The next `most` outside addresses of a socket, from those that servers saw, in the order of asking.
///
/// Empty where there is nothing to foretell: the NAT gives the socket one address for all, or no step repeats. Two
/// addresses are enough for a guess; of more, each step must lie near the last.
pub(super) fn next_addresses(seen: &[SocketAddr], most: usize) -> Vec<SocketAddr> {
    let steps: Option<Vec<i32>> = seen
        .windows(2)
        .map(|pair| match pair {
            [a, b] if a.ip() == b.ip() => Some(i32::from(b.port()) - i32::from(a.port())),
            _ => None,
        })
        .collect();
    let (Some(steps), Some(last)) = (steps, seen.last()) else {
        return Vec::new();
    };
    let Some(&step) = steps.last() else {
        return Vec::new();
    };
    let near = |other: &i32| other.signum() == step.signum() && other.abs() <= LONGEST_STEP;
    if step == 0 || !steps.iter().all(near) {
        return Vec::new();
    }
    // Between two of our destinations other hosts may have taken ports, so the smallest step is the rule.
    let least = steps.iter().map(|step| step.abs()).min().unwrap_or(1);
    let mut next = Vec::new();
    let mut port = i32::from(last.port());
    for _ in 0..most {
        port += least * step.signum();
        let Ok(port) = u16::try_from(port) else { break };
        if port >= 1024 {
            next.push(SocketAddr::new(last.ip(), port));
        }
    }
    next
}

#[cfg(test)]
mod tests {
    use super::*;

    fn foretold(ports: &[u16]) -> Vec<u16> {
        let seen: Vec<SocketAddr> = ports
            .iter()
            .map(|&port| SocketAddr::from(([192, 0, 2, 1], port)))
            .collect();
        let next = next_addresses(&seen, 3);
        next.iter().map(SocketAddr::port).collect()
    }

    // req: I-7
    #[test]
    fn a_sequence_of_ports_goes_on_and_anything_else_is_not_foretold() {
        assert_eq!(foretold(&[5000, 5001]), [5002, 5003, 5004]);
        assert_eq!(foretold(&[5000, 5002, 5004]), [5006, 5008, 5010]);
        assert_eq!(
            foretold(&[5000, 5003, 5004]),
            [5005, 5006, 5007],
            "a busy neighbour"
        );
        assert_eq!(foretold(&[5004, 5003]), [5002, 5001, 5000]);
        assert_eq!(foretold(&[65_534, 65_535]), [] as [u16; 0]);
        assert_eq!(
            foretold(&[5000, 5000]),
            [] as [u16; 0],
            "one address for all"
        );
        assert_eq!(foretold(&[5000]), [] as [u16; 0]);
        assert_eq!(foretold(&[5000, 6000]), [] as [u16; 0], "random");
        assert_eq!(foretold(&[5000, 5001, 4000]), [] as [u16; 0], "random");
    }

    #[test]
    fn addresses_of_two_boxes_are_not_foretold() {
        let seen = [
            SocketAddr::from(([192, 0, 2, 1], 5000)),
            SocketAddr::from(([192, 0, 2, 2], 5001)),
        ];
        assert_eq!(next_addresses(&seen, 3), []);
    }
}
