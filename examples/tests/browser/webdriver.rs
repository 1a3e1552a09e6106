//! Chromium, driven by WebDriver (<https://www.w3.org/TR/webdriver2/>).

use std::{
    fs,
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
    sync::Arc,
};

use serde_json::{Value, json};

use crate::{missing, page::Tab, program::http};

/// What Chromium has for camera and microphone.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Devices {
    /// Its own fakes: a clock that turns, and a beep.
    Fake,
    /// None: it then hides its addresses behind `.local` names.
    None,
}

pub(crate) struct Browser {
    driver: Child,
    process: u32,
    session: Arc<Session>,
}

struct Session {
    host: String,
    path: String,
}

impl Browser {
    /// Starts Chromium, or says that it is missing.
    pub(crate) fn start(devices: Devices) -> Option<Self> {
        Self::start_with(devices, &[])
    }

    /// The same with more arguments.
    pub(crate) fn start_with(devices: Devices, more: &[&str]) -> Option<Self> {
        let started = Command::new("chromedriver")
            .arg("--port=0")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn();
        let Ok(mut driver) = started else {
            missing("no Chromium with its driver (apt install chromium chromium-driver)");
            return None;
        };
        let mut lines = BufReader::new(driver.stdout.take().unwrap()).lines();
        // "ChromeDriver was started successfully on port 35487."
        let port = lines.by_ref().map_while(Result::ok).find_map(|line| {
            let (_, port) = line.split_once("successfully on port ")?;
            port.trim_end_matches('.').parse::<u16>().ok()
        });
        std::thread::spawn(move || lines.for_each(drop));
        let host = format!("127.0.0.1:{}", port.expect("chromedriver says its port"));

        let mut arguments = vec![
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--disable-dev-shm-usage",
            // All tabs but one are in the background.
            "--disable-background-timer-throttling",
            "--disable-renderer-backgrounding",
            "--disable-backgrounding-occluded-windows",
            // Our program is told to use loopback, which Chromium leaves out by itself.
            "--allow-loopback-in-peer-connection",
            "--autoplay-policy=no-user-gesture-required",
        ];
        if devices == Devices::Fake {
            arguments.push("--use-fake-device-for-media-stream");
            arguments.push("--use-fake-ui-for-media-stream");
        }
        arguments.extend(more);
        let capabilities = json!({ "capabilities": { "alwaysMatch": {
            "goog:chromeOptions": { "args": arguments },
            "timeouts": { "script": 120_000 },
        } } });
        let answer = http(&host, "POST", "/session", &capabilities.to_string()).unwrap();
        let answer: Value = serde_json::from_str(&answer).unwrap();
        let Some(id) = answer["value"]["sessionId"].as_str() else {
            driver.kill().ok();
            driver.wait().ok();
            missing(&format!("Chromium does not start: {}", answer["value"]["message"]));
            return None;
        };
        let process = answer["value"]["capabilities"]["goog:processID"].as_u64().unwrap() as u32;
        let session = Session { host, path: format!("/session/{id}") };
        Some(Self { driver, process, session: Arc::new(session) })
    }

    /// Returns the tab that was opened with the browser.
    pub(crate) fn tab(&self) -> ChromiumTab {
        let handle = self.session.command("GET", "/window", &json!(null));
        ChromiumTab { session: Arc::clone(&self.session), handle }
    }

    pub(crate) fn new_tab(&self) -> ChromiumTab {
        let opened = self.session.command("POST", "/window/new", &json!({ "type": "tab" }));
        ChromiumTab { session: Arc::clone(&self.session), handle: opened["handle"].clone() }
    }

    /// Kills every process of the browser, without warning.
    pub(crate) fn kill(mut self) {
        let mut processes = vec![self.process];
        let mut at = 0;
        while let Some(&process) = processes.get(at) {
            processes.extend(children(process));
            at += 1;
        }
        let processes = processes.iter().map(u32::to_string);
        Command::new("kill").arg("-9").args(processes).status().unwrap();
        self.driver.kill().ok();
        self.driver.wait().ok();
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        if let Ok(None) = self.driver.try_wait() {
            http(&self.session.host, "DELETE", &self.session.path, "").ok();
        }
        self.driver.kill().ok();
        self.driver.wait().ok();
    }
}

/// One tab of Chromium.
pub(crate) struct ChromiumTab {
    session: Arc<Session>,
    handle: Value,
}

impl ChromiumTab {
    /// Commands go to the tab that was chosen last.
    fn choose(&self) {
        self.session.command("POST", "/window", &json!({ "handle": self.handle }));
    }
}

impl Tab for ChromiumTab {
    fn open(&mut self, url: &str) {
        self.choose();
        self.session.command("POST", "/url", &json!({ "url": url }));
    }

    fn script(&mut self, script: &str) -> Value {
        self.choose();
        let script = format!("return (async () => {{ {script} }})()");
        self.session.command("POST", "/execute/sync", &json!({ "script": script, "args": [] }))
    }

    fn click(&mut self, selector: &str) {
        self.choose();
        let found = self.session.command(
            "POST",
            "/element",
            &json!({ "using": "css selector", "value": selector }),
        );
        let element = found.as_object().unwrap().values().next().unwrap().as_str().unwrap();
        self.session.command("POST", &format!("/element/{element}/click"), &json!({}));
    }

    fn close(&mut self) {
        self.choose();
        self.session.command("DELETE", "/window", &json!(null));
    }
}

impl Session {
    fn command(&self, method: &str, path: &str, body: &Value) -> Value {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let answer = http(&self.host, method, &format!("{}{path}", self.path), &body).unwrap();
        let mut answer: Value = serde_json::from_str(&answer).unwrap();
        let value = answer["value"].take();
        assert!(value["error"].is_null(), "{method} {path} {body}: {value}");
        value
    }
}

fn children(process: u32) -> Vec<u32> {
    let tasks = fs::read_dir(format!("/proc/{process}/task")).into_iter().flatten().flatten();
    let lists = tasks.filter_map(|task| fs::read_to_string(task.path().join("children")).ok());
    let of = |list: String| -> Vec<u32> {
        list.split_whitespace().filter_map(|child| child.parse().ok()).collect()
    };
    lists.flat_map(of).collect()
}
