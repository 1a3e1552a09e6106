//! The secrets of connections, for whoever has to read what was recorded of them.

use std::fmt;

use zeroize::Zeroizing;

/// Where the secrets of connections go; see
/// [`Config::with_key_log`](super::Config::with_key_log).
pub trait KeyLog: fmt::Debug + Send + Sync {
    /// Takes a line of a key log file, without its end: a label, the random of the ClientHello,
    /// and a secret ([RFC 9850](https://www.rfc-editor.org/rfc/rfc9850), the format that
    /// `SSLKEYLOGFILE` has in other implementations). It is wiped after the call.
    fn log(&self, line: &str);
}

/// Writes a line and hands it over.
pub(crate) fn log(log: &dyn KeyLog, label: &str, client_random: &[u8; 32], secret: &[u8]) {
    // Of the length that it needs, so that no copy of it stays behind.
    let len = label.len() + 2 + 2 * (client_random.len() + secret.len());
    let mut line = Zeroizing::new(String::with_capacity(len));
    line.push_str(label);
    for bytes in [&client_random[..], secret] {
        line.push(' ');
        for byte in bytes {
            for digit in [byte >> 4, byte & 15] {
                line.push(char::from_digit(digit.into(), 16).unwrap_or_default());
            }
        }
    }
    log.log(&line);
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[derive(Debug, Default)]
    struct Lines(Mutex<Vec<String>>);

    impl KeyLog for Lines {
        fn log(&self, line: &str) {
            self.0.lock().unwrap().push(line.to_owned());
        }
    }

    #[test]
    fn a_line_is_a_label_a_random_and_a_secret() {
        let lines = Lines::default();
        log(&lines, "CLIENT_RANDOM", &[0xa0; 32], &[0x01, 0xff]);
        let expected = format!("CLIENT_RANDOM {} 01ff", "a0".repeat(32));
        assert_eq!(*lines.0.lock().unwrap(), [expected]);
    }
}
