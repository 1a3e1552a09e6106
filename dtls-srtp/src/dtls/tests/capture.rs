//! Reads what was recorded: UDP datagrams of a pcapng file, and the secrets of a key log.

use std::collections::HashMap;

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
    /// What else was recorded is passed over. That a port is one of the client's is known by its
    /// ClientHello, or by the name that connectivity checks from both have.
    pub(super) fn read(pcapng: &[u8], keylog: &str) -> Self {
        let datagrams: Vec<_> = frames(pcapng).into_iter().filter_map(udp).collect();
        let checked = datagrams.iter().filter_map(|(port, payload)| Some((*port, user(payload)?)));
        let names: HashMap<u16, &[u8]> = checked.collect();
        let mut client = None;
        let mut packets = Vec::new();
        for (source, payload) in datagrams {
            // DTLS, RTP and RTCP (RFC 7983 §7).
            if !matches!(payload.first(), Some(20..64 | 128..192)) {
                continue;
            }
            let client = *client.get_or_insert(source);
            let name = names.get(&source);
            let is_client = source == client || name.is_some() && name == names.get(&client);
            let sender = if is_client { Role::Client } else { Role::Server };
            packets.push(Packet { sender, payload: payload.to_vec() });
        }
        let secrets = keylog
            .lines()
            .filter(|line| !line.starts_with('#'))
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

/// The source port and the payload of a UDP datagram, if an Ethernet frame has one.
fn udp(frame: &[u8]) -> Option<(u16, &[u8])> {
    const UDP: u8 = 17;
    let mut reader = Reader(frame);
    reader.bytes(12).unwrap();
    let protocol = match reader.u16().unwrap() {
        0x0800 => {
            let header_len = 4 * usize::from(reader.0[0] & 15);
            reader.bytes(header_len).unwrap()[9]
        }
        0x86dd => reader.bytes(40).unwrap()[6],
        _ => return None,
    };
    if protocol != UDP {
        return None;
    }
    let (port, _destination) = (reader.u16().unwrap(), reader.u16().unwrap());
    let length = usize::from(reader.u16().unwrap()) - 8;
    reader.u16().unwrap();
    Some((port, reader.bytes(length).unwrap()))
}

/// Who sends a connectivity check: the second half of its USERNAME
/// ([RFC 8445 §7.2.2](https://www.rfc-editor.org/rfc/rfc8445#section-7.2.2)).
fn user(payload: &[u8]) -> Option<&[u8]> {
    const BINDING_REQUEST: u16 = 1;
    const USERNAME: u16 = 6;
    let mut reader = Reader(payload);
    if reader.u16().ok()? != BINDING_REQUEST {
        return None;
    }
    reader.bytes(18).ok()?;
    loop {
        let (kind, length) = (reader.u16().ok()?, reader.u16().ok()?);
        let value = reader.bytes(usize::from(length).next_multiple_of(4)).ok()?;
        if kind == USERNAME {
            return value[..length.into()].split(|byte| *byte == b':').nth(1);
        }
    }
}
