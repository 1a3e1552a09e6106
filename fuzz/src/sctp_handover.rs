use bytes::Bytes;
use sctp::data_channel::{self, Session};
use sctp::{Association, Config, CongestionControl, Outgoing, ReadMode};

use crate::choices::Choices;
use crate::clock::{Clock, assert_does_not_spin};

mod channels;

/// What is taken up when an association goes on in another process: bytes of any kind, and those of
/// an association in full flight with some of them changed, or, when the first byte has its highest
/// bit, of a session with channels. Whatever is accepted must behave.
pub fn sctp_handover(bytes: &[u8]) {
    let clock = Clock::new();
    let now = clock.now();
    let _ = Association::resume(Config::default(), now, [1; 32], bytes);
    let _ = Session::resume(data_channel::Config::default(), now, [1; 32], bytes);

    let mut choices = Choices::new(bytes);
    if bytes.first().is_some_and(|first| first & 0x80 != 0) {
        return channels::channels(&mut choices);
    }
    let mut config = Config::default();
    config.interleaving = choices.flag();
    config.read_mode = if choices.flag() { ReadMode::Parts } else { ReadMode::Whole };
    let byte = choices.byte();
    config.congestion_control = match byte >> 3 {
        0..16 => CongestionControl::Bbr,
        16..24 => CongestionControl::Cubic,
        _ => CongestionControl::NewReno,
    };
    let mut a = Association::client(config.clone(), now, [1; 32]);
    let mut z = Association::server(config.clone(), now, [2; 32]);
    for _ in 0..3 {
        carry(&mut a, &mut z, &clock, &mut || false);
        carry(&mut z, &mut a, &clock, &mut || false);
    }
    for _ in 0..usize::from(byte & 7) {
        let (stream, len) = (u16::from(choices.byte() & 3), usize::from(choices.u16()));
        let message = Outgoing::new(stream, 53, Bytes::from(vec![1; len]));
        let _ = if choices.flag() { a.begin(now, message) } else { a.send(now, message) };
        let message = Outgoing::new(stream, 53, Bytes::from(vec![2; len]));
        let _ = z.send(now, message);
    }
    carry(&mut a, &mut z, &clock, &mut || choices.flag());
    carry(&mut z, &mut a, &clock, &mut || choices.flag());
    let Ok(mut moved) = a.hand_over(now) else { return };
    while !choices.is_empty() {
        let at = usize::from(choices.u16()) % moved.len();
        if let Some(byte) = moved.get_mut(at) {
            *byte ^= choices.byte();
        }
    }
    let Ok(mut a) = Association::resume(config, now, [3; 32], &moved) else { return };
    for round in 0..20 {
        carry(&mut a, &mut z, &clock, &mut || false);
        carry(&mut z, &mut a, &clock, &mut || false);
        for stream in 0..4 {
            while a.read_part(stream).is_some() {}
            while z.read(stream).is_some() {}
        }
        if round == 3 {
            let _ = a.finish(now, 0);
            a.abandon(now, 1);
            a.reset_stream(now, 2);
        }
        // Reading may have opened the window, which the peer is told.
        carry(&mut a, &mut z, &clock, &mut || false);
        assert_does_not_spin(now, a.poll_timeout());
    }
}

/// Carries what one side has to send to the other; `lost` decides about each packet.
fn carry(
    from: &mut Association,
    to: &mut Association,
    clock: &Clock,
    lost: &mut dyn FnMut() -> bool,
) {
    let now = clock.now();
    let mut buf = Vec::new();
    while from.poll_transmit(now, &mut buf).is_some() {
        if !lost() {
            to.handle_datagram(now, &buf);
        }
        buf.clear();
    }
    while from.poll_event().is_some() {}
}
