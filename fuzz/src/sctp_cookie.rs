use sctp::{Association, Config, RemoteInit, State};

use crate::choices::Choices;
use crate::clock::Clock;
use crate::sctp_packet::fix_checksum;

/// What stands for a state cookie, and INITs that come with a description: bytes of any kind, and a
/// cookie of our own with some of it changed, which must never be taken.
pub fn sctp_cookie(bytes: &[u8]) {
    let now = Clock::new().now();
    if let Ok(init) = RemoteInit::parse(bytes) {
        let mut association = Association::server(Config::default(), now, [2; 32]);
        association.establish(now, &init);
        assert_eq!(association.state(), State::Established);
        while association.poll_transmit(now, &mut Vec::new()).is_some() {}
    }

    let mut client = Association::client(Config::default(), now, [1; 32]);
    let mut server = Association::server(Config::default(), now, [2; 32]);
    let mut packet = Vec::new();
    for _ in 0..2 {
        packet.clear();
        if client.poll_transmit(now, &mut packet).is_none() {
            return;
        }
        // The COOKIE ECHO is not delivered as it is.
        if packet.get(12) == Some(&10) {
            break;
        }
        server.handle_datagram(now, &packet);
        packet.clear();
        let _ = server.poll_transmit(now, &mut packet);
        client.handle_datagram(now, &packet);
    }
    let mut made_up = packet.get(..12).unwrap_or_default().to_vec();
    let len = u16::try_from(bytes.len() + 4).unwrap_or(u16::MAX);
    made_up.extend_from_slice(&[10, 0]);
    made_up.extend_from_slice(&len.to_be_bytes());
    made_up.extend_from_slice(bytes);
    let mut choices = Choices::new(bytes);
    let mut changed = packet.clone();
    while !choices.is_empty() {
        let at = usize::from(choices.byte());
        if let Some(byte) = changed.get_mut(12 + at % 140) {
            *byte ^= choices.byte();
        }
    }
    for mut forged in [made_up, changed] {
        let genuine = forged.get(16..152) == packet.get(16..152);
        fix_checksum(&mut forged);
        server.handle_datagram(now, &forged);
        assert!(genuine || server.state() == State::Closed, "a forged cookie was taken");
    }
}
