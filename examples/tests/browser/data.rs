//! Data channels with other people's SCTP: Chromium's dcsctp, Firefox's usrsctp, and aiortc's own in
//! Python. Our side is an endpoint with the blocking driver, in this process; what the other side
//! does stands in `data/remote.js` and `data/aiortc_peer.py`.
//!
//! `MEGABYTES` is how much a bulk transfer has each way: 20 by default.

#[path = "data/local.rs"]
mod local;
#[path = "data/remote.rs"]
mod remote;

use std::time::Duration;

use peerless::{
    Configuration, DataChannelInit, Message, SecurityReport,
    security::{Role, Version},
};
use serde_json::{Value, json};

use self::{
    local::Local,
    remote::{Aiortc, Remote, Scripted},
};
use crate::{
    alone,
    bidi::Firefox,
    missing, program,
    webdriver::{Browser, Devices},
};

#[test]
fn chromium_has_every_kind_of_channel() {
    let _alone = alone();
    let Some(browser) = Browser::start(Devices::None) else { return };
    let mut pair = connect([127, 0, 0, 1].into(), Scripted::new(browser.tab()));
    every_kind(&mut pair);
    // What it says of another Chromium that closes, too.
    hang_up(&mut pair, Some("sctp-failure: User-Initiated Abort, reason=closed"));
}

#[test]
fn chromium_interleaves_messages_in_its_trial() {
    let _alone = alone();
    let trial = ["--force-fieldtrials=WebRTC-DataChannelMessageInterleaving/Enabled/"];
    let Some(browser) = Browser::start_with(Devices::None, &trial) else { return };
    let mut pair = connect([127, 0, 0, 1].into(), Scripted::new(browser.tab()));
    let agreed = pair.local.association();
    assert!(agreed.interleaving, "{agreed:?}");
    every_kind(&mut pair);
    bulk(&mut pair);
}

#[test]
fn chromium_opens_and_closes_a_thousand_channels() {
    let _alone = alone();
    let Some(browser) = Browser::start(Devices::None) else { return };
    many(&mut connect([127, 0, 0, 1].into(), Scripted::new(browser.tab())), 500);
}

#[test]
fn chromium_gets_much_data_and_sends_it() {
    let _alone = alone();
    let Some(browser) = Browser::start(Devices::None) else { return };
    bulk(&mut connect([127, 0, 0, 1].into(), Scripted::new(browser.tab())));
}

#[test]
fn firefox_has_every_kind_of_channel_many_of_them_and_much_data() {
    let _alone = alone();
    let Some(address) = program::lan_address() else {
        return missing("this machine has loopback addresses only, which Firefox does not use");
    };
    let Some(firefox) = Firefox::start() else { return };
    let mut pair = connect(address, Scripted::new(firefox));
    every_kind(&mut pair);
    many(&mut pair, 400);
    bulk(&mut pair);
    hang_up(&mut pair, None);
}

#[test]
fn aiortc_has_every_kind_of_channel_many_of_them_and_much_data() {
    let _alone = alone();
    let Some(address) = program::lan_address() else {
        return missing("this machine has loopback addresses only, which aiortc does not use");
    };
    let Some(aiortc) = Aiortc::start() else { return };
    let mut pair = connect(address, aiortc);
    every_kind(&mut pair);
    many(&mut pair, 500);
    bulk(&mut pair);
}

#[test]
fn chromium_has_both_versions_of_dtls_in_both_roles() {
    let _alone = alone();
    let Some(browser) = Browser::start(Devices::Fake) else { return };
    versions_and_roles([127, 0, 0, 1].into(), Scripted::with_microphone(browser.tab()));
}

#[test]
fn firefox_has_both_versions_of_dtls_in_both_roles() {
    let _alone = alone();
    let Some(address) = program::lan_address() else {
        return missing("this machine has loopback addresses only, which Firefox does not use");
    };
    let Some(firefox) = Firefox::start() else { return };
    versions_and_roles(address, Scripted::with_microphone(firefox));
}

fn versions_and_roles(address: std::net::IpAddr, mut remote: impl Remote) {
    for version in [Version::Dtls12, Version::Dtls13] {
        for role in [Role::Client, Role::Server] {
            let mut configuration = Configuration::default();
            configuration.security_policy.max_version = version;
            let mut local = Local::new(address, configuration);
            let audio = local.add_audio();
            // Who is active is the client (RFC 5763 §5); the other side answers what is left.
            let setup = if role == Role::Client { "active" } else { "passive" };
            let offer = local.offer().replace("a=setup:actpass", &format!("a=setup:{setup}"));
            let answer = remote.command("answer", &json!(offer));
            local.take_answer(answer.as_str().expect("an answer"));

            let report = local.security();
            println!("{role:?}: {report}");
            assert_eq!((report.version, report.dtls_role), (version, role), "{report:?}");
            assert_eq!(report.post_quantum, version == Version::Dtls13, "{report:?}");
            let channel = local.open("echo", DataChannelInit::default());
            local.send(channel, "hello");
            assert!(local.read(channel) == Message::from("hello"));

            // SRTP's keys are taken from the other half in the other role.
            let heard = local.talk(audio);
            let theirs = remote.command("statistics", &Value::Null);
            assert!(heard.frames > 50 && heard.bytes > 20 * heard.frames, "{heard:?}");
            let received = theirs["audio"]["packetsReceived"].as_u64();
            println!(
                "{} frames came, {} packets went",
                heard.frames, theirs["audio"]["packetsReceived"]
            );
            assert!(received > Some(50), "{theirs}");
            says_the_same(&theirs["transport"], &report);
            local.hang_up();
        }
    }
}

/// The browser's statistics have what we report, by the names of the W3C.
fn says_the_same(theirs: &Value, ours: &SecurityReport) {
    let version = if ours.version == Version::Dtls13 { "FEFC" } else { "FEFD" };
    let role = if ours.dtls_role == Role::Client { "server" } else { "client" };
    let srtp = match ours.srtp_profile.and_then(|profile| profile.code()) {
        Some(1) => "SRTP_AES128_CM_HMAC_SHA1_80",
        Some(2) => "SRTP_AES128_CM_HMAC_SHA1_32",
        Some(7) => "SRTP_AEAD_AES_128_GCM",
        Some(8) => "SRTP_AEAD_AES_256_GCM",
        other => panic!("no profile of DTLS: {other:?}"),
    };
    assert_eq!(theirs["tlsVersion"], version, "{theirs}");
    assert_eq!(theirs["dtlsRole"], role, "{theirs}");
    assert_eq!(theirs["dtlsCipher"], ours.cipher_suite_name(), "{theirs}");
    assert_eq!(theirs["srtpCipher"], srtp, "{theirs}");
    // Neither Chromium nor Firefox has it; should one say it, it has to be the same.
    let group = &theirs["tlsGroup"];
    assert!(group.is_null() || *group == ours.group_name(), "{theirs}");
}

struct Pair<R> {
    local: Local,
    remote: R,
}

fn connect<R: Remote>(address: std::net::IpAddr, mut remote: R) -> Pair<R> {
    let mut local = Local::new(address, Configuration::default());
    let offer = local.offer();
    let answer = remote.command("answer", &json!(offer));
    local.take_answer(answer.as_str().expect("an answer"));
    Pair { local, remote }
}

/// What a channel was made with is what the other side sees; messages of each kind and size return,
/// and channels close in every way.
fn every_kind(pair: &mut Pair<impl Remote>) {
    let local = &mut pair.local;
    let mut inits = vec![DataChannelInit::default(), DataChannelInit::unreliable()];
    let mut lifetime = DataChannelInit::default();
    lifetime.max_packet_life_time = Some(Duration::from_millis(3000));
    lifetime.protocol = "küche".into();
    inits.push(lifetime);
    for init in inits {
        let channel = local.open("describe", init.clone());
        local.send(channel, "who are you?");
        let text = local.read(channel);
        let seen: Value = serde_json::from_slice(text.data()).expect("JSON");
        let lifetime = init.max_packet_life_time.map(|time| time.as_millis() as u64);
        assert_eq!(seen["ordered"], init.ordered, "{seen}");
        assert_eq!(seen["maxRetransmits"], json!(init.max_retransmits), "{seen}");
        assert_eq!(seen["maxPacketLifeTime"], json!(lifetime), "{seen}");
        assert_eq!(seen["protocol"], init.protocol, "{seen}");
        assert_eq!(seen["negotiated"], false, "{seen}");
    }

    let mut agreed = DataChannelInit::default();
    agreed.negotiated = Some(900);
    let mut unordered = DataChannelInit::default();
    unordered.ordered = false;
    for (label, init) in [
        ("echo ordered", DataChannelInit::default()),
        ("echo unordered", unordered),
        ("echo agreed", agreed),
    ] {
        let channel = local.open(label, init);
        let mut messages: Vec<Message> = vec!["text, ünïcode".into(), vec![0, 255].into()];
        if pair.remote.has_empty_messages() {
            messages.extend([Message::from(""), Message::from(Vec::new())]);
        }
        let sizes = [1, 1_150, 1_200, 16_384, 65_535, 65_536, 262_143, 262_144];
        let sizes = sizes.into_iter().filter(|size| *size <= pair.remote.max_message_size());
        messages.extend(sizes.map(|len| Message::from(local::pattern(0, len))));
        for message in messages {
            local.send(channel, message.clone());
            assert!(local.read(channel) == message, "{label}: {} bytes changed", message.len());
        }
    }

    // Closed by us, by them, by both at once: what was sent before arrives in each case.
    for round in 0..30 {
        let alone = round % 3 == 2;
        let label = if alone { "closer 1" } else { "closer 0" };
        let channel = local.open(label, DataChannelInit::default());
        local.send(channel, "speak");
        if round % 3 == 1 {
            // It closes its side when it hears of this, while ours is closing.
            local.send(channel, "close");
        }
        assert!(local.read(channel) == Message::from("last"), "round {round}");
        if !alone {
            local.close(channel);
        }
        local.until_closed(channel);
    }
}

/// So many channels of each side at once: every one is heard, every one closes.
fn many(pair: &mut Pair<impl Remote>, count: usize) {
    let Pair { local, remote } = pair;
    let before = remote.command("states", &Value::Null);
    let closed_before = before["closed"].as_u64().unwrap_or(0);
    remote.command("open", &json!(count));
    let ours = local.open_many("echo", count);
    for (number, channel) in ours.iter().enumerate() {
        local.send(*channel, number.to_string());
    }
    for (number, channel) in ours.iter().enumerate() {
        assert!(local.read(*channel) == Message::from(number.to_string()), "channel {number}");
    }
    let theirs = local.echo_theirs(count);
    local.wait("all have heard their own words", || {
        remote.command("states", &Value::Null)["echoed"].as_u64() >= Some(count as u64)
    });

    // Ours close from here, theirs from there, a hundred of each at once: Chromium asks for all of
    // them in one packet, which may not be too large for the path.
    for (ours, theirs) in ours.chunks(100).zip(theirs.chunks(100)) {
        ours.iter().for_each(|channel| local.close(*channel));
        remote.command("close", &json!(theirs.len()));
        ours.iter().chain(theirs).for_each(|channel| local.until_closed(*channel));
    }
    let all = closed_before + 2 * count as u64;
    local.wait("all are closed on both sides", || {
        let states = remote.command("states", &Value::Null);
        states["closed"].as_u64() >= Some(all)
    });

    // Their numbers are free again.
    let again = local.open_many("echo", 10);
    for channel in again {
        local.send(channel, "again");
        assert!(local.read(channel) == Message::from("again"), "a number used again");
        local.close(channel);
        local.until_closed(channel);
    }
}

fn bulk(pair: &mut Pair<impl Remote>) {
    let len = megabytes() * 1_000_000;
    let part = pair.remote.max_message_size().min(local::PART);
    let local = &mut pair.local;
    let channel = local.open(&format!("sink {len}"), DataChannelInit::default());
    let (seconds, verdict) = local.send_much(channel, len, part);
    let verdict: Value = serde_json::from_slice(verdict.data()).expect("JSON");
    println!("{len} bytes sent in {seconds:.2} s: {:.1} MB/s", len as f64 / 1e6 / seconds);
    assert_eq!(verdict, json!({ "received": len, "wrong": 0 }));

    let channel = local.open(&format!("source {len}"), DataChannelInit::default());
    let seconds = local.receive_much(channel, len);
    println!("{len} bytes received in {seconds:.2} s: {:.1} MB/s", len as f64 / 1e6 / seconds);
}

/// When we close the connection, all channels there close at once, not when consent runs out. What
/// `error` event they have of it differs: <https://github.com/w3c/webrtc-pc/issues/2984>.
fn hang_up(pair: &mut Pair<impl Remote>, error: Option<&str>) {
    let Pair { local, remote } = pair;
    local.hang_up();
    let mut errors = Value::Null;
    local.wait("all channels are closed", || {
        let mut states = remote.command("states", &Value::Null);
        errors = states["errors"].take();
        states["open"].is_null() && states["closing"].is_null()
    });
    let errors = errors.as_array().expect("a list");
    assert_eq!(errors.is_empty(), error.is_none(), "{errors:?}");
    assert!(errors.iter().all(|said| said.as_str() == error), "{errors:?}");
}

fn megabytes() -> usize {
    #[expect(clippy::disallowed_methods, reason = "how much to test is said by the environment")]
    let said = std::env::var("MEGABYTES").ok();
    said.map_or(20, |said| said.parse().expect("MEGABYTES is a number"))
}
