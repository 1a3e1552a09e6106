//! The addresses of this machine.

use std::io;
use std::net::IpAddr;

/// The addresses of a family that a socket bound to its wildcard can be reached at: those of every
/// interface that is up. Loopback counts only when there is nothing else, as RFC 8445 §5.1.1.1
/// asks; link-local IPv6 addresses do not, since they mean something on one link only and a
/// candidate cannot say which.
pub(super) fn addresses(family: IpAddr) -> io::Result<Vec<IpAddr>> {
    let mut found: Vec<_> = if_addrs::get_if_addrs()?
        .into_iter()
        .filter(|interface| interface.is_oper_up())
        .map(|interface| interface.ip())
        .collect();
    found.sort_unstable();
    Ok(choose(family, found))
}

fn choose(family: IpAddr, mut found: Vec<IpAddr>) -> Vec<IpAddr> {
    found.retain(|address| address.is_ipv4() == family.is_ipv4() && is_usable(*address));
    found.dedup();
    if found.iter().any(|address| !address.is_loopback()) {
        found.retain(|address| !address.is_loopback());
    }
    found
}

fn is_usable(address: IpAddr) -> bool {
    let link_local = match address {
        IpAddr::V4(_) => false,
        IpAddr::V6(address) => address.is_unicast_link_local(),
    };
    !address.is_unspecified() && !address.is_multicast() && !link_local
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choose_from(family: &str, found: &[&str]) -> Vec<String> {
        let found = found.iter().map(|address| address.parse().unwrap()).collect();
        let chosen = choose(family.parse().unwrap(), found);
        chosen.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn loopback_counts_only_alone() {
        let found = ["127.0.0.1", "192.0.2.1", "192.0.2.2", "::1"];
        assert_eq!(choose_from("0.0.0.0", &found), ["192.0.2.1", "192.0.2.2"]);
        assert_eq!(choose_from("0.0.0.0", &["127.0.0.1"]), ["127.0.0.1"]);
        assert_eq!(choose_from("::", &found), ["::1"]);
    }

    #[test]
    fn link_local_addresses_do_not_count() {
        assert_eq!(choose_from("::", &["::1", "fe80::1", "2001:db8::1"]), ["2001:db8::1"]);
        assert_eq!(choose_from("::", &["::1", "fe80::1"]), ["::1"]);
    }

    #[test]
    fn this_machine_has_an_address() {
        let addresses = addresses("0.0.0.0".parse().unwrap()).unwrap();
        assert!(addresses.iter().all(|address| address.is_ipv4()));
    }
}
