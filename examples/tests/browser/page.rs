//! The page of the `call` example, in whatever browser.

use std::{thread, time::Duration};

use serde_json::Value;

use crate::program::wait;

/// A tab of a browser.
pub(crate) trait Tab {
    fn open(&mut self, url: &str);
    /// Runs the body of an `async` function and returns what it returns.
    fn script(&mut self, script: &str) -> Value;
    fn click(&mut self, selector: &str);
    fn close(&mut self);
}

/// A tab that shows our page.
pub(crate) struct Page<T>(pub(crate) T);

impl<T: Tab> Page<T> {
    pub(crate) fn open(&mut self, url: &str) {
        self.0.open(url);
    }

    pub(crate) fn script(&mut self, script: &str) -> Value {
        self.0.script(script)
    }

    pub(crate) fn click(&mut self, selector: &str) {
        self.0.click(selector);
    }

    pub(crate) fn close(mut self) {
        self.0.close();
    }

    pub(crate) fn wait_for(&mut self, what: &str, condition: &str) {
        wait(Duration::from_secs(30), || {
            if self.script(&format!("return Boolean({condition})")) == true {
                return Ok(());
            }
            let state = self.script("return { state: peerless.state, errors: peerless.errors, notice: document.getElementById('notice').textContent }");
            Err(format!("{what}? {state}"))
        });
    }

    /// Both sides' ICE user fragments, as JavaScript strings.
    pub(crate) fn credentials(&mut self) -> [Value; 2] {
        let both = self.script(&format!("return {CREDENTIALS}"));
        [both[0].clone(), both[1].clone()]
    }

    /// Peerless reports this version and group, the browser's statistics say the same of all that
    /// they have, and the card shows it.
    pub(crate) fn is_secured_by(&mut self, version: &str, group: &str) {
        self.wait_for("Peerless reports", "peerless.facts.server.security");
        let security = self.script("return peerless.facts.server.security");
        println!("{}", security["line"]);
        assert_eq!(security["version"], version, "{security}");
        assert_eq!(security["group"], group, "{security}");
        // Chromium and Firefox both have these; neither says which group it is.
        self.wait_for("statistics come", "peerless.facts.browser.srtp");
        let theirs = self.script("return peerless.facts.browser");
        assert_eq!(theirs["dtls"], version, "{theirs}");
        assert_eq!(theirs["cipher"], security["cipher_suite"], "{theirs} {security}");
        self.shows(&security);
    }

    /// The card says what is reported, whose fingerprints are those of the descriptions.
    fn shows(&mut self, security: &Value) {
        let shown = self.script(
            "const text = it => it.textContent;
             const rows = [...document.querySelectorAll('#security-facts > div')];
             return {
                 visible: document.getElementById('security').checkVisibility(),
                 line: text(document.getElementById('security-line')),
                 quantum: document.getElementById('quantum').checkVisibility(),
                 facts: Object.fromEntries(rows.map(row => [...row.children].map(text))),
             }",
        );
        assert_eq!(shown["visible"], true, "{shown}");
        assert_eq!(shown["line"], security["line"], "{shown}");
        assert_eq!(shown["quantum"], security["post_quantum"], "{shown}");
        let facts = &shown["facts"];
        assert_eq!(facts["Records"], security["cipher_suite"], "{facts}");
        assert_eq!(facts["Media"], security["srtp"], "{facts}");
        assert_eq!(facts["Headers"], "authenticated, not encrypted", "{facts}");
        let signatures = facts["Signatures"].as_str().unwrap();
        assert!(signatures.contains(security["local_signature"].as_str().unwrap()), "{facts}");
        let handshake = facts["Handshake"].as_str().unwrap();
        assert!(handshake.contains(" round trip") && handshake.contains(" as client"), "{facts}");
        for (name, side) in [("This browser", "local"), ("Peerless", "remote")] {
            let announced = self.script(&format!(
                "return peerless.pc.{side}Description.sdp.match(/a=fingerprint:(.+)/)[1].trim()"
            ));
            let [shown, announced] = [&facts[name], &announced].map(|it| it.as_str().unwrap());
            assert!(shown.eq_ignore_ascii_case(announced), "{name}: {shown}, {announced}");
        }
    }

    /// Frames are decoded, and it goes on: by the browser's own statistics.
    pub(crate) fn pictures_keep_coming(&mut self) {
        let before = self.inbound("video", "framesDecoded");
        self.wait_for(
            "40 more frames are decoded",
            &format!("{} >= {}", statistic("video", "framesDecoded"), before + 40.0),
        );
    }

    /// Less than 2 % of the sound is made up, and the fake device's beep is heard.
    pub(crate) fn sound_arrives(&mut self) {
        let received = |page: &mut Self| {
            [
                page.inbound("audio", "concealedSamples"),
                page.inbound("audio", "totalSamplesReceived"),
            ]
        };
        // What was concealed while the first packets were on their way does not count.
        thread::sleep(Duration::from_secs(1));
        self.script("peerless.peakLevel = 0");
        let before = received(self);
        thread::sleep(Duration::from_secs(5));
        let after = received(self);
        let (concealed, total) = (after[0] - before[0], after[1] - before[1]);
        println!("concealed {concealed} of {total} samples");
        assert!(total > 4.0 * 48_000.0, "five seconds have {total} samples");
        assert!(concealed < 0.02 * total, "concealed {concealed} of {total}");
        let peak = self.script("return peerless.peakLevel").as_f64().unwrap();
        assert!(peak > 0.01, "the beep is heard: {peak}");
    }

    /// A file of random bytes comes back the same.
    pub(crate) fn a_file_returns(&mut self, len: usize) {
        let verdict = self.script(&format!(
            "const bytes = new Uint8Array({len});
             for (let at = 0; at < bytes.length; at += 65536) \
                crypto.getRandomValues(bytes.subarray(at, at + 65536));
             return await peerless.sendFile(new File([bytes], 'random.bin'));"
        ));
        println!("file: {verdict}");
        assert_eq!(verdict["ok"], true, "{verdict}");
        assert_eq!(verdict["size"], len);
    }

    fn inbound(&mut self, kind: &str, name: &str) -> f64 {
        self.script(&format!("return {}", statistic(kind, name))).as_f64().unwrap_or(0.0)
    }
}

fn statistic(kind: &str, name: &str) -> String {
    format!(
        "([...(await peerless.pc.getStats()).values()]\
         .find(it => it.type === 'inbound-rtp' && it.kind === '{kind}')?.{name} ?? 0)"
    )
}

/// Both sides' user fragments, as a JavaScript expression.
pub(crate) const CREDENTIALS: &str = "[peerless.pc.currentLocalDescription, \
    peerless.pc.currentRemoteDescription].map(it => it.sdp.match(/a=ice-ufrag:(\\S+)/)[1])";
