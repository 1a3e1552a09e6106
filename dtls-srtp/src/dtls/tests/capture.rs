//! Reads what was recorded: UDP datagrams of a pcapng file, and the secrets of a key log.

use super::super::*;
use crate::dtls::codec::Reader;

/// A recorded conversation of two, which begins with a ClientHello.
pub(super) struct Capture {
    pub(super) packets: Vec<Packet>,
    /// Label, random of the client, secret.
    secrets: Vec<(String, Vec<u8>, Vec<u8>)>,
}

/// What was in a UDP datagram.
pub(super) struct Packet {
    pub(super) sender: Role,
    pub(super) payload: Vec<u8>,
}

impl Capture {
    pub(super) fn read(pcapng: &[u8], keylog: &str) -> Self {
        let mut client = None;
        let packets = frames(pcapng)
            .into_iter()
            .map(|frame| {
                let (source, payload) = udp(frame);
                let client = *client.get_or_insert(source);
                let sender = if source == client { Role::Client } else { Role::Server };
                Packet { sender, payload: payload.to_vec() }
            })
            .collect();
        let secrets = keylog
            .lines()
            .map(|line| {
                let mut words = line.split(' ');
                let mut word = || words.next().unwrap();
                (word().to_owned(), hex(word()), hex(word()))
            })
            .collect();
        Self { packets, secrets }
    }

    /// The secret with `label` of the connection whose ClientHello had `client_random`.
    pub(super) fn secret(&self, label: &str, client_random: &[u8]) -> &[u8] {
        let mut secrets = self.secrets.iter();
        &secrets.find(|secret| secret.0 == label && secret.1 == client_random).unwrap().2
    }
}

fn hex(text: &str) -> Vec<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16).unwrap() as u8;
    text.as_bytes().chunks(2).map(|pair| digit(pair[0]) << 4 | digit(pair[1])).collect()
}

/// The Ethernet frames of a little-endian pcapng file: its Enhanced Packet Blocks
/// ([draft-ietf-opsawg-pcapng §4.3](https://datatracker.ietf.org/doc/html/draft-ietf-opsawg-pcapng#section-4.3)).
fn frames(mut file: &[u8]) -> Vec<&[u8]> {
    const ENHANCED_PACKET: u32 = 6;
    let u32_at = |block: &[u8], at: usize| u32::from_le_bytes(*block[at..].first_chunk().unwrap());
    let mut frames = Vec::new();
    while !file.is_empty() {
        let (kind, length) = (u32_at(file, 0), u32_at(file, 4) as usize);
        let block = &file[..length];
        if kind == ENHANCED_PACKET {
            frames.push(&block[28..][..u32_at(block, 20) as usize]);
        }
        file = &file[length..];
    }
    frames
}

/// The source and the payload of a UDP datagram in an Ethernet frame.
fn udp(frame: &[u8]) -> ((&[u8], u16), &[u8]) {
    let mut reader = Reader(frame);
    reader.bytes(12).unwrap();
    let source = match reader.u16().unwrap() {
        0x0800 => {
            let header_len = 4 * usize::from(reader.0[0] & 15);
            &reader.bytes(header_len).unwrap()[12..16]
        }
        0x86dd => &reader.bytes(40).unwrap()[8..24],
        other => panic!("no IP: {other:#x}"),
    };
    let (port, _destination) = (reader.u16().unwrap(), reader.u16().unwrap());
    let length = usize::from(reader.u16().unwrap()) - 8;
    reader.u16().unwrap();
    ((source, port), reader.bytes(length).unwrap())
}
