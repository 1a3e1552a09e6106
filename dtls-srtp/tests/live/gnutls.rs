//! GnuTLS's `gnutls-serv` and `gnutls-cli`, which speak DTLS 1.2.

use peerless_dtls_srtp::dtls::{CloseReason, Config, HandshakeError, Role};
use peerless_dtls_srtp::srtp::{Profile, SessionKeys};

use crate::ours::{
    ECDSA, ECDSA_P384, Ours, RSA, TheirCertificate, config, free_port, loopback, now,
};
use crate::program::{Files, Program};

fn arguments(text: &str, files: &Files, theirs: &TheirCertificate) -> Vec<String> {
    let certificate = files.put("certificate.der", theirs.der);
    let key = files.put("key.der", theirs.key);
    let common = format!(
        "--udp --x509fmtder --x509certfile={certificate} --x509keyfile={key} \
         --keymatexport={} --keymatexportsize=60 --srtp-profiles=SRTP_AES128_CM_HMAC_SHA1_80",
        SessionKeys::EXPORTER_LABEL,
    );
    format!("{text} {common}").split_whitespace().map(str::to_owned).collect()
}

/// Both have the same keys.
fn compare_keys(ours: &mut Ours, theirs: &mut Program) {
    ours.drive_until("the keys", |_| theirs.value("- Key material:").is_some());
    let theirs = theirs.value("- Key material:").map(|digits| digits.to_uppercase());
    assert_eq!(theirs, Some(ours.keying_material()));
    assert_eq!(ours.connection.srtp_keys().unwrap().profile, Profile::Aes128CmHmacSha1_80);
}

/// We are the client of `gnutls-serv`, which proves our address by a cookie and echoes lines.
fn client(name: &str, more: &str, theirs: &TheirCertificate, config: Config) {
    let files = Files::new(name);
    // The port is free until gnutls-serv takes it.
    let port = free_port().local_addr().unwrap().port();
    let text = format!("--echo --port={port} --require-client-cert {more}");
    let arguments = arguments(&text, &files, theirs);
    let Some(mut gnutls) = Program::start("gnutls-serv", "gnutls-bin", &arguments) else { return };
    gnutls.wait_for("listening on IPv4 0.0.0.0");
    let mut ours = Ours::new(Role::Client, config, free_port(), Some(loopback(port)));
    ours.drive_until("the handshake", |ours| ours.connection.is_connected());
    ours.say(b"from peerless\n");
    ours.drive_until("the echo", |ours| !ours.read.is_empty());
    assert_eq!(ours.read, [b"from peerless\n"], "{:#?}", gnutls.seen());
    // Over datagrams it does not print its keys; `gnutls-cli` does.
    assert_eq!(ours.connection.srtp_keys().unwrap().profile, Profile::Aes128CmHmacSha1_80);
    ours.connection.close(now());
    ours.drive_until("the close", |ours| ours.connection.close_reason().is_some());
}

/// `gnutls-cli` is our client.
fn server(name: &str, more: &str, theirs: &TheirCertificate, config: Config) {
    let files = Files::new(name);
    let socket = free_port();
    let port = socket.local_addr().unwrap().port();
    let text = format!("127.0.0.1 --port={port} --insecure {more}");
    let arguments = arguments(&text, &files, theirs);
    let Some(mut gnutls) = Program::start("gnutls-cli", "gnutls-bin", &arguments) else { return };
    let mut ours = Ours::new(Role::Server, config, socket, None);
    ours.drive_until("the handshake", |ours| ours.connection.is_connected());
    ours.drive_until("its end of the handshake", |_| gnutls.printed("Handshake was completed"));
    ours.say(b"from peerless\n");
    gnutls.type_line("from gnutls");
    ours.drive_until("data", |ours| !ours.read.is_empty() && gnutls.printed("from peerless"));
    assert_eq!(ours.read, [b"from gnutls\n"], "{:#?}", gnutls.seen());
    compare_keys(&mut ours, &mut gnutls);
    gnutls.end_input();
    ours.drive_until("the close", |ours| ours.connection.close_reason().is_some());
    assert_eq!(ours.connection.close_reason(), Some(CloseReason::Remote));
}

#[test]
fn gnutls_is_our_server() {
    client("gnutls-server", "", &ECDSA, config(&ECDSA));
}

#[test]
fn gnutls_is_our_server_with_rsa_and_small_datagrams() {
    client("gnutls-server-rsa", "--mtu=400", &RSA, config(&RSA));
}

#[test]
fn gnutls_is_our_server_with_chacha20_and_p384() {
    let priority = "--priority=NORMAL:-CIPHER-ALL:+CHACHA20-POLY1305:-GROUP-ALL:+GROUP-SECP384R1";
    client("gnutls-server-chacha20", priority, &ECDSA_P384, config(&ECDSA_P384));
}

#[test]
fn gnutls_is_our_client() {
    server("gnutls-client", "", &ECDSA, config(&ECDSA));
}

#[test]
fn gnutls_is_our_client_with_rsa_cookies_and_small_datagrams() {
    let config = config(&RSA).with_cookies().with_mtu(400);
    server("gnutls-client-rsa", "--mtu=400", &RSA, config);
}

#[test]
fn gnutls_is_our_client_with_aes_256_and_p256() {
    let priority = "--priority=NORMAL:-CIPHER-ALL:+AES-256-GCM:-GROUP-ALL:+GROUP-SECP256R1";
    server("gnutls-client-aes256", priority, &ECDSA, config(&ECDSA));
}

/// What GnuTLS calls the extended master secret.
const NO_SESSION_HASH: &str = "--priority=NORMAL:%NO_SESSION_HASH";

#[test]
fn gnutls_is_our_server_without_the_extended_master_secret() {
    let config = config(&ECDSA).with_optional_extended_master_secret();
    client("gnutls-server-no-ems", NO_SESSION_HASH, &ECDSA, config);
}

#[test]
fn gnutls_is_our_client_without_the_extended_master_secret() {
    let config = config(&ECDSA).with_optional_extended_master_secret();
    server("gnutls-client-no-ems", NO_SESSION_HASH, &ECDSA, config);
}

#[test]
fn without_the_extended_master_secret_gnutls_is_refused_by_default() {
    let missing = CloseReason::Handshake(HandshakeError::ExtendedMasterSecretMissing);
    let files = Files::new("gnutls-no-ems");
    let socket = free_port();
    let port = socket.local_addr().unwrap().port();
    let text = format!("127.0.0.1 --port={port} --insecure {NO_SESSION_HASH}");
    let arguments = arguments(&text, &files, &ECDSA);
    let Some(_gnutls) = Program::start("gnutls-cli", "gnutls-bin", &arguments) else { return };
    let mut ours = Ours::new(Role::Server, config(&ECDSA), socket, None);
    ours.drive_until("the refusal", |ours| ours.connection.close_reason().is_some());
    assert_eq!(ours.connection.close_reason(), Some(missing));
}
