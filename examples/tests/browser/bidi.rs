//! Firefox, driven by WebDriver BiDi (<https://w3c.github.io/webdriver-bidi/>): its own end of the
//! protocol, without geckodriver, which Debian does not have.

use std::{
    fs,
    io::{BufRead, BufReader},
    net::TcpStream,
    path::PathBuf,
    process::{Child, Command, Stdio},
};

use serde_json::{Value, json};
use tungstenite::{Message, WebSocket};

use crate::{missing, page::Tab};

pub(crate) struct Firefox {
    child: Child,
    profile: PathBuf,
    socket: WebSocket<TcpStream>,
    commands: u64,
    context: Value,
}

impl Firefox {
    /// Starts Firefox, or says that it is missing.
    pub(crate) fn start() -> Option<Self> {
        Self::start_with("")
    }

    /// The same with more preferences.
    pub(crate) fn start_with(more: &str) -> Option<Self> {
        let profile = std::env::temp_dir().join(format!("peerless-firefox-{}", std::process::id()));
        fs::create_dir_all(&profile).unwrap();
        fs::write(profile.join("user.js"), format!("{PREFERENCES}{more}")).unwrap();
        let started = Command::new("firefox-esr")
            .args(["--headless", "--no-remote", "--remote-debugging-port", "0", "--profile"])
            .arg(&profile)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn();
        let Ok(mut child) = started else {
            missing("no Firefox (apt install firefox-esr)");
            return None;
        };
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        // "WebDriver BiDi listening on ws://127.0.0.1:41255"
        let address = lines.by_ref().map_while(Result::ok).find_map(|line| {
            let (_, address) = line.split_once("BiDi listening on ws://")?;
            Some(address.trim().to_owned())
        });
        std::thread::spawn(move || lines.for_each(drop));
        let Some(address) = address else {
            child.wait().ok();
            missing("Firefox does not start");
            return None;
        };
        let stream = TcpStream::connect(&address).unwrap();
        let (socket, _) = tungstenite::client(format!("ws://{address}/session"), stream).unwrap();
        let mut firefox = Self { child, profile, socket, commands: 0, context: Value::Null };
        firefox.command("session.new", &json!({ "capabilities": {} }));
        let tree = firefox.command("browsingContext.getTree", &json!({}));
        firefox.context = tree["contexts"][0]["context"].clone();
        Some(firefox)
    }

    fn command(&mut self, method: &str, params: &Value) -> Value {
        self.commands += 1;
        let id = self.commands;
        let command = json!({ "id": id, "method": method, "params": params });
        self.socket.send(Message::text(command.to_string())).unwrap();
        loop {
            let Message::Text(text) = self.socket.read().unwrap() else { continue };
            let mut answer: Value = serde_json::from_str(text.as_str()).unwrap();
            if answer["id"] == id {
                assert_eq!(answer["type"], "success", "{method}: {answer}");
                return answer["result"].take();
            }
        }
    }
}

impl Tab for Firefox {
    fn open(&mut self, url: &str) {
        let params = json!({ "context": self.context, "url": url, "wait": "complete" });
        self.command("browsingContext.navigate", &params);
    }

    fn script(&mut self, script: &str) -> Value {
        let result = self.command(
            "script.evaluate",
            &json!({
                "expression":
                    format!("(async () => {{ {script} }})().then(it => JSON.stringify(it ?? null))"),
                "target": { "context": self.context },
                "awaitPromise": true,
                "userActivation": true,
            }),
        );
        assert_eq!(result["type"], "success", "{script}: {result}");
        serde_json::from_str(result["result"]["value"].as_str().unwrap()).unwrap()
    }

    fn click(&mut self, selector: &str) {
        self.script(&format!("document.querySelector('{selector}').click()"));
    }

    fn close(&mut self) {
        self.command("browsingContext.close", &json!({ "context": self.context }));
    }
}

impl Drop for Firefox {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
        fs::remove_dir_all(&self.profile).ok();
    }
}

const PREFERENCES: &str = r#"
user_pref("media.navigator.streams.fake", true);
user_pref("media.navigator.permission.disabled", true);
user_pref("media.autoplay.default", 0);
user_pref("browser.shell.checkDefaultBrowser", false);
user_pref("datareporting.policy.dataSubmissionEnabled", false);
user_pref("app.update.enabled", false);
"#;
