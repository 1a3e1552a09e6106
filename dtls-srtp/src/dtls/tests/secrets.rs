//! What a connection gives to others: keying material, SRTP keys, and lines of a key log.

use std::sync::Mutex;

use super::super::*;
use super::pair::*;
use crate::srtp::Profile;

#[derive(Debug, Default)]
struct Lines(Mutex<Vec<String>>);

impl KeyLog for Lines {
    fn log(&self, line: &str) {
        self.0.lock().unwrap().push(line.to_owned());
    }
}

#[test]
fn both_sides_log_the_same_secrets() {
    const LABELS_1_3: [&str; 5] = [
        "CLIENT_HANDSHAKE_TRAFFIC_SECRET",
        "SERVER_HANDSHAKE_TRAFFIC_SECRET",
        "CLIENT_TRAFFIC_SECRET_0",
        "SERVER_TRAFFIC_SECRET_0",
        "EXPORTER_SECRET",
    ];
    for (configs, labels) in [(configs(), &["CLIENT_RANDOM"][..]), (configs_1_3(), &LABELS_1_3)] {
        let logs = [(); 2].map(|()| Arc::new(Lines::default()));
        let (client, server) = configs;
        let client = client.with_key_log(logs[0].clone());
        let server = server.with_key_log(logs[1].clone());
        let mut pair = Pair::new((client, server));
        pair.run(perfect);
        assert!(pair.is_connected());

        let [client, server] = logs.map(|log| log.0.lock().unwrap().clone());
        assert_eq!(client, server);
        let words: Vec<Vec<_>> = client.iter().map(|line| line.split(' ').collect()).collect();
        assert_eq!(words.iter().map(|line| line[0]).collect::<Vec<_>>(), labels);
        assert!(words.iter().all(|line| line.len() == 3 && line[1] == words[0][1]));
        let secret_len = if labels.len() == 1 { 2 * 48 } else { 2 * 32 };
        assert!(words.iter().all(|line| line[1].len() == 64 && line[2].len() == secret_len));
    }
}

#[test]
fn both_sides_log_the_secrets_after_each_key_update() {
    let logs = [(); 2].map(|()| Arc::new(Lines::default()));
    let (client, server) = configs_1_3();
    let client = client.with_key_log(logs[0].clone());
    let server = server.with_key_log(logs[1].clone());
    let mut pair = Pair::new((client, server));
    pair.run(perfect);
    let before = logs[0].0.lock().unwrap().clone();
    let now = pair.now;
    assert!(pair.client.update_keys(now, KeyUpdate::Requested));
    pair.run(perfect);
    let now = pair.now;
    assert!(pair.server.update_keys(now, KeyUpdate::NotRequested));
    pair.run(perfect);
    pair.assert_data_flows();

    let sorted = |log: Arc<Lines>| {
        let mut lines = log.0.lock().unwrap().split_off(before.len());
        lines.sort();
        lines
    };
    let [client, server] = logs.map(sorted);
    assert_eq!(client, server);
    let words: Vec<Vec<_>> = client.iter().map(|line| line.split(' ').collect()).collect();
    assert_eq!(
        words.iter().map(|line| line[0]).collect::<Vec<_>>(),
        ["CLIENT_TRAFFIC_SECRET_1", "SERVER_TRAFFIC_SECRET_1", "SERVER_TRAFFIC_SECRET_2"]
    );
    // Of the same connection, and what follows from the secret before.
    assert!(words.iter().all(|line| before[0].split(' ').nth(1) == Some(line[1])));
    let suite = *pair.client.settings.suites_1_3.first().unwrap();
    let secret_0 = before.iter().find_map(|line| line.strip_prefix("CLIENT_TRAFFIC_SECRET_0 "));
    let hex = secret_0.unwrap().split(' ').nth(1).unwrap();
    let bytes: Vec<_> =
        (0..32).map(|at| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).unwrap()).collect();
    let secret_1 = v13::key_schedule::TrafficSecret::from_bytes(suite, &bytes).next();
    let hex: String = secret_1.bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hex, words[0][2]);
}

#[test]
fn a_context_that_is_absent_is_an_empty_one_in_1_3_only() {
    for (configs, same) in [(configs(), false), (configs_1_3(), true)] {
        let mut pair = Pair::new(configs);
        pair.run(perfect);
        let export = |side: &Connection, context| {
            side.export_keying_material("label", context, 100).unwrap().to_vec()
        };
        for context in [None, Some(&b""[..]), Some(b"context")] {
            assert_eq!(export(&pair.client, context), export(&pair.server, context));
        }
        let (absent, empty) = (export(&pair.client, None), export(&pair.client, Some(b"")));
        assert_eq!(absent == empty, same);
        assert_ne!(export(&pair.client, Some(b"context")), empty);
    }
}

#[test]
fn the_servers_order_of_srtp_profiles_decides_in_both_versions() {
    use Profile::{AeadAes128Gcm, AeadAes256Gcm, Aes128CmHmacSha1_80};
    for configs in [configs(), configs_1_3()] {
        for (client, server, agreed) in [
            (
                &[AeadAes128Gcm, Aes128CmHmacSha1_80][..],
                &[Aes128CmHmacSha1_80, AeadAes128Gcm][..],
                Some(Aes128CmHmacSha1_80),
            ),
            (&[AeadAes256Gcm, AeadAes128Gcm], &[AeadAes128Gcm], Some(AeadAes128Gcm)),
            (&[AeadAes256Gcm], &[AeadAes128Gcm], None),
            (&[], &[AeadAes128Gcm], None),
            (&[AeadAes128Gcm], &[], None),
        ] {
            let (for_client, for_server) = configs.clone();
            let mut pair = Pair::new((
                for_client.with_srtp_profiles(client),
                for_server.with_srtp_profiles(server),
            ));
            pair.run(perfect);
            assert!(pair.is_connected());
            let keys = [pair.client.srtp_keys(), pair.server.srtp_keys()];
            assert_eq!(keys.map(|keys| keys.map(|keys| keys.profile)), [agreed; 2]);
        }
    }
}
