//! The `call` program as a process of its own, on ports that are free.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{IpAddr, Ipv4Addr, TcpStream},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::build::example;

pub(crate) struct Program {
    child: Child,
    url: String,
}

impl Program {
    pub(crate) fn start() -> Self {
        Self::start_on(Ipv4Addr::LOCALHOST.into())
    }

    /// Starts it with more arguments.
    pub(crate) fn start_with(arguments: &[&str]) -> Self {
        Self::spawn(Ipv4Addr::LOCALHOST.into(), arguments)
    }

    /// Starts it with calls on another address than the loopback's.
    pub(crate) fn start_on(address: IpAddr) -> Self {
        Self::spawn(address, &[])
    }

    fn spawn(address: IpAddr, arguments: &[&str]) -> Self {
        let mut child = Command::new(example("call"))
            .args(["--port", "0", "--udp-port", "0", "--bind", &address.to_string()])
            .args(arguments)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let banner = lines.next().unwrap().unwrap();
        println!("{banner}");
        let url = banner.split_whitespace().find(|word| word.starts_with("http://")).unwrap();
        let url = url.to_owned();
        thread::spawn(move || lines.map_while(Result::ok).for_each(|line| println!("{line}")));
        Self { child, url }
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    pub(crate) fn status(&self) -> Value {
        let host = self.url.strip_prefix("http://").unwrap();
        let body = http(host, "GET", "/status", "").unwrap();
        serde_json::from_str(&body).unwrap()
    }

    pub(crate) fn wait_for(&self, what: &str, condition: impl Fn(&Value) -> bool) {
        self.wait_for_up_to(Duration::from_secs(30), what, condition);
    }

    pub(crate) fn wait_for_up_to(
        &self,
        limit: Duration,
        what: &str,
        condition: impl Fn(&Value) -> bool,
    ) {
        wait(limit, || {
            let status = self.status();
            if condition(&status) { Ok(()) } else { Err(format!("{what}? {status}")) }
        });
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// An address of this machine that is not loopback.
pub(crate) fn lan_address() -> Option<IpAddr> {
    let interfaces = if_addrs::get_if_addrs().unwrap_or_default();
    let usable = interfaces.iter().filter(|it| !it.is_loopback() && !it.is_link_local());
    usable.map(if_addrs::Interface::ip).min()
}

/// One request of HTTP/1.1, whose answer's body is returned.
pub(crate) fn http(host: &str, method: &str, path: &str, body: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(host)?;
    stream.set_read_timeout(Some(Duration::from_secs(120)))?;
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )?;
    let mut reader = BufReader::new(stream);
    let mut len = None;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 || line == "\r\n" {
            break;
        }
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            len = value.trim().parse::<usize>().ok();
        }
    }
    let mut body = Vec::new();
    match len {
        Some(len) => {
            body.resize(len, 0);
            reader.read_exact(&mut body)?;
        }
        None => {
            reader.read_to_end(&mut body)?;
        }
    }
    Ok(String::from_utf8_lossy(&body).into_owned())
}

/// Tries until it works, and panics with the last reason why not.
pub(crate) fn wait(limit: Duration, mut attempt: impl FnMut() -> Result<(), String>) {
    let start = now();
    while let Err(reason) = attempt() {
        assert!(now() - start < limit, "not within {limit:?}: {reason}");
        thread::sleep(Duration::from_millis(100));
    }
}

#[expect(clippy::disallowed_methods, reason = "a test with a real browser takes real time")]
fn now() -> Instant {
    Instant::now()
}
