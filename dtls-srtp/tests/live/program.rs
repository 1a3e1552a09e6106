//! A program of somebody else's, what it prints and what is typed into it.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

use crate::ours::{PATIENCE, now};

/// A running program, killed when dropped.
pub(crate) struct Program {
    child: Child,
    lines: Receiver<String>,
    seen: Vec<String>,
}

impl Program {
    /// `None` if there is no such program, which is said.
    pub(crate) fn start(name: &str, package: &str, arguments: &[String]) -> Option<Self> {
        let spawned = Command::new(name)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        let Ok(mut child) = spawned else {
            missing(&format!("there is no program `{name}` (Debian: apt install {package})"));
            return None;
        };
        let (sender, lines) = mpsc::channel();
        let stdout = child.stdout.take().unwrap();
        let stderr = child.stderr.take().unwrap();
        let also = sender.clone();
        thread::spawn(move || {
            let lines = BufReader::new(stdout).lines().map_while(Result::ok);
            lines.map(|line| sender.send(line)).take_while(Result::is_ok).for_each(drop);
        });
        thread::spawn(move || {
            let lines = BufReader::new(stderr).lines().map_while(Result::ok);
            lines.map(|line| also.send(line)).take_while(Result::is_ok).for_each(drop);
        });
        Some(Self { child, lines, seen: Vec::new() })
    }

    pub(crate) fn type_line(&mut self, line: &str) {
        let stdin = self.child.stdin.as_mut().expect("its input is open");
        // At once, as a program that reads half of it sends half of it.
        stdin.write_all(format!("{line}\n").as_bytes()).unwrap();
    }

    /// Closes its standard input, at which most programs end.
    pub(crate) fn end_input(&mut self) {
        self.child.stdin = None;
    }

    /// Whether a line with this in it was printed.
    pub(crate) fn printed(&mut self, part: &str) -> bool {
        self.seen.extend(self.lines.try_iter());
        self.seen.iter().any(|line| line.contains(part))
    }

    /// What was printed behind this.
    pub(crate) fn value(&mut self, name: &str) -> Option<String> {
        self.seen.extend(self.lines.try_iter());
        let line = self.seen.iter().find(|line| line.trim().starts_with(name))?;
        Some(line.trim()[name.len()..].trim().to_owned())
    }

    /// Waits until it says that it is ready.
    pub(crate) fn wait_for(&mut self, part: &str) {
        let start = now();
        while !self.printed(part) {
            assert!(now() - start < PATIENCE, "it does not print {part:?}: {:#?}", self.seen);
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// What it has printed so far, for who wants to know what went wrong.
    pub(crate) fn seen(&self) -> &[String] {
        &self.seen
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _it_may_have_ended = self.child.kill();
        let _ended = self.child.wait();
    }
}

/// What to do where something is missing: CI has it all, and must not skip what needs it.
fn missing(what: &str) {
    #[expect(clippy::disallowed_methods, reason = "CI says so by this variable")]
    let ci = std::env::var("CI").is_ok();
    assert!(!ci, "{what}");
    println!("skipped: {what}");
}

/// A folder of files for a program, gone when dropped.
pub(crate) struct Files(PathBuf);

impl Files {
    pub(crate) fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("peerless-{}-{name}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }

    pub(crate) fn put(&self, name: &str, contents: &[u8]) -> String {
        let path = self.0.join(name);
        fs::write(&path, contents).unwrap();
        path.to_str().unwrap().to_owned()
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        let _gone = fs::remove_dir_all(&self.0);
    }
}
