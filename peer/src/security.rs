//! How secure a connection is, and how secure it must be.
//!
//! A [`SecurityReport`] says what the two sides agreed on, for the application to show or to log;
//! a [`SecurityPolicy`] in the [`Configuration`](crate::Configuration) says what they must agree
//! on, and refuses the rest.

mod policy;
mod report;

pub use dtls_srtp::certificate::PublicKey;
pub use dtls_srtp::dtls::{GROUPS, KeyLog, Role, SIGNATURE_SCHEMES, SignatureRequest, Version};
pub use dtls_srtp::srtp::Profile;
pub use dtls_srtp::{Fingerprint, HashAlgorithm};
pub use rustls::{CipherSuite, NamedGroup, SignatureScheme};

pub(crate) use policy::is_post_quantum;
pub use policy::{CIPHER_SUITES, CipherSuites, PolicyRefusal, Profiles, Schemes, SecurityPolicy};
pub(crate) use report::cipher_suite_name;
pub use report::{CertificateStats, SecurityReport};
