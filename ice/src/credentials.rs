//! The user name fragment and password by which two agents recognise each other's checks.

use std::fmt;

use rand::Rng;

/// A username fragment and a password
/// ([RFC 8445 §5.3](https://www.rfc-editor.org/rfc/rfc8445#section-5.3)), exchanged by
/// signalling. `Debug` does not print the password.
#[derive(Clone, Eq, PartialEq)]
pub struct Credentials {
    /// The username fragment, 4 to 256 characters.
    pub ufrag: String,
    /// The password, 22 to 256 characters.
    pub pwd: String,
}

impl Credentials {
    /// Draws new ones: 48 random bits of fragment after `prefix`, 144 of password.
    ///
    /// RFC 8445 §5.3 asks for 24 and 128 bits; the fragment has more because many connections
    /// share one socket and are told apart by it.
    pub(crate) fn random(prefix: &str, rng: &mut impl Rng) -> Self {
        let mut ufrag = String::with_capacity(prefix.len() + 8);
        ufrag.push_str(prefix);
        push_random(&mut ufrag, 8, rng);
        let mut pwd = String::with_capacity(24);
        push_random(&mut pwd, 24, rng);
        Self { ufrag, pwd }
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("ufrag", &self.ufrag).finish_non_exhaustive()
    }
}

/// The 64 characters that SDP allows in both
/// ([RFC 8839 §5.4](https://www.rfc-editor.org/rfc/rfc8839#section-5.4)).
const ICE_CHARS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

fn push_random(text: &mut String, length: usize, rng: &mut impl Rng) {
    for _ in 0..length {
        let index = (rng.next_u32() % 64) as usize;
        text.push(ICE_CHARS.get(index).map_or('A', |&char| char::from(char)));
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand::rngs::ChaCha20Rng;

    use super::*;

    #[test]
    fn debug_hides_the_password() {
        let credentials = Credentials::random("", &mut ChaCha20Rng::from_seed([1; 32]));
        let debug = format!("{credentials:?}");
        assert!(debug.contains(&credentials.ufrag) && !debug.contains(&credentials.pwd));
    }

    #[test]
    fn random_ones_are_long_enough_and_carry_the_prefix() {
        let credentials = Credentials::random("s7", &mut ChaCha20Rng::from_seed([2; 32]));
        assert!(credentials.ufrag.starts_with("s7"));
        assert_eq!((credentials.ufrag.len(), credentials.pwd.len()), (10, 24));
    }
}
