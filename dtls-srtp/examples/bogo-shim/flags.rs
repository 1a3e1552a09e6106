//! What the runner asks for.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use crate::Failure;

/// The flags of one test, as far as we have what they ask for.
#[derive(Debug, Default)]
pub(crate) struct Flags {
    pub(crate) is_handshaker_supported: bool,
    pub(crate) ipv6: bool,
    pub(crate) port: u16,
    pub(crate) shim_id: u64,
    pub(crate) resume_count: u32,

    dtls: bool,
    pub(crate) server: bool,
    /// In the order of preference, which is that of the flags, and what is not said to be of one
    /// comes last.
    pub(crate) credentials: Vec<Credential>,
    default_credential: Credential,
    pub(crate) min_version: Option<u16>,
    pub(crate) max_version: Option<u16>,
    pub(crate) no_dtls_1_0: bool,
    pub(crate) no_dtls_1_2: bool,
    pub(crate) no_dtls_1_3: bool,
    pub(crate) ciphers: Option<String>,
    pub(crate) curves: Vec<u16>,
    pub(crate) verify_preferences: Vec<u16>,
    pub(crate) srtp_profiles: Option<String>,
    pub(crate) verify_peer: bool,
    pub(crate) require_any_client_certificate: bool,
    pub(crate) verify_fail: bool,
    pub(crate) custom_verification: bool,
    pub(crate) max_handshake_bytes: Option<usize>,
    pub(crate) mtu: Option<usize>,
    pub(crate) initial_timeout: Option<Duration>,

    pub(crate) export_keying_material: usize,
    pub(crate) export_label: String,
    pub(crate) export_context: String,
    pub(crate) use_export_context: bool,
    pub(crate) shim_writes_first: bool,
    pub(crate) key_update: bool,
    pub(crate) key_update_before_read: bool,
    pub(crate) read_size: Option<usize>,
    pub(crate) shim_shuts_down: bool,
    pub(crate) check_close_notify: bool,
    pub(crate) send_alert: bool,

    pub(crate) expect_version: Option<u16>,
    pub(crate) expect_cipher: Option<u16>,
    pub(crate) expect_curve: Option<u16>,
    pub(crate) expect_peer_signature_algorithm: Option<u16>,
    /// Counts the credentials that were named, and is -1 for the other one.
    pub(crate) expect_selected_credential: Option<i32>,
    pub(crate) expect_peer_certificate_file: Option<PathBuf>,
    pub(crate) expect_no_peer_certificate: bool,
    pub(crate) expect_srtp_profile: Option<u16>,
    pub(crate) expect_hello_retry_request: Option<bool>,

    /// The connections after the first must not resume it, as ours never do.
    pub(crate) expect_session_miss: bool,
    has_resumption_flags: bool,
}

impl Flags {
    pub(crate) fn parse(arguments: impl Iterator<Item = String>) -> Result<Self, Failure> {
        let mut flags = Self::default();
        let mut arguments = arguments;
        while let Some(flag) = arguments.next() {
            flags.take(&flag, &mut arguments)?;
        }
        if !flags.dtls && !flags.is_handshaker_supported {
            return Err(Failure::unsupported("TLS over a stream"));
        }
        let named = !flags.credentials.is_empty();
        if named && !flags.server && flags.expect_selected_credential.is_none() {
            // An empty Certificate is sent instead (RFC 5246 §7.4.6, RFC 8446 §4.4.2).
            return Err(Failure::unsupported("breaking off where no certificate suits the server"));
        }
        if flags.default_credential.certificate_file.is_some() {
            flags.credentials.push(std::mem::take(&mut flags.default_credential));
        }
        if flags.has_resumption_flags && flags.expect_session_miss {
            return Err(Failure::unsupported("flags that are for the second connection only"));
        }
        // Where no certificate has to be good, a bad one breaks nothing off.
        flags.verify_fail &= flags.verify_peer;
        Ok(flags)
    }

    /// The one that the flags are about.
    fn credential(&mut self) -> &mut Credential {
        self.credentials.last_mut().unwrap_or(&mut self.default_credential)
    }

    fn take(
        &mut self,
        flag: &str,
        arguments: &mut impl Iterator<Item = String>,
    ) -> Result<(), Failure> {
        if let Some(flag) = flag.strip_prefix("-on-initial-") {
            return self.take(&format!("-{flag}"), arguments);
        }
        if let Some(flag) = flag.strip_prefix("-on-resume-") {
            self.has_resumption_flags = true;
            // Only that we have it is of interest: the connection is never made.
            return Self::default().take(&format!("-{flag}"), arguments);
        }
        let mut values = Values { flag, arguments };
        match flag {
            "-is-handshaker-supported" => self.is_handshaker_supported = true,
            "-ipv6" => self.ipv6 = true,
            "-port" => self.port = values.number()?,
            "-shim-id" => self.shim_id = values.number()?,
            "-resume-count" => self.resume_count = values.number()?,
            "-expect-session-miss" => self.expect_session_miss = true,

            "-server" => self.server = true,
            "-cert-file" => self.credential().certificate_file = Some(values.text()?.into()),
            "-key-file" => self.credential().key_file = Some(values.text()?.into()),
            "-signing-prefs" => self.credential().signing_preferences.push(values.number()?),
            "-new-x509-credential" => self.credentials.push(Credential::default()),
            "-min-version" => self.min_version = Some(values.number()?),
            "-max-version" => self.max_version = Some(values.number()?),
            "-no-tls1" | "-no-dtls1" => self.no_dtls_1_0 = true,
            "-no-tls12" | "-no-dtls12" => self.no_dtls_1_2 = true,
            "-no-tls13" | "-no-dtls13" => self.no_dtls_1_3 = true,
            "-cipher" => self.ciphers = Some(values.text()?),
            "-curves" => self.curves.push(values.number()?),
            "-verify-prefs" => self.verify_preferences.push(values.number()?),
            "-srtp-profiles" => self.srtp_profiles = Some(values.text()?),
            "-verify-peer" => self.verify_peer = true,
            "-require-any-client-certificate" => self.require_any_client_certificate = true,
            "-use-custom-verify-callback" => self.custom_verification = true,
            "-verify-fail" => self.verify_fail = true,
            "-max-cert-list" => self.max_handshake_bytes = Some(values.number()?),
            "-mtu" => self.mtu = Some(values.number()?),
            "-initial-timeout-duration-ms" => {
                self.initial_timeout = Some(Duration::from_millis(values.number()?));
            }

            "-export-keying-material" => self.export_keying_material = values.number()?,
            "-export-label" => self.export_label = values.text()?,
            "-export-context" => self.export_context = values.text()?,
            "-use-export-context" => self.use_export_context = true,
            "-shim-writes-first" => self.shim_writes_first = true,
            "-key-update" => self.key_update = true,
            "-key-update-before-read" => self.key_update_before_read = true,
            "-read-size" => self.read_size = Some(values.number()?),
            "-shim-shuts-down" => self.shim_shuts_down = true,
            "-check-close-notify" => self.check_close_notify = true,
            "-send-alert" => self.send_alert = true,

            "-expect-version" => self.expect_version = Some(values.number()?),
            "-expect-cipher" => self.expect_cipher = Some(values.number()?),
            "-expect-curve-id" => self.expect_curve = Some(values.number()?),
            "-expect-peer-signature-algorithm" => {
                self.expect_peer_signature_algorithm = Some(values.number()?);
            }
            "-expect-selected-credential" => {
                self.expect_selected_credential = Some(values.number()?);
            }
            "-expect-peer-cert-file" => {
                self.expect_peer_certificate_file = Some(values.text()?.into());
            }
            "-expect-no-peer-cert" => self.expect_no_peer_certificate = true,
            "-expect-srtp-profile" => self.expect_srtp_profile = Some(values.number()?),
            "-expect-hrr" => self.expect_hello_retry_request = Some(true),
            "-expect-no-hrr" => self.expect_hello_retry_request = Some(false),

            // One of two numbers for an extension of QUIC, which is never spoken here.
            "-quic-use-legacy-codepoint" => drop(values.text()?),
            // Why nothing came before the handshake was done, which never does.
            "-expect-early-data-reason" => drop(values.text()?),
            // Self-signed certificates are accepted whoever is trusted.
            "-trust-cert" => drop(values.text()?),
            // What we are anyway, never do, or do without being asked: datagrams are never written
            // by halves, no callback decides anything, sessions are not kept and so not resumed,
            // and a second handshake call or a renegotiation does not exist.
            "-dtls" => self.dtls = true,
            "-async"
            | "-implicit-handshake"
            | "-no-tls11"
            | "-no-ticket"
            | "-use-old-client-cert-callback"
            | "-use-early-callback"
            | "-expect-verify-result"
            | "-expect-no-session"
            | "-expect-no-session-id"
            | "-expect-ticket-renewal"
            | "-reverify-on-resume"
            | "-expect-secure-renegotiation"
            | "-handshake-twice"
            | "-no-op-extra-handshake"
            | "-server-preference"
            | "-renegotiate-freely" => (),

            _ => return Err(Failure::unsupported(flag)),
        }
        Ok(())
    }
}

/// A certificate of ours.
#[derive(Debug, Default)]
pub(crate) struct Credential {
    pub(crate) certificate_file: Option<PathBuf>,
    pub(crate) key_file: Option<PathBuf>,
    /// The schemes that its key may sign with; any, if there are none.
    pub(crate) signing_preferences: Vec<u16>,
}

/// What stands behind a flag.
struct Values<'a, A> {
    flag: &'a str,
    arguments: &'a mut A,
}

impl<A: Iterator<Item = String>> Values<'_, A> {
    fn text(&mut self) -> Result<String, Failure> {
        let flag = self.flag;
        self.arguments.next().ok_or_else(|| Failure::failed(format_args!("{flag} has no value")))
    }

    fn number<N: FromStr>(&mut self) -> Result<N, Failure> {
        let text = self.text()?;
        let flag = self.flag;
        text.parse()
            .map_err(|_| Failure::failed(format_args!("{flag} {text} is no number of ours")))
    }
}
