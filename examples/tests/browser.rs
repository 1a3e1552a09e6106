//! The `call` example with real browsers at the other end: Chromium by WebDriver, Firefox by
//! WebDriver BiDi. Where a browser is missing, its test says so in one line and passes; with `CI`
//! set it fails.
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test may panic, and indexing JSON cannot"
)]

#[path = "browser/bidi.rs"]
mod bidi;
#[path = "browser/build.rs"]
mod build;
#[path = "browser/data.rs"]
mod data;
#[path = "browser/page.rs"]
mod page;
#[path = "browser/program.rs"]
mod program;
#[path = "browser/webdriver.rs"]
mod webdriver;

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use serde_json::json;

use self::{
    bidi::Firefox,
    page::Page,
    program::Program,
    webdriver::{Browser, Devices},
};

#[test]
fn chromium_gets_its_picture_sound_and_files_back() {
    let _alone = alone();
    let Some(browser) = Browser::start(Devices::Fake) else { return };
    let program = Program::start();
    let mut page = Page(browser.tab());
    page.open(&format!("{}/?raw", program.url()));
    page.click("#start");
    page.wait_for("the call is connected", "peerless.state === 'connected'");
    page.is_secured_by("DTLS 1.3", "X25519MLKEM768");

    for mode in ["frames", "packets"] {
        page.script(&format!("document.querySelector('input[value={mode}]').click()"));
        page.wait_for(
            "the page says which mode is active",
            &format!(
                "peerless.mode === '{mode}' && \
                 document.getElementById('mode-says').textContent.startsWith('Active now')"
            ),
        );
        page.pictures_keep_coming();
        page.sound_arrives();
    }

    // A real message, and a real file.
    page.script("peerless.say('hello')");
    page.wait_for("the chat comes back", "peerless.chat.some(({ text }) => text === 'hello')");
    page.a_file_returns(5_000_000);
    assert_eq!(
        page.script("return document.getElementById('progress').ariaValueNow"),
        json!("100")
    );

    // Turning the camera off and on renegotiates.
    let video = "peerless.pc.getTransceivers().find(it => it.receiver.track.kind === 'video')";
    page.click("#camera");
    page.wait_for("no picture is negotiated", &format!("{video}.currentDirection === 'inactive'"));
    page.click("#camera");
    page.wait_for("a picture is negotiated", &format!("{video}.currentDirection === 'sendrecv'"));
    page.pictures_keep_coming();

    for side in ["browser", "server"] {
        let before = page.credentials();
        // The figures above the button change, and with them its place: a click with the mouse
        // could miss it.
        page.script(&format!("document.getElementById('restart-{side}').click()"));
        page.wait_for(
            "both sides have new ICE credentials",
            &format!(
                "(credentials => credentials[0] !== {} && credentials[1] !== {})({})",
                before[0],
                before[1],
                page::CREDENTIALS
            ),
        );
        page.wait_for("the restart succeeds", "peerless.pc.iceConnectionState === 'connected'");
        page.pictures_keep_coming();
    }

    assert!(page.script("return peerless.stats.server.inbound.length").as_u64() >= Some(2));
    page.wait_for(
        "both sides' round-trip times are known",
        "peerless.stats.server.round_trip_ms > 0 && peerless.stats.browser.roundTripTime >= 0",
    );
    assert_eq!(page.script("return peerless.errors"), json!([]));

    page.click("#hang-up");
    program.wait_for("nothing is left of the call", is_empty);

    // The same tab calls again.
    page.click("#start");
    page.wait_for("the second call is connected", "peerless.state === 'connected'");
    page.pictures_keep_coming();
    page.click("#hang-up");
    program.wait_for("nothing is left of the second call", is_empty);
}

#[test]
fn chromium_needs_no_handshake_of_sctp_where_descriptions_carry_it() {
    let _alone = alone();
    let trial = ["--force-fieldtrials=WebRTC-Sctp-Snap/Enabled/"];
    let Some(browser) = Browser::start_with(Devices::Fake, &trial) else { return };
    let program = Program::start_with(&["--snap"]);
    let mut page = Page(browser.tab());
    page.open(&format!("{}/?raw", program.url()));
    page.click("#start");
    page.wait_for("the call is connected", "peerless.state === 'connected'");
    for side in ["local", "remote"] {
        page.wait_for(
            "both descriptions have an INIT",
            &format!("/a=sctp-init:/.test(peerless.pc.{side}Description.sdp)"),
        );
    }
    page.script("peerless.say('hello')");
    page.wait_for("the chat comes back", "peerless.chat.some(({ text }) => text === 'hello')");
    page.a_file_returns(1_000_000);
    page.click("#hang-up");
    program.wait_for("nothing is left of the call", is_empty);
}

#[test]
fn three_tabs_share_the_socket_and_a_killed_one_is_freed() {
    let _alone = alone();
    let Some(browser) = Browser::start(Devices::Fake) else { return };
    let Some(doomed) = Browser::start(Devices::Fake) else { return };
    let program = Program::start();
    let first = browser.tab();
    let second = browser.new_tab();
    let mut pages = [Page(first), Page(second), Page(doomed.tab())];
    for page in &mut pages {
        page.open(program.url());
        page.click("#start");
        page.wait_for("the call is connected", "peerless.state === 'connected'");
    }
    for page in &mut pages {
        page.pictures_keep_coming();
    }
    let [mut first, mut second, third] = pages;
    let name = first_string(&program.status(), "a3");
    assert_eq!(program.status()["connections"], 3);

    // No goodbye: consent runs out (RFC 7675 §5.1: 30 seconds).
    drop(third);
    doomed.kill();
    program.wait_for("the connection is seen to be gone", |status| {
        states(status, &name).iter().any(|state| state == "disconnected")
    });
    program.wait_for_up_to(Duration::from_secs(60), "it is freed", |status| {
        status["connections"] == 2
            && states(status, &name).ends_with(&["disconnected".to_owned(), "failed".to_owned()])
    });
    first.pictures_keep_coming();
    second.pictures_keep_coming();

    // Closing a tab is a goodbye; leaving the page is one too.
    second.close();
    first.open("about:blank");
    program.wait_for("nothing is left", |status| {
        is_empty(status) && status["tabs"].as_array().is_some_and(Vec::is_empty)
    });
}

#[test]
fn chromium_without_devices_hides_its_addresses_and_still_connects() {
    let _alone = alone();
    let Some(browser) = Browser::start(Devices::None) else { return };
    let program = Program::start();
    let mut page = Page(browser.tab());
    page.open(program.url());
    page.click("#start");
    page.wait_for("the call is connected", "peerless.state === 'connected'");
    let offer = page.script("return peerless.pc.localDescription.sdp");
    let offer = offer.as_str().unwrap();
    assert!(offer.contains(".local "), "no address is told:\n{offer}");
    let notice = page.script("return document.getElementById('notice').textContent");
    assert!(notice.as_str().unwrap().contains("Chat and files work"), "{notice}");
    page.wait_for("the file channel opens", "!document.getElementById('file').disabled");
    page.a_file_returns(100_000);
    page.click("#hang-up");
    program.wait_for("nothing is left of the call", is_empty);
}

#[test]
fn chromium_carries_the_handshake_in_its_checks() {
    let _alone = alone();
    let field_trial = "--force-fieldtrials=WebRTC-IceHandshakeDtls/Enabled/";
    let Some(browser) = Browser::start_with(Devices::Fake, &[field_trial]) else { return };
    for arguments in [&["--sped"][..], &[]] {
        let does = !arguments.is_empty();
        let program = Program::start_with(arguments);
        let mut tries = 0;
        let mut page = loop {
            let mut page = Page(browser.new_tab());
            page.open(&format!("{}/?raw", program.url()));
            page.click("#start");
            page.wait_for("the call is connected", "peerless.state === 'connected'");
            page.wait_for("Peerless reports", "peerless.facts.server.security");
            let security = page.script("return peerless.facts.server.security");
            // On a busy machine a check can be so late that the flight goes plain, as it should.
            tries += 1;
            if security["in_checks"] == does || tries == 3 {
                assert_eq!(security["in_checks"], does, "{security}");
                break page;
            }
            page.click("#hang-up");
            program.wait_for("nothing is left of the call", is_empty);
        };
        let [offer, answer] = ["localDescription", "remoteDescription"]
            .map(|which| page.script(&format!("return peerless.pc.{which}.sdp")));
        assert!(offer.as_str().unwrap().contains("sped"), "{offer}");
        assert_eq!(answer.as_str().unwrap().contains("sped"), does, "{answer}");
        page.pictures_keep_coming();
        page.a_file_returns(100_000);
        page.click("#hang-up");
        program.wait_for("nothing is left of the call", is_empty);
    }
}

#[test]
fn chromium_requires_encrypted_header_extensions_and_gets_its_picture_back() {
    let _alone = alone();
    // RFC 9335 is behind a flag in it.
    let features = [
        "--enable-experimental-web-platform-features",
        "--enable-blink-features=RtcRtpHeaderEncryptionPolicy",
    ];
    let Some(browser) = Browser::start_with(Devices::Fake, &features) else { return };
    let program = Program::start();
    let mut page = Page(browser.tab());
    page.open(program.url());
    page.script(
        "const Original = RTCPeerConnection;
         window.RTCPeerConnection = class extends Original {
             constructor(own) { super({ ...own, rtpHeaderEncryptionPolicy: 'require' }); }
         };",
    );
    page.click("#start");
    page.wait_for("the call is connected", "peerless.state === 'connected'");
    for side in ["localDescription", "remoteDescription"] {
        let sdp = page.script(&format!("return peerless.pc.{side}.sdp"));
        assert!(sdp.as_str().unwrap().contains("a=cryptex"), "{side}: {sdp}");
    }
    page.wait_for("Peerless reports", "peerless.facts.server.security?.cryptex");
    page.pictures_keep_coming();
    page.sound_arrives();
    assert_eq!(page.script("return peerless.errors"), json!([]));
    page.click("#hang-up");
    program.wait_for("nothing is left of the call", is_empty);
}

#[test]
fn firefox_gets_its_picture_and_files_back() {
    let _alone = alone();
    // Firefox leaves loopback out: its own addresses, and those that it is told of.
    let Some(address) = program::lan_address() else {
        return missing("this machine has loopback addresses only, which Firefox does not use");
    };
    let Some(firefox) = Firefox::start() else { return };
    let program = Program::start_on(address);
    let mut page = Page(firefox);
    page.open(program.url());
    page.click("#start");
    page.wait_for("the call is connected", "peerless.state === 'connected'");
    page.is_secured_by("DTLS 1.3", "X25519MLKEM768");
    for mode in ["frames", "packets"] {
        page.script(&format!("document.querySelector('input[value={mode}]').click()"));
        page.wait_for("the mode is active", &format!("peerless.mode === '{mode}'"));
        page.pictures_keep_coming();
    }
    let codec = "[...(await peerless.pc.getStats()).values()]\
        .find(it => it.type === 'codec' && it.mimeType.startsWith('video/')).mimeType";
    assert_eq!(page.script(&format!("return {codec}")), json!("video/VP8"));
    page.a_file_returns(5_000_000);
    assert_eq!(page.script("return peerless.errors"), json!([]));
    page.click("#hang-up");
    program.wait_for("nothing is left of the call", is_empty);
}

#[test]
fn firefox_that_has_dtls_1_2_only_gets_its_picture_and_files_back() {
    let _alone = alone();
    let Some(address) = program::lan_address() else {
        return missing("this machine has loopback addresses only, which Firefox does not use");
    };
    // 771 is 0x0303, TLS 1.2.
    let limit = "user_pref(\"media.peerconnection.dtls.version.max\", 771);\n";
    let Some(firefox) = Firefox::start_with(limit) else { return };
    let program = Program::start_on(address);
    let mut page = Page(firefox);
    page.open(program.url());
    page.click("#start");
    page.wait_for("the call is connected", "peerless.state === 'connected'");
    page.is_secured_by("DTLS 1.2", "X25519");
    page.pictures_keep_coming();
    page.a_file_returns(1_000_000);
    assert_eq!(page.script("return peerless.errors"), json!([]));
    page.click("#hang-up");
    program.wait_for("nothing is left of the call", is_empty);
}

/// Lets one test run at a time: several browsers on two processors lose sound.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether the program's endpoint has nothing left.
fn is_empty(status: &serde_json::Value) -> bool {
    status["connections"] == 0 && status["routes"] == 0
}

/// The name of the tab, which must be there.
fn first_string(status: &serde_json::Value, name: &str) -> String {
    let tabs = status["tabs"].as_array().unwrap();
    assert!(tabs.iter().any(|tab| tab["name"] == name), "{status}");
    name.to_owned()
}

/// The states that a tab's connection went through, also when it has ended.
fn states(status: &serde_json::Value, name: &str) -> Vec<String> {
    let of = |list: &str| {
        let list = status[list].as_array()?;
        let found = list.iter().rfind(|it| it["name"] == name && it["states"].is_array())?;
        let states = found["states"].as_array()?.iter();
        Some(states.filter_map(|state| state.as_str().map(str::to_owned)).collect())
    };
    of("tabs").or_else(|| of("ended")).unwrap_or_default()
}

/// What to do where a browser is missing: tests that CI runs must not be skipped there.
fn missing(what: &str) {
    #[expect(clippy::disallowed_methods, reason = "CI says so by this variable")]
    let ci = std::env::var("CI").is_ok();
    assert!(!ci, "{what}");
    println!("skipped: {what}");
}
