use rustls::{CipherSuite, NamedGroup};

use super::super::*;
use super::pair::*;

#[test]
fn a_clean_handshake_is_one_round_trip_to_the_clients_data() {
    let mut pair = Pair::new(configs_1_3());
    pair.run(perfect);

    assert!(
        pair.is_connected(),
        "{:?} {:?}",
        pair.client.close_reason(),
        pair.server.close_reason()
    );
    assert_eq!(pair.client_may_send, Some(2 * DELAY));
    assert_eq!(pair.client_connected, Some(2 * DELAY));
    assert_eq!(pair.server_connected, Some(3 * DELAY));
    assert_eq!(pair.client.stats(), Stats::default());
    assert_eq!(pair.server.stats(), Stats::default());
    assert_eq!(pair.client.version(), Some(Version::Dtls13));
    assert_eq!(pair.client.cipher_suite(), Some(CipherSuite::TLS13_AES_128_GCM_SHA256));
    assert_eq!(pair.client.group(), Some(NamedGroup::X25519MLKEM768));
    assert_eq!(pair.client.poll_timeout(), None);
    assert_eq!(pair.server.poll_timeout(), None);
    pair.assert_data_flows();
}
