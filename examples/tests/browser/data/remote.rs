//! The other sides.

use std::{
    io::{BufRead, BufReader, Write},
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Stdio},
    thread,
};

use serde_json::{Value, json};

use crate::{missing, page::Tab};

/// Who does what is asked in `remote.js` or `aiortc_peer.py`.
pub(crate) trait Remote {
    fn command(&mut self, name: &str, argument: &Value) -> Value;

    /// Whether empty messages are sent as such (RFC 8831 §6.6).
    fn has_empty_messages(&self) -> bool {
        true
    }

    fn max_message_size(&self) -> usize {
        262_144
    }
}

/// A browser.
pub(crate) struct Scripted<T>(T);

impl<T: Tab> Scripted<T> {
    pub(crate) fn new(mut tab: T) -> Self {
        tab.open("about:blank");
        tab.script(include_str!("remote.js"));
        Self(tab)
    }

    /// One that has a microphone, which is there for secure contexts only, as loopback's pages are.
    pub(crate) fn with_microphone(mut tab: T) -> Self {
        tab.open(&empty_page());
        tab.script(include_str!("remote.js"));
        tab.script("await remote.speak()");
        Self(tab)
    }
}

/// Serves a page without contents for as long as the tests run, and returns where it is.
fn empty_page() -> String {
    const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 15\r\n\
          Connection: close\r\n\r\n<!doctype html>";
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut lines = BufReader::new(&stream).lines().map_while(Result::ok);
            lines.any(|line| line.is_empty());
            stream.write_all(ANSWER).ok();
        }
    });
    url
}

impl<T: Tab> Remote for Scripted<T> {
    fn command(&mut self, name: &str, argument: &Value) -> Value {
        self.0.script(&format!("return remote.{name}({argument})"))
    }
}

/// A process of Python.
pub(crate) struct Aiortc {
    child: Child,
    out: BufReader<ChildStdout>,
}

impl Aiortc {
    pub(crate) fn start() -> Option<Self> {
        let Some(python) = python() else {
            missing("no aiortc (python3 -m pip install aiortc)");
            return None;
        };
        let program =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/browser/data/aiortc_peer.py");
        let mut child = Command::new(python)
            .arg(program)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        Some(Self { child, out })
    }
}

/// A Python that has aiortc: the system's, or one in a virtual environment in `target/aiortc`.
fn python() -> Option<PathBuf> {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/aiortc/bin/python");
    [own, "python3".into()].into_iter().find(|python| {
        let tried =
            Command::new(python).args(["-c", "import aiortc"]).stderr(Stdio::null()).status();
        tried.is_ok_and(|status| status.success())
    })
}

impl Remote for Aiortc {
    fn command(&mut self, name: &str, argument: &Value) -> Value {
        let stdin = self.child.stdin.as_mut().unwrap();
        writeln!(stdin, "{}", json!([name, argument])).unwrap();
        let mut line = String::new();
        self.out.read_line(&mut line).unwrap();
        serde_json::from_str(&line).expect("aiortc answers")
    }

    fn has_empty_messages(&self) -> bool {
        true
    }

    fn max_message_size(&self) -> usize {
        65_536
    }
}

impl Drop for Aiortc {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
