//! OpenSSL's `s_server` and `s_client`.

use peerless_dtls_srtp::dtls::{CloseReason, Config, Role};
use peerless_dtls_srtp::srtp::Profile;

use crate::ours::{ECDSA, Ours, RSA, TheirCertificate, config, free_port, loopback, now};
use crate::program::{Files, Program};

fn start(arguments: &[String]) -> Option<Program> {
    Program::start("openssl", "openssl", arguments)
}

/// What OpenSSL prints has to be what we have.
fn compare_keys(ours: &Ours, theirs: &mut Program, profile: Profile) {
    let material = ours.keying_material();
    assert_eq!(theirs.value("Keying material:").as_deref(), Some(material.as_str()));
    assert_eq!(ours.connection.srtp_keys().unwrap().profile, profile);
    let name = match profile {
        Profile::AeadAes128Gcm => "SRTP_AEAD_AES_128_GCM",
        _ => "SRTP_AES128_CM_SHA1_80",
    };
    let extension = theirs.value("SRTP Extension negotiated, profile=");
    assert_eq!(extension.as_deref(), Some(name));
}

/// Both say something, and the client closes: `s_server` ends without a word.
fn talk(ours: &mut Ours, theirs: &mut Program, profile: Profile) {
    ours.drive_until("the handshake", |ours| ours.connection.is_connected());
    ours.say(b"from peerless\n");
    theirs.type_line("from openssl");
    // The program may read the line and its end apart, and send them so.
    let all_read = |ours: &mut Ours| ours.read.concat().ends_with(b"\n");
    ours.drive_until("data", |ours| all_read(ours) && theirs.printed("from peerless"));
    assert_eq!(ours.read.concat(), b"from openssl\n");
    ours.drive_until("the keys", |_| theirs.printed("Keying material:"));
    compare_keys(ours, theirs, profile);
    match ours.connection.role() {
        Role::Client => {
            ours.connection.close(now());
            ours.drive_until("the close", |_| theirs.printed("DONE"));
        }
        Role::Server => {
            // At the beginning of a line it ends s_client.
            theirs.type_line("Q");
            ours.drive_until("the close", |ours| ours.connection.close_reason().is_some());
            assert_eq!(ours.connection.close_reason(), Some(CloseReason::Remote));
        }
    }
}

fn arguments(text: &str, files: &Files, theirs: &TheirCertificate) -> Vec<String> {
    let certificate = files.put("certificate.der", theirs.der);
    let key = files.put("key.der", theirs.key);
    let common = "-dtls1_2 -keymatexport EXTRACTOR-dtls_srtp -keymatexportlen 60";
    format!("{text} {common} -cert {certificate} -certform DER -key {key} -keyform DER")
        .split_whitespace()
        .map(str::to_owned)
        .collect()
}

/// We are the client of `s_server`.
fn client(name: &str, more: &str, theirs: &TheirCertificate, profile: Profile) {
    let files = Files::new(name);
    // The port is free until s_server takes it.
    let port = free_port().local_addr().unwrap().port();
    let srtp = "-use_srtp SRTP_AEAD_AES_128_GCM:SRTP_AES128_CM_SHA1_80";
    let text = format!("s_server -accept 127.0.0.1:{port} -Verify 1 {srtp} {more}");
    let Some(mut openssl) = start(&arguments(&text, &files, theirs)) else { return };
    openssl.wait_for("ACCEPT");
    let peer = loopback(port);
    let config = config(theirs).with_srtp_profiles(&[profile]);
    let mut ours = Ours::new(Role::Client, config, free_port(), Some(peer));
    talk(&mut ours, &mut openssl, profile);
}

/// `s_client` is our client.
fn server(name: &str, more: &str, theirs: &TheirCertificate, profile: Profile, config: Config) {
    let files = Files::new(name);
    let socket = free_port();
    let port = socket.local_addr().unwrap().port();
    let srtp = match profile {
        Profile::AeadAes128Gcm => "SRTP_AEAD_AES_128_GCM",
        _ => "SRTP_AES128_CM_SHA1_80",
    };
    let text = format!("s_client -connect 127.0.0.1:{port} -use_srtp {srtp} {more}");
    let Some(mut openssl) = start(&arguments(&text, &files, theirs)) else { return };
    let mut ours = Ours::new(Role::Server, config, socket, None);
    talk(&mut ours, &mut openssl, profile);
}

#[test]
fn openssl_is_our_server() {
    client("server", "", &ECDSA, Profile::AeadAes128Gcm);
}

#[test]
fn openssl_is_our_server_with_cookies_small_datagrams_and_rsa() {
    client("cookies", "-listen -mtu 300", &RSA, Profile::Aes128CmHmacSha1_80);
}

#[test]
fn openssl_is_our_client() {
    server("client", "", &ECDSA, Profile::AeadAes128Gcm, config(&ECDSA));
}

#[test]
fn openssl_is_our_client_with_cookies_small_datagrams_and_rsa() {
    let config = config(&RSA).with_cookies().with_mtu(300);
    server("client-cookies", "-mtu 300", &RSA, Profile::Aes128CmHmacSha1_80, config);
}

#[test]
fn openssl_is_our_client_with_p256_and_aes_256() {
    let more = "-groups P-256 -cipher ECDHE-ECDSA-AES256-GCM-SHA384";
    server("client-p256", more, &ECDSA, Profile::AeadAes128Gcm, config(&ECDSA));
}

#[test]
fn openssl_proves_its_address_to_our_acceptor_in_small_datagrams_too() {
    for (name, more) in [("acceptor", ""), ("acceptor-mtu", "-mtu 256")] {
        let files = Files::new(name);
        let socket = free_port();
        let port = socket.local_addr().unwrap().port();
        let text =
            format!("s_client -connect 127.0.0.1:{port} -use_srtp SRTP_AES128_CM_SHA1_80 {more}");
        let Some(mut openssl) = start(&arguments(&text, &files, &ECDSA)) else { return };
        let mut ours = Ours::accept(config(&ECDSA), socket);
        talk(&mut ours, &mut openssl, Profile::Aes128CmHmacSha1_80);
    }
}
