use std::time::Duration;

use bytes::Bytes;

use super::pair::*;
use crate::rtcp::{Compound, ItemKind, Packet};
use crate::session::{Event, OutgoingPacket, section};
use crate::ssrc::Ssrc;

fn talk(pair: &mut Pair, packets: u32, mut lose: impl FnMut(u32) -> bool) {
    for number in 0..packets {
        let time = (pair.elapsed().as_millis() * 48) as u32;
        let packet = OutgoingPacket::new(OPUS, time, Bytes::from_static(b"audio"));
        pair.a.send_packet(pair.now, AUDIO, packet).unwrap();
        let lost = lose(number);
        pair.run_over(20 * MS, |side, datagram| {
            let media = !crate::packet::is_rtcp(datagram) && side == Side::A;
            if media && lost { Fate::Lose } else { Fate::DelayBy(Duration::ZERO) }
        });
        while pair.b.read_packet(AUDIO).is_some() {}
    }
}

#[test]
fn round_trip_time_and_losses_come_back() {
    let mut pair = Pair::new();
    talk(&mut pair, 1000, |number| number % 10 == 5);
    let remote = pair.a.remote_inbound_stats(AUDIO).unwrap();
    let measured = remote.round_trip_time.unwrap();
    assert!(measured.abs_diff(40 * MS) < Duration::from_micros(100), "{measured:?}");
    assert!((remote.fraction_lost - 0.1).abs() < 0.03, "{}", remote.fraction_lost);
    assert!((85..=100).contains(&remote.packets_lost), "{}", remote.packets_lost);
    assert!(remote.jitter < MS);
    assert!(pair.a.round_trip_time().unwrap().abs_diff(40 * MS) < MS);
    let inbound = pair.b.inbound_stats(AUDIO).next().unwrap();
    assert_eq!((inbound.packets_received, inbound.packets_lost), (900, 100));
    assert_eq!(inbound.bytes_received, 4500);
    let outbound = pair.b.remote_outbound_stats(AUDIO).next().unwrap();
    assert!(outbound.packets_sent > 900 && outbound.reports_sent > 5);
    assert_eq!(outbound.bytes_sent, outbound.packets_sent * 5);
}

#[test]
fn who_only_receives_learns_the_round_trip_time_from_below() {
    let mut pair = Pair::new();
    pair.b.set_round_trip_time(40 * MS);
    talk(&mut pair, 200, |_| false);
    assert!(pair.b.remote_outbound_stats(AUDIO).next().unwrap().reports_sent > 0);
    // No report is about what it does not send.
    pair.b.set_round_trip_time(300 * MS);
    assert_eq!(pair.b.round_trip_time(), Some(300 * MS));
    // Who sends knows better, until the path is another one.
    let measured = pair.a.round_trip_time().unwrap();
    pair.a.set_round_trip_time(300 * MS);
    assert_eq!(pair.a.round_trip_time(), Some(measured));
    pair.a.path_changed();
    pair.a.set_round_trip_time(300 * MS);
    assert_eq!(pair.a.round_trip_time(), Some(300 * MS));
    talk(&mut pair, 500, |_| false);
    assert!(pair.a.round_trip_time().unwrap() < 50 * MS);
}

#[test]
fn reports_are_compound_packets_with_names() {
    let mut pair = Pair::new();
    talk(&mut pair, 500, |_| false);
    let mut reports = [0, 0];
    for side in [Side::A, Side::B] {
        for (_, datagram) in pair.rtcp(side) {
            let packets: Vec<_> = Compound::parse(datagram).unwrap().map(Result::unwrap).collect();
            let reporter = match packets[0] {
                Packet::SenderReport(report) => report.info().ssrc,
                Packet::ReceiverReport(report) => report.ssrc(),
                _ => continue,
            };
            reports[side as usize] += 1;
            let Packet::SourceDescription(description) = packets[1] else { panic!("{packets:?}") };
            let chunk = description.chunks().next().unwrap();
            assert_eq!(chunk.ssrc(), reporter);
            assert_eq!(
                chunk.item(ItemKind::Cname).unwrap(),
                format!("{side:?}@example").as_bytes()
            );
            assert_eq!(chunk.item(ItemKind::Mid).unwrap(), b"a");
        }
    }
    assert!(reports[0] >= 5 && reports[1] >= 5, "{reports:?}");
}

#[test]
fn reports_keep_to_their_interval() {
    for number in seeds() {
        let mut pair = Pair::with(crate::session::Config::default(), number);
        talk(&mut pair, 3000, |_| false);
        let reports = |pair: &Pair| -> Vec<Duration> {
            let is_report = |datagram: &[u8]| matches!(datagram[1], 200 | 201);
            pair.rtcp(Side::A).filter(|(_, d)| is_report(d)).map(|(at, _)| at).collect()
        };
        let at = reports(&pair);
        // 60 s with video in the session: about one a second, between 0.5 / 1.21828 and 1.5 s apart.
        assert!((45..=90).contains(&at.len()), "seed {number}: {} in a minute", at.len());
        for pair in at.windows(2) {
            let apart = pair[1] - pair[0];
            assert!(apart >= 400 * MS && apart <= 2500 * MS, "seed {number}: {apart:?}");
        }
    }
}

#[test]
fn an_idle_session_is_silent() {
    let mut pair = Pair::new();
    pair.run(Duration::from_secs(60));
    assert!(pair.log.is_empty());
    assert_eq!(pair.a.poll_timeout(), None);
    talk(&mut pair, 10, |_| false);
    pair.run(Duration::from_secs(20));
    let count = pair.log.len();
    pair.run(Duration::from_secs(600));
    assert_eq!(pair.log.len(), count, "after the last report");
    assert_eq!((pair.a.poll_timeout(), pair.b.poll_timeout()), (None, None));
}

#[test]
fn a_section_that_ends_says_goodbye() {
    let mut pair = Pair::new();
    talk(&mut pair, 50, |_| false);
    pair.a.remove_section(pair.now, AUDIO);
    pair.run(Duration::from_secs(10));
    assert!(pair.saw(Side::B, Event::Goodbye(AUDIO)));
    assert_eq!(pair.b.inbound_stats(AUDIO).count(), 0, "the source is forgotten");
    assert!(!pair.saw(Side::A, Event::Goodbye(AUDIO)));
}

#[test]
fn a_signalled_source_goes_on_counting_after_a_goodbye() {
    for signalled in [true, false] {
        let mut pair = Pair::new();
        let mut parameters = audio(Side::B);
        let ssrcs = if signalled { vec![Ssrc(100)] } else { vec![] };
        parameters.receive =
            Some(section::Receive { mode: section::Mode::Packets, ssrcs, rtx: vec![] });
        pair.set(Side::B, AUDIO, parameters);
        talk(&mut pair, 100, |_| false);
        let mut goodbye = Vec::new();
        crate::rtcp::Writer::new(&mut goodbye)
            .receiver_report(Ssrc(100), [])
            .goodbye([Ssrc(100)], b"");
        pair.b.handle_datagram(pair.now, &goodbye);
        pair.run(Duration::from_secs(20));
        let known = pair.b.inbound_stats(AUDIO).next().map(|stats| stats.packets_received);
        assert_eq!(known, signalled.then_some(100));
        talk(&mut pair, 5, |_| false);
        let received = pair.b.inbound_stats(AUDIO).next().unwrap().packets_received;
        assert_eq!(received, if signalled { 105 } else { 5 });
    }
}

#[test]
fn closing_says_goodbye_for_all_that_sent() {
    let mut pair = Pair::new();
    talk(&mut pair, 5, |_| false);
    pair.a.close(pair.now);
    pair.run(100 * MS);
    let goodbyes: Vec<Ssrc> = pair
        .rtcp(Side::A)
        .flat_map(|(_, datagram)| Compound::parse(datagram).unwrap())
        .filter_map(|packet| match packet.unwrap() {
            Packet::Goodbye(goodbye) => goodbye.ssrcs().next(),
            _ => None,
        })
        .collect();
    assert_eq!(goodbyes, [Ssrc(100)], "video was never sent");
    assert_eq!(pair.a.poll_timeout(), None);
}

#[test]
fn many_sources_are_reported_in_several_datagrams() {
    let mut pair = Pair::new();
    let ssrcs: Vec<_> = (5000..5100).map(Ssrc).collect();
    for side in [Side::A, Side::B] {
        let mut parameters = audio(side);
        parameters.receive = Some(section::Receive {
            ssrcs: ssrcs.clone(),
            mode: section::Mode::Packets,
            ..Default::default()
        });
        pair.set(side, AUDIO, parameters);
    }
    for round in 0..100u16 {
        for ssrc in &ssrcs {
            let mut datagram = Vec::new();
            crate::packet::HeaderWriter::new(
                &mut datagram,
                OPUS,
                crate::SequenceNumber(round),
                u32::from(round) * 960,
                *ssrc,
            )
            .finish();
            datagram.push(1);
            pair.b.handle_datagram(pair.now, &datagram);
        }
        pair.run(20 * MS);
        while pair.b.read_packet(AUDIO).is_some() {}
    }
    let mut reported = std::collections::BTreeMap::new();
    for (_, datagram) in pair.rtcp(Side::B) {
        assert!(datagram.len() <= 1180);
        for packet in Compound::parse(datagram).unwrap() {
            if let Packet::ReceiverReport(report) = packet.unwrap() {
                report.blocks().for_each(|block| *reported.entry(block.ssrc).or_insert(0) += 1);
            }
        }
    }
    assert!(reported.keys().eq(&ssrcs), "{} of 100", reported.len());
    let counts: std::collections::BTreeSet<_> = reported.values().collect();
    assert!(counts.len() <= 2, "all as often: {counts:?}");
}
