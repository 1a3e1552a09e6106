use std::collections::VecDeque;
use std::fmt::Debug;
use std::net::SocketAddr;
use std::sync::OnceLock;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use dtls_srtp::{Certificate, CertificateParameters, Crypto};
use peerless::media::transceiver::{RtpTransceiverDirection, TransceiverInit};
use peerless::{
    BundlePolicy, Configuration, DataChannelId, DataChannelInit, Datagram, Event, FiveTuple, Frame,
    IceCandidate, MediaKind, OfferOptions, Origin, OutgoingPacket, PeerConnection, Readable,
    ReceiveMode, SdpType, SessionDescription, SocketRequest, TransceiverId,
};

use crate::choices::Choices;
use crate::clock::{Clock, assert_does_not_spin};
use crate::wire::Wire;

/// Two whole connections: packets and commands in any order, descriptions changed on the way. A first
/// byte of 0xf0 or more asks for other settings.
pub fn peer_connection(bytes: &[u8]) {
    let (settings, bytes) = match bytes {
        [settings @ 0xf0..=0xff, rest @ ..] => (*settings, rest),
        _ => (0, bytes),
    };
    let mut choices = Choices::new(bytes);
    let mut call = Call::new(settings);
    for _ in 0..MAX_STEPS {
        if choices.is_empty() {
            break;
        }
        call.step(&mut choices);
    }
}

/// Enough for a call with renegotiations; more would only make runs slower.
const MAX_STEPS: usize = 500;

struct Call {
    clock: Clock,
    sides: [Side; 2],
}

struct Side {
    connection: PeerConnection,
    /// On their way to this side, with the path as it sees it.
    wire: Wire,
    paths: VecDeque<FiveTuple>,
    /// Candidates on their way to this side.
    candidates: VecDeque<IceCandidate>,
    channels: Vec<DataChannelId>,
    transceivers: Vec<TransceiverId>,
    /// Its newest description, for the other side.
    said: Option<SessionDescription>,
    closed: bool,
    /// How many it has opened besides its first.
    sockets: u8,
}

/// One certificate for all runs: what is looked for here is not in its making.
fn configuration(settings: u8) -> Configuration {
    static CERTIFICATE: OnceLock<Certificate> = OnceLock::new();
    let certificate = CERTIFICATE.get_or_init(|| {
        let parameters = CertificateParameters::new(wall_clock());
        Certificate::generate(&Crypto::default(), parameters).expect("the system has randomness")
    });
    let mut configuration = Configuration::default();
    configuration.certificates = vec![certificate.clone()];
    configuration.max_transceivers = 12;
    configuration.bundle_policy = match settings & 3 {
        0 => BundlePolicy::MaxBundle,
        1 => BundlePolicy::Balanced,
        _ => BundlePolicy::MaxCompat,
    };
    configuration.sped = settings & 4 != 0;
    configuration.snap = settings & 8 != 0;
    configuration
}

fn wall_clock() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000)
}

fn address(index: u8) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, index & 7], 5000 + u16::from(index)))
}

impl Call {
    fn new(settings: u8) -> Self {
        let clock = Clock::new();
        let now = clock.now();
        let sides = [0, 1].map(|index: u8| {
            let origin = Origin::new(now, wall_clock(), [index; 32]);
            let mut connection = PeerConnection::new(configuration(settings), origin);
            connection.add_local_address(address(index));
            Side {
                connection,
                wire: Wire::default(),
                paths: VecDeque::new(),
                candidates: VecDeque::new(),
                channels: Vec::new(),
                transceivers: Vec::new(),
                said: None,
                closed: false,
                sockets: 0,
            }
        });
        Self { clock, sides }
    }

    fn step(&mut self, choices: &mut Choices<'_>) {
        let what = choices.byte();
        let from = usize::from(what & 1);
        match what >> 1 {
            0..=35 => self.deliver(from, choices),
            36..=45 => {
                self.clock.advance(choices);
            }
            46..=60 => {
                let sides = self.sides.iter();
                let timeouts = sides.filter_map(|side| side.connection.poll_timeout());
                self.clock.advance_to(timeouts.min());
            }
            61..=64 => self.negotiate(from),
            65..=70 => self.describe(from, choices),
            71..=100 => self.command(from, choices),
            101..=105 => self.signal(from),
            106..=110 => {
                let now = self.clock.now();
                let path = FiveTuple::udp(address(choices.byte()), address(choices.byte()));
                let mut bytes = choices.bytes().to_vec();
                let datagram = Datagram::new(path, &mut bytes);
                self.side(from).connection.handle_datagram(now, datagram);
            }
            _ => {
                let earlier = self.clock.earlier(choices);
                self.side(from).connection.handle_timeout(earlier);
            }
        }
        self.settle();
    }

    fn side(&mut self, index: usize) -> &mut Side {
        let [a, b] = &mut self.sides;
        if index == 0 { a } else { b }
    }

    fn deliver(&mut self, to: usize, choices: &mut Choices<'_>) {
        let now = self.clock.now();
        let side = self.side(to);
        let path = side.paths.pop_front();
        let Some(mut bytes) = side.wire.next(choices) else { return };
        let path = path.unwrap_or_else(|| FiveTuple::udp(address(0), address(1)));
        side.connection.handle_datagram(now, Datagram::new(path, &mut bytes));
    }

    /// A whole exchange, as it should be.
    fn negotiate(&mut self, from: usize) {
        let now = self.clock.now();
        let [a, b] = &mut self.sides;
        let (from, to) = if from == 0 { (a, b) } else { (b, a) };
        if from.connection.set_local_description(now, None).is_err() {
            return;
        }
        let Some(offer) = from.connection.local_description() else { return };
        if to.connection.set_remote_description(now, offer).is_err() {
            return;
        }
        if to.connection.set_local_description(now, None).is_ok()
            && let Some(answer) = to.connection.local_description()
        {
            let _ = from.connection.set_remote_description(now, answer);
        }
    }

    /// A step of an exchange, fitting or not, with a description that may have been changed.
    fn describe(&mut self, from: usize, choices: &mut Choices<'_>) {
        let now = self.clock.now();
        let [a, b] = &mut self.sides;
        let (from, to) = if from == 0 { (a, b) } else { (b, a) };
        match choices.byte() % 8 {
            0 => {
                let mut options = OfferOptions::default();
                options.ice_restart = choices.flag();
                from.said = from.connection.create_offer(now, options).ok();
            }
            1 => from.said = from.connection.create_answer(now).ok(),
            2 => {
                let _ = from.connection.set_local_description(now, from.said.clone());
            }
            3 => {
                let _ = from.connection.set_local_description(now, None);
                from.said = from.connection.local_description();
            }
            4 => {
                let rollback = SessionDescription::rollback();
                let _ = if choices.flag() {
                    from.connection.set_local_description(now, Some(rollback))
                } else {
                    from.connection.set_remote_description(now, rollback)
                };
            }
            _ => {
                let Some(mut said) = from.said.clone() else { return };
                change(&mut said, choices);
                let before = to.visible(now);
                if to.connection.set_remote_description(now, said).is_err() {
                    assert_eq!(to.visible(now), before);
                }
            }
        }
    }

    fn signal(&mut self, to: usize) {
        let now = self.clock.now();
        let side = self.side(to);
        if let Some(candidate) = side.candidates.pop_front() {
            let _ = side.connection.add_ice_candidate(now, candidate);
        }
    }

    fn command(&mut self, from: usize, choices: &mut Choices<'_>) {
        let now = self.clock.now();
        let side = self.side(from);
        let connection = &mut side.connection;
        let which = usize::from(choices.byte());
        let channel = side.channels.get(which % side.channels.len().max(1)).copied();
        let transceiver = side.transceivers.get(which % side.transceivers.len().max(1)).copied();
        let kind = if which & 1 == 0 { MediaKind::Audio } else { MediaKind::Video };
        match choices.byte() % 22 {
            0 | 1 => {
                let mut init = DataChannelInit::default();
                init.ordered = choices.flag();
                if choices.flag() {
                    init.max_retransmits = Some(choices.byte().into());
                }
                if choices.byte() < 30 {
                    init.negotiated = Some(choices.u16());
                }
                if let Ok(id) = connection.create_data_channel(now, "fuzz", init) {
                    side.channels.push(id);
                }
            }
            2..=5 => {
                let len = usize::from(choices.u16());
                let channel = channel.and_then(|id| connection.data_channel(id));
                if let Some(mut channel) = channel {
                    let _ = channel.send(now, vec![7; len]);
                }
            }
            6 => {
                if let Some(mut channel) = channel.and_then(|id| connection.data_channel(id)) {
                    channel.close(now);
                }
            }
            7 | 8 => {
                let mut init = TransceiverInit::default();
                init.direction = direction(choices.byte());
                if let Ok(id) = connection.add_transceiver(now, kind, init) {
                    side.transceivers.push(id);
                }
            }
            9 => {
                if let Ok(id) = connection.add_track(now, kind, &["fuzz"]) {
                    side.transceivers.push(id);
                }
            }
            10..=12 => {
                let data = Bytes::copy_from_slice(choices.long_bytes());
                let sender = transceiver.and_then(|id| connection.sender(id));
                if let Some(mut sender) = sender {
                    let _ = sender.send_frame(now, Frame::new(data, choices.u32()));
                }
            }
            13 => {
                let data = Bytes::copy_from_slice(choices.bytes());
                let payload_type = rtp::PayloadType::from_low_bits(choices.byte());
                let sender = transceiver.and_then(|id| connection.sender(id));
                if let Some(mut sender) = sender {
                    let packet = OutgoingPacket::new(payload_type, choices.u32(), data);
                    let _ = sender.send_packet(now, packet);
                }
            }
            14 => {
                let mode = if choices.flag() { ReceiveMode::Frames } else { ReceiveMode::Packets };
                if let Some(mut receiver) = transceiver.and_then(|id| connection.receiver(id)) {
                    receiver.set_mode(now, mode);
                    receiver.request_key_frame(now);
                }
            }
            15 => {
                let view = transceiver.and_then(|id| connection.transceiver(id));
                if let Some(mut view) = view {
                    let _ = view.set_direction(now, direction(choices.byte()));
                }
            }
            16 => {
                if let Some(id) = transceiver {
                    let _ = connection.remove_track(now, id);
                }
            }
            17 => {
                if let Some(mut view) = transceiver.and_then(|id| connection.transceiver(id)) {
                    view.stop(now);
                }
            }
            18 => connection.restart_ice(now),
            19 => {
                let candidate = IceCandidate {
                    candidate: String::from_utf8_lossy(choices.bytes()).into_owned(),
                    sdp_mid: choices.flag().then(|| which.to_string()),
                    sdp_m_line_index: choices.flag().then(|| choices.byte().into()),
                    username_fragment: None,
                };
                let _ = connection.add_ice_candidate(now, candidate);
            }
            20 => {
                if choices.flag() {
                    connection.add_local_address(address(choices.byte()));
                } else {
                    connection.remove_local_address(now, address(choices.byte()));
                }
            }
            _ if which < 20 => {
                connection.close(now);
                side.closed = true;
            }
            _ => {
                connection.set_max_segments(which);
                let _ = connection.stats(now);
            }
        }
    }

    fn settle(&mut self) {
        let now = self.clock.now();
        for index in 0..2 {
            let [a, b] = &mut self.sides;
            let (from, to) = if index == 0 { (a, b) } else { (b, a) };
            from.connection.handle_timeout(now);
            to.wire.drain(|buf| {
                let Some(transmit) = from.connection.poll_transmit(now, buf) else { return false };
                let path = FiveTuple::udp(transmit.path.remote, transmit.path.local);
                to.paths.push_back(path);
                if to.paths.len() > 64 {
                    to.paths.pop_front();
                }
                true
            });
            let mut events = 0;
            while let Some(event) = from.connection.poll_event() {
                events += 1;
                assert!(events < 10_000, "poll_event never ends");
                from.read(now, &event);
                if let Event::IceCandidate(candidate) = event {
                    to.candidates.push_back(candidate);
                }
            }
        }
        for side in &mut self.sides {
            // Reading may have given something to send: a window that opened, a key frame request.
            let mut buf = Vec::new();
            while side.connection.poll_transmit(now, &mut buf).is_some() {
                buf.clear();
            }
            assert_does_not_spin(now, side.connection.poll_timeout());
            if side.closed {
                assert_eq!(
                    side.connection.poll_timeout(),
                    None,
                    "closed, and still something to do"
                );
            }
        }
    }
}

impl Side {
    /// What must be as it was when a description was refused.
    fn visible(&mut self, now: Instant) -> impl PartialEq + Debug + use<> {
        let connection = &mut self.connection;
        let report = connection.stats(now);
        (
            connection.signaling_state(),
            [connection.local_description(), connection.remote_description()],
            [
                report.transports.len(),
                report.data_channels.len(),
                connection.transceivers().count(),
            ],
            connection.poll_timeout(),
        )
    }

    /// Does what an application does about an event.
    fn read(&mut self, now: Instant, event: &Event) {
        let connection = &mut self.connection;
        match *event {
            Event::DataChannel(id) => self.channels.push(id),
            Event::DataChannelClose(id) => self.channels.retain(|known| *known != id),
            Event::Track(ref track) => self.transceivers.push(track.transceiver),
            Event::Readable(Readable::Channel(id)) => {
                while connection.data_channel(id).and_then(|mut channel| channel.read()).is_some() {
                }
            }
            Event::Readable(Readable::Receiver(id)) => {
                if let Some(mut receiver) = connection.receiver(id) {
                    while receiver.read_frame(now).is_some() || receiver.read_packet().is_some() {}
                }
            }
            Event::Socket(SocketRequest::Bind { id, .. }) => {
                self.sockets = self.sockets.wrapping_add(1);
                let local = address(self.sockets | 0x40);
                connection.socket_opened(now, id, FiveTuple::udp(local, local));
            }
            _ => {}
        }
    }
}

fn direction(byte: u8) -> RtpTransceiverDirection {
    match byte % 4 {
        0 => RtpTransceiverDirection::SendRecv,
        1 => RtpTransceiverDirection::SendOnly,
        2 => RtpTransceiverDirection::RecvOnly,
        _ => RtpTransceiverDirection::Inactive,
    }
}

/// What may happen to a description on its way.
fn change(description: &mut SessionDescription, choices: &mut Choices<'_>) {
    let mut lines: Vec<String> = description.sdp.split_inclusive("\r\n").map(Into::into).collect();
    for _ in 0..choices.byte() % 4 {
        let at = usize::from(choices.u16()) % lines.len().max(1);
        if at >= lines.len() {
            break;
        }
        match choices.byte() % 5 {
            0 => drop(lines.remove(at)),
            1 => {
                let other = usize::from(choices.u16()) % lines.len();
                lines.swap(at, other);
            }
            2 => {
                if let Some(line) = lines.get(at).cloned() {
                    lines.insert(at, line);
                }
            }
            3 => lines.truncate(at),
            _ => {
                let text = String::from_utf8_lossy(choices.bytes()).into_owned();
                if let Some(line) = lines.get_mut(at) {
                    let end = line.char_indices().nth(usize::from(choices.byte()));
                    let end = end.map_or(line.len(), |(end, _)| end);
                    line.truncate(end);
                    line.push_str(&text);
                    line.push_str("\r\n");
                }
            }
        }
    }
    description.sdp = lines.concat();
    if choices.byte() < 20 {
        description.kind = match choices.byte() % 3 {
            0 => SdpType::Offer,
            1 => SdpType::Answer,
            _ => SdpType::PrAnswer,
        };
    }
}
