//! Connection ids: what a peer puts into its records so that they are recognised from whatever
//! address they come ([RFC 9146](https://www.rfc-editor.org/rfc/rfc9146),
//! [RFC 9147 §9](https://www.rfc-editor.org/rfc/rfc9147#section-9)).

use super::Connection;
use super::record::TLS12_CID;
use super::v13::record::has_connection_id;

/// Returns the connection id of a datagram's first record, if it has one: to find the connection
/// that the datagram belongs to, without asking any.
///
/// Ids do not say how long they are. `len` is what
/// [`Config::with_connection_id_len`](super::Config::with_connection_id_len) was told for all
/// connections of a port.
///
/// ```
/// use peerless_dtls_srtp::dtls::connection_id;
///
/// // DTLS 1.3, then DTLS 1.2, and a record without an id.
/// assert_eq!(connection_id(b"\x3e\x07\x08\x00\x00\x00\x10...", 2), Some(&[7, 8][..]));
/// assert_eq!(connection_id(b"\x19\xfe\xfd\0\x01\0\0\0\0\0\0\x07\x08\0\x10...", 2), Some(&[7, 8][..]));
/// assert_eq!(connection_id(b"\x2e\x00\x00\x00\x10...", 2), None);
/// ```
pub fn connection_id(datagram: &[u8], len: usize) -> Option<&[u8]> {
    let first = *datagram.first()?;
    let at = match first {
        // type, version, epoch, sequence number
        TLS12_CID => 11,
        _ if has_connection_id(first) => 1,
        _ => return None,
    };
    datagram.get(at..at + len).filter(|id| !id.is_empty())
}

impl Connection {
    /// Returns the id that the peer addresses us with, if that was negotiated.
    pub fn connection_id(&self) -> Option<&[u8]> {
        self.incoming.connection_id()
    }

    /// Returns whether the datagram that came last had a record that is authentic and newer than
    /// all before it.
    ///
    /// That is what has to be so before a peer that was recognised by its id may be answered at
    /// the address that the datagram came from, instead of the one before
    /// ([RFC 9146 §6](https://www.rfc-editor.org/rfc/rfc9146#section-6)). It does not prove that
    /// the peer can be reached there.
    pub fn is_newest_datagram(&self) -> bool {
        self.incoming.is_newest()
    }
}
