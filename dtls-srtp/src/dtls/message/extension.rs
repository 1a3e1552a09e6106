//! Extensions that several messages have
//! ([RFC 8446 §4.2](https://www.rfc-editor.org/rfc/rfc8446#section-4.2)).

use crate::dtls::codec::{Malformed, Reader, U16s, Write};

pub(super) const SERVER_NAME: u16 = 0;
pub(super) const SUPPORTED_GROUPS: u16 = 10;
pub(super) const EC_POINT_FORMATS: u16 = 11;
pub(super) const SIGNATURE_ALGORITHMS: u16 = 13;
pub(super) const USE_SRTP: u16 = 14;
pub(super) const EXTENDED_MASTER_SECRET: u16 = 23;
pub(super) const PRE_SHARED_KEY: u16 = 41;
pub(super) const SUPPORTED_VERSIONS: u16 = 43;
pub(super) const COOKIE: u16 = 44;
pub(super) const PSK_KEY_EXCHANGE_MODES: u16 = 45;
pub(super) const CERTIFICATE_AUTHORITIES: u16 = 47;
pub(super) const KEY_SHARE: u16 = 51;
/// [RFC 9146 §3](https://www.rfc-editor.org/rfc/rfc9146#section-3).
pub(super) const CONNECTION_ID: u16 = 54;
/// [RFC 9001 §8.2](https://www.rfc-editor.org/rfc/rfc9001#section-8.2).
pub(super) const QUIC_TRANSPORT_PARAMETERS: u16 = 57;
pub(super) const RENEGOTIATION_INFO: u16 = 0xff01;

/// A list of extensions, known and unknown, that was checked: their types and what is in them.
pub(super) struct Extensions<'a>(Reader<'a>);

impl<'a> Extensions<'a> {
    /// Checks a list. "There MUST NOT be more than one extension of the same type"
    /// ([RFC 5246 §7.4.1.4](https://www.rfc-editor.org/rfc/rfc5246#section-7.4.1.4)).
    pub(super) fn parse(list: &'a [u8]) -> Result<Self, Malformed> {
        /// More than any hello has.
        const FEW: usize = 32;
        let (mut kinds, mut len) = ([0; FEW], 0);
        let mut reader = Reader(list);
        while !reader.is_empty() {
            let (kind, _) = read_extension(&mut reader)?;
            let Some(place) = kinds.get_mut(len) else {
                return Self::parse_many(list);
            };
            *place = kind;
            if kinds.iter().take(len).any(|before| *before == kind) {
                return Err(Malformed);
            }
            len += 1;
        }
        Ok(Self(Reader(list)))
    }

    /// A peer may send thousands, but not make that slow.
    fn parse_many(list: &'a [u8]) -> Result<Self, Malformed> {
        let (mut kinds, mut reader) = (Vec::new(), Reader(list));
        while !reader.is_empty() {
            kinds.push(read_extension(&mut reader)?.0);
        }
        kinds.sort_unstable();
        let twice = kinds.windows(2).any(|pair| matches!(pair, [one, next] if one == next));
        if twice { Err(Malformed) } else { Ok(Self(Reader(list))) }
    }
}

impl<'a> Iterator for Extensions<'a> {
    type Item = (u16, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        read_extension(&mut self.0).ok()
    }
}

fn read_extension<'a>(reader: &mut Reader<'a>) -> Result<(u16, &'a [u8]), Malformed> {
    Ok((reader.u16()?, reader.vec16()?))
}

pub(super) fn u16s(buf: &mut Vec<u8>, values: impl Iterator<Item = u16>) {
    values.for_each(|value| buf.u16(value));
}

pub(super) fn write_extension(buf: &mut Vec<u8>, kind: u16, data: impl FnOnce(&mut Vec<u8>)) {
    buf.u16(kind);
    buf.vector::<2>(data);
}

/// Checks the form of a `certificate_authorities`, which means nothing to us
/// ([RFC 8446 §4.2.4](https://www.rfc-editor.org/rfc/rfc8446#section-4.2.4)).
pub(super) fn check_authorities(reader: &mut Reader<'_>) -> Result<(), Malformed> {
    let mut authorities = Reader(reader.vec16()?);
    if authorities.is_empty() {
        return Err(Malformed);
    }
    while !authorities.is_empty() {
        if authorities.vec16()?.is_empty() {
            return Err(Malformed);
        }
    }
    Ok(())
}

/// Checks the form of a `server_name`, which means nothing to us
/// ([RFC 6066 §3](https://www.rfc-editor.org/rfc/rfc6066#section-3)).
pub(super) fn check_server_name(reader: &mut Reader<'_>) -> Result<(), Malformed> {
    let mut names = Reader(reader.vec16()?);
    while !names.is_empty() {
        names.u8()?;
        names.vec16()?;
    }
    Ok(())
}

/// Reads the profiles and the MKI of a `use_srtp`
/// ([RFC 5764 §4.1.1](https://www.rfc-editor.org/rfc/rfc5764#section-4.1.1)).
pub(super) fn read_srtp<'a>(reader: &mut Reader<'a>) -> Result<(U16s<'a>, &'a [u8]), Malformed> {
    Ok((U16s::parse_some(reader.vec16()?)?, reader.vec8()?))
}

/// The `use_srtp` of a server.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SrtpAnswer<'a> {
    pub(crate) profile: u16,
    pub(crate) mki: &'a [u8],
}

impl<'a> SrtpAnswer<'a> {
    /// Reads an answer, which has one profile.
    pub(super) fn read(reader: &mut Reader<'a>) -> Result<Self, Malformed> {
        let (profiles, mki) = read_srtp(reader)?;
        let mut profiles = profiles.iter();
        match (profiles.next(), profiles.next()) {
            (Some(profile), None) => Ok(Self { profile, mki }),
            _ => Err(Malformed),
        }
    }
}

/// Answers with a profile and no MKI.
pub(super) fn write_srtp_answer(buf: &mut Vec<u8>, profile: u16) {
    write_extension(buf, USE_SRTP, |buf| {
        buf.vector::<2>(|buf| buf.u16(profile));
        buf.u8(0);
    });
}

/// The `client_shares` of a ClientHello, checked to be well-formed
/// ([RFC 8446 §4.2.8](https://www.rfc-editor.org/rfc/rfc8446#section-4.2.8)).
#[derive(Clone, Copy, Debug)]
pub(crate) struct KeyShares<'a>(Reader<'a>);

impl<'a> KeyShares<'a> {
    pub(super) fn parse(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let mut reader = Reader(bytes);
        while !reader.is_empty() {
            read_key_share(&mut reader)?;
        }
        Ok(Self(Reader(bytes)))
    }

    /// The groups and their public keys, in the client's order.
    pub(crate) fn iter(self) -> impl Iterator<Item = (u16, &'a [u8])> {
        let mut reader = self.0;
        std::iter::from_fn(move || read_key_share(&mut reader).ok())
    }

    /// The public key of `group`.
    pub(crate) fn of(self, group: u16) -> Option<&'a [u8]> {
        self.iter().find(|share| share.0 == group).map(|share| share.1)
    }

    /// Whether no group comes twice.
    pub(super) fn are_distinct(self) -> bool {
        // Who sends more shares than there are groups in use has a mistake among them anyway, and
        // shall not make us compare each with each.
        const MAX: usize = 32;
        self.iter().count() <= MAX
            && self
                .iter()
                .enumerate()
                .all(|(n, (group, _))| self.iter().skip(n + 1).all(|(other, _)| other != group))
    }

    /// Whether all are of groups that are offered.
    pub(super) fn are_of(self, groups: U16s<'_>) -> bool {
        self.iter().all(|(group, _)| groups.contains(group))
    }
}

/// Reads a KeyShareEntry.
pub(super) fn read_key_share<'a>(reader: &mut Reader<'a>) -> Result<(u16, &'a [u8]), Malformed> {
    let (group, public_key) = (reader.u16()?, reader.vec16()?);
    if public_key.is_empty() { Err(Malformed) } else { Ok((group, public_key)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_may_be_in_a_list_once_whether_it_is_known_or_not() {
        let list = |kinds: &[u16]| {
            let mut buf = Vec::new();
            for kind in kinds {
                write_extension(&mut buf, *kind, |buf| buf.bytes(b"data"));
            }
            buf
        };
        let three = list(&[USE_SRTP, 0x1234, COOKIE]);
        let read: Vec<_> = Extensions::parse(&three).unwrap().collect();
        assert_eq!(read, [USE_SRTP, 0x1234, COOKIE].map(|kind| (kind, &b"data"[..])));
        assert!(Extensions::parse(&three[1..]).is_err());
        for kind in [USE_SRTP, 0x1234] {
            assert!(Extensions::parse(&list(&[kind, COOKIE, kind])).is_err());
        }
        // As many as there is room for, and more.
        for count in 30..40 {
            let mut kinds: Vec<u16> = (0..count).collect();
            assert_eq!(Extensions::parse(&list(&kinds)).unwrap().count(), kinds.len());
            assert!(Extensions::parse(&list(&kinds)[1..]).is_err());
            kinds.push(count - 1);
            assert!(Extensions::parse(&list(&kinds)).is_err(), "{count}");
        }
    }
}
