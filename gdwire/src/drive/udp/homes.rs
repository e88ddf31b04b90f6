//! Which of its own addresses a server was asked at: [`Homes`].

use core::net::{IpAddr, SocketAddr};
use std::collections::HashMap;

/// Remotes of one generation that came to another address than the usual one; then the older half is forgotten.
const REMOTES: usize = 4096;

/// For each remote the local address that it sends to, so that answers leave from there: a client drops what comes
/// from an address that it did not ask.
///
/// The address at which the first remote came in is the usual one and costs no entry. A table of two generations of
/// 4,096 remotes holds the others; strangers can make it forget who has been silent longest, and the system then
/// chooses the address, as it does without the table.
#[derive(Debug, Default)]
pub(super) struct Homes {
    /// Of remotes with IPv4 and IPv6.
    usual: [Option<IpAddr>; 2],
    recent: HashMap<SocketAddr, IpAddr>,
    older: HashMap<SocketAddr, IpAddr>,
}

impl Homes {
    /// A datagram of `remote` came in at `home`.
    pub(super) fn note(&mut self, remote: SocketAddr, home: IpAddr) {
        if !can_answer(home) {
            return;
        }
        let usual = *self.usual[family(remote)].get_or_insert(home);
        if usual == home {
            if !self.recent.is_empty() || !self.older.is_empty() {
                self.forget(remote);
            }
            return;
        }
        if self.recent.get(&remote) == Some(&home) {
            return;
        }
        if self.recent.len() >= REMOTES {
            self.older = core::mem::take(&mut self.recent);
        }
        self.recent.insert(remote, home);
    }

    /// The address to answer `remote` from, if it is known.
    pub(super) fn of(&self, remote: SocketAddr) -> Option<IpAddr> {
        let usual = self.usual[family(remote)];
        if self.recent.is_empty() && self.older.is_empty() {
            return usual;
        }
        let other = self.recent.get(&remote).or_else(|| self.older.get(&remote));
        other.copied().or(usual)
    }

    /// The remote came to the usual address, or the system refused to send from the other.
    pub(super) fn forget(&mut self, remote: SocketAddr) {
        self.recent.remove(&remote);
        self.older.remove(&remote);
    }
}

fn family(remote: SocketAddr) -> usize {
    usize::from(remote.is_ipv6())
}

/// Nothing can be sent from an address that stands for many machines.
fn can_answer(home: IpAddr) -> bool {
    let home = home.to_canonical();
    let is_broadcast = matches!(home, IpAddr::V4(home) if home.is_broadcast());
    !is_broadcast && !home.is_multicast() && !home.is_unspecified()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn remote(number: u16) -> SocketAddr {
        SocketAddr::from(([10, 0, number.to_be_bytes()[0], number.to_be_bytes()[1]], 9))
    }

    fn home(last: u8) -> IpAddr {
        IpAddr::from([192, 168, 0, last])
    }

    #[test]
    fn each_remote_is_answered_from_the_address_that_it_asked_last() {
        let mut homes = Homes::default();
        assert_eq!(homes.of(remote(1)), None);
        homes.note(remote(1), home(1));
        homes.note(remote(2), home(2));
        assert_eq!(homes.of(remote(1)), Some(home(1)));
        assert_eq!(homes.of(remote(2)), Some(home(2)));
        // Nothing is known of it: as most are.
        assert_eq!(homes.of(remote(3)), Some(home(1)));
        homes.note(remote(2), home(1));
        assert_eq!(homes.of(remote(2)), Some(home(1)));
    }

    #[test]
    fn families_do_not_share_an_address() {
        let mut homes = Homes::default();
        let six: SocketAddr = "[2001:db8::9]:9".parse().unwrap();
        homes.note(remote(1), home(1));
        assert_eq!(homes.of(six), None);
        homes.note(six, "2001:db8::1".parse().unwrap());
        assert_eq!(homes.of(six), Some("2001:db8::1".parse().unwrap()));
    }

    #[test]
    fn an_address_of_many_is_never_an_origin() {
        let mut homes = Homes::default();
        for many in [
            "255.255.255.255",
            "224.0.0.1",
            "ff02::1",
            "::ffff:255.255.255.255",
        ] {
            homes.note(remote(1), many.parse().unwrap());
        }
        assert_eq!(homes.of(remote(1)), None);
    }

    #[test]
    fn strangers_fill_two_generations_and_no_more() {
        let mut homes = Homes::default();
        homes.note(remote(0), home(1));
        for number in 0..20_000 {
            homes.note(remote(number), home(2));
        }
        assert!(homes.recent.len() + homes.older.len() <= 2 * REMOTES);
        assert_eq!(homes.of(remote(19_999)), Some(home(2)));
        assert_eq!(homes.of(remote(0)), Some(home(1)));
    }
}
