//! What only a look inside can bring about.

use std::time::{Duration, Instant};

use bytes::Bytes;
use dtls_srtp::dtls::AlertDescription;

use crate::media::transceiver::TransceiverInit;
use crate::sim::{Interface, Pair, Realm};
use crate::{
    ConnectionState, DataChannelInit, FailureReason, MediaKind, OutgoingPacket, PayloadType,
};

const SECOND: Duration = Duration::from_secs(1);

#[test]
#[expect(clippy::disallowed_methods, reason = "the origin of a simulation")]
fn no_media_goes_or_comes_where_dtls_has_failed() {
    let mut pair = Pair::new(Instant::now(), 1);
    let now = pair.now();
    let init = TransceiverInit::send_recv();
    let audio = pair.a.connection.add_transceiver(now, MediaKind::Audio, init).unwrap();
    assert!(pair.run_until(5 * SECOND, |pair| {
        pair.a.connection.connection_state() == ConnectionState::Connected
            && pair.b.connection.connection_state() == ConnectionState::Connected
    }));
    let say = |pair: &mut Pair, timestamp| {
        let (now, opus) = (pair.now(), PayloadType::from_low_bits(111));
        let packet = OutgoingPacket::new(opus, timestamp, Bytes::from_static(b"opus"));
        pair.a.connection.sender(audio).unwrap().send_packet(now, packet).unwrap();
        pair.run_for(SECOND);
        let report = pair.b.connection.stats(pair.now());
        report.inbound_rtp.iter().map(|own| own.local.packets_received).sum::<u64>()
    };
    assert_eq!(say(&mut pair, 0), 1);
    let now = pair.now();
    let b = &mut pair.b.connection;
    b.transports[0].dtls.as_mut().unwrap().abort(now, AlertDescription::InternalError);
    b.handle_timeout(now);
    b.settle();
    assert_eq!(b.connection_state(), ConnectionState::Failed);
    // On its way before A has the alert; and afterwards nothing leaves A.
    let sent = |pair: &mut Pair| {
        let report = pair.a.connection.stats(pair.now());
        report.outbound_rtp.iter().map(|own| own.local.packets_sent).sum::<u64>()
    };
    assert_eq!(say(&mut pair, 960), 1);
    assert_eq!(pair.a.connection.connection_state(), ConnectionState::Failed);
    let before = sent(&mut pair);
    assert_eq!(say(&mut pair, 1920), 1);
    assert_eq!(sent(&mut pair), before);
}

/// A peer that nominates late, or never, is followed by all layers at once.
#[test]
#[expect(clippy::disallowed_methods, reason = "the origin of a simulation")]
fn a_path_that_nobody_has_nominated_is_told_to_the_layers_above() {
    let mut pair = Pair::new(Instant::now(), 1);
    let now = pair.now();
    pair.a.connection.create_data_channel(now, "chat", DataChannelInit::default()).unwrap();
    assert!(pair.connect(5 * SECOND));
    pair.run_for(SECOND);
    let old = pair.b.connection.transports[0].path.unwrap();
    // The old address goes, a new one comes, and no USE-CANDIDATE arrives.
    let (now, host) = (pair.now(), pair.a.host);
    let new = std::net::SocketAddr::new([192, 0, 2, 77].into(), 5000);
    pair.network.remove_interface(host, old.remote.ip());
    pair.network.add_interface(host, Interface::new(Realm::INTERNET, new.ip()));
    pair.network.set_filter(|passing| {
        let request = passing.contents.starts_with(&[0, 1]);
        !request || !passing.contents.windows(4).any(|own| own == [0, 0x25, 0, 0])
    });
    pair.a.connection.remove_local_address(now, old.remote);
    pair.a.connection.add_local_address(new);
    pair.a.connection.restart_ice(now);
    let moved = pair.run_until(2 * SECOND, |pair| {
        let b = &pair.b.connection;
        b.ice.send_path(b.transports[0].component).is_some_and(|path| path.remote == new)
    });
    assert!(moved);
    let b = &pair.b.connection;
    assert!(b.ice.selected_pair(b.transports[0].component).is_none());
    assert_eq!(b.transports[0].path.unwrap().remote, new);
}

#[test]
#[expect(clippy::disallowed_methods, reason = "the origin of a simulation")]
fn a_reason_lasts_as_long_as_the_failure() {
    let mut pair = Pair::new(Instant::now(), 1);
    let (now, init) = (pair.now(), DataChannelInit::default());
    pair.a.connection.create_data_channel(now, "chat", init).unwrap();
    let is = |state| {
        move |pair: &mut Pair| {
            [&pair.a, &pair.b].iter().all(|peer| peer.connection.connection_state() == state)
        }
    };
    assert!(pair.run_until(5 * SECOND, is(ConnectionState::Connected)));
    // The path is cut, and comes back.
    pair.network.set_filter(|_| false);
    assert!(pair.run_until(60 * SECOND, is(ConnectionState::Failed)));
    let told = pair.a.connection.failure_reason();
    assert!(matches!(told, Some(FailureReason::ConsentExpired { .. })), "{told:?}");
    // A restart that finds no path fails for that.
    let now = pair.now();
    pair.a.connection.restart_ice(now);
    assert!(pair.run_until(SECOND, is(ConnectionState::Connecting)));
    assert!(pair.a.connection.failure_reason().is_none());
    assert!(pair.run_until(60 * SECOND, is(ConnectionState::Failed)));
    let told = pair.a.connection.failure_reason();
    assert!(matches!(told, Some(FailureReason::NoPath { .. })), "{told:?}");
    pair.network.clear_filter();
    let now = pair.now();
    pair.a.connection.restart_ice(now);
    assert!(pair.run_until(20 * SECOND, is(ConnectionState::Connected)));
    assert!(pair.a.connection.failure_reason().is_none());
    assert!(pair.b.connection.failure_reason().is_none());
    // What happens next has a reason of its own.
    let now = pair.now();
    let b = &mut pair.b.connection;
    b.transports[0].dtls.as_mut().unwrap().abort(now, AlertDescription::InternalError);
    b.settle();
    assert!(pair.run_until(SECOND, is(ConnectionState::Failed)));
    let told = pair.a.connection.failure_reason();
    assert!(matches!(told, Some(FailureReason::Dtls(_))), "{told:?}");
}
