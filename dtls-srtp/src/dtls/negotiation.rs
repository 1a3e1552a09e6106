//! The first messages, until the version is known: one ClientHello offers all versions that we
//! speak, and the server picks the newest of them that it speaks too
//! ([RFC 9147 §5.3](https://www.rfc-editor.org/rfc/rfc9147#section-5.3)).

pub(crate) mod client;
pub(crate) mod server;
