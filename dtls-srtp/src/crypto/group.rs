use std::ops::Deref;

use rustls::NamedGroup;
use rustls::crypto::{CryptoProvider, SupportedKxGroup};

use super::X25519MlKem768;

/// A key exchange group that a provider has or that can be made of what it has.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Group {
    Provided(&'static dyn SupportedKxGroup),
    X25519MlKem768(X25519MlKem768),
}

impl Group {
    /// The groups of WebRTC's peers, most preferred first: what no quantum computer will read
    /// later, what everybody has, what everybody must have
    /// ([RFC 8827 §6.5](https://www.rfc-editor.org/rfc/rfc8827#section-6.5)).
    pub(crate) const NAMES: [NamedGroup; 4] = [
        NamedGroup::X25519MLKEM768,
        NamedGroup::X25519,
        NamedGroup::secp256r1,
        NamedGroup::secp384r1,
    ];

    /// Finds the group of this name. The provider's own goes before what is put together here.
    pub(crate) fn find(provider: &CryptoProvider, name: NamedGroup) -> Option<Self> {
        let provided = |name| provider.kx_groups.iter().copied().find(|group| group.name() == name);
        if !Self::NAMES.contains(&name) {
            return None;
        }
        provided(name).map(Self::Provided).or_else(|| {
            let x25519 = provided(NamedGroup::X25519)?;
            (name == NamedGroup::X25519MLKEM768).then_some(())?;
            Some(Self::X25519MlKem768(X25519MlKem768::new(x25519, provider.secure_random)))
        })
    }
}

impl Deref for Group {
    type Target = dyn SupportedKxGroup;

    fn deref(&self) -> &Self::Target {
        match self {
            Self::Provided(group) => *group,
            Self::X25519MlKem768(group) => group,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::Crypto;

    #[test]
    fn x25519mlkem768_is_added_to_a_provider_that_has_x25519() {
        let ring = Crypto::default().handshake;
        for name in Group::NAMES {
            assert_eq!(Group::find(&ring, name).unwrap().name(), name);
        }
        let mut without = rustls::crypto::ring::default_provider();
        without.kx_groups.retain(|group| group.name() != NamedGroup::X25519);
        assert!(Group::find(&without, NamedGroup::X25519MLKEM768).is_none());
        assert!(Group::find(&without, NamedGroup::secp256r1).is_some());
    }

    #[test]
    fn a_group_that_the_provider_brings_is_used() {
        static OWN: std::sync::LazyLock<X25519MlKem768> = std::sync::LazyLock::new(|| {
            let provider = Crypto::default().handshake;
            X25519MlKem768::new(rustls::crypto::ring::kx_group::X25519, provider.secure_random)
        });
        let mut provider = rustls::crypto::ring::default_provider();
        provider.kx_groups.push(&*OWN);
        let group = Group::find(&provider, NamedGroup::X25519MLKEM768);
        assert!(matches!(group, Some(Group::Provided(_))));
    }

    #[test]
    fn groups_that_no_peer_of_ours_has_are_not_offered() {
        assert!(Group::find(&Crypto::default().handshake, NamedGroup::FFDHE2048).is_none());
    }
}
